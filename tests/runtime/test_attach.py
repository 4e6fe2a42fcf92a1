# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a running container: what goes in and comes out, as whom; needs root."""
from __future__ import annotations

import errno
import os
import pathlib
import signal
import subprocess
import sys
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    attach,
    attacher,
    exchange,
    lifecycle,
    observe,
    runtime,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.entry import Command
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import descriptors
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PREFIX, Sandbox, status_lines, wait_until

box = pytest.fixture(container_sandbox.sandbox)
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


@pytest.fixture(params=[False, True], ids=["itself", "attacher"], autouse=True)
def _who_forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(exchange, "_MANY", 1)


def run(name: str, script: str | list[str], stdin: bytes | None = None,
        timeout: float | None = container_sandbox.PATIENCE, **more: t.Any) -> exchange.Result:
    argv = ["/bin/sh", "-c", script] if isinstance(script, str) else script
    name = PREFIX + name
    outcome = exchange.run({name: Command(argv, **more)}, stdin, timeout)[name]
    if isinstance(outcome, LxcError):
        raise outcome
    return outcome


@kinds
def test_streams_and_codes(box: Sandbox, privileged: bool) -> None:
    box.launch("io", privileged=privileged)
    done = run("io", "cat; echo error >&2; exit 7", b"in\0put\xff")
    assert (done.rc, done.stdout, done.stderr) == (7, b"in\0put\xff", b"error\n")
    assert not done.timed_out and done.ended >= done.began
    assert run("io", "kill -TERM $$").rc == 128 + 15
    assert run("io", "read x; echo $?").stdout == b"1\n"  # without input: at its end
    # Opening one's own /dev/stdout again is about the owner of the pipe.
    assert run("io", "echo again > /dev/stdout", user="7", group="8").stdout == b"again\n"


def test_much_in_both_directions(box: Sandbox) -> None:
    box.launch("much")
    data = os.urandom(1 << 20) * 100
    done = run("much", "tee /dev/stderr", data)
    same = done.stdout == data, done.stderr == data  # of which pytest must not show a difference
    assert same == (True, True)
    # Who does not read it holds nobody up.
    assert run("much", "exec 0<&-; busybox sleep 0.1; echo", data[:1 << 20]).stdout == b"\n"


def test_a_background_child_holds_nobody_up(box: Sandbox) -> None:
    init = box.launch("child")
    done = run("child", "busybox sleep 1000 & echo $!; busybox yes > /dev/null & echo x",
               timeout=None)
    assert done.rc == 0 and done.stdout.endswith(b"\nx\n")
    # It lives on, in the container: its parent is init now.
    inner = int(done.stdout.split()[0])
    children = pathlib.Path("/proc/%d/task/%d/children" % (init, init))
    pids = wait_until(lambda: [pid for pid in children.read_text().split()
                               if status_lines(int(pid))["NSpid"].split()[-1] == str(inner)])
    assert len(pids) == 1


def test_a_timeout_kills_everything_that_was_started(box: Sandbox) -> None:
    init = box.launch("late")
    done = run("late", "(busybox setsid busybox sleep 1000 &) ; echo before; busybox sleep 1000",
               timeout=0.3)
    assert (done.rc, done.stdout, done.timed_out) == (137, b"before\n", True)
    children = pathlib.Path("/proc/%d/task/%d/children" % (init, init))
    wait_until(lambda: all(status_lines(int(pid))["State"].startswith("Z")
                           for pid in children.read_text().split()))


def test_a_group_goes_when_what_was_left_in_it_has_ended(box: Sandbox) -> None:
    box.launch("left")
    child = os.fork()  # who has attached ends before what is left
    if child == 0:
        try:
            run("left", "busybox sleep 1 > /dev/null 2>&1 &", timeout=20)
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    def groups() -> list[pathlib.Path]:
        state = store.read_state(PREFIX + "left")
        assert state
        return [found for folder in state["cgroups"]
                for found in pathlib.Path(folder).glob(".attach-*")]

    left, = groups()
    wait_until(lambda: not (left / "cgroup.procs").read_text())
    assert run("left", "echo again", timeout=20).stdout == b"again\n"
    assert groups() == []


def test_environment_and_folder(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    (box.rootfs / "etc/passwd").write_text("root:x:0:0:root:/tmp:/bin/sh\n")
    box.launch("env", environment={"FROM": "definition", "BOTH": "1"}, cwd="/etc")
    shown = run("env", "pwd; busybox env", environment={"BOTH": "2"}).stdout.decode().split("\n")
    assert shown[0] == "/etc"
    found = dict(line.split("=", 1) for line in shown[1:] if "=" in line)
    assert found.pop("PWD", "/etc") == "/etc"
    found.pop("SHLVL", None)
    assert found == {"BOTH": "2", "FROM": "definition", "HOME": "/tmp", "LOGNAME": "root",
                     "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "SHELL": "/bin/sh", "TERM": "linux", "USER": "root", "container": "lxc"}
    shown2 = run("env", "pwd; echo $SECRET", cwd="/tmp", keep=dict(os.environ)).stdout
    assert shown2 == b"/tmp\nof the host\n"


@kinds
def test_users_and_groups(box: Sandbox, privileged: bool) -> None:
    (box.rootfs / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n"
                                           "web:x:33:34:Web:/tmp:/bin/sh\nbroken\n")
    (box.rootfs / "etc/group").write_text("web:x:34:\nlog:x:40:x,web\nadm:x:41:\n")
    init = box.launch("who", privileged=privileged)
    show = "busybox id -u; busybox id -g; busybox id -G; echo $HOME $USER"
    for more, expected in (
            ({}, "0 0 0 /root root"), ({"user": "web"}, "33 34 34 40 /tmp web"),
            ({"user": "33", "group": "adm"}, "33 41 41 40 /tmp web"),
            ({"user": "web", "groups": ["adm", "7"]}, "33 34 34 7 41 /tmp web"),
            ({"user": "999"}, "999 999 999 /"), ({"user": "web", "groups": []},
                                                 "33 34 34 /tmp web")):
        assert " ".join(run("who", show, **more).stdout.decode().split()) == expected
    for more, word in (({"user": "nobody"}, "/etc/passwd"), ({"group": "none"}, "/etc/group")):
        with pytest.raises(LxcError, match=word):
            run("who", show, **more)
    # To the kernel it is the container's own id.
    base = 0 if privileged else int(pathlib.Path("/proc/%d/uid_map" % init).read_text().split()[1])
    done = run("who", "busybox grep Uid /proc/self/status", user="web")
    assert done.stdout.decode().split()[1] == "33"
    holder = run("who", "busybox sleep 1000 >/dev/null 2>&1 & echo $!", user="web")
    inner = holder.stdout.decode().strip()
    found = [p for p in pathlib.Path("/proc/%d/task/%d/children" % (init, init)).read_text().split()
             if status_lines(int(p))["NSpid"].split()[-1] == inner]
    assert status_lines(int(found[0]))["Uid"].split() == [str(base + 33)] * 4


def test_what_else_init_has(box: Sandbox) -> None:
    arch, machine = {"x86_64": ("i686", b"i686"),
                     "aarch64": ("armhf", b"armv8l")}[os.uname().machine]
    init = box.launch("else", arch=arch, init_groups=[7, 9], time_offset_boot="1h", init=True,
                      rlimits={"nofile": "77:88"})
    shown = run("else", "busybox uname -m; busybox id -G; ulimit -n; busybox cat /proc/uptime")
    words = shown.stdout.split()
    assert words[:5] == [machine, b"0", b"7", b"9", b"77"]
    assert float(words[5]) > float(pathlib.Path("/proc/uptime").read_text().split()[0]) + 3000
    sets = {key: status_lines(init)[key] for key in ("CapBnd", "Seccomp")}
    mine = run("else", ["/bin/busybox", "cat", "/proc/self/status"]).stdout.decode()
    assert int(dict(line.split(":\t") for line in mine.splitlines())["CapBnd"], 16) & \
        ~int(sets["CapBnd"], 16) == 0


def test_what_can_not_run(box: Sandbox) -> None:
    box.launch("no")
    (box.rootfs / "etc/plain").write_text("text\n")
    (box.rootfs / "etc/empty").touch(0o755)
    for argv, code in ((["/nope"], errno.ENOENT), (["nope"], errno.ENOENT),
                       (["/etc/plain"], errno.EACCES), (["/etc/empty"], errno.ENOEXEC)):
        with pytest.raises(LxcError) as caught:
            run("no", argv)
        assert (caught.value.doing, caught.value.errno) == ("run", code)
    for file, text, words in (("script", "#! /bin/nobody -x\n", "but /bin/nobody is not"),
                              ("plain", "true\n", "nor a script with a line like #!/bin/sh")):
        (box.rootfs / "etc" / file).write_text(text)
        (box.rootfs / "etc" / file).chmod(0o755)
        with pytest.raises(LxcError, match=words):
            run("no", ["/etc/" + file])
    with pytest.raises(LxcError, match="/nowhere"):
        run("no", "true", cwd="/nowhere")
    with pytest.raises(LxcError, match="no such id"):
        run("no", "true", user="70000")


def test_only_what_runs(box: Sandbox) -> None:
    name = box.define("state")
    with pytest.raises(LxcError, match="STOPPED"):
        run("state", "true")
    with pytest.raises(LxcError, match="not defined"):
        run("unknown", "true")
    box.start(name)
    lifecycle.stop([name], kill=True)
    with pytest.raises(LxcError) as caught:
        run("state", "true")
    assert caught.value.errno == errno.ESRCH


def test_many_at_a_time_and_one_that_fails(box: Sandbox) -> None:
    names = [box.define("many%d" % i) for i in range(3)]
    assert not any(isinstance(o, LxcError) for o in lifecycle.start(names[:2]).values())
    outcomes = exchange.run({n: Command(["/bin/busybox", "hostname"]) for n in names}, parallel=3)
    assert list(outcomes) == names
    for name in names[:2]:
        outcome = outcomes[name]
        assert isinstance(outcome, exchange.Result) and outcome.stdout == name.encode() + b"\n"
    assert isinstance(outcomes[names[2]], LxcError)


def test_what_is_too_long_for_a_message_arrives(box: Sandbox) -> None:
    box.launch("long")
    assert run("long", "echo ${#A}", environment={"A": "x" * 100000}).stdout == b"100000\n"


def test_an_attacher_that_is_killed_says_so_and_leaves_nothing(
        box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [box.define("many%d" % i) for i in range(3)]
    lifecycle.start(names)
    ask, killed = attacher.Attacher.ask, []

    def kill_and_ask(self: attacher.Attacher, *arguments: t.Any) -> None:
        if len(killed) == 1:  # the first one has begun
            self.take()
            os.kill(self._pid, signal.SIGKILL)
            os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
        killed.append(self._pid)
        ask(self, *arguments)

    monkeypatch.setattr(attacher.Attacher, "ask", kill_and_ask)
    monkeypatch.setattr(exchange, "_MANY", 1)
    before = os.listdir("/proc/self/fd")
    outcomes = exchange.run({n: Command(["/bin/busybox", "hostname"]) for n in names}, parallel=3)
    assert isinstance(outcomes[names[0]], exchange.Result)
    assert all("was killed" in str(outcomes[name]) for name in names[1:])
    assert os.listdir("/proc/self/fd") == before
    assert not os.path.exists("/proc/%d" % killed[0])


def test_a_program_whose_descriptor_does_not_get_through_is_ended(
        box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the caller may have no more open files."""
    init = box.launch("files")
    receive = descriptors.receive

    def receive_none(link: t.Any) -> tuple[bytes, list[int]]:
        data, fds = receive(link)
        for fd in fds:
            os.close(fd)
        return data, []

    monkeypatch.setattr(descriptors, "receive", receive_none)
    monkeypatch.setattr(exchange, "_MANY", 1)
    with pytest.raises(LxcError, match="open files"):
        run("files", "exec busybox sleep 1000")
    group = observe.status(PREFIX + "files")["recorded"]
    assert observe.container_pids(group) == [init]


def test_where_there_can_be_no_attacher_the_caller_does_it(
        box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interpreter(word: str, fds: list[int]) -> int:
        raise OSError(errno.EROFS, "no")

    box.launch("alone")
    monkeypatch.setattr(attach, "interpreter", interpreter)
    monkeypatch.setattr(exchange, "_MANY", 1)
    assert run("alone", "echo done").stdout == b"done\n"


def test_an_attacher_is_for_many_programs_of_a_large_process() -> None:
    assert attacher.pays()  # pytest has more than 8 MB
    program = "import sys; sys.path.insert(0, %r); " \
        "from fleet_lxc._container import attacher, exchange; " \
        "print(attacher.pays(), exchange._attacher(100))" % os.path.dirname(runtime.ensure())
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True, text=True,
                          capture_output=True)
    assert done.stdout == "False None\n"
    assert exchange._attacher(0) is None
