# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of every process at every step: nothing leaks, state is true, what comes next succeeds.

An operation runs in a child, as a module does. At a named point (fault.py) a process dies, or waits
there while another one is killed. Then the kernel and the disk have to agree, and the next
operation, a start or a removal, has to work; that nothing is left is what conftest.py looks at.
"""
from __future__ import annotations

import os
import signal
import typing as t

import faults
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    fault,
    freezer,
    lifecycle,
    observe,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import freezers
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from container_sandbox import Sandbox, left_in_cgroups, wait_until
from faults import Operation, goes_on, hold, is_true, kill, resume, settled
from network_sandbox import inside, new_namespace

box = pytest.fixture(faults.sandbox)

IN_MODULE = ("start:locked", "start:planned", "start:asked")
IN_LAUNCHER = ("launcher:entered", "launcher:assigned", "launcher:adopted")
IN_STARTER = ("starter:cgroups", "starter:cloned", "starter:staged", "starter:started",
              "starter:recorded")
IN_INIT = ("init:grouped", "init:mounted", "init:entered", "init:ready")
IN_NETWORK = ("network:asked", "network:made")
NEXT = ("start", "destroy")


# Start: whoever gets to a step dies there.

@pytest.mark.parametrize("what", NEXT)
@pytest.mark.parametrize("step", IN_MODULE + IN_LAUNCHER + IN_STARTER + IN_INIT)
def test_killed_during_a_start(box: Sandbox, step: str, what: str) -> None:
    name = box.define("fault")
    code = Operation(lifecycle.start, name, step).ended()
    assert code == (-signal.SIGKILL if step in IN_MODULE else 1), code
    goes_on(name, what)


@pytest.mark.parametrize("step", IN_NETWORK)
def test_network_worker_killed_during_a_start(box: Sandbox, step: str) -> None:
    with new_namespace() as network, inside(network):
        with Netlink() as netlink:
            netlink.create_bridge("br0", up=True)
        name = box.define("fault", networks=[{"link": "br0", "host_name": "far0"}])
        assert Operation(lifecycle.start, name, step).ended() == 1
        goes_on(name, "start")
        with Netlink() as netlink:
            wait_until(lambda: netlink.link("far0") is None)


# Start: while one waits at a step, another is killed.

@pytest.mark.parametrize("victim", ["module", "launcher"])
@pytest.mark.parametrize("step", IN_STARTER + IN_INIT)
def test_another_one_killed_during_a_start(box: Sandbox, step: str, victim: str) -> None:
    name = box.define("fault")
    operation = Operation(lifecycle.start, name, step + ",hang")
    waiting = operation.hanging()
    kill(operation.module if victim == "module" else operation.launcher())
    resume(waiting)
    assert operation.ended() == (-signal.SIGKILL if victim == "module" else 1)
    settled(name)
    if victim == "module":
        # What it has asked for is done all the same.
        wait_until(lambda: observe.status(name)["state"] == "RUNNING")
        assert is_true(name)["monitor_pid"]
        outcome = lifecycle.start([name])[name]
        assert isinstance(outcome, dict) and not outcome["changed"], outcome
        goes_on(name, "destroy")
    else:
        goes_on(name, "start")


@pytest.mark.parametrize("step", IN_STARTER[1:4])
def test_init_killed_during_a_start(box: Sandbox, step: str) -> None:
    name = box.define("fault")
    operation = Operation(lifecycle.start, name, step + ",hang")
    waiting = operation.hanging()
    kill(operation.init())
    resume(waiting)
    # After its program was there, its start has worked, and its end is another matter.
    assert operation.ended() == (0 if step == "starter:started" else 1)
    goes_on(name, "start")


# The end

@pytest.mark.parametrize("what", NEXT)
@pytest.mark.parametrize("step", ["stop:said", "stop:asked", "stop:ended"])
def test_module_killed_during_a_stop(box: Sandbox, step: str, what: str) -> None:
    name = box.define("fault")
    box.start(name)
    assert Operation(lifecycle.stop, name, step, kill=True).ended() == -signal.SIGKILL
    if step == "stop:said":
        assert is_true(name)["state"] == "RUNNING"
    else:
        wait_until(lambda: observe.status(name)["state"] == "STOPPED")
    goes_on(name, what)


@pytest.mark.parametrize("what", NEXT)
@pytest.mark.parametrize("step", ["monitor:reaped", "cleanup:removed"])
def test_monitor_killed_when_its_container_ends(box: Sandbox, step: str, what: str) -> None:
    """It is the monitor that was told the point, when it was the launcher."""
    name = box.define("fault")
    assert Operation(lifecycle.start, name, step).ended() == 0
    pid = is_true(name)["pid"]
    monitor = observe.status(name)["monitor_pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not store.monitor_is_alive(name))
    assert not os.path.exists("/proc/%d/exe" % monitor)
    assert is_true(name)["state"] == "STOPPED"
    goes_on(name, what)


@pytest.mark.parametrize("step", ["stop:said", "stop:asked"])
def test_monitor_killed_during_a_stop(box: Sandbox, step: str) -> None:
    name = box.define("fault")
    monitor = box.start(name)["monitor_pid"]
    hold(monitor)  # it must not be quicker than the one that kills it
    operation = Operation(lifecycle.stop, name, step + ",hang", kill=True)
    waiting = operation.hanging()
    kill(monitor)
    resume(waiting)
    assert operation.ended() == 0
    assert is_true(name)["state"] == "STOPPED" and left_in_cgroups(name) == []
    goes_on(name, "start")


# Freeze and thaw: the state is the kernel's.

@pytest.mark.parametrize("what", NEXT)
@pytest.mark.parametrize("step", ["freezer:said", "freezer:requested"])
def test_module_killed_during_a_freeze(box: Sandbox, step: str, what: str) -> None:
    name = box.define("fault")
    box.start(name)
    assert Operation(freezer.freeze, name, step).ended() == -signal.SIGKILL
    expected = "FROZEN" if step == "freezer:requested" else "RUNNING"
    wait_until(lambda: observe.status(name)["state"] == expected)
    assert is_true(name)["state"] == expected
    outcome = freezer.freeze([name])[name]
    assert isinstance(outcome, dict) and outcome["changed"] == (expected == "RUNNING")
    if what == "start":
        assert isinstance(freezer.thaw([name])[name], dict)
        assert is_true(name)["state"] == "RUNNING"
        lifecycle.stop([name], kill=True)
    goes_on(name, what)


@pytest.mark.parametrize("step", ["freezer:said", "freezer:requested"])
def test_module_killed_during_a_thaw(box: Sandbox, step: str) -> None:
    name = box.define("fault")
    box.start(name)
    freezer.freeze([name])
    assert Operation(freezer.thaw, name, step).ended() == -signal.SIGKILL
    expected = "RUNNING" if step == "freezer:requested" else "FROZEN"
    assert is_true(name)["state"] == expected
    assert not isinstance(freezer.thaw([name])[name], LxcError)
    assert is_true(name)["state"] == "RUNNING"
    goes_on(name, "destroy")


@pytest.mark.parametrize("victim", ["init", "monitor"])
def test_another_one_killed_during_a_freeze(box: Sandbox, victim: str) -> None:
    name = box.define("fault")
    status = box.start(name)
    operation = Operation(freezer.freeze, name, "freezer:requested,hang", timeout=2)
    waiting = operation.hanging()
    wait_until(lambda: freezers.state(status["recorded"]["cgroups"]) == "FROZEN")
    kill(status["pid" if victim == "init" else "monitor_pid"])
    resume(waiting)
    operation.ended()
    if victim == "monitor":
        assert is_true(name)["state"] == "FROZEN"
        lifecycle.stop([name])
    goes_on(name, "start")


# Destroy

@pytest.mark.parametrize("step", ["stop:said", "stop:asked", "stop:ended", "destroy:stopped",
                                  "destroy:var", "destroy:run"])
def test_module_killed_while_it_destroys(box: Sandbox, step: str) -> None:
    name = box.define("fault")
    box.start(name)
    assert Operation(lifecycle.destroy, name, step).ended() == -signal.SIGKILL
    defined = os.path.exists(store.folder(name))
    assert defined == (step != "destroy:run")
    wait_until(lambda: observe.status(name)["state"] in ("STOPPED", "RUNNING"))
    goes_on(name, "start" if defined else "destroy")


def test_an_environment_without_a_fault_hands_none_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fault.VARIABLE, raising=False)
    assert fault.environment() == {} and fault._named == ("", False)


# Many at once

def in_processes(operations: list[t.Callable[[], object]]) -> None:
    """Each in a process of its own, all at the same time."""
    ready, go = os.pipe()
    children = []
    for operation in operations:
        child = os.fork()
        if child == 0:
            try:
                os.close(go)
                os.read(ready, 1)
                operation()
            finally:
                os._exit(0)
        children.append(child)
    os.close(ready)
    os.close(go)
    for child in children:
        os.waitpid(child, 0)


def test_many_start_and_stop_one_name(box: Sandbox) -> None:
    name = box.define("fault")
    in_processes([lambda: lifecycle.start([name]), lambda: lifecycle.stop([name], kill=True)] * 8)
    goes_on(name, "start")


def test_many_start_stop_freeze_and_destroy_many_names(box: Sandbox) -> None:
    names = [box.define("fault%d" % number) for number in range(4)]
    in_processes([lambda: lifecycle.start(names), lambda: lifecycle.stop(names, kill=True),
                  lambda: lifecycle.start(names[::-1]), lambda: freezer.freeze(names),
                  lambda: lifecycle.destroy(names[:2]), lambda: lifecycle.start(names[1:3]),
                  lambda: freezer.thaw(names), lambda: lifecycle.restart(names[2:], kill=True)])
    for name in names:
        settled(name)
        is_true(name)
        assert os.path.exists(store.folder(name)) == (name in names[2:])
    for name in names[2:]:
        freezer.thaw([name])
        lifecycle.stop([name], kill=True)
        goes_on(name, "start")
