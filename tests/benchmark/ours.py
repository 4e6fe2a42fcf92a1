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
import time
import typing as t

import workload
from measure import BenchError

PACKAGE = "ansible_collections.fleet.lxc.plugins.module_utils._container."


def missing() -> str | None:
    """Why this side can't be measured, None when it can."""
    for name in ("spec", "lifecycle"):
        if importlib.util.find_spec(PACKAGE + name) is None:
            return "there is no %s.py in plugins/module_utils/_container" % name
    return None


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
    name = "fleet.lxc"

    def __init__(self, load: workload.Workload, *, network: bool = False,
                 privileged: bool = False) -> None:
        self._load, self._network, self._privileged = load, network, privileged
        self._spec: t.Any = importlib.import_module(PACKAGE + "spec")
        self._lifecycle: t.Any = importlib.import_module(PACKAGE + "lifecycle")

    def prepare(self, names: list[str]) -> None:
        for name in names:
            given = options(self._load, name, self._network, self._privileged)
            self._lifecycle.define(self._spec.make_definition(name, given, None))

    def start(self, names: list[str]) -> float:
        began = time.perf_counter()
        self._lifecycle.start(names)
        seconds = time.perf_counter() - began
        self.monitor_pids(names)
        return seconds

    def stop(self, names: list[str]) -> None:
        self._lifecycle.stop(names, kill=True)

    def remove(self, names: list[str]) -> None:
        self._lifecycle.destroy(names)

    def monitor_pids(self, names: list[str]) -> list[int]:
        """:raises BenchError: when one of the containers does not run its command"""
        raise BenchError("ours.py does not know yet how to ask for monitors")
