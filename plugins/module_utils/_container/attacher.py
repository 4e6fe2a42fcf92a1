# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An interpreter of its own that attaches to many containers, for whoever is large.

A fork copies what the forking process has mapped, and who has Ansible in it has a lot. This one
has little, and is of the read-only kind, which may enter every container. The programs are its
caller's children all the same (CLONE_PARENT).
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import errno
import os

from .._kernel import descriptors, processes, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import attach
from .entry import Command
from .target import DOING, Target

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn, Union

    Taker = Callable[[Union[attach.Attached, LxcError]], None]

_LINK = 3                            # its descriptor
_LARGEST = descriptors.LARGEST // 2  # bytes of a request
_LARGE = (8 << 20) // os.sysconf("SC_PAGESIZE")  # pages; this program itself has half of that


def pays() -> bool:
    """Whether this process is so large that many forks of it cost more than to start another."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        _size, resident, shared = map(int, stream.read().split()[:3])
    return resident - shared > _LARGE


class Attacher:
    """The caller's end of it. Answers come in the order of the requests.

    :raises LxcError: where it can't be started
    """

    def __init__(self) -> None:
        self._link, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._asked: list[tuple[str, int, Taker]] = []  # whose, its status, for whom
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            self._pid = attach.interpreter("attacher", [null, null, 2, theirs.fileno()])
        except OSError as error:
            raise LxcError.from_os("start", "the interpreter that attaches", error) from error
        finally:
            os.close(null)
            theirs.close()

    def fileno(self) -> int:
        """Readable when there is an answer to take."""
        return self._link.fileno()

    def asked(self) -> int:
        """How many answers there are to take, at some time."""
        return len(self._asked)

    def ask(self, name: str, command: Command, stdio: tuple[int, int, int], taker: Taker) -> None:
        """Have a program started, as attach.spawn() does.

        :param taker: gets it, or the error of why there is none
        """
        request = json.dumps({"name": name, **command.to_dict()}).encode()
        if len(request) > _LARGEST:
            taker(attach.by_name(name, command, stdio))
            return
        status, status_end = os.pipe()
        try:
            descriptors.send(self._link, request, [*stdio, status_end])
        except OSError:
            os.close(status)
            raise _killed(name) from None
        finally:
            os.close(status_end)
        self._asked.append((name, status, taker))

    def take(self) -> None:
        """Wait for an answer, and hand it on."""
        name, status, taker = self._asked.pop(0)
        try:
            data, fds = descriptors.receive(self._link)
        except OSError:
            data, fds = b"", []
        found: dict[str, Any] = json.loads(data) if data else {"error": _killed(name).to_dict()}
        if "error" not in found and not fds:
            os.kill(found["pid"], signal.SIGKILL)
            os.waitpid(found["pid"], 0)
            found["error"] = LxcError(DOING, name, errno.EMFILE, "Raise the limit of open files "
                                      "(nofile) of whoever attaches.").to_dict()
        if "error" in found:
            os.close(status)
            taker(LxcError.from_dict(found["error"]))
        else:
            taker(attach.Attached(name, found["pid"], fds[0], status, found["folder"]))

    def close(self) -> None:
        """Take all answers, and have it end."""
        while self._asked:
            self.take()
        self._link.close()
        os.waitpid(self._pid, 0)


def _killed(name: str) -> LxcError:
    return LxcError(DOING, name, detail="the interpreter that attaches was killed")


def serve() -> NoReturn:
    """What it does: "fleet-lxc attacher", for this file alone."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    processes.fork_with_code()
    link = _socket.socket(fileno=_LINK)
    os.set_inheritable(_LINK, False)
    while True:
        request, fds = descriptors.receive(link)
        if not request:
            os._exit(0)
        try:
            attached = _attach(json.loads(request), fds)
        except Exception as error:
            if not isinstance(error, LxcError):
                error = LxcError(DOING, detail=repr(error))
            link.send(json.dumps({"error": error.to_dict()}).encode())
        else:
            descriptors.send(link, json.dumps({
                "pid": attached.pid, "folder": attached.folder}).encode(), [attached.pidfd])
            os.close(attached.pidfd)
        for fd in fds:
            os.close(fd)


def _attach(request: dict[str, str], fds: list[int]) -> attach.Attached:
    """:param fds: standard input, output and error, and where the start is reported"""
    target = Target(request.pop("name"))
    try:
        return attach.spawn_sibling(target, Command(**request), fds)  # type: ignore[arg-type]
    finally:
        target.close()
