# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether containers do their work: ports, commands and units; needs root."""
from __future__ import annotations

import errno
import pathlib
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import health, lifecycle
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PATIENCE, Sandbox, status_lines

box = pytest.fixture(container_sandbox.sandbox)
NOBODY = health.Check([], [], [], PATIENCE)


def ask(*names: str, timeout: float = PATIENCE, **more: t.Any) -> list[t.Any]:
    outcomes = health.wait(list(names), NOBODY._replace(**more), timeout, 0.1)
    assert list(outcomes) == list(names)
    return [str(o) if isinstance(o, LxcError) else sorted(o) for o in outcomes.values()]


def test_a_port_that_opens_later_and_one_that_does_not(box: Sandbox) -> None:
    name = box.define("port", "busybox sleep 0.3; exec busybox nc -l -p 8080")
    box.start(name)
    assert ask(name, ports=[8080]) == [["seconds"]]
    closed = ask(name, ports=[8080, 8081, 8082], timeout=0)
    assert "after 0 s, nothing listens on TCP port 8081, 8082" in closed[0]


def test_one_that_hangs_keeps_no_other_back(box: Sandbox) -> None:
    names = [box.define(name) for name in ("hangs", "good")]
    pids = [box.start(name)["pid"] for name in names]
    script = "busybox hostname | busybox grep -q good || busybox sleep 100"
    hangs, good = ask(*names, command=["/bin/sh", "-c", script], attempt=0.3, timeout=0)
    assert good == ["seconds"] and "did not end within 0.3 s" in hangs
    for pid in pids:  # nothing that was asked is left beside init
        children = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text()
        assert status_lines(pid)["State"].startswith("S") and children == ""


def test_a_unit_of_systemd(box: Sandbox) -> None:
    """By the words of systemctl(1); a script stands for it here."""
    fake = box.rootfs / "usr/systemctl"
    fake.write_text('#!/bin/sh\n[ "$*" = "is-active -- web.service" ] || exit 4\n'
                    '[ -e /tmp/up ] && { echo active; exit; }\n'
                    ': > /tmp/up; echo activating; exit 3\n')
    fake.chmod(0o755)
    name = box.define("unit", environment={"PATH": "/usr:/bin"})
    box.start(name)
    first = ask(name, units=["web.service"], timeout=0)
    assert "systemctl is-active -- web.service ended with 3: activating" in first[0]
    assert ask(name, units=["web.service"]) == [["seconds"]]


def test_what_ends_is_not_waited_for(box: Sandbox) -> None:
    name = box.define("ends", "exit 1")
    box.start(name)
    box.ended(name)
    outcome = health.wait([name], NOBODY._replace(ports=[80]), 100 * PATIENCE, 0.1)[name]
    assert isinstance(outcome, LxcError) and outcome.errno == errno.ESRCH


def test_a_program_that_is_not_there(box: Sandbox) -> None:
    name = box.define("nothing")
    box.start(name)
    assert "no-such" in ask(name, command=["/no-such"], timeout=0)[0]
    assert lifecycle.stop([name], 0)
