# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fifty operations at once, on one container and on fifty: disk and kernel agree at the end."""
from __future__ import annotations

import functools
import os
import pathlib
import socket
import typing as t

import faults
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    freezer,
    lifecycle,
    operation,
    starter,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import Sandbox, left_in_cgroups
from faults import goes_on, is_true, kernel_pids, settled

box = pytest.fixture(faults.sandbox)


@pytest.fixture(autouse=True)
def _patience(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:  # after the box's own
    """The last of fifty gets the lock when an emulated machine has carried out the others."""
    monkeypatch.setattr(operation, "_LOCK_TIMEOUT", 600)


Run = t.Callable[[], dict[str, t.Union[dict[str, t.Any], LxcError]]]


def in_processes(operations: list[Run]) -> str:
    """Each in a process of its own, all at the same time.

    :returns: the errors that they had, a line each
    """
    ready, go = os.pipe()
    told = os.memfd_create("errors")
    children = []
    for one in operations:
        child = os.fork()
        if child == 0:
            text = "it raised\n"
            try:
                os.close(go)
                os.read(ready, 1)
                text = "".join("%s\n" % outcome for outcome in one().values()
                               if isinstance(outcome, LxcError))
            finally:
                os.write(told, text.encode())  # the offset is shared
                os._exit(0)
        children.append(child)
    os.close(ready)
    os.close(go)
    for child in children:
        os.waitpid(child, 0)
    with os.fdopen(told) as stream:
        stream.seek(0)
        return stream.read()


def start(*names: str) -> Run:
    return functools.partial(lifecycle.start, list(names))


def stop(*names: str) -> Run:
    return functools.partial(lifecycle.stop, list(names), kill=True)


def test_fifty_start_and_stop_one_name(box: Sandbox) -> None:
    name = box.define("fault")
    assert in_processes([start(name), stop(name)] * 25) == ""
    goes_on(name, "start")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor")
@pytest.mark.parametrize("init", [False, True])
def test_no_container_or_hook_stays_on_the_processor_that_it_was_made_on(
        box: Sandbox, init: bool) -> None:
    every = os.sched_getaffinity(0)
    seen = box.folder / "seen"
    hooks = {"pre-start": ["grep Cpus_allowed_list /proc/self/status >> %s; :" % seen]}
    names = [box.define("fault%d" % number, init=init, hooks=hooks) for number in range(6)]
    os.sched_setaffinity(0, [min(every)])  # nor on whose who asks has
    try:
        outcomes = lifecycle.start(names)
    finally:
        os.sched_setaffinity(0, every)
    assert not [one for one in outcomes.values() if isinstance(one, LxcError)]
    for name in names:
        pids = kernel_pids(name)
        assert len(pids) == 1 + init and all(os.sched_getaffinity(pid) == every for pid in pids)
    status = pathlib.Path("/proc/self/status").read_text().splitlines()
    assert seen.read_text().splitlines() == 6 * [
        line for line in status if line.startswith("Cpus_allowed_list")]


def test_a_starter_goes_on_where_its_processor_has_gone() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            starter.serve(theirs, {}, theirs, [], 1023)
        finally:
            os._exit(0)
    theirs.close()
    for _number in range(3):  # it stays there from its second container on
        ours.send(b"fleet-lxc-test-none")
        assert b"error" in ours.recv(65536)
    ours.close()
    os.waitpid(child, 0)


def test_fifty_start_and_stop_fifty_names(box: Sandbox) -> None:
    names = [box.define("fault%d" % number) for number in range(50)]
    pairs = list(zip(names[::2], names[1::2]))
    assert in_processes([start(*pair) for pair in pairs] + [stop(*pair) for pair in pairs]) == ""
    running = [name for name in names if is_true(name)["pid"]]
    outcomes = lifecycle.start(names)
    for name in names:
        outcome = outcomes[name]
        assert isinstance(outcome, dict) and outcome["changed"] == (name not in running), outcome
        assert is_true(name)["state"] == "RUNNING"
    outcomes = lifecycle.destroy(names)
    assert not [outcome for outcome in outcomes.values() if isinstance(outcome, LxcError)]
    assert not any(map(left_in_cgroups, names))
    assert not [name for name in names if os.path.exists(store.run_folder(name))]


def test_who_waits_for_a_destroy_gets_a_folder_and_a_lock_of_its_own(
        box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    name, real = box.define("fault0"), os.rmdir
    waited: list[store.Lock] = []

    def rmdir(path: str, **options: t.Any) -> None:
        if not waited and str(path) == store.run_folder(name):
            waited.append(store.Lock(name, 0))
        real(path, **options)

    monkeypatch.setattr(os, "rmdir", rmdir)
    assert lifecycle.destroy([name]) == {name: {"changed": True}}
    assert os.path.exists(store.run_folder(name) + "/lock") and not store.exists(name)
    waited[0].release()
    outcome = lifecycle.start([name])[name]
    assert isinstance(outcome, LxcError) and "not defined" in str(outcome)
    assert not os.path.exists(store.run_folder(name))


def test_a_lock_ends_before_anybody_gets_it_whose_file_is_removed(
        box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    name, real = "fleet-lxc-test-none", operation._forget_empty
    refused: list[str] = []

    def forget_empty(given: store.Lock) -> None:
        with pytest.raises(LxcError, match="lock") as caught:
            store.Lock(name, 0)
        refused.append(str(caught.value))
        real(given)

    monkeypatch.setattr(operation, "_forget_empty", forget_empty)
    lifecycle.start([name])
    assert len(refused) == 1
    assert not os.path.exists(store.run_folder(name))


def test_a_folder_that_goes_away_just_now_is_made(
        tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, path = os.path.isdir, str(tmp_path / "run")
    seen: list[str] = []

    def isdir(asked: t.Any) -> bool:
        if str(asked) == path and not seen:
            seen.append(path)
            os.rmdir(path)
        return real(asked)

    os.mkdir(path)
    monkeypatch.setattr(os.path, "isdir", isdir)  # as makedirs looks what it is that is there
    store.make_folder(path)
    assert seen and real(path)
    monkeypatch.undo()
    os.rmdir(path)
    pathlib.Path(path).write_text("")
    with pytest.raises(LxcError, match="File exists"):
        store.make_folder(path)


def test_many_start_stop_freeze_and_destroy_many_names(box: Sandbox) -> None:
    names = [box.define("fault%d" % number) for number in range(4)]
    errors = in_processes([
        start(*names), stop(*names), start(*names[::-1]),
        functools.partial(freezer.freeze, names), functools.partial(lifecycle.destroy, names[:2]),
        start(*names[1:3]), functools.partial(freezer.thaw, names),
        functools.partial(lifecycle.restart, names[2:], kill=True)])
    assert all("it is not defined" in line or "it does not run" in line
               for line in errors.splitlines()), errors
    for name in names:
        settled(name)
        is_true(name)
        assert os.path.exists(store.folder(name)) == (name in names[2:])
    for name in names[2:]:
        freezer.thaw([name])
        lifecycle.stop([name], kill=True)
        goes_on(name, "start")
