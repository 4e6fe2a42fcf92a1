# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever attaches has the rights of the container's init, and gives away nothing; needs root."""
from __future__ import annotations

import os
import pathlib
import signal
import sys
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    attach,
    exchange,
    program,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.entry import Command
from ansible_collections.fleet.lxc.plugins.module_utils._container.target import Target
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import PREFIX, USR, Sandbox, status_lines
from test_container_security import CALLS, STRONG

box = pytest.fixture(container_sandbox.sandbox)
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


@pytest.fixture(params=[False, True], ids=["itself", "attacher"], autouse=True)
def _who_forks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param:
        monkeypatch.setattr(exchange, "_MANY", 1)


def run(name: str, script: str | list[str],
        timeout: float | None = container_sandbox.PATIENCE, **more: t.Any) -> str:
    """What it writes, errors included."""
    argv = ["/bin/sh", "-c", script] if isinstance(script, str) else script
    name = PREFIX + name
    outcome = exchange.run({name: Command(argv, **more)}, timeout=timeout)[name]
    if isinstance(outcome, LxcError):
        raise outcome
    return (outcome.stdout + outcome.stderr).decode()


@kinds
def test_rights_are_those_of_init(box: Sandbox, privileged: bool) -> None:
    keys = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    for name, more in (("plain", {}), ("nnp", {"no_new_privs": True}),
                       ("few", {"cap_keep": ["kill"], "seccomp": "unconfined"})):
        init = status_lines(box.launch(name, privileged=privileged, **more))
        shown = run(name, ["/bin/busybox", "cat", "/proc/self/status"])
        mine = dict(line.split(":\t") for line in shown.splitlines())
        assert {k: mine[k] for k in keys} == {k: init[k] for k in keys}
    sets = run("plain", ["/bin/busybox", "cat", "/proc/self/status"], user="5")
    mine = dict(line.split(":\t") for line in sets.splitlines())
    assert {int(mine[k], 16) for k in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}


def test_rights_that_init_has_dropped_are_gone(box: Sandbox) -> None:
    """The bounding set of init as it is now."""
    box.launch("drop", privileged=True, mounts=[USR], command=[
        "/usr/bin/python3", "-I", "-S", "-c",
        "import ctypes, time\n"
        "for bit in (0, 5): assert ctypes.CDLL(None).prctl(24, bit, 0, 0, 0) == 0\n"
        "print('dropped', flush=True)\ntime.sleep(1000)"])
    container_sandbox.wait_until(lambda: container_sandbox.console(PREFIX + "drop"))
    shown = run("drop", ["/bin/busybox", "cat", "/proc/self/status"])
    mine = dict(line.split(":\t") for line in shown.splitlines())
    assert int(mine["CapEff"], 16) & 0b100001 == 0 != int(mine["CapEff"], 16)


@kinds
def test_namespaces_and_control_groups_are_those_of_init(box: Sandbox, privileged: bool) -> None:
    init = box.launch("where", privileged=privileged)
    script = "for n in /proc/%s/ns/*; do busybox readlink $n; done"
    ours, theirs = (run("where", script % pid) for pid in ("self", "1"))
    assert ours == theirs and ours.count("[") > 6
    inner = run("where", "busybox sleep 1000 > /dev/null 2>&1 & echo $!", timeout=None).strip()
    children = pathlib.Path("/proc/%d/task/%d/children" % (init, init)).read_text().split()
    pid = next(p for p in children if status_lines(int(p))["NSpid"].split()[-1] == inner)
    folder = "/%s/%s" % (container_sandbox.TREE, PREFIX + "where")
    found = [{line for line in pathlib.Path("/proc/%s/cgroup" % who).read_text().splitlines()
              if line.endswith(folder)} for who in (init, pid)]
    plan = store.read_json(store.run_folder(PREFIX + "where") + "/plan.json") or {}
    assert found[0] == found[1] and len(found[0]) == len(plan["cgroups"]["all"]) > 0


@kinds
def test_no_descriptor_of_the_host_is_open(box: Sandbox, privileged: bool) -> None:
    box.launch("fds", privileged=privileged)
    leak = os.open("/root", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        shown = run("fds", "for f in /proc/$$/fd/*; do busybox readlink $f; done; "
                           "busybox cat /proc/$$/stat")
    finally:
        os.close(leak)
    *fds, stat = shown.splitlines()
    assert len(fds) == 3
    assert [fd for fd in fds if not fd.startswith("pipe:") and fd != "/dev/null"] == []
    fields = stat.rpartition(")")[2].split()
    assert fields[2:5] == [stat.split()[0]] * 2 + ["0"]  # its own group, session, no terminal


@kinds
def test_seccomp_filter(box: Sandbox, privileged: bool) -> None:
    box.launch("calls", privileged=privileged, mounts=[USR], cap_add=["sys_admin", "bpf"])
    assert run("calls", ["/usr/bin/python3", "-I", "-S", "-c", CALLS]) == "1 1 38\n"


@kinds
def test_nobody_looks_into_the_attacher(box: Sandbox, privileged: bool,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside, and not yet the program: its descriptors, memory and links are closed to all."""
    box.launch("peek", privileged=privileged, **({} if privileged else STRONG))
    monkeypatch.setattr(attach, "is_safe", lambda _target: True)
    monkeypatch.setattr(program, "find", _sleep)
    target = Target(PREFIX + "peek")
    null = os.open("/dev/null", os.O_RDWR)
    slow = attach.spawn(target, Command(["sleep"]), (null, null, null))
    try:
        assert os.read(slow.status, 100) == b"inside"
        monkeypatch.undo()
        lines = status_lines(slow.pid)
        assert pathlib.Path("/proc/%d/fd" % slow.pid).stat().st_uid == 0
        inner = lines["NSpid"].split()[-1]
        looks = ("readlink fd/1", "readlink exe", "readlink cwd", "ls root/", "ls cwd/",
                 "head -c1 mem", "head -c1 maps", "head -c1 environ", "head -c1 fd/1")
        shown = run("peek", "cd /proc/%s || exit; %s; echo end" % (inner, "; ".join(
            "busybox %s 2> /dev/null && echo '%s'" % (look, look) for look in looks)))
    finally:
        slow.kill()
        slow.reap()
        target.close()
        for fd in (slow.status, null):
            os.close(fd)
    assert shown == "end\n"


def _sleep(_name: str, _path: str) -> str:
    for fd in range(3, 20):  # the status is the only pipe among them
        try:
            os.write(fd, b"inside")
        except OSError:
            pass
    signal.pause()
    return ""


@kinds
def test_python_of_the_root_file_system_does_not_run(box: Sandbox, privileged: bool) -> None:
    marker = box.rootfs / "tmp/marker"
    text = "open('/tmp/marker', 'a').write(__name__)\n"
    version = "python3.%d" % sys.version_info.minor
    for folder in (box.rootfs, box.rootfs / "usr/lib" / version,
                   box.rootfs / "usr/lib" / version / "encodings"):
        folder.mkdir(parents=True, exist_ok=True)
        for module in ("decimal", "encodings", "os", "json", "signal", "traceback", "pwd", "grp",
                       "resource", "latin_1", "idna", "sitecustomize", "__init__"):
            (folder / (module + ".py")).write_text(text)
    box.launch("hostile", privileged=privileged, rlimits={"nofile": "100:200"})
    assert run("hostile", "ulimit -n") == "100\n"
    for argv, more in ((["/nope\udcff\u00e4"], {}), (["true"], {"cwd": "/nope"}),
                       (["true"], {"user": "n\u00e4"})):
        with pytest.raises(LxcError):
            run("hostile", argv, **more)
    assert not marker.exists()


def test_the_interpreter_can_not_be_overwritten(box: Sandbox) -> None:
    """CVE-2019-5736, from attach: an entry point that is the attacher's own interpreter."""
    entry = box.rootfs / "bin/entry"
    entry.write_text("#!/proc/self/exe\n"
                     "posix = __import__('posix')\n"
                     "fd = posix.open('/proc/self/exe', 0)\n"
                     "print('read-only', posix.fstatvfs(fd).f_flag & posix.ST_RDONLY)\n"
                     "try:\n"
                     "    posix.open('/proc/self/fd/%d' % fd, posix.O_RDWR)\n"
                     "except OSError:\n"
                     "    print('refused')\n")
    entry.chmod(0o755)
    box.launch("exe", privileged=True, mounts=[{**USR, "read_only": False}], **STRONG)
    assert run("exe", ["/bin/entry"]) == "read-only 1\nrefused\n"


def test_passwd_that_leads_elsewhere(box: Sandbox) -> None:
    """A link to the host's, a FIFO, a folder: as if there were none."""
    box.launch("names")
    passwd = box.rootfs / "etc/passwd"
    (box.rootfs / "etc/inside").write_text("joe:x:12:13::/:/bin/sh\n")
    passwd.symlink_to("../../../../../etc/inside")
    assert run("names", "busybox id -u", user="joe") == "12\n"
    for make in (lambda: passwd.symlink_to("/proc/self/fd/0"), lambda: os.mkfifo(passwd),
                 passwd.mkdir):
        passwd.unlink()
        make()
        with pytest.raises(LxcError, match="none of that name"):
            run("names", "true", user="root")


def test_a_dead_container_is_not_entered(box: Sandbox) -> None:
    name = PREFIX + "dead"
    init = box.launch("dead")
    target = Target(name)
    null = os.open("/dev/null", os.O_RDWR)
    try:
        os.kill(init, signal.SIGKILL)
        box.ended(name)
        with pytest.raises(LxcError) as caught:
            attach.spawn(target, Command(["/bin/true"]), (null, null, null))
        assert caught.value.errno == 3  # ESRCH
    finally:
        target.close()
        os.close(null)


def test_another_process_with_that_pid_is_not_entered(box: Sandbox) -> None:
    name = PREFIX + "pid"
    box.launch("pid")
    state = store.read_state(name) or {}
    try:
        for key, value in (("start_time", state["init"]["start_time"] + 1), ("boot_id", "other")):
            store.write_state(name, {**state, "init": {**state["init"], key: value}})
            with pytest.raises(LxcError, match="not running"):
                Target(name)
    finally:
        store.write_state(name, state)


def test_a_frozen_container_is_refused(box: Sandbox) -> None:
    name = PREFIX + "ice"
    box.launch("ice")
    frozen = (store.read_state(name) or {})["cgroups"][-1] + "/cgroup.freeze"
    pathlib.Path(frozen).write_text("1")
    try:
        container_sandbox.wait_until(lambda: "frozen 1" in pathlib.Path(
            frozen.replace("freeze", "events")).read_text())
        with pytest.raises(LxcError, match="frozen"):
            run("ice", "true")
    finally:
        pathlib.Path(frozen).write_text("0")
