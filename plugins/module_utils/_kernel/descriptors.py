# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors that go to another process beside a message: unix(7), SCM_RIGHTS."""
from __future__ import annotations

import _socket  # socket's own functions make enums
import struct

LARGEST = 1 << 16  # bytes of a message
_MOST = 253        # the kernel's SCM_MAX_FD
_SIZE = struct.calcsize("i")
_SPACE = _socket.CMSG_SPACE(_MOST * _SIZE)
_CLOEXEC = 0x40000000  # MSG_CMSG_CLOEXEC, recvmsg(2)


def send(link: _socket.socket, data: bytes, fds: list[int]) -> None:
    """:param data: what goes with them, not empty
    :raises OSError: of sendmsg(2)"""
    rights = struct.pack("%di" % len(fds), *fds)
    link.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if fds else [])


def receive(link: _socket.socket) -> tuple[bytes, list[int]]:
    """:returns: what came, and the descriptors that came with it, O_CLOEXEC
    :raises OSError: of recvmsg(2)"""
    data, control, _flags, _address = link.recvmsg(LARGEST, _SPACE, _CLOEXEC)
    fds: list[int] = []
    for _level, _kind, rights in control:
        fds += struct.unpack("%di" % (len(rights) // _SIZE), rights)
    return data, fds
