# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps by which addresses and routes go from one link to another, each with its undo.

``name`` is the link that a step acts on: the bridge, or the NIC. What ``alter`` finds in the facts
is the bridge's own, and under ``takeover`` the NIC's.
"""
from __future__ import annotations

import dataclasses
import time
import typing as t

from .._kernel import sysctls
from .._kernel.announce import announce
from .._kernel.errors import LxcError
from .._kernel.link_config import Address, LinkConfig, Neighbour, Route, replaces
from .operations import Facts, Operation

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink

_CARRIER_WITHIN = 5  # seconds; it takes milliseconds


@dataclasses.dataclass(frozen=True)
class GiveAddress(Operation):
    """Add an address of ``source`` to this link, with all that it has; both have it then."""

    address: Address
    source: str

    def describe(self) -> str:
        return "give address %s of %s to %s" % (self.address.describe(), self.source, self.name)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).add_address(self.name, self.address, self.source)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).delete_address(self.name, self.address)

    def alter(self, facts: Facts) -> None:
        if not self.address.link_local:
            values = _facts_of(self.name, facts)["addresses"]
            values[:] = sorted({*values, self.address.text})


@dataclasses.dataclass(frozen=True)
class DropAddress(Operation):
    """Take an address away. Plans drop the last first: the first may own the others."""

    address: Address

    def describe(self) -> str:
        return "take address %s from %s" % (self.address.describe(), self.name)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).delete_address(self.name, self.address)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).add_address(self.name, self.address, self.name)

    def alter(self, facts: Facts) -> None:
        values = _facts_of(self.name, facts)["addresses"]
        values[:] = [text for text in values if text != self.address.text]


@dataclasses.dataclass(frozen=True)
class GiveRoute(Operation):
    """Add a route of ``source`` to this link.

    :param seen_on: the number of the link that it was seen on
    """

    route: Route
    source: str
    seen_on: int

    def describe(self) -> str:
        return "give route %s of %s to %s" % (self.route.describe(), self.source, self.name)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).give_route(self.name, self.route, self.seen_on)

    def undo(self, netlink: Netlink) -> None:
        config = LinkConfig(netlink)
        if replaces(self.route):
            config.give_route(self.source, self.route, self.seen_on)
        else:
            config.delete_route(self.name, self.route, self.seen_on)

    def alter(self, facts: Facts) -> None:
        text = self.route.text
        values = _facts_of(self.name, facts)["routes"]
        values[:] = sorted([*values, text])
        if replaces(self.route):
            _without(_facts_of(self.source, facts)["routes"], text)


@dataclasses.dataclass(frozen=True)
class DropRoute(Operation):
    """:param instead: what is put back for it, where that is another one"""

    route: Route
    seen_on: int
    instead: Route | None = None

    def describe(self) -> str:
        return "take route %s from %s" % (self.route.describe(), self.name)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).delete_route(self.name, self.route, self.seen_on)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).give_route(self.name, self.instead or self.route, self.seen_on)

    def alter(self, facts: Facts) -> None:
        _without(_facts_of(self.name, facts)["routes"], self.route.text)


@dataclasses.dataclass(frozen=True)
class AddRoute(Operation):
    """A route that no link had before."""

    route: Route

    def describe(self) -> str:
        return "add route %s over %s" % (self.route.describe(), self.name)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).give_route(self.name, self.route, 0)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).delete_route(self.name, self.route, 0)

    def alter(self, facts: Facts) -> None:
        values = _facts_of(self.name, facts)["routes"]
        values[:] = sorted([*values, self.route.text])


@dataclasses.dataclass(frozen=True)
class TellNeighbours(Operation):
    """Let this link know the neighbours that ``source`` knows: no packet waits for ARP."""

    neighbours: tuple[Neighbour, ...]
    source: str

    def describe(self) -> str:
        return "let %s know the neighbours of %s: %s" % (
            self.name, self.source, ", ".join(n.text for n in self.neighbours))

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).add_neighbours(self.name, self.neighbours)

    def undo(self, netlink: Netlink) -> None:
        """Nothing: what a link knows of its neighbours is forgotten by itself."""

    def alter(self, facts: Facts) -> None:
        """The user does not see it."""


@dataclasses.dataclass(frozen=True)
class AwaitCarrier(Operation):
    """A bridge sends nothing for some milliseconds after its first port: until the kernel's
    linkwatch has run, its queue drops everything. Routes change over only then."""

    def describe(self) -> str:
        return "wait until %s can send" % self.name

    def execute(self, netlink: Netlink) -> None:
        end = time.monotonic() + _CARRIER_WITHIN
        while True:
            link = netlink.link(self.name)
            if link is not None and link["state"] == "UP":
                return
            if time.monotonic() > end:
                raise LxcError("wait for the carrier of", self.name,
                               detail="it is not up %d s after its port" % _CARRIER_WITHIN,
                               hint="Look at the cable, and whether the port is up.")
            time.sleep(0.002)

    def undo(self, netlink: Netlink) -> None:
        """Nothing was done."""

    def alter(self, facts: Facts) -> None:
        """Nor will be."""


@dataclasses.dataclass(frozen=True)
class SetSetting(Operation):
    """A sysctl of a link; ``key`` has %s for its name."""

    key: str
    value: str
    before: str

    def describe(self) -> str:
        return "set sysctl %s from %s to %s" % ((self.key % self.name).replace("/", "."),
                                                self.before, self.value)

    def execute(self, netlink: Netlink) -> None:
        sysctls.write(self.key % self.name, self.value)

    def undo(self, netlink: Netlink) -> None:
        sysctls.write(self.key % self.name, self.before)

    def alter(self, facts: Facts) -> None:
        """The user does not see it."""


@dataclasses.dataclass(frozen=True)
class Mark(Operation):
    """Write down on the bridge itself, as its alias, which NIC it took over."""

    text: str
    before: str

    def describe(self) -> str:
        return "set alias of %s to '%s'" % (self.name, self.text)

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).set_alias(self.name, self.text)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).set_alias(self.name, self.before)

    def alter(self, facts: Facts) -> None:
        """The facts name the NIC anyway."""


@dataclasses.dataclass(frozen=True)
class SetPromiscuous(Operation):
    on: bool

    def describe(self) -> str:
        return "set promiscuous mode of %s %s" % (self.name, "on" if self.on else "off")

    def execute(self, netlink: Netlink) -> None:
        LinkConfig(netlink).set_promiscuous(self.name, self.on)

    def undo(self, netlink: Netlink) -> None:
        LinkConfig(netlink).set_promiscuous(self.name, not self.on)

    def alter(self, facts: Facts) -> None:
        facts["promiscuous"] = self.on


@dataclasses.dataclass(frozen=True)
class Announce(Operation):
    """Gratuitous ARP and unsolicited neighbour advertisements."""

    addresses: tuple[str, ...]

    def describe(self) -> str:
        return "announce %s from %s" % (", ".join(self.addresses), self.name)

    def execute(self, netlink: Netlink) -> None:
        link = netlink.link(self.name)
        announce(self.name, link["mac"] if link else "", self.addresses)

    def undo(self, netlink: Netlink) -> None:
        """What was heard can't be taken back; the next packet corrects it."""

    def alter(self, facts: Facts) -> None:
        """The user does not see it."""


def _facts_of(name: str, facts: Facts) -> Facts:
    """Where the facts have a link's addresses and routes."""
    if name == facts["name"]:
        return facts
    taken: Facts = facts["takeover"]
    return taken


def _without(values: list[str], text: str) -> None:
    if text in values:
        values.remove(text)
