# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers a task means that lists names and shell globs."""
from __future__ import annotations

import fnmatch
import typing as t

from .._container import store
from .._kernel.errors import LxcError
from .._kernel.names import check_name

_GLOB = frozenset("*?[")  # none of which a container's name can have


class Selection(t.NamedTuple):
    """By name, in the order in which they are first meant: the definition, or what is wrong."""

    containers: dict[str, dict[str, t.Any] | LxcError]
    unmatched: list[str]  # globs


def select(wanted: list[str]) -> Selection:
    """Every container that is named or matched, once."""
    defined = store.names() if any(_GLOB & set(word) for word in wanted) else []
    selection = Selection({}, [])
    for word in wanted:
        if not _GLOB & set(word):
            _add(selection, word, store.need_definition)
            continue
        matched = [name for name in defined if fnmatch.fnmatchcase(name, word)]
        if not matched:
            selection.unmatched.append(word)
        for name in matched:
            _add(selection, name, store.read_definition)
    return selection


def check_pattern(word: str) -> None:
    """
    :raises LxcError: for a name or glob that no container can have
    """
    outside = "".join(c for c in word.partition("[")[0] if c not in _GLOB and not (
        c.isascii() and c.isalnum() or c in "_.-"))
    if outside or not word:
        raise LxcError("use as a container's name", repr(word),
                       detail="the name contains %r" % outside[0] if outside else "it is empty",
                       hint="Give a list of names, or shell patterns such as web*.")


def _add(selection: Selection, name: str,
         read: t.Callable[[str], dict[str, t.Any] | None]) -> None:
    if name in selection.containers:
        return
    try:
        check_name(name)
        definition = read(name)
    except LxcError as error:
        selection.containers[name] = error
        return
    if definition is not None:  # else it was removed since the folder was listed
        selection.containers[name] = definition


def warn_of_unmatched(selection: Selection, warn: t.Callable[[str], None]) -> None:
    """A glob that matches nothing is no error, but it may be a slip of the pen."""
    for word in selection.unmatched:
        warn("No defined container matches %r." % word)


def failure(errors: dict[str, LxcError]) -> dict[str, t.Any]:
    """What a task reports beside its results when some of its containers failed."""
    if not errors:
        return {}
    return {**next(iter(errors.values())).to_dict(), "failed": True,
            "msg": "; ".join("%s: %s" % item for item in errors.items())}
