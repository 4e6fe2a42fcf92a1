# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A masquerading table of one's own through nf_tables, without the nft program.

A bare Debian has neither nft nor iptables, and every kernel of the last years has nf_tables. A
table is replaced in one transaction, so there is no moment with half of its rules. Attribute
numbers are those of linux/netfilter/nf_tables.h; ``nft list ruleset`` shows the result as

    table inet fleet-lxc-lxcbr0 { # comment
        chain postrouting {
            type nat hook postrouting priority srcnat; policy accept;
            ip saddr 10.0.3.0/24 oifname != "lxcbr0" masquerade comment "10.0.3.0/24"
        }
        chain prerouting {  # and the same in output, for this host itself
            type nat hook prerouting priority dstnat; policy accept;
            fib daddr type local tcp dport 8080 dnat ip to 10.0.3.5:80
"""
from __future__ import annotations

import errno
import socket
import struct

from .addresses import Cidr, parse_address, parse_cidr
from .errors import LxcError
from .netlink_socket import ACK, CREATE, DUMP, REQUEST, NetlinkSocket, Step, parse_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Table(NamedTuple):
        """A masquerading table: the networks (CIDR) it is for, a remark, and port forwards."""

        networks: list[str]
        comment: str
        forwards: list[Forward]

    class Forward(NamedTuple):
        """What comes to this host's ``port`` goes to ``address`` and its port ``to_port``."""

        protocol: str  # tcp or udp
        port: int
        address: str
        to_port: int
else:
    from collections import namedtuple

    Table = namedtuple("Table", "networks comment forwards")
    Forward = namedtuple("Forward", "protocol port address to_port")

_NETLINK_NETFILTER = 12
_SUBSYSTEM = 10 << 8
_NEWTABLE, _GETTABLE, _DELTABLE = 0, 1, 2
_NEWCHAIN, _GETCHAIN, _NEWRULE, _GETRULE = 3, 4, 6, 7
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_INET = 1  # NFPROTO_INET
_NAMES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
_NESTED = 0x8000
_PREROUTING, _FORWARD, _OUTPUT, _POSTROUTING = 0, 2, 3, 4
_SRCNAT_PRIORITY, _DSTNAT_PRIORITY = 100, -100
_META_OIFNAME, _META_NFPROTO, _META_L4PROTO = 7, 15, 16
_PROTOCOLS = {"tcp": 6, "udp": 17}
_LOCAL = 2  # RTN_LOCAL
_CMP_EQ, _CMP_NEQ = 0, 1
_REGISTER = 1
_BODY = 20  # bytes of nlmsghdr and nfgenmsg

_HINT = ("The kernel needs CONFIG_NF_TABLES, CONFIG_NF_TABLES_INET, CONFIG_NFT_NAT and "
         "CONFIG_NFT_MASQ; without them leave 'nat' out and route the network yourself.")
_HINTS = {code: _HINT for code in (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL,
                                   errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT)}


class Nftables:
    """nf_tables of the caller's network namespace.

    :raises LxcError: when the kernel has none
    """

    def __init__(self) -> None:
        try:
            self._socket = NetlinkSocket(protocol=_NETLINK_NETFILTER)
        except LxcError as error:
            raise LxcError("reach the kernel's", "nf_tables", error.errno, _HINT) from error

    def __enter__(self) -> Nftables:
        return self

    def __exit__(self, *_ignored: object) -> None:
        self._socket.close()

    def masquerade(self, name: str) -> Table | None:
        """The table of that name as :meth:`set_masquerade` made it, None when there is none."""
        comment = None
        for data in self._dump(_GETTABLE):
            attributes = parse_attributes(data, _BODY)
            if _text(attributes.get(1)) == name:
                comment = _comment(attributes.get(6, b""))
        if comment is None:
            return None
        networks, forwards = [], []
        for data in self._dump(_GETRULE):
            attributes = parse_attributes(data, _BODY)
            if _text(attributes.get(1)) != name:
                continue
            chain, remark = _text(attributes.get(2)), _comment(attributes.get(7, b""))
            if chain == "postrouting":
                networks.append(remark)
            elif chain == "prerouting":
                words = remark.split(" ")
                forwards.append(Forward(words[0], int(words[1]), words[2], int(words[3])))
        return Table(networks, comment, forwards)

    def set_masquerade(self, name: str, link: str, networks: list[str], comment: str,
                       forwards: list[Forward] | None = None) -> None:
        """Make or replace the table: what comes from ``networks`` and leaves by another link
        than ``link`` gets the address of the link that it leaves by.

        :param networks: CIDRs with host bits zero
        :param comment: a remark, kept with the table
        """
        table = _string(1, name)
        requests = [
            (_NEWTABLE, CREATE, table),  # so that there is something to delete
            (_DELTABLE, 0, table),
            (_NEWTABLE, CREATE, table + _userdata(6, comment)),
            (_NEWCHAIN, CREATE, table + _nat_chain("postrouting", _POSTROUTING, _SRCNAT_PRIORITY)),
        ]
        for text in networks:
            expressions = b"".join(_masquerading(parse_cidr(text), link))
            requests.append((_NEWRULE, CREATE | 0x800,  # NLM_F_APPEND
                             _string(1, name) + _string(2, "postrouting")
                             + _attribute(4 | _NESTED, expressions) + _userdata(7, text)))
        for chain, hook in (("prerouting", _PREROUTING), ("output", _OUTPUT)):
            if forwards:
                requests.append((_NEWCHAIN, CREATE, table + _nat_chain(chain, hook,
                                                                       _DSTNAT_PRIORITY)))
            for forward in forwards or ():
                requests.append((_NEWRULE, CREATE | 0x800,
                                 _string(1, name) + _string(2, chain)
                                 + _attribute(4 | _NESTED, b"".join(_forwarding(forward)))
                                 + _userdata(7, " ".join(map(str, forward)))))
        self._transact(requests, "set up masquerading for", link)

    def delete_table(self, name: str) -> bool:
        """Remove the table with all that is in it; False when there was none."""
        if self.masquerade(name) is None:
            return False
        self._transact([(_DELTABLE, 0, _string(1, name))], "remove table", name)
        return True

    def dropping_forward_chains(self) -> list[str]:
        """Base chains that drop forwarded packets unless a rule of theirs says otherwise.

        Nothing in a table of our own can let pass what such a chain drops.
        """
        found = []
        for data in self._dump(_GETCHAIN):
            family = data[16]
            attributes = parse_attributes(data, _BODY)
            if 4 not in attributes or family not in _NAMES:
                continue
            hook = struct.unpack(">I", parse_attributes(attributes[4]).get(1, b"\0\0\0\0"))[0]
            policy = struct.unpack(">I", attributes.get(5, b"\0\0\0\1"))[0]
            if hook == _FORWARD and policy == 0:
                found.append("%s %s %s" % (_NAMES[family], _text(attributes.get(1)),
                                           _text(attributes.get(3))))
        return found

    def _dump(self, kind: int) -> list[bytes]:
        message = _message(_SUBSYSTEM | kind, DUMP, 0, b"")
        return self._socket.dump(Step(message, "list the kernel's", "nf_tables", _HINTS))

    def _transact(self, requests: list[tuple[int, int, bytes]], doing: str, subject: str) -> None:
        steps = [Step(_message(_SUBSYSTEM | kind, ACK | flags, _INET, body), doing, subject, _HINTS)
                 for kind, flags, body in requests]
        frame = [Step(_message(kind, 0, 0, b"", 10), doing, subject, _HINTS)
                 for kind in (_BATCH_BEGIN, _BATCH_END)]
        self._socket.send([frame[0], *steps, frame[1]], unanswered=frame)


def _masquerading(network: Cidr, link: str) -> list[bytes]:
    """The rule's expressions, which the kernel runs in turn until one does not match."""
    width = 4 if network.family == socket.AF_INET else 16
    ones = (1 << width * 8) - (1 << (width * 8 - network.prefix))
    source = socket.inet_pton(network.family, network.address)
    expressions = [
        _expression("meta", _number(2, _META_NFPROTO) + _number(1, _REGISTER)),
        _compare(_CMP_EQ, bytes([2 if width == 4 else 10])),
        # The source address: at byte 12 of an IPv4 header, 8 of an IPv6 one (base 1: network).
        _expression("payload", _number(1, _REGISTER) + _number(2, 1)
                    + _number(3, 12 if width == 4 else 8) + _number(4, width)),
        _expression("bitwise", _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, width)
                    + _data(4, ones.to_bytes(width, "big")) + _data(5, bytes(width))),
        _compare(_CMP_EQ, source),
        _expression("meta", _number(2, _META_OIFNAME) + _number(1, _REGISTER)),
        _compare(_CMP_NEQ, link.encode().ljust(16, b"\0")),
        _expression("masq", b""),
    ]
    return expressions


def _nat_chain(name: str, hook: int, priority: int) -> bytes:
    """A chain of type nat whose policy is to accept."""
    return (_string(3, name) + _attribute(4 | _NESTED, _number(1, hook)
                                          + _attribute(2, struct.pack(">i", priority)))
            + _number(5, 1) + _string(7, "nat"))


def _forwarding(forward: Forward) -> list[bytes]:
    """What comes to one of this host's own addresses and the port gets another destination."""
    family, address = parse_address(forward.address)
    return [
        _expression("meta", _number(2, _META_NFPROTO) + _number(1, _REGISTER)),
        _compare(_CMP_EQ, bytes([2 if family == socket.AF_INET else 10])),
        _expression("fib", _number(1, _REGISTER) + _number(2, 3) + _number(3, 2)),  # daddr's type
        _compare(_CMP_EQ, struct.pack("=I", _LOCAL)),
        _expression("meta", _number(2, _META_L4PROTO) + _number(1, _REGISTER)),
        _compare(_CMP_EQ, bytes([_PROTOCOLS[forward.protocol]])),
        # The destination port: byte 2 of a TCP or UDP header (base 2: transport).
        _expression("payload", _number(1, _REGISTER) + _number(2, 2) + _number(3, 2)
                    + _number(4, 2)),
        _compare(_CMP_EQ, struct.pack(">H", forward.port)),
        _expression("immediate", _number(1, 1) + _data(2, socket.inet_pton(family, address))),
        _expression("immediate", _number(1, 2) + _data(2, struct.pack(">H", forward.to_port))),
        _expression("nat", _number(1, 1) + _number(2, 2 if family == socket.AF_INET else 10)
                    + _number(3, 1) + _number(5, 2)),
    ]


def _expression(name: str, body: bytes) -> bytes:
    return _attribute(1 | _NESTED, _string(1, name) + _attribute(2 | _NESTED, body))


def _compare(operation: int, value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, operation) + _data(3, value))


def _data(kind: int, value: bytes) -> bytes:
    return _attribute(kind | _NESTED, _attribute(1, value))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack(">I", value))


def _string(kind: int, value: str) -> bytes:
    return _attribute(kind, value.encode() + b"\0")


def _userdata(kind: int, comment: str) -> bytes:
    """A comment as libnftnl keeps it: type 0, length, text."""
    text = comment.encode()[:120] + b"\0"
    return _attribute(kind, bytes([0, len(text)]) + text)


def _comment(userdata: bytes) -> str:
    return _text(userdata[2:2 + userdata[1]]) if len(userdata) > 2 and not userdata[0] else ""


def _text(value: bytes | None) -> str:
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace")


def _message(kind: int, flags: int, family: int, body: bytes, resource: int = 0) -> bytearray:
    """nlmsghdr, nfgenmsg, attributes; the socket fills in the sequence number."""
    generic = struct.pack(">BBH", family, 0, resource)
    size = 16 + len(generic) + len(body)
    return bytearray(struct.pack("=IHHII", size, kind, REQUEST | flags, 0, 0) + generic + body)
