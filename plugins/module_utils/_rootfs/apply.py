# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a plan, wholly or not at all."""
from __future__ import annotations

import typing as t

from .._kernel.errors import LxcError
from .operations import Workplace

if t.TYPE_CHECKING:
    from .operations import Operation


def apply(path: str, operations: list[Operation]) -> None:
    """Run the operations in order; when one fails, undo those before it.

    :raises LxcError: of the operation that failed; its detail says what could not be undone
    """
    done: list[Operation] = []
    place = Workplace(path)
    try:
        for operation in operations:
            try:
                operation.execute(place)
            except LxcError as error:
                problems = _undo(place, done)
                detail = "; ".join(text for text in [error.detail, *problems] if text)
                raise LxcError(error.doing, error.subject, error.errno, error.hint,
                               detail) from error
            except BaseException:  # a signal: what was begun goes, and the signal goes on
                _undo(place, done)
                raise
            done.append(operation)
    finally:
        place.held.close()
        place.close()
        place.log.remove()


def _undo(place: Workplace, done: list[Operation]) -> list[str]:
    """Take back the newest first, as far as it goes; what did not go, in words.

    Steps inside a tree that was never finished are not taken back one by one: it goes as a whole.
    """
    names = [type(operation).__name__ for operation in done]
    if "StartBuild" in names:
        done = done[:names.index("StartBuild") + 1]
    problems = []
    for operation in reversed(done):
        try:
            operation.undo(place)
        except LxcError as error:
            problems.append("could not undo '%s': %s" % (operation.describe(), error))
    return problems
