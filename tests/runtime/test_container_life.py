# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of real containers, seen from the kernel; needs root."""
from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import types
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    cleanup,
    freezer,
    lifecycle,
    networks,
    observe,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import cgroup_tree, processes
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from container_sandbox import Sandbox, console, left_in_cgroups, status_lines, wait_until
from network_sandbox import inside, new_namespace

box = pytest.fixture(container_sandbox.sandbox)

HOST_NAMESPACES = {n: os.readlink("/proc/self/ns/" + n)
                   for n in ("mnt", "pid", "ipc", "cgroup", "uts", "net", "user")}


def own_namespaces(pid: int) -> set[str]:
    """Those that differ from the host's."""
    return {n for n, host in HOST_NAMESPACES.items()
            if os.readlink("/proc/%d/ns/%s" % (pid, n)) != host}


# Start, stop, exit

def test_start_twice_then_stop_twice(box: Sandbox) -> None:
    name = box.define("life")
    assert observe.status(name)["state"] == "STOPPED"
    pid = box.start(name)["pid"]
    status = observe.status(name)
    assert status["state"] == "RUNNING" and status["monitor_pid"] not in (0, pid)
    assert lifecycle.start([name])[name] == {"changed": False, "warnings": []}
    assert observe.status(name)["pid"] == pid
    stopped = lifecycle.stop([name], kill=True)[name]
    assert isinstance(stopped, dict)
    assert stopped["changed"] and stopped["exit"] == {"signal": signal.SIGKILL}
    assert not os.path.exists("/proc/%d" % pid)
    assert left_in_cgroups(name) == []
    assert lifecycle.stop([name])[name] == {"changed": False}


def test_a_stop_does_not_wait_for_what_runs_on(box: Sandbox,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """The folders that containers share can't go then, in whatever hierarchy."""
    def never(_seconds: float) -> None:
        raise AssertionError("it waits")

    name, other = box.define("life"), box.define("other")
    lifecycle.start([name, other])
    clock = types.SimpleNamespace(monotonic=time.monotonic, sleep=never)
    monkeypatch.setattr(cleanup, "time", clock)
    assert lifecycle.stop([name], kill=True)[name]["changed"]
    monkeypatch.undo()
    assert observe.status(other)["state"] == "RUNNING"


def test_destroy_of_a_running_one_leaves_only_the_root_file_system(box: Sandbox) -> None:
    name = box.define("destroy")
    pid = box.start(name)["pid"]
    assert lifecycle.destroy([name])[name] == {"changed": True}
    assert not os.path.exists("/proc/%d" % pid)
    assert not os.path.exists(store.folder(name)) and not os.path.exists(store.run_folder(name))
    assert (box.rootfs / "bin/busybox").exists()
    assert lifecycle.destroy([name])[name] == {"changed": False}


@pytest.mark.parametrize("lost", ["definition.json", "state.json", "run", "all"])
@pytest.mark.parametrize("how", ["damaged", "gone"])
def test_destroy_of_what_nothing_is_known_of(box: Sandbox, lost: str, how: str) -> None:
    """What the disk has lost the kernel still has."""
    name = box.define("lost")
    pid = box.start(name)["pid"]
    files = [store.folder(name) + "/definition.json", store.run_folder(name) + "/state.json"]
    for path in files if lost == "all" else [p for p in files if p.endswith(lost)]:
        pathlib.Path(path).write_text("{damaged")
        if how == "gone":
            os.unlink(path)
    if lost == "run":
        shutil.rmtree(store.run_folder(name))
    if how == "gone" and lost == "all":
        os.rmdir(store.folder(name))
    assert lifecycle.destroy([name])[name] == {"changed": True}
    assert left_in_cgroups(name) == [] and not os.path.exists("/proc/%d/exe" % pid)
    assert not os.path.exists(store.folder(name)) and not os.path.exists(store.run_folder(name))
    assert lifecycle.destroy([name])[name] == {"changed": False}


@pytest.mark.parametrize("lost", ["state.json", "plan.json", "folder"])
@pytest.mark.parametrize("monitor", ["alive", "killed"])
def test_a_container_whose_state_is_lost_is_still_known(box: Sandbox, lost: str, monitor: str
                                                        ) -> None:
    """The kernel knows it: it is neither stopped nor started a second time, and ends in full."""
    name = box.define("lost")
    before = box.start(name)
    if monitor == "killed":
        os.kill(before["monitor_pid"], signal.SIGKILL)
        wait_until(lambda: not store.monitor_is_alive(name))
        before["monitor_pid"] = 0
    run = pathlib.Path(store.run_folder(name))
    for path in [run / "state.json", run / "plan.json"][:1 + (lost == "plan.json")]:
        path.unlink()
    if lost == "folder":
        shutil.rmtree(run)
    found = observe.status(name)
    keys = ("state", "pid", "monitor_pid")
    assert [found[key] for key in keys] == [before[key] for key in keys]
    for key in ("name", "init", "monitor" if monitor == "alive" else "name"):
        assert found["recorded"][key] == before["recorded"][key]
    for key in ("cgroups", "namespaces"):
        assert sorted(found["recorded"][key]) == sorted(before["recorded"][key])
    again = lifecycle.start([name])[name]
    assert isinstance(again, dict) and not again["changed"], again
    assert freezer.freeze([name], 10)[name] == {"changed": True}
    assert observe.status(name)["state"] == "FROZEN"
    assert freezer.thaw([name], 10)[name] == {"changed": True}
    stopped = lifecycle.stop([name], kill=True)[name]
    assert isinstance(stopped, dict), stopped
    if monitor == "alive" and lost != "folder":
        assert stopped["exit"] == {"signal": signal.SIGKILL}
    assert left_in_cgroups(name) == []
    # Of a killed monitor the host's init takes over, and waits for it when it gets to that.
    wait_until(lambda: not os.path.exists("/proc/%d" % before["pid"]))
    assert observe.status(name)["state"] == "STOPPED"
    assert box.start(name)["pid"] != before["pid"]


def test_a_container_whose_state_is_lost_and_that_ends_leaves_nothing(box: Sandbox) -> None:
    name = box.define("lost", "while ! [ -e /tmp/end ]; do sleep 0.02; done; exit 3")
    box.start(name)
    pathlib.Path(store.run_folder(name), "state.json").unlink()
    (box.rootfs / "tmp/end").touch()
    assert box.ended(name)["exit"] == {"code": 3}
    assert left_in_cgroups(name) == []


def test_the_init_of_one_whose_state_is_lost_is_told_from_others(box: Sandbox) -> None:
    """Among processes of which none is process 1, and one has another parent than init."""
    name = box.define("lost", "(/bin/busybox sleep 1000 & exit 0); /bin/busybox sleep 1000",
                      namespace_keep=["pid"], privileged=True)
    recorded = box.start(name)["recorded"]
    wait_until(lambda: len(observe.container_pids(recorded)) == 2)  # the shell has become one
    pathlib.Path(store.run_folder(name), "state.json").unlink()
    assert observe.status(name)["recorded"]["init"] == recorded["init"]


def test_one_that_never_ran_is_not_taken_for_lost(box: Sandbox) -> None:
    name = box.define("never")
    assert observe.recorded_state(name) is None
    assert observe.status(name)["state"] == "STOPPED"


def test_a_root_file_system_in_its_own_folder_stays(box: Sandbox) -> None:
    name = box.define("own")
    folder = pathlib.Path(store.folder(name))
    shutil.copytree(box.rootfs, folder / "rootfs", symlinks=True)
    box.define("own", rootfs=str(folder / "rootfs"))
    (folder / "rootfs.fleet-lxc.json").write_text('{"version": 1}')
    box.start(name)
    assert lifecycle.destroy([name])[name] == {"changed": True}
    assert sorted(path.name for path in folder.iterdir()) == ["rootfs", "rootfs.fleet-lxc.json"]
    assert (folder / "rootfs/bin/busybox").exists() and name not in store.names()
    assert lifecycle.destroy([name])[name] == {"changed": False}
    # Called when nothing runs and the definition is still there.
    box.define("own", rootfs=str(folder / "rootfs"))
    box.start(name)
    seen = []
    lifecycle.destroy([name], purge=lambda n: seen.append(
        (n, observe.status(n)["pid"], store.read_definition(n) is not None)))
    assert seen == [(name, 0, True)]
    shutil.rmtree(folder)


def test_exit_code_and_console(box: Sandbox) -> None:
    assert box.run("code", "echo out; echo err >&2; exit 3") == "out\nerr\n"
    assert observe.status(box.names[0])["exit"] == {"code": 3}


def test_init_that_handles_term_is_asked_and_not_killed(box: Sandbox) -> None:
    name = box.define("term", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done")
    box.start(name)
    wait_until(lambda: "up" in console(name))
    outcome = lifecycle.stop([name])[name]
    assert isinstance(outcome, dict)
    assert (outcome["killed"], outcome["exit"]) == ("", {"code": 5})
    assert console(name) == "up\nbye\n"


def test_init_killed_from_outside(box: Sandbox) -> None:
    name = box.define("killed")
    os.kill(box.start(name)["pid"], signal.SIGKILL)
    assert box.ended(name)["exit"] == {"signal": signal.SIGKILL}
    assert left_in_cgroups(name) == []


@pytest.mark.parametrize("init", [False, True])
def test_a_container_outlives_its_monitor(box: Sandbox, init: bool) -> None:
    """Also a program that the end of its terminal would end."""
    name = box.define("orphan", init=init)
    before = box.start(name)
    program = wait_until(lambda: sorted(cgroup_tree.pids(left_in_cgroups(name)[0])))[-1]
    os.kill(before["monitor_pid"], signal.SIGKILL)
    wait_until(lambda: not store.monitor_is_alive(name))
    # Its terminal has been taken away, and the signal for that was sent before.
    wait_until(lambda: (processes.stat_fields(program) or [""] * 4 + ["0"])[4] == "0")
    after = observe.status(name)
    assert (after["state"], after["pid"], after["monitor_pid"]) == ("RUNNING", before["pid"], 0)
    assert os.path.exists("/proc/%d/exe" % program)
    again = lifecycle.start([name])[name]
    assert again == {"changed": False, "warnings": [lifecycle.NO_MONITOR]}
    outcome = lifecycle.stop([name], kill=True)[name]
    assert isinstance(outcome, dict) and outcome["changed"]
    assert outcome["exit"] is None  # nobody was there to be told, and 0 would be a lie
    assert outcome["warnings"] == [lifecycle.NOBODY_SAW]
    assert observe.status(name)["state"] == "STOPPED" and left_in_cgroups(name) == []
    assert box.start(name)["state"] == "RUNNING"


def test_reboot_from_inside(box: Sandbox) -> None:
    # The second run finds the mark of the first, and stays.
    name = box.define("reboot", "[ -e /tmp/mark ] && exec busybox sleep 100000; "
                                "echo > /tmp/mark; while [ ! -e /tmp/go ]; do sleep 0.05; done; "
                                "exec busybox reboot -f")
    first = box.start(name)["pid"]
    (box.rootfs / "tmp/go").touch()
    wait_until(lambda: observe.status(name)["pid"] not in (0, first))
    outcome = lifecycle.stop([name], kill=True)[name]
    assert isinstance(outcome, dict) and outcome["changed"]
    assert observe.status(name)["state"] == "STOPPED"


REBOOTS = ("trap 'exec busybox reboot -f' USR1; trap 'exit 9' TERM; echo up; "
           "while :; do sleep 1000 & wait $!; done")


@pytest.mark.parametrize("options, words", [
    ({"networks": [{"link": "fleet-none"}]}, "to bridge fleet-none"),
    ({"networks": [{"type": "phys", "link": "fleet-none"}]}, "type phys on fleet-none"),
    ({"rootfs": "/nowhere"}, "use as root file system /nowhere"),
    ({"seccomp": "/nowhere"}, "read /nowhere"),
])
def test_what_could_not_start_again_is_not_stopped(box: Sandbox, options: dict[str, t.Any],
                                                   words: str) -> None:
    pid = box.launch("good")
    other = box.define("other")
    name = box.define("good", **options)
    outcomes = lifecycle.restart([name, other], kill=True)
    assert words in str(outcomes[name]) and "It was not stopped" in str(outcomes[name])
    assert (observe.status(name)["state"], observe.status(name)["pid"]) == ("RUNNING", pid)
    assert isinstance(outcomes[other], dict) and observe.status(other)["pid"]


def test_a_restart_asks_by_the_reboot_signal(box: Sandbox) -> None:
    name = box.define("asked", REBOOTS, reboot_signal="USR1")
    first = box.start(name)["pid"]
    wait_until(lambda: console(name).count("up"))
    outcome = lifecycle.restart([name])[name]
    assert isinstance(outcome, dict)
    assert (outcome["exit"], outcome["killed"]) == ({"signal": 1}, "")
    assert observe.status(name)["pid"] not in (0, first)
    wait_until(lambda: console(name).count("up") == 2)
    outcome = lifecycle.stop([name])[name]  # that is no reboot
    assert isinstance(outcome, dict) and outcome["exit"] == {"code": 9}


def test_a_stop_that_init_answers_by_a_reboot_is_a_stop(box: Sandbox) -> None:
    name = box.define("stays", REBOOTS, halt_signal="USR1")
    monitor = processes.open_pidfd(processes.identity(box.start(name)["monitor_pid"]))
    assert monitor is not None
    wait_until(lambda: console(name).count("up"))
    outcome = lifecycle.stop([name])[name]
    assert isinstance(outcome, dict) and outcome["exit"] == {"signal": 1}
    assert processes.wait_ended([monitor], 20)
    os.close(monitor)
    # Neither has anybody begun to start it, nor is about to.
    assert observe.status(name)["state"] == "STOPPED"
    assert not [path for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")
                if ("\0start\0%s\0" % name).encode() in read_bytes(path)]


def read_bytes(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended


def test_why_a_reboot_from_inside_has_failed_is_kept(box: Sandbox) -> None:
    name = box.define("norepeat", "while [ ! -e /tmp/go ]; do sleep 0.05; done; "
                                  "exec busybox reboot -f")
    box.start(name)
    store.write_definition(name, {**store.need_definition(name), "networks": networks.check(
        [{"link": "flt-nope0"}])})
    (box.rootfs / "tmp/go").touch()
    error = wait_until(lambda: observe.status(name)["error"])
    assert error["errno"] == errno.ENODEV and observe.status(name)["exit"] == {"signal": 1}


def test_four_processes_start_one_name(box: Sandbox) -> None:
    name = box.define("race")
    children = []
    for _number in range(4):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                outcome = lifecycle.start([name])[name]
                os.write(writer, json.dumps(outcome if isinstance(outcome, dict)
                                            else str(outcome)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        children.append((child, reader))
    answers = []
    for child, reader in children:
        with open(reader) as stream:
            answers.append(json.loads(stream.read()))
        os.waitpid(child, 0)
    assert sorted(a["changed"] for a in answers) == [False, False, False, True]
    pids = observe.container_pids(observe.status(name)["recorded"])
    assert pids == [observe.status(name)["pid"]]


# What it is made of

def test_namespaces_and_ids_of_two(box: Sandbox) -> None:
    pids = [box.launch("one"), box.launch("two")]
    ranges = []
    for pid in pids:
        assert own_namespaces(pid) == set(HOST_NAMESPACES)
        maps = [pathlib.Path("/proc/%d/%s_map" % (pid, kind)).read_text().split()
                for kind in ("uid", "gid")]
        assert maps[0] == maps[1] and maps[0][0] == "0"
        assert status_lines(pid)["Uid"].split()[0] == maps[0][1]
        ranges.append(range(int(maps[0][1]), int(maps[0][1]) + int(maps[0][2])))
    assert ranges[0].stop <= ranges[1].start or ranges[1].stop <= ranges[0].start
    assert min(ranges[0].start, ranges[1].start) > 65535


def test_what_is_not_asked_for_is_shared(box: Sandbox) -> None:
    assert own_namespaces(box.launch("shared", hostname="", networks=[{"type": "none"}])) == (
        set(HOST_NAMESPACES) - {"uts", "net"})


def test_a_shared_network_works(box: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(container_sandbox.PATIENCE)
        name = box.define("net", "echo *; busybox nc 127.0.0.1 $PORT < /dev/null",
                          cwd="/sys/class/net", networks=[{"type": "none"}],
                          environment={"PORT": server.getsockname()[1]})
        box.start(name)
        with server.accept()[0] as connection:
            connection.sendall(b"from the host\n")
    box.ended(name)
    links, answer = console(name).splitlines()
    assert "lo" in links.split() and answer == "from the host"


def test_privileged_has_no_user_namespace(box: Sandbox) -> None:
    pid = box.launch("privileged", privileged=True)
    assert own_namespaces(pid) == set(HOST_NAMESPACES) - {"user"}
    assert status_lines(pid)["Uid"].split() == ["0"] * 4


def test_cgroup_values_and_membership(box: Sandbox) -> None:
    pid = box.launch("cgroup", cgroup={"memory.max": "32M", "pids.max": 17})
    for line in pathlib.Path("/proc/%d/cgroup" % pid).read_text().splitlines():
        _number, controllers, path = line.split(":")
        if controllers in ("memory", "pids", "devices", ""):
            assert path.endswith("/fleet-lxc/fleet-lxc-test-cgroup"), line
    values = set()
    for folder in left_in_cgroups("fleet-lxc-test-cgroup"):
        for file in ("memory.max", "memory.limit_in_bytes", "pids.max"):
            path = pathlib.Path(folder, file)
            if path.exists():
                values.add((file.partition(".")[0], path.read_text().strip()))
    assert values == {("memory", str(32 << 20)), ("pids", "17")}


def test_what_its_program_gets(box: Sandbox) -> None:
    (box.rootfs / "srv").mkdir()
    shown = box.run("program", "hostname; pwd; id -u; id -g; echo $MINE $container; ulimit -Sn; "
                               "ulimit -Hn", hostname="inside", cwd="/srv", uid=12, gid=34,
                    environment={"MINE": "yes"}, rlimits={"nofile": "123:456"})
    assert shown.splitlines() == ["inside", "/srv", "12", "34", "yes lxc", "123", "456"]


def test_sysctls_are_its_own(box: Sandbox) -> None:
    host = pathlib.Path("/proc/sys/net/ipv4/ip_forward")
    wanted = "0" if host.read_text().strip() == "1" else "1"
    before = host.read_text()
    assert box.run("sysctl", "cat /proc/sys/net/ipv4/ip_forward",
                   sysctls={"net.ipv4.ip_forward": wanted}) == wanted + "\n"
    assert host.read_text() == before


def test_mounts(box: Sandbox) -> None:
    shared, fixed = box.folder / "shared", box.folder / "fixed"
    for folder in (shared, fixed):
        folder.mkdir()
        (folder / "file").write_text("of %s\n" % folder.name)
    shown = box.run(
        "mounts",
        "cat /made/rw/file /mnt/file; echo new > /made/rw/new || echo failed; "
        "echo x > /mnt/file || echo refused; echo y > /tmp/y && cat /tmp/y; ls /absent",
        mounts=[{"source": str(shared), "target": "/made/rw", "create": "dir",
                 "options": ["idmap=container"]},
                {"source": str(fixed), "target": "/mnt", "read_only": True},
                {"type": "tmpfs", "target": "/tmp", "options": ["size=1m"]},
                {"source": str(box.folder / "nope"), "target": "/absent", "create": "dir",
                 "optional": True}])
    lines = shown.splitlines()
    assert lines[:2] == ["of shared", "of fixed"]
    assert "Read-only file system" in lines[2] and lines[3:] == ["refused", "y"]
    assert (shared / "new").stat().st_uid == 0  # under the id map, root's on the disk
    assert (fixed / "file").read_text() == "of fixed\n"
    assert not (box.rootfs / "tmp/y").exists()
    mounted = pathlib.Path("/proc/self/mountinfo").read_text()
    assert str(box.folder) not in mounted


# Networks

@pytest.fixture
def bridge() -> t.Iterator[None]:
    """The test runs in a network of its own, which has br0 with 10.9.8.1."""
    with new_namespace() as namespace, inside(namespace):
        with Netlink() as netlink:
            netlink.create_bridge("br0", up=True)
            netlink.configure("br0", ["10.9.8.1/24"], loopback=True)
        yield


def test_a_veth_answers_and_goes_with_the_container(box: Sandbox, bridge: None) -> None:
    name = box.define("veth", networks=[{
        "link": "br0", "addresses": ["10.9.8.7/24"], "gateway4": "10.9.8.1", "host_name": "far0"}])
    box.start(name)
    with Netlink() as netlink:
        port = netlink.link("far0")
        assert port is not None and port["master"] == "br0"
        subprocess.run(["ping", "-c1", "-W5", "10.9.8.7"], check=True, capture_output=True)
        lifecycle.stop([name], kill=True)
        wait_until(lambda: netlink.link("far0") is None)


def test_a_container_reaches_the_host(box: Sandbox, bridge: None) -> None:
    shown = box.run("ping", "busybox ping -c1 -W5 10.9.8.1; busybox route -n", networks=[{
        "link": "br0", "addresses": ["10.9.8.7/24"], "gateway4": "10.9.8.1"}])
    assert "1 packets received" in shown
    assert any(line.split()[:2] == ["0.0.0.0", "10.9.8.1"] for line in shown.splitlines())


def test_a_missing_bridge_is_refused(box: Sandbox) -> None:
    error = box.refused("nobridge", networks=[{"link": "flt-nope0"}])
    assert error.errno == errno.ENODEV and "flt-nope0" in str(error)
    assert "lxc_bridge" in error.hint


# Refused

def test_a_definition_that_is_older_than_an_option(box: Sandbox) -> None:
    name = box.define("old")
    stored = store.need_definition(name)
    store.write_definition(name, {key: stored[key] for key in (
        "version", "name", "rootfs", "command", "networks", "privileged", "idmap")})
    assert box.start(name)["pid"]


def test_a_missing_command(box: Sandbox) -> None:
    error = box.refused("nocommand", command=["/bin/nope"])
    assert (error.errno, error.subject) == (errno.ENOENT, "/bin/nope")
    assert "command" in error.hint
    assert observe.status(box.names[0])["error"] == error.to_dict()


def test_a_command_that_is_not_executable(box: Sandbox) -> None:
    (box.rootfs / "bin/plain").write_text("text")
    error = box.refused("noexec", command=["/bin/plain"])
    assert (error.errno, error.subject) == (errno.EACCES, "/bin/plain")
    assert "chmod" in error.hint


def test_a_missing_mount_source(box: Sandbox) -> None:
    error = box.refused("nosource", mounts=[{"source": str(box.folder / "nope"),
                                             "target": "/mnt"}])
    assert error.errno == errno.ENOENT and "optional" in error.hint


def test_no_root_file_system(box: Sandbox) -> None:
    error = box.refused("norootfs", rootfs=str(box.folder / "nope"))
    assert error.errno == errno.ENOENT and "lxc_rootfs" in error.hint
    (box.folder / "file").touch()
    error = box.refused("fileroot", rootfs=str(box.folder / "file"))
    assert error.errno == errno.ENOTDIR and "lxc_rootfs" in error.hint


@pytest.mark.parametrize("place", ["proc", "sys", "dev"])
def test_a_link_in_place_of_a_kernel_folder(box: Sandbox, place: str) -> None:
    victim = box.folder / "victim"
    victim.mkdir()
    (box.rootfs / place).rmdir()
    (box.rootfs / place).symlink_to(victim)
    error = box.refused("link", privileged=True)
    assert "/" + place in str(error) and "folder" in error.hint
    assert list(victim.iterdir()) == []


def test_one_that_fails_does_not_stop_the_others(box: Sandbox) -> None:
    names = [box.define("good"), box.define("bad", command=["/bin/nope"]), box.define("fine")]
    outcomes = lifecycle.start(names)
    assert [isinstance(outcomes[n], LxcError) for n in names] == [False, True, False]
    assert [observe.status(n)["state"] for n in names] == ["RUNNING", "STOPPED", "RUNNING"]


def test_groups_that_containers_inside_have_made_go_with_the_last_one(box: Sandbox) -> None:
    """In a hierarchy that does not limit it, a container is among the monitors, and so is what it
    makes there."""
    box.launch("outer", "sleep 1000")
    below = [pathlib.Path(path, "fleet-lxc", "inner") for path in
             pathlib.Path("/sys/fs/cgroup").rglob(cleanup.MONITORS)]
    assert below
    for path in below:
        path.mkdir(parents=True)
    lifecycle.stop(box.names, kill=True)
    wait_until(lambda: not list(pathlib.Path("/sys/fs/cgroup").rglob(cleanup.TREE)))
