# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of containers, as they look from the host and from inside: lxc-ps as data.

Reads /proc and a container's control group only; of its root file system /etc/passwd, without
leaving it and without asking a file system that the container itself may have mounted.
"""
from __future__ import annotations

import os
import stat

from .._kernel import syscalls
from . import observe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Names = dict[int, str]

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGESIZE")
_LARGEST = 1 << 20  # bytes of a file of accounts
_NOBODY = 65534


class ProcessList:
    """Lists one container after the other; what they have in common is read once."""

    def __init__(self) -> None:
        self._accounts: dict[str, Names] = {}
        self._boot = 0.0

    def of(self, recorded: dict[str, Any], rootfs: str) -> list[dict[str, Any]]:
        """The processes of a container that runs, by their ids on the host.

        :param recorded: its state
        :param rootfs: its root file system on the host
        """
        listed = [self._process(pid) for pid in observe.container_pids(recorded)]
        found = [facts for facts in listed if facts is not None]
        if not found:
            return found
        ids = _id_map(recorded["init"]["pid"])
        here, inside = self._names("/"), self._names(rootfs)
        for facts in found:
            facts["user"] = here.get(facts["uid"])
            facts["uid_inside"] = _inside(ids, facts["uid"])
            facts["user_inside"] = inside.get(facts["uid_inside"])
            facts["container"] = recorded["name"]
        return found

    def _process(self, pid: int) -> dict[str, Any] | None:
        """One process, None when it has ended: proc_pid_stat(5), proc_pid_status(5)."""
        try:
            numbers = _read("/proc/%d/stat" % pid).rpartition(b") ")[2].split()
            status = _read("/proc/%d/status" % pid)
            words = _read("/proc/%d/cmdline" % pid).rstrip(b"\0").split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return None
        name = os.fsdecode(_field(status, b"Name:"))
        command = b" ".join(words).decode("utf-8", "replace")
        return {
            "pid": pid, "pid_inside": int(_field(status, b"NSpid:").split()[-1]),
            "ppid": int(numbers[1]), "uid": int(_field(status, b"Uid:").split()[0]),
            "name": name, "command": command or "[%s]" % name, "state": numbers[0].decode(),
            "cpu": (int(numbers[11]) + int(numbers[12])) / _TICKS,
            "started": round(self._boot_time() + int(numbers[19]) / _TICKS, 2),
            "memory": int(numbers[21]) * _PAGE}

    def _boot_time(self) -> float:
        if not self._boot:
            for line in _read("/proc/stat", 1 << 20).splitlines():
                if line.startswith(b"btime "):
                    self._boot = float(line.split()[1])
        return self._boot

    def _names(self, root: str) -> Names:
        if root not in self._accounts:
            self._accounts[root] = account_names(root)
        return self._accounts[root]


def account_names(root: str) -> Names:
    """Users by id, of /etc/passwd below a folder; {} where there is none that can be read.

    The file is the container's own: a link in it leads nowhere else, no other mount is entered
    (a file system of the container's own might never answer), and a pipe is not waited for.
    """
    try:
        folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        fd = syscalls.openat2(
            folder, "etc/passwd", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY,
            resolve=syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
            | (syscalls.RESOLVE_NO_XDEV if root != "/" else 0))
    except OSError:
        return {}
    finally:
        os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return {}
        text = os.pread(fd, _LARGEST, 0).decode("utf-8", "replace")
    except OSError:
        return {}
    finally:
        os.close(fd)
    found: Names = {}
    for line in text.splitlines():
        words = line.split(":")
        number = words[2] if len(words) >= 7 else ""
        if len(number) <= 10 and number.isascii() and number.isdecimal():
            found.setdefault(int(number), words[0])
    return found


def _id_map(pid: int) -> list[tuple[int, int, int]]:
    """First id inside, first outside and count: user_namespaces(7)."""
    try:
        words = [int(word) for word in _read("/proc/%d/uid_map" % pid, 1 << 16).split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return list(zip(words[::3], words[1::3], words[2::3]))


def _inside(ids: list[tuple[int, int, int]], uid: int) -> int:
    for inside, outside, count in ids:
        if outside <= uid < outside + count:
            return inside + uid - outside
    return _NOBODY  # as it looks from inside


def _field(status: bytes, key: bytes) -> bytes:
    """A line of /proc/PID/status."""
    return (b"\n" + status).partition(b"\n" + key)[2].partition(b"\n")[0].strip()


def _read(path: str, size: int = 1 << 14) -> bytes:
    """A file of /proc, at once: a stream's layers take longer than the kernel does."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, size)
    finally:
        os.close(fd)
