# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.idmaps import (
    FIRST,
    LAST,
    SIZE,
    allocate,
    parse_subids,
)


@pytest.mark.parametrize("taken, start", [
    ([], FIRST),
    ([(FIRST, SIZE)], FIRST + SIZE),
    ([(FIRST + SIZE, SIZE)], FIRST),
    ([(FIRST + 1, 1)], FIRST + SIZE),
    ([(FIRST - 10, 11)], FIRST + SIZE),
    ([(FIRST - 10, 10)], FIRST),
    ([(FIRST, SIZE + 1)], FIRST + 2 * SIZE),
    ([(100000, 65536)], FIRST),
    ([(LAST + SIZE, SIZE)], FIRST),
    ([(FIRST, LAST - FIRST)], LAST),
    ([(FIRST, 0)], FIRST),
])
def test_the_lowest_free_range(taken: list[tuple[int, int]], start: int) -> None:
    assert allocate(taken) == start


def test_when_all_are_taken() -> None:
    with pytest.raises(LxcError, match="every range is taken"):
        allocate([(0, 1 << 32)])


def test_subids() -> None:
    assert parse_subids("root:1:2\n\n# x\nbad:1\nu:a:b\n u:3:4 \n") == [(1, 2), (3, 4)]
