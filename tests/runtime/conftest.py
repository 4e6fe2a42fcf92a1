# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test against the kernel proves that nothing of it is left on the host."""
from __future__ import annotations

import os
import typing as t

import leftovers
import pytest


@pytest.fixture(scope="session", autouse=True)
def _host_as_it_was() -> t.Iterator[None]:
    if os.geteuid() != 0:
        pytest.exit("the tests against the kernel need root rights", returncode=2)
    leftovers.mark()
    before, tables = leftovers.snapshot(), leftovers.tables()
    yield
    leftovers.remove_kept(before)
    leftovers.complain("The run", leftovers.difference(before)
                       + leftovers.difference(tables, look=leftovers.tables))


@pytest.fixture(scope="module", autouse=True)
def _module_leaves_nothing(request: pytest.FixtureRequest) -> t.Iterator[None]:
    yield from _leaves_nothing(request)


@pytest.fixture(autouse=True)
def _test_leaves_nothing(request: pytest.FixtureRequest,
                         _module_leaves_nothing: None) -> t.Iterator[None]:
    yield from _leaves_nothing(request)


def _leaves_nothing(request: pytest.FixtureRequest) -> t.Iterator[None]:
    def look() -> set[str]:
        return leftovers.essential(leftovers.snapshot())

    before = look()
    yield
    leftovers.complain(request.node.nodeid, leftovers.difference(before, look=look))
