# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to containers that run: freeze, thaw, look, stop. One operation on all of them
beside LXC's tool, which takes one container at a time, in a loop of the shell."""
from __future__ import annotations

import functools
import importlib
import itertools
import statistics
import time
import types
import typing as t

import ours
import workload
from measure import BenchError, Row, run, shell_loop
from peer_lxc import Lxc

Step = t.Callable[[], float]  # returns seconds


def freeze(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """Each round freezes all and thaws them again."""
    names = workload.names(count)
    peer = Lxc(load)
    steps: dict[str, Step] = {
        "freeze": _loop(peer, "lxc-freeze -P %s -n", names),
        "thaw": _loop(peer, "lxc-unfreeze -P %s -n", names)}
    theirs = _running(load, peer, names, rounds, steps)
    mine: dict[str, float] = {}
    if not ours.missing():
        module = ours.part("freezer")
        mine = _running(load, ours.Ours(load), names, rounds, {
            "freeze": _operation(module.freeze, names), "thaw": _operation(module.thaw, names)})
    return [Row("freeze", mine.get("freeze"), theirs["freeze"], "loop of lxc-freeze", "ms"),
            Row("thaw", mine.get("thaw"), theirs["thaw"], "loop of lxc-unfreeze", "ms")]


def info(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """All that lxc_container_info says, processes included, but for addresses."""
    names = workload.names(count)
    peer = Lxc(load)
    theirs = _running(load, peer, names, rounds, {
        "lxc-ls -f": functools.partial(run, ["lxc-ls", "-f", "-P", str(peer.path)]),
        "lxc-info": _loop(peer, "lxc-info -P %s -n", names)})
    mine: dict[str, float] = {}
    if not ours.missing():
        mine = _running(load, ours.Ours(load), names, rounds, {"info": _look(names)})
    return [Row("info", mine.get("info"), theirs["lxc-ls -f"], "lxc-ls -f", "ms"),
            Row("info-loop", mine.get("info"), theirs["lxc-info"], "loop of lxc-info", "ms")]


def cgroup_set(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """Each step sets another value, in what runs only, as lxc-cgroup does."""
    names = workload.names(count)
    peer = Lxc(load)
    values = itertools.cycle(("64M", "65M"))

    def theirs_once() -> float:
        return shell_loop('lxc-cgroup -P %s -n "$n" memory.limit_in_bytes %s' % (
            peer.path, next(values)), names)

    def ours_once() -> float:
        params = {"name": names, "settings": {"memory.max": next(values)}, "priority": None,
                  "devices_allow": None, "devices_deny": None, "read": None, "scope": "running"}
        began = time.perf_counter()
        done = module.handle(types.SimpleNamespace(params=params, check_mode=False,
                                                   diff_mode=False, warn=print))
        seconds = time.perf_counter() - began
        if "failed" in done or not all(item["changed"] for item in done["containers"]):
            raise BenchError("fleet.lxc: %s" % done.get("msg", "nothing was changed"))
        return seconds

    theirs = _running(load, peer, names, rounds, {"set": theirs_once})
    mine: dict[str, float] = {}
    if not ours.missing():
        module = importlib.import_module(ours.PACKAGE.replace("_container.", "_module.cgroup"))
        mine = _running(load, ours.Ours(load), names, rounds, {"set": ours_once})
    return [Row("cgroup-set", mine.get("set"), theirs["set"], "loop of lxc-cgroup", "ms")]


def stop(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """By the kill, since that is what lxc-stop -k does."""
    names = workload.names(count)
    peer = Lxc(load)
    theirs = _stops(load, peer, names, rounds, _loop(peer, "lxc-stop -k -P %s -n", names))
    mine = None
    if not ours.missing():
        lifecycle = ours.part("lifecycle")
        mine = _stops(load, ours.Ours(load), names, rounds,
                      _operation(functools.partial(lifecycle.stop, kill=True), names))
    return [Row("stop", mine, theirs, "loop of lxc-stop -k", "ms")]


def _loop(peer: Lxc, command: str, names: list[str]) -> Step:
    return functools.partial(shell_loop, (command % peer.path) + ' "$n" > /dev/null', names)


def _operation(operation: t.Callable[[list[str]], dict[str, t.Any]], names: list[str]) -> Step:
    def step() -> float:
        began = time.perf_counter()
        outcomes = operation(names)
        seconds = time.perf_counter() - began
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception) or not outcome["changed"]:
                raise BenchError("fleet.lxc: %s: %s" % (name, outcome))
        return seconds
    return step


def _look(names: list[str]) -> Step:
    observe, store, processes = map(ours.part, ("observe", "store", "process_list"))

    def step() -> float:
        began = time.perf_counter()
        listed = processes.ProcessList()
        for name in store.names():
            definition = store.need_definition(name)
            status = observe.status(name)
            found = listed.of(status["recorded"], definition["rootfs"])
            if status["state"] != "RUNNING" or len(found) != 1:
                raise BenchError("fleet.lxc: %s is %s" % (name, status["state"]))
        return time.perf_counter() - began
    return step


def _running(load: workload.Workload, contender: t.Any, names: list[str], rounds: int,
             steps: dict[str, Step]) -> dict[str, float]:
    """Milliseconds a container of each step on containers that run: medians."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    contender.prepare(names)
    try:
        load.settle()
        contender.start(names)
        for number in range(-1, rounds):  # the first one does not count
            for name, step in steps.items():
                seconds = step()
                if number >= 0:
                    times[name].append(1000 * seconds / len(names))
    finally:
        contender.stop(names)
        contender.remove(names)
    return {name: statistics.median(values) for name, values in times.items()}


def _stops(load: workload.Workload, contender: t.Any, names: list[str], rounds: int,
           step: Step) -> float:
    times = []
    contender.prepare(names)
    try:
        for number in range(-1, rounds):
            load.settle()
            contender.start(names)
            seconds = step()
            contender.stop(names)  # nothing is left to stop, or the figure means nothing
            if number >= 0:
                times.append(1000 * seconds / len(names))
    finally:
        contender.stop(names)
        contender.remove(names)
    return statistics.median(times)
