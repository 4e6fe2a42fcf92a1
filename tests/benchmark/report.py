# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows as Markdown and as JSON."""
from __future__ import annotations

import json
import os
import platform

from measure import Row
from rows import TARGETS


def markdown(rows: list[Row], count: int, rounds: int) -> str:
    lines = ["| row | fleet.lxc | peer | | unit | ratio | target | |",
             "| --- | ---: | ---: | --- | --- | ---: | ---: | --- |"]
    for row in rows:
        target = TARGETS.get(row.name)
        lines.append("| %s | %s | %s | %s | %s | %s | %s | %s |" % (
            row.name, _number(row.ours), _number(row.peer), row.peer_name, row.unit,
            "–" if row.ratio is None else "%.2f" % row.ratio,
            "–" if target is None else "%g" % target, verdict(row)))
    lines += ["", "Smaller is better; ratio is fleet.lxc / peer. %d containers in a bulk start, "
              "medians of %d rounds; Linux %s, %d processors." % (
                  count, rounds, platform.release(), os.cpu_count() or 0)]
    return "\n".join(lines) + "\n"


def verdict(row: Row) -> str:
    target = TARGETS.get(row.name)
    if row.ratio is None:
        return "not measured"
    if target is None:
        return "for information"
    return "met" if row.ratio <= target else "**missed**"


def as_json(rows: list[Row]) -> str:
    return json.dumps([row.as_json() for row in rows], indent=2) + "\n"


def _number(value: float | None) -> str:
    return "–" if value is None else "%.3g" % value if value < 100 else "%.0f" % value
