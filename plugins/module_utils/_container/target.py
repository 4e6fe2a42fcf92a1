# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running container, as who wants to run a program in it has to see it."""
from __future__ import annotations

import errno
import fcntl
import os
import stat
import termios

from .._kernel import freezers, idmaps, mounts, processes, syscalls
from .._kernel.errors import LxcError
from . import observe, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

DOING = "attach to container"
# All but that of PIDs, which is for children only.
_NAMESPACES = (
    ("user", syscalls.CLONE_NEWUSER), ("mnt", syscalls.CLONE_NEWNS),
    ("net", syscalls.CLONE_NEWNET), ("ipc", syscalls.CLONE_NEWIPC),
    ("uts", syscalls.CLONE_NEWUTS), ("cgroup", syscalls.CLONE_NEWCGROUP),
    ("time", syscalls.CLONE_NEWTIME),
)


class Target:
    """A running container, held so that no other process can take its place.

    :raises LxcError: where it is not defined, not running or frozen
    """

    def __init__(self, name: str) -> None:
        self.name = name
        state = observe.recorded_state(name) or {}
        init = state.get("init")
        self.pidfd = -1
        self.proc = -1
        if state.get("state") != "RUNNING" or not init or init["boot_id"] != processes.boot_id():
            self._refuse()
        try:
            # In this order: who is still there when its start time is read has been all along.
            self.pidfd = syscalls.pidfd_open(init["pid"])
            self.proc = os.open("/proc/%d" % init["pid"],
                                os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fields = self.read("stat").rpartition(b")")[2].split()
        except OSError as error:
            self.close()
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EINVAL):
                raise LxcError.from_os(DOING, name, error) from error
            self._refuse()
        if int(fields[19]) != init["start_time"] or fields[0] in b"ZX":
            self.close()
            self._refuse()
        try:
            self._look(state)
        except OSError as error:
            self.close()
            if error.errno in (errno.ENOENT, errno.ESRCH):
                self._refuse()
            raise LxcError.from_os(DOING, name, error) from error
        except LxcError:
            self.close()
            raise

    def _look(self, state: dict[str, Any]) -> None:
        if freezers.state(state["cgroups"]) != freezers.THAWED:
            raise LxcError(DOING, self.name, errno.EBUSY, "Thaw it first.",
                           "it is frozen, and so would be the program")
        plan = store.read_json(store.run_folder(self.name) + "/plan.json")
        if plan is None:
            raise LxcError(DOING, self.name, errno.ENOENT, "Restart the container.",
                           "the plan of its start is gone from %s" % store.run_folder(self.name))
        if plan["seccomp"]:
            plan["seccomp"] = bytes.fromhex(plan["seccomp"])
        self.plan = plan
        self.flags = 0
        for namespace, flag in _NAMESPACES:
            try:
                theirs = os.stat("ns/" + namespace, dir_fd=self.proc).st_ino
            except FileNotFoundError:
                continue  # this kernel has none
            if theirs != os.stat("/proc/self/ns/" + namespace).st_ino:
                self.flags |= flag
        status = self.read("status")
        bounding = status.partition(b"\nCapBnd:\t")[2].partition(b"\n")[0]
        self.capabilities = plan["capabilities"] & int(bounding, 16)
        self.no_new_privs = plan["no_new_privs"] or b"\nNoNewPrivs:\t1\n" in status
        self.maps = {kind: [[int(word) for word in line.split()]
                            for line in self.read(kind + "_map").splitlines()]
                     for kind in ("uid", "gid")}

    def read(self, name: str) -> bytes:
        """A short file of its init under /proc."""
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self.proc)
        try:
            return os.read(fd, 8192)
        finally:
            os.close(fd)

    def _refuse(self) -> NoReturn:
        store.need_definition(self.name)
        state = observe.status(self.name)["state"]
        raise LxcError(DOING, self.name, errno.ESRCH, "Start it with fleet.lxc.lxc_state.",
                       "it is not running (%s)" % state)

    def outer_id(self, kind: str, inner: int) -> int | None:
        """The host's number for an id of the container, None where it has none.

        :param kind: "uid" or "gid"
        """
        return idmaps.outside(self.maps[kind], inner)

    def root(self) -> int:
        """A descriptor of the container's root directory."""
        return os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.proc)

    def terminal(self, rows: int = 24, columns: int = 80) -> tuple[int, int]:
        """A new terminal of the container's own.

        :returns: its outer and its inner end
        """
        root = self.root()
        try:
            outer = mounts.open_in_root(root, "dev/pts/ptmx", os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            raise LxcError.from_os("open a terminal in", self.name, error,
                                   "It needs a devpts on /dev/pts.") from error
        finally:
            os.close(root)
        status = os.fstat(outer)
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(5, 2):
            os.close(outer)
            raise LxcError("open a terminal in", self.name, errno.ENOTTY,
                           detail="its /dev/pts/ptmx is another file")
        fcntl.ioctl(outer, 0x40045431, b"\0\0\0\0")  # TIOCSPTLCK, ioctl_tty(2)
        # TIOCGPTPEER opens the inner end without a path that the container could change.
        inner = fcntl.ioctl(outer, 0x5441, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        resize(outer, rows, columns)
        return outer, inner

    def close(self) -> None:
        """Let go of the container."""
        for fd in (self.pidfd, self.proc):
            if fd >= 0:
                os.close(fd)
        self.pidfd = self.proc = -1


def resize(terminal: int, rows: int, columns: int) -> None:
    """Tell a terminal, and with it the programs on it, how large it is."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ,
                b"".join(n.to_bytes(2, "little") for n in (rows, columns, 0, 0)))
