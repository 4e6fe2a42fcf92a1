# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc.cgroup.devices.* and lxc.cgroup2.devices.*: from lines that allow and deny to a list of what
is allowed beside the default devices, and back."""
from __future__ import annotations

from .._kernel import device_filter
from .._kernel.errors import LxcError
from .defaults import DEFAULT_DEVICES
from .lxc_config_parse import problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._kernel.device_filter import Rule
    from .lxc_config_parse import Setting
    from .lxc_config_values import Lines, Reading

KEYS = ("cgroup.devices.allow", "cgroup.devices.deny", "cgroup2.devices.allow",
        "cgroup2.devices.deny")
_DEFAULTS = tuple(device_filter.parse_rule(text) for text in DEFAULT_DEVICES)


def read(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    """Each version's lines on their own, in their order; what one of them allows is allowed.

    LXC's own meaning, with one difference: what no line allows is denied, also without
    ``devices.deny = a``.
    """
    found: dict[str, Rule] = {}
    for version in ("cgroup.", "cgroup2."):
        allowed: dict[str, Rule] = {}
        for setting in settings:
            if setting.key == version + "devices.allow":
                rule = _parse(setting)
                allowed[_text(rule)] = rule
            elif setting.key == version + "devices.deny":
                _deny(allowed, _parse(setting), setting)
        found.update(allowed)
    return {"devices": [text for text, rule in found.items()
                        if not any(_covers(default, rule) for default in _DEFAULTS)]}


def write(definition: dict[str, Any]) -> Lines:
    """Whole lists, the default devices as well, since LXC has no defaults."""
    lines = []
    for version in ("cgroup", "cgroup2"):
        lines.append((version + ".devices.deny", "a"))
        lines += [(version + ".devices.allow", rule)
                  for rule in [*DEFAULT_DEVICES, *definition["devices"]]]
    return lines


def _parse(setting: Setting) -> Rule:
    try:
        return device_filter.parse_rule(setting.value)
    except LxcError as error:
        raise problem(setting, "%s is malformed" % error.subject, error.hint) from None


def _text(rule: Rule) -> str:
    kind, major, minor, access = rule
    if kind == "a":
        return "a"
    numbers = ":".join("*" if n is None else str(n) for n in (major, minor))
    return "%s %s %s" % (kind, numbers, "".join(a for a in "rwm" if a in access))


def _deny(allowed: dict[str, Rule], denied: Rule, setting: Setting) -> None:
    if denied[0] == "a":
        allowed.clear()
        return
    for text in [text for text, rule in allowed.items() if _covers(denied, rule)]:
        del allowed[text]
    for rule in [*allowed.values(), *_DEFAULTS]:
        if _overlaps(denied, rule):
            raise problem(setting, "it takes something from '%s', which is allowed" % _text(rule),
                          "Allow only what is wanted, and take this line out.")


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether all that ``narrow`` says is in ``wide``."""
    if wide[0] == "a":
        return True
    return (wide[0] == narrow[0] and wide[1] in (None, narrow[1]) and wide[2] in (None, narrow[2])
            and set(narrow[3]) <= set(wide[3]))


def _overlaps(one: Rule, other: Rule) -> bool:
    if "a" in (one[0], other[0]):
        return True
    return (one[0] == other[0] and bool(set(one[3]) & set(other[3]))
            and all(a is None or b is None or a == b for a, b in zip(one[1:3], other[1:3])))
