# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One container from definition to end, on whatever control groups this host has."""
from __future__ import annotations

import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time
import typing as t

import network_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    host,
    lifecycle,
    observe,
    plan,
    spec,
    starter,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import cgroup_tree, processes
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink

NAME = "fleet-lxc-test-start"
BUSYBOX = "/bin/busybox"
NR_OPEN = pathlib.Path("/proc/sys/fs/nr_open")


@pytest.fixture(scope="module")
def rootfs() -> t.Iterator[str]:
    """A root file system with nothing but a static busybox, on a real disk: /tmp may be tmpfs."""
    top = pathlib.Path("/var/tmp/fleet-lxc-test-rootfs")
    for name in ("proc", "sys", "dev", "bin", "tmp"):
        (top / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, top / "bin")
    yield str(top)
    shutil.rmtree(top)


@pytest.fixture
def define(rootfs: str) -> t.Iterator[t.Callable[..., dict[str, t.Any]]]:
    """Writes the definition of NAME; what became of it is gone afterwards."""
    def make(*command: str, **options: t.Any) -> dict[str, t.Any]:
        definition = spec.make_definition(NAME, {
            "rootfs": rootfs, "command": [BUSYBOX, *command], "hostname": "box",
            "networks": [{"type": "empty"}], **options}, None)
        if not definition["privileged"]:
            definition["idmap"] = host.allocate_ids([])
        store.write_definition(NAME, definition)
        return definition
    yield make
    assert not isinstance(lifecycle.destroy([NAME])[NAME], LxcError)


def start() -> int:
    """Start it; the pid of its init."""
    outcome = lifecycle.start([NAME])[NAME]
    assert not isinstance(outcome, LxcError), str(outcome)
    return int(observe.status(NAME)["pid"])


def wait_for(what: t.Callable[[], t.Any]) -> t.Any:
    """What it gives as soon as that is something; the wait itself has an end."""
    end = time.monotonic() + 60
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def output() -> str:
    """What a container that ran to its end has said on its console."""
    start()
    wait_for(lambda: observe.status(NAME)["state"] == "STOPPED"
             and not store.monitor_is_alive(NAME))
    return pathlib.Path(store.folder(NAME) + "/console.log").read_text().replace("\r\n", "\n")


@pytest.mark.parametrize("privileged", [False, True])
def test_namespaces_groups_and_values(define: t.Any, privileged: bool) -> None:
    define("sleep", "1000", privileged=privileged, cgroup={"pids.max": "20", "memory.max": "64M"})
    pid = start()
    for kind in ("mnt", "pid", "ipc", "uts", "net", "cgroup"):
        assert os.readlink("/proc/%d/ns/%s" % (pid, kind)) != os.readlink("/proc/self/ns/" + kind)
    shared = os.readlink("/proc/%d/ns/user" % pid) == os.readlink("/proc/self/ns/user")
    assert shared is privileged
    made = plan.make_plan(store.need_definition(NAME), {}, host.Host())
    files = dict(made["cgroups"]["files"])
    for path, value in files.items():
        if "/pids." in path or "/memory." in path:
            assert pathlib.Path(path).read_text().strip() == value
    for path in made["cgroups"]["all"]:
        assert str(pid) in pathlib.Path(path, "cgroup.procs").read_text().split()
    outcome = lifecycle.stop([NAME], kill=True)[NAME]
    assert isinstance(outcome, dict) and outcome["exit"] == {"signal": 9}
    assert not any(os.path.exists(path) for path in made["cgroups"]["all"])


def test_a_second_start_changes_nothing(define: t.Any) -> None:
    define("sleep", "1000")
    pid = start()
    outcome = lifecycle.start([NAME])[NAME]
    assert isinstance(outcome, dict) and not outcome["changed"]
    assert observe.status(NAME)["pid"] == pid


def test_the_console_is_logged_and_the_exit_code_kept(define: t.Any) -> None:
    define("sh", "-c", "busybox hostname; busybox id -u; exit 3",
           environment={"PATH": "/bin"})
    assert output() == "box\n0\n"
    assert observe.status(NAME)["exit"] == {"code": 3}


@pytest.mark.parametrize("privileged", [False, True])
def test_devices_that_are_not_allowed_are_refused(define: t.Any, privileged: bool,
                                                  rootfs: str) -> None:
    os.mknod(rootfs + "/tmp/mem", 0o020600, os.makedev(1, 1))
    try:
        define("sh", "-c", "busybox head -c 1 /dev/zero | busybox wc -c; : < /tmp/mem; echo $?",
               environment={"PATH": "/bin"}, privileged=privileged)
        lines = output().splitlines()
    finally:
        os.unlink(rootfs + "/tmp/mem")
    assert lines[0].strip() == "1"  # of /dev/zero
    assert lines[1].startswith("sh: can't open /tmp/mem: ") and len(lines) == 2


def test_init_that_handles_its_signal_ends_by_itself(define: t.Any) -> None:
    define("sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do busybox sleep 0.1; done",
           environment={"PATH": "/bin"})
    start()
    log = pathlib.Path(store.folder(NAME) + "/console.log")
    wait_for(lambda: log.exists() and "ready" in log.read_text())
    outcome = lifecycle.stop([NAME])[NAME]
    assert isinstance(outcome, dict)
    assert outcome["killed"] == "" and outcome["exit"] == {"code": 7}


def test_a_killed_monitor_leaves_its_container_running(define: t.Any) -> None:
    define("sleep", "1000")
    pid = start()
    monitor = observe.status(NAME)["monitor_pid"]
    os.kill(monitor, signal.SIGKILL)
    wait_for(lambda: not store.monitor_is_alive(NAME))
    assert observe.status(NAME)["state"] == "RUNNING"
    outcome = lifecycle.stop([NAME])[NAME]
    assert isinstance(outcome, dict) and outcome["exit"] is None
    # A zombie may stay: it is the child of the machine's own init now.
    assert observe.status(NAME)["state"] == "STOPPED"
    assert (processes.stat_fields(pid) or ["Z"])[0] == "Z"


def test_a_reboot_from_inside_starts_it_again(define: t.Any) -> None:
    define("sh", "-c", "busybox test -e /tmp/again && exec busybox sleep 1000; "
           "echo 1 > /tmp/again; exec busybox reboot -f", environment={"PATH": "/bin"})
    first = start()
    try:
        wait_for(lambda: observe.status(NAME)["pid"] not in (0, first))
        assert observe.status(NAME)["monitor_pid"]
    finally:
        lifecycle.stop([NAME], kill=True)
        os.unlink(store.need_definition(NAME)["rootfs"] + "/tmp/again")


def dynamic(loader: bytes) -> bytes:
    """The head of an ELF program of this machine that wants a loader; elf(5)."""
    machine = {"x86_64": 62, "aarch64": 183}[os.uname().machine]
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    segments = b"".join(struct.pack("<IIQQQQQQ", kind, 5, offset, 0x400000, 0, size, size, 4096)
                        for kind, offset, size in ((1, 0, 176 + len(loader) + 1),
                                                   (3, 176, len(loader) + 1)))
    return header + segments + loader + b"\0"


@pytest.mark.parametrize("options, words", [
    ({"command": ["/no/such"]}, "no such program"),
    ({"command": ["/proc/version"]}, "not an executable file"),
    ({"cwd": "/nowhere"}, "change into the folder /nowhere"),
    ({"cwd": "/nowhere"}, "choose another 'cwd'"),
    ({"cwd": "/bin/busybox"}, "Name a folder as 'cwd'"),
    ({"command": ["/tmp/script"]}, "but /bin/nobody is not"),
    ({"command": ["/tmp/script"], "init": True}, "but /bin/nobody is not"),
    ({"command": ["/tmp/foreign"]}, "but /lib/ld-nothing.so.1 is not"),
    ({"command": ["/tmp/text"]}, "nor a script with a line like #!/bin/sh"),
    ({"mounts": [{"source": "/no/such", "target": "/tmp"}]}, "mount /no/such on /tmp"),
    # Nobody may have more than fs.nr_open, whatever that is here.
    ({"rlimits": {"nofile": str(int(NR_OPEN.read_text()) + 1)}}, "set the limit nofile"),
])
def test_a_start_that_fails_says_why_and_leaves_nothing(define: t.Any, options: dict[str, t.Any],
                                                        words: str, rootfs: str) -> None:
    for name, content in {"script": b"#! /bin/nobody -x\n", "text": b"true\n",
                          "foreign": dynamic(b"/lib/ld-nothing.so.1")}.items():
        path = pathlib.Path(rootfs, "tmp", name)
        path.write_bytes(content)
        path.chmod(0o755)
    define("sleep", "1000", **options)
    outcome = lifecycle.start([NAME])[NAME]
    assert isinstance(outcome, LxcError) and words in str(outcome)
    status = observe.status(NAME)
    assert (status["state"], status["pid"], status["monitor_pid"]) == ("STOPPED", 0, 0)
    assert status["error"]["doing"] == outcome.doing


def test_a_root_file_system_whose_proc_is_a_link_is_refused(define: t.Any, rootfs: str,
                                                            tmp_path: pathlib.Path) -> None:
    define("sleep", "1000")
    os.rmdir(rootfs + "/proc")
    os.symlink(tmp_path, rootfs + "/proc")
    try:
        outcome = lifecycle.start([NAME])[NAME]
    finally:
        os.unlink(rootfs + "/proc")
        os.mkdir(rootfs + "/proc")
    assert isinstance(outcome, LxcError) and "/proc is no folder" in str(outcome)


def test_a_read_only_bind_stays_read_only(define: t.Any, tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("host's\n")
    tmp_path.chmod(0o755)
    define("sh", "-c", "busybox mount -o remount,rw,bind /tmp; echo $?; echo x > /tmp/file",
           environment={"PATH": "/bin"}, cap_add=["sys_admin", "dac_override"],
           mounts=[{"source": str(tmp_path), "target": "/tmp", "read_only": True,
                    "options": ["idmap=container"]}])
    said = output()
    assert (tmp_path / "file").read_text() == "host's\n"
    assert "Read-only" in said and "\n0\n" not in said


def test_packets_reach_it_over_a_bridge(define: t.Any) -> None:
    define("sleep", "1000", networks=[{"link": "brtest", "addresses": ["10.213.7.2/24"],
                                       "gateway4": "10.213.7.1"}])
    with network_sandbox.new_namespace() as namespace, network_sandbox.inside(namespace):
        with Netlink() as netlink:
            netlink.loopback_up()
            netlink.create_bridge("brtest", up=True)
            netlink.add_address("brtest", "10.213.7.1/24")
        start()
        ping = subprocess.run(["ping", "-c", "1", "-W", "10", "10.213.7.2"],
                              capture_output=True, text=True, check=False)
        assert ping.returncode == 0, ping.stdout
        lifecycle.stop([NAME], kill=True)


@pytest.mark.parametrize("address", ["10.213.7.1/24", "fd00:213::1/64"])
def test_an_address_of_the_host_is_refused(define: t.Any, address: str) -> None:
    define("sleep", "1000", networks=[{"link": "brtest", "addresses": [address]}])
    with network_sandbox.new_namespace() as namespace, network_sandbox.inside(namespace):
        with Netlink() as netlink:
            netlink.create_bridge("brtest", up=True)
            netlink.add_address("brtest", address)
        outcome = lifecycle.start([NAME])[NAME]
    assert isinstance(outcome, LxcError) and "this host has it" in str(outcome)


def test_a_bridge_that_is_not_there_is_named(define: t.Any) -> None:
    define("sleep", "1000", networks=[{"link": "nobridge0"}])
    outcome = lifecycle.start([NAME])[NAME]
    assert isinstance(outcome, LxcError) and "nobridge0" in str(outcome)
    assert "lxc_bridge" in outcome.hint


def test_a_launcher_that_can_not_be_made_is_an_error_of_its_containers(
        define: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise LxcError("write the runtime's copy to", "/full")
    define("sleep", "1000")
    monkeypatch.setattr(lifecycle.launch.runtime, "ensure", fail)
    outcome = lifecycle.start([NAME])[NAME]
    assert isinstance(outcome, LxcError) and outcome.subject == "/full"
    recorded = store.read_state(NAME)
    assert recorded and recorded["state"] == "STOPPED" and recorded["error"]["subject"] == "/full"


def test_a_control_group_with_processes_hands_on_no_controllers() -> None:
    """Not needed, they are left; needed, the error says what to do, and that helps."""
    top = host.Host().unified()
    available = (cgroup_tree.read("%s/cgroup.controllers" % top) or "").split()
    if not available:
        pytest.skip("version 2 has no controllers here")
    starter.enable([str(top)], available, available)
    folder = "%s/fleet-lxc-test-busy" % top
    cgroup_tree.make(folder)
    child = subprocess.Popen(["sleep", "1000"])
    try:
        cgroup_tree.write(folder + "/cgroup.procs", str(child.pid))
        cgroup_tree.make(folder + "/below")
        starter.enable([folder, folder + "/below"], available, [])
        assert cgroup_tree.read(folder + "/cgroup.subtree_control") == ""
        with pytest.raises(LxcError, match="processes are in that control group") as caught:
            starter.enable([folder, folder + "/below"], available, available[:1])
        remedy = caught.value.hint.partition(": ")[2]
        subprocess.run(["sh", "-c", remedy], check=True)
        starter.enable([folder, folder + "/below"], available, available[:1])
        assert available[0] in (cgroup_tree.read(folder + "/cgroup.subtree_control") or "").split()
    finally:
        child.kill()
        child.wait()
        for path in (folder + "/init", folder + "/below", folder):
            if os.path.isdir(path):
                os.rmdir(path)
