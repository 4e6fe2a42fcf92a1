# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has for its containers to share, and how busy it is: proc_meminfo(5) and its kin."""
from __future__ import annotations

import os
import typing as t


def observe(proc: str = "/proc") -> dict[str, t.Any]:
    """Processors, load of the last 1, 5 and 15 minutes, memory in bytes, uptime in seconds.

    What can't be read is None. A host that is a container itself may see those of its own host.
    """
    memory = {}
    for line in _text(proc + "/meminfo").splitlines():
        name, _separator, value = line.partition(":")
        memory[name] = value
    uptime = _numbers(_text(proc + "/uptime"), 1)
    return {"processors": os.cpu_count(), "load": _numbers(_text(proc + "/loadavg"), 3),
            "memory": {"total": _bytes(memory.get("MemTotal")),
                       "available": _bytes(memory.get("MemAvailable"))},
            "uptime": uptime[0] if uptime else None}


def _bytes(value: str | None) -> int | None:
    """Of a value like ``24683636 kB``."""
    words = (value or "").split()
    return 1024 * int(words[0]) if words and words[0].isdigit() else None


def _numbers(text: str, count: int) -> list[float] | None:
    try:
        found = [float(word) for word in text.split()[:count]]
    except ValueError:
        return None
    return found if len(found) == count else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
