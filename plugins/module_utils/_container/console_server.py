# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Terminals of containers for who asks on the host: served by their monitor.

One socket for all containers of a monitor, with a name of it in the folder of each (/run/fleet-lxc,
root only). Whoever connects gets the terminal's outer end itself, to type on and to resize, and
from the console a copy of what is said there: the original goes to the log.
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import os
import struct

from .._kernel import descriptors
from .._kernel.lean import json
from . import store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .monitor import Console, Monitor

FILE = "console.sock"
LARGEST = 4096   # bytes of a request, and of a part of what is said
_BACKLOG = 8


class Server:
    """The socket, and who is connected."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self._socket: _socket.socket | None = None
        self._consoles: dict[str, Console] = {}

    def add(self, name: str, console: Console) -> None:
        """Serve a container's terminals; one that can't be served runs all the same."""
        path = _path(name)
        try:
            _unlink(path)
            if self._socket is None or not self._consoles:
                self._open(path)
            else:
                os.link(_path(next(iter(self._consoles))), path)
        except OSError:
            return
        self._consoles[name] = console

    def _open(self, path: str) -> None:
        self._close()
        opened = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC
                                | _socket.SOCK_NONBLOCK, 0)
        opened.bind(path)
        opened.listen(_BACKLOG)
        self._socket = opened
        self._monitor.listen(opened.fileno(), self._accept)

    def _close(self) -> None:
        if self._socket is not None:
            self._monitor.ignore(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def remove(self, name: str) -> None:
        """The container has ended: who is connected reads an end of file."""
        console = self._consoles.pop(name, None)
        if console is None:
            return
        _unlink(_path(name))
        for client in list(console.clients):
            self._leave(client, console)

    def _accept(self) -> None:
        if self._socket is None:
            return
        try:
            fd, _address = self._socket._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        client = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, fd)
        who = struct.unpack("3i", client.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
        if who[1] != 0:  # the folder lets nobody else through; this is the second bolt
            client.close()
            return
        client.setblocking(False)
        self._monitor.listen(fd, lambda: self._request(client))

    def _request(self, client: _socket.socket) -> None:
        self._monitor.ignore(client.fileno())
        try:
            wanted: dict[str, Any] = json.loads(client.recv(LARGEST))
            console = self._consoles[wanted["container"]]
            number = int(wanted["tty"])
            fd = console.master if number == 0 else console.others[number - 1]
            if number < 0 or number in console.clients.values() and number > 0:
                raise ValueError(number)
            descriptors.send(client, b"{}", [fd])
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            try:
                client.send(json.dumps({"error": type(error).__name__}).encode())
            except OSError:
                pass
            client.close()
            return
        console.clients[client] = number
        self._monitor.listen(client.fileno(), lambda: self._leave(client, console))

    def _leave(self, client: _socket.socket, console: Console) -> None:
        """It has nothing more to say than its end."""
        self._monitor.ignore(client.fileno())
        console.clients.pop(client, None)
        client.close()


def tell(clients: dict[_socket.socket, int], data: bytes) -> None:
    """What was said on the console, to who looks at it. Who is too slow misses some of it: a
    container must not wait for a terminal that nobody reads."""
    for client, number in clients.items():
        if number == 0:
            try:
                client.send(data)
            except OSError:
                pass  # full; or gone, and its end of file is read next


def _path(name: str) -> str:
    return "%s/%s" % (store.run_folder(name), FILE)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
