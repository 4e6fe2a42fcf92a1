# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in many containers at a time: what goes in, what comes out, and when each has ended.

A program ends when its process does. What it left behind may hold its pipes for ever, so their
end is not waited for; what was written by then is all there.
"""
from __future__ import annotations

import fcntl
import os
import select
import termios
import time

from .._kernel import processes
from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import attach

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Union

    from .attacher import Attacher
    from .entry import Command

    Handler = Callable[[], None]
    Outcomes = dict[str, Union["Result", LxcError]]

_CHUNK = 1 << 16
_MANY = 16  # programs, whose forks may cost more than to start an interpreter for them
_PARTING = 1  # seconds, for all that are told to end because their caller has to
_GRACE = 10  # seconds: how long a program that was killed may take to be gone


class Result:
    """How a program ended.

    :param rc: its exit code, or 128 and the signal that ended it
    :param began: and ``ended``: of time.time()
    :param timed_out: whether it was killed because its time was over
    """

    __slots__ = ("rc", "stdout", "stderr", "began", "ended", "timed_out")

    def __init__(self, rc: int, stdout: bytes, stderr: bytes, began: float, ended: float,
                 timed_out: bool) -> None:
        self.rc = rc
        self.stdout = stdout
        self.stderr = stderr
        self.began = began
        self.ended = ended
        self.timed_out = timed_out


def run(jobs: dict[str, Command], stdin: bytes | None = None, timeout: float | None = None,
        parallel: int = 1, running: list[_Program] | None = None) -> Outcomes:
    """Run a program in each container, collect what it writes, wait for its end.

    :param jobs: by the container's name
    :param stdin: what each can read; None for /dev/null
    :param timeout: seconds after which a program, and what it started, is killed
    :param parallel: how many run at a time
    :param running: has those that run at any moment, for a handler of signals
    """
    running = [] if running is None else running
    loop = Loop()
    attacher = _attacher(len(jobs))
    try:
        return _run(loop, jobs, running, stdin, timeout, parallel, attacher)
    except BaseException:  # the caller is told to end, or to do something else
        if attacher:
            attacher.close()  # when all that it was asked for has begun
            attacher = None
        for program in running:
            program.hand_on(signal.SIGTERM)
        deadline = time.monotonic() + _PARTING
        for program in running:
            program.abandon(deadline)
        raise
    finally:
        loop.close()
        if attacher:
            attacher.close()


def _run(loop: Loop, jobs: dict[str, Command], running: list[_Program], stdin: bytes | None,
         timeout: float | None, parallel: int, attacher: Attacher | None) -> Outcomes:
    outcomes: Outcomes = {}
    waiting = list(jobs.items())[::-1]

    def begin(name: str, command: Command) -> None:
        command.killable = timeout is not None
        began, pipes = time.time(), _Pipes(bool(stdin))

        def take(attached: attach.Attached | LxcError) -> None:
            if isinstance(attached, LxcError):
                pipes.close()
                outcomes[name] = attached
            else:
                running.append(_Program(loop, name, attached, pipes, stdin, timeout, began))

        try:
            if attacher:
                attacher.ask(name, command, pipes.inner, take)
            else:
                take(attach.by_name(name, command, pipes.inner))
        except LxcError as error:
            take(error)
        finally:
            pipes.close_inner()

    def answered() -> None:
        if attacher and attacher.asked():
            attacher.take()
        elif attacher:  # it was killed
            loop.remove(attacher.fileno())

    if attacher:
        loop.add(attacher.fileno(), select.POLLIN, answered)
    while True:
        while waiting and len(running) + (attacher.asked() if attacher else 0) < parallel:
            begin(*waiting.pop())
        if not running and not (attacher and attacher.asked()):
            if waiting:
                continue  # those before were refused
            return {name: outcomes[name] for name in jobs}
        loop.once(min((p.deadline for p in running if p.deadline is not None), default=None))
        for program in list(running):
            outcome = program.outcome()
            if outcome is not None:
                outcomes[program.name] = outcome
                running.remove(program)


def _attacher(count: int) -> Attacher | None:
    """One, where that many programs are worth it."""
    if count < _MANY:
        return None
    from . import attacher  # few need it
    try:
        return attacher.Attacher() if attacher.pays() else None
    except LxcError:
        return None  # as where the runtime can't be written: slower


class Loop:
    """Descriptors, and what to do when one of them is ready.

    A handler of signals is run while it waits, too: one in Python runs between two steps of the
    interpreter, so with a signal that came just before poll(2) it would run after that. Hence a
    pipe that the interpreter writes to at once (signal.set_wakeup_fd).
    """

    def __init__(self) -> None:
        self._poller = select.poll()
        self._handlers: dict[int, Handler] = {}
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add(self._woken, select.POLLIN, self._forget_signals)
        self._woke_before = _wake_by(self._wake)

    def close(self) -> None:
        """Signals wake whom they woke before."""
        if self._woke_before is not None:
            _wake_by(self._woke_before)
        os.close(self._wake)
        os.close(self._woken)

    def _forget_signals(self) -> None:
        os.read(self._woken, _CHUNK)

    def add(self, fd: int, events: int, handler: Handler) -> None:
        """Call ``handler`` whenever ``fd`` is ready for ``events`` (poll(2))."""
        self._poller.register(fd, events)
        self._handlers[fd] = handler

    def remove(self, fd: int) -> None:
        """Forget it; what was never added is no error."""
        if self._handlers.pop(fd, None):
            self._poller.unregister(fd)

    def once(self, deadline: float | None = None) -> None:
        """Wait for something to happen, until ``deadline`` of time.monotonic()."""
        left = None if deadline is None else max(0, deadline - time.monotonic()) * 1000 + 1
        for fd, _event in self._poller.poll(left):
            handler = self._handlers.get(fd)
            if handler:  # else one that was ready as well has removed it
                handler()


def _wake_by(fd: int) -> int | None:
    """:returns: the descriptor before, None in a thread that gets no signals"""
    try:
        return signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
    except ValueError:
        return None


class _Pipes:
    """A program's standard input, output and error.

    :param stdin: whether it can read something
    """

    def __init__(self, stdin: bool) -> None:
        null = -1 if stdin else os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        inner_in, self.stdin = os.pipe() if stdin else (null, -1)
        self.stdout, inner_out = os.pipe()
        self.stderr, inner_err = os.pipe()
        self.inner = (inner_in, inner_out, inner_err)

    def close_inner(self) -> None:
        """When the program has them."""
        for fd in self.inner:
            os.close(fd)

    def close(self) -> None:
        """Where there is no program."""
        for fd in (self.stdin, self.stdout, self.stderr):
            if fd >= 0:
                os.close(fd)


class _Program:
    """One of them, until its end."""

    def __init__(self, loop: Loop, name: str, attached: attach.Attached, pipes: _Pipes,
                 stdin: bytes | None, timeout: float | None, began: float) -> None:
        self.name = name
        self._loop = loop
        self._attached = attached
        self._said = b""
        self._gone = False
        self._timed_out = False
        self._rest = memoryview(stdin or b"")
        self._began = began
        self._stdin = pipes.stdin
        self._outputs: dict[int, list[bytes]] = {pipes.stdout: [], pipes.stderr: []}
        self._timeout = timeout
        self.deadline = None if timeout is None else time.monotonic() + timeout
        loop.add(attached.status, select.POLLIN, self._on_status)
        loop.add(attached.pidfd, select.POLLIN, self._on_end)
        for fd in self._outputs:
            loop.add(fd, select.POLLIN, self._reader(fd))
        if self._stdin >= 0:
            os.set_blocking(self._stdin, False)
            loop.add(self._stdin, select.POLLOUT, self._on_stdin)

    def outcome(self) -> Result | LxcError | None:
        """None while it runs."""
        if not self._gone and self.deadline is not None and time.monotonic() >= self.deadline:
            if self._timed_out:
                return self._give_up()
            self._timed_out = True
            self.deadline = time.monotonic() + _GRACE
            self._attached.kill()
        if not self._gone:
            return None
        ended = time.time()
        collected = []
        for fd, parts in self._outputs.items():
            parts.append(read_available(fd))
            collected.append(b"".join(parts))
            parts.clear()  # or the memory would hold it twice
        rc = self._attached.reap()
        while self._attached.status >= 0:
            self._on_status()
        self._close()
        error = attach.started(self.name, self._said)
        if error and not self._timed_out:
            return error
        return Result(rc, collected[0], collected[1], self._began, ended, self._timed_out)

    def hand_on(self, number: int) -> None:
        """Hand it on to the program."""
        if not self._gone:
            self._attached.hand_on(number)

    def abandon(self, deadline: float) -> None:
        """It was told to end; if it does not by then it is killed. One that has entered a container
        inside needs that time to hand the signal on.

        :param deadline: of time.monotonic()
        """
        if not self._gone:
            if not processes.wait_ended([self._attached.pidfd], deadline - time.monotonic()):
                self._attached.kill()
            self._loop.remove(self._attached.pidfd)
        os.close(self._attached.pidfd)
        self._close()

    def _on_status(self) -> None:
        data = os.read(self._attached.status, _CHUNK)
        self._said += data
        if not data:
            self._loop.remove(self._attached.status)
            os.close(self._attached.status)
            self._attached.status = -1

    def _on_end(self) -> None:
        self._loop.remove(self._attached.pidfd)
        self._gone = True

    def _reader(self, fd: int) -> Handler:
        def read() -> None:
            data = os.read(fd, _CHUNK)
            if data:
                self._outputs[fd].append(data)
            else:
                self._loop.remove(fd)
        return read

    def _on_stdin(self) -> None:
        try:
            self._rest = self._rest[os.write(self._stdin, self._rest[:_CHUNK]):]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._rest = self._rest[:0]  # it does not read to the end
        if not self._rest:
            self._loop.remove(self._stdin)
            os.close(self._stdin)
            self._stdin = -1

    def _close(self) -> None:
        for fd in (*self._outputs, self._stdin, self._attached.status):
            if fd >= 0:
                self._loop.remove(fd)
                os.close(fd)

    def _give_up(self) -> LxcError:
        """Killed, and still there: what is frozen in version 1 ends when it is thawed."""
        self._loop.remove(self._attached.pidfd)
        os.close(self._attached.pidfd)
        self._close()
        return LxcError("end a program in", self.name,
                        detail="it was killed after %g s, but does not end" % (self._timeout or 0),
                        hint="Thaw the container if it is frozen; see the /proc/PID/stack of "
                             "process %d." % self._attached.pid)


def read_available(fd: int) -> bytes:
    """What is in a pipe at this moment: a bounded amount, whoever goes on writing.

    :returns: empty at its end, too
    """
    length = int.from_bytes(fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"), "little")
    parts: list[bytes] = []
    while length > 0:
        data = os.read(fd, length)
        if not data:
            break
        parts.append(data)
        length -= len(data)
    return b"".join(parts)
