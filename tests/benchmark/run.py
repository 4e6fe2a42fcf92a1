# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures fleet.lxc beside lxc, crun, runc, bubblewrap and systemd-nspawn on this host.

Ends with 0 when every target is met, with 1 when one is missed or could not be measured.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import leftovers  # noqa: E402
import measure  # noqa: E402
import ours  # noqa: E402
import report  # noqa: E402
import rows  # noqa: E402
import workload  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__)
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="write the rows there")
    parser.add_argument("--markdown", metavar="FILE", type=pathlib.Path,
                        help="write the table there, beside printing it")
    parser.add_argument("--only", metavar="ROW[,ROW]", help="of %s" % ", ".join(rows.NAMES))
    parser.add_argument("--count", metavar="N", type=int, default=100,
                        help="containers in a bulk start, 100; half of them for memory, five "
                             "times as many for scale, a tenth for create-start-task")
    parser.add_argument("--rounds", metavar="N", type=int, default=5, help="5")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else list(rows.NAMES)
    unknown = sorted(set(wanted) - set(rows.NAMES))
    if unknown:
        parser.error("there is no row %s; rows are %s" % (unknown[0], ", ".join(rows.NAMES)))
    if not 10 <= arguments.count <= 800 or arguments.rounds < 1:
        parser.error("--count is 10 to 800, --rounds 1 or more")
    if os.geteuid() != 0:
        parser.error("containers need root rights")

    for reason in sorted({ours.missing(), ours.module_missing()} - {None}, key=str):
        say("fleet.lxc's side is left out: %s" % reason)
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # clean up first
    leftovers.mark()
    before = leftovers.snapshot()
    try:
        with workload.Workload() as load:
            found = rows.measure(load, wanted, arguments.count, arguments.rounds, say)
    except measure.BenchError as error:
        print("bench: %s" % error, file=sys.stderr)
        return 1
    finally:
        leftovers.remove_kept(before)
        leftovers.complain("The benchmark", leftovers.difference(before))
    table = report.markdown(found, arguments.count, arguments.rounds)
    print(table, end="")
    if arguments.markdown:
        arguments.markdown.write_text(table)
    if arguments.json:
        arguments.json.write_text(report.as_json(found))
    return 0 if all(report.verdict(row) in ("met", "for information") for row in found) else 1


def say(text: str) -> None:
    print("==> %s" % text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
