# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the host that takes its time: nothing of it outlives the task.

It runs in PID and mount namespaces of its own, whose first process is a fork of this one: when
the task is killed, the kernel ends whatever the program has started, and no mount of it stays.
"""
from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import time
import typing as t
from types import MappingProxyType

from .._kernel import syscalls
from .._kernel.errors import LxcError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY",
              "TMPDIR")
_LAST_LINES = 12
_PAUSE = 0.02  # seconds between two tries for a lock
_CODES_OF_A_SHELL = 126, 127


class Log:
    """What a task says while it runs, in a file that people can follow with tail -f."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = -1

    def open(self, patience: float = 0) -> int:
        """The file, open for appending; made for root alone when it is first needed.

        Its lock is held as long as this task lives, or what it has started.

        :param patience: seconds to wait for another task that has the lock
        :raises LxcError: when another has it
        """
        deadline = time.monotonic() + patience
        while self.fd < 0:
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
                             | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise LxcError.from_os("write the log", self.path, error) from error
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever had it may have removed the file, and with it what others lock.
                if os.path.samestat(os.fstat(fd), os.lstat(self.path)):
                    os.ftruncate(fd, 0)
                    self.fd = fd
                    break
            except FileNotFoundError:
                pass
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(fd)
                    raise LxcError("lock", self.path, errno.EWOULDBLOCK,
                                   detail="another task works on it",
                                   hint="Run the task again when that one has ended.") from None
                time.sleep(_PAUSE)
            os.close(fd)
        return self.fd

    def say(self, text: str) -> None:
        """One line. A log that can't be written is no reason to fail what it tells of."""
        with contextlib.suppress(OSError, LxcError):
            os.write(self.open(), text.encode("utf-8", "replace") + b"\n")

    def tail(self, lines: int = _LAST_LINES) -> str:
        """Its last lines, for an error."""
        if self.fd < 0:
            return ""
        size = os.fstat(self.fd).st_size
        text = os.pread(self.fd, 8192, max(0, size - 8192)).decode("utf-8", "replace")
        return "\n".join(text.replace("\r", "\n").strip().splitlines()[-lines:])

    def remove(self) -> None:
        """It is of no use any more: what was made is there, or the error has its last lines."""
        if self.fd >= 0:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
            os.close(self.fd)
            self.fd = -1


def find(name: str) -> str | None:
    """Where the host has the program; a task's PATH is not asked."""
    for folder in _PATH.split(":"):
        if os.access("%s/%s" % (folder, name), os.X_OK):
            return "%s/%s" % (folder, name)
    return None


def run(doing: str, subject: str, argv: list[str], log: Log, timeout: float,
        keep: t.Sequence[int] = (), root: str | None = None, hint: str = "",
        hints: t.Mapping[str, str] = MappingProxyType({})) -> None:
    """Run it to its end, its output in the log.

    :param keep: descriptors that it inherits, such as a lock
    :param root: the tree to run it in, whose own program it is then
    :param timeout: seconds
    :param hints: what to do instead of ``hint``, by what the program says
    :raises LxcError: with the last lines of its output, when it fails or takes longer
    """
    log.say("+ " + " ".join(argv))
    output = log.open()
    pid, pidfd = syscalls.clone(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS)
    if not pid:
        status = _CODES_OF_A_SHELL[0]
        try:
            status = _first_process(argv, output, keep, root)
        finally:
            os._exit(status)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        in_time = bool(poller.poll(timeout * 1000))
    finally:  # also when a signal ends this task
        with contextlib.suppress(OSError):
            syscalls.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        _pid, status = os.waitpid(pid, 0)
    name = os.path.basename(argv[0])
    if not in_time:
        raise LxcError(doing, subject, detail="%s took more than %g s; its last words:\n%s"
                       % (name, timeout, log.tail()),
                       hint="Set a longer 'timeout', or see why it is slow.")
    if status:
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        words = log.tail(100)
        raise LxcError(doing, subject, detail="%s ended with %s; its last words:\n%s" % (
            name, "status %d" % code if code >= 0 else "signal %d" % -code, log.tail()),
            hint=next((hints[said] for said in hints if said in words), hint))


def _first_process(argv: list[str], output: int, keep: t.Sequence[int], root: str | None) -> int:
    """The first process of the PID namespace: starts the program, reaps, returns its status."""
    # The parent may have died before; then nobody would send the signal.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    os.setsid()
    os.umask(0o022)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    syscalls.mount("proc", "/proc", "proc", 0)
    program = os.fork()
    if not program:
        try:
            null = os.open(os.devnull, os.O_RDONLY)
            for number, fd in ((0, null), (1, output), (2, output)):
                os.dup2(fd, number)
            for fd in keep:
                os.set_inheritable(fd, True)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            environment.update(PATH=_PATH, LC_ALL="C.UTF-8", HOME="/root",
                               DEBIAN_FRONTEND="noninteractive")
            if root is not None:
                os.chroot(root)
            os.chdir("/")
            os.execve(argv[0], argv, environment)
        except OSError as error:
            os.write(output, ("%s: %s\n" % (argv[0], error.strerror)).encode())
        finally:
            os._exit(_CODES_OF_A_SHELL[1])
    while True:
        pid, status = os.wait()
        if pid == program:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
