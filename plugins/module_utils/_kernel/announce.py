# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the neighbours where addresses are now: packet(7), RFC 826 and 5227, RFC 4861 7.2.6."""
from __future__ import annotations

import socket
import struct
import typing as t

from .errors import LxcError

_ARP, _IPV6, _BROADCAST = 0x0806, 0x86DD, b"\xff" * 6
_ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")


def announce(link: str, mac: str, addresses: t.Iterable[str]) -> None:
    """Send a gratuitous ARP or an unsolicited neighbour advertisement for each address.

    :param addresses: without prefix length, either family
    :raises LxcError: when the link can't send
    """
    hardware = bytes.fromhex(mac.replace(":", ""))
    try:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC) as opened:
            opened.settimeout(1)
            for address in addresses:
                frame = _advertisement if ":" in address else _gratuitous_arp
                opened.sendto(frame(hardware, address), (link, 0))
    except OSError as error:
        raise LxcError.from_os("announce the addresses of", link, error) from error


def _gratuitous_arp(mac: bytes, address: str) -> bytes:
    """A request for one's own address, which every cache that has it takes over."""
    own = socket.inet_pton(socket.AF_INET, address)
    header = struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1)
    return (_BROADCAST + mac + struct.pack(">H", _ARP)
            + header + mac + own + bytes(6) + own).ljust(60, b"\0")


def _advertisement(mac: bytes, address: str) -> bytes:
    own = socket.inet_pton(socket.AF_INET6, address)
    # Type 136, override; the option is the target's link-layer address.
    body = struct.pack(">BBHI", 136, 0, 0, 0x20000000) + own + bytes([2, 1]) + mac
    pseudo = own + _ALL_NODES + struct.pack(">II", len(body), 58)
    checked = body[:2] + struct.pack(">H", _checksum(pseudo + body)) + body[4:]
    header = struct.pack(">IHBB", 6 << 28, len(body), 58, 255) + own + _ALL_NODES
    return b"\x33\x33\x00\x00\x00\x01" + mac + struct.pack(">H", _IPV6) + header + checked


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
