# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces kept, cloned and shared; several ranges of ids; clocks, personality, keyrings."""
from __future__ import annotations

import errno
import os
import pathlib
import signal
import time

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import exchange, store
from ansible_collections.fleet.lxc.plugins.module_utils._container.entry import Command
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


@pytest.mark.parametrize("privileged", [False, True])
def test_the_hosts_processes(box: Sandbox, privileged: bool) -> None:
    """Seen as from the host, with the host's root protected from that of the container."""
    name = box.define("pid", "echo $$ $(busybox stat -c %%u /proc/1 /proc/$$) $(cat /proc/%d/comm);"
                      "echo x > /proc/%d/oom_score_adj; kill -9 %d; cat /proc/keys | wc -l; "
                      "exec busybox sleep 1000" % ((os.getpid(),) * 3), namespace_keep=["pid"],
                      privileged=privileged)
    if privileged:  # whose root is the host's
        stored = store.need_definition(name)
        store.write_definition(name, {**stored, "command": ["/bin/sh", "-c",
                                                            "echo $$; exec busybox sleep 1000"]})
    pid = box.start(name)["pid"]
    wait_until(lambda: len(console(name).splitlines()) == (1 if privileged else 4))
    said = console(name).splitlines()
    if privileged:
        assert said == [str(pid)]
        return
    comm = pathlib.Path("/proc/self/comm").read_text().strip()
    assert said[0].split() == [str(pid), "65534", "0", comm]
    assert "ermission denied" in said[1] and "ermi" in said[2] and said[3] == "0"
    mounted = mounts.read_mountinfo("/proc/%d/mountinfo" % pid)
    assert [m["fstype"] for m in mounted if m["target"] == "/proc"] == ["proc"]


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


@pytest.mark.parametrize("privileged", [False, True])
def test_processes_of_another_container(box: Sandbox, privileged: bool) -> None:
    first = box.launch("first", privileged=privileged)
    second = box.launch("second", "exec busybox sleep 1000", privileged=privileged,
                        namespace_share={"pid": box.names[0]})
    assert namespace(second, "pid") == namespace(first, "pid")
    top = "/proc/%d/root/proc" % second
    assert pathlib.Path(top + "/1/cmdline").read_bytes().startswith(b"/bin/busybox\0")
    assert {p for p in os.listdir(top) if p.isdigit()} == {"1", "2"}
    assert not pathlib.Path(top + "/keys").read_bytes()  # is masked
    os.kill(first, signal.SIGKILL)  # whose end is that of all in its namespace
    assert box.ended(box.names[1])["exit"] == {"signal": 9}


def test_a_pod_has_one_set_of_users(box: Sandbox) -> None:
    """And so one range of ids: files of one are the other's, too."""
    pod = box.define("first", "busybox touch /tmp/of-first; exec busybox sleep 1000", uid=7)
    (box.rootfs / "tmp/of-first").touch()
    first = box.start(pod)["pid"]
    whole = {kind: pod for kind in ("user", "net", "ipc", "uts", "pid")}
    second = box.launch("second", "busybox stat -c %u / /tmp/of-first; busybox hostname; kill -9 1;"
                        "busybox ifconfig lo; exec busybox sleep 1000", hostname="",
                        networks=[{"type": "none"}], namespace_share=whole)
    wait_until(lambda: "LOOPBACK" in console(box.names[1]))
    for kind in (*whole, "mnt", "cgroup"):
        assert (namespace(second, kind) == namespace(first, kind)) is (kind in whole)
    assert (box.rootfs / "tmp/of-first").stat().st_uid == 0
    for kind in ("uid_map", "gid_map"):
        maps = {pathlib.Path("/proc/%d/%s" % (pid, kind)).read_text() for pid in (first, second)}
        assert len(maps) == 1
    assert console(box.names[1]).split()[:2] == ["0", "0"]
    assert pod in console(box.names[1]).split()
    stored = [store.need_definition(name)["idmap"] for name in box.names]
    assert stored[0] != stored[1]  # its own are there for the day when it shares no more


def test_shared_users_and_all_else_its_own(box: Sandbox) -> None:
    first = box.launch("first")
    name = box.define("second", "cat /proc/sys/net/ipv4/ip_default_ttl; echo $$; "
                      "ls /sys/class/net; exec busybox sleep 1000",
                      namespace_share={"user": str(first)}, sysctls={"net.ipv4.ip_default_ttl": 33})
    second = box.start(name)["pid"]
    wait_until(lambda: len(console(name).splitlines()) == 3)
    assert console(name).splitlines() == ["33", "1", "lo"]
    assert namespace(second, "user") == namespace(first, "user")
    for kind in ("net", "ipc", "uts", "pid", "mnt", "cgroup"):
        assert namespace(second, kind) != namespace(first, kind)
    os.kill(second, signal.SIGKILL)
    assert box.ended(name)["exit"] == {"signal": 9}  # the monitor was its parent
    third = box.launch("third")
    assert namespace(third, "user") not in (namespace(first, "user"), namespace("self", "user"))


def test_a_program_in_a_container_that_shares_users(box: Sandbox) -> None:
    box.launch("first")
    box.launch("second", namespace_share={"user": box.names[0], "pid": box.names[0]})
    command = Command(["/bin/sh", "-c", "busybox id -u; busybox stat -c %u /etc"])
    done = exchange.run({box.names[1]: command})[box.names[1]]
    assert isinstance(done, exchange.Result) and done.stdout.split() == [b"0", b"0"]


def test_users_that_cant_be_shared(box: Sandbox) -> None:
    box.launch("root", privileged=True)
    error = box.refused("second", namespace_share={"user": box.names[0]})
    assert error.errno == errno.EPERM and "privileged: true" in error.hint
    error = box.refused("third", namespace_share={"user": "/run/users"})
    assert "ids" in error.detail


def test_shared_clocks(box: Sandbox) -> None:
    first = box.launch("first", time_offset_boot="1000h")
    said = box.run("second", "busybox cut -d. -f1 /proc/uptime",
                   namespace_share={"time": box.names[0]})
    assert int(said) >= 1000 * 3600
    assert namespace(first, "time") != namespace("self", "time")


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
