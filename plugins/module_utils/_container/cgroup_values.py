# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control group values under either of their names: v1 on a v2 host, and the other way.

Sources: the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.
"""
from __future__ import annotations

from .._kernel.cgroups import V1_CONTROLLERS
from .._kernel.errors import LxcError
from . import cgroup_throttle

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Line = tuple[str, str, str]  # controller, file, value

DEFAULT_PERIOD = 100000  # µs, of both versions

_CONTROLLERS = frozenset(V1_CONTROLLERS) | {"io"}
_ELSEWHERE = {
    "devices": "Use the option 'devices', a list of rules like 'c 1:3 rwm'.",
    "freezer": "Freeze and thaw with lxc_state.",
    "cgroup": "Freeze and thaw with lxc_state; the other files of this name are the runtime's.",
}
_SUFFIXES = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_DIGITS = frozenset("0123456789")
_NAME = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.-") | _DIGITS
_NO_LIMIT = ("max", "-1")
_HIGHEST_CPU = 65535

_QUOTA, _PERIOD, _BANDWIDTH = "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.max"
_LIMIT, _BOTH = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"
_MAX, _SWAP = "memory.max", "memory.swap.max"

# What one version has and the other has nothing for. Other names are tried as they are.
_V1_ALONE = frozenset((
    "cpu.rt_period_us", "cpu.rt_runtime_us", "cpu.cfs_burst_us", "cpuset.cpu_exclusive",
    "cpuset.mem_exclusive", "cpuset.mem_hardwall", "cpuset.memory_migrate",
    "cpuset.memory_spread_page", "cpuset.memory_spread_slab", "cpuset.sched_load_balance",
    "cpuset.sched_relax_domain_level", "memory.kmem.limit_in_bytes",
    "memory.kmem.tcp.limit_in_bytes", "memory.move_charge_at_immigrate", "memory.oom_control",
    "memory.swappiness", "memory.use_hierarchy"))
_V2_ALONE = frozenset((
    "cpu.max.burst", "cpu.weight.nice", "cpuset.cpus.exclusive", "cpuset.cpus.partition",
    "memory.high", "memory.min", "memory.oom.group", "memory.swap.high", "memory.zswap.max",
    "memory.zswap.writeback"))


def check(values: dict[str, Any]) -> dict[str, str]:
    """The values in the spelling that the kernel reads back, under the names that were given.

    :raises LxcError: for a name of no controller, a malformed value, or two names of one value
    """
    made: dict[str, str] = {}
    for key, value in values.items():
        _check_name(key)
        if cgroup_throttle.is_limit(key) and isinstance(value, (list, tuple)):
            value = ", ".join(one_line(key, item) for item in value)
        text = one_line(key, value)
        made[key] = _CHECKS[key](key, text) if key in _CHECKS else _check_other(key, text)
    for old, new in ((_QUOTA, _BANDWIDTH), (_PERIOD, _BANDWIDTH), (_LIMIT, _MAX), (_BOTH, _SWAP),
                     *((file, cgroup_throttle.MAX) for file in cgroup_throttle.V1),
                     *((old, new) for old, new, _to_new, _to_old in _PAIRS)):
        if old in made and new in made:
            raise _bad(old, "%s is another name of it, and given as well" % new, "Give one.")
    _check_memory(made)
    return made


def resolve(values: dict[str, str], v1: set[str],
            v2: set[str]) -> tuple[list[Line], list[str]]:
    """What to write into the files of a new control group on this host.

    :param values: what check() returned
    :param v1: the controllers that are mounted in v1 hierarchies, by their v1 names
    :param v2: the controllers that are available on the v2 hierarchy
    :returns: (controller, file, value) in the order to be written, and what was lost on the way
    :raises LxcError: for a controller that is not mounted, or a value that its version has not
    """
    homes = {key: home(key, v1, v2) for key in values}
    warnings: list[str] = []
    old = _to_v1({key: values[key] for key in values if homes[key] == 1}, warnings)
    new = _to_v2({key: values[key] for key in values if homes[key] == 2}, warnings)
    lines = [(key.partition(".")[0], key, part) for key, value in {**old, **new}.items()
             for part in parts(key, value)]
    # The alphabet has cfs_period before cfs_quota and limit before memsw.limit, as v1 wants them.
    return sorted(lines), warnings


def parts(key: str, value: str) -> list[str]:
    """What is written, one write after the other: a limit of devices takes one for each."""
    return value.split(", ") if cgroup_throttle.is_limit(key) else [value]


def merge(stored: dict[str, str], given: dict[str, str]) -> dict[str, str]:
    """The stored values with the given ones among them, each under the name it was given last.

    :param given: what check() returned, as is ``stored``
    :raises LxcError: where the two don't go together
    """
    made = dict(stored)
    for key in given:
        for other in stored:
            if other == key or other not in made or not same_name(key, other):
                continue
            value = made.pop(other)
            if _both(key) != key and other in (_BANDWIDTH, cgroup_throttle.MAX):
                made.update(_to_v1({other: value}, []))  # the other parts of it stay
    made.update(given)
    return check(made)


def _both(key: str) -> str:
    """The v2 name of what a name of either version stands for."""
    if key in (_QUOTA, _PERIOD):
        return _BANDWIDTH
    if key == _BOTH:
        return _SWAP
    if key in cgroup_throttle.V1:
        return cgroup_throttle.MAX
    if key.startswith("hugetlb.") and key.endswith(".limit_in_bytes"):
        return key[:-len("limit_in_bytes")] + "max"
    return _NEW[key][0] if key in _NEW else key


def same_name(key: str, other: str) -> bool:
    """Whether the two names stand for one value."""
    return key == other or (_both(key) == _both(other) and _both(key) in (key, other))


def one_line(key: str, value: Any) -> str:
    """A value as the kernel reads it: one line, single spaces, 1 and 0 for true and false.

    :raises LxcError: when it is no text and no whole number, or empty
    """
    if isinstance(value, bool):
        return str(int(value))
    if not isinstance(value, (str, int)):
        raise _bad(key, "%r is neither a text nor a whole number" % (value,),
                   "Put it into quotes.")
    text = str(value)
    if "\n" in text or "\0" in text:
        raise _bad(key, "%r has a line break or a NUL" % text, "Give one line.")
    if not text.strip():
        raise _bad(key, "the value is empty", "Give a value, or leave the key out.")
    return " ".join(text.split())


def _bad(key: str, detail: str, hint: str) -> LxcError:
    return LxcError("use as control group value", key, detail=detail, hint=hint)


def _check_name(key: str) -> None:
    controller, dot, file = key.partition(".")
    if controller in _ELSEWHERE:
        raise _bad(key, "it is not set here", _ELSEWHERE[controller])
    if controller not in _CONTROLLERS or not dot or not file or set(file) - _NAME:
        raise _bad(repr(key), "it is no file of a controller",
                   "Write it like memory.max or cpu.shares. Controllers are: %s."
                   % ", ".join(sorted(_CONTROLLERS - set(_ELSEWHERE))))


def _number(text: str) -> int | None:
    return int(text) if text and not set(text) - _DIGITS else None


def _within(lowest: int, highest: int) -> Callable[[str, str], str]:
    def check_range(key: str, text: str) -> str:
        number = _number(text)
        if number is None or not lowest <= number <= highest:
            raise _bad(key, "%r is out of range" % text,
                       "It is a whole number from %d to %d." % (lowest, highest))
        return str(number)
    return check_range


def _size(key: str, text: str) -> str:
    """512M or 1G as bytes; no limit is "-1" under a v1 name and "max" under a v2 name."""
    if text in _NO_LIMIT:
        return "-1" if key.endswith("_in_bytes") else "max"
    shift = _SUFFIXES.get(text[-1].lower(), 0)
    number = _number(text[:-1] if shift else text)
    if number is None or number << shift >= 1 << 63:
        raise _bad(key, "%r is no size" % text,
                   'Write bytes, or 512M, 1G and so on (of 1024 each), or "max".')
    return str(number << shift)


def _quota(key: str, text: str) -> str:
    if text in _NO_LIMIT:
        return "-1"
    number = _number(text)
    if number is None or number < 1000:
        raise _bad(key, "%r is no time" % text,
                   'Give microseconds a period, 1000 or more, or "-1" for no limit.')
    return str(number)


_period = _within(1000, 1000000)


def _bandwidth(key: str, text: str) -> str:
    quota, _space, period = text.partition(" ")
    quota = _quota(key, quota)
    return "%s %s" % ("max" if quota == "-1" else quota,
                      _period(key, period or str(DEFAULT_PERIOD)))


def _pids(key: str, text: str) -> str:
    if text in _NO_LIMIT:
        return "max"
    if not _number(text):
        raise _bad(key, "%r is no number of processes" % text,
                   'Give a whole number from 1 on (with 0 no init can start), or "max".')
    return str(_number(text))


def _cpu_list(key: str, text: str) -> str:
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low, high = _number(first), _number(last if dash else first)
        if low is None or high is None or low > high or high > _HIGHEST_CPU:
            raise _bad(key, "%r is no list of numbers" % text, 'Write it like "0-3,8".')
    return ranges(numbers(text))


def numbers(text: str) -> set[int]:
    """What is in a list like 0-3,8."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if first:
            found.update(range(int(first), int(last if dash else first) + 1))
    return found


def ranges(found: set[int]) -> str:
    """0-3,8 as the kernel writes it."""
    pairs: list[list[int]] = []
    for number in sorted(found):
        if pairs and pairs[-1][1] == number - 1:
            pairs[-1][1] = number
        else:
            pairs.append([number, number])
    return ",".join(str(low) if low == high else "%d-%d" % (low, high) for low, high in pairs)


def _check_other(key: str, text: str) -> str:
    if key.startswith("hugetlb.") and key.endswith((".limit_in_bytes", ".max")):
        return _size(key, text)
    if cgroup_throttle.is_limit(key):
        return cgroup_throttle.check(key, text, _size)
    return text


_CHECKS: dict[str, Callable[[str, str], str]] = {
    "cpu.shares": _within(2, 262144),
    "cpu.weight": _within(1, 10000),
    _QUOTA: _quota,
    _PERIOD: _period,
    _BANDWIDTH: _bandwidth,
    "blkio.weight": _within(10, 1000),
    "io.weight": _within(1, 10000),
    "pids.max": _pids,
    "cpuset.cpus": _cpu_list,
    "cpuset.mems": _cpu_list,
    **{"memory." + name: _size for name in (
        "limit_in_bytes", "memsw.limit_in_bytes", "soft_limit_in_bytes", "kmem.limit_in_bytes",
        "kmem.tcp.limit_in_bytes", "max", "high", "low", "min", "swap.max", "swap.high",
        "zswap.max")},
}


def _check_memory(values: dict[str, str]) -> None:
    """memory.memsw is memory and swap together, so v1 has it above the memory limit only."""
    both, limit = values.get(_BOTH, "-1"), values.get(_LIMIT, values.get(_MAX, "-1"))
    if both == "-1":
        return
    if limit in _NO_LIMIT:
        raise _bad(_BOTH, "it limits memory and swap together, and memory is not limited",
                   "Give '%s' as well." % _LIMIT)
    if int(both) < int(limit):
        raise _bad(_BOTH, "%s is below the memory limit of %s" % (both, limit),
                   "It is the limit of memory and swap together.")


def home(key: str, v1: set[str], v2: set[str]) -> int:
    """The version of the hierarchy that has the key's controller."""
    controller = key.partition(".")[0]
    if ("blkio" if controller == "io" else controller) in v1:
        return 1
    if ("io" if controller == "blkio" else controller) in v2:
        return 2
    raise LxcError("set control group value", key,
                   detail="the controller %s is not mounted" % controller,
                   hint="The role fleet.lxc.host mounts what is missing, where the kernel has it.")


def no_such(key: str, version: int) -> LxcError:
    return LxcError("set control group value", key,
                    detail="this host has the controller in a v%d hierarchy, "
                           "which has nothing like it" % version,
                    hint="Leave it out on this host.")


# Weights. The kernel takes cpu.weight 100 for cpu.shares 1024, in proportion (kernel/sched/sched.h,
# sched_weight_from_cgroup()), so that two containers' shares keep their ratio. For block I/O the
# defaults, 500 and 100, give the proportion in the same way.

def _clamp(number: int, lowest: int, highest: int) -> str:
    return str(min(max(number, lowest), highest))


def _shares_to_weight(number: str) -> str:
    return _clamp((int(number) * 100 + 512) // 1024, 1, 10000)


def shares(weight: str) -> str:
    """cpu.weight as cpu.shares, which is how LXC counts a priority."""
    return _clamp((int(weight) * 1024 + 50) // 100, 2, 262144)


def _blkio_to_io(weight: str) -> str:
    return _clamp((int(weight) + 2) // 5, 1, 10000)


def _io_to_blkio(weight: str) -> str:
    return _clamp(int(weight) * 5, 10, 1000)


def limit_to_max(limit: str) -> str:
    return "max" if limit == "-1" else limit


def max_to_limit(limit: str) -> str:
    return "-1" if limit == "max" else limit


# v1 name, v2 name, and the way there and back, for what one value of each says.
_PAIRS: tuple[tuple[str, str, Callable[[str], str], Callable[[str], str]], ...] = (
    ("cpu.shares", "cpu.weight", _shares_to_weight, shares),
    ("blkio.weight", "io.weight", _blkio_to_io, _io_to_blkio),
    (_LIMIT, _MAX, limit_to_max, max_to_limit),
    ("memory.soft_limit_in_bytes", "memory.low", limit_to_max, max_to_limit),
)


def old_name(key: str) -> tuple[str, Callable[[str], str]] | None:
    """The one v1 file that says the same as a v2 name, and how its value reads there."""
    if key.startswith("hugetlb.") and key.endswith(".max"):
        return key[:-len("max")] + "limit_in_bytes", limit_to_max
    return (_OLD[key][0], _OLD[key][2]) if key in _OLD else None


def new_name(key: str) -> tuple[str, Callable[[str], str]] | None:
    """The one v2 file that says the same as a v1 name, and how its value reads there."""
    if key.startswith("hugetlb.") and key.endswith(".limit_in_bytes"):
        return key[:-len("limit_in_bytes")] + "max", max_to_limit
    return (_NEW[key][0], _NEW[key][2]) if key in _NEW else None


def is_v1_alone(key: str) -> bool:
    """Whether v2 has nothing like it."""
    return key in _V1_ALONE or key.startswith(("blkio.", "cpuacct."))


def is_v2_alone(key: str) -> bool:
    """Whether v1 has nothing like it."""
    return key in _V2_ALONE or key.startswith("io.")


_NEW = {old: (new, there, back) for old, new, there, back in _PAIRS}
_OLD = {new: (old, back, there) for old, new, there, back in _PAIRS}


def _translate(key: str, value: str, names: dict[str, Any], made: dict[str, str],
               warnings: list[str]) -> None:
    other, there, back = names[key]
    made[other] = there(value)
    if back(made[other]) != value:
        warnings.append("%s %s is written as %s %s, which is as much as %s"
                        % (key, value, other, made[other], back(made[other])))
    if "memory.low" in (key, other):
        warnings.append("%s is written as %s: v1 takes memory above it back when "
                        "the host is short, v2 protects what is below it" % (key, other))


def _to_v1(values: dict[str, str], warnings: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for key, value in values.items():
        if key == _BANDWIDTH:
            quota, _space, made[_PERIOD] = value.partition(" ")
            made[_QUOTA] = max_to_limit(quota)
        elif key == _SWAP:
            limit = max_to_limit(values.get(_MAX, values.get(_LIMIT, "-1")))
            if value != "max" and limit == "-1":
                raise LxcError("set control group value", key,
                               detail="v1 limits memory and swap together, and memory is not "
                                      "limited", hint="Give '%s' as well." % _MAX)
            made[_BOTH] = "-1" if value == "max" else str(int(value) + int(limit))
        elif key == cgroup_throttle.MAX:
            made.update(cgroup_throttle.to_files(value))
        elif key in _OLD:
            _translate(key, value, _OLD, made, warnings)
        elif key.startswith("hugetlb.") and key.endswith(".max"):
            made[key[:-len("max")] + "limit_in_bytes"] = max_to_limit(value)
        elif is_v2_alone(key):
            raise no_such(key, 1)
        else:
            made[key] = value
    return made


def _to_v2(values: dict[str, str], warnings: list[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for key, value in values.items():
        if key in (_QUOTA, _PERIOD):
            made[_BANDWIDTH] = "%s %s" % (limit_to_max(values.get(_QUOTA, "-1")),
                                          values.get(_PERIOD, DEFAULT_PERIOD))
        elif key == _BOTH:
            limit = values.get(_LIMIT, values.get(_MAX, "0"))
            made[_SWAP] = "max" if value == "-1" else str(int(value) - int(limit))
        elif key in cgroup_throttle.V1:
            made[cgroup_throttle.MAX] = cgroup_throttle.to_max(
                {other: text for other, text in values.items() if other in cgroup_throttle.V1})
        elif key in _NEW:
            _translate(key, value, _NEW, made, warnings)
        elif key.startswith("hugetlb.") and key.endswith(".limit_in_bytes"):
            made[key[:-len("limit_in_bytes")] + "max"] = limit_to_max(value)
        elif is_v1_alone(key):
            raise no_such(key, 2)
        else:
            made[key] = value
    return made
