# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of real containers, from the host and from inside; needs root."""
from __future__ import annotations

import os
import pathlib
import time
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import observe
from ansible_collections.fleet.lxc.plugins.module_utils._container.process_list import (
    ProcessList,
    account_names,
)
from container_sandbox import USR, Sandbox, console, wait_until

box = pytest.fixture(container_sandbox.sandbox)


def listed(box: Sandbox, name: str) -> list[dict[str, t.Any]]:
    return ProcessList().of(observe.status(name)["recorded"], str(box.rootfs))


def test_both_ids_users_and_what_it_costs(box: Sandbox) -> None:
    (box.rootfs / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nweb:x:33:33::/:/bin/sh\n")
    pid = box.launch("ps", "/usr/bin/setpriv --reuid=33 --clear-groups busybox sleep 1000 & n=0; "
                           "while [ $n -lt 50000 ]; do n=$((n+1)); done; busybox sleep 1000",
                     mounts=[USR])
    name = box.names[0]
    found = wait_until(lambda: [p for p in [listed(box, name)] if [
        one["command"] for one in p] == ["busybox sleep 1000"] * 2])[0]
    init = next(p for p in found if p["pid"] == pid)
    web = next(p for p in found if p["user_inside"] == "web")
    first = int(pathlib.Path("/proc/%d/uid_map" % pid).read_text().split()[1])
    assert (init["pid_inside"], init["uid_inside"], init["user_inside"]) == (1, 0, "root")
    assert (init["uid"], init["user"], init["container"]) == (first, None, name)
    assert (web["uid"], web["uid_inside"], web["ppid"]) == (first + 33, 33, pid)
    assert web["command"] == "busybox sleep 1000" and web["state"] == "S"
    assert web["pid_inside"] == 2
    assert init["cpu"] > web["cpu"] and init["memory"] > 0
    assert time.time() - 60 < init["started"] <= web["started"] + 0.02 <= time.time() + 1


def test_a_privileged_one_has_the_hosts_users(box: Sandbox) -> None:
    box.launch("privileged", privileged=True)
    process = listed(box, box.names[0])[0]
    assert (process["uid"], process["user"], process["uid_inside"]) == (0, "root", 0)
    assert process["user_inside"] is None  # it has no /etc/passwd


def test_of_groups_below_and_of_none(box: Sandbox) -> None:
    name = box.define("tree", "busybox sleep 1000 & echo up; busybox sleep 1000; true")
    assert listed(box, name) == []
    box.start(name)
    wait_until(lambda: "up" in console(name) and len(listed(box, name)) == 3)
    before = listed(box, name)
    for path in observe.status(name)["recorded"]["cgroups"]:
        below = pathlib.Path(path, "below")
        below.mkdir()
        (below / "cgroup.procs").write_text(str(before[-1]["pid"]))
    assert [p["pid"] for p in listed(box, name)] == [p["pid"] for p in before]


@pytest.mark.parametrize("kind", ["link", "outside", "pipe", "folder", "missing", "garbage"])
def test_hostile_accounts(box: Sandbox, kind: str) -> None:
    """They lead nowhere, and nobody waits for them."""
    path = box.rootfs / "etc/passwd"
    if kind == "link":
        (box.folder / "secret").write_text("secret:x:0:0::/:/bin/sh\n")
        path.symlink_to(box.folder / "secret")
    elif kind == "outside":
        path.symlink_to("../../secret")
        (box.folder / "secret").write_text("secret:x:0:0::/:/bin/sh\n")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "garbage":
        path.write_bytes(b"\xff\0:x:\n::::::\nme:x:" + b"9" * 5000 + b":0::/:\nbin:x:2:2::/:\n")
    names = account_names(str(box.rootfs))
    assert names.get(2) == "bin" if kind == "garbage" else names == {}
