# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls: declared once, failing in one place. The only file with ctypes.

Each wrapper is named as its man page names it and raises OSError with the kernel's errno.
Numbers are given for x86-64 and aarch64; from 424 on both architectures share one table.
"""
from __future__ import annotations

import _thread
import ctypes
import errno
import os
import struct

from .lean import partial, signal

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

CLONE_NEWTIME = 0x80
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_INTO_CGROUP = 0x200000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 4096, 16384, 1 << 18, 1 << 19
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR_IDMAP = 0x100000

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x01, 0x02, 0x04
RESOLVE_IN_ROOT = 0x10

PR_SET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_SET_NAME = 1, 3, 4, 15
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 8, 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4

BPF_PROG_LOAD, BPF_PROG_ATTACH, BPF_PROG_GET_FD_BY_ID, BPF_PROG_QUERY = 5, 8, 13, 16
BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI, BPF_F_REPLACE = 6, 2, 4

P_PIDFD = 3

IN_MODIFY, IN_MOVED_TO, IN_CREATE = 0x2, 0x80, 0x100

_X86 = os.uname().machine == "x86_64"
_NR = {
    "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429, "fsopen": 430,
    "fsconfig": 431, "fsmount": 432, "pidfd_open": 434, "clone3": 435, "close_range": 436,
    "openat2": 437, "mount_setattr": 442,
    "pivot_root": 155 if _X86 else 41, "keyctl": 250 if _X86 else 219,
    "seccomp": 317 if _X86 else 277, "capget": 125 if _X86 else 90,
    "capset": 126 if _X86 else 91, "bpf": 321 if _X86 else 280,
}

_INT, _UINT, _LONG, _ULONG = ctypes.c_int, ctypes.c_uint, ctypes.c_long, ctypes.c_ulong
_STR, _PTR, _SIZE = ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t

_libc = ctypes.CDLL(None, use_errno=True)
# Keeps the interpreter's lock: a clone that lets other threads run leaves them half-copied.
_locked_libc = ctypes.PyDLL(None, use_errno=True)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    Call = Callable[..., int]


def _declare(name: str, *argtypes: Any) -> Call:
    """A libc function with its argument types."""
    function = _libc[name]
    function.argtypes = argtypes
    function.restype = _INT
    return function


def _declare_syscall(name: str, *argtypes: Any) -> Call:
    """A system call that glibc (as old as Debian 11's) does not wrap."""
    function = _libc["syscall"]
    function.argtypes = (_LONG,) + argtypes
    function.restype = _LONG
    return partial(function, _NR[name])


def _check(result: int, name: str, subject: str = "") -> int:
    """The one place where errno becomes an error."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (name, os.strerror(number)), subject or None)
    return result


def _path(text: str | bytes | None) -> bytes | None:
    """ctypes cuts a string at NUL without a word; the os module refuses it, and so do we."""
    if text is None:
        return None
    raw = os.fsencode(text)
    if b"\0" in raw:
        raise ValueError("embedded NUL in %r" % text)
    return raw


_mount = _declare("mount", _STR, _STR, _STR, _ULONG, _STR)
_umount2 = _declare("umount2", _STR, _INT)
_renameat2 = _declare("renameat2", _INT, _STR, _INT, _STR, _UINT)
_unshare = _declare("unshare", _INT)
_setns = _declare("setns", _INT, _INT)
_personality = _declare("personality", _ULONG)
_sched_setaffinity = _declare("sched_setaffinity", _INT, _SIZE, _STR)
_setgroups = _declare("setgroups", _SIZE, _STR)
_prctl = _declare("prctl", _INT, _ULONG, _ULONG, _ULONG, _ULONG)
_sigprocmask = _declare("sigprocmask", _INT, _STR, _PTR)
_sethostname = _declare("sethostname", _STR, _SIZE)
_eventfd = _declare("eventfd", _UINT, _INT)
_inotify_init1 = _declare("inotify_init1", _INT)
_inotify_add_watch = _declare("inotify_add_watch", _INT, _STR, _UINT)
_pivot_root = _declare_syscall("pivot_root", _STR, _STR)
_openat2 = _declare_syscall("openat2", _INT, _STR, _STR, _SIZE)
_open_tree = _declare_syscall("open_tree", _INT, _STR, _UINT)
_move_mount = _declare_syscall("move_mount", _INT, _STR, _INT, _STR, _UINT)
_fsopen = _declare_syscall("fsopen", _STR, _UINT)
_fsconfig = _declare_syscall("fsconfig", _INT, _UINT, _STR, _STR, _INT)
_fsmount = _declare_syscall("fsmount", _INT, _UINT, _UINT)
_mount_setattr = _declare_syscall("mount_setattr", _INT, _STR, _UINT, _STR, _SIZE)
_pidfd_open = _declare_syscall("pidfd_open", _INT, _UINT)
_pidfd_send_signal = _declare_syscall("pidfd_send_signal", _INT, _INT, _PTR, _UINT)
_close_range = _declare_syscall("close_range", _UINT, _UINT, _UINT)
_keyctl = _declare_syscall("keyctl", _INT, _STR)
_seccomp = _declare_syscall("seccomp", _UINT, _UINT, _PTR)
_capget = _declare_syscall("capget", _STR, _PTR)
_capset = _declare_syscall("capset", _STR, _STR)
_bpf = _declare_syscall("bpf", _INT, _STR, _UINT)
_clone3 = _locked_libc["syscall"]
_clone3.argtypes = (_LONG, _STR, _SIZE)
_clone3.restype = _LONG


def mount(source: str | None, target: str, fstype: str | None, flags: int,
          data: str | None = None) -> None:
    _check(_mount(_path(source), _path(target), _path(fstype), flags, _path(data)), "mount", target)


def umount2(target: str, flags: int = 0) -> None:
    _check(_umount2(_path(target), flags), "umount2", target)


def unshare(flags: int) -> None:
    """os.unshare is missing before Python 3.12."""
    _check(_unshare(flags), "unshare")


def setns(fd: int, nstype: int = 0) -> None:
    """os.setns is missing before Python 3.12."""
    _check(_setns(fd, nstype), "setns")


def prctl(option: int, arg2: int = 0, arg3: int = 0) -> int:
    return _check(_prctl(option, arg2, arg3, 0, 0), "prctl")


def rename_exchange(one: str, other: str) -> None:
    """renameat2(2) with RENAME_EXCHANGE: each gets the other's name, in one step."""
    _check(_renameat2(AT_FDCWD, _path(one), AT_FDCWD, _path(other), 2), "renameat2", one)


def personality(persona: int) -> None:
    """:param persona: PER_LINUX (0) or PER_LINUX32 (8), sys/personality.h"""
    _check(_personality(persona), "personality")


def setgroups(groups: list[int]) -> None:
    """os.setgroups has 256 kB on the stack for them, which costs a forked process 16 pages."""
    _check(_setgroups(len(groups), struct.pack("%dI" % len(groups), *groups)), "setgroups")


def sched_setaffinity_all() -> None:
    """This process may run on all processors, but for those that its cpuset does not have.

    os.sched_setaffinity makes a number of each of them: 20 us.
    """
    mask = b"\xff" * 128  # cpu_set_t, CPU_SETSIZE of them: cpu_set(3)
    _check(_sched_setaffinity(0, len(mask), mask), "sched_setaffinity")


def unblock_signals() -> None:
    """All of them. signal.pthread_sigmask makes a set of those before: 12 pages of a fork."""
    _check(_sigprocmask(signal.SIG_SETMASK, b"\0" * 128, None), "sigprocmask")  # sigset_t


def drop_bounding_set(numbers: Iterable[int]) -> None:
    """PR_CAPBSET_DROP for each, as far as the kernel knows it."""
    for number in numbers:
        if _prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            if ctypes.get_errno() == errno.EINVAL:  # past the last one
                return
            _check(-1, "prctl")


def set_process_name(name: str) -> None:
    """PR_SET_NAME: what /proc/PID/comm shows, up to 15 bytes."""
    text = ctypes.create_string_buffer(os.fsencode(name))
    prctl(PR_SET_NAME, ctypes.addressof(text))


def sethostname(name: str) -> None:
    raw = os.fsencode(name)
    _check(_sethostname(raw, len(raw)), "sethostname", name)


def eventfd() -> int:
    """A descriptor that is readable when somebody has added to its counter; non-blocking."""
    return _check(_eventfd(0, os.O_NONBLOCK | os.O_CLOEXEC), "eventfd")


def inotify_init() -> int:
    """A descriptor that is readable when something that it watches has changed; non-blocking."""
    return _check(_inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")


def inotify_add_watch(fd: int, path: str, mask: int) -> None:
    """:param mask: IN_*; of a folder also what happens to the files in it"""
    _check(_inotify_add_watch(fd, _path(path), mask), "inotify_add_watch", path)


def pivot_root(new_root: str, put_old: str) -> None:
    _check(_pivot_root(_path(new_root), _path(put_old)), "pivot_root", new_root)


def openat2(dirfd: int, path: str, flags: int, mode: int = 0, resolve: int = 0) -> int:
    """:returns: a file descriptor, always O_CLOEXEC"""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, resolve)
    return _check(_openat2(dirfd, _path(path), how, len(how)), "openat2", path)


def openat2_if_there(dirfd: int, path: str, flags: int, resolve: int = 0) -> int:
    """The same; -1 where there is nothing, which makes no exception of what is none."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    found = _openat2(dirfd, _path(path), how, len(how))
    if found < 0 and ctypes.get_errno() == errno.ENOENT:
        return -1
    return _check(found, "openat2", path)


def open_tree(dirfd: int, path: str, recursive: bool = True) -> int:
    """A detached copy of the mount at ``path`` (OPEN_TREE_CLONE), O_CLOEXEC."""
    flags = 1 | os.O_CLOEXEC | AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    return _check(_open_tree(dirfd, _path(path), flags), "open_tree", path)


def move_mount(mount_fd: int, target_fd: int) -> None:
    """Attach a detached mount onto what ``target_fd`` is open on; no path is resolved."""
    # MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    _check(_move_mount(mount_fd, b"", target_fd, b"", 0x4 | 0x40), "move_mount")


def fsopen(fstype: str) -> int:
    return _check(_fsopen(_path(fstype), 1), "fsopen", fstype)


def fsconfig_string(fd: int, key: str, value: str) -> None:
    _check(_fsconfig(fd, 1, _path(key), _path(value), 0), "fsconfig", "%s=%s" % (key, value))


def fsconfig_flag(fd: int, key: str) -> None:
    _check(_fsconfig(fd, 0, _path(key), None, 0), "fsconfig", key)


def fsconfig_create(fd: int) -> None:
    _check(_fsconfig(fd, 6, None, None, 0), "fsconfig", "create")


def fsmount(fd: int, attributes: int = 0) -> int:
    """:param attributes: MOUNT_ATTR_*"""
    return _check(_fsmount(fd, 1, attributes), "fsmount")


def mount_setattr(fd: int, set_attributes: int, recursive: bool = True, userns_fd: int = 0,
                  propagation: int = MS_PRIVATE) -> None:
    """Change the mount that ``fd`` is open on; ``userns_fd`` goes with MOUNT_ATTR_IDMAP."""
    attributes = struct.pack("QQQQ", set_attributes, 0, propagation, userns_fd)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _check(_mount_setattr(fd, b"", flags, attributes, len(attributes)), "mount_setattr")


def pidfd_open(pid: int) -> int:
    return _check(_pidfd_open(pid, 0), "pidfd_open", str(pid))


def pidfd_send_signal(pidfd: int, number: int) -> None:
    _check(_pidfd_send_signal(pidfd, number, None, 0), "pidfd_send_signal")


def close_range(first: int, last: int = 0x7FFFFFFF, cloexec: bool = False) -> None:
    """:param cloexec: mark instead of close (CLOSE_RANGE_CLOEXEC, Linux 5.11)"""
    _check(_close_range(first, last, 4 if cloexec else 0), "close_range")


def new_session_keyring() -> None:
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL): a fresh anonymous one."""
    _check(_keyctl(1, None), "keyctl")


class _FilterProgram(ctypes.Structure):
    """``struct sock_fprog``. A buffer would be of a type that is made for its length, which costs a
    forked process 26 pages."""

    _fields_ = [("len", ctypes.c_ushort), ("filter", _STR)]


def seccomp_set_filter(instructions: bytes) -> None:
    """SECCOMP_SET_MODE_FILTER with 8-byte ``struct sock_filter`` instructions."""
    program = _FilterProgram(len(instructions) // 8, instructions)
    _check(_seccomp(1, 0, ctypes.byref(program)), "seccomp")


_CAPABILITY_HEADER = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this thread
_CapabilitySets = ctypes.c_char * 24  # kept: to make the type costs a forked process more pages


def capget() -> tuple[int, int, int]:
    """:returns: effective, permitted and inheritable sets as bit masks"""
    data = _CapabilitySets()
    _check(_capget(_CAPABILITY_HEADER, ctypes.addressof(data)), "capget")
    low_e, low_p, low_i, high_e, high_p, high_i = struct.unpack("6I", data.raw)
    return low_e | high_e << 32, low_p | high_p << 32, low_i | high_i << 32


def capset(effective: int, permitted: int, inheritable: int) -> None:
    sets = (effective, permitted, inheritable)
    data = struct.pack("6I", *[s & 0xFFFFFFFF for s in sets], *[s >> 32 for s in sets])
    _check(_capset(_CAPABILITY_HEADER, data), "capset")


def bpf_load_device_program(instructions: bytes) -> int:
    """Load a BPF_PROG_TYPE_CGROUP_DEVICE program.

    :param instructions: 8-byte ``struct bpf_insn`` records
    :returns: its file descriptor
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    gpl = ctypes.create_string_buffer(b"GPL")
    # bpf_attr: type, insn_cnt, insns, license, log_level, log_size, log_buf, kern_version
    attr = struct.pack("IIQQIIQI", 15, len(instructions) // 8, ctypes.addressof(code),
                       ctypes.addressof(gpl), 0, 0, 0, 0).ljust(120, b"\0")
    return _check(_bpf(BPF_PROG_LOAD, attr, len(attr)), "bpf", "BPF_PROG_LOAD")


def bpf_attach_device_program(cgroup_fd: int, program_fd: int, replaced_fd: int = -1) -> None:
    """BPF_F_ALLOW_MULTI: a systemd inside may attach its own, both must agree.

    :param replaced_fd: a program whose place this one takes in one step (Linux 5.6); -1 for none
    """
    flags = BPF_F_ALLOW_MULTI | (BPF_F_REPLACE if replaced_fd >= 0 else 0)
    attr = struct.pack("IIIII", cgroup_fd, program_fd, BPF_CGROUP_DEVICE, flags,
                       max(replaced_fd, 0)).ljust(120, b"\0")
    _check(_bpf(BPF_PROG_ATTACH, attr, len(attr)), "bpf", "BPF_PROG_ATTACH")


def bpf_device_programs(cgroup_fd: int) -> list[int]:
    """Ids of the programs that are attached to the folder itself, in order (BPF_PROG_QUERY)."""
    ids = (ctypes.c_uint32 * 64)()  # the kernel's limit, BPF_CGROUP_MAX_PROGS
    attr = ctypes.create_string_buffer(
        struct.pack("IIIIQI", cgroup_fd, BPF_CGROUP_DEVICE, 0, 0, ctypes.addressof(ids), len(ids))
        .ljust(120, b"\0"), 120)
    # The kernel writes their number into the same structure.
    _check(_bpf(BPF_PROG_QUERY, attr, 120), "bpf", "BPF_PROG_QUERY")
    count: int = struct.unpack_from("I", attr.raw, 24)[0]
    return list(ids[:count])


def bpf_program_by_id(number: int) -> int:
    """:returns: a file descriptor of the program"""
    attr = struct.pack("III", number, 0, 0).ljust(120, b"\0")
    return _check(_bpf(BPF_PROG_GET_FD_BY_ID, attr, len(attr)), "bpf", str(number))


def clone(flags: int, cgroup_fd: int | None = None) -> tuple[int, int]:
    """clone3 that returns twice, in the same interpreter, as os.fork does.

    Beside other threads the interpreter's fork hooks run by hand, with its lock held throughout:
    a plain CDLL call left children with a dead lock (22 of 40 beside busy threads; this, none).
    Where there is one thread, all locks are in the state in which the child needs them, and the
    hooks (threading's and random's among them) would only cost it 90 to 220 page faults.

    :param flags: CLONE_*; CLONE_PIDFD is added
    :param cgroup_fd: a v2 cgroup folder to be born in (CLONE_INTO_CGROUP, Linux 5.7)
    :returns: (0, -1) in the child, (pid, pidfd) in the parent
    """
    pidfd = ctypes.c_int(-1)
    if cgroup_fd is not None:
        flags |= CLONE_INTO_CGROUP
    exit_signal = 0 if flags & CLONE_PARENT else int(signal.SIGCHLD)
    args = struct.pack("11Q", flags | CLONE_PIDFD, ctypes.addressof(pidfd), 0, 0, exit_signal,
                       0, 0, 0, 0, 0, cgroup_fd or 0)
    api = ctypes.pythonapi if _thread._count() else None
    if api:
        api.PyOS_BeforeFork()
    pid: int = _clone3(_NR["clone3"], args, len(args))
    number = ctypes.get_errno()
    if pid == 0:
        if api:
            api.PyOS_AfterFork_Child()
        return 0, -1
    if api:
        api.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(number, "clone3: %s" % os.strerror(number))
    return pid, pidfd.value
