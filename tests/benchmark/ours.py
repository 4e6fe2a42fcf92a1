# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection's side: the only file here that knows its Python interface.

The runtime is measured from the plan on, without a module around it: what a task costs has rows
of its own.
"""
from __future__ import annotations

import importlib
import importlib.util
import pathlib
import time
import typing as t

import workload
from measure import BenchError

PACKAGE = "ansible_collections.fleet.lxc.plugins.module_utils._container."


NAME = "fleet.lxc"


def command() -> list[str]:
    """The runtime's copy, as a host's command line."""
    return ["/usr/bin/python3", "-I", "-S", part("runtime").ensure()]


def missing() -> str | None:
    """Why this side can't be measured, None when it can."""
    for name in ("spec", "lifecycle"):
        if importlib.util.find_spec(PACKAGE + name) is None:
            return "there is no %s.py in plugins/module_utils/_container" % name
    return None


def part(name: str) -> t.Any:
    """A module of the runtime."""
    return importlib.import_module(PACKAGE + name)


def module_missing() -> str | None:
    """The same for the rows that run tasks."""
    if not (workload.ROOT / "plugins" / "modules" / "lxc_container.py").exists():
        return "there is no module lxc_container"
    return missing()


def options(load: workload.Workload, name: str, network: bool, privileged: bool
            ) -> dict[str, t.Any]:
    """The options of lxc_container for the common workload."""
    link: dict[str, t.Any] = {"type": "empty"}
    if network:
        link = {"type": "veth", "link": workload.BRIDGE, "name": "eth0",
                "addresses": [workload.address(name)], "gateway4": workload.GATEWAY}
    return {"rootfs": str(load.rootfs), "hostname": name, "networks": [link],
            "command": workload.COMMAND, "privileged": privileged}


class Ours:
    """A bulk start.

    :param part: how many of the names are started: what the first containers cost, interpreter
        and modules of the launcher included
    """

    def __init__(self, load: workload.Workload, *, network: bool = False,
                 privileged: bool = False, part: int | None = None) -> None:
        self.name = "fleet.lxc" if part is None else "fleet.lxc, %d" % part
        self._load, self._network, self._privileged = load, network, privileged
        self._part = part
        self._spec, self._host, self._store, self._lifecycle, self._observe = (
            t.cast(t.Any, importlib.import_module(PACKAGE + name))
            for name in ("spec", "host", "store", "lifecycle", "observe"))

    def prepare(self, names: list[str]) -> None:
        taken = [self._store.read_definition(name) for name in self._store.names()]
        for name in names[:self._part]:
            if self._store.read_definition(name):
                continue  # of a contender that starts a part of them
            given = options(self._load, name, self._network, self._privileged)
            definition = self._spec.make_definition(name, given, None)
            if not definition["privileged"]:
                definition["idmap"] = self._host.allocate_ids(taken)
            taken.append(definition)
            self._store.write_definition(name, definition)

    def define(self, name: str, given: dict[str, t.Any]) -> None:
        """One container with options of its own."""
        definition = self._spec.make_definition(name, given, None)
        if not definition["privileged"]:
            definition["idmap"] = self._host.allocate_ids(
                [self._store.read_definition(other) for other in self._store.names()])
        self._store.write_definition(name, definition)

    def start(self, names: list[str]) -> float:
        names = names[:self._part]
        began = time.perf_counter()
        outcomes = self._lifecycle.start(names)
        seconds = time.perf_counter() - began
        _check(outcomes)
        self.monitor_pids(names)
        return seconds

    def stop(self, names: list[str]) -> None:
        _check(self._lifecycle.stop(names[:self._part], kill=True))

    def remove(self, names: list[str]) -> None:
        names = [name for name in names[:self._part] if self._store.read_definition(name)]
        _check(self._lifecycle.destroy(names))

    def monitor_pids(self, names: list[str]) -> list[int]:
        """:raises BenchError: when one of the containers does not run its command"""
        found = []
        for name in names:
            status = self._observe.status(name)
            command = pathlib.Path("/proc/%d/cmdline" % status["pid"])
            if status["state"] != "RUNNING" or not status["monitor_pid"] \
                    or command.read_bytes().split(b"\0")[0] != workload.COMMAND[0].encode():
                raise BenchError("fleet.lxc: %s does not run: %s" % (name, status))
            found.append(status["monitor_pid"])
        return found

    def init_pids(self, names: list[str]) -> list[int]:
        return [self._observe.status(name)["pid"] for name in names]


def _check(outcomes: dict[str, t.Any]) -> None:
    for name, outcome in outcomes.items():
        if isinstance(outcome, Exception):
            raise BenchError("fleet.lxc: %s: %s" % (name, outcome))
