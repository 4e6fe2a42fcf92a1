# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan by which a bridge takes over a NIC, and by which it gives it back. Pure.

At every moment the host answers at its addresses and has a way out: both links have the
addresses while the NIC becomes a port, what comes in goes to the bridge from then on, and what
goes out leaves by the NIC directly until the bridge can send.
"""
from __future__ import annotations

import socket
import typing as t

from .._kernel.errors import LxcError
from .._kernel.link_config import default_route, replaces
from .belongings import (
    GENERATION,
    MARK,
    NO_GENERATION,
    RP_FILTER,
    in_adding_order,
    learned_routes,
    movable_routes,
    read_mark,
    write_mark,
)
from .moves import (
    AddRoute,
    Announce,
    AwaitCarrier,
    DropAddress,
    DropRoute,
    GiveAddress,
    GiveRoute,
    Mark,
    SetSetting,
    TellNeighbours,
)
from .operations import AddPort, Operation, RemovePort, SetLink

if t.TYPE_CHECKING:
    from .._kernel.link_config import Route
    from .._kernel.netlink_facts import Link
    from .belongings import Belongings
    from .observe import BridgeState
    from .spec import BridgeSpec

_LOOSE = "2"  # rp_filter: any way back is good enough (RFC 3704)
_MAIN = 254


def check(spec: BridgeSpec, state: BridgeState) -> None:
    """Refuse what can't be taken over.

    :raises LxcError: naming the NIC and the remedy
    """
    nic, doing = spec.takeover, "take over %s by" % spec.takeover
    if nic is None:
        return
    link = state.nic_link
    marked = read_mark(state.mark)[0] or nic
    problem = hint = ""
    if marked != nic:
        problem = "the bridge has taken over %s" % marked
        hint = "Give that back first, with 'state: absent', or name another bridge."
    elif link is None:
        problem, hint = "there is no such link", "'ip link' lists those that are there."
    elif nic == "lo" or link["kind"] == "bridge":
        problem = "it is %s" % ("the loopback link" if nic == "lo" else "a bridge itself")
        hint = "Name a NIC."
    elif link["master"] not in ("", spec.name):
        problem, hint = "it is a port of %s" % link["master"], "Take it from there first."
    elif state.nic_has is not None:
        ids = [r.nexthop_object for r in state.nic_has.routes if r.nexthop_object]
        if ids and state.nexthops_hidden:
            problem = "a route uses the nexthop object %d, and the kernel hides its link" % ids[0]
            hint = "Set the sysctl net.ipv4.nexthop_compat_mode to 1, which is its default."
        elif state.nic_rules and link["master"] != spec.name:
            problem = "a policy rule names it, %s" % state.nic_rules[0]
            hint = ("What it is for would come in, and go out, by %s: add the rule for that with "
                    "'ip rule add', which may be done before there is such a link, and remove "
                    "the one for %s." % (spec.name, nic))
    if problem:
        raise LxcError(doing, spec.name, detail=problem, hint=hint)


def is_due(spec: BridgeSpec, state: BridgeState) -> bool:
    """Whether the NIC has something that the bridge shall have."""
    if spec.takeover is None or state.nic_link is None or state.nic_has is None:
        return False
    return (state.nic_link["master"] != spec.name
            or any(not a.link_local for a in state.nic_has.addresses)
            or bool(_routes(state.nic_has)))


def complete(spec: BridgeSpec, state: BridgeState) -> BridgeSpec:
    """What the bridge gets from the NIC where the task does not say otherwise."""
    link, _has = _nic(state)
    spec = spec._replace(mac=spec.mac or link["mac"], mtu=spec.mtu or link["mtu"], up=True)
    if state.link is None:
        spec = spec._replace(
            forward_delay=0.0 if spec.forward_delay is None and not spec.stp
            else spec.forward_delay, stp=bool(spec.stp))
    return spec


def plan_settings(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    """The NIC's sysctls for a bridge that is new; one that is there has its own.

    For the time of the move a strict rp_filter is loosened: packets come in by the bridge while
    the routes still lead over the NIC.
    """
    _link, has = _nic(state)
    known = state.new_settings if state.own is None else state.own.settings
    operations: list[Operation] = []
    if state.link is None:
        for key, value in has.settings.items():
            if key == GENERATION:
                # Its way to make a link-local address may give another one on the bridge.
                value = known.get(key, value) if value == "0" else NO_GENERATION
            if key != RP_FILTER and known.get(key, value) != value:
                operations.append(SetSetting(spec.name, key, value, known[key]))
    if _rp_filter(spec, state) != known.get(RP_FILTER):
        operations.append(SetSetting(spec.name, RP_FILTER, _rp_filter(spec, state),
                                     known.get(RP_FILTER, "0")))
    return operations


def plan_addresses(spec: BridgeSpec, state: BridgeState) -> list[GiveAddress]:
    _link, has = _nic(state)
    present = state.own.addresses if state.own else []
    there = {address.text for address in present}
    return [GiveAddress(spec.name, address, state.nic) for address in in_adding_order(has.addresses)
            if address.text not in there
            and (spec.addresses is None or address.link_local or address.text in spec.addresses)]


def plan_move(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    link, has = _nic(state)
    operations: list[Operation] = []
    if link["master"] != spec.name:
        operations.append(AddPort(spec.name, state.nic))
    if not link["up"]:
        operations.append(SetLink(state.nic, "up", True, False))
    if link["up"] and link["state"] in ("UP", "UNKNOWN"):
        operations.append(AwaitCarrier(spec.name))
    if has.neighbours:
        operations.append(TellNeighbours(spec.name, tuple(has.neighbours), state.nic))
    return operations + _give_routes(spec.name, state.nic, has, _other_defaults(spec, has))


def plan_gateways(spec: BridgeSpec, state: BridgeState, moving: bool) -> list[Operation]:
    """The default routes over the bridge become those that the task names."""
    operations: list[Operation] = []
    own = [] if state.own is None else state.own.routes
    moved = state.nic_has.routes if moving and state.nic_has else []
    for family, gateway in _gateways(spec):
        if gateway is None:
            continue
        present = [r for r in (*own, *moved) if _is_default(r, family)]
        if not any(route.gateway == gateway for route in present):
            operations.append(AddRoute(spec.name, default_route(family, gateway)))
        index = state.own.index if state.own else 0
        operations += [DropRoute(spec.name, route, index) for route in reversed(own)
                       if _is_default(route, family) and route.gateway != gateway]
    return operations


def plan_end(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    """Take from the NIC what the bridge has now."""
    link, has = _nic(state)
    operations: list[Operation] = []
    unwanted = _other_defaults(spec, has)
    operations += _drop_routes(state.nic, has, unwanted)
    # A port that loses its carrier for a moment would make itself a link-local address again.
    mode = has.settings.get(GENERATION)
    if mode not in (None, NO_GENERATION):
        operations.append(SetSetting(state.nic, GENERATION, NO_GENERATION, t.cast(str, mode)))
    operations += [DropAddress(state.nic, address)
                   for address in reversed(in_adding_order(has.addresses))]
    wanted = has.settings.get(RP_FILTER, "0")
    if state.own is not None:
        wanted = state.own.settings.get(RP_FILTER, "0")
    if _rp_filter(spec, state) != wanted:
        operations.append(SetSetting(spec.name, RP_FILTER, wanted, _rp_filter(spec, state)))
    if not state.mark.startswith(MARK):
        operations.append(Mark(spec.name, write_mark(state.nic, has, state.own), state.mark))
    kept = [a.local for a in has.addresses
            if spec.addresses is None or a.link_local or a.text in spec.addresses]
    if kept and link["up"]:
        operations.append(Announce(spec.name, tuple(kept)))
    return operations


def plan_back(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    """Give the NIC all that the bridge has. Nothing where the bridge has not taken one over."""
    if state.nic_link is None or state.nic_has is None or state.own is None \
            or state.nic_link["master"] != spec.name:
        return []
    own, has, nic = state.own, state.nic_has, state.nic
    operations: list[Operation] = []
    strict = state.strict or own.settings.get(RP_FILTER) == "1"
    if strict and own.settings.get(RP_FILTER) != _LOOSE:
        operations.append(SetSetting(spec.name, RP_FILTER, _LOOSE, own.settings[RP_FILTER]))
    _nic_name, mode, kept = read_mark(state.mark)
    given = [address for address in own.addresses if address.text not in kept]
    there = {address.text for address in has.addresses}
    operations += [GiveAddress(nic, address, spec.name)
                   for address in in_adding_order(given) if address.text not in there]
    if own.neighbours:
        operations.append(TellNeighbours(nic, tuple(own.neighbours), spec.name))
    operations += _give_routes(nic, spec.name, own, [])
    operations += _drop_routes(spec.name, own, [])
    operations += [DropAddress(spec.name, address)
                   for address in reversed(in_adding_order(given))]
    operations.append(RemovePort(spec.name, nic))
    before = has.settings.get(GENERATION)
    if before is not None and mode.isdigit() and mode != before:
        operations.append(SetSetting(nic, GENERATION, mode, before))
    if given and state.nic_link["up"]:
        operations.append(Announce(nic, tuple(a.local for a in given)))
    return operations


def warnings(state: BridgeState) -> list[str]:
    """What nobody can move for the user."""
    _link, has = _nic(state)
    leased = [a.text for a in has.addresses if a.expires and a.family == socket.AF_INET]
    if not leased:
        return []
    return ["%s of %s has a lifetime, so a DHCP client renews it: let that client run on the "
            "bridge, or it gives the address to %s again." % (
                ", ".join(leased), state.nic, state.nic)]


def _nic(state: BridgeState) -> tuple[Link, Belongings]:
    return t.cast("Link", state.nic_link), t.cast("Belongings", state.nic_has)


def _routes(has: Belongings) -> list[Route]:
    return movable_routes(has)


def _give_routes(name: str, source: str, has: Belongings, unwanted: list[Route]
                 ) -> list[Operation]:
    """Let the link have those of ``source``, of which _drop_routes() takes what is left."""
    learned = learned_routes(has)
    behind = [route.behind() for route in learned]
    operations: list[Operation] = []
    for route in _routes(has):
        if route in unwanted or any(route.same(other) for other in behind):
            continue
        operations.append(AddRoute(name, route.behind()) if route in learned
                          else GiveRoute(name, route, source, has.index))
    return operations


def _drop_routes(name: str, has: Belongings, unwanted: list[Route]) -> list[Operation]:
    learned = learned_routes(has)
    behind = [route.behind() for route in learned]
    return [DropRoute(name, route, has.index, route.behind() if route in learned else None)
            for route in reversed(_routes(has))
            if route in unwanted or route in learned or not replaces(route)
            or any(route.same(other) for other in behind)]


def _rp_filter(spec: BridgeSpec, state: BridgeState) -> str:
    """The bridge's rp_filter while the move lasts."""
    _link, has = _nic(state)
    wanted = has.settings.get(RP_FILTER, "0")
    if state.own is not None:
        wanted = state.own.settings.get(RP_FILTER, "0")
    return _LOOSE if wanted == "1" or state.strict else wanted


def _gateways(spec: BridgeSpec) -> list[tuple[int, str | None]]:
    return [(socket.AF_INET, spec.gateway4), (socket.AF_INET6, spec.gateway6)]


def _is_default(route: Route, family: int) -> bool:
    return route.family == family and route.is_default and route.table == _MAIN


def _other_defaults(spec: BridgeSpec, has: Belongings) -> list[Route]:
    """Default routes of the NIC that the task's gateways stand in for."""
    return [route for route in has.routes for family, gateway in _gateways(spec)
            if gateway is not None and _is_default(route, family) and route.gateway != gateway]
