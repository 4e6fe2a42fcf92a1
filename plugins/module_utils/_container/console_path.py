# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's device or file that a console is attached to: lxc.console.path."""
from __future__ import annotations

import fcntl
import os
import struct
import termios

from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    from .monitor import Monitor

NONE = "none"  # in place of a path: there is no console


def open_path(path: str) -> int:
    """What is said goes there, and what is typed there comes in. Nobody waits for it.

    :raises LxcError: where it can't be opened
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK
                       | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LxcError.from_os("attach the console to", path, error, "Name a terminal or a file "
                               "of the host that can be written as 'console_path'.") from error


def size(path: str) -> tuple[int, int] | None:
    """Rows and columns of a terminal, None for what has none.

    :raises LxcError: where it can't be opened
    """
    fd = open_path(path)
    try:
        rows, columns = struct.unpack_from("HH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\0" * 8))
    except OSError:
        return None
    finally:
        os.close(fd)
    return (rows, columns) if rows and columns else None


class Peer:
    """The other end of a container's console.

    :param master: the console's outer end
    """

    def __init__(self, path: str, master: int) -> None:
        self._master = master
        self._before: list[object] | None = None
        self._fd = -1
        try:
            self._fd = open_path(path)
        except LxcError:
            return  # the starter could open it; the container runs all the same
        if os.isatty(self._fd):
            try:
                self._make_raw()
            except termios.error:
                pass

    def _make_raw(self) -> None:
        """The container's own terminal does what a terminal does."""
        modes = termios.tcgetattr(self._fd)
        self._before = list(modes)
        modes[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
                      | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON)
        modes[1] &= ~termios.OPOST
        modes[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG
                      | termios.IEXTEN)
        termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    def listen(self, monitor: Monitor) -> None:
        """For what is typed there."""
        if self._fd >= 0:
            try:
                monitor.listen(self._fd, lambda: self._typed(monitor))
            except PermissionError:
                pass  # a file, which has nothing to say

    def _typed(self, monitor: Monitor) -> None:
        try:
            data = os.read(self._fd, 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            monitor.ignore(self._fd)
            return
        try:
            os.write(self._master, data)
        except OSError:
            pass  # who does not read misses some

    def tell(self, data: bytes) -> None:
        """What was said on the console."""
        if self._fd >= 0:
            try:
                os.write(self._fd, data)
            except OSError:
                pass  # a container must not wait for a terminal that nobody reads

    def close(self, ignore: Callable[[int], None]) -> None:
        """:param ignore: of the monitor that listens"""
        if self._fd < 0:
            return
        ignore(self._fd)
        if self._before is not None:
            try:
                termios.tcsetattr(self._fd, termios.TCSANOW, self._before)  # type: ignore[arg-type]
            except termios.error:
                pass
        os.close(self._fd)
        self._fd = -1
