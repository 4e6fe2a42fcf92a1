# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers inside of a container, started there by the same code; needs root."""
from __future__ import annotations

import json
import pathlib
import typing as t

import container_sandbox
import pytest
from container_sandbox import USR, Sandbox, console

box = pytest.fixture(container_sandbox.sandbox)
COLLECTION = pathlib.Path(__file__).resolve().parents[2]
PLACE = "/mnt/ansible_collections/fleet/lxc"
# What a host has that is a container itself, and no more than starting containers takes.
HOST: dict[str, t.Any] = {
    "privileged": True, "seccomp": "unconfined", "devices": ["a"], "mount_auto": ["cgroup:rw"],
    "cap_add": ["sys_admin", "net_admin", "sys_resource", "sys_ptrace", "setfcap", "mknod"]}
# As systemd does it: version 2 hands controllers on where no process is.
OUTER = """
for top in /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ -e $top/cgroup.subtree_control ] || continue
    busybox mkdir $top/init
    echo 0 > $top/init/cgroup.procs
    for one in $(busybox cat $top/cgroup.controllers); do
        echo +$one > $top/cgroup.subtree_control
    done
done
exec /usr/bin/python3 -c "$INNER"
"""
INNER = """
import json, sys
sys.path[:0] = ["/mnt", "%s/tests/runtime"]
from container_sandbox import LxcError, Sandbox
box = Sandbox()
try:
    said = box.run("inner", %r)
except LxcError as error:
    said = str(error)
box.close()
print("SAID" + json.dumps(said) + "END", flush=True)
"""


def what_it_says_inside(box: Sandbox, script: str, **options: t.Any) -> str:
    """A shell script in an unprivileged container that one with these options has started, or the
    error of that start."""
    folder = box.folder / "var"
    (folder / "tmp").mkdir(parents=True)
    (box.rootfs / "var").mkdir()
    whole = box.define("outer", OUTER, **HOST, **options, mounts=[
        USR, {"source": str(folder), "target": "/var"},
        {"type": "tmpfs", "target": "/run", "create": "dir"},
        {"source": str(COLLECTION), "target": PLACE, "create": "dir", "read_only": True}],
        environment={"INNER": INNER % (PLACE, script)})
    box.start(whole)
    box.ended(whole)
    shown = console(whole)
    assert "SAID" in shown, shown
    return str(json.loads(shown.partition("SAID")[2].partition("END")[0]))


def test_unprivileged_in_one_that_nests(box: Sandbox) -> None:
    said = what_it_says_inside(
        box, "busybox awk '{print $2, $3}' /proc/self/uid_map; cd /sys/class/net; echo *;"
             "busybox wc -c < /proc/keys; ls /dev/.lxc; echo x > /proc/sys/kernel/core_pattern",
        nesting=True)
    ids, links, keys, *refused = said.splitlines()
    first, size = map(int, ids.split())
    assert first >= 1 << 16 and size == 1 << 16
    assert links == "lo"
    # What nests shows its inside no more than any other one does.
    assert keys == "0"
    assert len(refused) == 2 and "Read-only file system" in refused[1]


def test_without_it_the_error_says_what_to_do(box: Sandbox) -> None:
    said = what_it_says_inside(box, "echo started")
    assert "mount proc on /proc: Operation not permitted (EPERM)" in said
    assert "'nesting: true'" in said


@pytest.mark.parametrize("privileged", [False, True])
def test_only_root_gets_to_where_nothing_is_hidden(box: Sandbox, privileged: bool) -> None:
    script = ("cd /dev/.lxc || exit; busybox stat -c %u:%a .; busybox ls proc/self/comm;"
              "busybox ls sys/class/net; busybox cat /proc/self/mountinfo")
    owner, comm, links, *lines = box.run("whole", script, nesting=True,
                                         privileged=privileged).splitlines()
    assert (owner, comm, links) == ("0:700", "proc/self/comm", "lo")
    mounted = {words[4]: words[5].split(",") for words in map(str.split, lines)}
    below = sorted(path for path in mounted if path.startswith("/dev/.lxc"))
    assert below == ["/dev/.lxc/proc", "/dev/.lxc/sys"]
    for path in below:
        assert {"rw", "nosuid", "nodev", "noexec"} <= set(mounted[path])
    # Where everybody looks it is as ever.
    assert "ro" in mounted["/proc/sys"] and "/proc/keys" in mounted
    refused = box.run("other", "cd /dev/.lxc && echo in", nesting=True, privileged=privileged,
                      uid=7)
    assert "Permission denied" in refused
