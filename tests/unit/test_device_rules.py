# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device rule more, or one less."""
from __future__ import annotations

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import device_rules
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


@pytest.mark.parametrize("rules, text, after", [
    ([], "c 10:200 rwm", ["c 10:200 rwm"]),
    (["c 10:200 r"], "c 10:200 w", ["c 10:200 rw"]),
    (["c 10:200 rwm"], "c 10:200 w", ["c 10:200 rwm"]),
    (["c 10:* rw"], "c 10:200 r", ["c 10:* rw"]),
    (["c 10:* r"], "c 10:200 w", ["c 10:* r", "c 10:200 w"]),
    ([], "c 1:3 r", []),
    (["a"], "b 8:0 rwm", ["a"]),
    (["c 10:200 r"], "b 10:200 r", ["c 10:200 r", "b 10:200 r"]),
    (["c 10:200 r"], "a", ["c 10:200 r", "a"]),
])
def test_allow(rules: list[str], text: str, after: list[str]) -> None:
    assert device_rules.allow(rules, text) == after
    assert device_rules.is_allowed(after, text)
    assert device_rules.allow(after, text) == after


@pytest.mark.parametrize("rules, text, after", [
    (["c 10:200 rwm"], "c 10:200 rwm", []),
    (["c 10:200 rwm", "c 10:229 r"], "c 10:200 w", ["c 10:200 rm", "c 10:229 r"]),
    (["c 10:200 rwm", "b 8:0 r"], "c 10:* rwm", ["b 8:0 r"]),
    (["c 10:200 rwm", "b 8:0 r"], "a", []),
    (["c 10:200 r"], "c 10:200 w", ["c 10:200 r"]),
    (["c 10:* r"], "c 10:200 w", ["c 10:* r"]),
    ([], "c 10:200 rwm", []),
    (["a"], "a", []),
])
def test_deny(rules: list[str], text: str, after: list[str]) -> None:
    assert device_rules.deny(rules, text) == after
    assert device_rules.deny(after, text) == after


@pytest.mark.parametrize("rules, text, said", [
    (["c 10:* rwm"], "c 10:200 w", "allows it and others"),
    (["a"], "c 10:200 w", "allows it and others"),
    ([], "c 1:3 w", "every container has"),
    ([], "c 136:4 rw", "every container has"),
])
def test_what_can_not_be_denied(rules: list[str], text: str, said: str) -> None:
    with pytest.raises(LxcError, match=said) as caught:
        device_rules.deny(rules, text)
    assert caught.value.hint
