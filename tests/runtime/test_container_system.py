# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole systems: Debian's systemd and busybox's init, from their start to their halt."""
from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import select
import shutil
import struct
import subprocess
import tempfile
import termios
import typing as t

import cgroup_sandbox
import debian
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    cleanup,
    lifecycle,
    observe,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import mounts
from container_sandbox import Sandbox, console, sandbox, wait_until

box = pytest.fixture(sandbox)


@pytest.fixture(scope="module", params=debian.SUITES)
def system(request: pytest.FixtureRequest) -> t.Iterator[str]:
    """A Debian that this module's containers may write to."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-test-", dir="/var/tmp"))
    try:
        debian.unpack(request.param, top / "rootfs")
        yield str(top / "rootfs")
    finally:
        shutil.rmtree(top)


def inside(pid: int, *command: str) -> str:
    """What a program says in the namespaces of that process."""
    return subprocess.run(["nsenter", "-t", str(pid), "-a", *command], check=False, timeout=60,
                          capture_output=True, text=True).stdout.strip()


def is_up(pid: int) -> str:
    """systemd's word for it, once it has one and waits for nothing any more."""
    found = inside(pid, "systemctl", "is-system-running", "--wait")
    return found if found in ("running", "degraded") else ""


def mounted(pid: int) -> dict[str, dict[str, str]]:
    """By where it is; of several the one on top."""
    return {m["target"]: m for m in mounts.read_mountinfo("/proc/%d/mountinfo" % pid)}


@pytest.mark.parametrize("privileged", [False, True])
def test_systemd_reaches_its_target_and_halts(box: Sandbox, system: str, privileged: bool) -> None:
    name = box.define("sd", rootfs=system, command=[], privileged=privileged, tty_max=1)
    pid = box.start(name)["pid"]
    assert wait_until(lambda: is_up(pid)) == "running", inside(pid, "systemctl", "--failed")
    assert "init.scope" in pathlib.Path("/proc/%d/cgroup" % pid).read_text()
    assert "container-getty@1.service" in inside(pid, "systemctl", "list-units")
    outcome = lifecycle.stop([name])[name]
    assert isinstance(outcome, dict), outcome
    assert (outcome["killed"], outcome["exit"]) == ("", {"signal": 2})


@pytest.mark.skipif(cgroup_sandbox.is_version_2(), reason="every test here has seen it")
def test_the_same_on_version_2_alone() -> None:
    """Also what is mounted there; a tree of one suite does."""
    cgroup_sandbox.run_pytest(__file__, "(trixie and halts) or groups")


def test_systemd_reboots_with_the_definition_as_it_is_then(box: Sandbox, system: str) -> None:
    name = box.define("sd", rootfs=system, command=[], hostname="one")
    pid = box.start(name)["pid"]
    wait_until(lambda: is_up(pid))
    box.define("sd", rootfs=system, command=[], hostname="two")
    inside(pid, "systemctl", "reboot")
    again = wait_until(lambda: observe.status(name)["pid"] not in (0, pid)
                       and observe.status(name)["pid"])
    wait_until(lambda: is_up(again))
    assert inside(again, "uname", "-n") == "two"


@pytest.mark.parametrize("command", [["/sbin/init"], ["/bin/busybox", "init"]])
def test_busybox_init_is_halted_by_its_signal(box: Sandbox, command: list[str]) -> None:
    (box.rootfs / "sbin").mkdir()
    (box.rootfs / "sbin/init").symlink_to("../bin/busybox")
    (box.rootfs / "etc/inittab").write_text(
        "::sysinit:/bin/busybox echo is up\n::respawn:/bin/busybox sleep 1000\n"
        "::shutdown:/bin/busybox echo goes down\n")
    name = box.define("bb", command=command)
    box.start(name)
    wait_until(lambda: "is up" in console(name))
    outcome = lifecycle.stop([name])[name]
    assert isinstance(outcome, dict), outcome
    assert (outcome["killed"], outcome["exit"]) == ("", {"signal": 2})
    assert "goes down" in console(name)


def test_a_system_may_divide_its_groups_but_not_lift_its_limits(box: Sandbox) -> None:
    script = """
        for file in /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cgroup.max.depth; do
            [ -e $file ] || continue
            busybox mkdir ${file%/*}/below && echo divided
            echo max > $file || echo refused
        done
        """
    said = box.run("cg", script, mount_auto=["cgroup:mixed"])
    assert "divided" in said and "refused" in said


@pytest.mark.parametrize("privileged", [False, True])
def test_groups_mounted_read_only_are_that(box: Sandbox, privileged: bool) -> None:
    script = "for f in $(busybox find /sys/fs/cgroup -name cgroup.procs); do echo 0 > $f; done"
    name = box.define("cg", script + "; busybox sleep 1000", mount_auto=["cgroup:ro"],
                      privileged=privileged, cap_add=["sys_admin"])
    pid = box.start(name)["pid"]
    shown = {target: m for target, m in mounted(pid).items()
             if m["fstype"] in ("cgroup", "cgroup2")}
    assert shown and all("ro" in m["options"].split(",") for m in shown.values())
    assert all(m["root"] in ("/", "/..") or m["root"].endswith(name) for m in shown.values())
    wait_until(lambda: "Read-only" in console(name))


def test_a_program_has_no_groups_mounted_unless_asked(box: Sandbox) -> None:
    pid = box.launch("app")
    assert not [m for m in mounted(pid).values() if m["fstype"].startswith("cgroup")]


def test_proc_and_sys_by_mount_auto(box: Sandbox) -> None:
    script = """
        echo 1 > /proc/sys/net/ipv4/ip_forward && echo net
        echo 1 > /proc/sys/kernel/sysrq || echo not sysrq
        echo 7 > /sys/class/net/lo/tx_queue_len && echo lo
        busybox touch /sys/x || echo not sys
        """
    # Privileged, since lo is made before its network's root has an id on the host.
    said = box.run("auto", script, mount_auto=["proc:mixed", "sys:mixed"], privileged=True,
                   cap_add=["net_admin"]).splitlines()
    assert {"net", "not sysrq", "lo", "not sys"} <= set(said)
    said = box.run("plain", script, cap_add=["net_admin"], privileged=True).splitlines()
    assert "net" not in said and "lo" not in said


def test_terminals(box: Sandbox) -> None:
    pid = box.launch("tty", tty_max=2, tty_dir="lxc", pty_max=5)
    dev = "/proc/%d/root/dev" % pid
    assert os.readlink(dev + "/tty2") == "lxc/tty2"
    assert os.stat(dev + "/lxc/tty2").st_rdev == os.makedev(136, 2)
    assert os.stat(dev + "/lxc/console").st_rdev == os.stat(dev + "/console").st_rdev
    assert "max=5" in mounted(pid)["/dev/pts"]["super_options"]


def test_without_a_dev_of_its_own(box: Sandbox) -> None:
    for name in ("null", "console", "ptmx"):
        (box.rootfs / "dev" / name).touch()
    (box.rootfs / "dev/pts").mkdir()
    pid = box.launch("dev", autodev=False)
    dev = "/proc/%d/root/dev" % pid
    assert sorted(os.listdir(dev)) == ["console", "null", "ptmx", "pts"]
    assert os.stat(dev + "/null").st_rdev == os.makedev(1, 3)
    assert os.stat(dev + "/console").st_rdev == os.makedev(136, 0)


def test_a_read_only_root_and_a_log_elsewhere(box: Sandbox) -> None:
    log = box.folder / "said"
    name = box.define("ro", "busybox touch /x || echo refused", rootfs_options=["ro"],
                      console_logfile=str(log))
    box.start(name)
    box.ended(name)
    assert "refused" in log.read_text()
    assert store.console_log(store.need_definition(name)) == str(log)
    cleanup.note(name, "a hook has failed")
    assert log.read_text().endswith("fleet-lxc: a hook has failed\n")
    assert not os.path.exists(store.folder(name) + "/console.log")


def test_a_stop_signal_takes_the_place_of_the_kill(box: Sandbox) -> None:
    """Of an init that does not heed its halt signal."""
    name = box.define("stop", "trap 'echo no' TERM; trap 'exit 4' USR1; echo ready; "
                      "while :; do busybox sleep 0.05; done", stop_signal="SIGUSR1")
    box.start(name)
    wait_until(lambda: "ready" in console(name))
    outcome = lifecycle.stop([name], timeout=0)[name]
    assert isinstance(outcome, dict), outcome
    assert "within 0 s" in outcome["killed"] and outcome["exit"] == {"code": 4}


def test_mounts_out_of_a_file(box: Sandbox) -> None:
    (box.folder / "fstab").write_text("%s mnt none bind,ro 0 0\n" % box.folder)
    pid = box.launch("fstab", mount_fstab=str(box.folder / "fstab"))
    assert "ro" in mounted(pid)["/mnt"]["options"].split(",")


@pytest.mark.parametrize("privileged", [False, True])
def test_mounts_of_what_is_in_the_root_file_system(box: Sandbox, privileged: bool) -> None:
    """Links in it lead nowhere else, and what is mounted in it before is seen."""
    for name in ("opt/data", "srv", "srv2", "srv3"):
        (box.rootfs / name).mkdir(parents=True)
    (box.rootfs / "opt/data/it").write_text("inside")
    (box.rootfs / "opt/link").symlink_to("../../../../../../opt/data")
    (box.folder / "outside").write_text("the host's")
    (box.folder / "fstab").write_text("opt/data srv2 none bind,relative 0 0\n")
    pid = box.launch("relative", privileged=privileged, mount_fstab=str(box.folder / "fstab"),
                     mounts=[
        {"source": "/opt/link", "target": "/srv", "options": ["relative"], "read_only": True},
        {"source": str(box.folder), "target": "/mnt", "read_only": True},
        {"source": "/mnt", "target": "/srv3", "options": ["relative"]}])
    root = "/proc/%d/root" % pid
    assert pathlib.Path(root, "srv/it").read_text() == "inside"
    assert pathlib.Path(root, "srv2/it").read_text() == "inside"
    assert pathlib.Path(root, "srv3/outside").read_text() == "the host's"
    options = [mounted(pid)[path]["options"].split(",") for path in ("/srv", "/srv2", "/srv3")]
    assert ["ro" in words for words in options] == [True, False, True]
    error = box.refused("none", mounts=[{"source": "/nothing", "target": "/srv",
                                         "options": ["relative"]}])
    assert error.errno == errno.ENOENT and error.subject == "/nothing on /srv"


@pytest.mark.parametrize("privileged", [False, True])
def test_a_target_is_made_on_the_mount_that_it_is_below(box: Sandbox, privileged: bool) -> None:
    """And not in the root file system beneath, where nobody would see it."""
    (box.rootfs / "run").mkdir(exist_ok=True)
    (box.folder / "file").write_text("of the host\n")
    shared = box.folder / "shared"
    shared.mkdir()
    pid = box.launch("below", privileged=privileged, mounts=[
        {"type": "tmpfs", "target": "/run", "options": ["mode=755"]},
        {"type": "tmpfs", "target": "/run/deep/er", "create": "dir"},
        {"source": str(box.folder / "file"), "target": "/run/file", "create": "file"},
        {"source": str(shared), "target": "/srv", "create": "dir", "options": ["idmap=container"]},
        {"type": "tmpfs", "target": "/srv/made", "create": "dir"}])
    root = pathlib.Path("/proc/%d/root" % pid)
    assert {"/run/deep/er", "/run/file", "/srv/made"} <= set(mounted(pid))
    assert (root / "run/file").read_text() == "of the host\n"
    owner = int(pathlib.Path("/proc/%d/uid_map" % pid).read_text().split()[1])
    assert (root / "run/deep").stat().st_uid == owner
    assert (shared / "made").stat().st_uid == 0
    assert not list((box.rootfs / "run").iterdir()) and not list((box.rootfs / "srv").iterdir())
    error = box.refused("fixed", privileged=privileged, mounts=[
        {"source": str(shared), "target": "/srv", "read_only": True},
        {"type": "tmpfs", "target": "/srv/none", "create": "dir"}])
    assert error.errno == errno.EROFS and "read_only" in error.hint


def test_a_console_on_a_terminal_of_the_host(box: Sandbox) -> None:
    """Both ways, raw, of the same size, and as before at the end; the log has it all too."""
    outer, inner = os.openpty()
    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 99, 0, 0))
    before = termios.tcgetattr(inner)
    name = box.define("tty", "busybox stty size; read line; echo got $line",
                      console_path=os.ttyname(inner))
    box.start(name)
    seen = bytearray()

    def said(word: bytes) -> bool:
        if select.select([outer], [], [], 0.1)[0]:
            seen.extend(os.read(outer, 4096))
        return word in seen

    wait_until(lambda: said(b"33 99"))
    assert not termios.tcgetattr(inner)[3] & (termios.ECHO | termios.ICANON)
    os.write(outer, b"word\n")
    wait_until(lambda: said(b"got word"))
    box.ended(name)
    assert console(name).splitlines() == ["33 99", "word", "got word"]
    assert termios.tcgetattr(inner) == before
    os.close(inner)
    os.close(outer)


def test_a_console_on_a_file_and_none(box: Sandbox) -> None:
    file = box.folder / "said"
    box.run("file", "echo for the file", console_path=str(file))
    assert file.read_bytes() == b"for the file\r\n" and file.stat().st_mode & 0o777 == 0o600
    for init in (False, True):
        name = "none-%s" % ("init" if init else "program")
        pid = box.launch(name, "ls /dev/console /dev/lxc/console; exec busybox sleep 1000",
                         console_path="none", tty_dir="lxc", tty_max=1, init=init)
        assert not os.path.lexists("/proc/%d/root/dev/console" % pid)
        assert os.path.exists("/proc/%d/root/dev/lxc/tty1" % pid)
        child = wait_until(lambda p=pid: next((c for c in [p, *children(p)] if b"sleep" in  # type: ignore[misc]
                           pathlib.Path("/proc/%d/cmdline" % c).read_bytes()), None))
        assert {os.readlink("/proc/%d/fd/%d" % (child, fd)) for fd in (0, 1, 2)} == {"/dev/null"}
        assert console(box.names[-1]) == ""
    error = box.refused("nowhere", console_path="/no/such/terminal")
    assert "attach the console" in str(error) and "console_path" in error.hint


def children(pid: int) -> list[int]:
    path = pathlib.Path("/proc/%d/task/%d/children" % (pid, pid))
    return [int(word) for word in path.read_text().split()]
