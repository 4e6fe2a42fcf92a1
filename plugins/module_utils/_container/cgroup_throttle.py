# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of block devices: v1's four blkio.throttle files and v2's io.max say the same.

One text has several devices, separated by ", ": "8:0 1048576, 8:16 0" or
"8:0 rbps=1048576, 8:16 wiops=max". Source: admin-guide/cgroup-v2, io.max, and
admin-guide/cgroup-v1/blkio-controller, "Throttling/Upper limit policy files".
"""
from __future__ import annotations

from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable

    Limits = dict[str, dict[str, str]]  # by device, by key of io.max

MAX = "io.max"
V1 = {"blkio.throttle.read_bps_device": "rbps", "blkio.throttle.write_bps_device": "wbps",
      "blkio.throttle.read_iops_device": "riops", "blkio.throttle.write_iops_device": "wiops"}
KEYS = tuple(V1.values())


def check(key: str, text: str, size: Callable[[str, str], str]) -> str:
    """The one spelling, devices sorted.

    :param size: reads a number with a suffix, or "max", under a v2 name
    :raises LxcError: naming the key and the entry
    """
    try:
        limits = parse(key, text)
    except ValueError as error:
        example = "8:0 rbps=1M wiops=max" if key == MAX else "8:0 1M"
        raise LxcError("use as control group value", key, detail="%r is no limit of a device"
                       % str(error), hint="Write it like %r; separate devices by a comma."
                       % example) from None
    for pairs in limits.values():
        for name, value in pairs.items():
            pairs[name] = "max" if value in ("0", "max", "-1") else size(MAX, value)
    return show(key, limits)


def parse(key: str, text: str) -> Limits:
    """What the text, or the file of that name, says.

    :raises ValueError: with the entry that is malformed
    """
    limits: Limits = {}
    for entry in text.replace("\n", ",").split(","):
        words = entry.split()
        if not words:
            continue
        major, colon, minor = words[0].partition(":")
        if not colon or not (major + minor).isdecimal() or len(words) < 2:
            raise ValueError(entry.strip())
        pairs = limits.setdefault("%d:%d" % (int(major), int(minor)), {})
        if key != MAX:
            if len(words) != 2:
                raise ValueError(entry.strip())
            pairs[V1[key]] = words[1] if words[1] != "0" else "max"
            continue
        for word in words[1:]:
            name, equals, value = word.partition("=")
            if name not in KEYS or not value:
                raise ValueError(entry.strip())
            pairs[name] = value
    if not limits and text.strip():
        raise ValueError(text)
    return limits


def show(key: str, limits: Limits) -> str:
    """The text that says so under the name."""
    entries = []
    for device in sorted(limits, key=_numbers):
        pairs = limits[device]
        if key == MAX:
            words = ["%s=%s" % (name, pairs[name]) for name in KEYS if name in pairs]
        else:
            value = pairs.get(V1[key])
            words = [] if value is None else ["0" if value == "max" else value]
        if words:
            entries.append(" ".join([device, *words]))
    return ", ".join(entries)


def _numbers(device: str) -> list[int]:
    return [int(word) for word in device.split(":")]


def to_max(values: dict[str, str]) -> str:
    """v1's files, by name, as one io.max."""
    limits: Limits = {}
    for key, text in values.items():
        for device, pairs in parse(key, text).items():
            limits.setdefault(device, {}).update(pairs)
    return show(MAX, limits)


def to_files(text: str) -> dict[str, str]:
    """io.max as what each of v1's files has to say."""
    limits = parse(MAX, text)
    shown = {key: show(key, limits) for key in V1}
    return {key: value for key, value in shown.items() if value}


def is_limit(key: str) -> bool:
    """Whether the name is one of these."""
    return key == MAX or key in V1


def covers(key: str, current: str, wanted: str) -> bool:
    """Whether the file already says what is wanted; other devices may have limits as well."""
    have = parse(key, current)
    for device, pairs in parse(key, wanted).items():
        for name, value in pairs.items():
            if have.get(device, {}).get(name, "max") != value:
                return False
    return True
