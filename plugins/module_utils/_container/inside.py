# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something done in a container's namespaces by a child that the container can't reach.

The child stays in the host's PID namespace and in its control groups, runs nothing of the
container, and ends when it is done: so it also works on a container that is frozen.
"""
from __future__ import annotations

import errno
import json
import os
import select
import signal
import time

from .._kernel import processes, syscalls
from .._kernel.errors import LxcError
from .program import forget_imports

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FLAGS = {"user": syscalls.CLONE_NEWUSER, "mnt": syscalls.CLONE_NEWNS,
          "net": syscalls.CLONE_NEWNET, "ipc": syscalls.CLONE_NEWIPC,
          "uts": syscalls.CLONE_NEWUTS}
_PATIENCE = 30  # seconds; a network file system may hang
_PART = 1 << 16


class Namespaces:
    """Of one running container, held open so that no other process can take its place.

    :param recorded: its state
    :raises LxcError: where it has ended
    """

    def __init__(self, name: str, recorded: dict[str, Any]) -> None:
        self.name = name
        init = recorded.get("init") or {}
        self.fds: dict[str, int] = {}
        try:
            for kind in _FLAGS:
                path = "/proc/%d/ns/%s" % (init.get("pid", 0), kind)
                if os.stat(path).st_ino != os.stat("/proc/self/ns/" + kind).st_ino:
                    self.fds[kind] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.close()
        if not self.fds or not processes.is_alive(init):
            self.close()
            raise LxcError("enter the namespaces of", name, errno.ESRCH, "Start it again.",
                           "it has just ended")

    def enter(self, *kinds: str) -> None:
        """Join those of the container's own that are named; the others are the host's anyway."""
        for kind in kinds:
            if kind in self.fds:
                syscalls.setns(self.fds[kind], _FLAGS[kind])

    def become_root(self) -> None:
        """The root of the container's users, where it has users of its own."""
        if "user" in self.fds:
            self.enter("user")
            syscalls.setgroups([])
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # set*id has made it readable again

    def close(self) -> None:
        """Let go of them."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds.clear()


def run(doing: str, subject: str, work: Callable[[], Any]) -> Any:
    """Do the work in a child of its own.

    :param work: enters namespaces as it needs; returns what JSON can carry
    :returns: what the work returned
    :raises LxcError: what it raised, or what became of it
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work(doing, subject, work, writer)  # does not return
    os.close(writer)
    try:
        answer = _read(reader, time.monotonic() + _PATIENCE)
        if answer is None:
            os.kill(child, signal.SIGKILL)
            raise LxcError(doing, subject, errno.ETIMEDOUT, "A file system may hang: see the "
                           "process's /proc/PID/stack.", "it took more than %d s" % _PATIENCE)
    finally:
        os.close(reader)
        os.waitpid(child, 0)
    if not answer:
        raise LxcError(doing, subject, detail="the process that did it was killed")
    found: dict[str, Any] = json.loads(answer)
    if "error" in found:
        raise LxcError.from_dict(found["error"])
    return found["result"]


def _work(doing: str, subject: str, work: Callable[[], Any], writer: int) -> None:
    try:
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        forget_imports()
        try:
            answer = {"result": work()}
        except LxcError as error:
            answer = {"error": error.to_dict()}
        except OSError as error:
            answer = {"error": LxcError.from_os(doing, subject, error).to_dict()}
        except BaseException as error:
            answer = {"error": LxcError(doing, subject, detail=repr(error)).to_dict()}
        os.write(writer, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _read(reader: int, deadline: float) -> bytes | None:
    """Up to the end of file; None when that does not come in time."""
    found = b""
    while True:
        ready = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            return None
        part = os.read(reader, _PART)
        if not part:
            return found
        found += part
