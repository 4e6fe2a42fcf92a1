# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What more than one option is checked by: texts, paths, choices, lists."""
from __future__ import annotations

import os
import signal

from .._kernel import processes
from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
DIGITS = frozenset("0123456789")


def bad(what: str, detail: str, hint: str) -> LxcError:
    """Of a value; make_definition says which option and container it is about."""
    return LxcError("check", what, detail=detail, hint=hint)


KERNEL_FOLDERS = ("/proc", "/sys", "/dev")  # whose content each start makes anew


def below(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(folder + "/") for folder in folders)


def relative(kind: str, source: str, target: str, options: list[str]) -> str:
    """Why a mount's source can't be the container's own, "" where it can: lxc.mount.entry."""
    if kind != "bind":
        return "%s has no source in the container; take out 'relative'" % kind
    for path in (source, target):
        if below(path, KERNEL_FOLDERS):
            return ("%s is mounted when a start has staged what is relative; name the source by its"
                    " place on the host, without 'relative'" % path)
    if "idmap=container" in options:
        return "a source in the container has the container's ids already; take out 'idmap='"
    return ""


def text(value: Any, what: str = "") -> str:
    """A text that can reach the kernel: a NUL would cut it."""
    if not isinstance(value, str):
        raise bad(what or repr(value), "%r is no text" % (value,), "Put it into quotes.")
    if "\0" in value:
        raise bad(what, "%r contains a NUL" % value, "Take the NUL out.")
    return value


def path(value: str, what: str = "") -> str:
    """An absolute path as one name: no "..", no doubled or trailing slash."""
    problem = ""
    if "\0" in value or "\n" in value:
        problem = "has a NUL or a line break"
    elif not value.startswith("/"):
        problem = "is not absolute"
    elif ".." in value.split("/"):
        problem = "contains '..'"
    if problem:
        raise bad(what, "%r %s" % (value, problem), "Give the whole path from / on.")
    return os.path.normpath("/" + value.lstrip("/"))


def or_none(check: Callable[[str], str]) -> Callable[[str], str | None]:
    """An empty text goes back to the default."""
    def checked(value: str) -> str | None:
        return check(value) if value else None
    return checked


def choice(choices: tuple[str, ...]) -> Callable[[str], str]:
    def check(value: str) -> str:
        if value not in choices:
            raise bad("", "%r is none of the choices" % value,
                      "Choose one of %s." % ", ".join(choices))
        return value
    return check


def number(lowest: int, highest: int, hint: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if not lowest <= value <= highest:
            raise bad("", "%d is out of range" % value, hint)
        return value
    return check


def place(index: int) -> str:
    """How messages name an item of a list."""
    return "item %d" % (index + 1)


def fill(item: dict[str, Any], table: dict[str, dict[str, Any]], what: str) -> dict[str, Any]:
    """The item with every key of the table; for callers that no argument spec has checked."""
    unknown = sorted(set(item) - set(table))
    if unknown:
        raise bad(what, "there is no option %r" % unknown[0],
                  "Options are: %s." % ", ".join(table))
    filled = {}
    for key, argument in table.items():
        value = item.get(key)
        value = argument.get("default") if value is None else value
        if value is None and argument.get("required"):
            raise bad(what, "%s is missing" % key, "Give '%s'." % key)
        if value is not None and value not in argument.get("choices", (value,)):
            raise bad(what, "%r is no %s" % (value, key),
                      "Choose one of %s." % ", ".join(argument["choices"]))
        filled[key] = value
    return filled


def once(values: list[str], what: str = "") -> list[str]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise bad(what, "%s is listed twice" % value, "List it once.")
    return values


def signal_name(value: str) -> str | None:
    """Like SIGTERM or SIGRTMIN+3. An empty one goes back to the default."""
    if not value:
        return None
    try:
        found = processes.signal_number(value)
        offset = found - signal.SIGRTMIN
        if 0 < offset and found < signal.SIGRTMAX:
            return "SIGRTMIN+%d" % offset
        return signal.Signals(found).name  # not 32 and 33, which are the C library's own
    except ValueError:
        raise bad("", "%r is no signal" % value,
                  "Write it like SIGTERM, PWR or RTMIN+3: signal(7).") from None
