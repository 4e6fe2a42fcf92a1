# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces kept, cloned and shared; several ranges of ids; clocks, personality, keyrings."""
from __future__ import annotations

import os
import pathlib
import time

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import mounts
from container_sandbox import Sandbox, console, sandbox, wait_until

box = pytest.fixture(sandbox)
MINE = "/proc/self/ns/"


def namespace(pid: int | str, kind: str) -> str:
    return os.readlink("/proc/%s/ns/%s" % (pid, kind))


@pytest.mark.parametrize("privileged", [False, True])
def test_kept_and_cloned(box: Sandbox, privileged: bool) -> None:
    pid = box.launch("keep", hostname="", networks=[{"type": "none"}], privileged=privileged,
                     namespace_keep=["ipc", "cgroup"], namespace_clone=["net", "uts"])
    for kind in ("ipc", "cgroup"):
        assert namespace(pid, kind) == namespace("self", kind)
    for kind in ("net", "uts", "mnt", "pid"):
        assert namespace(pid, kind) != namespace("self", kind)
    flags = pathlib.Path("/proc/%d/root/sys/class/net/lo/flags" % pid).read_text()
    assert int(flags, 16) & 1  # lo is up


def test_the_hosts_processes(box: Sandbox) -> None:
    name = box.define("pid", "echo $$; exec busybox sleep 1000", namespace_keep=["pid"],
                      privileged=True)
    pid = box.start(name)["pid"]
    wait_until(lambda: console(name).strip() == str(pid))


@pytest.mark.parametrize("kind, how", [("net", "name"), ("ipc", "pid"), ("uts", "path")])
def test_shared_with_another_container(box: Sandbox, kind: str, how: str) -> None:
    first = box.launch("first")
    whose = {"name": box.names[0], "pid": first, "path": "/proc/%d/ns/%s" % (first, kind)}[how]
    second = box.launch("second", hostname="", networks=[{"type": "none"}],
                        namespace_share={kind: whose})
    assert namespace(second, kind) == namespace(first, kind)
    assert namespace(second, "pid") != namespace(first, "pid")
    third = box.launch("third")  # whatever the starter shared for a while
    assert namespace(third, kind) not in (namespace(first, kind), namespace("self", kind))


def test_processes_of_another_container(box: Sandbox) -> None:
    first = box.launch("first", privileged=True)
    second = box.launch("second", privileged=True, namespace_share={"pid": box.names[0]})
    assert namespace(second, "pid") == namespace(first, "pid")
    assert os.readlink("/proc/%d/root/proc/1/exe" % second) == "/bin/busybox"


def test_a_container_that_does_not_run_is_named(box: Sandbox) -> None:
    other = box.define("stopped")
    error = box.refused("second", hostname="", namespace_share={"uts": other})
    assert other in str(error) and "does not run" in str(error)


def test_groups_of_a_kept_namespace_show_no_others(box: Sandbox) -> None:
    pid = box.launch("cg", namespace_keep=["cgroup"], mount_auto=["cgroup:ro"])
    shown = [m for m in mounts.read_mountinfo("/proc/%d/mountinfo" % pid)
             if m["fstype"] in ("cgroup", "cgroup2")]
    assert shown and all(m["root"].endswith("/" + box.names[0]) for m in shown)
    assert all("ro" in m["options"].split(",") for m in shown)


def test_several_ranges(box: Sandbox) -> None:
    """One user of the host is the same inside."""
    (box.folder / "his").mkdir()
    os.chown(box.folder / "his", 1234, 1234)
    box.folder.chmod(0o755)
    name = box.define("ids", "busybox stat -c %u:%g /mnt /tmp/made; echo x > /mnt/written",
                      idmap=["b 0 1073741824 1234", "b 1234 1234 1", "b 1235 1073743059 64301"],
                      uid=1234, gid=1234, mounts=[{"source": str(box.folder / "his"),
                                                   "target": "/mnt"}])
    (box.rootfs / "tmp/made").touch()
    box.start(name)
    box.ended(name)
    assert console(name).splitlines() == ["1234:1234", "0:0"]
    assert (box.folder / "his/written").stat().st_uid == 1234


def test_clocks(box: Sandbox) -> None:
    said = box.run("clock", "busybox cut -d. -f1 /proc/uptime; busybox readlink /proc/self/ns/time",
                   time_offset_boot="1000h", time_offset_monotonic="-1s").splitlines()
    boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert 0 <= int(said[0]) - 1000 * 3600 <= boot + 1
    assert said[1] != os.readlink(MINE + "time")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names of x86-64")
def test_arch(box: Sandbox) -> None:
    assert box.run("arch", "busybox uname -m", arch="i686").strip() == "i686"
    assert "this machine is x86_64" in str(box.refused("other", arch="aarch64"))


def test_the_hosts_keyring_is_seen_where_asked(box: Sandbox) -> None:
    """KEYCTL_GET_KEYRING_ID of the session keyring, by the host's Python."""
    number = 250 if os.uname().machine == "x86_64" else 219
    script = ("/usr/bin/python3 -c 'import ctypes; "
              "print(ctypes.CDLL(None).syscall(%d, 0, -3, 0))'" % number)
    usr = {"source": "/usr", "target": "/usr", "read_only": True}
    own, shared = (box.run("key%d" % kept, script, keyring_session=not kept, mounts=[usr],
                           seccomp="unconfined", privileged=True).strip() for kept in (0, 1))
    assert own.lstrip("-").isdigit() and own != shared
