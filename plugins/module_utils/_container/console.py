# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``fleet-lxc console``: the caller's terminal on one of a container's, as lxc-console has it."""
from __future__ import annotations

import errno
import os
import select
import socket
import termios

from .._kernel import descriptors
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import console_server, observe, store
from .target import resize

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 10  # seconds for the monitor's answer
_PAUSE = 0.1  # seconds between two looks at a terminal that nobody has open
_WHY = {"KeyError": "its monitor does not know it", "IndexError": "it has no such terminal",
        "ValueError": "somebody else is connected to this terminal"}


class Terminal:
    """A terminal of a running container.

    :param tty: 0 for its console, or the number of one of its other terminals
    :raises LxcError: where it can't be had
    """

    def __init__(self, name: str, tty: int = 0) -> None:
        self.name, self._tty = name, tty
        store.need_definition(name)
        status = observe.status(name)
        if not status["pid"]:
            raise LxcError("connect to the console of", name, errno.ESRCH,
                           "Start it.", "it does not run")
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._link.settimeout(_PATIENCE)
            self._link.connect("%s/%s" % (store.run_folder(name), console_server.FILE))
            self._link.send(json.dumps({"container": name, "tty": tty}).encode())
            data, fds = descriptors.receive(self._link)
        except OSError as error:
            self._link.close()
            if not status["monitor_pid"]:
                raise LxcError("connect to the console of", name, errno.ECONNREFUSED,
                               "'fleet-lxc attach %s' gives a shell in it as it is; a restart of "
                               "the container gives it a console and a log again." % name,
                               "its monitor was killed, and the console with it") from None
            raise LxcError.from_os("connect to the console of", name, error) from error
        if not fds:
            self._link.close()
            why = json.loads(data or b"{}").get("error", "")
            raise LxcError("connect to the console of", name, detail=_WHY.get(why, why),
                           hint="Terminals are 'tty_max' of its definition; 0 is the console.")
        self._link.settimeout(None)
        self.fd = fds[0]

    def source(self) -> int:
        """What says what is said: the monitor's copy, or the terminal where nobody else reads."""
        return self.fd if self._tty else self._link.fileno()

    def read(self) -> bytes | None:
        """A part of what is said; b"" at the end of the container, None as long as nobody in it
        has this terminal open: between one login and the next, or early in its start."""
        try:
            if self._tty:
                return os.read(self.fd, console_server.LARGEST)
            return self._link.recv(console_server.LARGEST)
        except BlockingIOError:
            select.select([self.fd], [], [])
            return self.read()
        except OSError as error:
            return None if self._tty and error.errno == errno.EIO else b""

    def has_ended(self, seconds: float) -> bool:
        """Whether the container ends within that time, or before somebody types."""
        return self._link in select.select([0, self._link], [], [], seconds)[0]

    def write(self, data: bytes) -> None:
        """Type it. The other end may take a while: the descriptor does not block."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.fd, view):]
            except BlockingIOError:
                select.select([], [self.fd], [])

    def resize(self) -> None:
        """Make it as large as the caller's."""
        try:
            size = os.get_terminal_size(0)
        except OSError:
            return
        resize(self.fd, size.lines, size.columns)

    def close(self) -> None:
        """Let go of it; the container does not notice."""
        os.close(self.fd)
        self._link.close()


class Keys:
    """What is typed, less the keys that detach: the escape key, then q.

    :param escape: a letter; with Control it is the escape key. Twice is the key itself
    """

    def __init__(self, escape: str = "a") -> None:
        self._escape = ord(escape.lower()) & 0x1F
        self._pending = False
        self.detach = False

    def take(self, typed: bytes) -> bytes:
        """What the container gets of it."""
        found = bytearray()
        for byte in typed:
            if self._pending:
                self._pending = False
                if byte == ord("q"):
                    self.detach = True
                    break
                if byte != self._escape:
                    found.append(self._escape)
                found.append(byte)
            elif byte == self._escape:
                self._pending = True
            else:
                found.append(byte)
        return bytes(found)


def connect(name: str, tty: int = 0, escape: str = "a") -> None:
    """Be on the terminal until the keys that detach, the end of input, or the container's.

    :raises LxcError: where there is no such terminal
    """
    terminal = Terminal(name, tty)
    keys = Keys(escape)
    saved = termios.tcgetattr(0) if os.isatty(0) else None
    try:
        if saved:
            terminal.resize()
            signal.signal(signal.SIGWINCH, lambda _number, _frame: terminal.resize())
            _make_raw(saved)  # which forgets what was typed before
            os.write(2, b"\r\nConnected to %s. Type <Ctrl+%s q> to leave, <Ctrl+%s Ctrl+%s> for "
                     b"Ctrl+%s itself.\r\n" % ((name.encode(), *[escape.encode()] * 4)))
        while not keys.detach:
            ready = select.select([0, terminal.source()], [], [])[0]
            if terminal.source() in ready:
                data = terminal.read()
                if data is None:
                    if terminal.has_ended(_PAUSE):
                        return
                elif not data:
                    return
                else:
                    _write(data)
            if 0 in ready:
                typed = os.read(0, console_server.LARGEST)
                if not typed:
                    return
                terminal.write(keys.take(typed))
    finally:
        if saved:
            termios.tcsetattr(0, termios.TCSAFLUSH, saved)
        terminal.close()


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view):]


def _make_raw(saved: list[Any]) -> None:
    """cfmakeraw(3)"""
    raw = list(saved)
    raw[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
                | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON)
    raw[1] &= ~termios.OPOST
    raw[2] = (raw[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    raw[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    termios.tcsetattr(0, termios.TCSAFLUSH, raw)
