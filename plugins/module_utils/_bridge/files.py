# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that keep a bridge over a reboot, in the network manager's files. Pure but for them."""
from __future__ import annotations

import dataclasses
import socket
import typing as t

from .._kernel.addresses import network, parse_cidr
from .._kernel.errors import LxcError
from .belongings import MARK, in_adding_order, write_mark
from .manager_files import write
from .moves import AddRoute, DropRoute, GiveAddress, GiveRoute, Mark
from .operations import AddAddress, AddPort, Facts, Operation, RemoveAddress, RemovePort, SetLink
from .persist import INTERFACES, Files, Wanted, ours, remove, render

if t.TYPE_CHECKING:
    from .._kernel.link_config import Address, Route
    from .._kernel.netlink import Netlink
    from .._kernel.netlink_facts import Link
    from .observe import BridgeState
    from .spec import BridgeSpec

_BY_ADVERTISEMENT, _BY_DHCP = 9, 16  # RTPROT_RA, RTPROT_DHCP


def plan_files(spec: BridgeSpec, state: BridgeState, operations: list[Operation],
               warnings: list[str]) -> list[Operation]:
    """The files for the bridge as it is after ``operations``.

    :raises LxcError: when no manager is named, and none is found
    """
    if spec.persist is None:
        return []
    if spec.persist == "none":
        return plan_removal(spec, state)
    manager = spec.persist
    if manager == "auto":
        manager = _ours(spec.name, state.files) or state.manager
    if not manager:
        raise LxcError("keep over a reboot", spec.name,
                       detail="none of systemd-networkd, NetworkManager and ifupdown is known to "
                       "have %s" % (state.nic or "its ports"),
                       hint="Name one in 'persist'.")
    wanted = _wanted(spec, state, operations, warnings)
    files: dict[str, str | None] = {**remove(spec.name, state.files),
                                    **render(manager, wanted, state.files)}
    return [WriteFile(spec.name, path, text, state.files.get(path))
            for path, text in sorted(files.items()) if state.files.get(path) != text]


def plan_removal(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    """Remove what :func:`plan_files` wrote, and put back what it put aside."""
    return [WriteFile(spec.name, path, text, state.files[path])
            for path, text in sorted(remove(spec.name, state.files).items())]


@dataclasses.dataclass(frozen=True)
class WriteFile(Operation):
    """Write, or with ``text`` None remove, a file. ``path`` is without the first slash."""

    path: str
    text: str | None
    before: str | None

    def describe(self) -> str:
        return "%s /%s" % ("remove" if self.text is None else "write", self.path)

    def execute(self, netlink: Netlink) -> None:
        write(self.path, self.text)

    def undo(self, netlink: Netlink) -> None:
        write(self.path, self.before)

    def alter(self, facts: Facts) -> None:
        if self.text is None or not ours(self.name, {self.path: self.text}):
            facts["files"].pop("/" + self.path, None)
        else:
            facts["files"]["/" + self.path] = self.text


def _wanted(spec: BridgeSpec, state: BridgeState, operations: list[Operation],
            warnings: list[str]) -> Wanted:
    """The bridge after the operations."""
    own = state.own
    addresses: list[Address | str] = [*in_adding_order(own.addresses)] if own else []
    routes: list[Route] = list(own.routes) if own else []
    mark = state.mark if state.mark.startswith(MARK) else ""
    if not mark and state.nic in state.ports and state.nic_has:
        mark = write_mark(state.nic, state.nic_has, None)
    ports = [p for p in state.ports if p != state.nic and p in (spec.ports or ())]
    mac, mtu = (state.link["mac"], state.link["mtu"]) if state.link else (state.stable_mac, 1500)
    for step in operations:
        if isinstance(step, GiveAddress) and step.name == spec.name:
            addresses.append(step.address)
        elif isinstance(step, AddAddress):
            addresses.append(step.address)
        elif isinstance(step, RemoveAddress):
            addresses = [a for a in addresses if _text(a) != step.address]
        elif isinstance(step, (GiveRoute, AddRoute)) and step.name == spec.name:
            routes.append(step.route)
        elif isinstance(step, DropRoute) and step.name == spec.name and step.route in routes:
            routes.remove(step.route)
        elif isinstance(step, Mark):
            mark = step.text
        elif isinstance(step, AddPort) and step.port != state.nic:
            ports.append(step.port)
        elif isinstance(step, RemovePort):
            ports = [p for p in ports if p != step.port]
        elif isinstance(step, SetLink) and step.name == spec.name and step.option == "mtu":
            mtu = step.value
    link = state.link
    # systemd-networkd with KeepConfiguration= gives a leased address no end: its routes tell, or
    # where there are none its metric.
    by_dhcp = {route.source for route in routes if route.protocol == _BY_DHCP}
    asks = any("DHCP=ipv4" in text.splitlines() for text in ours(spec.name, state.files).values())
    leased = [a for a in addresses if not isinstance(a, str) and (
        a.expires or a.local in by_dhcp
        or asks and a.has_metric and a.family == socket.AF_INET)]
    dhcp = any(a.family == socket.AF_INET for a in leased)
    kept = []
    for route in routes:
        comes = route.protocol in (_BY_ADVERTISEMENT, _BY_DHCP) or route.expires is not None
        if comes or (dhcp and spec.gateway4 is None and route.is_default
                     and route.family == socket.AF_INET) or not _by_someone(route):
            continue
        if route.is_plain:
            kept.append(route)
        else:
            warnings.append("The route %s is not kept over a reboot: write it where the network "
                            "is configured." % route.text)
    return Wanted(
        spec.name, state.nic, mark, sorted(set(ports)), spec.mac or mac, mtu,
        bool(link["stp"] if spec.stp is None and link else spec.stp),
        _forward_delay(spec.forward_delay, link),
        _static([a for a in addresses if a not in leased]), sorted(kept, key=_route_order), dhcp,
        any(a.family == socket.AF_INET6 for a in leased), _metrics(routes))


def _metrics(routes: list[Route]) -> dict[int, int]:
    """Those that a network manager gave what it was told, and to IPv4 networks."""
    found: dict[int, int] = {}
    for route in routes:
        told = _BY_ADVERTISEMENT if route.family == socket.AF_INET6 else _BY_DHCP
        if route.metric and (route.protocol == told or (
                route.family == socket.AF_INET and not _by_someone(route))):
            found[route.family] = min(route.metric, found.get(route.family, route.metric))
    return found


def _forward_delay(wanted: float | None, link: Link | None) -> float:
    if wanted is not None:
        return float(wanted)
    return float(link["forward_delay"] or 0) if link else 15.0  # a new one's: br_dev_setup()


def _static(addresses: t.Iterable[Address | str]) -> list[str]:
    """By networks, of which the kernel lists them in another order than they were added in; within
    one the first is its primary address, and stays it."""
    texts = [_text(a) for a in addresses
             if isinstance(a, str) or not (a.expires or a.link_local)]
    return sorted(texts, key=_network)


def _network(text: str) -> tuple[bool, bytes]:
    net = network(parse_cidr(text))
    return net.family == socket.AF_INET6, socket.inet_pton(net.family, net.address)


def _text(address: Address | str) -> str:
    return address if isinstance(address, str) else address.text


def _by_someone(route: Route) -> bool:
    return route.protocol != 2


def _route_order(route: Route) -> tuple[bool, str]:
    return route.has_gateway, route.text


def _ours(name: str, files: Files) -> str:
    """The manager that the bridge's files are written for."""
    for path in ours(name, files):
        if path.startswith("etc/systemd"):
            return "systemd-networkd"
        return "ifupdown" if path.startswith(INTERFACES) else "NetworkManager"
    return ""
