# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and link names as the user writes them.

The standard library's ipaddress takes 5 ms to import, which the network worker would pay at
every launch; the kernel's own inet_pton is stricter and there already.
"""
from __future__ import annotations

import socket

from .errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import NamedTuple

    class Cidr(NamedTuple):
        """An address with the length of its network's prefix."""

        family: int
        address: str
        prefix: int
else:
    from collections import namedtuple

    Cidr = namedtuple("Cidr", "family address prefix")


MAX_LINK_NAME = 15  # IFNAMSIZ less the NUL


def parse_address(text: str, doing: str = "read address") -> tuple[int, str]:
    """The family (AF_INET, AF_INET6) and the kernel's own spelling of an address.

    :raises LxcError: when it is neither, ``010.0.0.1`` and ``10.1`` included
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return family, socket.inet_ntop(family, socket.inet_pton(family, text))
        except (OSError, ValueError):  # ValueError: a NUL inside
            continue
    raise LxcError(doing, repr(text), detail="it is neither an IPv4 nor an IPv6 address",
                   hint="Write it like 10.0.3.1 or fd00:3::1.")


def parse_cidr(text: str, doing: str = "read address") -> Cidr:
    """``10.0.3.1/24`` or ``fd00:3::1/64`` as facts; host bits are kept.

    :raises LxcError: naming what is wrong with it
    """
    address, slash, prefix = text.partition("/")
    family, address = parse_address(address, doing)
    longest = 32 if family == socket.AF_INET else 128
    if not slash:
        raise LxcError(doing, repr(text), detail="the length of the network's prefix is missing",
                       hint="Write it like %s/%d." % (address, 24 if longest == 32 else 64))
    if not (prefix.isascii() and prefix.isdigit() and len(prefix) <= 3
            and int(prefix) <= longest):
        raise LxcError(doing, repr(text), detail="%r is not a prefix length" % prefix,
                       hint="It is a number from 0 to %d." % longest)
    return Cidr(family, address, int(prefix))


def to_text(cidr: Cidr) -> str:
    """The one spelling of it that comparisons use."""
    return "%s/%d" % (cidr.address, cidr.prefix)


def network(cidr: Cidr) -> Cidr:
    """Its network: the same prefix, host bits zero."""
    return _with_host_bits(cidr, ones=False)


def broadcast(cidr: Cidr) -> str | None:
    """The IPv4 broadcast address; None for IPv6, and where /31 and /32 leave no room for one."""
    if cidr.family != socket.AF_INET or cidr.prefix >= 31:
        return None
    return _with_host_bits(cidr, ones=True).address


def is_near(address: str, own: list[Cidr]) -> bool:
    """Whether an address lies in the network of one of a link's own."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    link_local = Cidr(socket.AF_INET6, "fe80::", 10)  # each link has such an address
    return any(network(cidr._replace(address=address)) == network(cidr)
               for cidr in [*own, link_local] if cidr.family == family)


def is_single(cidr: Cidr) -> bool:
    """Whether it is an address without a network, from which any other is a neighbour."""
    return cidr.prefix == (32 if cidr.family == socket.AF_INET else 128)


def check_mac(mac: str, doing: str = "use as a hardware address") -> str:
    """The address in lower case.

    :raises LxcError: when it is not six bytes, or is a multicast or the all-zero one
    """
    parts = mac.lower().split(":")
    digits = frozenset("0123456789abcdef")
    if len(parts) != 6 or any(len(p) != 2 or not digits.issuperset(p) for p in parts):
        problem = "it is not six bytes in hexadecimal with ':' between"
    elif int(parts[0], 16) & 1:
        problem = "it is a multicast address"
    elif not any(int(p, 16) for p in parts):
        problem = "it is all zero"
    else:
        return ":".join(parts)
    raise LxcError(doing, repr(mac), detail=problem, hint="Write it like 02:00:00:12:34:56.")


def check_link_name(name: str, doing: str = "use as a link's name") -> None:
    """Refuse what the kernel's dev_valid_name() refuses, before anything is sent.

    :raises LxcError: saying what is wrong with it
    """
    size = len(name.encode("utf-8", "surrogateescape"))
    if not name:
        problem = "it is empty"
    elif size > MAX_LINK_NAME:
        problem = "it has %d bytes, the kernel takes %d" % (size, MAX_LINK_NAME)
    elif name in (".", "..") or any(c in "/:\0%" or c.isspace() for c in name):
        problem = "it is '.', '..', or contains '/', ':', '%', a space or a NUL"
    else:
        return
    raise LxcError(doing, repr(name), detail=problem,
                   hint="Choose a name of 1 to 15 letters, digits, '-', '_' or '.'.")


def _with_host_bits(cidr: Cidr, ones: bool) -> Cidr:
    packed = socket.inet_pton(cidr.family, cidr.address)
    host = (1 << (len(packed) * 8 - cidr.prefix)) - 1
    number = int.from_bytes(packed, "big")
    number = number | host if ones else number & ~host
    address = socket.inet_ntop(cidr.family, number.to_bytes(len(packed), "big"))
    return Cidr(cidr.family, address, cidr.prefix)
