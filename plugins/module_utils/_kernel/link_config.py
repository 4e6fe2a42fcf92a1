# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to a link - addresses, routes, neighbours - so that it can be given to another.

Kept as the kernel's own attributes (rtnetlink(7)): what a user once set by ``ip`` - a label, a
lifetime, a scope, the metrics of a route - is carried over without this file knowing of it.
"""
from __future__ import annotations

import dataclasses
import errno
import os
import socket
import struct
import time
import typing as t

from .errors import LxcError
from .netlink_socket import ACK, CREATE, DUMP, EXCL, REQUEST, Step

if t.TYPE_CHECKING:
    from .netlink import Netlink

Attributes = tuple[tuple[int, bytes], ...]

REPLACE, APPEND = 0x100, 0x800  # NLM_F_*
_GETLINK, _SETLINK = 18, 19
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_NEWROUTE, _DELROUTE, _GETROUTE = 24, 25, 26
_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_GETRULE = 34
_FRA_IIFNAME, _FRA_PRIORITY, _FRA_OIFNAME = 3, 6, 17
_IFLA_IFALIAS, _IFLA_EXT_MASK = 20, 29
_IFA_ADDRESS, _IFA_LOCAL, _IFA_LABEL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 3, 6, 8
_IFA_RT_PRIORITY = 9
# The rest is the kernel's to say: whether an address is secondary, tentative, deprecated.
_IFA_SETTABLE = 0x10 | 0x100 | 0x200 | 0x400  # HOMEADDRESS MANAGETEMPADDR NOPREFIXROUTE MCAUTOJOIN
_IFA_F_NODAD, _IFA_F_NOPREFIXROUTE = 0x02, 0x200
_FOREVER = 0xFFFFFFFF
(_RTA_DST, _RTA_SRC, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS,
 _RTA_MULTIPATH, _RTA_FLOW, _RTA_CACHEINFO, _RTA_TABLE, _RTA_VIA, _RTA_PREF, _RTA_ENCAP_TYPE,
 _RTA_ENCAP, _RTA_EXPIRES, _RTA_NH_ID) = (1, 2, 4, 5, 6, 7, 8, 9, 11, 12, 15, 18, 20, 21, 22, 23,
                                          30)
_RTA_KEPT = {_RTA_DST, _RTA_SRC, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_PREFSRC, _RTA_METRICS,
             _RTA_MULTIPATH, _RTA_FLOW, _RTA_TABLE, _RTA_VIA, _RTA_PREF, _RTA_ENCAP_TYPE,
             _RTA_ENCAP, _RTA_NH_ID}
# What an object of ``ip nexthop`` says in the stead of these, which the kernel shows beside its id.
_BY_OBJECT = {_RTA_GATEWAY, _RTA_VIA, _RTA_MULTIPATH, _RTA_ENCAP_TYPE, _RTA_ENCAP}
_ONLINK = 4  # of a route's flags, the only one that is not the kernel's
_TABLE_MAIN, _TABLE_LOCAL = 254, 255
BY_KERNEL = 2  # RTPROT_KERNEL: such routes come and go with the addresses
_BY_HAND, _BY_ROUTER = 3, 9  # RTPROT_BOOT, RTPROT_RA
_TYPES = {1: "", 2: "local ", 3: "broadcast ", 4: "anycast ", 5: "multicast ", 6: "blackhole ",
          7: "unreachable ", 8: "prohibit ", 9: "throw "}
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_NUD_USABLE, _NUD_STALE, _NUD_PERMANENT = 0x02 | 0x04 | 0x08 | 0x10 | 0x80, 0x04, 0x80
_NDA_DST, _NDA_LLADDR = 1, 2
_USER_HZ = 100
_NO_WAY = ("What it goes by, or its source address, must be reachable by one of the link's "
           "addresses: if the task lists addresses, list that one too, or name another gateway.")
_HINTS = {
    _NEWROUTE: {code: _NO_WAY for code in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EINVAL)},
    _NEWADDR: {errno.EACCES: "IPv6 is switched off there: see the sysctl "
                             "net.ipv6.conf.all.disable_ipv6."},
}


@dataclasses.dataclass(frozen=True)
class Address:
    """An address with all that it has: lifetimes, scope, label, flags."""

    family: int
    prefix: int
    scope: int
    flags: int
    attributes: Attributes
    preferred: int  # seconds from ``seen`` on; 0xffffffff: for ever
    valid: int
    seen: float = dataclasses.field(compare=False)  # monotonic clock

    @property
    def local(self) -> str:
        values = dict(self.attributes)
        return socket.inet_ntop(self.family, values.get(_IFA_LOCAL) or values[_IFA_ADDRESS])

    @property
    def text(self) -> str:
        return "%s/%d" % (self.local, self.prefix)

    @property
    def link_local(self) -> bool:
        """Whether it is one of those that every IPv6 link has."""
        return self.family == socket.AF_INET6 and self.scope == 253

    @property
    def expires(self) -> bool:
        return self.valid != _FOREVER

    @property
    def has_metric(self) -> bool:
        """Whether somebody gave a metric for its network's route."""
        return _IFA_RT_PRIORITY in dict(self.attributes)

    def describe(self) -> str:
        """As ``ip address`` shows it."""
        words = [self.text]
        if self.scope:
            words.append("scope %s" % _SCOPES.get(self.scope, str(self.scope)))
        if self.expires:
            words.append("valid %d s" % self.valid)
        return " ".join(words)

    def same(self, other: Address) -> bool:
        """Equal but for what time does to lifetimes, and for the link's name in the label."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[t.Any, ...]:
        kept = tuple(a for a in self.attributes if a[0] != _IFA_LABEL)
        return self.family, self.prefix, self.scope, self.flags, kept, self.expires

    def prefix_route(self) -> bytes | None:
        """The network whose route the kernel makes with it, None when it makes none."""
        if self.flags & _IFA_F_NOPREFIXROUTE:
            return None
        packed = dict(self.attributes)[_IFA_ADDRESS]
        number = int.from_bytes(packed, "big")
        shift = len(packed) * 8 - self.prefix
        return (number >> shift << shift).to_bytes(len(packed), "big")

    def request(self, index: int, name: str, was: str) -> bytes:
        """The body of a message about it on the link ``name``, ``was`` being where it was seen."""
        attributes = []
        for kind, value in self.attributes:
            if kind == _IFA_LABEL:
                value = _relabel(value, was, name)
            attributes.append((kind, value))
        passed = int(time.monotonic() - self.seen)
        if self.expires or self.preferred != _FOREVER:
            lives = [v if v == _FOREVER else max(v - passed, 0)
                     for v in (self.preferred, self.valid)]
            attributes.append((_IFA_CACHEINFO, struct.pack("IIII", lives[0],
                                                           max(lives[1], 1), 0, 0)))
        # Without NODAD an IPv6 address would be mute for a second.
        flags = self.flags | (_IFA_F_NODAD if self.family == socket.AF_INET6 else 0)
        attributes.append((_IFA_FLAGS, struct.pack("I", flags)))
        return struct.pack("BBBBI", self.family, self.prefix, flags & 0xFF, self.scope,
                           index) + _encode(attributes)


@dataclasses.dataclass(frozen=True)
class Route:
    """A route that leaves by a link, whatever else it has."""

    family: int
    lengths: tuple[int, int]  # of the destination's and the source's prefix
    tos: int
    table: int
    protocol: int
    scope: int
    type: int
    flags: int
    attributes: Attributes
    expires: int | None = None  # seconds from ``seen`` on
    seen: float = dataclasses.field(default=0, compare=False)

    @property
    def destination(self) -> bytes:
        return dict(self.attributes).get(_RTA_DST, b"")

    @property
    def is_default(self) -> bool:
        return not self.lengths[0] and self.type == 1

    @property
    def has_gateway(self) -> bool:
        return bool({_RTA_GATEWAY, _RTA_VIA, _RTA_MULTIPATH} & set(dict(self.attributes)))

    @property
    def is_advertised(self) -> bool:
        """Whether it is by way of a router that said for how long."""
        return (self.family == socket.AF_INET6 and self.protocol == _BY_ROUTER
                and self.expires is not None and bool(self.gateway))

    def behind(self) -> Route:
        """The same by hand, one metric less preferred than what the kernel makes of the router's
        next advertisement.

        With the same metric that one would find it: Linux 6.1 lets a route that is not the kernel's
        own expire at once then (rt6_add_dflt_router), and one beside it takes part of the traffic.
        """
        kept = [a for a in self.attributes if a[0] != _RTA_PRIORITY]
        kept.append((_RTA_PRIORITY, struct.pack("I", self.metric + 1)))
        return dataclasses.replace(self, protocol=_BY_HAND, attributes=tuple(sorted(kept)))

    @property
    def nexthop_object(self) -> int | None:
        """The id of an object of ``ip nexthop``, which names the link in the route's stead."""
        value = dict(self.attributes).get(_RTA_NH_ID)
        return struct.unpack("I", value)[0] if value else None

    @property
    def gateway(self) -> str:
        value = dict(self.attributes).get(_RTA_GATEWAY)
        return socket.inet_ntop(self.family, value) if value else ""

    @property
    def source(self) -> str:
        """The address that packets by it get, where the route says so."""
        value = dict(self.attributes).get(_RTA_PREFSRC)
        return socket.inet_ntop(self.family, value) if value else ""

    @property
    def is_plain(self) -> bool:
        """Whether destination, gateway, metric, table and source address are all there is."""
        return self.type == 1 and not self.tos and not self.lengths[1] and not (
            {_RTA_MULTIPATH, _RTA_VIA, _RTA_METRICS, _RTA_ENCAP, _RTA_NH_ID, _RTA_FLOW}
            & set(dict(self.attributes)))

    @property
    def metric(self) -> int:
        value = dict(self.attributes).get(_RTA_PRIORITY)
        return struct.unpack("I", value)[0] if value else 0

    @property
    def text(self) -> str:
        """As ``ip route`` shows it, without the link and what time changes."""
        values = dict(self.attributes)
        target = "default"
        if self.lengths[0]:
            target = "%s/%d" % (socket.inet_ntop(self.family, self.destination), self.lengths[0])
        elif self.family == socket.AF_INET6:
            target = "default (IPv6)"
        words = [_TYPES.get(self.type, "type %d " % self.type) + target]
        if self.gateway:
            words.append("via " + self.gateway)
        if _RTA_VIA in values or _RTA_MULTIPATH in values:
            words.append("via several" if _RTA_MULTIPATH in values else "via another family")
        if _RTA_PREFSRC in values:
            words.append("src " + socket.inet_ntop(self.family, values[_RTA_PREFSRC]))
        if self.metric:
            words.append("metric %d" % self.metric)
        if self.table != _TABLE_MAIN:
            words.append("table %d" % self.table)
        return " ".join(words)

    def describe(self) -> str:
        return self.text if self.expires is None else "%s expires %d s" % (self.text, self.expires)

    def same(self, other: Route) -> bool:
        """Equal but for what time does to the expiry."""
        return (dataclasses.replace(self, expires=None)
                == dataclasses.replace(other, expires=None))

    def request(self, index: int, was: int) -> bytes:
        """The body of a message about it on link number ``index`` instead of ``was``.

        A nexthop object is of one link. On another the route says itself what the object said.
        """
        by_object = self.nexthop_object is not None and index == was
        attributes = []
        for kind, value in self.attributes:
            if kind in _BY_OBJECT if by_object else kind == _RTA_NH_ID:
                continue
            if kind == _RTA_MULTIPATH:
                value = _nexthops(value, index, was)
            attributes.append((kind, value))
        if not by_object and _RTA_MULTIPATH not in dict(self.attributes):
            attributes.append((_RTA_OIF, struct.pack("i", index)))
        if self.expires is not None:
            left = self.expires - int(time.monotonic() - self.seen)
            attributes.append((_RTA_EXPIRES, struct.pack("I", max(left, 1))))
        table = self.table if self.table < 256 else 252  # RT_TABLE_COMPAT; RTA_TABLE has it whole
        return struct.pack("BBBBBBBBI", self.family, *self.lengths, self.tos, table,
                           self.protocol, self.scope, self.type, self.flags) + _encode(attributes)


@dataclasses.dataclass(frozen=True)
class Neighbour:
    """Who is at an address, as ARP or neighbour discovery found, or as someone wrote down."""

    family: int
    address: bytes
    mac: bytes
    permanent: bool
    flags: int

    @property
    def text(self) -> str:
        return "%s (%s)" % (socket.inet_ntop(self.family, self.address), self.mac.hex(":"))

    def request(self, index: int) -> bytes:
        # STALE is used at once and verified soon: right for what may have changed meanwhile.
        state = _NUD_PERMANENT if self.permanent else _NUD_STALE
        return struct.pack("BxxxiHBB", self.family, index, state, self.flags, 0) + _encode(
            [(_NDA_DST, self.address), (_NDA_LLADDR, self.mac)])


def replaces(route: Route) -> bool:
    """Whether giving it to one link takes it from the other."""
    return (route.family == socket.AF_INET6 and route.has_gateway
            and route.nexthop_object is None)


def default_route(family: int, gateway: str) -> Route:
    """``default via GATEWAY`` of the main table, as ``ip route add`` makes it."""
    attributes: Attributes = (
        (_RTA_GATEWAY, socket.inet_pton(family, gateway)),
        (_RTA_TABLE, struct.pack("I", _TABLE_MAIN)))
    if family == socket.AF_INET6:  # the kernel's default there
        attributes += ((_RTA_PRIORITY, struct.pack("I", 1024)), (_RTA_PREF, b"\0"))
    return Route(family, (0, 0), 0, _TABLE_MAIN, 3, 0, 1, 0, tuple(sorted(attributes)))


class LinkConfig:
    """Reads and moves what belongs to links.

    :raises LxcError: like every method, with the kernel's errno
    """

    def __init__(self, netlink: Netlink) -> None:
        self._netlink = netlink

    def addresses(self, name: str) -> list[Address]:
        """In the kernel's order: the first of an IPv4 network is its primary one."""
        index = self._index(name)
        found = []
        for data in self._dump(_GETADDR, 8, "list addresses of", name):
            family, prefix, flags, scope, number = struct.unpack_from("BBBBI", data, 16)
            if number == index and family in (socket.AF_INET, socket.AF_INET6):
                found.append(_address(family, prefix, flags, scope, _attributes(data, 24)))
        return found

    def routes(self, name: str) -> list[Route]:
        """Of every table, less those of the table "local", which the kernel keeps itself."""
        index = self._index(name)
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for data in self._dump(_GETROUTE, 12, "list routes over", name, family):
                if data[16] != family:
                    continue
                attributes = dict(_attributes(data, 28))
                links = {struct.unpack("i", attributes[_RTA_OIF])[0]} if _RTA_OIF in attributes \
                    else set()
                links |= set(_nexthop_links(attributes.get(_RTA_MULTIPATH, b"")))
                if not links and _RTA_NH_ID in attributes:
                    links = {index}  # without nexthop_compat_mode nobody says; it may be this one
                route = _route(data, attributes)
                if index in links and route.table != _TABLE_LOCAL:
                    found.append(route)
        return found

    def neighbours(self, name: str) -> list[Neighbour]:
        index = self._index(name)
        found = []
        for data in self._dump(_GETNEIGH, 12, "list neighbours on", name):
            family, number, state, flags, _kind = struct.unpack_from("BxxxiHBB", data, 16)
            values = dict(_attributes(data, 28))
            if number == index and state & _NUD_USABLE and _NDA_LLADDR in values \
                    and family in (socket.AF_INET, socket.AF_INET6):
                found.append(Neighbour(family, values[_NDA_DST], values[_NDA_LLADDR],
                                       bool(state & _NUD_PERMANENT), flags & ~0x10))
        return found

    def rules(self, name: str) -> list[str]:
        """The policy rules (ip-rule(8)) that name the link, as ``32765: iif eth0``."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            for data in self._dump(_GETRULE, 12, "list rules that name", name, family):
                values = dict(_attributes(data, 28))
                for key, word in ((_FRA_IIFNAME, "iif"), (_FRA_OIFNAME, "oif")):
                    if data[16] == family \
                            and os.fsdecode(values.get(key, b"").rstrip(b"\0")) == name:
                        number = struct.unpack("I", values.get(_FRA_PRIORITY, b"\0" * 4))[0]
                        found.append("%d: %s %s" % (number, word, name))
        return found

    def alias(self, name: str) -> str:
        """The remark that a link carries (``ip link set alias``)."""
        body = struct.pack("BxHiII", 0, 0, self._index(name), 0, 0) + _encode(
            [(_IFLA_EXT_MASK, struct.pack("I", 8))])
        answers = self._netlink.exchange([_step(_GETLINK, ACK, body, "look up link", name)])
        values = dict(_attributes(answers[0], 32)) if answers else {}
        return os.fsdecode(values.get(_IFLA_IFALIAS, b"").rstrip(b"\0"))

    def set_alias(self, name: str, text: str) -> None:
        body = struct.pack("BxHiII", 0, 0, self._index(name), 0, 0) + _encode(
            [(_IFLA_IFALIAS, os.fsencode(text) + b"\0" if text else b"")])
        self._netlink.exchange([_step(_SETLINK, ACK, body, "write the alias of", name)])

    def is_promiscuous(self, name: str) -> bool:
        """As far as somebody asked for it by flag; a port of a bridge is so anyway."""
        body = struct.pack("BxHiII", 0, 0, self._index(name), 0, 0)
        answers = self._netlink.exchange([_step(_GETLINK, ACK, body, "look up link", name)])
        return bool(answers and struct.unpack_from("I", answers[0], 24)[0] & 0x100)

    def set_promiscuous(self, name: str, on: bool) -> None:
        body = struct.pack("BxHiII", 0, 0, self._index(name), 0x100 if on else 0, 0x100)
        self._netlink.exchange([_step(_SETLINK, ACK, body, "set promiscuous mode of", name)])

    def add_address(self, name: str, address: Address, was: str) -> None:
        """:param was: the link that it was seen on, whose name its label may have"""
        body = address.request(self._index(name), name, was)
        self._netlink.exchange([_step(_NEWADDR, ACK | CREATE | EXCL, body, "add address",
                                      "%s to %s" % (address.text, name))])

    def delete_address(self, name: str, address: Address) -> None:
        """With its network's route, which the kernel leaves behind where the address has a
        lifetime, as those that a router advertises."""
        body = address.request(self._index(name), name, name)
        step = _step(_DELADDR, ACK, body, "remove address", "%s from %s" % (address.text, name))
        self._tolerant([step], errno.EADDRNOTAVAIL)
        network = address.prefix, address.prefix_route()
        if address.family != socket.AF_INET6 or not address.expires or network[1] is None \
                or network in [(a.prefix, a.prefix_route()) for a in self.addresses(name)]:
            return
        for route in self.routes(name):
            if route.protocol == BY_KERNEL and (route.lengths[0], route.destination) == network:
                self.delete_route(name, route, self._index(name))

    def give_route(self, name: str, route: Route, was: int) -> None:
        """Let it leave by the link ``name`` too, or, where IPv6 knows only one, instead.

        IPv6 has one route for a destination and metric by way of a gateway, and would split the
        traffic between two. IPv4, and IPv6 without a gateway, keep using the older one.

        :param was: the number of the link that it was seen on
        """
        index = self._index(name)
        if replaces(route):
            flags = REPLACE
        else:
            flags = APPEND if route.family == socket.AF_INET else 0
        self._netlink.exchange([_step(_NEWROUTE, ACK | CREATE | flags, route.request(index, was),
                                      "add route", "%s over %s" % (route.describe(), name))])

    def delete_route(self, name: str, route: Route, was: int) -> None:
        """Take it away from this link only; none of the kind is no error."""
        step = _step(_DELROUTE, ACK, route.request(self._index(name), was), "remove route",
                     "%s over %s" % (route.describe(), name))
        self._tolerant([step], errno.ESRCH)

    def add_neighbours(self, name: str, neighbours: t.Iterable[Neighbour]) -> None:
        """Those that the link knows already stay as they are."""
        index = self._index(name)
        for neighbour in neighbours:
            step = _step(_NEWNEIGH, ACK | CREATE | EXCL, neighbour.request(index),
                         "add neighbour", "%s on %s" % (neighbour.text, name))
            self._tolerant([step], errno.EEXIST)

    def delete_neighbours(self, name: str, neighbours: t.Iterable[Neighbour]) -> None:
        index = self._index(name)
        for neighbour in neighbours:
            step = _step(_DELNEIGH, ACK, neighbour.request(index), "remove neighbour",
                         "%s from %s" % (neighbour.text, name))
            self._tolerant([step], errno.ENOENT)

    def index(self, name: str) -> int:
        return self._index(name)

    def _index(self, name: str) -> int:
        number = self._netlink.index(name)
        if not number:
            raise LxcError("find link", name, errno.ENODEV)
        return number

    def _tolerant(self, steps: list[Step], code: int) -> None:
        try:
            self._netlink.exchange(steps)
        except LxcError as error:
            if error.errno != code:
                raise

    def _dump(self, kind: int, size: int, doing: str, name: str, family: int = 0) -> list[bytes]:
        """:param size: bytes of the kind's header, which is zero but for the family"""
        body = bytes([family]) + bytes(size - 1)
        return self._netlink.dump(_step(kind, DUMP, body, doing, name))


def _address(family: int, prefix: int, flags: int, scope: int, found: Attributes) -> Address:
    values = dict(found)
    if _IFA_FLAGS in values:
        flags = struct.unpack("I", values[_IFA_FLAGS])[0]
    preferred = valid = _FOREVER
    if _IFA_CACHEINFO in values:
        preferred, valid = struct.unpack_from("II", values[_IFA_CACHEINFO])
    kept = tuple((kind, value) for kind, value in found
                 if kind not in (_IFA_FLAGS, _IFA_CACHEINFO))
    return Address(family, prefix, scope, flags & _IFA_SETTABLE, kept, preferred, valid,
                   time.monotonic())


def _route(data: bytes, attributes: dict[int, bytes]) -> Route:
    (family, to_length, from_length, tos, table, protocol, scope, kind,
     flags) = struct.unpack_from("BBBBBBBBI", data, 16)
    if _RTA_TABLE in attributes:
        table = struct.unpack("I", attributes[_RTA_TABLE])[0]
    expires = None
    if len(attributes.get(_RTA_CACHEINFO, b"")) >= 12:
        ticks = struct.unpack_from("i", attributes[_RTA_CACHEINFO], 8)[0]
        expires = max(ticks // _USER_HZ, 1) if ticks > 0 else None
    kept = []
    for number, value in sorted(attributes.items()):
        if number == _RTA_MULTIPATH:
            value = _clean_nexthops(value)
        if number in _RTA_KEPT:
            kept.append((number, value))
    return Route(family, (to_length, from_length), tos, table, protocol, scope, kind,
                 flags & _ONLINK, tuple(kept), expires, time.monotonic())


def _relabel(label: bytes, was: str, name: str) -> bytes:
    """eth0:1 becomes br0:1, as far as it fits."""
    text = os.fsdecode(label.rstrip(b"\0"))
    if text == was or text.startswith(was + ":"):
        text = (name + text[len(was):])[:15]
    return os.fsencode(text) + b"\0"


def _each_nexthop(value: bytes) -> t.Iterator[tuple[int, int, int, int, bytes]]:
    """(length, flags, weight, link, attributes) of each struct rtnexthop."""
    offset = 0
    while offset + 8 <= len(value):
        length, flags, weight, link = struct.unpack_from("HBBi", value, offset)
        if length < 8:
            return
        yield length, flags, weight, link, value[offset + 8:offset + length]
        offset += (length + 3) & ~3


def _nexthop_links(value: bytes) -> list[int]:
    return [link for _length, _flags, _weight, link, _rest in _each_nexthop(value)]


def _clean_nexthops(value: bytes) -> bytes:
    return b"".join(_nexthop(flags & _ONLINK, weight, link, rest)
                    for _length, flags, weight, link, rest in _each_nexthop(value))


def _nexthops(value: bytes, index: int, was: int) -> bytes:
    return b"".join(_nexthop(flags, weight, index if link == was else link, rest)
                    for _length, flags, weight, link, rest in _each_nexthop(value))


def _nexthop(flags: int, weight: int, link: int, rest: bytes) -> bytes:
    made = struct.pack("HBBi", 8 + len(rest), flags, weight, link) + rest
    return made + bytes(-len(made) % 4)


def _attributes(data: bytes, offset: int) -> Attributes:
    found = []
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("HH", data, offset)
        found.append((kind & 0x3FFF, data[offset + 4:offset + size]))
        offset += max((size + 3) & ~3, 4)
    return tuple(found)


def _encode(attributes: t.Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)
                    for kind, value in attributes)


def _step(kind: int, flags: int, body: bytes, doing: str, subject: str) -> Step:
    size = 16 + len(body)
    data = bytearray(struct.pack("=IHHII", size, kind, REQUEST | flags, 0, 0) + body)
    return Step(data, doing, subject, _HINTS.get(kind))
