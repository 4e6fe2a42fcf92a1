# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The framing of netlink(7): many requests in one send, one answer for each, and dumps.

Knows messages as bytes; what is in them is netlink.py's affair.
"""
from __future__ import annotations

import errno
import os
import socket
import struct

from . import syscalls
from .errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST, ACK, DUMP, EXCL, CREATE = 0x1, 0x4, 0x300, 0x200, 0x400

_ERROR, _DONE = 2, 3
_DUMP_INTERRUPTED, _ACK_TLVS, _ATTR_MESSAGE = 0x10, 0x200, 1
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_TIMEOUT = 30  # seconds; the kernel answers at once unless someone sits on its rtnl lock

_HINTS = {
    errno.EPERM: "Root rights (CAP_NET_ADMIN) over this network namespace are needed.",
    errno.ENOBUFS: "The kernel is out of memory for network devices.",
}


class Step:
    """One encoded request, and what to say if the kernel refuses it.

    :param hints: remedies by errno
    """

    def __init__(self, data: bytearray, doing: str, subject: str,
                 hints: dict[int, str] | None = None) -> None:
        self.data = data
        self.doing = doing
        self.subject = subject
        self.hints = hints or {}

    def error(self, code: int, detail: str) -> LxcError:
        """The kernel's refusal of it."""
        hint = self.hints.get(code) or _HINTS.get(code, "")
        return LxcError(self.doing, self.subject, code, hint, detail)


class NetlinkSocket:
    """A netlink socket of one network namespace.

    :param netns: a file descriptor of a network namespace, which stays the caller's; the calling
        thread enters it for the moment it takes to open the socket, so callers have one thread.
        None is the caller's own.
    :param protocol: NETLINK_ROUTE (0) or another of linux/netlink.h
    """

    def __init__(self, netns: int | None = None, protocol: int = 0) -> None:
        try:
            self._socket = _open(protocol) if netns is None else _open_in(netns, protocol)
        except OSError as error:
            hint = "" if netns is None else "Root rights are needed to enter a network namespace."
            raise LxcError.from_os("open netlink socket", "", error, hint) from error
        self._sequence = 0

    def close(self) -> None:
        """Close it; a second time does nothing."""
        self._socket.close()

    def fileno(self) -> int:
        """For ioctls, which act on the namespace that the socket was opened in."""
        return self._socket.fileno()

    def send(self, steps: list[Step], unanswered: list[Step] | None = None) -> list[bytes]:
        """All steps in one send.

        The kernel goes through all of them even when one fails (nf_tables does none of them
        then).

        :param unanswered: those of them that are answered only when they fail
        :returns: the messages it answered with, acknowledgements aside
        :raises LxcError: for the first step that it refused, after all were answered
        """
        pending = {self._number(step): step for step in steps}
        silent = {n: pending.pop(n) for n in list(pending) if pending[n] in (unanswered or ())}
        self._write(b"".join(step.data for step in steps))
        refused: LxcError | None = None
        answers: list[bytes] = []
        while pending:
            for kind, flags, sequence, data in self._receive():
                if kind == _ERROR and sequence in silent:
                    raise silent[sequence].error(*_acknowledgement(flags, data))
                if sequence not in pending:
                    continue
                if kind != _ERROR:
                    answers.append(data)
                    continue
                step = pending.pop(sequence)
                code, detail = _acknowledgement(flags, data)
                if code and refused is None:
                    refused = step.error(code, detail)
        if refused is not None:
            raise refused
        return answers

    def dump(self, step: Step) -> list[bytes]:
        """Every message of a dump, read again when the tables changed meanwhile."""
        for _attempt in range(10):
            number = self._number(step)
            self._write(bytes(step.data))
            found, whole = self._receive_dump(number, step)
            if whole:
                return found
        raise step.error(errno.EINTR, "it kept changing while it was read")

    def _receive_dump(self, number: int, step: Step) -> tuple[list[bytes], bool]:
        found: list[bytes] = []
        whole = True
        while True:
            for kind, flags, sequence, data in self._receive():
                if sequence != number:
                    continue
                if flags & _DUMP_INTERRUPTED:
                    whole = False
                if kind == _DONE:
                    return found, whole
                if kind == _ERROR:
                    raise step.error(*_acknowledgement(flags, data))
                found.append(data)

    def _number(self, step: Step) -> int:
        self._sequence += 1
        struct.pack_into("I", step.data, 8, self._sequence)
        return self._sequence

    def _write(self, data: bytes) -> None:
        try:
            self._socket.sendto(data, (0, 0))
        except OSError as error:
            raise LxcError.from_os("send to the kernel", "by netlink", error) from error

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        """What one recv brings, as (type, flags, sequence, whole message)."""
        try:
            data = self._socket.recv(65536)
        except socket.timeout as error:
            raise LxcError("wait %d s for the kernel's answer" % _TIMEOUT, "by netlink",
                           errno.ETIMEDOUT) from error
        except OSError as error:
            raise LxcError.from_os("read the kernel's answer", "by netlink", error) from error
        offset = 0
        while offset + 16 <= len(data):
            length, kind, flags, sequence = struct.unpack_from("IHHI", data, offset)
            if length < 16:
                break
            yield kind, flags, sequence, data[offset:offset + length]
            offset += (length + 3) & ~3


def parse_attributes(data: bytes, offset: int = 0) -> dict[int, bytes]:
    """Attributes by number, without the flags for nesting and byte order."""
    found = {}
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("HH", data, offset)
        found[kind & 0x3FFF] = data[offset + 4:offset + size]
        offset += max((size + 3) & ~3, 4)
    return found


def _open(protocol: int) -> socket.socket:
    opened = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
    try:
        opened.bind((0, 0))
        opened.settimeout(_TIMEOUT)
        opened.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        opened.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
    except OSError:
        opened.close()
        raise
    return opened


def _open_in(netns: int, protocol: int) -> socket.socket:
    """A socket stays in the namespace it was opened in, whatever its thread does next."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        syscalls.setns(netns, syscalls.CLONE_NEWNET)
        try:
            return _open(protocol)
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)


def _acknowledgement(flags: int, data: bytes) -> tuple[int, str]:
    """The errno of an NLMSG_ERROR (0: done) and the kernel's own words, where it has some."""
    code = -struct.unpack_from("i", data, 16)[0]
    if not flags & _ACK_TLVS:
        return code, ""
    # After the header, the errno, and the header of the request (NETLINK_CAP_ACK):
    text = parse_attributes(data, 36).get(_ATTR_MESSAGE, b"").rstrip(b"\0")
    return code, "the kernel says: %s" % text.decode("utf-8", "replace") if text else ""
