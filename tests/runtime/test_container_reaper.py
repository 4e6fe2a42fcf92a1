# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs below a small init: zombies, signals, exit status, and what that init may do itself."""
from __future__ import annotations

import os
import pathlib
import signal
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import lifecycle, observe, store
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import capabilities, processes
from container_sandbox import Sandbox, console, sandbox, status_lines, wait_until

box = pytest.fixture(sandbox)
KILL = 1 << capabilities.number("kill")


def children(pid: int) -> list[int]:
    return [int(word) for word in
            pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]


def test_zombies_are_reaped(box: Sandbox) -> None:
    """Ten orphans end at once; nothing of them is left but the program itself."""
    pid = box.launch("reap", "for i in 0 1 2 3 4 5 6 7 8 9; do (busybox sleep 0.2 &); done; "
                     "echo gone; exec busybox sleep 1000", init=True)
    wait_until(lambda: len(children(pid)) > 1)
    wait_until(lambda: len(children(pid)) == 1)
    assert (processes.stat_fields(pid) or [""])[0] == "S"


@pytest.mark.parametrize("privileged", [False, True])
def test_signals_reach_the_program(box: Sandbox, privileged: bool) -> None:
    """Also one that init itself has no handler for, and from a user other than its own."""
    name = box.define("sig", "trap 'echo usr1' USR1; trap 'echo bye; exit 5' TERM; echo ready; "
                      "while :; do busybox sleep 0.05; done", init=True, privileged=privileged,
                      uid=1000, gid=1000)
    pid = box.start(name)["pid"]
    wait_until(lambda: "ready" in console(name))
    os.kill(pid, signal.SIGUSR1)
    wait_until(lambda: "usr1" in console(name))
    outcome = lifecycle.stop([name])[name]
    assert isinstance(outcome, dict), outcome
    assert (outcome["killed"], outcome["exit"]) == ("", {"code": 5})
    assert "bye" in console(name)


@pytest.mark.parametrize("script, code", [("exit 3", 3), ("kill -KILL $$", 128 + 9)])
def test_it_ends_as_the_program_does(box: Sandbox, script: str, code: int) -> None:
    box.run("end", "busybox sleep 1000 & " + script, init=True)
    assert observe.status(box.names[0])["exit"] == {"code": code}


@pytest.mark.parametrize("options, words", [
    ({"command": ["/no/such"]}, "no such program"), ({"cwd": "/nowhere"}, "into the folder")])
def test_a_program_that_can_not_run_is_named(box: Sandbox, options: dict[str, t.Any],
                                             words: str) -> None:
    assert words in str(box.refused("bad", init=True, **options))


@pytest.mark.parametrize("privileged", [False, True])
def test_its_rights(box: Sandbox, privileged: bool) -> None:
    """Process 1 can do no more than signal; nobody inside may look into it."""
    script = ("busybox cat /proc/1/environ /proc/1/maps /proc/1/mem >/dev/null; "
              "busybox ls /proc/1/fd; echo done; exec busybox sleep 1000")
    name = box.define("rights", script, init=True, privileged=privileged, cap_drop=["kill"],
                      uid=7, init_groups=[8, 9], rlimits={"nofile": "77"})
    pid = box.start(name)["pid"]
    wait_until(lambda: "done" in console(name))
    mine, its = status_lines(pid), status_lines(children(pid)[0])
    assert mine["Name"] == "lxc-init"
    assert int(mine["CapEff"], 16) == int(mine["CapPrm"], 16) == KILL
    assert int(mine["CapInh"], 16) == int(mine["CapAmb"], 16) == 0
    assert int(its["CapBnd"], 16) | KILL == int(mine["CapBnd"], 16)
    assert not int(its["CapBnd"], 16) & KILL and not int(its["CapEff"], 16)
    assert mine["Seccomp"] == its["Seccomp"] == "2"
    ids = 0 if privileged else store.need_definition(name)["idmap"]["first"]
    assert its["Groups"].split() == [str(ids + 8), str(ids + 9)]
    assert os.listdir("/proc/%d/fd" % pid) == []
    assert [its[key].split()[-1] for key in ("NSpid", "NSpgid", "NSsid")] == ["2", "2", "1"]
    said = console(name)
    assert said.count("Permission denied") + said.count("can't open") >= 4, said
    limits = pathlib.Path("/proc/%d/limits" % children(pid)[0]).read_text()
    assert "77" in next(line for line in limits.splitlines() if "open files" in line)
