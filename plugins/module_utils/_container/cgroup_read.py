# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the files of a control group say, under the name of either version. Pure; others read.

Values come in the spelling that cgroup_values.check() makes, so that they can be compared with
what is wanted: the kernel rounds sizes to pages, and writes "no limit" as a large number.
"""
from __future__ import annotations

import os

from .._kernel.errors import LxcError
from . import cgroup_throttle, cgroup_values

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Optional

    # Files of one folder, and what their texts together say.
    Source = tuple[str, tuple[str, ...], Callable[[list[str]], str]]
    Reader = Callable[[str, str], Optional[str]]

PAGE = os.sysconf("SC_PAGE_SIZE")
_V1_NO_LIMIT = 1 << 62  # PAGE_COUNTER_MAX, in bytes, is LONG_MAX rounded down to a page
_QUOTA, _PERIOD = "cpu.cfs_quota_us", "cpu.cfs_period_us"
_LIMIT, _BOTH = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
# Accounts, which are only read: v1 name, v2 name.
_SAME = (
    ("memory.usage_in_bytes", "memory.current"),
    ("memory.max_usage_in_bytes", "memory.peak"),
    ("cpuset.effective_cpus", "cpuset.cpus.effective"),
    ("cpuset.effective_mems", "cpuset.mems.effective"),
)
_TO_V2 = dict(_SAME)
_TO_V1 = {new: old for old, new in _SAME}


def normal(key: str, text: str) -> str:
    """A file's text in the spelling of check()."""
    text = text.strip()
    if cgroup_throttle.is_limit(key):
        limits = {device: {name: limit for name, limit in pairs.items() if limit != "max"}
                  for device, pairs in cgroup_throttle.parse(key, text).items()}
        return cgroup_throttle.show(key, limits)
    if key.endswith("_in_bytes") and text.isdecimal() and int(text) >= _V1_NO_LIMIT:
        return "-1"
    if key in ("io.weight", "blkio.weight", "io.bfq.weight") and text.startswith("default "):
        return text.split("\n")[0][len("default "):]
    if key == "memory.oom_control":  # written as 0 or 1
        return text.split("\n")[0].rpartition(" ")[2]
    return text


def equal(key: str, current: str, wanted: str) -> bool:
    """Whether the kernel made of the wanted value what the file says now.

    :param current: the file's text
    :param wanted: as check() has it
    """
    try:
        now = normal(key, current)
        if cgroup_throttle.is_limit(key):
            return cgroup_throttle.covers(key, now, wanted)
        if key in ("cpuset.cpus", "cpuset.mems", "cpuset.cpus.exclusive"):
            return cgroup_values.numbers(now) == cgroup_values.numbers(wanted)
        unit = _unit(key)
        if unit and now.isdecimal() and wanted.isdecimal():
            return int(now) // unit == int(wanted) // unit
        return now.split() == wanted.split() or int(now, 0) == int(wanted, 0)
    except ValueError:
        return False


def written(key: str, current: str, value: str) -> str:
    """What the file will say after a write, as far as that can be told before it."""
    if cgroup_throttle.is_limit(key):
        limits = cgroup_throttle.parse(key, current)
        for device, pairs in cgroup_throttle.parse(key, value).items():
            limits.setdefault(device, {}).update(pairs)
        shown = {device: {name: limit for name, limit in pairs.items() if limit != "max"}
                 for device, pairs in limits.items()}
        return cgroup_throttle.show(key, shown)
    if key in ("cpuset.cpus", "cpuset.mems"):
        return cgroup_values.ranges(cgroup_values.numbers(value))
    unit = _unit(key)
    if unit and value.isdecimal():
        return str(int(value) // unit * unit)
    return value


def _unit(key: str) -> int:
    """Bytes to which the kernel rounds a limit down, 0 for what is no size."""
    controller, _dot, rest = key.partition(".")
    if controller == "memory" and (key.endswith("_in_bytes") or rest in (
            "max", "high", "low", "min", "swap.max", "swap.high", "zswap.max")):
        return PAGE
    if controller == "hugetlb" and key.endswith((".max", ".limit_in_bytes")):
        size = rest.partition(".")[0]  # 2MB, 64KB, 1GB
        return int(size[:-2]) << {"KB": 10, "MB": 20, "GB": 30}[size[-2:]]
    return 0


def source(key: str, v1: set[str], v2: set[str]) -> Source:
    """Where the value of that name is on a host.

    :returns: the controller by its name there, files, and a function of their texts
    :raises LxcError: where the host has nothing like it
    """
    if not all(c.isalnum() or c in "_.-" for c in key) or ".." in key or "." not in key:
        raise LxcError("read control group value", repr(key), detail="it is no file of a "
                       "controller", hint="Write it like memory.max or cpu.shares.")
    controller, _dot, rest = key.partition(".")
    if controller == "cpuacct" and controller not in v1 or key == "cpuacct.usage":
        if rest == "usage":
            return "cpu.stat", ("cpu.stat",), _cpu_usage
        raise cgroup_values.no_such(key, 2)
    if controller == "cgroup" or key == "cpu.stat" or rest == "pressure":
        return "", (key,), _only  # of the v2 hierarchy, whichever controllers it has
    home = cgroup_values.home(key, v1, v2)
    return _in_v1(key) if home == 1 else _in_v2(key)


def _only(texts: list[str]) -> str:
    return texts[0].strip()


def _plain(key: str, file: str) -> Source:
    return file.partition(".")[0], (file,), lambda texts: normal(key, texts[0])


def _in_v1(key: str) -> Source:
    if key == "cpu.max":
        return "cpu", (_QUOTA, _PERIOD), lambda t: "%s %s" % (
            "max" if t[0].strip() == "-1" else t[0].strip(), t[1].strip())
    if key == "memory.swap.max":
        return "memory", (_BOTH, _LIMIT), _swap_of_v1
    if key == cgroup_throttle.MAX:
        files = tuple(cgroup_throttle.V1)
        return "blkio", files, lambda t: normal(key, cgroup_throttle.to_max(dict(zip(files, t))))
    if key in _TO_V1:
        return _plain(key, _TO_V1[key])
    old = cgroup_values.old_name(key)
    if old is not None:
        file, back = old
        return file.partition(".")[0], (file,), lambda t: back(normal(file, t[0]))
    if cgroup_values.is_v2_alone(key):
        raise cgroup_values.no_such(key, 1)
    return _plain(key, key)


def _in_v2(key: str) -> Source:
    if key in (_QUOTA, _PERIOD):
        return "cpu", ("cpu.max",), lambda t: cgroup_values.max_to_limit(
            t[0].split()[key == _PERIOD])
    if key == _BOTH:
        return "memory", ("memory.swap.max", "memory.max"), _both_of_v2
    if key in cgroup_throttle.V1:
        return "io", (cgroup_throttle.MAX,), lambda t: normal(key, cgroup_throttle.show(
            key, cgroup_throttle.parse(cgroup_throttle.MAX, t[0])))
    if key in _TO_V2:
        return _plain(key, _TO_V2[key])
    new = cgroup_values.new_name(key)
    if new is not None:
        file, back = new
        return file.partition(".")[0], (file,), lambda t: back(normal(file, t[0]))
    if cgroup_values.is_v1_alone(key):
        raise cgroup_values.no_such(key, 2)
    return _plain(key, key)


def _swap_of_v1(texts: list[str]) -> str:
    both, limit = (normal(key, text) for key, text in zip((_BOTH, _LIMIT), texts))
    return "max" if both == "-1" else str(int(both) - max(int(limit), 0))


def _both_of_v2(texts: list[str]) -> str:
    swap, limit = (text.strip() for text in texts)
    return "-1" if "max" in (swap, limit) else str(int(swap) + int(limit))


def _cpu_usage(texts: list[str]) -> str:
    """cpuacct.usage is in ns; cpu.stat has µs."""
    fields = dict(line.partition(" ")[::2] for line in texts[0].splitlines())
    return str(int(fields["usage_usec"]) * 1000)
