# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations in processes of their own, with faults, and what has to be true after them."""
from __future__ import annotations

import os
import pathlib
import select
import signal
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    fault,
    lifecycle,
    observe,
    operation,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PATIENCE, Sandbox, left_in_cgroups, wait_until

_begun: list[Operation] = []
_held: list[int] = []


def sandbox(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Sandbox]:
    """For a fixture: containers, and operations of which none outlives a test that fails."""
    monkeypatch.setattr(operation, "_LOCK_TIMEOUT", PATIENCE)
    for box in container_sandbox.sandbox():
        try:
            yield box
        finally:
            while _begun:
                _begun.pop().end()
            while _held:
                _signal(_held.pop(), signal.SIGCONT)


class Operation:
    """Something done to one container in a process of its own, as a module does it.

    :param text: the point at which something happens, as fault.arm() takes it; "" for none
    """

    def __init__(self, run: t.Callable[..., t.Any], name: str, text: str = "",
                 **options: t.Any) -> None:
        self._before = set(pids())
        self.module = os.fork()
        if self.module == 0:
            code = 2
            try:
                os.environ[fault.VARIABLE] = text
                fault.arm(text)
                code = int(isinstance(run([name], **options)[name], LxcError))
            finally:
                os._exit(code)
        self._pidfd = os.pidfd_open(self.module)
        _begun.append(self)

    def ended(self) -> int:
        """Wait for the module's end: 0, 1 when it has failed, or minus the signal."""
        assert select.select([self._pidfd], [], [], PATIENCE)[0], "the operation hangs"
        _begun.remove(self)
        os.close(self._pidfd)
        return os.waitstatus_to_exitcode(os.waitpid(self.module, 0)[1])

    def end(self) -> None:
        """What a test that has failed leaves of it: else it would keep the container's lock."""
        for pid in self._new():
            if pid == self.module or comm(pid) == "fault":
                _signal(pid, signal.SIGKILL)
        os.close(self._pidfd)
        os.waitpid(self.module, 0)

    def hanging(self) -> int:
        """Wait until a process has got to the point. Its pid."""
        return int(wait_until(lambda: next((pid for pid in self._new()
                                            if comm(pid) == "fault"), 0)))

    def victim(self, who: str) -> int:
        """A process of the operation, or what it has to do with: module, launcher (the monitor),
        network (the worker), starter, init.
        """
        if who == "module":
            return self.module
        # The launcher is the child of nobody of ours.
        ours = [pid for pid in self._new() if "fleet-lxc/runtime" in cmdline(pid)]
        launcher = next(pid for pid in ours
                        if parent(pid) not in ours and parent(pid) != self.module)
        if who == "launcher":
            return launcher
        children = [pid for pid in self._new() if parent(pid) == launcher]
        own = namespace(os.getpid())
        if who == "init":
            return next(pid for pid in children if namespace(pid) not in (own, ""))
        helpers = [pid for pid in children if namespace(pid) == own]
        return helpers[0 if who == "network" else -1]  # the worker is forked first

    def _new(self) -> list[int]:
        return [pid for pid in pids() if pid not in self._before]


def pids() -> list[int]:
    """Every process, in the order of pids."""
    return sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _text(pid: int, name: str) -> str:
    try:
        return pathlib.Path("/proc/%d/%s" % (pid, name)).read_text()
    except OSError:
        return ""


def comm(pid: int) -> str:
    return _text(pid, "comm").strip()


def cmdline(pid: int) -> str:
    return _text(pid, "cmdline")


def parent(pid: int) -> int:
    """0 for one that has gone."""
    return int((_text(pid, "stat").rpartition(") ")[2].split() or [0, 0])[1])


def namespace(pid: int) -> str:
    try:
        return os.readlink("/proc/%d/ns/pid" % pid)
    except OSError:
        return ""


def kill(pid: int) -> None:
    """And wait until it has died; a zombie has no program any more."""
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists("/proc/%d/exe" % pid))


def resume(pid: int) -> None:
    """Let a process go on that waits at a point, unless it has gone with the victim."""
    _signal(pid, signal.SIGUSR1)


def hold(pid: int) -> None:
    """Have it do nothing until it is killed, or the test ends."""
    _held.append(pid)
    os.kill(pid, signal.SIGSTOP)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kernel_pids(name: str) -> set[int]:
    """Processes in control groups of that name: what the kernel says, whatever the disk does."""
    return {int(word) for folder in left_in_cgroups(name)
            for path, _names, _files in os.walk(folder)
            for word in pathlib.Path(path, "cgroup.procs").read_text().split()}


def settled(name: str) -> None:
    """Until nobody works on the container any more, as its lock says."""
    if os.path.exists(store.folder(name)):
        store.Lock(name, PATIENCE).release()


def is_true(name: str) -> dict[str, t.Any]:
    """What is said of the container agrees with its processes. Its status."""
    found: dict[str, t.Any] = observe.status(name)
    if found["pid"]:
        assert found["state"] in ("RUNNING", "FROZEN")
        assert os.path.exists("/proc/%d/exe" % found["pid"]), found
        assert kernel_pids(name) == {found["pid"]}
    else:
        assert found["state"] in ("STOPPED", "STOPPING"), found
    return found


def goes_on(name: str, what: str) -> None:
    """The next operation succeeds, and then the disk and the kernel agree.

    :param what: "start", or at once the removal, "destroy"
    """
    settled(name)
    running = is_true(name)["pid"]  # a container lives on when its monitor is killed
    if what == "start":
        outcome = lifecycle.start([name])[name]
        assert isinstance(outcome, dict) and outcome["changed"] == (not running), outcome
        status = is_true(name)
        assert status["state"] == "RUNNING" and (running or status["monitor_pid"]), status
        outcome = lifecycle.stop([name], kill=True)[name]
        assert isinstance(outcome, dict) and outcome["changed"], outcome
    outcome = lifecycle.destroy([name])[name]
    assert not isinstance(outcome, LxcError), outcome
    assert kernel_pids(name) == set() and left_in_cgroups(name) == []
    assert not os.path.exists(store.run_folder(name))
