# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge that filters by VLAN: its steps and its plan. Pure but for the steps."""
from __future__ import annotations

import dataclasses
import typing as t

from .._kernel import bridge_vlans
from .._kernel.bridge_vlans import PortVlans
from .._kernel.errors import LxcError
from .operations import Facts, Operation

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink
    from .observe import BridgeState
    from .spec import BridgeSpec

DEFAULT = PortVlans(1, [])  # of a new port, as the kernel has it


def plan_vlans(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    """Filtering comes last, and goes first: meanwhile no port is shut out.

    :raises LxcError: when a port is none of the bridge's
    """
    operations: list[Operation] = []
    ports = {*state.ports, *(spec.ports or ()), *([spec.takeover] if spec.takeover else [])}
    for port, wanted in (spec.vlans or {}).items():
        if port not in ports:
            raise LxcError("set the VLANs of", port, detail="it is no port of %s" % spec.name,
                           hint="Name it in 'ports' too, or correct 'vlans'.")
        before = state.vlans.get(port, DEFAULT) if port in state.ports else DEFAULT
        if before != wanted:
            operations.append(SetPortVlans(spec.name, port, wanted, before))
    if spec.vlan_filtering is not None and spec.vlan_filtering != state.filtering:
        step = SetFiltering(spec.name, spec.vlan_filtering)
        operations.insert(len(operations) if step.on else 0, step)
    return operations


@dataclasses.dataclass(frozen=True)
class SetFiltering(Operation):
    on: bool

    def describe(self) -> str:
        return "set VLAN filtering of %s %s" % (self.name, "on" if self.on else "off")

    def execute(self, netlink: Netlink) -> None:
        bridge_vlans.set_filtering(netlink, self.name, self.on)

    def undo(self, netlink: Netlink) -> None:
        bridge_vlans.set_filtering(netlink, self.name, not self.on)

    def alter(self, facts: Facts) -> None:
        facts["vlan_filtering"] = self.on


@dataclasses.dataclass(frozen=True)
class SetPortVlans(Operation):
    port: str
    vlans: PortVlans
    before: PortVlans

    def describe(self) -> str:
        return "set VLANs of %s: untagged %s, tagged %s" % (
            self.port, self.vlans.untagged or "none",
            ", ".join(map(str, self.vlans.tagged)) or "none")

    def execute(self, netlink: Netlink) -> None:
        bridge_vlans.change(netlink, self.port, self.before, self.vlans)

    def undo(self, netlink: Netlink) -> None:
        bridge_vlans.change(netlink, self.port, self.vlans, self.before)

    def alter(self, facts: Facts) -> None:
        """Ports' VLANs are not among the facts: containers' ends have theirs, and come and go."""
