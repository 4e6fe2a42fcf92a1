# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rulebook report says of an event. Whether it does is ansible-rulebook's matter."""
from __future__ import annotations

import pathlib
import typing as t

import jinja2
import pytest
import yaml

PATH = pathlib.Path(__file__).parents[2] / "extensions/eda/rulebooks/report.yml"


@pytest.mark.parametrize("rule,event,said", [
    ("One has ended", {"exit": {"signal": 9}}, "which nobody asked for: signal 9"),
    ("One has ended", {"exit": {"code": 0}, "asked": True}, "as somebody asked: code 0"),
    ("One has ended", {}, "which nobody asked for: nobody knows how"),
])
def test_an_end_is_told_in_words(rule: str, event: dict[str, t.Any], said: str) -> None:
    (book,) = yaml.safe_load(PATH.read_text())
    (text,) = [one["action"]["debug"]["msg"] for one in book["rules"] if one["name"] == rule]
    shown = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(text).render(
        event={"host": "db1", "container": "web", **event})
    assert shown == "db1: web has ended, " + said
