# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher: has launch plans carried out, several at a time, and then becomes their monitor.

It decides nothing. A few starters, forked once, make one container after the other: what a fork of
Python costs is paid for once, and not again for each container.
"""
from __future__ import annotations

import _socket  # socket's own socketpair makes enums
import errno
import gc
import os
import resource
import sys
import time

from .._kernel import cgroup_tree, descriptors, processes
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import fault, monitor, network, starter, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_FDS = 3  # init's pidfd, and both ends of its console; then those of its terminals


def main() -> None:
    """Read a request from standard input, answer with a line of JSON for each container.

    The request: a line of JSON with what all have in common, then one for each container whose
    plan lies in its folder of /run, as they come, until the end of file.
    """
    if os.fork():
        os._exit(0)  # so that the monitor is nobody's child
    try:
        monitor.leave_session()
        with open("/proc/self/comm", "w", encoding="ascii") as stream:
            stream.write("lxc-monitor")
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # whoever asked may be gone
        _Launch().run()
    except LxcError as error:
        sys.stderr.write("%s\n" % error)
        os._exit(1)
    except BaseException as error:
        sys.stderr.write("%r\n" % error)
        os._exit(1)
    os._exit(0)


class _Starter:
    """A starter's process, as seen from here."""

    def __init__(self, pid: int, link: _socket.socket) -> None:
        self.pid, self.link = pid, link
        self.name = ""  # of the container that it makes
        self.deadline = 0.0
        self.late = False


class _Launch:
    """One request, from its first line to the end of its last container."""

    def __init__(self) -> None:
        self._lines = _Lines(0)
        self._common: dict[str, Any] = json.loads(self._lines.first())
        self._me = processes.own_identity()
        self._monitor = monitor.Monitor(self._restart)
        self._requests, self._network_end = _socketpair()
        self._network_worker = 0
        self._waiting: list[str] = []
        self._complete = False
        self._starters: list[_Starter] = []
        self._idle: list[_Starter] = []
        self._processors: list[int] = []
        self._locks: dict[str, int] = {}
        self._failing = 0   # starts that have failed and are being undone
        self._files = resource.getrlimit(resource.RLIMIT_NOFILE)

    def run(self) -> None:
        _say({"launcher": os.getpid()})
        store.make_folder(store.RUN)
        for path in self._common["monitor_folders"]:
            _enter(path)
        fault.point("launcher:entered")
        processors = sorted(os.sched_getaffinity(0))  # those of the monitors' cpuset
        first = os.getpid() % len(processors)  # not each launcher's first starter on the same
        self._processors = processors[first:] + processors[:first]
        # Three descriptors and a lock for each container; starters go back to what it was.
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._files[1], self._files[1]))
        gc.disable()
        processes.fork_with_code()
        self._monitor.listen(0, self._read)
        self._read()
        while not self._complete or self._waiting or self._failing \
                or len(self._idle) < len(self._starters):
            self._assign()
            self._monitor.handle(self._patience())
            self._end_late_ones()
        self._finish()
        while self._monitor.busy():
            self._monitor.handle()

    def _finish(self) -> None:
        """Nothing is to be started any more: keep only what a monitor needs."""
        for one in self._starters:
            self._monitor.ignore(one.link.fileno())
            one.link.close()
            os.waitpid(one.pid, 0)
        self._starters.clear()
        self._idle.clear()
        self._requests.close()
        if self._network_worker:
            os.waitpid(self._network_worker, 0)
        for pid in self._children():
            if pid not in self._monitor.running and pid not in self._monitor.helpers:
                self._end_child(pid)  # of a starter that was killed
        for fd in self._common["keep"]:
            os.close(fd)
        _null_on(0, 2, 1)  # whoever asked waits for the end of 1
        self._monitor.protect()  # no container inherits it any more
        gc.enable()

    def _read(self) -> None:
        """Take what has come of the request."""
        lines, ended = self._lines.take()
        for line in lines:
            item = json.loads(line)
            if item["network"] and not self._network_worker:
                self._fork_network_worker()
            self._waiting.append(item["name"])
        if ended:
            self._complete = True
            self._monitor.ignore(0)

    def _assign(self) -> None:
        """Give each starter something to do; make one more where that is worth it."""
        self._waiting.reverse()
        while self._waiting:
            if not self._idle:
                # One more where some wait for the network worker.
                if len(self._starters) >= len(self._processors) + bool(self._network_worker):
                    break
                self._idle.append(self._fork_starter())
            name = self._waiting.pop()
            try:
                self._locks[name] = monitor.lock(name)
            except (LxcError, OSError) as error:
                self._answer(name, error if isinstance(error, LxcError)
                             else LxcError.from_os("lock", name, error))
                continue
            one = self._idle.pop()
            one.name, one.late = name, False
            one.deadline = time.monotonic() + self._common["timeout"]
            try:
                one.link.send(name.encode())
                fault.point("launcher:assigned")
            except OSError:
                pass  # it was killed: its end of file is read next
        self._waiting.reverse()

    def _fork_starter(self) -> _Starter:
        ours, theirs = _socketpair()
        processor = self._processors[len(self._starters) % len(self._processors)]
        pid = os.fork()
        if pid == 0:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, self._files)
                # It keeps the locks, and the pipe on 1 whose end the module waits for: when this
                # process is killed, both end with the last one that could still make something.
                keep = self._common["keep"]
                _null_on(0)
                processes.close_all_but(theirs.fileno(), self._requests.fileno(), *keep)
                starter.serve(theirs, self._me, self._requests, keep, processor)
            finally:
                os._exit(0)
        theirs.close()
        one = _Starter(pid, ours)
        self._starters.append(one)
        self._monitor.listen(ours.fileno(), lambda: self._started(one))
        return one

    def _fork_network_worker(self) -> None:
        self._network_worker = os.fork()
        if self._network_worker == 0:
            try:
                _null_on(0, 1)
                processes.close_all_but(self._network_end.fileno())
                network.serve(self._network_end, self._common["pyroute2"])
            finally:
                os._exit(0)
        # What was asked of a worker that is killed must end with its end of the socket.
        self._network_end.close()

    def _started(self, one: _Starter) -> None:
        """A starter has an answer, or has died."""
        data, fds = descriptors.receive(one.link)
        if data:
            self._idle.append(one)
        else:
            self._forget(one)
            if not one.name:
                return
        name, one.name = one.name, ""
        answer: dict[str, Any] = (json.loads(data) if data else
                                  {"error": self._gone(name, one).to_dict()})
        if answer.get("helper"):
            os.waitpid(answer["helper"], 0)  # it has ended, or is about to
        if answer.get("error") is None and len(fds) < _FDS:
            answer["error"] = LxcError(
                "start container", name, errno.EMFILE, "Raise the hard limit of open files (nofile)"
                " of whoever starts containers.").to_dict()
        if answer.get("error") is None:
            console = monitor.Console(fds[1], fds[2], answer["log"], fds[3:],
                                      answer["console"])
            self._monitor.adopt(name, answer["pid"], fds[0], console, self._locks.pop(name),
                                answer["memory"], answer["stop_hook"])
            fault.point("launcher:adopted")
            self._answer(name, None)
            return
        for fd in fds:
            os.close(fd)
        if answer.get("pid"):
            self._end_child(answer["pid"])
        self._failing += 1
        self._monitor.end(monitor.Ending(name, self._locks.pop(name), None,
                                         LxcError.from_dict(answer["error"]), self._undone))

    def _undone(self, ending: monitor.Ending) -> None:
        self._failing -= 1
        self._answer(ending.name, ending.error)

    def _answer(self, name: str, error: LxcError | None) -> None:
        _say({"name": name, "error": error.to_dict() if error else None})

    def _patience(self) -> float | None:
        deadlines = [one.deadline for one in self._starters if one not in self._idle]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _end_late_ones(self) -> None:
        now = time.monotonic()
        for one in self._starters:
            if one.name and one.deadline < now:
                one.late, one.deadline = True, now + 1
                os.kill(one.pid, signal.SIGKILL)

    def _forget(self, one: _Starter) -> None:
        """A starter that has died. Its init ends by itself when it finds nobody at the other end
        of its link, and has to be waited for."""
        self._monitor.ignore(one.link.fileno())
        one.link.close()
        os.waitpid(one.pid, 0)
        self._starters.remove(one)
        if one in self._idle:
            self._idle.remove(one)

    def _gone(self, name: str, one: _Starter) -> LxcError:
        if one.late:
            return LxcError("start container", name, errno.ETIMEDOUT,
                            "Give it more time by 'timeout', or see what the host is busy with.",
                            "it was not up after %g s" % self._common["timeout"])
        return LxcError("start container", name, detail="its starter was killed")

    def _end_child(self, pid: int) -> None:
        if pid in self._children():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _children(self) -> list[int]:
        me = os.getpid()
        with open("/proc/%d/task/%d/children" % (me, me), encoding="ascii") as stream:
            return [int(word) for word in stream.read().split()]

    def _restart(self, name: str) -> None:
        """Have a container started by a process of its own, as it is defined now."""
        python = self._common["python"]
        environment = {"LC_ALL": "C.UTF-8"}
        if self._common["pyroute2"]:
            environment[network.PYROUTE2] = self._common["pyroute2"]
        resource.setrlimit(resource.RLIMIT_NOFILE, self._files)
        self._monitor.protect(False)
        try:
            pid = os.posix_spawn(  # pylint: disable=ansible-bad-function
                python, [python, "-I", "-S", self._common["program"], "start", name],
                environment, setsigmask=[])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._files[1], self._files[1]))
            self._monitor.protect()
        self._monitor.watch(pid)


class _Lines:
    """Lines of a descriptor, as they come."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._buffer = b""

    def first(self) -> bytes:
        """Wait for a line."""
        while b"\n" not in self._buffer:
            data = os.read(self._fd, 65536)
            if not data:
                raise LxcError("read the request", detail="it ends early")
            self._buffer += data
        line, _newline, self._buffer = self._buffer.partition(b"\n")
        os.set_blocking(self._fd, False)
        return line

    def take(self) -> tuple[list[bytes], bool]:
        """:returns: whole lines that have come, and whether that was all"""
        ended = False
        try:
            data = os.read(self._fd, 65536)
            ended = not data
        except BlockingIOError:
            data = b""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return lines, ended


def _socketpair() -> tuple[_socket.socket, _socket.socket]:
    return _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)


def _null_on(*fds: int) -> None:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for fd in fds:
        os.dup2(null, fd)
    os.close(null)


def _enter(path: str) -> None:
    """Move into a control group, which an operation that ends may just be removing."""
    for attempt in range(10):
        cgroup_tree.make(path)
        try:
            version1 = os.path.exists(path + "/tasks")
            if version1 and os.path.exists(path + "/cpuset.cpus"):
                cgroup_tree.inherit_cpuset(path)
            # "0" is the writer; with v1's cgroup.procs it takes 10 ms.
            cgroup_tree.write(path + ("/tasks" if version1 else "/cgroup.procs"), "0")
            return
        except LxcError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV) or attempt == 9:
                raise


def _say(answer: dict[str, Any]) -> None:
    try:
        os.write(1, json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:
        pass  # nobody reads any more; the containers come up all the same
