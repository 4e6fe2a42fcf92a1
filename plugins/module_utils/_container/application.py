# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program as the one purpose of a container that lives as long as it: lxc-execute.

The program is the container's init, started the way of every other. Only its standard output and
error are FIFOs instead of the console, whose one stream could not tell them apart.
"""
from __future__ import annotations

import errno
import os
import select
import time

from .._kernel import idmaps, processes
from .._kernel.errors import LxcError
from . import lifecycle, namespaces, observe, operation, store, users
from .exchange import Loop, Result, read_available

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .entry import Command
    from .exchange import Handler, Outcomes

_CHUNK = 1 << 16
_SETTLE = 30  # seconds: how long cleaning up may take
_FILES = ("stdin", "stdout", "stderr")


def run(jobs: dict[str, Command], stdin: bytes | None = None, timeout: float | None = None
        ) -> Outcomes:
    """Start every container with its program, collect what it writes, wait for its end.

    :param jobs: by the name of a container that is defined and not running
    :param stdin: what each can read; None for /dev/null
    :param timeout: seconds after which a container is killed
    """
    outcomes: Outcomes = {}
    runs: dict[str, _Run] = {}
    loop = Loop()
    try:
        for name, command in jobs.items():
            try:
                runs[name] = _Run(loop, name, command, stdin)
            except LxcError as error:
                outcomes[name] = error
        began = time.time()
        deadline = None if timeout is None else time.monotonic() + timeout
        started = lifecycle.start(list(runs), once={n: one.once for n, one in runs.items()})
        for name, outcome in started.items():
            if isinstance(outcome, LxcError):
                outcomes[name] = outcome
            elif not outcome["changed"]:
                outcomes[name] = LxcError(
                    "run a program as container", name, errno.EBUSY,
                    "Stop it first, or run the program inside of it: method attach.",
                    "it is running already")
            else:
                runs[name].watch()
        waiting = [name for name in runs if name not in outcomes]
        late: set[str] = set()
        while waiting:
            if all(runs[name].gone for name in waiting):
                break
            loop.once(deadline)
            if deadline is not None and time.monotonic() >= deadline:
                late = {name for name in waiting if not runs[name].gone}
                lifecycle.stop(sorted(late), kill=True)
                deadline = None
        for name in waiting:
            outcomes[name] = runs[name].result(began, name in late)
    finally:
        for one in runs.values():
            one.close()
        loop.close()
    return {name: outcomes[name] for name in jobs}


class _Run:
    """One container's program, and its end of the streams."""

    def __init__(self, loop: Loop, name: str, command: Command, stdin: bytes | None) -> None:
        self.name = name
        self.gone = False
        self._loop = loop
        self._ended = 0.0
        self._pidfd = -1
        self._outputs: dict[int, list[bytes]] = {}
        self._stdin, self._rest = -1, memoryview(stdin or b"")
        definition = store.need_definition(name)
        root = os.open(definition["rootfs"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            account = users.resolve(
                users.read(root, "etc/passwd"), users.read(root, "etc/group"), command.user,
                command.group, command.groups, (definition["uid"], definition["gid"]))
        finally:
            os.close(root)
        variables = {"HOME": account.home, "SHELL": account.shell}
        if account.name:
            variables.update(USER=account.name, LOGNAME=account.name)
        self.once: dict[str, Any] = {
            "command": command.argv, "uid": account.uid, "gid": account.gid,
            "cwd": command.cwd or definition["cwd"],
            "environment": {**command.keep, **variables, **definition["environment"],
                            **command.environment}}
        if command.user is not None or command.groups is not None:
            self.once["init_groups"] = account.groups
        store.make_folder(store.run_folder(name))
        # Names of this process: another one may be about to run it too.
        self._paths = ["%s/%s.%d" % (store.run_folder(name), file, os.getpid())
                       for file in _FILES]
        try:
            self._make_files(stdin is not None, namespaces.ids(definition), account)
        except OSError as error:
            self.close()
            raise LxcError.from_os("make the streams of", name, error) from error
        except LxcError:
            self.close()
            raise

    def _make_files(self, stdin: bool, ids: dict[str, Any] | None,
                    account: users.Account) -> None:
        """Each is the program's own, so that it can open its /dev/stdout again."""
        uid, gid = account.uid, account.gid
        if ids:
            outer = (idmaps.outside(idmaps.ranges(ids, "uid"), uid),
                     idmaps.outside(idmaps.ranges(ids, "gid"), gid))
            if outer[0] is None or outer[1] is None:
                raise LxcError("become", "%d:%d" % (uid, gid), errno.EINVAL,
                               "Choose ids that the container has.",
                               "container %s has no such id" % self.name)
            uid, gid = outer[0], outer[1]
        self._remove_files()
        for path in self._paths[not stdin:]:
            os.mkfifo(path, 0o600)
            os.chown(path, uid, gid)
        for path in self._paths[1:]:
            self._outputs[os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)] = []
        if stdin:
            # Not for writing alone: that would need somebody who reads already.
            self._stdin = os.open(self._paths[0], os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.once["stdio"] = [self._paths[0] if stdin else "/dev/null", *self._paths[1:]]

    def watch(self) -> None:
        """From now on its output is collected, and its end noticed."""
        for fd in self._outputs:
            self._loop.add(fd, select.POLLIN, self._reader(fd))
        if self._stdin >= 0:
            self._loop.add(self._stdin, select.POLLOUT, self._on_stdin)
        pidfd = processes.open_pidfd((observe.recorded_state(self.name) or {}).get("init"))
        if pidfd is None:
            self._on_end()
        else:
            self._pidfd = pidfd
            self._loop.add(pidfd, select.POLLIN, self._on_end)

    def _on_stdin(self) -> None:
        """Give the program a part; its end of file comes with the last."""
        try:
            self._rest = self._rest[os.write(self._stdin, self._rest[:_CHUNK]):]
        except BlockingIOError:
            return
        if not self._rest:
            self._loop.remove(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _on_end(self) -> None:
        self._loop.remove(self._pidfd)
        self._ended = time.time()
        self.gone = True

    def _reader(self, fd: int) -> Handler:
        def read() -> None:
            data = os.read(fd, _CHUNK)
            if data:
                self._outputs[fd].append(data)
            else:
                self._loop.remove(fd)
        return read

    def result(self, began: float, timed_out: bool) -> Result | LxcError:
        """After its end: its PID namespace has ended with it, so nobody writes any more."""
        collected = []
        for fd, parts in self._outputs.items():
            parts.append(read_available(fd))
            collected.append(b"".join(parts))
            parts.clear()  # or the memory would hold it twice
        try:
            status = operation.settle(self.name, time.monotonic() + _SETTLE)
        except LxcError as error:
            return error
        how = status["exit"]
        if how is None:
            return LxcError("learn how it ended from", self.name, errno.ESRCH,
                            "Look at what it was to do, and run it again if it may.",
                            "its monitor was killed, and the exit status with it")
        code = how["code"] if how.get("code") is not None else 128 + how["signal"]
        return Result(code, collected[0], collected[1], began, self._ended, timed_out)

    def close(self) -> None:
        """Let go of the streams, and of their files."""
        for fd in (*self._outputs, self._pidfd, self._stdin):
            if fd >= 0:
                self._loop.remove(fd)
                os.close(fd)
        self._outputs, self._pidfd, self._stdin = {}, -1, -1
        self._remove_files()

    def _remove_files(self) -> None:
        for path in self._paths:
            try:
                os.unlink(path)
            except FileNotFoundError:
                pass
