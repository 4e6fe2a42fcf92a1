# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a running container uses, out of a dozen small files of its control groups.

Sources: admin-guide/cgroup-v2 and admin-guide/cgroup-v1, accounting/psi. What this host does not
count for the container is None: v1 counts only where a container has a group of its own.
"""
from __future__ import annotations

import os

from .._kernel import cgroup_tree

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, Optional

    Facts = Optional[dict[str, Any]]

_V1_NO_LIMIT = 1 << 62
_TICK = 1 / os.sysconf("SC_CLK_TCK")
_IO_V2 = {"rbytes": "read_bytes", "wbytes": "write_bytes", "rios": "reads", "wios": "writes"}
_RESOURCES = ("cpu", "memory", "io")


def usage(recorded: dict[str, Any]) -> dict[str, Any]:
    """cpu, memory, pids, io and pressure of a running container.

    :param recorded: its state
    """
    files = _Files(recorded.get("cgroups") or [])
    return {"cpu": _cpu(files), "memory": _memory(files), "pids": _pids(files), "io": _io(files),
            "pressure": _pressure(files)}


class _Files:
    """The files of a container's groups, whichever of them has each."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders

    def text(self, name: str) -> str | None:
        """Of the first group that has it."""
        for folder in self._folders:
            found = cgroup_tree.read("%s/%s" % (folder, name))
            if found is not None:
                return found
        return None

    def number(self, name: str) -> int | None:
        """None where there is no such file, or it says that there is no limit."""
        text = self.text(name)
        if not text or not text.isdecimal() or int(text) >= _V1_NO_LIMIT:
            return None
        return int(text)

    def fields(self, name: str) -> dict[str, int]:
        """A file with a name and a number in each line."""
        lines = (line.split() for line in (self.text(name) or "").splitlines())
        return {line[0]: int(line[1]) for line in lines
                if len(line) == 2 and line[1].isdecimal()}

    def v2_cpu(self) -> dict[str, int]:
        """v1's cpu.stat may hide the one of v2, which is in the last of the groups."""
        for folder in reversed(self._folders):
            stat = _Files([folder]).fields("cpu.stat")
            if "usage_usec" in stat:
                return stat
        return {}


def _cpu(files: _Files) -> Facts:
    """Seconds; v2 counts them in every group, whoever has the controller."""
    stat = files.fields("cpu.stat")
    found: dict[str, Any] = {
        "throttled_periods": stat.get("nr_throttled"),
        "throttled": (stat["throttled_usec"] / 1e6 if "throttled_usec" in stat else
                      stat["throttled_time"] / 1e9 if "throttled_time" in stat else None)}
    if "usage_usec" not in stat:  # v1's file of that name has no use in it
        stat = files.v2_cpu()
    if "usage_usec" in stat:
        return {"total": stat["usage_usec"] / 1e6, "user": stat["user_usec"] / 1e6,
                "system": stat["system_usec"] / 1e6, **found}
    total = files.number("cpuacct.usage")
    if total is None:
        return None
    parts = files.fields("cpuacct.stat")
    return {"total": total / 1e9, "user": round(parts.get("user", 0) * _TICK, 6),
            "system": round(parts.get("system", 0) * _TICK, 6), **found}


def _memory(files: _Files) -> Facts:
    """Bytes."""
    current = files.number("memory.current")
    if current is not None:
        stat = files.fields("memory.stat")
        events = files.fields("memory.events")
        return {"current": current, "peak": files.number("memory.peak"),
                "limit": files.number("memory.max"), "swap": files.number("memory.swap.current"),
                "anonymous": stat.get("anon"), "file": stat.get("file"),
                "kernel": stat.get("kernel"), "oom_kills": events.get("oom_kill")}
    current = files.number("memory.usage_in_bytes")
    if current is None:
        return None
    stat = files.fields("memory.stat")
    return {"current": current, "peak": files.number("memory.max_usage_in_bytes"),
            "limit": files.number("memory.limit_in_bytes"), "swap": stat.get("swap"),
            "anonymous": stat.get("rss"), "file": stat.get("cache"),
            "kernel": files.number("memory.kmem.usage_in_bytes"),
            "oom_kills": files.fields("memory.oom_control").get("oom_kill")}


def _pids(files: _Files) -> Facts:
    current = files.number("pids.current")
    return None if current is None else {"current": current, "limit": files.number("pids.max")}


def _io(files: _Files) -> Facts:
    """Bytes and requests since the start, by device and together."""
    text = files.text("io.stat")
    devices: dict[str, dict[str, int]] = {}
    if text is not None:
        for line in text.splitlines():
            device, *words = line.split()
            pairs = dict(word.partition("=")[::2] for word in words)
            if pairs:
                devices[device] = {name: int(pairs.get(key, 0)) for key, name in _IO_V2.items()}
    else:
        sizes = files.text("blkio.throttle.io_service_bytes")
        if sizes is None:
            return None
        counts = files.text("blkio.throttle.io_serviced") or ""
        for lines, read, write in ((sizes, "read_bytes", "write_bytes"),
                                   (counts, "reads", "writes")):
            for fields in (line.split() for line in lines.splitlines()):
                if len(fields) == 3 and fields[1] in ("Read", "Write"):
                    counted = devices.setdefault(fields[0], dict.fromkeys(_IO_V2.values(), 0))
                    counted[read if fields[1] == "Read" else write] = int(fields[2])
    return {**{name: sum(device[name] for device in devices.values())
               for name in _IO_V2.values()}, "devices": devices}


def _pressure(files: _Files) -> dict[str, Any]:
    """How long tasks waited, as pressure stall information has it: percent, and seconds."""
    return {name: _stalls(files.text(name + ".pressure")) for name in _RESOURCES}


def _stalls(text: str | None) -> Facts:
    found: dict[str, Any] = {}
    for line in (text or "").splitlines():
        kind, *words = line.split()
        pairs = dict(word.partition("=")[::2] for word in words)
        found[kind] = {"avg10": float(pairs["avg10"]), "avg60": float(pairs["avg60"]),
                       "avg300": float(pairs["avg300"]), "total": int(pairs["total"]) / 1e6}
    return found or None
