# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers start with the host, in which order, and how all of them end with it.

LXC's keys: start.auto, start.delay, start.order (lower is earlier) and group; lxc.container.conf(5)
"""
from __future__ import annotations

import time
from collections import namedtuple

from .._kernel.errors import LxcError
from . import lifecycle, observe, operation, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    class Batch(NamedTuple):
        """What starts at the same time, and how many seconds nothing else does afterwards."""

        names: list[str]
        delay: int
else:
    Batch = namedtuple("Batch", "names delay")


AT_BOOT = ("onboot", "")  # groups that start with the host, and when


def marked(groups: list[str] | None, problems: operation.Outcomes | None = None
           ) -> list[dict[str, Any]]:
    """The definitions that are marked to be started, those of the first group first.

    :param groups: names, "" for those in no group; None for all, whatever their groups
    :param problems: gets why those can't be read of which nobody knows whether they are marked
    """
    found = []
    for name in store.names():
        try:
            definition = store.read_definition(name)
        except LxcError as error:
            if problems is not None:
                problems[name] = error
            continue  # it keeps no other from its start
        if definition and definition.get("start_auto"):
            found.append(definition)
    if groups is None:
        return sorted(found, key=_order)
    chosen: list[dict[str, Any]] = []
    for group in groups:
        chosen += sorted((d for d in found if d not in chosen and (
            group in (d.get("group") or []) if group else not d.get("group"))), key=_order)
    return chosen


def _order(definition: dict[str, Any]) -> tuple[int, str]:
    return definition.get("start_order") or 0, definition["name"]


def batches(definitions: list[dict[str, Any]]) -> list[Batch]:
    """Those next to each other with the same order start together, up to one with a delay."""
    made: list[Batch] = []
    last = None
    for definition in definitions:
        order = definition.get("start_order") or 0
        delay = definition.get("start_delay") or 0
        if made and last == order and not made[-1].delay:
            made[-1] = Batch([*made[-1].names, definition["name"]], delay)
        else:
            made.append(Batch([definition["name"]], delay))
        last = order
    return made


def start(planned: list[Batch], timeout: float) -> operation.Outcomes:
    """One batch after the other; one that fails keeps no other from its start."""
    outcomes: operation.Outcomes = {}
    for place, batch in enumerate(planned):
        outcomes.update(lifecycle.start(batch.names, timeout))
        if batch.delay and place < len(planned) - 1:
            time.sleep(batch.delay)
    return outcomes


def ends(definitions: list[dict[str, Any]]) -> list[list[str]]:
    """Who ends together, in the reverse of the order in which they start with the host. Pure.

    What does not start with it was started later, and may need what does: it ends first.
    """
    found: dict[tuple[int, int], list[str]] = {}
    for definition in definitions:
        groups = definition.get("group") or [""]
        place = min((AT_BOOT.index(group) for group in groups if group in AT_BOOT),
                    default=len(AT_BOOT))
        if not definition.get("start_auto"):
            place = len(AT_BOOT)
        found.setdefault((place, _order(definition)[0]), []).append(definition["name"])
    return [found[key] for key in sorted(found, reverse=True)]


def stop(timeout: float) -> operation.Outcomes:
    """Stop everything that runs."""
    running = []
    for name in store.names():
        definition = {"name": name}
        try:
            definition = store.read_definition(name) or definition
            if not observe.status(name)["pid"]:
                continue
        except LxcError:
            pass  # stop() will say what is wrong with it
        running.append(definition)
    outcomes: operation.Outcomes = {}
    for names in ends(running):
        outcomes.update(lifecycle.stop(names, timeout))
    return outcomes
