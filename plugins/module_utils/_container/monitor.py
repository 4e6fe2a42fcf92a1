# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor: one for each running container, from its start to its end.

A short-lived starter, forked from here, does the work of the start, so that the monitor itself
changes few pages of the memory that it shares with its siblings. Init is the monitor's child by
CLONE_PARENT. Should the monitor be killed, its container lives on.
"""
from __future__ import annotations

# signal's and socket's own functions make enums of what these return, and warnings: pages that a
# monitor would keep to itself.
import _signal  # type: ignore[import-not-found]
import _socket
import array
import errno
import fcntl
import json
import os
import select
import signal
import socket

from .._kernel import processes, syscalls
from .._kernel.errors import LxcError
from . import cleanup, starter, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

_LARGEST = 1 << 16         # bytes of a message
_LOG_LIMIT = 1 << 20       # bytes of a console's log, and of the one before it
_PIDFD, _MASTER = 0, 1     # places of the descriptors that the starter passes


def run(plan: dict[str, Any], report: _socket.socket, worker: socket.socket | None) -> NoReturn:
    """Start the container, look after it, clean up after it. Ends the process.

    :param report: where the launcher says when to go on, and waits for one message
    """
    reboot = False
    try:
        _leave_session(report, worker)
        if report.recv(16) != b"go":  # its turn; the launcher's death, otherwise
            os._exit(0)
        reboot = _run(plan, report, worker)
    except BaseException as error:
        if not isinstance(error, LxcError):
            error = LxcError("monitor container", plan["name"], detail=repr(error))
        _report(report, plan["name"], error)
    finally:
        if reboot:
            os.execv(plan["python"], [plan["python"], "-I", "-S", plan["program"],
                                      "start", plan["name"]])
        os._exit(0)


def _leave_session(report: _socket.socket, worker: socket.socket | None) -> None:
    """Out of the task's session, signals and descriptors: else the task waits for this process."""
    os.setsid()
    _signal.pthread_sigmask(_signal.SIG_SETMASK, _signal.valid_signals())
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    first = 3
    for kept in sorted(s.fileno() for s in (report, worker) if s is not None):
        if kept > first:
            syscalls.close_range(first, kept - 1)
        first = kept + 1
    syscalls.close_range(first)


def _run(plan: dict[str, Any], report: _socket.socket, worker: socket.socket | None) -> bool:
    """:returns: whether the container asked to be started again"""
    name = plan["name"]
    lock = os.open(plan["run"] + "/monitor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LxcError("start container", name, errno.EBUSY,
                       detail="the monitor of its last run is still alive") from None
    monitor = processes.identity(os.getpid())
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        ours.close()
        starter.run(plan, monitor, theirs, report, worker)  # does not return
    theirs.close()
    if worker is not None:
        worker.close()
    data, control, _flags, _address = ours.recvmsg(
        _LARGEST, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    _pid, status = os.waitpid(child, 0)
    ours.close()
    if not data or data[:1] == b"E":
        error = (LxcError.from_dict(json.loads(data[1:])) if data else
                 LxcError("start container", name, detail="its starter was killed by signal %d"
                          % (status & 0x7F)))
        _undo(name, error)
        _report(report, name, error)
        return False
    report.close()
    fds = array.array("i")
    for _level, _kind, payload in control:
        fds.frombytes(payload)
    init = int(data)
    _watch(fds[_PIDFD], fds[_MASTER], plan["log"])
    _pid, status = os.waitpid(init, 0)
    exit_status = ({"signal": status & 0x7F} if status & 0x7F else {"code": status >> 8})
    cleanup.finish(name, store.read_state(name) or {"version": 1, "name": name}, exit_status)
    os.close(lock)
    # reboot(2) in a PID namespace: RESTART reaches the parent as SIGHUP, the others as SIGINT.
    return exit_status.get("signal") == signal.SIGHUP


def _report(report: _socket.socket, name: str, error: LxcError) -> None:
    try:
        report.send(json.dumps({"name": name, "error": error.to_dict()}).encode())
    except OSError:
        pass  # closed: it was said already, or nobody waits any more


def _undo(name: str, error: LxcError) -> None:
    """After a start that failed: end what it left, and write down why."""
    recorded = store.read_state(name) or {"version": 1, "name": name}
    problem = cleanup.remove_cgroups(recorded.get("cgroups") or [])
    for pid in _children():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if problem:  # a child that was in none of them yet may have entered one meanwhile
        problem = cleanup.remove_cgroups(recorded.get("cgroups") or [])
    state = cleanup.stopped_state(recorded, None, error.to_dict())
    if problem:
        state["cgroups"] = recorded["cgroups"]
        error.detail = "; ".join(text for text in (error.detail, str(problem)) if text)
    store.write_state(name, state)
    store.event(name, "ABORTING")
    store.event(name, "STOPPED")


def _children() -> list[int]:
    me = os.getpid()
    with open("/proc/%d/task/%d/children" % (me, me), encoding="ascii") as stream:
        return [int(word) for word in stream.read().split()]


def _watch(init: int, master: int, log: str) -> None:
    """Write what the console says to its log until init has ended."""
    poller = select.poll()
    poller.register(init, select.POLLIN)
    poller.register(master, select.POLLIN)
    fd, size = -1, 0
    ended = False
    while not ended:
        ready = [f for f, _event in poller.poll()]
        ended = init in ready
        while master in ready:
            try:
                data = os.read(master, 4096)
            except OSError:
                data = b""
            if not data:
                poller.unregister(master)
                break
            if fd < 0 or size > _LOG_LIMIT:
                fd, size = _open_log(log, fd)
            try:
                size += os.write(fd, data)
            except OSError:
                pass  # a full disk must not stop the container
            ready = [f for f, _event in poller.poll(0)]
    os.close(master)


def _open_log(path: str, old: int) -> tuple[int, int]:
    """The log to go on with; a full one is kept as the one before."""
    if old >= 0:
        os.close(old)
        try:
            os.rename(path, path + ".1")
        except OSError:
            pass
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC,
                     0o600)
    except OSError:  # the definition's folder is gone
        fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
    return fd, os.fstat(fd).st_size
