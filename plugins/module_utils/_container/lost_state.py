# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a container whose file of it is gone, as somebody may have tidied up in /run.

A container that runs has control groups of its name, made after its first state was written and
removed before its last one. So groups without a state mean that it was lost, and init is in them.
Nothing is written: a monitor that lives still has the right to that.
"""
from __future__ import annotations

import os
import time

from .._kernel import cgroup_tree, processes
from .._kernel.errors import LxcError
from . import cleanup, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_NAMESPACES = ("mnt", "pid", "ipc", "cgroup", "uts", "net", "user", "time")
# Read once: a task may ask for a hundred that have never run.
_trees: list[str] = []


def find(name: str) -> dict[str, Any] | None:
    """What there would be in its state.json, None where there is nothing of it."""
    if not _trees:
        _trees.extend(cleanup.trees())
    groups = [path for path in ("%s/%s" % (tree, name) for tree in _trees) if os.path.isdir(path)]
    if not groups:
        return None
    try:
        plan = store.read_json(store.run_folder(name) + "/plan.json") or {}
    except LxcError:
        plan = {}
    found = {"version": 1, "name": name, "state": "RUNNING", "init": None, "monitor": None,
             "cgroups": groups, "links": plan.get("links") or [], "exit": None, "error": None,
             "hooks": plan.get("hooks") or {}, "ids": plan.get("ids"), "namespaces": []}
    pid = _init(groups)
    fields = processes.stat_fields(pid) if pid else None
    if fields is None:
        return found
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return {**found, "init": processes.identity(pid), "monitor": _monitor(int(fields[1])),
            "started": time.time() - age, "namespaces": _namespaces(pid)}


def _init(groups: list[str]) -> int:
    """The process that was there first; 0 for none. Its start made the groups, or found them empty.

    Of an own PID namespace that is its process 1, without which there is nobody. Where it is
    somebody else's, others may have outlived the one that the container was about.
    """
    pids = cgroup_tree.pids(groups[-1])  # of version 2, which init is born in
    found = []
    for pid in pids:
        fields = processes.stat_fields(pid)
        if fields is not None and fields[0] not in "ZX":
            # Its first child may be as old, in clock ticks.
            found.append((int(fields[19]), int(fields[1]) in pids, pid))
    return min(found)[2] if found else 0


def _monitor(parent: int) -> dict[str, Any] | None:
    """Init's parent, unless that one has died and the host's init has taken its place."""
    try:
        with open("/proc/%d/comm" % parent, encoding="ascii", errors="replace") as stream:
            alive = stream.read() == "lxc-monitor\n"
    except OSError:
        return None
    return processes.identity(parent) if alive else None


def _namespaces(pid: int) -> list[str]:
    """Those that it does not have in common with this process."""
    found = []
    for name in _NAMESPACES:
        try:
            if os.readlink("/proc/%d/ns/%s" % (pid, name)) != os.readlink("/proc/self/ns/" + name):
                found.append(name)
        except OSError:
            continue  # this kernel has none, or it has just ended
    return found
