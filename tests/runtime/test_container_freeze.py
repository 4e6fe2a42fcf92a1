# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze, thaw, signal and wait on real containers, by both freezers; needs root."""
from __future__ import annotations

import errno
import os
import pathlib
import signal
import threading
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    freezer,
    host,
    lifecycle,
    observe,
    signals,
    store,
    wait,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.event_stream import EventStream
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import syscalls
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PATIENCE, Sandbox, console, left_in_cgroups, wait_until

box = pytest.fixture(container_sandbox.sandbox)

COUNT = "n=0; while :; do n=$((n+1)); echo $n > /tmp/n; done"
# Traps cost nothing while it sleeps, and a child of its own does the sleeping.
HANDLE = "trap 'echo got $0' USR1; trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"


class OldHost(host.Host):
    """A host that mounts v1 only."""

    def __init__(self) -> None:
        super().__init__()
        self.hierarchies = [h for h in self.hierarchies if h.version == 1]
        self.v2 = set()


@pytest.fixture(params=["v2", "v1"])
def freezer_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    found = host.Host()
    if request.param == "v1":
        if "freezer" not in found.v1:
            pytest.skip("this host has no v1 freezer")
        monkeypatch.setattr(host, "Host", OldHost)
    elif found.unified() is None:
        pytest.skip("this host has no v2")
    return str(request.param)


def running(pid: int) -> bool:
    """Whether it makes progress: by the processor time that it has used.

    A process counts as frozen just before it leaves the processor, so one change may be its last.
    """
    def moves() -> bool:
        def used() -> str:
            return pathlib.Path("/proc/%d/schedstat" % pid).read_text().split()[0]
        before = used()
        threading.Event().wait(0.05)
        return used() != before
    return moves() and moves()


def states(found: list[dict[str, t.Any]], name: str) -> list[str]:
    return [event["state"] for event in found if event["container"] == name]


def changed(outcomes: dict[str, t.Any]) -> list[bool]:
    for outcome in outcomes.values():
        if isinstance(outcome, LxcError):
            raise outcome
    return [outcome["changed"] for outcome in outcomes.values()]


# Freeze and thaw

def test_freeze_and_thaw_twice(box: Sandbox, freezer_version: str) -> None:
    pid = box.launch("freeze", COUNT)
    name = box.names[0]
    assert running(pid)
    with EventStream() as stream:
        assert changed(freezer.freeze([name])) == [True]
        assert observe.status(name)["state"] == "FROZEN" and not running(pid)
        assert changed(freezer.freeze([name])) == [False]
        assert lifecycle.start([name])[name] == {"changed": False, "warnings": []}
        assert changed(freezer.thaw([name])) == [True]
        assert observe.status(name)["state"] == "RUNNING" and running(pid)
        assert changed(freezer.thaw([name])) == [False]
        assert states(stream.read(), name) == ["FREEZING", "FROZEN", "THAWED"]


def test_what_is_in_groups_below_freezes_too(box: Sandbox, freezer_version: str) -> None:
    pid = box.launch("below", "%s & %s" % (COUNT, COUNT))
    name = box.names[0]
    kind = "freezer" if freezer_version == "v1" else "unified"
    folder = next(path for path in observe.status(name)["recorded"]["cgroups"]
                  if "/%s/" % kind in path or os.path.exists(path + "/cgroup.freeze"))
    below = pathlib.Path(folder, "below")
    below.mkdir()
    child = max(observe.container_pids(observe.status(name)["recorded"]))
    assert child != pid
    (below / "cgroup.procs").write_text(str(child))
    freezer.freeze([name])
    assert not running(child) and not running(pid)
    freezer.thaw([name])
    assert running(child)


@pytest.mark.parametrize("kill", [True, False])
def test_a_frozen_one_can_be_stopped(box: Sandbox, freezer_version: str, kill: bool) -> None:
    pid = box.launch("stop", HANDLE)
    name = box.names[0]
    freezer.freeze([name])
    outcome = lifecycle.stop([name], kill=kill)[name]
    assert isinstance(outcome, dict) and outcome["killed"] and outcome["exit"] == {"signal": 9}
    assert not os.path.exists("/proc/%d" % pid) and left_in_cgroups(name) == []


def test_one_that_froze_a_group_below_itself_can_be_destroyed(box: Sandbox,
                                                              freezer_version: str) -> None:
    box.launch("inner", "%s & %s" % (COUNT, COUNT))
    name = box.names[0]
    recorded = observe.status(name)["recorded"]
    child = max(observe.container_pids(recorded))
    for path in recorded["cgroups"]:
        for file, value in (("cgroup.freeze", "1"), ("freezer.state", "FROZEN")):
            if os.path.exists("%s/%s" % (path, file)):
                below = pathlib.Path(path, "below")
                below.mkdir()
                (below / "cgroup.procs").write_text(str(child))
                (below / file).write_text(value)
    wait_until(lambda: not running(child))
    assert observe.status(name)["state"] == "RUNNING"
    assert lifecycle.destroy([name])[name] == {"changed": True}
    assert left_in_cgroups(name) == [] and not os.path.exists("/proc/%d" % child)


def test_many_at_once_beside_one_that_cannot(box: Sandbox) -> None:
    names = [box.define("many%d" % number) for number in range(4)]
    lifecycle.start(names[:3])
    outcomes = freezer.freeze(names)
    assert [isinstance(outcomes[n], LxcError) for n in names] == [False, False, False, True]
    error = outcomes[names[3]]
    assert isinstance(error, LxcError) and "does not run" in str(error)
    assert [observe.status(n)["state"] for n in names] == ["FROZEN"] * 3 + ["STOPPED"]


def test_one_that_cannot_freeze_goes_on(box: Sandbox) -> None:
    """A process waits for a file system whose server never answers: not even a freezer wakes it."""
    fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    hanging = box.folder / "hanging"
    hanging.mkdir()
    syscalls.mount("fuse", str(hanging), "fuse", 0,
                   "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fuse)
    try:
        pid = box.launch("hangs", "echo up; busybox ls /mnt", privileged=True,
                         mounts=[{"source": str(hanging), "target": "/mnt"}])
        name = box.names[0]
        wait_until(lambda: "up" in console(name))
        child = wait_until(lambda: [
            p for p in observe.container_pids(observe.status(name)["recorded"])
            if pathlib.Path("/proc/%d/stat" % p).read_text().rpartition(") ")[2][0] == "D"])
        with EventStream() as stream:
            error = freezer.freeze([name], timeout=0.2)[name]
            assert isinstance(error, LxcError) and error.errno == errno.ETIMEDOUT, child
            assert states(stream.read(), name) == ["FREEZING", "THAWED"]
        assert observe.status(name)["state"] == "RUNNING"
        assert observe.status(name)["pid"] == pid
    finally:
        os.close(fuse)
        syscalls.umount2(str(hanging), syscalls.MNT_DETACH)
    box.ended(name)


# Signals

def test_a_signal_reaches_init(box: Sandbox) -> None:
    box.launch("signal", HANDLE)
    name = box.names[0]
    wait_until(lambda: "up" in console(name))
    assert signals.send([name], signal.SIGUSR1)[name] == {
        "changed": True, "signaled": 1, "warnings": []}
    wait_until(lambda: "got" in console(name))
    assert changed(signals.send([name], signal.SIGTERM)) == [True]
    assert box.ended(name)["exit"] == {"code": 7}


def test_a_signal_that_init_does_not_handle(box: Sandbox) -> None:
    pid = box.launch("ignored")
    outcome = signals.send(box.names, signal.SIGUSR1)[box.names[0]]
    assert isinstance(outcome, dict) and (outcome["changed"], outcome["signaled"]) == (False, 0)
    assert "SIGUSR1" in outcome["warnings"][0]
    assert changed(signals.send(box.names, signal.SIGKILL)) == [True]
    assert box.ended(box.names[0])["exit"] == {"signal": 9}
    assert not os.path.exists("/proc/%d" % pid)


def test_a_signal_to_all(box: Sandbox) -> None:
    """Each process gets it once, whichever group it is in, and init's own is not its end."""
    script = ("trap 'echo init' USR1; for n in 1 2 3; do sh -c \"trap 'echo child' USR1; "
              "echo up; while :; do sleep 0.05; done\" & done; while :; do wait; done")
    pid = box.launch("all", script)
    name = box.names[0]
    wait_until(lambda: console(name).count("up") == 3)
    outcome = signals.send([name], signal.SIGUSR1, signals.ALL)[name]
    assert isinstance(outcome, dict) and outcome["signaled"] >= 4
    # Their sleeping children have no handler, and die.
    wait_until(lambda: console(name).count("child") == 3 and console(name).count("init") == 1)
    assert observe.status(name)["pid"] == pid
    assert changed(signals.send([name], signal.SIGKILL, signals.ALL)) == [True]
    assert box.ended(name)["exit"] == {"signal": 9}


def test_a_signal_needs_a_running_container(box: Sandbox) -> None:
    name = box.define("stopped")
    outcomes = signals.send([name, "fleet-lxc-test-none"], signal.SIGHUP)
    errors = [str(outcomes[n]) for n in (name, "fleet-lxc-test-none")]
    assert "does not run" in errors[0] and "not defined" in errors[1]
    assert not os.path.exists(store.run_folder("fleet-lxc-test-none"))


# Wait

def test_waiting_returns_at_once_if_already_there(box: Sandbox) -> None:
    box.launch("there")
    name = box.names[0]
    assert wait.wait_for([name], ["STOPPED", "RUNNING"], 0)[name]["reached"] == "RUNNING"
    assert wait.wait_for([name], ["THAWED"], 0)[name]["reached"] == "THAWED"
    error = wait.wait_for([name], ["FROZEN", "STOPPED"], 0)[name]
    assert isinstance(error, LxcError) and error.errno == errno.ETIMEDOUT
    assert "FROZEN or STOPPED" in str(error) and "it is RUNNING" in str(error)


@pytest.mark.parametrize("state", ["STARTING", "RUNNING", "STOPPING", "STOPPED"])
def test_no_state_is_missed_however_short(box: Sandbox, state: str) -> None:
    """Its whole life is over before anybody looks again."""
    name = box.define("short", "exit 3")
    with wait.Wait([name], [state]) as waiting:
        box.start(name)
        box.ended(name)
        assert waiting.finish(0)[name]["reached"] == state


def test_the_states_of_a_start_that_fails(box: Sandbox) -> None:
    name = box.define("fails", command=["/bin/nope"])
    with EventStream() as stream, wait.Wait([name], ["ABORTING"]) as waiting:
        lifecycle.start([name])
        assert waiting.finish(0)[name]["reached"] == "ABORTING"
        told = stream.read()
        assert states(told, name) == ["STARTING", "ABORTING", "STOPPED"]
        assert [event["state"] for event in told if event.get("aborted")] == ["STOPPED"]


def test_many_wait_while_it_happens(box: Sandbox) -> None:
    """Waiters in processes of their own, who began before."""
    name = box.define("watched", HANDLE)
    sets = [["RUNNING"], ["STARTING"], ["FROZEN"], ["STOPPED"]]
    children = []
    box.start(name)
    lifecycle.stop([name], kill=True)
    for states_of_one in [["RUNNING"], ["STARTING"], ["FROZEN", "ABORTING"], ["FREEZING"]]:
        ready, tell = os.pipe()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with wait.Wait([name], states_of_one) as waiting:
                    os.write(tell, b"1")
                    outcome = waiting.finish(container_sandbox.PATIENCE)[name]
                    code = int(isinstance(outcome, LxcError))
            finally:
                os._exit(code)
        os.read(ready, 1)
        os.close(ready)
        os.close(tell)
        children.append(child)
    box.start(name)
    freezer.freeze([name])
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(sets)


def test_the_end_of_one_whose_monitor_was_killed(box: Sandbox) -> None:
    """Nobody writes an event of it."""
    box.launch("orphan")
    name = box.names[0]
    status = observe.status(name)
    os.kill(status["monitor_pid"], signal.SIGKILL)
    wait_until(lambda: not store.monitor_is_alive(name))
    timer = threading.Timer(0.1, os.kill, (status["pid"], signal.SIGKILL))
    timer.start()
    assert wait.wait_for([name], ["STOPPED"], container_sandbox.PATIENCE)[name]["reached"] == (
        "STOPPED")
    timer.join()


def test_the_events_of_a_life(box: Sandbox) -> None:
    name = box.define("events", HANDLE)
    with EventStream() as stream:
        pid = box.start(name)["pid"]
        wait_until(lambda: "up" in console(name))
        lifecycle.stop([name])
        found = [event for event in stream.read() if event["container"] == name]
    assert states(found, name) == ["STARTING", "RUNNING", "STOPPING", "STOPPED"]
    assert found[1]["pid"] == pid and found[3]["exit"] == {"code": 7}
    assert sorted(event["time"] for event in found) == [event["time"] for event in found]


def test_a_kill_for_want_of_memory_is_told(box: Sandbox) -> None:
    """Of a child, while init goes on: its own end alone would not say it."""
    name = box.define("oom", "busybox dd if=/dev/zero of=/dev/null bs=64M count=1; exit 4",
                      cgroup={"memory.max": "16M", "pids.max": 20})
    with EventStream() as stream:
        box.start(name)
        assert box.ended(name)["exit"] == {"code": 4}
        found = [event for event in stream.read() if event["container"] == name]
    assert found[-1]["oom_kills"] == 1


def test_kills_for_want_of_memory_are_told_as_they_happen(box: Sandbox) -> None:
    """One after the other, of a container that runs on; of its init, with the end."""
    name = box.define("oom", "while read x; do busybox dd if=/dev/zero of=/dev/null bs=64M count=1;"
                      "done < /mnt/go", cgroup={"memory.max": "16M", "memory.swap.max": "0"})
    os.mkfifo(box.rootfs / "mnt/go")
    os.chmod(box.rootfs / "mnt/go", 0o666)
    with EventStream() as stream:
        pid = box.start(name)["pid"]
        with open(box.rootfs / "mnt/go", "w") as go:
            for count in (1, 2):
                go.write("go\n")
                go.flush()
                found: list[dict[str, t.Any]] = []
                while not any("oom_kills" in event for event in found):
                    stream.wait(PATIENCE)
                    found += [event for event in stream.read() if event["container"] == name]
                assert found[-1]["oom_kills"] == count and "state" not in found[-1]
                assert observe.status(name)["pid"] == pid
            os.kill(pid, signal.SIGKILL)
        assert box.ended(name)["state"] == "STOPPED"
        found = stream.read()
    assert [(event.get("state"), event.get("oom_kills")) for event in found] == [
        ("STOPPING", None), ("STOPPED", 2)]
