# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source of Event-Driven Ansible on this host: a reader that is killed loses nothing."""
from __future__ import annotations

import asyncio
import gc
import importlib.util
import json
import logging
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import typing as t

import pytest
import yaml
from ansible_collections.fleet.lxc.plugins.module_utils._container import events, store, wait

PATH = (pathlib.Path(__file__).parents[2]
        / "extensions/eda/plugins/event_source/lxc_events.py")
NAME = "fleet-lxc-test-source"
_spec = importlib.util.spec_from_file_location("lxc_events", PATH)
assert _spec and _spec.loader
source: t.Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(source)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> t.Iterator[None]:
    """Short pauses; and asyncio, whose loop is the rulebook's, has nothing to complain of."""
    monkeypatch.setattr(source, "_PAUSES", (0.05, 0.05))
    store.make_folder(store.RUN)
    yield
    gc.collect()
    assert [record.getMessage() for record in caplog.get_records("call") + caplog.records
            if record.name == "asyncio" and record.levelno >= logging.WARNING] == []


def readers() -> list[int]:
    """What follows the stream for this process."""
    me = os.getpid()
    with open("/proc/%d/task/%d/children" % (me, me)) as stream:
        pids = [int(word) for word in stream.read().split()]
    return [pid for pid in pids
            if b"event_follow" in pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()]


async def begun(path: pathlib.Path) -> None:
    """Until the reader has said where it begins."""
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def arguments(tmp_path: pathlib.Path, **more: t.Any) -> dict[str, t.Any]:
    return {"hosts": [{"name": "here", "ssh": "localhost", "python": sys.executable}],
            "containers": [NAME + "*"], "state_file": str(tmp_path / "cursors"), **more}


def test_a_killed_reader_loses_nothing(tmp_path: pathlib.Path) -> None:
    async def run() -> list[dict[str, t.Any]]:
        queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        task = asyncio.create_task(source.main(queue, arguments(tmp_path)))
        await begun(tmp_path / "cursors")
        found = []
        for number in range(12):
            events.event(NAME, "RUNNING", number=number)
            events.event("fleet-lxc-test-other", "RUNNING")
            if number % 4 == 1:
                for pid in readers():
                    os.kill(pid, signal.SIGKILL)
            if number % 3 == 2:
                found += [await asyncio.wait_for(queue.get(), 20) for _number in range(3)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert queue.empty()
        return found

    found = asyncio.run(run())
    assert [event["number"] for event in found] == list(range(12))
    assert {(event["host"], event["container"]) for event in found} == {("here", NAME)}
    assert readers() == []


def test_a_rulebook_that_is_started_again_goes_on(tmp_path: pathlib.Path) -> None:
    async def run(count: int, **more: t.Any) -> list[int]:
        queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        task = asyncio.create_task(source.main(queue, arguments(tmp_path, **more)))
        await begun(tmp_path / "cursors")
        if not count:
            events.event(NAME, "RUNNING", number=0)
        found = [(await asyncio.wait_for(queue.get(), 20))["number"] for _n in range(count or 1)]
        # The cursor is written after the event was handed on.
        cursor = json.loads((tmp_path / "cursors").read_text())["here"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert cursor
        return found

    assert asyncio.run(run(0)) == [0]
    for number in (1, 2, 3):
        events.event(NAME, "STOPPED" if number == 2 else "RUNNING", number=number)
    assert asyncio.run(run(2))[-1] in (1, 2)
    asyncio.run(run(1))


def test_it_ends_when_all_that_it_has_started_has_ended(tmp_path: pathlib.Path) -> None:
    slow = tmp_path / "slow"  # somebody holds its standard error for a while
    slow.write_text("#!/bin/sh\nsleep 1 > /dev/null < /dev/null &\nexec %s \"$@\"\n"
                    % sys.executable)
    slow.chmod(0o755)

    async def run() -> set[t.Any]:
        queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        more = arguments(tmp_path)
        more["hosts"].append({"name": "slow", "ssh": "localhost", "python": str(slow)})
        task = asyncio.create_task(source.main(queue, more))
        while len(readers()) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert asyncio.run(run()) == set()


@pytest.fixture
def sshd(tmp_path: pathlib.Path) -> t.Iterator[list[str]]:
    """A server on a port of loopback that lets root in by a key. ssh's arguments for it."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / name)],
                       check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    made = not os.path.exists("/run/sshd")
    os.makedirs("/run/sshd", 0o755, exist_ok=True)
    server = subprocess.Popen([
        "/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", str(tmp_path / "host"),
        "-o", "Port=%d" % port, "-o", "ListenAddress=127.0.0.1", "-o", "PidFile=none",
        "-o", "AuthorizedKeysFile=%s.pub" % (tmp_path / "user"), "-o", "StrictModes=no",
        "-o", "PermitRootLogin=prohibit-password", "-o", "UsePAM=no"],
        stderr=subprocess.PIPE)
    try:
        assert server.stderr
        while b"listening on" not in server.stderr.readline():
            assert server.poll() is None
        yield ["-p", str(port), "-i", str(tmp_path / "user"), "-o", "StrictHostKeyChecking=no",
               "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-F", "none"]
    finally:
        server.kill()
        server.communicate()
        if made:
            os.rmdir("/run/sshd")


def test_two_hosts_over_ssh_whose_connections_break(tmp_path: pathlib.Path,
                                                    sshd: list[str]) -> None:
    async def run() -> list[dict[str, t.Any]]:
        queue: asyncio.Queue[dict[str, t.Any]] = asyncio.Queue()
        hosts = [{"name": name, "ssh": "root@127.0.0.1", "python": sys.executable}
                 for name in ("one", "two")]
        task = asyncio.create_task(source.main(
            queue, arguments(tmp_path, hosts=hosts, ssh_arguments=sshd)))
        await begun(tmp_path / "cursors")
        while set(json.loads((tmp_path / "cursors").read_text())) != {"one", "two"}:
            await asyncio.sleep(0.01)
        found = []
        for number in range(4):
            events.event(NAME, "RUNNING", number=number)
            if number == 1:
                for pid in readers():  # the clients of ssh
                    os.kill(pid, signal.SIGKILL)
            found += [await asyncio.wait_for(queue.get(), 20) for _host in hosts]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return found

    found = asyncio.run(run())
    for name in ("one", "two"):
        assert [e["number"] for e in found if e["host"] == name] == [0, 1, 2, 3]


@pytest.mark.parametrize("ending", ["echo no route >&2; exit 255", "read line; echo no route >&2"])
def test_what_ends_at_once_is_quoted(ending: str, tmp_path: pathlib.Path,
                                     caplog: pytest.LogCaptureFixture) -> None:
    """Such as ssh without a connection, which reads nothing of what it is sent."""
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n%s\n" % ending)
    python.chmod(0o700)

    async def run() -> None:
        host = {"name": "here", "ssh": "localhost", "python": str(python)}
        task = asyncio.create_task(source.main(asyncio.Queue(), {"hosts": [host]}))
        end = time.monotonic() + 20
        while caplog.text.count("the connection to here has ended") < 5:
            assert time.monotonic() < end
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    said = [record.getMessage() for record in caplog.records if record.name == "lxc_events"]
    assert set(said) == {"lxc_events: the connection to here has ended: no route"}


def test_only_some_states(tmp_path: pathlib.Path) -> None:
    host = source.Host("x", {"states": ["STOPPED"], "containers": ["a*"]})
    assert host._wanted({"container": "a1", "state": "STOPPED"})
    assert not host._wanted({"container": "a1", "state": "RUNNING"})
    assert not host._wanted({"container": "b1", "state": "STOPPED"})


def test_what_ssh_is_told(tmp_path: pathlib.Path) -> None:
    words = source.Host("root@h", {"ssh_arguments": ["-p", 2222], "become": True}).command("a:1")
    assert words[0] == "ssh" and words[-2] == "root@h" and ["-p", "2222"] == words[-5:-3]
    assert words[-1].startswith("sudo -n python3 -I -c '") and words[-1].endswith(" a:1")


@pytest.mark.parametrize("given,said", [
    ({"since": "yesterday"}, "since is 'yesterday', and neither 'now' nor 'beginning'"),
    ({"host": ["a"]}, "there is no option host; there are hosts, containers, states, since, "
                      "state_file, become, python, ssh_arguments"),
    ({"hosts": "a"}, "hosts is 'a', and no list"),
    ({"containers": "web*"}, "containers is 'web*', and no list"),
    ({"containers": [1]}, "containers has 1, which is no text"),
    ({"states": "STOPPED"}, "states is 'STOPPED', and no list"),
    ({"states": ["stopped"]}, "states has 'stopped', which is none of STOPPED, STARTING, RUNNING, "
                              "STOPPING, ABORTING, FREEZING, FROZEN, THAWED"),
    ({"ssh_arguments": "-p 2222"}, "ssh_arguments is '-p 2222', and no list"),
    ({"hosts": [7]}, "hosts has 7, which is neither text nor a dictionary"),
    ({"hosts": [{"host": "a"}]}, "hosts has {'host': 'a'}, with host besides name, ssh, become, "
                                 "python"),
    ({"hosts": [{"become": True}]}, "hosts has {'become': True}, with neither name nor ssh"),
    ({"hosts": ["a", {"name": "a", "ssh": "b"}]}, "hosts has a twice"),
    ({"state_file": "/nonexistent/cursors"}, "state_file is '/nonexistent/cursors', and there is "
                                             "no folder /nonexistent"),
])
def test_wrong_arguments_are_refused(given: dict[str, t.Any], said: str) -> None:
    with pytest.raises(ValueError) as caught:
        asyncio.run(asyncio.wait_for(source.main(None, given), 20))
    assert str(caught.value) == said


@pytest.mark.parametrize("text", ['{"here": ', "[]", '{"here": 1}', "\xff"])
def test_a_state_file_that_is_none_is_refused(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cursors"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError) as caught:
        asyncio.run(asyncio.wait_for(source.main(None, {"state_file": str(path)}), 20))
    assert str(caught.value) == ("state_file is '%s', which is no state file of lxc_events: remove "
                                 "it, or name another" % path)


def test_the_options_and_states_are_those_of_the_documentation() -> None:
    assert source._OPTIONS == tuple(yaml.safe_load(source.DOCUMENTATION)["options"])
    assert source._STATES == wait.STATES
