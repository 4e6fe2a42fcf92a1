# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links that hang on another one, links that move, and what a namespace has: rtnetlink(7) by hand.

Messages are packed here, without pyroute2: its classes for these kinds differ between versions,
and whoever only looks, or brings a NIC back, should not wait for the import of a library.
"""
from __future__ import annotations

import errno
import os
import socket
import struct
import sys

from .addresses import check_link_name, check_mac
from .errors import LxcError
from .netlink_facts import link_facts
from .netlink_socket import (
    ACK,
    CREATE,
    DUMP,
    EXCL,
    REQUEST,
    NetlinkSocket,
    Step,
    parse_attributes,
)

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_NEWLINK, _DELLINK, _GETLINK, _SETLINK, _GETADDR, _NEWNEIGH = 16, 17, 18, 19, 22, 28
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINK, _IFLA_LINKINFO = 1, 3, 4, 5, 18
_IFLA_AF_SPEC, _IFLA_NET_NS_FD, _IFLA_EXT_MASK = 26, 28, 29
_IFLA_PERM_ADDRESS = 54
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_IFLA_BR_VLAN_FILTERING, _IFLA_BR_DEFAULT_PVID = 7, 39
_SKIP_STATISTICS = 8
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_NDA_DST, _NTF_PROXY = 1, 8
_AF_BRIDGE, _IFLA_BRIDGE_VLAN_INFO = 7, 2
_PVID, _UNTAGGED = 2, 4  # BRIDGE_VLAN_INFO_*
_IFF_UP = 1
# linux/if_link.h
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
IPVLAN_ISOLATION = {"bridge": 0, "private": 1, "vepa": 2}
MODULES = {"veth": "veth", "bridge": "bridge", "macvlan": "macvlan", "ipvlan": "ipvlan",
           "vlan": "8021q"}


def attribute(kind: int, value: bytes | int | str) -> bytes:
    """One attribute; a number is 32 bits wide, a text ends with NUL."""
    if isinstance(value, int):
        value = struct.pack("I", value)
    elif isinstance(value, str):
        value = os.fsencode(value) + b"\0"
    return struct.pack("HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)


def link_kind(kind: str, *, mode: str | None = None, isolation: str | None = None,
              vlan: int = 0) -> bytes:
    """What makes a link one of its kind: IFLA_LINKINFO."""
    data = b""
    if kind == "macvlan":
        data = attribute(1, MACVLAN_MODES[mode or "private"])
    elif kind == "ipvlan":
        data = (attribute(1, struct.pack("H", IPVLAN_MODES[mode or "l3"]))
                + attribute(2, struct.pack("H", IPVLAN_ISOLATION[isolation or "bridge"])))
    elif kind == "vlan":
        data = attribute(1, struct.pack("H", vlan))
    return attribute(_IFLA_LINKINFO, attribute(_IFLA_INFO_KIND, kind)
                     + (attribute(_IFLA_INFO_DATA, data) if data else b""))


class Links:
    """A socket of one network namespace.

    :param netns: a file descriptor of a network namespace, which stays the caller's; None is the
        caller's own
    :raises LxcError: like every method: with the errno, the link's name, and a hint
    """

    def __init__(self, netns: int | None = None) -> None:
        self._socket = NetlinkSocket(netns)

    def close(self) -> None:
        self._socket.close()

    def links(self) -> list[dict[str, Any]]:
        """Every link, as netlink_facts.Link has it, its master as an index, and beside these:
        permanent (the hardware's own address, "" where there is none), and of bridges filtering
        (by VLAN) and default_vlan (of new ports, 0 for none)."""
        step = Step(_link(_GETLINK, DUMP, attributes=attribute(_IFLA_EXT_MASK, _SKIP_STATISTICS)),
                    "list", "links")
        found = []
        for data in self._socket.dump(step):
            facts, master = link_facts(data)
            attributes = parse_attributes(data, 32)
            info = parse_attributes(attributes.get(_IFLA_LINKINFO, b""))
            bridge = parse_attributes(info.get(_IFLA_INFO_DATA, b"")
                                      if facts["kind"] == "bridge" else b"")
            found.append({
                **facts, "master": master,
                "permanent": ":".join("%02x" % b for b in attributes.get(_IFLA_PERM_ADDRESS, b"")),
                "filtering": bridge.get(_IFLA_BR_VLAN_FILTERING, b"\0") != b"\0",
                "default_vlan": int.from_bytes(bridge.get(_IFLA_BR_DEFAULT_PVID, b""),
                                               sys.byteorder)})
        return found

    def addresses(self) -> list[tuple[int, str]]:
        """Index of the link and CIDR, without the link-local ones that the kernel makes itself."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            step = Step(_message(_GETADDR, DUMP, struct.pack("BBBBI", family, 0, 0, 0, 0)),
                        "list", "addresses")
            for data in self._socket.dump(step):
                there, prefix, _flags, scope, index = struct.unpack_from("BBBBI", data, 16)
                if there != family or (family == socket.AF_INET6 and scope == 253):
                    continue  # a kernel without IPv6 answers with all families
                has = parse_attributes(data, 24)
                raw = has.get(_IFA_LOCAL) or has.get(_IFA_ADDRESS) or b""
                found.append((index, "%s/%d" % (socket.inet_ntop(family, raw), prefix)))
        return found

    def create(self, kind: str, name: str, parent: int, parent_name: str, info: bytes,
               netns: int, *, mtu: int | None = None, mac: str | None = None) -> None:
        """A link on top of ``parent``, made at once in another namespace, where it stays down.

        :param parent: its index here
        :param info: what :func:`link_kind` gives
        """
        check_link_name(name)
        attributes = (attribute(_IFLA_IFNAME, name) + attribute(_IFLA_LINK, parent)
                      + attribute(_IFLA_NET_NS_FD, netns) + info + _settings(mtu, mac))
        doing = "make link of type %s on %s:" % (kind, parent_name)
        hints = {
            errno.EOPNOTSUPP: no_kind(kind),
            errno.EEXIST: "The name, or what it stands for, is in use: a vlan id is there once on "
                          "a link.",
            errno.EBUSY: "%s is in use by another kind of link: a bridge's port, a macvlan and an "
                         "ipvlan exclude each other." % parent_name,
            errno.EINVAL: "Links of this kind need %s to be a link of the Ethernet sort, with an "
                          "MTU that is not below theirs; macvlan in mode passthru is the only one "
                          "on its parent." % parent_name,
        }
        self._socket.send([Step(_link(_NEWLINK, ACK | CREATE | EXCL, attributes=attributes),
                                doing, name, hints)])

    def move(self, index: int, name: str, netns: int, new_name: str) -> None:
        """Move a link into another namespace, where it is down and has another name."""
        hints = {
            errno.EINVAL: "Links such as bridges belong to their network namespace and can't move.",
            errno.EEXIST: "There is another link of that name.",
            errno.EBUSY: "It is in use.",
        }
        attributes = attribute(_IFLA_NET_NS_FD, netns) + attribute(_IFLA_IFNAME, new_name)
        self._socket.send([Step(_link(_NEWLINK, ACK, index, attributes=attributes),
                                "move link as %s" % new_name, name, hints)])

    def set(self, index: int, name: str, *, mtu: int | None = None, mac: str | None = None,
            up: bool | None = None, new_name: str | None = None) -> None:
        """Change what is given."""
        attributes = _settings(mtu, mac)
        if new_name is not None:
            attributes += attribute(_IFLA_IFNAME, new_name)
        self._socket.send([Step(_link(_NEWLINK, ACK, index, up, attributes), "set link", name)])

    def delete(self, index: int, name: str) -> None:
        """Remove it; nothing when it has gone meanwhile."""
        try:
            self._socket.send([Step(_link(_DELLINK, ACK, index), "remove link", name)])
        except LxcError as error:
            if error.errno != errno.ENODEV:
                raise

    def set_port_vlans(self, index: int, name: str, default: int, untagged: int | None,
                       tagged: list[int]) -> None:
        """VLANs of a bridge's port (bridge(8), "vlan add").

        :param default: the one that the bridge gave it, which goes; 0 where it gave none
        :param untagged: the one of frames without a tag: None leaves the default, 0 is none
        """
        hints = {errno.EOPNOTSUPP: "This kernel has no VLAN filtering in bridges "
                                   "(CONFIG_BRIDGE_VLAN_FILTERING)."}
        steps = []
        if untagged is not None and default and untagged != default:
            steps.append(Step(_port(_DELLINK, index, [(0, default)]),
                              "take from VLAN %d:" % default, name, hints))
        vlans = [(_PVID | _UNTAGGED, untagged)] if untagged else []
        vlans += [(0, vlan) for vlan in tagged]
        if vlans:
            steps.append(Step(_port(_SETLINK, index, vlans), "set the VLANs of", name, hints))
        if steps:
            self._socket.send(steps)

    def answer_for(self, index: int, name: str, address: str) -> None:
        """Answer on a link when somebody asks for the hardware address of another's address
        (ip-neighbour(8), "proxy")."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        body = struct.pack("BxxxiHBB", family, index, 0, _NTF_PROXY, 0) \
            + attribute(_NDA_DST, socket.inet_pton(family, address))
        self._socket.send([Step(_message(_NEWNEIGH, ACK | CREATE, body),
                                "answer for %s on" % address, name)])


def no_kind(kind: str) -> str:
    """The remedy where the kernel does not make links of a kind."""
    return ("This kernel has no links of type %s: load its module with 'modprobe %s', or use "
            "another type. fleet.lxc.lxc_host_info says what it has." % (kind, MODULES[kind]))


def _settings(mtu: int | None, mac: str | None) -> bytes:
    attributes = attribute(_IFLA_MTU, mtu) if mtu is not None else b""
    if mac is not None:
        attributes += attribute(_IFLA_ADDRESS, bytes.fromhex(check_mac(mac).replace(":", "")))
    return attributes


def _message(kind: int, flags: int, body: bytes) -> bytearray:
    return bytearray(struct.pack("IHHII", 16 + len(body), kind, REQUEST | flags, 0, 0) + body)


def _link(kind: int, flags: int, index: int = 0, up: bool | None = None,
          attributes: bytes = b"") -> bytearray:
    """A message with struct ifinfomsg."""
    change = 0 if up is None else _IFF_UP
    header = struct.pack("BxHiII", 0, 0, index, _IFF_UP if up else 0, change)
    return _message(kind, flags, header + attributes)


def _port(kind: int, index: int, vlans: list[tuple[int, int]]) -> bytearray:
    spec = b"".join(attribute(_IFLA_BRIDGE_VLAN_INFO, struct.pack("HH", flags, vlan))
                    for flags, vlan in vlans)
    header = struct.pack("BxHiII", _AF_BRIDGE, 0, index, 0, 0)
    return _message(kind, ACK, header + attribute(_IFLA_AF_SPEC, spec))
