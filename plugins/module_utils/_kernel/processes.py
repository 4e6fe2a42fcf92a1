# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes by identity: boot id + pid + start time, never a pid alone (DESIGN.md)."""
from __future__ import annotations

import errno
import os
import select

from . import syscalls
from .lean import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_RT_SIGTIMEDWAIT = (128,) if os.uname().machine == "x86_64" else (137,)


def close_all_but(*fds: int) -> None:
    """Close every descriptor from 3 on, but for these."""
    first = 3
    for kept in sorted(fds):
        if kept > first:
            syscalls.close_range(first, kept - 1)
        first = max(first, kept + 1)
    syscalls.close_range(first)


_boot_id = ""
_own: dict[str, Any] = {}


def boot_id() -> str:
    """proc_sys_kernel(5): random/boot_id, which no process outlives."""
    global _boot_id
    if not _boot_id:
        _boot_id = _read("/proc/sys/kernel/random/boot_id").decode().strip()
    return _boot_id


def _read(path: str) -> bytes:
    """A file of /proc. A stream's layers would be 100 pages more of a monitor's own."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    found = b""
    try:
        while True:
            data = os.read(fd, 1 << 16)
            if not data:
                return found
            found += data
    finally:
        os.close(fd)


def stat_fields(pid: int) -> list[str] | None:
    """Fields of proc_pid_stat(5) from "state" on; None when there is no such process."""
    try:
        text = os.fsdecode(_read("/proc/%d/stat" % pid))
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def oom_score() -> int:
    """proc_pid_oom_score_adj(5), of this process: whom the kernel ends for want of memory.

    :returns: -1000, never, to 1000, first
    """
    return int(_read("/proc/self/oom_score_adj"))


def set_oom_score(value: int) -> None:
    """As far as it may be: less than it was needs CAP_SYS_RESOURCE."""
    try:
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as stream:
            stream.write(str(value))
    except OSError:
        pass


def start_time(pid: int) -> int | None:
    """Clock ticks after boot; None when there is no such process."""
    fields = stat_fields(pid)
    return int(fields[19]) if fields else None


def identity(pid: int) -> dict[str, Any]:
    """What tells this process from a later one of the same pid."""
    return {"pid": pid, "start_time": start_time(pid), "boot_id": boot_id()}


def own_identity() -> dict[str, Any]:
    """Of this process; another one after a fork."""
    global _own
    if _own.get("pid") != os.getpid():
        _own = identity(os.getpid())
    return _own


def is_alive(who: dict[str, Any] | None) -> bool:
    """Whether the process still runs; a zombie does not."""
    if not who or not who.get("pid") or who.get("boot_id") != boot_id():
        return False
    fields = stat_fields(int(who["pid"]))
    if not fields:
        return False
    return int(fields[19]) == who.get("start_time") and fields[0] not in "ZX"


def open_pidfd(who: dict[str, Any] | None) -> int | None:
    """A pidfd of exactly that process, or None when it has ended.

    The identity is checked after the open: from then on the pid can't be taken over unnoticed.
    """
    if not who or not who.get("pid"):
        return None
    pidfd = try_pidfd(int(who["pid"]))
    if pidfd is None or is_alive(who):
        return pidfd
    os.close(pidfd)
    return None


def try_pidfd(pid: int) -> int | None:
    """A pidfd of whatever has that pid now, None where nothing has."""
    try:
        return syscalls.pidfd_open(pid)
    except OSError as error:
        if error.errno in (errno.ESRCH, errno.EINVAL):
            return None
        raise


def send_signal(pidfd: int, number: int) -> bool:
    """:returns: False when the process has already ended"""
    try:
        syscalls.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return False
    return True


def wait_ended(pidfds: list[int], timeout: float) -> list[int]:
    """Those whose process has ended, as soon as at least one has, or none after ``timeout`` s."""
    poller = select.poll()
    for pidfd in pidfds:
        poller.register(pidfd, select.POLLIN)
    return [fd for fd, _event in poller.poll(max(0, timeout) * 1000)]


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal: an init without one ignores it.

    proc_pid_status(5), SigCgt. signalfd users (systemd) block the signal instead: SigBlk. Who is
    just waiting in sigtimedwait(2) (busybox) shows neither.
    """
    bit = 1 << (number - 1)
    try:
        with open("/proc/%d/status" % pid, "rb") as stream:
            for line in stream:
                if line.startswith((b"SigCgt:", b"SigBlk:")) and int(line.split()[1], 16) & bit:
                    return True
        return int(_read("/proc/%d/syscall" % pid).split()[0]) in _RT_SIGTIMEDWAIT
    except (OSError, ValueError):  # it has ended, or is running just now
        return False


def fork_with_code() -> None:
    """Let forks of this process have its code mapped from their first moment.

    A fork copies the mapping of a file only where a page of it is the process's own
    (vma_needs_copy()), and else maps the code once more with a hundred page faults. So a byte of
    each such mapping is written, as it is. A kernel that refuses it (proc_mem.force_override)
    leaves forks as slow as they were.
    """
    memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
    try:
        for line in _read("/proc/self/maps").splitlines():
            words = line.split(None, 5)
            if len(words) == 6 and words[5][:1] == b"/" and words[1] in (b"r-xp", b"r--p"):
                start = int(words[0].partition(b"-")[0], 16)
                os.pwrite(memory, os.pread(memory, 1, start), start)
    except OSError:
        pass
    finally:
        os.close(memory)


def signal_number(name: str | int) -> int:
    """SIGTERM, TERM, RTMIN+3 or 15.

    :raises ValueError: for what is no signal
    """
    text = str(name).strip().upper()
    if text.isdigit():
        number = int(text)
    else:
        text = text[3:] if text.startswith("SIG") else text
        base, plus, offset = text.partition("+")
        found = getattr(signal, "SIG" + base, None) if base.isalnum() else None  # no SIG_IGN
        if found is None or plus and not offset.isdigit():
            raise ValueError(name)
        number = int(found) + int(offset or 0)
    if not 1 <= number <= 64:
        raise ValueError(name)
    return number
