# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The console, its log, and the runtime's own command line, on real containers; needs root."""
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import select
import signal
import struct
import subprocess
import sys
import termios
import time
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    lifecycle,
    monitor,
    observe,
    runtime,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import capabilities
from container_sandbox import PATIENCE, Sandbox, console, status_lines, wait_until

box = pytest.fixture(container_sandbox.sandbox)
# Says each line that it reads, and how large its terminal is.
ECHO = "stty -echo 2>/dev/null; echo ready; while read line; do echo \"got $line\"; " \
       "[ $line = size ] && busybox stty size; done"


def fleet(*words: str) -> subprocess.CompletedProcess[str]:
    """The program itself, as who is on the host runs it."""
    return subprocess.run([runtime.ensure(), *words], check=False, capture_output=True, text=True,
                          timeout=2 * PATIENCE)


class Screen:
    """A terminal of the caller's with fleet-lxc on it."""

    def __init__(self, *words: str, rows: int = 33, columns: int = 77) -> None:
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        self.process = subprocess.Popen([runtime.ensure(), *words], stdin=slave, stdout=slave,
                                        stderr=slave, start_new_session=True)
        os.close(slave)
        self.shown = b""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def until(self, text: bytes) -> None:
        """See it on the screen; what was before is forgotten."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            assert select.select([self.master], [], [], end - time.monotonic())[0], self.shown
            try:
                self.shown += os.read(self.master, 4096)
            except OSError:
                raise AssertionError(self.shown) from None
        self.shown = self.shown.partition(text)[2]

    def ended(self) -> int:
        """What it ended with."""
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def screen(*words: str) -> t.Iterator[Screen]:
    made = Screen(*words)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        os.close(made.master)


def test_a_terminal_on_the_console(box: Sandbox) -> None:
    box.launch("console", ECHO)
    name = box.names[0]
    wait_until(lambda: "ready" in console(name))
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")
        one.type(b"hello\r")
        one.until(b"got hello")
        one.type(b"size\r")
        one.until(b"33 77")
        one.resize(44, 99)
        os.kill(one.process.pid, signal.SIGWINCH)
        wait_until(lambda: _size_is(one, b"44 99"))
        with screen("console", name) as two:  # both see all of it
            two.until(b"Ctrl+a itself")
            two.type(b"again\r")
            two.until(b"got again")
            one.until(b"got again")
            two.type(b"\x01q")
            assert two.ended() == 0
        one.type(b"still\r")
        one.until(b"got still")
        one.type(b"\x01q")
        assert one.ended() == 0
    assert observe.status(name)["state"] == "RUNNING"
    assert "got hello" in console(name) and "got still" in console(name)  # the log has it as well


def _size_is(one: Screen, size: bytes) -> bool:
    one.type(b"size\r")
    one.until(b"got size")
    while select.select([one.master], [], [], 0.2)[0] and b"\n" not in one.shown.strip():
        one.shown += os.read(one.master, 4096)
    return size in one.shown


def test_who_is_connected_leaves_when_the_container_ends(box: Sandbox) -> None:
    box.launch("ends", ECHO)
    name = box.names[0]
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")
        lifecycle.stop([name], kill=True)
        assert one.ended() == 0
    assert not os.path.exists(store.run_folder(name) + "/console.sock")
    refused = fleet("console", name)
    assert refused.returncode == 1 and "it does not run" in refused.stderr


def test_what_is_left_when_the_monitor_was_killed(box: Sandbox) -> None:
    box.launch("gone")
    name = box.names[0]
    monitor_pid = observe.status(name)["monitor_pid"]
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")
        os.kill(monitor_pid, signal.SIGKILL)
        assert one.ended() == 0
    refused = fleet("console", name)
    assert refused.returncode == 1 and "its monitor was killed" in refused.stderr
    assert "fleet-lxc attach " + name in refused.stderr  # the way in that is left
    assert fleet("attach", name, "/bin/busybox", "echo", "in").stdout == "in\n"
    assert "its monitor was killed" in fleet("info", name).stdout
    assert fleet("restart", "--kill", name).returncode == 0
    assert "its monitor" not in fleet("info", name).stdout
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")


def test_keys_reach_a_program_below_a_small_init(box: Sandbox) -> None:
    """It is in the foreground, though not the session's leader."""
    box.launch("keys", "trap 'echo interrupted' INT; echo ready; while :; do read line; done",
               init=True)
    name = box.names[0]
    wait_until(lambda: "ready" in console(name))
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")
        one.type(b"\x03")
        one.until(b"interrupted")


def test_memory_is_taken_from_a_monitor_last(box: Sandbox) -> None:
    pid = box.launch("oom")
    own = pathlib.Path("/proc/self/oom_score_adj").read_text()
    lowest = pathlib.Path("/proc/%d/oom_score_adj" % observe.status(box.names[0])["monitor_pid"])
    assert pathlib.Path("/proc/%d/oom_score_adj" % pid).read_text() == own
    may = int(status_lines(os.getpid())["CapEff"], 16) & 1 << capabilities.number("sys_resource")
    wait_until(lambda: lowest.read_text() == ("-900\n" if may else own))


def test_a_client_that_does_not_read_stops_nobody(box: Sandbox) -> None:
    box.launch("slow", "i=0; while read line; do while [ $i -lt 20000 ]; do i=$((i+1)); "
                       "echo 0123456789012345678901234567890123456789; done; echo finished; done")
    name = box.names[0]
    with screen("console", name) as one:
        one.until(b"Ctrl+a itself")
        os.kill(one.process.pid, signal.SIGSTOP)
        with screen("console", name) as two:
            two.until(b"Ctrl+a itself")
            two.type(b"go\r")
            wait_until(lambda: console(name).endswith("finished\n"))
        os.kill(one.process.pid, signal.SIGCONT)


def test_other_terminals_are_for_one_at_a_time(box: Sandbox) -> None:
    box.launch("ttys", "exec < /dev/tty1 > /dev/tty1 2>&1; " + ECHO, tty_max=2)
    name = box.names[0]
    with screen("console", "--tty", "1", name) as one:
        one.until(b"ready")
        one.type(b"hello\r")
        one.until(b"got hello")
        refused = fleet("console", "--tty", "1", name)
        assert "somebody else" in refused.stderr
    assert "no such terminal" in fleet("console", "--tty", "3", name).stderr
    wait_until(lambda: "somebody" not in fleet("console", "--tty", "1", name).stderr)


def test_a_terminal_survives_that_nobody_has_it_open(box: Sandbox) -> None:
    """As between a logout and the next login, when its outer end can't be read from."""
    script = ("while :; do echo login > /dev/tty1; read line < /dev/tty1; "
              "echo got $line > /dev/tty1; busybox sleep 0.3; done")
    box.launch("logins", script, tty_max=1)
    name = box.names[0]
    with screen("console", "--tty", "1", name) as one:
        for word in (b"first", b"second"):
            one.until(b"login")
            one.type(word + b"\r")
            one.until(b"got " + word)
        lifecycle.stop([name], kill=True)
        assert one.ended() == 0
    box.launch("never", tty_max=1)
    with screen("console", "--tty", "1", box.names[1]) as one:
        one.until(b"Ctrl+a itself")
        one.type(b"\x01q")
        assert one.ended() == 0


def test_one_of_many_monitors_sockets(box: Sandbox) -> None:
    names = [box.define(n, ECHO) for n in ("one", "two", "three")]
    assert all(isinstance(o, dict) for o in lifecycle.start(names).values())
    assert len({observe.status(n)["monitor_pid"] for n in names}) == 1
    lifecycle.stop(names[:1], kill=True)
    for name in names[1:]:
        with screen("console", name) as one:
            one.until(b"Ctrl+a itself")
            one.type(name.encode() + b"\r")
            one.until(b"got " + name.encode())


def test_the_log_is_limited_and_the_end_is_kept(box: Sandbox) -> None:
    line = "0123456789" * 10
    name = box.define("log", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); echo ${i}%s; done" % line)
    box.start(name)
    box.ended(name)
    log = pathlib.Path(store.folder(name), "console.log")
    before = log.with_name("console.log.1")
    for path in (log, before):
        assert path.stat().st_size <= monitor._LOG_LIMIT + 4096
        assert path.stat().st_mode & 0o777 == 0o600
    lines = (before.read_bytes() + log.read_bytes()).decode().splitlines()
    assert lines[-1] == "30000" + line
    # Nothing is missing where one file ends and the other begins.
    assert [int(one[:-len(line)]) for one in lines[1:]] == list(
        range(30000 - len(lines) + 2, 30001))


def test_words(box: Sandbox) -> None:
    name = box.define("cli", ECHO, start_auto=True, group=["x"])
    assert fleet("start", name).returncode == 0
    assert observe.status(name)["state"] == "RUNNING"
    assert fleet("start", name).returncode == 0
    rows = [row.split() for row in fleet("list").stdout.splitlines()]
    assert [name, "RUNNING", str(observe.status(name)["pid"]), "yes", "x"] in rows
    facts = json.loads(fleet("info", "--json", name).stdout)
    assert facts["state"] == "RUNNING" and facts["usage"]["pids"]["current"] >= 1
    assert "state: RUNNING" in fleet("info", name).stdout
    shown = fleet("attach", name, "--", "/bin/busybox", "echo", "inside")
    assert (shown.returncode, shown.stdout) == (0, "inside\n")
    assert fleet("freeze", name).returncode == 0 and observe.status(name)["state"] == "FROZEN"
    assert "Thaw it first" in fleet("attach", name, "--", "/bin/busybox", "true").stderr
    assert fleet("thaw", name).returncode == 0 and observe.status(name)["state"] == "RUNNING"
    pid = observe.status(name)["pid"]
    assert fleet("restart", "--kill", name).returncode == 0
    assert observe.status(name)["pid"] not in (0, pid)
    stopped = fleet("stop", "--kill", name)
    assert stopped.returncode == 0 and "it was asked for" in stopped.stderr
    assert observe.status(name)["state"] == "STOPPED"
    refused = fleet("start", name + "-none")
    assert refused.returncode == 1 and "not defined" in refused.stderr
    assert "Is %s meant?" % name in refused.stderr
    explained = fleet()  # which is no request to the launcher
    assert explained.returncode == 2 and "usage: fleet-lxc" in explained.stdout


def test_events(box: Sandbox) -> None:
    name = box.define("events")
    box.start(name)
    lines = [json.loads(line) for line in fleet("events", "--all", "--timeout", "0")
             .stdout.splitlines()]
    assert [e["state"] for e in lines if e["container"] == name][-2:] == ["STARTING", "RUNNING"]


def test_autostart_and_shutdown_in_order(box: Sandbox) -> None:
    first = box.define("z", start_auto=True, start_order=-5, group=["fleet-lxc-test"])
    second = box.define("a", start_auto=True, group=["fleet-lxc-test"])
    broken = box.define("m", "x", start_auto=True, group=["fleet-lxc-test"],
                        rootfs=str(box.folder / "none"))
    other = box.define("o", start_auto=True, group=["fleet-lxc-test-other"])
    group = ("--group", "fleet-lxc-test")
    assert fleet("autostart", *group, "--list").stdout.splitlines() == [
        first, "%s %s" % (second, broken)]
    assert "in 'fleet-lxc-tset' is marked" in fleet("autostart", "--group", "fleet-lxc-tset").stderr
    done = fleet("autostart", *group)
    assert done.returncode == 1 and broken in done.stderr and second not in done.stderr
    assert [observe.status(n)["state"] for n in (first, second, broken, other)] == [
        "RUNNING", "RUNNING", "STOPPED", "STOPPED"]
    stopped = fleet("shutdown", "--timeout", "1")
    assert stopped.returncode == 0, stopped.stderr
    lines = [json.loads(line) for line in fleet("events", "--all", "--timeout", "0")
             .stdout.splitlines()]
    ends = [e["container"] for e in lines if e.get("state") == "STOPPED"
            and e["container"] in (first, second)]
    assert ends[-2:] == [second, first]


def test_the_launcher_loads_nothing_of_the_command_line(box: Sandbox) -> None:
    program = runtime.ensure()
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         "import sys; sys.path.insert(0, %r); import fleet_lxc._container.launcher; "
         "print(*(n.rpartition('.')[2] for n in sys.modules if n.startswith('fleet')))"
         % os.path.dirname(program)], capture_output=True, text=True, check=True).stdout.split()
    assert not {"cli", "console", "autostart", "usage"} & set(found) and "launcher" in found
