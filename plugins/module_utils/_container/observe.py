# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel and the disk say of a container."""
from __future__ import annotations

import os

from .._kernel import cgroup_tree, freezers, processes
from . import store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


def status(name: str) -> dict[str, Any]:
    """The container's state in LXC's words, and whose processes make it.

    :returns: state, pid (of init, 0 where there is none), monitor_pid, exit (of the last run:
        code or signal, None where unknown), error (of the last start, as LxcError.to_dict has it)
    """
    recorded = recorded_state(name) or {}
    found = {"state": "STOPPED", "pid": 0, "monitor_pid": 0, "exit": recorded.get("exit"),
             "error": recorded.get("error"), "recorded": recorded}
    init, monitor = recorded.get("init"), recorded.get("monitor")
    if monitor and processes.is_alive(monitor):
        found["monitor_pid"] = monitor["pid"]
    if init and processes.is_alive(init):
        found["pid"] = init["pid"]
        freezer = freezers.state(recorded.get("cgroups") or [])
        found["state"] = "RUNNING" if freezer == freezers.THAWED else freezer
    holder = store.lock_holder(name)
    if holder and holder.get("state"):
        found["state"] = holder["state"]
    elif recorded.get("state") == "RUNNING" and not found["pid"] and found["monitor_pid"]:
        found["state"] = "STOPPING"  # its init has just ended, and the monitor cleans up
    return found


def recorded_state(name: str) -> dict[str, Any] | None:
    """What was last written of the container's life; of one whose file of it was lost, what the
    kernel knows; None for one that had no life in this boot."""
    found = store.read_state(name)
    if found is None:
        from . import lost_state  # few need it
        found = lost_state.find(name)
    return found


def container_pids(recorded: dict[str, Any]) -> list[int]:
    """The processes of the container, from a control group of its that is there."""
    for path in reversed(recorded.get("cgroups") or []):  # v2 is last, and lists faster
        if os.path.isdir(path):
            return sorted(cgroup_tree.pids(path))
    return []


def started_with(name: str) -> dict[str, Any] | None:
    """The plan of the container that runs, None where it is not known."""
    found = store.read_json(store.run_folder(name) + "/plan.json")
    return found if found and found.get("definition") else None
