# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that change a bridge. Each can describe itself, run, and be undone.

``alter`` says what the step does to the facts that the user sees, so that check mode's "after" is
what would come of the very steps that would run.
"""
from __future__ import annotations

import dataclasses
import typing as t

from .._kernel import sysctls
from .._kernel.errors import LxcError
from .._kernel.nftables import Nftables
from . import dnsmasq
from .observe import BRIDGE_FACTS, FORWARDING, forward_facts, table_name

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink
    from .._kernel.nftables import Forward
    from .dnsmasq import Dhcp

Facts = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step of a plan, on the bridge ``name``."""

    name: str

    def describe(self) -> str:
        """One line for people."""
        raise NotImplementedError

    def execute(self, netlink: Netlink) -> None:
        """Do it; raises LxcError, and has changed nothing then."""
        raise NotImplementedError

    def undo(self, netlink: Netlink) -> None:
        """Take it back after it was done."""
        raise NotImplementedError

    def alter(self, facts: Facts) -> None:
        """Do it to the facts instead."""
        raise NotImplementedError

    @property
    def optional(self) -> bool:
        """Whether a failure is a warning rather than the end."""
        return False


@dataclasses.dataclass(frozen=True)
class CreateBridge(Operation):
    mac: str
    forward_delay: float | None
    stp: bool | None

    def describe(self) -> str:
        options = ["mac %s" % self.mac]
        if self.forward_delay is not None:
            options.append("forward_delay %g s" % self.forward_delay)
        if self.stp is not None:
            options.append("stp %s" % ("on" if self.stp else "off"))
        return "create bridge %s: %s" % (self.name, ", ".join(options))

    def execute(self, netlink: Netlink) -> None:
        netlink.create_bridge(self.name, mac=self.mac, forward_delay=self.forward_delay,
                              stp=self.stp)

    def undo(self, netlink: Netlink) -> None:
        netlink.delete_link(self.name)

    def alter(self, facts: Facts) -> None:
        # 15 s, no spanning tree and 1500 bytes are the kernel's defaults (br_dev_setup()).
        facts.update(state="present", mac=self.mac, mtu=1500, up=False, stp=bool(self.stp),
                     forward_delay=15.0 if self.forward_delay is None else self.forward_delay,
                     promiscuous=False, addresses=[], ports=[], routes=[],
                     vlan_filtering=False)


@dataclasses.dataclass(frozen=True)
class DeleteBridge(Operation):
    def describe(self) -> str:
        return "delete bridge %s" % self.name

    def execute(self, netlink: Netlink) -> None:
        netlink.delete_link(self.name)

    def undo(self, netlink: Netlink) -> None:
        """Nothing: plans put it last, so nothing can fail after it."""

    def alter(self, facts: Facts) -> None:
        for key in BRIDGE_FACTS:
            del facts[key]
        facts["state"] = "absent"


@dataclasses.dataclass(frozen=True)
class SetBridgeOption(Operation):
    """stp or forward_delay, one at a time: the kernel checks each against the other's old value."""

    option: str
    value: t.Any
    before: t.Any

    def describe(self) -> str:
        return "set %s of %s from %s to %s" % (self.option, self.name, _show(self.before),
                                               _show(self.value))

    def execute(self, netlink: Netlink) -> None:
        netlink.set_bridge(self.name, **{self.option: self.value})

    def undo(self, netlink: Netlink) -> None:
        netlink.set_bridge(self.name, **{self.option: self.before})

    def alter(self, facts: Facts) -> None:
        facts[self.option] = self.value


@dataclasses.dataclass(frozen=True)
class SetLink(Operation):
    """mtu, mac or up of the bridge or of a port."""

    option: str
    value: t.Any
    before: t.Any

    def describe(self) -> str:
        return "set %s of %s from %s to %s" % (self.option, self.name, _show(self.before),
                                               _show(self.value))

    def execute(self, netlink: Netlink) -> None:
        netlink.set_link(self.name, **{self.option: self.value})

    def undo(self, netlink: Netlink) -> None:
        netlink.set_link(self.name, **{self.option: self.before})

    def alter(self, facts: Facts) -> None:
        if self.name == facts["name"]:
            facts[self.option] = self.value


@dataclasses.dataclass(frozen=True)
class AddPort(Operation):
    port: str

    def describe(self) -> str:
        return "make %s a port of %s" % (self.port, self.name)

    def execute(self, netlink: Netlink) -> None:
        netlink.set_master(self.port, self.name)

    def undo(self, netlink: Netlink) -> None:
        netlink.set_master(self.port, None)

    def alter(self, facts: Facts) -> None:
        facts["ports"] = sorted({*facts["ports"], self.port})


@dataclasses.dataclass(frozen=True)
class RemovePort(Operation):
    port: str

    def describe(self) -> str:
        return "take port %s from %s" % (self.port, self.name)

    def execute(self, netlink: Netlink) -> None:
        netlink.set_master(self.port, None)

    def undo(self, netlink: Netlink) -> None:
        netlink.set_master(self.port, self.name)

    def alter(self, facts: Facts) -> None:
        facts["ports"] = [p for p in facts["ports"] if p != self.port]


@dataclasses.dataclass(frozen=True)
class AddAddress(Operation):
    address: str

    def describe(self) -> str:
        return "add address %s to %s" % (self.address, self.name)

    def execute(self, netlink: Netlink) -> None:
        if self.address not in netlink.addresses(self.name):
            netlink.add_address(self.name, self.address)

    def undo(self, netlink: Netlink) -> None:
        netlink.delete_address(self.name, self.address)

    def alter(self, facts: Facts) -> None:
        facts["addresses"] = sorted({*facts["addresses"], self.address})


@dataclasses.dataclass(frozen=True)
class RemoveAddress(Operation):
    """Take an address away and leave the others.

    With the first address of a network the kernel drops the others of that network too, unless
    promote_secondaries is set (ip-sysctl.rst).
    """

    address: str

    def describe(self) -> str:
        return "remove address %s from %s" % (self.address, self.name)

    def execute(self, netlink: Netlink) -> None:
        keep = [a for a in netlink.addresses(self.name) if a != self.address]
        netlink.delete_address(self.name, self.address)
        left = netlink.addresses(self.name)
        for address in keep:
            if address not in left:
                netlink.add_address(self.name, address)

    def undo(self, netlink: Netlink) -> None:
        """Nothing: apply() puts back addresses and routes in their old order at the end."""

    def alter(self, facts: Facts) -> None:
        facts["addresses"] = [a for a in facts["addresses"] if a != self.address]


@dataclasses.dataclass(frozen=True)
class SetForwarding(Operation):
    family: str
    value: bool
    tolerant: bool = False

    def describe(self) -> str:
        return "set sysctl %s from %d to %d" % (FORWARDING[self.family].replace("/", "."),
                                                int(not self.value), int(self.value))

    def execute(self, netlink: Netlink) -> None:
        sysctls.write(FORWARDING[self.family], "1" if self.value else "0")

    def undo(self, netlink: Netlink) -> None:
        sysctls.write(FORWARDING[self.family], "0" if self.value else "1")

    def alter(self, facts: Facts) -> None:
        facts["forwarding"] = {**facts["forwarding"], self.family: self.value}

    @property
    def optional(self) -> bool:
        return self.tolerant


@dataclasses.dataclass(frozen=True)
class SetNat(Operation):
    """Make, replace or (networks None) remove the bridge's masquerading table."""

    networks: list[str] | None
    comment: str
    before: list[str] | None
    before_comment: str
    tolerant: bool = False
    forwards: tuple[Forward, ...] = ()
    before_forwards: tuple[Forward, ...] = ()

    def describe(self) -> str:
        if self.networks is None:
            return "remove masquerading of %s" % ", ".join(self.before or [])
        text = "masquerade %s when it leaves by another link than %s" % (
            ", ".join(self.networks), self.name)
        return text + "".join("; forward %s %d to %s" % (
            f.protocol, f.port, ("[%s]:%d" if ":" in f.address else "%s:%d") % (
                f.address, f.to_port)) for f in self.forwards)

    def execute(self, netlink: Netlink) -> None:
        self._set(self.networks, self.comment, self.forwards)

    def undo(self, netlink: Netlink) -> None:
        self._set(self.before, self.before_comment, self.before_forwards)

    def _set(self, networks: list[str] | None, comment: str,
             forwards: tuple[Forward, ...]) -> None:
        with Nftables() as tables:
            if networks is None:
                tables.delete_table(table_name(self.name))
            else:
                tables.set_masquerade(table_name(self.name), self.name, networks, comment,
                                      list(forwards))

    def alter(self, facts: Facts) -> None:
        facts["nat"] = self.networks is not None
        facts["nat_networks"] = sorted(self.networks or [])
        facts["forwards"] = forward_facts(list(self.forwards))

    @property
    def optional(self) -> bool:
        return self.tolerant


@dataclasses.dataclass(frozen=True)
class SetDhcp(Operation):
    """Run, replace or (None) end the bridge's dnsmasq."""

    dhcp: Dhcp | None
    before: Dhcp | None

    def describe(self) -> str:
        if self.dhcp is None:
            return "end dnsmasq of %s" % self.name
        return "serve %s by dnsmasq on %s" % (dnsmasq.describe(self.dhcp), self.name)

    def execute(self, netlink: Netlink) -> None:
        try:
            self._set(self.dhcp)
        except LxcError:
            self._set(self.before)
            raise

    def undo(self, netlink: Netlink) -> None:
        self._set(self.before)

    def _set(self, dhcp: Dhcp | None) -> None:
        if dhcp is None:
            dnsmasq.remove(self.name)
        else:
            dnsmasq.start(self.name, dhcp)

    def alter(self, facts: Facts) -> None:
        facts["dhcp"] = None if self.dhcp is None else self.dhcp._asdict()


def _show(value: t.Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "%g s" % value if isinstance(value, float) else str(value)
