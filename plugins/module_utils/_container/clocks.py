# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks of a container that differ from the host's: time_namespaces(7), lxc.time.offset.*."""
from __future__ import annotations

import os

from .._kernel import syscalls

UNITS = (("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3),
         ("ns", 1))


def offset_ns(text: str | None) -> int:
    """Nanoseconds of a text like -10h or 1500ms (lxc.time.offset.*), 0 for None.

    :raises ValueError: for what is none
    """
    if text is None:
        return 0
    plain = text.strip()
    sign = -1 if plain.startswith("-") else 1
    plain = plain.lstrip("+-")
    digits = plain.rstrip("hmsun")
    unit = dict(UNITS).get(plain[len(digits):])
    if not (digits.isascii() and digits.isdigit()) or unit is None or len(digits) > 18:
        raise ValueError(text)
    return sign * int(digits) * unit


def enter(boot: int, monotonic: int) -> None:
    """Make a time namespace, set its clocks and go into it: time_namespaces(7).

    :param boot: nanoseconds to add to the clock since the boot
    :param monotonic: the same for the monotonic clock
    """
    syscalls.unshare(syscalls.CLONE_NEWTIME)
    lines = ["%s %d %d\n" % (clock, *divmod(offset, 10**9)) for clock, offset in
             (("monotonic", monotonic), ("boottime", boot)) if offset]
    if lines:  # before the first process is in it
        fd = os.open("/proc/self/timens_offsets", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, "".join(lines).encode())
        os.close(fd)
    fd = os.open("/proc/self/ns/time_for_children", os.O_RDONLY | os.O_CLOEXEC)
    syscalls.setns(fd, syscalls.CLONE_NEWTIME)
    os.close(fd)
