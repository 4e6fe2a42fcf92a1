# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VXLAN links (RFC 7348) between hosts that list each other, by rtnetlink(7).

Who is not known yet is looked for at every listed host: entries for the all-zero hardware address
in the link's forwarding table (bridge(8), "bridge fdb append"), so that no multicast is needed.
"""
from __future__ import annotations

import errno
import os
import socket
import struct
import typing as t

from .addresses import parse_address
from .errors import LxcError
from .netlink_socket import ACK, CREATE, DUMP, EXCL, REQUEST, Step, parse_attributes

if t.TYPE_CHECKING:
    from .netlink import Netlink

_NEWLINK, _GETLINK, _SETLINK, _NEWNEIGH, _DELNEIGH, _GETNEIGH = 16, 18, 19, 28, 29, 30
_APPEND = 0x800
_AF_BRIDGE, _PERMANENT, _SELF = 7, 0x80 | 0x40, 0x02
_ANYBODY = bytes(6)
_NO_VXLAN = "This kernel has no VXLAN (CONFIG_VXLAN), or its module can't be loaded."


class Vxlan(t.NamedTuple):
    """A VXLAN link: network identifier, this host's address, and the UDP port."""

    id: int
    local: str
    port: int


def create(netlink: Netlink, name: str, vxlan: Vxlan, mtu: int, alias: str,
           mac: str | None = None) -> None:
    """Make the link, down and without other hosts.

    :param mac: None for one of the kernel's choice

    :raises LxcError: also where the identifier and port are taken by another link
    """
    family, local = parse_address(vxlan.local)
    packed = socket.inet_pton(family, local)
    data = (_attribute(1, struct.pack("=I", vxlan.id))
            + _attribute(4 if family == socket.AF_INET else 17, packed)
            + _attribute(15, struct.pack(">H", vxlan.port)))
    info = _attribute(1, b"vxlan\0") + _attribute(2, data)
    named = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + _attribute(3, os.fsencode(name) + b"\0")
    body = named + _attribute(4, struct.pack("=I", mtu)) + _attribute(18, info)
    if mac is not None:
        body += _attribute(1, bytes.fromhex(mac.replace(":", "")))
    netlink.exchange([_step(_NEWLINK, ACK | CREATE | EXCL, body, "make VXLAN link", name, {
        errno.EOPNOTSUPP: _NO_VXLAN,
        errno.EEXIST: "Another link has this name, or this id and port: remove it first."})])
    # A new link takes no alias along.
    body = named + _attribute(20, os.fsencode(alias) + b"\0")
    netlink.exchange([_step(_SETLINK, ACK, body, "write the alias of", name, {})])


def read(netlink: Netlink, index: int) -> Vxlan | None:
    """The link of that number, None when it is no VXLAN link."""
    body = struct.pack("=BxHiII", 0, 0, index, 0, 0)
    answers = netlink.exchange([_step(_GETLINK, ACK, body, "look up link", str(index), {})])
    info = parse_attributes(parse_attributes(answers[0], 32).get(18, b"")) if answers else {}
    if info.get(1, b"").rstrip(b"\0") != b"vxlan":
        return None
    data = parse_attributes(info[2])
    local = ""
    for kind, family in ((4, socket.AF_INET), (17, socket.AF_INET6)):
        if kind in data:
            local = socket.inet_ntop(family, data[kind])
    return Vxlan(struct.unpack("=I", data[1])[0], local, struct.unpack(">H", data[15])[0])


def remotes(netlink: Netlink, index: int) -> list[str]:
    """The hosts that are asked for whom nobody knows."""
    body = struct.pack("=BxxxiHBB", _AF_BRIDGE, 0, 0, 0, 0)
    found = []
    for data in netlink.dump(_step(_GETNEIGH, DUMP, body, "list hosts of", "VXLAN", {})):
        number = struct.unpack_from("=i", data, 20)[0]
        values = parse_attributes(data, 28)
        if number == index and values.get(2) == _ANYBODY and 1 in values:
            family = socket.AF_INET if len(values[1]) == 4 else socket.AF_INET6
            found.append(socket.inet_ntop(family, values[1]))
    return sorted(found)


def add_remote(netlink: Netlink, name: str, address: str) -> None:
    _remote(netlink, name, address, _NEWNEIGH, ACK | CREATE | _APPEND)


def remove_remote(netlink: Netlink, name: str, address: str) -> None:
    _remote(netlink, name, address, _DELNEIGH, ACK)


def _remote(netlink: Netlink, name: str, address: str, kind: int, flags: int) -> None:
    index = netlink.index(name)
    if not index:
        raise LxcError("find link", name, errno.ENODEV)
    family, address = parse_address(address)
    body = (struct.pack("=BxxxiHBB", _AF_BRIDGE, index, _PERMANENT, _SELF, 0)
            + _attribute(1, socket.inet_pton(family, address)) + _attribute(2, _ANYBODY))
    doing = "add host" if kind == _NEWNEIGH else "remove host"
    netlink.exchange([_step(kind, flags, body, doing, "%s of %s" % (address, name), {})])


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _step(kind: int, flags: int, body: bytes, doing: str, subject: str,
          hints: dict[int, str]) -> Step:
    data = bytearray(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 0, 0) + body)
    return Step(data, doing, subject, hints)
