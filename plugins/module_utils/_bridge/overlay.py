# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VXLAN port, by which bridges of several hosts are one segment: its steps and its plan."""
from __future__ import annotations

import dataclasses
import typing as t

from .._kernel import vxlan
from .._kernel.errors import LxcError
from .._kernel.vxlan import Vxlan
from .belongings import alias_of
from .operations import AddPort, Facts, Operation, RemovePort, SetLink
from .vxlan_spec import VxlanSpec, link_name

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink
    from .observe import BridgeState


def plan_vxlan(name: str, wanted: VxlanSpec | None, state: BridgeState) -> list[Operation]:
    """The port and its hosts as the task says; left out, as they are.

    :raises LxcError: when a link of that name is something else
    """
    if wanted is None:
        return []
    operations: list[Operation] = []
    link, present = wanted.name, state.vxlan
    if present is not None and present != wanted.vxlan:
        operations += _removal(name, present, state)
        present = None
    if present is None:
        other = state.vxlan_link
        if other is not None and not operations:
            raise LxcError("make VXLAN link", link, detail="there is another link of that name",
                           hint="Remove it, or choose another id.")
        operations.append(CreateVxlan(name, link, wanted.vxlan, wanted.mtu))
        operations.append(AddPort(name, link))
        operations.append(SetLink(link, "up", True, False))
    remotes = state.vxlan_remotes if present is not None else []
    operations += [RemoveRemote(name, link, address) for address in remotes
                   if address not in wanted.remotes]
    operations += [AddRemote(name, link, address) for address in wanted.remotes
                   if address not in remotes]
    return operations


def plan_no_vxlan(name: str, state: BridgeState) -> list[Operation]:
    """Remove the port that :func:`plan_vxlan` made."""
    return _removal(name, state.vxlan, state) if state.vxlan is not None else []


def _removal(name: str, present: Vxlan, state: BridgeState) -> list[Operation]:
    link = link_name(present.id)
    mtu = state.vxlan_link["mtu"] if state.vxlan_link else 1450
    operations: list[Operation] = [RemoveRemote(name, link, a) for a in state.vxlan_remotes]
    operations.append(SetLink(link, "up", False, True))
    operations.append(RemovePort(name, link))
    mac = state.vxlan_link["mac"] if state.vxlan_link else ""
    operations.append(DeleteVxlan(name, link, present, mtu, mac))
    return operations


@dataclasses.dataclass(frozen=True)
class CreateVxlan(Operation):
    link: str
    vxlan: Vxlan
    mtu: int

    def describe(self) -> str:
        return "create VXLAN link %s: id %d, local %s, port %d, mtu %d" % (
            self.link, *self.vxlan, self.mtu)

    def execute(self, netlink: Netlink) -> None:
        vxlan.create(netlink, self.link, self.vxlan, self.mtu, alias_of(self.name))

    def undo(self, netlink: Netlink) -> None:
        netlink.delete_link(self.link)

    def alter(self, facts: Facts) -> None:
        facts["vxlan"] = {**self.vxlan._asdict(), "remotes": []}
        facts["mtu"] = min(facts["mtu"], self.mtu)  # as the kernel does with a new port


@dataclasses.dataclass(frozen=True)
class DeleteVxlan(Operation):
    link: str
    vxlan: Vxlan
    mtu: int
    mac: str

    def describe(self) -> str:
        return "delete VXLAN link %s" % self.link

    def execute(self, netlink: Netlink) -> None:
        netlink.delete_link(self.link)

    def undo(self, netlink: Netlink) -> None:
        vxlan.create(netlink, self.link, self.vxlan, self.mtu, alias_of(self.name), self.mac)

    def alter(self, facts: Facts) -> None:
        facts["vxlan"] = None


@dataclasses.dataclass(frozen=True)
class AddRemote(Operation):
    link: str
    address: str

    def describe(self) -> str:
        return "let %s ask host %s" % (self.link, self.address)

    def execute(self, netlink: Netlink) -> None:
        vxlan.add_remote(netlink, self.link, self.address)

    def undo(self, netlink: Netlink) -> None:
        vxlan.remove_remote(netlink, self.link, self.address)

    def alter(self, facts: Facts) -> None:
        found = facts["vxlan"]
        facts["vxlan"] = {**found, "remotes": sorted([*found["remotes"], self.address])}


@dataclasses.dataclass(frozen=True)
class RemoveRemote(Operation):
    link: str
    address: str

    def describe(self) -> str:
        return "let %s no longer ask host %s" % (self.link, self.address)

    def execute(self, netlink: Netlink) -> None:
        vxlan.remove_remote(netlink, self.link, self.address)

    def undo(self, netlink: Netlink) -> None:
        vxlan.add_remote(netlink, self.link, self.address)

    def alter(self, facts: Facts) -> None:
        found = facts["vxlan"]
        facts["vxlan"] = {**found, "remotes": [a for a in found["remotes"] if a != self.address]}
