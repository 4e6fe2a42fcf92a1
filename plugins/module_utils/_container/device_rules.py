# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of device rules: what one more rule, or one less, makes of them. Pure.

A list allows what one of its rules covers whole; what every container has is not in it.
"""
from __future__ import annotations

from .._kernel import device_filter
from .._kernel.errors import LxcError
from . import defaults

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from .._kernel.device_filter import Rule

_LETTERS = "rwm"


def check(text: str) -> str:
    """The one spelling of a rule.

    :raises LxcError: for a malformed one
    """
    return show(device_filter.parse_rule(text))


def show(rule: Rule) -> str:
    """``c 1:3 rwm`` or ``a``."""
    kind, major, minor, access = rule
    if kind == "a":
        return "a"
    numbers = ":".join("*" if n is None else str(n) for n in (major, minor))
    return "%s %s %s" % (kind, numbers, "".join(x for x in _LETTERS if x in access))


def _same_devices(one: Rule, other: Rule) -> bool:
    return one[:3] == other[:3]


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Whether every device of the second rule is one of the first."""
    return wide[0] == "a" or (wide[0] == narrow[0] and all(
        w is None or w == n for w, n in zip(wide[1:3], narrow[1:3])))


def is_allowed(rules: list[str], text: str) -> bool:
    """Whether the rules, with those that every container has, allow all that the text does."""
    wanted = device_filter.parse_rule(text)
    return any(_covers(rule, wanted) and set(wanted[3]) <= set(rule[3])
               for rule in map(device_filter.parse_rule, [*defaults.DEFAULT_DEVICES, *rules]))


def allow(rules: list[str], text: str) -> list[str]:
    """The list with one more rule; it is merged with one of the same devices."""
    if is_allowed(rules, text):
        return rules
    wanted = device_filter.parse_rule(text)
    made = []
    for rule in map(device_filter.parse_rule, rules):
        if _same_devices(rule, wanted):
            wanted = (*wanted[:3], "".join(sorted(set(rule[3]) | set(wanted[3]))))
        else:
            made.append(show(rule))
    return [*made, show(wanted)]


def deny(rules: list[str], text: str) -> list[str]:
    """The list that does not allow what the text does.

    ``a`` denies all but what every container has.

    :raises LxcError: for what every container has, and for a part of a wider rule
    """
    unwanted = device_filter.parse_rule(text)
    if unwanted[0] == "a":
        return []
    made = []
    for rule in map(device_filter.parse_rule, rules):
        if _covers(unwanted, rule):
            left = "".join(x for x in rule[3] if x not in unwanted[3])
            if left:
                made.append(show((*rule[:3], left)))
        elif _covers(rule, unwanted) and set(rule[3]) & set(unwanted[3]):
            raise LxcError("deny the device", text, detail="the rule %r allows it and others"
                           % show(rule), hint="Deny that rule, and allow what is to stay.")
        else:
            made.append(show(rule))
    for rule in map(device_filter.parse_rule, defaults.DEFAULT_DEVICES):
        if _covers(rule, unwanted) or _covers(unwanted, rule) and None not in unwanted[1:3]:
            raise LxcError("deny the device", text, detail="every container has %s" % show(rule),
                           hint="Deny others; null, zero and terminals give nothing away.")
    return made
