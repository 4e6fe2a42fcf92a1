# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From fork to exec, into a running container: with the rights of its init and no more.

Nothing of the container's root file system may run here: this is Python with the host's root
rights until the very end. So nothing is imported after setns(2).
"""
from __future__ import annotations

import errno
import fcntl
import gc
import os
import stat
import termios

from .._kernel import capabilities, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import program, transfer, users
from .target import DOING

_CHDIR = "change into the folder"

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from .target import Target


class Command:
    """What to run, and as whom. Everything else is as the container's init has it.

    :param argv: the program, found by PATH where it has no slash, and its arguments; the user's
        shell when empty
    :param environment: variables beside those of the container
    :param keep: variables of the caller that stay, below ``environment``
    :param cwd: the working directory, None for that of the definition
    :param user: name or number inside; None for the definition's ``uid``
    :param group: name or number inside; None for the user's own
    :param groups: the other groups; None for those that list the user
    :param killable: whether kill() has to reach everything that the program starts
    :param terminal: whether standard input is a terminal to take as the controlling one
    :param bound: whether it gets SIGTERM when who started it ends before it does
    :param transfer: a file to read or write instead of a program to run (transfer.run)
    """

    __slots__ = ("argv", "environment", "keep", "cwd", "user", "group", "groups", "killable",
                 "terminal", "bound", "transfer")

    def __init__(self, argv: list[str], environment: dict[str, str] | None = None,
                 keep: dict[str, str] | None = None, cwd: str | None = None,
                 user: str | None = None, group: str | None = None,
                 groups: list[str] | None = None, killable: bool = False,
                 terminal: bool = False, bound: bool = False,
                 transfer: dict[str, Any] | None = None) -> None:
        self.argv = argv
        self.environment = environment or {}
        self.keep = keep or {}
        self.cwd = cwd
        self.user = user
        self.group = group
        self.groups = groups
        self.killable = killable
        self.terminal = terminal
        self.bound = bound
        self.transfer = transfer

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON, for an interpreter of its own."""
        return {name: getattr(self, name) for name in self.__slots__}


def run(target: Target, command: Command, stdio: tuple[int, int, int], status: int,
        v1: list[str]) -> NoReturn:
    """In the child: become the program, or say why not."""
    gc.disable()  # it would look at all that a large caller has, a page fault for each page
    step = [DOING, target.name]
    try:
        _become(target, command, stdio, status, v1, step)
    except LxcError as error:
        tell(status, error)
    except OSError as error:
        tell(status, LxcError.from_os(step[0], step[1], error, "Name a folder of the container "
                                      "that the user may enter." if step[0] == _CHDIR else ""))
    except BaseException as error:
        tell(status, LxcError(step[0], step[1], detail=repr(error)))
    finally:
        os._exit(127)


def tell(status: int, error: LxcError) -> None:
    os.write(status, b"\n" + json.dumps(error.to_dict()).encode())


def _become(target: Target, command: Command, stdio: tuple[int, int, int], status: int,
            v1: list[str], step: list[str]) -> None:
    """:param step: kept up to date with what is being done, to which thing"""
    plan = target.plan
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)  # the caller's, which is another file soon
    syscalls.unblock_signals()
    os.setsid()
    for fd, source in enumerate(stdio):
        os.dup2(source, fd)
    _close_all_but(status, target.pidfd, target.proc)
    for path in v1:
        step[:] = "enter control group", path
        # "0" is the writer; through cgroup.procs this takes 10 ms.
        fd = os.open(path + "/tasks", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
    root = target.root()
    step[:] = "look up users of", target.name
    account = users.resolve(
        users.read(root, "etc/passwd"),
        users.read(root, "etc/group") if command.user or command.group or command.groups else "",
        command.user, command.group, command.groups, (plan["uid"], plan["gid"]))
    os.close(root)
    if command.user is None and command.groups is None:
        account.groups = plan.get("groups") or []
    _own_stdio(target, account)
    label, profile = _security_label(plan, step)
    if plan["rlimits"]:
        _limit_resources(plan["rlimits"], step)
    step[:] = "enter the namespaces of", target.name
    if target.flags:
        syscalls.setns(target.pidfd, target.flags)
    program.forget_imports()
    if target.flags & syscalls.CLONE_NEWUSER:
        step[:] = "become root of the user namespace of", target.name
        syscalls.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        _hide()
    syscalls.new_session_keyring()
    if command.terminal:
        step[:] = "take the terminal of", target.name
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.umask(0o022)
    cwd = command.cwd or plan["cwd"]
    step[:] = _CHDIR, cwd
    os.chdir(cwd)
    os.getcwd()  # ENOENT where it is outside of the root (CVE-2024-21626)
    names = {"USER": account.name, "LOGNAME": account.name} if account.name else {}
    environment = {**plan["environment"], **command.keep, "HOME": account.home,
                   "SHELL": account.shell, **names, **command.environment}
    argv = command.argv or [account.shell]
    path = "" if command.transfer else program.find(argv[0], environment.get("PATH", ""))
    syscalls.close_range(3, cloexec=True)
    program.default_signals()
    if plan.get("personality") is not None:  # a plan may be of an older version
        step[:] = "set the personality of", target.name
        syscalls.personality(plan["personality"])
    _give_up_rights(target, account, step)
    if label >= 0:
        step[:] = "set the security label", plan["label"][1]
        os.write(label, profile)
    step[:] = "run", path
    os.write(status, b"exec")
    if command.transfer:
        syscalls.close_range(3)
        transfer.run(command.transfer)
    # Else the program outlives who started it.
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGTERM if command.bound else 0)
    program.execute(path, argv, environment)


def _close_all_but(*kept: int) -> None:
    first = 3
    for fd in sorted(kept):
        if fd > first:
            syscalls.close_range(first, fd - 1)
        first = max(first, fd + 1)
    syscalls.close_range(first)


def _hide() -> None:
    """set*id can make this process one that others may look into, and forgets the parent's
    death."""
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)


def _own_stdio(target: Target, account: users.Account) -> None:
    """Let the program open its /dev/stdout again, which is about the owner of the pipe."""
    uid = target.outer_id("uid", account.uid)
    gid = target.outer_id("gid", account.gid)
    if uid is None or gid is None:
        raise LxcError("become", "%d:%d" % (account.uid, account.gid), errno.EINVAL,
                       "Choose ids that the container has.",
                       "container %s has no such id" % target.name)
    for fd in (0, 1, 2):
        status = os.fstat(fd)
        if stat.S_ISFIFO(status.st_mode):
            os.fchown(fd, uid, gid)
        elif stat.S_ISCHR(status.st_mode) and 136 <= os.major(status.st_rdev) <= 143:
            tty = target.outer_id("gid", 5)
            os.fchown(fd, uid, gid if tty is None else tty)
            os.fchmod(fd, 0o620)


def _security_label(plan: dict[str, Any], step: list[str]) -> tuple[int, bytes]:
    """Where the program's label of AppArmor or SELinux is written, and what; -1 for nowhere.

    Opened while /proc is the host's: proc_pid_attr(5).
    """
    if not plan.get("label"):
        return -1, b""
    file, label = plan["label"]
    step[:] = "set the security label", label
    # An AppArmor before Linux 5.8 has no folder of its own.
    for name in (file, file.rpartition("/")[2]):
        try:
            return os.open("/proc/self/attr/" + name, os.O_WRONLY | os.O_CLOEXEC), label.encode()
        except FileNotFoundError:
            continue
    raise LxcError(step[0], label, errno.ENOENT, detail="this kernel has no file for it")


def _limit_resources(limits: list[list[Any]], step: list[str]) -> None:
    import resource  # the host's: nothing of the container is mounted yet

    for name, soft, hard in limits:
        step[:] = "set the limit %s to" % name, "%s:%s" % (soft, hard)
        resource.setrlimit(getattr(resource, "RLIMIT_" + name.upper()), (soft, hard))


def _give_up_rights(target: Target, account: users.Account, step: list[str]) -> None:
    """As init did. Seccomp comes first without no_new_privs: it needs CAP_SYS_ADMIN then."""
    seccomp = target.plan["seccomp"]
    if target.no_new_privs:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    elif seccomp:
        step[:] = "set", "the seccomp filter"
        syscalls.seccomp_set_filter(seccomp)
    step[:] = "limit capabilities in", target.name
    capabilities.limit_bounding_set(target.capabilities)
    step[:] = "become", "%d:%d" % (account.uid, account.gid)
    syscalls.setgroups(account.groups)
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    _hide()
    capabilities.limit(target.capabilities)
    if target.no_new_privs and seccomp:
        step[:] = "set", "the seccomp filter"
        syscalls.seccomp_set_filter(seccomp)
