# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs as containers of their own, with their streams and codes; needs root."""
from __future__ import annotations

import os
import pathlib
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    application,
    exchange,
    observe,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.entry import Command
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PATIENCE, PREFIX, Sandbox, left_in_cgroups

box = pytest.fixture(container_sandbox.sandbox)
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


def run(name: str, script: str, stdin: bytes | None = None, timeout: float | None = PATIENCE,
        **more: t.Any) -> exchange.Result:
    name = PREFIX + name
    command = Command(["/bin/sh", "-c", script], **more)
    outcome = application.run({name: command}, stdin, timeout)[name]
    assert list(pathlib.Path(store.run_folder(name)).glob("std*")) == []
    if isinstance(outcome, LxcError):
        raise outcome
    return outcome


@kinds
def test_streams_codes_and_nothing_left(box: Sandbox, privileged: bool) -> None:
    name = box.define("app", privileged=privileged, environment={"A": "1"})
    done = run("app", "cat; echo error > /dev/stderr; echo $A $B $$ > /dev/stdout; exit 5",
               b"in\0put\xff\n", environment={"B": "2"})
    assert (done.rc, done.stdout, done.stderr) == (5, b"in\0put\xff\n1 2 1\n", b"error\n")
    assert container_sandbox.console(name) == ""
    assert observe.status(name)["state"] == "STOPPED" and left_in_cgroups(name) == []
    # Another user, and init ignores what it would kill itself with; its child does not.
    user = run("app", "busybox id -u; echo x > /dev/stdout; read x || echo none; "
                      "busybox sh -c 'kill -9 $$'; exit $?", user="7", cwd="/tmp")
    assert (user.rc, user.stdout) == (137, b"7\nx\nnone\n")


def test_much_output_and_a_background_child(box: Sandbox) -> None:
    box.define("appmuch")
    data = os.urandom(1 << 20) * 100
    done = run("appmuch", "busybox sleep 1000 & tee /dev/stderr", data)
    same = done.stdout == data, done.stderr == data  # of which pytest must not show a difference
    assert same == (True, True)
    # Who does not read it holds nobody up.
    assert run("appmuch", "exec 0<&-; echo", data[:1 << 20]).stdout == b"\n"
    assert run("appmuch", "busybox head -c 5 /dev/stdin", data[:1 << 20]).stdout == data[:5]
    assert run("appmuch", "cat", b"").stdout == b""


def test_its_definition_stays_as_it_is(box: Sandbox) -> None:
    name = box.define("appkeep")
    before = store.read_definition(name)
    assert run("appkeep", "echo once").stdout == b"once\n"
    assert store.read_definition(name) == before


def test_timeout(box: Sandbox) -> None:
    box.define("applate")
    done = run("applate", "echo before; busybox sleep 1000 & wait", timeout=0.3)
    assert (done.rc, done.stdout, done.timed_out) == (137, b"before\n", True)


def test_refused(box: Sandbox) -> None:
    name = box.define("appno")
    for more, text in (({"user": "joe"}, "none of that name"), ({"cwd": "/nope"}, "/nope")):
        with pytest.raises(LxcError, match=text):
            run("appno", "true", **more)
    with pytest.raises(LxcError, match="no such program"):
        outcome = application.run({name: Command(["/nope"])})[name]
        assert isinstance(outcome, LxcError)
        raise outcome
    box.start(name)
    with pytest.raises(LxcError, match="running already"):
        run("appno", "true")
    assert observe.status(name)["state"] == "RUNNING"


def test_several_at_a_time(box: Sandbox) -> None:
    names = [box.define("app%d" % number) for number in range(3)]
    outcomes = application.run({n: Command(["/bin/busybox", "hostname"]) for n in names})
    for name in names:
        outcome = outcomes[name]
        assert isinstance(outcome, exchange.Result) and outcome.stdout == name.encode() + b"\n"
