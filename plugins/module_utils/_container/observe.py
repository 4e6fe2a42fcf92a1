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
    recorded = store.read_state(name) or {}
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


def container_pids(recorded: dict[str, Any]) -> list[int]:
    """The processes of the container, from the first of its control groups that is there."""
    for path in recorded.get("cgroups") or []:
        if os.path.isdir(path):
            return sorted(cgroup_tree.pids(path))
    return []


def process_facts(pid: int) -> dict[str, Any] | None:
    """One process as lxc-ps shows it, None when it has ended: proc_pid_status(5)."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as stream:
            fields = dict(line.rstrip("\n").partition(":\t")[::2] for line in stream)
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            words = stream.read().rstrip(b"\0").split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    command = " ".join(os.fsdecode(word) for word in words)
    return {"pid": pid, "pid_inside": int(fields["NSpid"].split()[-1]),
            "uid": int(fields["Uid"].split()[0]), "name": fields["Name"],
            "command": command or "[%s]" % fields["Name"],
            "memory": int(fields.get("VmRSS", "0 kB").split()[0]) * 1024}
