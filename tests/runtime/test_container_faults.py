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
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import processes
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


@pytest.fixture
def network() -> t.Iterator[list[dict[str, str]]]:
    """Networks of a container whose host has a bridge for it; no link of it stays."""
    with new_namespace() as namespace, inside(namespace), Netlink() as netlink:
        netlink.create_bridge("br0", up=True)
        yield [{"link": "br0", "host_name": "far0"}]
        wait_until(lambda: netlink.link("far0") is None)


@pytest.mark.parametrize("step", IN_NETWORK)
def test_network_worker_killed_during_a_start(box: Sandbox, network: list[dict[str, str]],
                                              step: str) -> None:
    name = box.define("fault", networks=network)
    assert Operation(lifecycle.start, name, step).ended() == 1
    goes_on(name, "start")


# Start: while one waits at a step, another is killed.

def others() -> t.Iterator[tuple[str, str, bool | None]]:
    """:returns: the step, the victim, and whether the start succeeds; None for either"""
    for step in IN_LAUNCHER + IN_STARTER + IN_INIT + IN_NETWORK:
        # What the module has asked for is done all the same.
        yield step, "module", None
        if step not in IN_LAUNCHER:
            yield step, "launcher", False
    yield "launcher:adopted", "starter", True
    for step in IN_INIT + IN_NETWORK:
        yield step, "starter", False
    for step in ("starter:cloned", "starter:staged", *IN_NETWORK):
        yield step, "init", False
    for step in ("starter:started", "starter:recorded", "launcher:adopted"):
        yield step, "init", True  # its program was there; its end is another matter
        yield step, "network", True
    for step in IN_INIT[1:]:
        yield step, "network", True
    for step in ("starter:cgroups", "starter:cloned"):
        yield step, "network", False
    # These work while the other one waits.
    yield "starter:staged", "network", None
    yield "init:grouped", "network", None
    yield "launcher:assigned", "starter", None
    yield "start:asked", "launcher", None


@pytest.mark.parametrize(("step", "victim", "succeeds"), others())
def test_another_one_killed_during_a_start(box: Sandbox, request: pytest.FixtureRequest, step: str,
                                           victim: str, succeeds: bool | None) -> None:
    networks = (request.getfixturevalue("network") if "network" in (victim, step.split(":")[0])
                else [{"type": "empty"}])
    name = box.define("fault", networks=networks)
    operation = Operation(lifecycle.start, name, step + ",hang")
    waiting = operation.hanging()
    if (step, victim) in (("launcher:assigned", "starter"), ("start:asked", "launcher")):
        wait_until(lambda: (store.read_state(name) or {}).get("state") == "RUNNING")
    kill(operation.victim(victim))
    resume(waiting)
    code = operation.ended()
    settled(name)
    if victim == "module":
        assert code == -signal.SIGKILL
        wait_until(lambda: observe.status(name)["state"] == "RUNNING")
        assert is_true(name)["monitor_pid"]
        outcome = lifecycle.start([name])[name]
        assert isinstance(outcome, dict) and not outcome["changed"], outcome
        goes_on(name, "destroy")
    else:
        assert code in ((0, 1) if succeeds is None else (int(not succeeds),))
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


@pytest.mark.parametrize("operation", [lifecycle.stop, lifecycle.destroy])
@pytest.mark.parametrize("step", ["stop:said", "stop:asked", "stop:ended"])
def test_monitor_killed_during_a_stop(box: Sandbox, step: str,
                                      operation: t.Callable[..., t.Any]) -> None:
    name = box.define("fault")
    monitor = box.start(name)["monitor_pid"]
    hold(monitor)  # it must not be quicker than the one that kills it
    done = Operation(operation, name, step + ",hang",
                     **({"kill": True} if operation is lifecycle.stop else {}))
    waiting = done.hanging()
    kill(monitor)
    resume(waiting)
    assert done.ended() == 0
    assert is_true(name)["state"] == "STOPPED" and left_in_cgroups(name) == []
    goes_on(name, "start" if operation is lifecycle.stop else "destroy")


@pytest.mark.parametrize("step", ["stop:said", "stop:asked"])
def test_init_killed_during_a_stop(box: Sandbox, step: str) -> None:
    """By somebody else, while it could take its time to end."""
    name = box.define("fault", "trap : TERM; while :; do read line; done")
    pid = box.start(name)["pid"]
    wait_until(lambda: processes.catches(pid, signal.SIGTERM))
    operation = Operation(lifecycle.stop, name, step + ",hang")
    waiting = operation.hanging()
    kill(pid)
    resume(waiting)
    assert operation.ended() == 0
    assert is_true(name)["exit"] == {"signal": signal.SIGKILL}
    goes_on(name, "start")


@pytest.mark.parametrize("victim", ["module", "launcher"])
@pytest.mark.parametrize("step", ["monitor:reaped", "cleanup:removed"])
def test_killed_during_a_stop_while_the_monitor_cleans_up(box: Sandbox, step: str,
                                                          victim: str) -> None:
    name = box.define("fault")
    start = Operation(lifecycle.start, name, step + ",hang")
    assert start.ended() == 0
    stop = Operation(lifecycle.stop, name, kill=True)
    waiting = start.hanging()
    kill(stop.module if victim == "module" else waiting)
    resume(waiting)
    assert stop.ended() == (-signal.SIGKILL if victim == "module" else 0)
    wait_until(lambda: observe.status(name)["state"] == "STOPPED")
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
@pytest.mark.parametrize("step", ["freezer:said", "freezer:requested"])
@pytest.mark.parametrize("operation", [freezer.freeze, freezer.thaw])
def test_another_one_killed_during_a_freeze(box: Sandbox, operation: t.Callable[..., t.Any],
                                            step: str, victim: str) -> None:
    name = box.define("fault")
    status = box.start(name)
    if operation is freezer.thaw:
        freezer.freeze([name])
    done = Operation(operation, name, step + ",hang", timeout=2)
    waiting = done.hanging()
    # What version 1 has frozen dies when it is thawed.
    os.kill(status["pid" if victim == "init" else "monitor_pid"], signal.SIGKILL)
    resume(waiting)
    code = done.ended()
    if victim == "monitor":
        assert code == 0
        assert is_true(name)["state"] == ("FROZEN" if operation is freezer.freeze else "RUNNING")
        lifecycle.stop([name])
    else:
        lifecycle.stop([name])
        wait_until(lambda: observe.status(name)["state"] == "STOPPED")
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
