# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the table: who is measured against whom, and what is to be reached."""
from __future__ import annotations

import typing as t

import attach
import connections
import fleet
import life
import ours
import takeover
import tasks
import trees
import workload
from measure import Contender, Row, alternate, pss
from peer_lxc import Lxc
from peer_oci import Oci
from peer_sandbox import Sandbox

OURS = "fleet.lxc"
# The ratio to reach; a row without one is for information.
TARGETS = {"start": 0.5, "start-veth": 0.7, "start-parallel": 1.0, "monitor-pss": 1.0,
           "unchanged-task": 2.0, "create-start-task": 0.1, "scale": 1.3,
           "freeze": 1.0, "thaw": 1.0, "stop": 1.0, "info": 1.0, "info-loop": 1.0,
           "cgroup-set": 1.0,
           "attach": 1.0, "attach-command": 1.0, "attach-nsenter": 1.5,
           "attach-nsenter-command": 1.5, "takeover-lost": 0.1,
           "debootstrap-fresh": 0.6, "debootstrap-cached": 0.1, "clone": 0.1,
           "clone-lxc-copy": 0.1,
           "connection": 1.2, "connection-ssh": 1.2, "connection-community-lxc": 0.5}
_STARTS: dict[str, t.Callable[[workload.Workload], Contender]] = {
    "start": Lxc,
    "start-parallel": lambda load: Lxc(load, at_a_time=4),
    "start-crun": lambda load: Oci(load, "crun"),
    "start-runc": lambda load: Oci(load, "runc"),
    "start-bubblewrap": lambda load: Sandbox(load, "bubblewrap"),
    "start-nspawn": lambda load: Sandbox(load, "systemd-nspawn"),
}
_ALONE = ("start-veth", "start-privileged", "monitor-pss", "unchanged-task", "create-start-task",
          "scale", "freeze", "stop", "cgroup-set", "info", "attach", "takeover-lost",
          "debootstrap", "clone", "connection", "inventory", "fleet")
NAMES = (*_STARTS, *_ALONE)


def measure(load: workload.Workload, wanted: t.Collection[str], count: int, rounds: int,
            say: t.Callable[[str], None]) -> list[Row]:
    """Every wanted row. ``count`` containers in a bulk start; the other rows follow from it."""
    rows: list[Row] = []
    peers = {name: make for name, make in _STARTS.items() if name in wanted}
    if peers:
        say(", ".join(peers))
        rows += _starts(load, {name: make(load) for name, make in peers.items()}, count, rounds)
    alone: dict[str, t.Callable[[], list[Row]]] = {
        "start-veth": lambda: _starts(load, {"start-veth": Lxc(load, network=True)}, count,
                                      rounds, network=True),
        "start-privileged": lambda: _starts(load, {"start-privileged": Lxc(load, privileged=True)},
                                            count, rounds, privileged=True),
        "monitor-pss": lambda: _memory(load, count // 2),
        "unchanged-task": lambda: tasks.unchanged(load, count, rounds),
        "create-start-task": lambda: tasks.create(load, max(1, count // 10), min(rounds, 3)),
        "attach": lambda: attach.rows(load, count, rounds),
        "scale": lambda: _scale(load, count // 2, 5 * count, rounds),
        "debootstrap": lambda: trees.packages(rounds),
        "clone": lambda: trees.clones(rounds),
        "freeze": lambda: life.freeze(load, count, rounds),
        "stop": lambda: life.stop(load, count, rounds),
        "cgroup-set": lambda: life.cgroup_set(load, count, rounds),
        "info": lambda: life.info(load, count, rounds),
        "connection": lambda: connections.rows(load, rounds),
        "inventory": lambda: fleet.inventory(load, rounds),
        "fleet": lambda: fleet.bring_up(load, rounds),
        "takeover-lost": lambda: takeover.lost(2 * rounds),
    }
    for name, row in alone.items():
        if name in wanted:
            say(name)
            rows += row()
    return rows


def _starts(load: workload.Workload, peers: dict[str, Contender], count: int, rounds: int,
            **variant: bool) -> list[Row]:
    """What one more container costs in a bulk start: what all of them take beyond a few of them,
    for each of the others. A row with a target has one beside it, "-mean", with all the time
    spread over all containers: the launcher's start, once a task, is in there.
    """
    contenders = list(peers.values())
    few = count // 10
    if not ours.missing():
        contenders[:0] = [ours.Ours(load, **variant), ours.Ours(load, part=few, **variant)]
    times = _prepared(contenders, workload.names(count), rounds, load)
    mean = times.get(OURS)
    more = None
    if mean is not None:
        more = (mean - times["%s, %d" % (OURS, few)]) * count / (count - few)
    found = []
    for name, peer in peers.items():
        found.append(Row(name, more, times[peer.name], peer.name, "ms"))
        if name in TARGETS:
            found.append(Row(name + "-mean", mean, times[peer.name], peer.name, "ms"))
    return found


def _prepared(contenders: list[Contender], names: list[str], rounds: int,
              load: workload.Workload) -> dict[str, float]:
    ready: list[Contender] = []
    try:
        for contender in contenders:
            ready.append(contender)
            contender.prepare(names)
        return alternate(contenders, names, rounds, load.settle)
    finally:
        for contender in ready:
            contender.remove(names)


def _memory(load: workload.Workload, count: int) -> list[Row]:
    """The monitors of ``count`` running containers, kB each."""
    names = workload.names(count)
    found: dict[str, float] = {}
    contenders: list[t.Any] = [Lxc(load)] if ours.missing() else [ours.Ours(load), Lxc(load)]
    for contender in contenders:
        contender.prepare(names)
        try:
            load.settle()
            contender.start(names)
            found[contender.name] = sum(map(pss, set(contender.monitor_pids(names)))) / count
        finally:
            contender.stop(names)
            contender.remove(names)
    peer = contenders[-1].name
    return [Row("monitor-pss", found.get(OURS), found[peer], "lxc monitor", "kB")]


def _scale(load: workload.Workload, few: int, many: int, rounds: int) -> list[Row]:
    """Ours beside ours: what one container costs among many and among few."""
    peer_name = "fleet.lxc, %d instead of %d" % (few, many)
    if ours.missing():
        return [Row("scale", None, None, peer_name, "ms")]
    costs: dict[int, list[float]] = {few: [], many: []}
    for number in range(rounds):
        for count in (few, many) if number % 2 else (many, few):
            result = _prepared([ours.Ours(load)], workload.names(count), 1, load)
            costs[count].append(result[OURS])
    middle = {count: sorted(values)[len(values) // 2] for count, values in costs.items()}
    return [Row("scale", middle[many], middle[few], peer_name, "ms")]
