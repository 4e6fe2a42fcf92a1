# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control group values of a container that runs: read, compared with what is wanted, changed.

Frozen containers take changes like others: the freezer stops processes, not their groups.
"""
from __future__ import annotations

import errno
import os
from collections import namedtuple

from .._kernel import cgroup_tree, processes
from .._kernel.errors import LxcError
from . import cgroup_read, cgroup_values, events, observe, store
from .cleanup import TREE

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from .host import Host

    class Write(NamedTuple):
        """One file to be written: what the kernel gets, and what the file said before."""

        path: str
        value: str
        before: str
else:
    Write = namedtuple("Write", "path value before")

PRIORITY = ("cpu.shares", "cpu.weight")
_LIMIT, _BOTH = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
_PASSES = 20  # over the processes of a container, which may fork meanwhile
# What a group has before anything is set, by v2 name; cpusets take what the group above them has.
_DEFAULTS = {
    "cpu.weight": "100", "cpu.max": "max 100000", "io.weight": "100", "pids.max": "max",
    "memory.max": "max", "memory.high": "max", "memory.low": "0", "memory.min": "0",
    "memory.swap.max": "max", "memory.swap.high": "max", "memory.zswap.max": "max",
    "memory.oom.group": "0",
}
_V1_DEFAULTS = {
    "cpu.shares": "1024", "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000",
    "blkio.weight": "500", _LIMIT: "-1", _BOTH: "-1", "memory.soft_limit_in_bytes": "-1",
}


class Groups:
    """The control groups of one running container.

    :param recorded: its state
    """

    def __init__(self, name: str, recorded: dict[str, Any], facts: Host) -> None:
        self.name, self.recorded, self._facts = name, recorded, facts
        own = set(recorded.get("cgroups") or [])
        self.folders: dict[str, str] = {}   # by controller; "" is the v2 hierarchy's
        self._others: dict[str, str] = {}   # where a v1 hierarchy has none of its own
        for hierarchy in facts.hierarchies:
            path = "%s/%s/%s" % (hierarchy.path, TREE, name)
            names = ["", *facts.v2] if hierarchy.version == 2 else hierarchy.controllers
            for controller in names:
                (self.folders if path in own else self._others).setdefault(controller, path)

    def read(self, keys: list[str], pending: list[Write] | None = None
             ) -> tuple[dict[str, str], dict[str, LxcError]]:
        """Values by the names that are asked for, and why there are none of the others.

        :param pending: what is taken for written, in check mode
        """
        will_be: dict[str, str] = {}
        for write in pending or []:
            will_be[write.path] = cgroup_read.written(
                os.path.basename(write.path), will_be.get(write.path, write.before), write.value)
        values: dict[str, str] = {}
        errors: dict[str, LxcError] = {}
        for key in keys:
            try:
                values[key] = self._read(key, will_be)
            except LxcError as error:
                errors[key] = error
        return values, errors

    def _read(self, key: str, will_be: dict[str, str]) -> str:
        controller, files, join = cgroup_read.source(key, self._facts.v1, self._facts.v2)
        if controller == "cpu.stat":  # v2 counts it in every group
            controller = ""
        folder = self.folders.get(controller)
        planned = self._others.get(controller)
        if folder is None and any("%s/%s" % (planned, file) in will_be for file in files):
            folder = planned
        if folder is None:
            raise LxcError("read control group value", key, errno.ENOENT,
                           "Set a value of this controller: it gets a group then.",
                           "%s has no control group of its own there" % self.name)
        paths = ["%s/%s" % (folder, file) for file in files]
        texts = [will_be[path] if path in will_be else cgroup_tree.read(path) for path in paths]
        for file, text in zip(files, texts):
            if text is None:
                path = "%s/%s" % (folder, file)
                raise LxcError("read control group value", path, errno.ENOENT,
                               cgroup_tree.no_such_file(path))
        return join([text or "" for text in texts])

    def plan(self, values: dict[str, str]) -> tuple[list[Write], list[str]]:
        """What has to be written for the values to hold, in order, and what is lost on the way.

        :param values: what cgroup_values.check() returned
        :raises LxcError: for a value that this host has not
        """
        lines, warnings = cgroup_values.resolve(values, self._facts.v1, self._facts.v2)
        writes = []
        for controller, file, value in lines:
            folder = self.folders.get(controller)
            path = "%s/%s" % (folder or self._others.get(controller, ""), file)
            current = cgroup_tree.read(path) if folder else ""
            if current is None:
                raise LxcError("set control group value", path, errno.ENOENT,
                               cgroup_tree.no_such_file(path))
            if folder is None or not cgroup_read.equal(file, current, value):
                if folder and not os.stat(path).st_mode & 0o222:  # the kernel's own word for it
                    raise LxcError("set control group value", path, errno.EACCES,
                                   "It can only be read: see 'read'.")
                writes.append(Write(path, value, current))
        return self._ordered(writes), warnings

    def _ordered(self, writes: list[Write]) -> list[Write]:
        """v1 refuses a memory limit above the one of memory and swap, whichever comes first."""
        files = {os.path.basename(write.path): write for write in writes}
        if _LIMIT in files and _BOTH in files and files[_BOTH].before:
            both = files[_BOTH]
            limit = files[_LIMIT].value
            if limit == "-1" or int(limit) > int(both.before):
                writes = [w for w in writes if w is not both]
                writes.insert(writes.index(files[_LIMIT]), both)
        return writes

    def apply(self, writes: list[Write]) -> None:
        """Carry out what plan() has found; the container's lock is held.

        :raises LxcError: naming the first file that refuses; those before it have been changed
        """
        for write in writes:
            folder, file = os.path.split(write.path)
            if folder not in self.folders.values():
                self._make(folder)
            try:
                cgroup_tree.write(write.path, write.value)
            except LxcError as error:
                if error.errno == errno.EBUSY and "memory" in file:
                    error.hint = "The container uses more than that: free some of it first."
                elif error.errno == errno.EINVAL and file == _LIMIT:
                    error.hint = "It is above %s: raise that as well." % _BOTH
                raise
            if file in PRIORITY:
                events.event(self.name, priority=int(
                    write.value if file == PRIORITY[0] else cgroup_values.shares(write.value)))

    def _make(self, folder: str) -> None:
        """A v1 group of its own where the container had none, with all of its processes in it."""
        # Written down first, so that whoever cleans up knows of it.
        self.recorded["cgroups"] = [folder, *(self.recorded.get("cgroups") or [])]
        store.write_state(self.name, self.recorded)
        if not processes.is_alive(self.recorded.get("init")):
            raise LxcError("change the control groups of", self.name, errno.ESRCH,
                           "Start it again.", "it has just ended")
        cgroup_tree.make(folder)
        if os.path.exists(folder + "/cpuset.cpus"):
            cgroup_tree.inherit_cpuset(folder)
        for controller, path in self._others.items():
            if path == folder:
                self.folders[controller] = folder
        elsewhere = {**self.recorded, "cgroups": self.recorded["cgroups"][1:]}
        for _number in range(_PASSES):
            missing = (set(observe.container_pids(elsewhere)) - set(cgroup_tree.pids(folder)))
            if not missing:
                return
            for pid in missing:
                _enter(folder, pid)
        raise LxcError("move the processes of %s to" % self.name, folder, errno.EAGAIN,
                       "Freeze it with lxc_state first.", "it starts new ones all the time")


def _enter(folder: str, pid: int) -> None:
    try:
        cgroup_tree.write(folder + "/cgroup.procs", str(pid))
    except LxcError as error:
        if error.errno != errno.ESRCH:
            raise


def default_of(key: str, facts: Host) -> str | None:
    """What a value is when nobody sets it; None where that is not known.

    :param key: a name of either version
    """
    if key.startswith("hugetlb."):
        return "max" if key.endswith(".max") else "-1"
    if key in ("cpuset.cpus", "cpuset.mems"):
        for hierarchy in facts.hierarchies:
            if "cpuset" in hierarchy.controllers:  # v1: what the group above it has
                return cgroup_tree.read("%s/%s/%s" % (hierarchy.path, TREE, key))
        return None
    return _DEFAULTS.get(key) or _V1_DEFAULTS.get(key)
