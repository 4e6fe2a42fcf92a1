# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program in a running container, with the rights of its init and no more: lxc-attach.

One fork. The caller puts only its future children into the container's PID namespace and its v2
control group, and then takes itself back; the child does the rest. Where the container has no user
namespace, its root could write to this interpreter through /proc/PID/exe (CVE-2019-5736): then
another one, on a read-only mount, does it instead.
"""
from __future__ import annotations

import errno
import fcntl
import os
import select

from .._kernel import cgroup_tree, processes, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import entry
from .entry import Command
from .target import DOING, Target

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1,
             signal.SIGUSR2)
# What a terminal or its end says, and what ends programs: for all that one has started as well.
_FOR_ALL = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
_GROUP = ".attach-"  # and the pid of who attaches, and a number
_count = [0]  # of the control groups made here


class Attached:
    """A program that was started: its pid on the host, and where its start is reported.

    :param status: reads nothing until the program has replaced this one; what it then has read is
        for started()
    :param folder: the control group of the program alone, "" where it has none
    """

    __slots__ = ("name", "pid", "pidfd", "status", "folder")

    def __init__(self, name: str, pid: int, pidfd: int, status: int, folder: str) -> None:
        self.name = name
        self.pid = pid
        self.pidfd = pidfd
        self.status = status
        self.folder = folder

    def hand_on(self, number: int) -> None:
        """Hand a signal on: to the program's process group, as a terminal does, where it is one to
        end by; a shell that waits for its child would do nothing about it."""
        if number in _FOR_ALL and self._signal_group(number):
            return
        processes.send_signal(self.pidfd, number)

    def kill(self) -> None:
        """End the program with its process group, and with a Command that is killable everything
        that it has started."""
        if self.folder:
            cgroup_tree.kill(self.folder)
        if not self._signal_group(signal.SIGKILL):
            # The interpreter that has entered for it: it hands SIGTERM on.
            processes.send_signal(self.pidfd,
                                  signal.SIGKILL if self.folder else signal.SIGTERM)

    def _signal_group(self, number: int) -> bool:
        """:returns: False where it leads no group: it has not begun, or is an interpreter"""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def reap(self) -> int:
        """Wait for its end. Its exit code, or 128 and the signal that ended it."""
        _pid, status = os.waitpid(self.pid, 0)
        os.close(self.pidfd)
        if self.folder:
            _remove(self.folder)
        return status >> 8 if not status & 0x7F else 128 + (status & 0x7F)


def started(name: str, said: bytes) -> LxcError | None:
    """What the status of an Attached means, read to its end: why the program did not start."""
    word, _separator, text = said.partition(b"\n")
    if text:
        return LxcError.from_dict(json.loads(text))
    if word == b"exec":
        return None
    return LxcError(DOING, name, detail="the program was killed before it started",
                    hint="The container may have just stopped, or be short of memory.")


def hold_signals() -> None:
    """Those for the program, until there is one to forward() them to."""
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)


def forward(attached: Attached) -> None:
    """Hand the signals that this process gets on to the program; also those that were held."""
    def handler(number: int, _frame: Any) -> None:
        attached.hand_on(number)

    for number in FORWARDED:
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)


def is_safe(target: Target) -> bool:
    """Whether a process of this interpreter may show itself in the container."""
    return bool(target.flags & syscalls.CLONE_NEWUSER
                or os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def by_name(name: str, command: Command, stdio: tuple[int, int, int]) -> Attached:
    """As spawn(), for a target that is needed for that alone."""
    target = Target(name)
    try:
        return spawn(target, command, stdio)
    finally:
        target.close()


def spawn(target: Target, command: Command, stdio: tuple[int, int, int]) -> Attached:
    """Start the program.

    :param stdio: its standard input, output and error. Nothing that leads to the host should be
        among them, such as a terminal of the host
    :raises LxcError: where there is no way into the container
    """
    folder = _group_for(target, command)
    status, status_end = os.pipe()
    try:
        if is_safe(target):
            pid, pidfd, folder = _fork(target, command, stdio, status_end, folder)
        else:
            pid = _spawn_interpreter(target, command, stdio, status_end, folder)
            pidfd = syscalls.pidfd_open(pid)
        return Attached(target.name, pid, pidfd, status, folder)
    except BaseException:
        os.close(status)
        if folder:
            _remove(folder)
        raise
    finally:
        os.close(status_end)


def spawn_sibling(target: Target, command: Command, fds: list[int]) -> Attached:
    """Start the program for this process's own parent, which becomes the program's.

    :param fds: its standard input, output and error, and the other end of its status
    :raises LxcError: where there is no way into the container
    """
    if not is_safe(target):
        raise LxcError(DOING, target.name, detail="this interpreter can be written to")
    folder = _group_for(target, command)
    try:
        pid, pidfd, folder = _fork(target, command, (fds[0], fds[1], fds[2]), fds[3], folder,
                                   syscalls.CLONE_PARENT)
    except BaseException:
        if folder:
            _remove(folder)
        raise
    return Attached(target.name, pid, pidfd, -1, folder)


def _group_for(target: Target, command: Command) -> str:
    groups = target.plan["cgroups"]
    return _own_group(groups["v2"] or groups["v1"][0]) if command.killable else ""


def _fork(target: Target, command: Command, stdio: tuple[int, int, int], status: int,
          folder: str, flags: int = 0) -> tuple[int, int, str]:
    """:param folder: the control group of the program alone, "" for the container's
    :param flags: CLONE_PARENT, or nothing

    :returns: pid, pidfd, and the folder that it became
    """
    v1 = list(target.plan["cgroups"]["v1"])
    v2 = target.plan["cgroups"]["v2"]
    if folder and not v2:
        v1[0] = folder
    dumpable = syscalls.prctl(syscalls.PR_GET_DUMPABLE)
    own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Before the fork, so that nobody in there has a moment to look into the child.
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        syscalls.setns(target.pidfd, syscalls.CLONE_NEWPID)
        try:
            try:
                pid, pidfd = _clone(flags, folder if folder and v2 else v2)
            except OSError as error:
                if error.errno != errno.EBUSY or folder:
                    raise
                # It hands controllers on, and so takes no process itself (cgroups(7)).
                folder = _own_group(v2)
                pid, pidfd = _clone(flags, folder)
            if pid == 0:
                entry.run(target, command, stdio, status, v1)  # does not return
        finally:
            syscalls.setns(own, syscalls.CLONE_NEWPID)
    except OSError as error:
        if error.errno in (errno.ENOMEM, errno.ESRCH, errno.ENOENT, errno.ENODEV):
            # Its init has ended: such a PID namespace takes nobody, fork says ENOMEM.
            raise LxcError(DOING, target.name, errno.ESRCH, "Start it with fleet.lxc.lxc_state.",
                           "it has just stopped") from error
        hint = ""
        if error.errno == errno.EAGAIN:
            hint = "A limit of processes is reached: see its pids.max."
        raise LxcError.from_os(DOING, target.name, error, hint) from error
    finally:
        os.close(own)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, dumpable)
    return pid, pidfd, folder


def _own_group(parent: str) -> str:
    _count[0] += 1
    folder = "%s/%s%d-%d" % (parent, _GROUP, os.getpid(), _count[0])
    try:
        for name in os.listdir(parent):
            # Of who could not remove it: what a program had left behind ended after him.
            if name.startswith(_GROUP) and not os.path.exists("/proc/" + name.split("-")[1]):
                _remove("%s/%s" % (parent, name))
        os.mkdir(folder)
    except OSError as error:
        raise LxcError.from_os("make control group", folder, error) from error
    return folder


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError:
        pass  # what the program has left behind still runs; the next to attach looks again


def _clone(flags: int, folder: str | None) -> tuple[int, int]:
    """:param folder: of v2, to be born in: through cgroup.procs it takes 10 ms"""
    if not folder:
        return syscalls.clone(flags)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return syscalls.clone(flags, fd)
    finally:
        os.close(fd)


# The interpreter on a read-only mount

_REQUEST, _STATUS = 3, 4  # its descriptors beside standard input, output and error


def _spawn_interpreter(target: Target, command: Command, stdio: tuple[int, int, int],
                       status: int, folder: str) -> int:
    """:returns: the pid of a process that ends as the program does"""
    request, request_end = os.pipe()
    try:
        pid = interpreter("enter", [*stdio, request, status])
        os.close(request)
        request = -1
        text = json.dumps({"name": target.name, "folder": folder,
                           **command.to_dict()}).encode()
        while text:
            text = text[os.write(request_end, text):]
        return pid
    except OSError as error:
        raise LxcError.from_os(DOING, target.name, error) from error
    finally:
        for fd in (request, request_end):
            if fd >= 0:
                os.close(fd)


def interpreter(word: str, fds: list[int]) -> int:
    """Have the copy's program do something, in an interpreter that nobody can write to.

    :param fds: become its descriptors from 0 on
    :returns: its pid
    :raises OSError: where it does not start
    """
    from . import runtime  # few need it
    program, binary = runtime.ensure(), runtime.read_only_interpreter()
    # Above those that they become, so that none is overwritten before its turn.
    sources = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in fds]
    try:
        os.set_inheritable(binary, True)
        return os.posix_spawn(  # pylint: disable=ansible-bad-function
            "/proc/self/fd/%d" % binary, [os.readlink("/proc/self/exe"), "-I", "-S", program, word],
            {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            file_actions=[(os.POSIX_SPAWN_DUP2, source, fd) for fd, source in enumerate(sources)],
            setsigmask=[])
    finally:
        for fd in (binary, *sources):
            os.close(fd)


def enter() -> NoReturn:
    """What that interpreter does: "fleet-lxc enter", for this file alone."""
    code = 127
    try:
        code = _enter()
    except LxcError as error:
        entry.tell(_STATUS, error)
    except BaseException as error:
        entry.tell(_STATUS, LxcError(DOING, detail=repr(error)))
    finally:
        os._exit(code)


def _enter() -> int:
    parts: list[bytes] = []
    while True:
        data = os.read(_REQUEST, 65536)
        if not data:
            break
        parts.append(data)
    os.close(_REQUEST)
    os.set_inheritable(_STATUS, False)
    request = json.loads(b"".join(parts))
    target = Target(request.pop("name"))
    if not is_safe(target):
        raise LxcError(DOING, target.name, detail="this interpreter can be written to")
    given = request.pop("folder")
    command = Command(**request)
    if command.bound:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM)
    hold_signals()
    pid, pidfd, folder = _fork(target, command, (0, 1, 2), _STATUS, given)
    attached = Attached(target.name, pid, pidfd, -1, "" if folder == given else folder)
    forward(attached)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2, _STATUS):
        os.dup2(null, fd)
    from . import exchange  # which has this file
    loop = exchange.Loop()
    ended: list[bool] = []
    loop.add(pidfd, select.POLLIN, lambda: ended.append(True))
    while not ended:
        loop.once()
    return attached.reap()
