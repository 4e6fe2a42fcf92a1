# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ranges of ids that no two containers share: user_namespaces(7), subuid(5)."""
from __future__ import annotations

from .errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

SIZE = 65536
# Above SUB_UID_MAX of login.defs(5), 600100000, so that useradd hands out none of these, and
# inside the range that systemd sets aside for containers.
FIRST = 0x40000000
LAST = 0x6FFF0000


def ranges(idmap: dict[str, Any], kind: str) -> list[list[int]]:
    """[inside, outside, count] of each range.

    :param idmap: as a definition has it: first and size, or also uid and gid
    :param kind: "uid" or "gid"
    """
    found: list[list[int]] = idmap.get(kind) or [[0, idmap["first"], idmap["size"]]]
    return found


def outside(mapped: list[list[int]], number: int) -> int | None:
    """The host's id of an id inside, None where it is not mapped."""
    for inside, first, count in mapped:
        if inside <= number < inside + count:
            return first + number - inside
    return None


def taken(idmap: dict[str, Any]) -> list[tuple[int, int]]:
    """The host's ids (start, count) that the map uses, users' and groups'."""
    return [(first, count) for kind in ("uid", "gid")
            for _inside, first, count in ranges(idmap, kind)]


def parse_subids(text: str) -> list[tuple[int, int]]:
    """Ranges (start, count) that /etc/subuid or /etc/subgid gives to users."""
    ranges = []
    for line in text.splitlines():
        fields = line.strip().split(":")
        if len(fields) == 3 and fields[1].isdigit() and fields[2].isdigit():
            ranges.append((int(fields[1]), int(fields[2])))
    return ranges


def allocate(used: list[tuple[int, int]]) -> int:
    """The first id of the lowest free range of SIZE ids.

    :param used: ranges (start, count) that are somebody's already
    :raises LxcError: when all 12288 are taken
    """
    slots: set[int] = set()
    for start, count in used:
        low = max(start, FIRST)
        high = min(start + count - 1, LAST + SIZE - 1)
        slots.update(range((low - FIRST) // SIZE, (high - FIRST) // SIZE + 1))
    for slot in range((LAST - FIRST) // SIZE + 1):
        if slot not in slots:
            return FIRST + slot * SIZE
    raise LxcError("allocate a range of ids", "%d-%d" % (FIRST, LAST + SIZE - 1),
                   detail="every range is taken", hint="Remove containers that are not needed.")
