# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A definition as options, and as an LXC configuration file. Both lead back to it."""
from __future__ import annotations

import json

from .._kernel.errors import LxcError
from .lxc_config_map import OWN_OPTIONS, ROWS, is_default, to_options
from .lxc_config_parse import OWN, parse, strip_quotes
from .spec import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .lxc_config_map import Row


def options_of(definition: dict[str, Any]) -> dict[str, Any]:
    """What differs from a new container's defaults, as lxc_container takes it.

    make_definition() of these, for a container that is not there yet, is the definition.
    """
    whole = _whole(definition)
    return {option: _BACK.get(option, _plain)(whole[option])
            for option in OPTIONS if not is_default(option, whole)}


def lxc_config(definition: dict[str, Any]) -> str:
    """The definition as a file with today's keys.

    What LXC has no key for is written as fleet.OPTION = JSON, which LXC passes over.
    """
    definition = _whole(definition)
    made = [(row, ["lxc.%s = %s" % (key, _quoted(value)) for key, value in row.write(definition)])
            for row in ROWS if _is_written(row, definition)]
    if not _read_back([line for _row, lines in made for line in lines], definition, made):
        # Something can't be said so; to find it takes a reading of each row.
        made = [(row, lines) for row, lines in made
                if _read_back(lines, definition, [(row, lines)])]
    said = {option for row, _lines in made for option in row.options}
    text = ["# Container %s of the collection fleet.lxc" % definition["name"]]
    text += [line for _row, lines in made for line in lines]
    text += ["%s.%s = %s" % (OWN, option, json.dumps(value))
             for option, value in options_of(definition).items() if option not in said]
    return "\n".join(text) + "\n"


def _is_written(row: Row, definition: dict[str, Any]) -> bool:
    """What differs from the defaults. Without a word about its network, LXC would make one."""
    return set(row.options) <= set(OPTIONS) and (row.options == ("networks",) or any(
        not is_default(option, definition) for option in row.options))


def unwritten(definition: dict[str, Any]) -> list[str]:
    """Options that the file has in this collection's own lines though LXC has a key for them."""
    prefix = OWN + "."
    names = [line[len(prefix):].partition(" ")[0] for line in lxc_config(definition).split("\n")
             if line.startswith(prefix)]
    return [name for name in names if name not in OWN_OPTIONS]


def _whole(definition: dict[str, Any]) -> dict[str, Any]:
    """With the defaults of options that came after it was stored."""
    return {**{option: entry.default for option, entry in OPTIONS.items()}, **definition}


def _quoted(value: str) -> str:
    """In quotes where the reader would take something off the value."""
    if value and strip_quotes(value.strip(" \t")) == value:
        return value
    return '"%s"' % value


def _read_back(lines: list[str], definition: dict[str, Any],
               made: list[tuple[Row, list[str]]]) -> bool:
    """Whether the lines say of the options of these rows just what the definition has."""
    if any(letter in line for line in lines for letter in "\n\r\0"):
        return False
    try:
        found, _warnings = to_options(parse("", "\n".join(lines).encode()), definition["name"])
        for option in (option for row, _lines in made for option in row.options):
            value = found.get(option)
            checked = OPTIONS[option].default if value is None else OPTIONS[option].check(value)
            if checked != definition[option]:
                return False
    except (LxcError, UnicodeEncodeError):
        return False
    return True


def _plain(value: Any) -> Any:
    """Without the fields of items that are not set."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{key: field for key, field in item.items() if field is not None}
                for item in value]
    return value


def _limits(value: dict[str, list[int]]) -> dict[str, str]:
    return {name: ":".join("unlimited" if n == -1 else str(n) for n in pair)
            for name, pair in value.items()}


def _idmap(value: dict[str, Any]) -> list[str]:
    if "uid" not in value:
        return ["%d:%d" % (value["first"], value["size"])]
    return ["%s %d %d %d" % (letter, *entry) for letter, kind in (("u", "uid"), ("g", "gid"))
            for entry in value[kind]]


_BACK: dict[str, Callable[[Any], Any]] = {"rlimits": _limits, "idmap": _idmap}
