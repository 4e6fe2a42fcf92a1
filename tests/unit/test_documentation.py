# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What plugins say of themselves can be read: a colon in a sentence is enough to break it."""
from __future__ import annotations

import ast
import pathlib
import typing as t

import pytest
import yaml

PLUGINS = pathlib.Path(__file__).parents[2] / "plugins"
NAMES = ("DOCUMENTATION", "EXAMPLES", "RETURN")


def texts() -> t.Iterator[t.Any]:
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) \
                    and node.targets[0].id in NAMES and isinstance(node.value, ast.Constant):
                yield pytest.param(node.value.value,
                                   id="%s-%s" % (path.stem, node.targets[0].id.lower()))


@pytest.mark.parametrize("text", list(texts()))
def test_it_is_yaml(text: str) -> None:
    for part in ("description", "notes"):
        for line in strings(yaml.safe_load(text), part):
            assert isinstance(line, str), line


def strings(value: t.Any, part: str) -> t.Iterator[t.Any]:
    """Each sentence of every description, wherever it is; one with a colon would be a mapping."""
    if isinstance(value, list):
        for item in value:
            yield from strings(item, part)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == part and isinstance(item, list):
                yield from item
            else:
                yield from strings(item, part)
