# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges that filter by VLAN: the switch itself, and the VLANs of each port (bridge(8))."""
from __future__ import annotations

import errno
import struct
import typing as t

from .errors import LxcError
from .netlink_socket import ACK, DUMP, REQUEST, Step, parse_attributes

if t.TYPE_CHECKING:
    from .netlink import Netlink

_NEWLINK, _DELLINK, _GETLINK, _SETLINK = 16, 17, 18, 19
_AF_BRIDGE, _AF_SPEC, _EXT_MASK, _VLANS = 7, 26, 29, 2
_PVID, _UNTAGGED = 2, 4
_HINT = ("This kernel has no VLAN filtering in bridges (CONFIG_BRIDGE_VLAN_FILTERING); "
         "Debian's has.")
_HINTS = {errno.EOPNOTSUPP: _HINT}


class PortVlans(t.NamedTuple):
    """``untagged``: of frames without a tag, both ways; 0 for none."""

    untagged: int
    tagged: list[int]


def is_filtering(netlink: Netlink, name: str) -> bool:
    """Whether the bridge looks at VLANs at all."""
    body = struct.pack("=BxHiII", 0, 0, netlink.index(name), 0, 0)
    answers = netlink.exchange([_step(_GETLINK, ACK, body, "look up link", name)])
    info = parse_attributes(parse_attributes(answers[0], 32).get(18, b"")) if answers else {}
    return parse_attributes(info.get(2, b"")).get(7, b"\0") != b"\0"


def set_filtering(netlink: Netlink, name: str, on: bool) -> None:
    """:raises LxcError: where the kernel can't"""
    data = _attribute(7, bytes([on]))
    info = _attribute(1, b"bridge\0") + _attribute(2, data)
    body = struct.pack("=BxHiII", 0, 0, _index(netlink, name), 0, 0) + _attribute(18, info)
    netlink.exchange([_step(_NEWLINK, ACK, body, "set VLAN filtering of", name)])
    if is_filtering(netlink, name) != on:  # a kernel without it takes the message in silence
        raise LxcError("set VLAN filtering of", name, errno.EOPNOTSUPP, _HINT)


def read(netlink: Netlink) -> dict[int, PortVlans]:
    """The VLANs of every port of a bridge, by the link's number."""
    body = struct.pack("=BxHiII", _AF_BRIDGE, 0, 0, 0, 0) + _attribute(
        _EXT_MASK, struct.pack("=I", 2))  # RTEXT_FILTER_BRVLAN
    found = {}
    for data in netlink.dump(_step(_GETLINK, DUMP, body, "list VLANs of", "bridges")):
        index = struct.unpack_from("=i", data, 20)[0]
        untagged, tagged = 0, []
        for flags, vlan in _vlans(parse_attributes(data, 32).get(_AF_SPEC, b"")):
            if flags & _PVID:
                untagged = vlan
            else:
                tagged.append(vlan)
        found[index] = PortVlans(untagged, sorted(tagged))
    return found


def change(netlink: Netlink, port: str, before: PortVlans, after: PortVlans) -> None:
    """Give a port other VLANs, the new ones first."""
    index = _index(netlink, port)
    there, wanted = _entries(before), _entries(after)
    steps = []
    for kind, entries in ((_SETLINK, wanted - there),
                          (_DELLINK, {(0, vlan) for _flags, vlan in there
                                      if vlan not in {v for _f, v in wanted}})):
        if entries:
            specs = b"".join(_attribute(_VLANS, struct.pack("=HH", *entry))
                             for entry in sorted(entries))
            body = struct.pack("=BxHiII", _AF_BRIDGE, 0, index, 0, 0) + _attribute(
                _AF_SPEC | 0x8000, specs)
            steps.append(_step(kind, ACK, body, "set the VLANs of", port))
    if steps:
        netlink.exchange(steps)


def _entries(vlans: PortVlans) -> set[tuple[int, int]]:
    own = {(_PVID | _UNTAGGED, vlans.untagged)} if vlans.untagged else set()
    return own | {(0, vlan) for vlan in vlans.tagged}


def _vlans(spec: bytes) -> t.Iterator[tuple[int, int]]:
    offset = 0
    while offset + 8 <= len(spec):
        size, kind = struct.unpack_from("=HH", spec, offset)
        if kind & 0x3FFF == _VLANS:
            yield struct.unpack_from("=HH", spec, offset + 4)
        offset += max((size + 3) & ~3, 4)


def _index(netlink: Netlink, name: str) -> int:
    number = netlink.index(name)
    if not number:
        raise LxcError("find link", name, errno.ENODEV)
    return number


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _step(kind: int, flags: int, body: bytes, doing: str, subject: str) -> Step:
    data = bytearray(struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, 0, 0) + body)
    return Step(data, doing, subject, _HINTS)
