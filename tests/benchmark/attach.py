# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of attach: a program that ends at once, in each of many running containers.

Ours is one operation on all of them, inside a running interpreter as in a task of lxc_execute, and
as one whole command ("-command"). The peers have no operation on many: a loop of dash.
"""
from __future__ import annotations

import statistics
import time
import typing as t

import ours
import workload
from measure import BenchError, Row, run, shell_loop
from peer_lxc import Lxc

PROGRAM = ["/bin/busybox", "true"]
_LXC, _NSENTER, _COMMAND = "lxc-attach", "nsenter", "fleet-lxc attach"


def rows(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """Milliseconds a container."""
    names = workload.names(count)
    containers, peer = ours.Ours(load), Lxc(load)
    try:
        for one in (containers, peer):
            one.prepare(names)
            one.start(names)
        pids = [str(pid) for pid in containers.init_pids(names)]
        program = " ".join(PROGRAM)
        ways: dict[str, t.Callable[[], float]] = {
            ours.NAME: lambda: _operation(names),
            _COMMAND: lambda: run([*ours.command(), "attach", ",".join(names), "--", *PROGRAM]),
            _LXC: lambda: shell_loop('lxc-attach -P %s -n "$n" -- %s' % (peer.path, program),
                                     names),
            _NSENTER: lambda: shell_loop('nsenter -a -t "$n" -- ' + program, pids),
        }
        times: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(-1, rounds):  # one that does not count
            order = list(ways)[number % len(ways):] + list(ways)[:number % len(ways)]
            for way in order:
                load.settle_briefly()
                seconds = ways[way]()
                if number >= 0:
                    times[way].append(1000 * seconds / count)
    finally:
        for one in (containers, peer):
            one.stop(names)
            one.remove(names)
    cost = {way: statistics.median(values) for way, values in times.items()}
    return [Row("attach", cost[ours.NAME], cost[_LXC], _LXC, "ms"),
            Row("attach-command", cost[_COMMAND], cost[_LXC], _LXC, "ms"),
            Row("attach-nsenter", cost[ours.NAME], cost[_NSENTER], _NSENTER, "ms"),
            Row("attach-nsenter-command", cost[_COMMAND], cost[_NSENTER], _NSENTER, "ms")]


def _operation(names: list[str]) -> float:
    exchange, entry = ours.part("exchange"), ours.part("entry")
    began = time.perf_counter()
    outcomes = exchange.run({name: entry.Command(PROGRAM) for name in names},
                            parallel=10)  # as lxc_execute has it
    seconds = time.perf_counter() - began
    for name, outcome in outcomes.items():
        if isinstance(outcome, Exception) or outcome.rc:
            raise BenchError("fleet.lxc: %s: %s" % (name, outcome))
    return seconds
