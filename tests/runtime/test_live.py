# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions that change while their containers run, seen from inside and in the kernel's files;
needs root."""
from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import observe, store
from ansible_collections.fleet.lxc.plugins.module_utils._module import container
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import Request
from container_sandbox import Sandbox, left_in_cgroups, wait_until

box = pytest.fixture(container_sandbox.sandbox)
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


def task(name: str, check: bool = False, apply: str = "live", **options: t.Any) -> dict[str, t.Any]:
    """What lxc_container says of one container, less Ansible."""
    params: dict[str, t.Any] = {key: spec.get("default")
                                for key, spec in container.ARGUMENT_SPEC.items()}
    params.update(options, name=name, apply=apply)
    outcome = container.handle(Request(params, check, True, print))
    assert not outcome.get("failed"), outcome["msg"]
    found: dict[str, t.Any] = outcome["container"]
    found["diff"] = outcome["diff"]
    return found


def four_steps(name: str, **options: t.Any) -> dict[str, t.Any]:
    """Check, run, again, again in check."""
    checked = task(name, check=True, **options)
    done = task(name, **options)
    assert checked["changed"] and done["changed"] and checked["diff"] == done["diff"]
    assert checked["applied"] == done["applied"]
    assert not task(name, **options)["changed"]
    assert not task(name, check=True, **options)["changed"]
    return done


def on_disk(name: str, *files: str) -> str:
    """What the first of the files that is in one of its groups says."""
    for folder in left_in_cgroups(name):
        for file in files:
            path = pathlib.Path(folder, file)
            if path.exists():
                return path.read_text().strip()
    raise AssertionError(files)


def inside(pid: int, path: str) -> pathlib.Path:
    return pathlib.Path("/proc/%d/root%s" % (pid, path))


def mount_lines(pid: int, target: str) -> list[list[str]]:
    lines = [line.split() for line in pathlib.Path("/proc/%d/mountinfo" % pid).read_text()
             .splitlines()]
    return [line for line in lines if line[4] == target]


def in_namespaces(pid: int, *command: str) -> subprocess.CompletedProcess[str]:
    """A program of the host as the container's root with every capability there."""
    return subprocess.run(["nsenter", "--target", str(pid), "--all", *command], check=False,
                          capture_output=True, text=True)


def test_limits_now_and_back_to_what_they_are_without(box: Sandbox) -> None:
    pid = box.launch("limits", cgroup={"pids.max": 9})
    name = box.names[0]
    done = four_steps(name, cgroup={"memory.max": "64M", "cpu.shares": 512})
    assert (done["pending_restart"], done["pid"], len(done["applied"])) == (False, pid, 3)
    assert on_disk(name, "memory.max", "memory.limit_in_bytes") == str(64 << 20)
    assert on_disk(name, "cpu.shares", "cpu.weight") in ("512", "50")
    assert on_disk(name, "pids.max") == "max"
    done = four_steps(name, cgroup={})
    assert on_disk(name, "cpu.shares", "cpu.weight") in ("1024", "100")
    limit = on_disk(name, "memory.max", "memory.limit_in_bytes")
    assert limit == "max" or int(limit) > 1 << 60


def test_what_can_not_be_changed_waits_or_restarts(box: Sandbox) -> None:
    pid = box.launch("waits")
    name = box.names[0]
    done = four_steps(name, environment={"A": "1"}, cgroup={"pids.max": 9})
    assert (done["pending"], done["pid"]) == (["environment"], pid)
    assert on_disk(name, "pids.max") == "9"
    again = task(name)
    assert again["pending_restart"] and not again["changed"]
    checked = task(name, check=True, apply="restart")
    assert checked["actions"] == ["restart"] and observe.status(name)["pid"] == pid
    done = task(name, apply="restart")
    assert done["actions"] == ["restart"] and not done["pending"] and done["pid"] not in (0, pid)
    assert b"A=1\0" in pathlib.Path("/proc/%d/environ" % done["pid"]).read_bytes()
    assert not task(name, apply="restart")["changed"]
    # Nothing restarts that need not: such hooks are looked up when their time has come.
    done = task(name, apply="restart", hooks={"clone": ["/bin/true"], "destroy": ["/bin/true"]})
    assert done["actions"] == ["update"] and not done["pending"]
    assert task(name, hooks={"start": ["/bin/true"]})["pending"] == ["hooks"]
    assert not task(name, hooks={})["pending"]
    done = task(name, apply="restart", cgroup={"pids.max": 10})
    assert done["actions"] == ["update", "apply"] and observe.status(name)["pid"] == done["pid"]


def test_at_the_next_boot_nothing_is_touched_before(box: Sandbox) -> None:
    pid = box.launch("boot", cgroup={"pids.max": 9})
    name = box.names[0]
    done = task(name, apply="next_boot", cgroup={"pids.max": 7}, start_auto=True)
    assert (done["pending"], done["actions"], done["pid"]) == (["cgroup"], ["update"], pid)
    assert on_disk(name, "pids.max") == "9"
    # What waits is made up for as soon as somebody wants that.
    done = four_steps(name)
    assert done["actions"] == ["apply"] and on_disk(name, "pids.max") == "7"


@kinds
def test_mounts_come_and_go(box: Sandbox, privileged: bool) -> None:
    for folder in ("one", "two"):
        (box.folder / folder).mkdir()
        (box.folder / folder / "file").write_text(folder)
    pid = box.launch("mounts", privileged=privileged)
    name = box.names[0]
    idmap = [] if privileged else ["idmap=container"]
    one = {"source": str(box.folder / "one"), "target": "/mnt/deep", "create": "dir",
           "read_only": True, "options": ["nosuid", *idmap]}
    file = {"source": str(box.folder / "two/file"), "target": "/tmp/file", "create": "file"}
    memory = {"type": "tmpfs", "target": "/tmp/memory", "create": "dir",
              "options": ["size=64k", "mode=0700"]}
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    done = four_steps(name, mounts=[one, file, memory])
    assert not done["pending_restart"] and done["pid"] == pid
    assert inside(pid, "/mnt/deep/file").read_text() == "one"
    assert inside(pid, "/tmp/file").read_text() == "two"
    assert "ro" in mount_lines(pid, "/mnt/deep")[0][5].split(",")
    status = inside(pid, "/tmp/memory").stat()
    first = store.need_definition(name)["idmap"]
    assert status.st_uid == (first["first"] if first else 0)
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before
    done = four_steps(name, mounts=[{**one, "source": str(box.folder / "two")}, memory])
    assert not done["pending_restart"]
    assert inside(pid, "/mnt/deep/file").read_text() == "two"
    assert not mount_lines(pid, "/tmp/file") and inside(pid, "/tmp/file").read_text() == ""
    four_steps(name, mounts=[])
    assert not mount_lines(pid, "/mnt/deep") and not mount_lines(pid, "/tmp/memory")
    assert observe.status(name)["pid"] == pid


def test_a_read_only_mount_stays_so_for_the_containers_root(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("locked", cap_add=["sys_admin"], mounts=[])
    task(box.names[0], mounts=[{"source": str(box.folder / "shared"), "target": "/mnt",
                                "read_only": True, "options": ["idmap=container"]}])
    tried = in_namespaces(pid, "/bin/busybox", "mount", "-o", "remount,bind,rw", "/mnt")
    assert tried.returncode != 0
    assert in_namespaces(pid, "/bin/busybox", "touch", "/mnt/x").returncode != 0
    assert list((box.folder / "shared").iterdir()) == []


@pytest.mark.parametrize("link", ["/tmp", "../../../../../tmp", "/proc/1/root/tmp"])
def test_a_symlink_in_the_container_leads_nowhere_else(box: Sandbox, link: str) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("link")
    (box.rootfs / "evil").symlink_to(link)
    before = pathlib.Path("/proc/self/mountinfo").read_text()
    wanted = [{"source": str(box.folder / "shared"), "target": "/evil"}]
    if "proc" in link:  # a magic link, which goes where the kernel says
        with pytest.raises(AssertionError, match="ELOOP"):
            task(box.names[0], mounts=wanted)
        assert not mount_lines(pid, "/tmp")
    else:
        task(box.names[0], mounts=wanted)
        assert len(mount_lines(pid, "/tmp")) == 1  # its own
    assert pathlib.Path("/proc/self/mountinfo").read_text() == before


def test_what_somebody_mounted_over_it_is_not_unmounted(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("over", cap_add=["sys_admin"])
    name = box.names[0]
    task(name, mounts=[{"source": str(box.folder / "shared"), "target": "/mnt"}])
    assert in_namespaces(pid, "/bin/busybox", "mount", "-t", "tmpfs", "x", "/mnt").returncode == 0
    with pytest.raises(AssertionError, match="something else is mounted there"):
        task(name, mounts=[])
    assert len(mount_lines(pid, "/mnt")) == 2
    assert task(name, check=True)["applied"] == ["unmount /mnt"]


def test_a_mount_of_the_start_waits_where_it_is_locked(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("start", mounts=[{"source": str(box.folder / "shared"), "target": "/mnt"}])
    done = four_steps(box.names[0], mounts=[])
    assert done["pending"] == ["mounts"] and mount_lines(pid, "/mnt")


def test_a_mount_of_the_start_whose_source_has_gone_waits(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("gone", privileged=True, mounts=[
        {"source": str(box.folder / "shared"), "target": "/mnt"}])
    (box.folder / "shared").rmdir()
    done = four_steps(box.names[0], mounts=[])
    assert done["pending"] == ["mounts"] and mount_lines(pid, "/mnt")


def test_what_was_unmounted_inside_is_no_error(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("inside", cap_add=["sys_admin"])
    task(box.names[0], mounts=[{"source": str(box.folder / "shared"), "target": "/mnt"}])
    assert in_namespaces(pid, "/bin/busybox", "umount", "/mnt").returncode == 0
    assert not four_steps(box.names[0], mounts=[])["pending_restart"]


def test_a_mount_that_hides_another_waits(box: Sandbox) -> None:
    (box.folder / "shared/sub").mkdir(parents=True)
    sub = {"source": str(box.folder / "shared"), "target": "/mnt/sub", "create": "dir"}
    box.launch("hides", mounts=[sub])
    done = four_steps(box.names[0], mounts=[{"source": str(box.folder / "shared"),
                                             "target": "/mnt"}, sub])
    assert done["pending"] == ["mounts"] and done["applied"] == []


@kinds
def test_name_limits_and_parameters(box: Sandbox, privileged: bool) -> None:
    pid = box.launch("kernel", "busybox sleep 100000 & busybox sleep 100000; :",
                     privileged=privileged, sysctls={"kernel.msgmax": "4096"})
    name = box.names[0]
    wait_until(lambda: len(observe.container_pids(observe.status(name)["recorded"])) == 3)
    host = os.uname().nodename, pathlib.Path("/proc/sys/kernel/msgmax").read_text()
    done = four_steps(name, hostname="renamed", rlimits={"nofile": "100:200"},
                      sysctls={"kernel.msgmax": "5000", "net.ipv4.ip_forward": 1})
    assert not done["pending_restart"] and done["pid"] == pid
    shown = in_namespaces(pid, "/bin/busybox", "sh", "-c",
                          "hostname; cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward")
    assert shown.stdout.split() == ["renamed", "5000", "1"]
    assert host == (os.uname().nodename, pathlib.Path("/proc/sys/kernel/msgmax").read_text())
    for one in observe.container_pids(observe.status(name)["recorded"]):
        limits = pathlib.Path("/proc/%d/limits" % one).read_text().splitlines()
        assert [line.split()[3:5] for line in limits if "open files" in line] == [["100", "200"]]
    done = four_steps(name, hostname="", rlimits={}, sysctls={})
    assert done["pending"] == ["hostname", "rlimits", "sysctls"]


def test_a_frozen_one(box: Sandbox) -> None:
    (box.folder / "shared").mkdir()
    pid = box.launch("frozen")
    name = box.names[0]
    for folder in left_in_cgroups(name):
        path = pathlib.Path(folder, "cgroup.freeze")
        if path.exists():
            path.write_text("1")
    wait_until(lambda: observe.status(name)["state"] == "FROZEN")
    four_steps(name, cgroup={"pids.max": 5}, hostname="cold",
               mounts=[{"source": str(box.folder / "shared"), "target": "/mnt"}])
    assert mount_lines(pid, "/mnt") and on_disk(name, "pids.max") == "5"


@pytest.mark.parametrize("privileged", [False, True])
def test_a_device_and_its_node(box: Sandbox, privileged: bool) -> None:
    """What lxc-device does, with one that every machine has."""
    pid = box.launch("node", privileged=privileged)
    done = four_steps(box.names[0], devices=["c 1:11 rw"], mounts=[
        {"source": "/dev/kmsg", "target": "/dev/new/kmsg", "create": "file"}])
    assert (done["pending"], done["pid"]) == ([], pid)
    node = pathlib.Path("/proc/%d/root/dev/new/kmsg" % pid)
    assert node.stat().st_rdev == os.makedev(1, 11)
    assert in_namespaces(pid, "/bin/sh", "-c", ": > /dev/new/kmsg; echo $?").stdout == (
        "0\n" if privileged else "")  # else the node is nobody's, for whom it is not open
    assert not (box.rootfs / "dev/new").exists()
    assert not four_steps(box.names[0], mounts=[])["pending"]
    assert node.stat().st_rdev == 0
    waits = task(box.names[0], mounts=[{"source": "tmpfs", "target": "/dev/x", "type": "tmpfs"}])
    assert waits["pending"] == ["mounts"]


def test_devices(box: Sandbox) -> None:
    box.launch("devices")
    name = box.names[0]
    four_steps(name, devices=["c 10:200 rwm"])
    four_steps(name, devices=["c 10:229 rw"])
    listed = [pathlib.Path(f, "devices.list") for f in left_in_cgroups(name)]
    for path in listed:
        if path.exists():
            rules = path.read_text().splitlines()
            assert "c 10:229 rw" in rules and not any("10:200" in rule for rule in rules)
            assert "c 1:3 rwm" in rules


def test_a_change_that_fails_is_said_and_waits(box: Sandbox) -> None:
    box.launch("fails")
    name = box.names[0]
    with pytest.raises(AssertionError, match="is stored"):
        task(name, mounts=[{"source": str(box.folder / "none"), "target": "/mnt"}],
             cgroup={"pids.max": 5})
    assert on_disk(name, "pids.max") == "5"
    assert [text.split()[0] for text in task(name, check=True)["applied"]] == ["mount"]
    assert task(name, mounts=[])["pending"] == []
