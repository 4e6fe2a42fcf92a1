# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: when they run, where, as whom, what they are told, and what comes of one that fails."""
from __future__ import annotations

import os
import pathlib
import signal
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    lifecycle,
    observe,
    operation,
)
from container_sandbox import Sandbox, console, sandbox, wait_until

box = pytest.fixture(sandbox)
HOST = ("pre-start", "start-host", "stop", "post-stop", "destroy")
ALL = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop", "post-stop",
       "destroy")


@pytest.fixture
def hook(box: Sandbox) -> pathlib.Path:
    """A program that writes down its arguments, variables and namespaces, wherever it runs."""
    box.folder.chmod(0o755)
    log = box.folder / "log"
    log.touch()
    log.chmod(0o666)
    program = box.folder / "hook"
    program.write_text("""#!/bin/sh
echo "$LXC_HOOK_TYPE|$*|$LXC_NAME|$LXC_HOOK_VERSION|$LXC_TARGET|$(readlink /proc/self/ns/pid)" >> %s
""" % log)
    program.chmod(0o755)
    return program


def lines(box: Sandbox) -> list[list[str]]:
    return [line.split("|") for line in (box.folder / "log").read_text().splitlines()]


@pytest.mark.parametrize("privileged", [False, True])
def test_all_run_in_order(box: Sandbox, hook: pathlib.Path, privileged: bool) -> None:
    kinds = [kind for kind in ALL if kind != "start"]  # the only one inside, tested below
    name = box.define("hook", hooks={kind: [str(hook)] for kind in kinds}, privileged=privileged)
    pid = box.start(name)["pid"]
    inside = os.readlink("/proc/%d/ns/pid" % pid)
    lifecycle.stop([name], kill=True)
    box.ended(name)
    lifecycle.destroy([name])
    said = lines(box)
    assert [line[0] for line in said] == kinds
    for kind, words, whose, version, target, namespace in said:
        assert words.startswith("%s lxc %s" % (name, kind)) and (whose, version) == (name, "0")
        assert (len(words.split()) > 3) is (kind == "stop")
        assert (namespace == os.readlink("/proc/self/ns/pid")) is (kind in HOST)
        assert (namespace == inside) is (kind not in HOST)
        assert target == ("stop" if kind in ("stop", "post-stop") else "")


@pytest.mark.parametrize("privileged", [False, True])
def test_what_a_mount_hook_mounts_is_there(box: Sandbox, privileged: bool) -> None:
    pid = box.launch("mount", privileged=privileged, hooks={
        "mount": ["mount -t tmpfs hook $LXC_ROOTFS_MOUNT/mnt; echo x > $LXC_ROOTFS_MOUNT/mnt/made;"
                  " :"],
        "autodev": ["ln -s null $LXC_ROOTFS_MOUNT/dev/made; :"]})
    top = "/proc/%d/root" % pid
    assert pathlib.Path(top + "/mnt/made").read_text() == "x\n"
    assert os.readlink(top + "/dev/made") == "null"
    assert "hook" not in pathlib.Path("/proc/self/mountinfo").read_text()


def test_a_start_hook_runs_inside_with_the_containers_rights(box: Sandbox) -> None:
    script = box.rootfs / "bin/hook"
    script.write_text("#!/bin/sh\nbusybox grep CapBnd /proc/self/status; echo $LXC_HOOK_TYPE$#\n")
    script.chmod(0o755)
    name = box.define("start", "busybox grep CapBnd /proc/self/status; exec busybox sleep 1000",
                      hooks={"start": ["/bin/hook > /tmp/said"]}, hook_version=1, uid=5)
    box.start(name)
    wait_until(lambda: "CapBnd" in console(name))
    said = (box.rootfs / "tmp/said").read_text().splitlines()
    assert said[0] == console(name).splitlines()[0] and said[1] == "start0"


@pytest.mark.parametrize("kind", ALL[:6])
def test_one_that_fails_fails_the_start(box: Sandbox, kind: str) -> None:
    error = box.refused("bad", hooks={kind: ["echo what happened >&2; exit 3; :"]},
                        mounts=[{"source": "/usr", "target": "/usr", "read_only": True}])
    assert "run the %s hook" % kind in str(error) and "status 3" in str(error)
    assert "what happened" in error.hint


def test_after_a_reboot_it_is_told(box: Sandbox, hook: pathlib.Path) -> None:
    name = box.define("again", "busybox test -e /tmp/again && exec busybox sleep 1000; "
                      "echo 1 > /tmp/again; exec busybox reboot -f",
                      hooks={"post-stop": str(hook)}, hook_version=1)
    box.start(name)
    wait_until(lambda: lines(box))
    assert lines(box)[0][:5] == ["post-stop", "", name, "1", "reboot"]
    wait_until(lambda: observe.status(name)["state"] == "RUNNING")


def test_an_unknown_variable_is_not_the_hosts(box: Sandbox, monkeypatch: t.Any) -> None:
    monkeypatch.setenv("SECRET", "of the task")
    box.launch("env", hooks={"pre-start": ["env > %s/log; :" % box.folder]})
    assert "SECRET" not in (box.folder / "log").read_text()


def waits_for(box: Sandbox, name: str) -> str:
    """A command that says that it has begun, and ends when it is let go."""
    os.mkfifo(box.folder / name)
    return "echo %s >> %s/begun; read nothing < %s/%s; :" % (name, box.folder, box.folder, name)


def begun(box: Sandbox) -> list[str]:
    path = box.folder / "begun"
    return path.read_text().split() if path.exists() else []


def let_go(box: Sandbox, name: str) -> None:
    (box.folder / name).write_text("go\n")


def test_a_slow_one_keeps_no_other_container_waiting(box: Sandbox) -> None:
    """They share a monitor: its end and its reboot, exit status, console and log go on."""
    slow = box.define("slow", hooks={"stop": waits_for(box, "one"),
                                     "post-stop": waits_for(box, "two")})
    brief = box.define("brief", "while [ ! -e /tmp/end ]; do sleep 0.05; done; echo said; exit 3")
    again = box.define("again", "[ -e /tmp/again ] && exec busybox sleep 1000; while [ ! -e "
                       "/tmp/end ]; do sleep 0.05; done; echo > /tmp/again; exec busybox reboot -f")
    assert all(isinstance(o, dict) for o in lifecycle.start([slow, brief, again]).values())
    before = observe.status(slow)
    assert {observe.status(n)["monitor_pid"] for n in box.names} == {before["monitor_pid"]}
    rebooted = observe.status(again)["pid"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: begun(box) == ["one"])
    (box.rootfs / "tmp/end").touch()
    assert wait_until(lambda: observe.status(brief)["exit"]) == {"code": 3}
    assert console(brief) == "said\n"
    wait_until(lambda: observe.status(again)["pid"] not in (0, rebooted))
    assert observe.status(slow)["state"] == "STOPPING" and begun(box) == ["one"]
    let_go(box, "one")
    wait_until(lambda: begun(box) == ["one", "two"])
    assert observe.status(slow)["state"] == "STOPPING"
    let_go(box, "two")
    assert box.ended(slow)["exit"] == {"signal": 9}


def test_one_for_the_end_that_fails_is_told_in_the_log(box: Sandbox) -> None:
    said = box.run("end", "true", hooks={"stop": "echo why; exit 3; :", "post-stop": "exit 4; :"})
    assert "run the stop hook" in said and "It said: why" in said and "status 4" in said
    assert observe.status(box.names[0])["exit"] == {"code": 0}


def test_a_stop_waits_for_slow_ones(box: Sandbox, monkeypatch: t.Any) -> None:
    """Longer than for a monitor that has nothing to run."""
    monkeypatch.setattr(operation, "CLEAN_UP", 0.1)
    name = box.define("patient", hooks={"post-stop": "sleep 0.5; echo done >> %s/begun; :"
                                                     % box.folder})
    box.start(name)
    outcome = lifecycle.stop([name], kill=True)[name]
    assert isinstance(outcome, dict) and begun(box) == ["done"]


@pytest.mark.parametrize("version", [0, 1])
def test_a_stop_hook_finds_the_namespaces_that_have_ended(box: Sandbox, version: int) -> None:
    """And a start-host hook finds init."""
    say = {0: "for a; do case $a in *:/*) echo ${a%%:*}=$(readlink ${a#*:});; esac; done",
           1: "for k in NET PID MNT USER; do eval p=\\$LXC_${k}_NS; "
              "echo $k=$(readlink $p) | tr A-Z a-z; done"}[version]
    script = box.folder / "stop"
    script.write_text("#!/bin/sh\n{ %s; } > %s/log\n" % (say, box.folder))
    script.chmod(0o755)
    tell = "echo $LXC_PID > %s/pid; :" % box.folder
    name = box.define("spaces", hooks={"stop": str(script), "start-host": tell},
                      hook_version=version)
    pid = box.start(name)["pid"]
    wanted = {kind: os.readlink("/proc/%d/ns/%s" % (pid, kind))
              for kind in ("net", "pid", "mnt", "user")}
    lifecycle.stop([name], kill=True)
    box.ended(name)
    said = dict(line.split("=") for line in (box.folder / "log").read_text().splitlines())
    assert {kind: said[kind] for kind in wanted} == wanted
    assert (box.folder / "pid").read_text() == "%d\n" % pid
