# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc_cgroup on real containers, seen from the kernel's files; needs root."""
from __future__ import annotations

import os
import pathlib
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    events,
    host,
    lifecycle,
    observe,
    store,
    usage,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._module import cgroup
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import Request
from container_sandbox import Sandbox, console, left_in_cgroups, wait_until

box = pytest.fixture(container_sandbox.sandbox)


def task(*names: str, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
    """lxc_cgroup, less Ansible."""
    params: dict[str, t.Any] = {key: spec.get("default")
                                for key, spec in cgroup.ARGUMENT_SPEC.items()}
    params.update(options, name=list(names))
    return cgroup.handle(Request(params, check, True, print))


def on_disk(name: str, *files: str) -> str:
    """What the first of the files that is in one of its groups says."""
    for folder in left_in_cgroups(name):
        for file in files:
            path = pathlib.Path(folder, file)
            if path.exists():
                return path.read_text().strip()
    raise AssertionError(files)


def memory(name: str) -> str:
    return on_disk(name, "memory.max", "memory.limit_in_bytes")


def has(controller: str) -> bool:
    facts = host.Host()
    return controller in facts.v1 or controller in facts.v2


def test_running_and_definition_under_either_name(box: Sandbox) -> None:
    box.launch("live", cgroup={"memory.limit_in_bytes": "64M"})
    name = box.names[0]
    given = {"settings": {"memory.max": "33000000", "cpu.shares": 512}}
    checked = task(name, check=True, **given)
    assert memory(name) == str(64 << 20)
    done = task(name, **given)
    assert checked["diff"] == done["diff"] and checked["changed"] and done["changed"]
    page = os.sysconf("SC_PAGE_SIZE")
    assert memory(name) == str(33000000 // page * page)
    assert done["containers"][0]["running"] == {"memory.max": memory(name), "cpu.shares": "512"}
    assert store.need_definition(name)["cgroup"] == {"memory.max": "33000000", "cpu.shares": "512"}
    assert not task(name, **given)["changed"] and not task(name, check=True, **given)["changed"]
    lifecycle.stop([name], kill=True)
    box.start(name)
    assert memory(name) == str(33000000 // page * page)


def test_scopes(box: Sandbox) -> None:
    name = box.define("scopes", cgroup={"memory.max": "64M"})
    result = task(name, settings={"memory.max": "32M"}, scope="running")
    assert result["failed"] and "it does not run" in result["msg"]
    assert store.need_definition(name)["cgroup"] == {"memory.max": str(64 << 20)}
    box.start(name)
    assert task(name, settings={"memory.max": "32M"}, scope="running")["changed"]
    assert memory(name) == str(32 << 20)
    assert store.need_definition(name)["cgroup"] == {"memory.max": str(64 << 20)}
    assert task(name, settings={"memory.max": "48M"}, scope="definition")["changed"]
    assert memory(name) == str(32 << 20)
    assert store.need_definition(name)["cgroup"] == {"memory.max": str(48 << 20)}


def test_every_value_that_is_asked_for(box: Sandbox) -> None:
    box.launch("read", cgroup={"memory.max": "64M", "pids.max": 9})
    result = task(box.names[0], read=[
        "memory.max", "memory.limit_in_bytes", "pids.max", "cpu.shares", "cpu.weight",
        "pids.current", "memory.current", "no.such"])
    found = result["containers"][0]["running"]
    assert found["memory.max"] == found["memory.limit_in_bytes"] == str(64 << 20)
    assert (found["pids.max"], found["cpu.shares"], found["cpu.weight"]) == ("9", "1024", "100")
    assert found["pids.current"] == "1" and int(found["memory.current"]) > 0
    assert result["failed"] and "no.such" in result["msg"] and not result["changed"]


def test_many_and_one_of_them_bad(box: Sandbox) -> None:
    box.launch("one")
    box.launch("two")
    before = memory(box.names[0])
    result = task(container_sandbox.PREFIX + "*", container_sandbox.PREFIX + "none",
                  settings={"pids.max": 50})
    assert [c["changed"] for c in result["containers"]] == [True, True, False]
    assert result["failed"] and "not defined" in result["msg"]
    assert [on_disk(name, "pids.max") for name in box.names] == ["50", "50"]
    assert memory(box.names[0]) == before


@pytest.mark.parametrize("check", [False, True])
def test_what_can_not_be_set_is_said_beforehand(box: Sandbox, check: bool) -> None:
    box.launch("never")
    version1 = os.path.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    for key, words in (("pids.current", "It can only be read"), ("pids.mx", "but pids.max"),
                       ("memory.limt", "but memory.limit_in_bytes") if version1 else
                       ("memory.hihg", "but memory.high")):
        done = task(box.names[0], check=check, settings={key: 5})
        assert done["failed"] and words in done["msg"] and not done["changed"]
    assert store.need_definition(box.names[0])["cgroup"] == {}


def test_a_frozen_one(box: Sandbox) -> None:
    box.launch("frozen")
    name = box.names[0]
    freezers = [pathlib.Path(f) / n for f in left_in_cgroups(name)
                for n in ("cgroup.freeze", "freezer.state") if (pathlib.Path(f) / n).exists()]
    for path in freezers:
        path.write_text("1" if path.name == "cgroup.freeze" else "FROZEN")
    wait_until(lambda: observe.status(name)["state"] == "FROZEN")
    assert task(name, settings={"pids.max": 7, "memory.max": "32M"})["changed"]
    assert on_disk(name, "pids.max") == "7" and memory(name) == str(32 << 20)


def test_priority_is_an_event(box: Sandbox) -> None:
    box.launch("priority")
    name = box.names[0]
    assert task(name, priority=256)["changed"]
    assert int(on_disk(name, "cpu.shares", "cpu.weight")) in (256, 25)
    assert '"priority":256' in pathlib.Path(events.FILE).read_text().splitlines()[-1]
    assert not task(name, priority=256)["changed"]
    with pytest.raises(LxcError, match="they are the same"):
        task(name, priority=5, settings={"cpu.weight": 5})


def test_devices_now_and_at_the_next_start(box: Sandbox) -> None:
    # Reads a node that the host's root has bound, once it may.
    box.launch("devices", "while :; do busybox head -c 1 /dev/kmsg > /dev/null 2>&1 && echo yes"
                          " || echo no; sleep 0.05; done",
               mounts=[{"source": "/dev/kmsg", "target": "/dev/kmsg", "create": "file"}],
               privileged=True, cap_add=["syslog"])
    name = box.names[0]

    def last() -> str:
        return (console(name).splitlines() or [""])[-1]
    wait_until(lambda: last() == "no")
    assert task(name, devices_allow=["c 1:11 rwm"])["changed"]
    wait_until(lambda: last() == "yes")
    assert store.need_definition(name)["devices"] == ["c 1:11 rwm"]
    assert not task(name, devices_allow=["c 1:11 r"])["changed"]
    checked = task(name, check=True, devices_deny=["c 1:11 r"])
    done = task(name, devices_deny=["c 1:11 r"])
    assert checked["diff"] == done["diff"] and done["changed"]
    assert done["containers"][0]["running_devices"] == ["c 1:11 wm"]
    wait_until(lambda: last() == "no")
    assert store.need_definition(name)["devices"] == ["c 1:11 wm"]
    assert not task(name, devices_deny=["c 1:11 r"])["changed"]


def test_a_group_is_made_where_there_was_none(box: Sandbox) -> None:
    if not has("cpuset"):
        pytest.skip("this host has no cpuset")
    box.launch("cpuset", "busybox sleep 100000 & busybox sleep 100000; :")
    name = box.names[0]
    wait_until(lambda: len(observe.container_pids(observe.status(name)["recorded"])) == 3)
    checked = task(name, settings={"cpuset.cpus": "0"}, check=True)
    done = task(name, settings={"cpuset.cpus": "0"})
    assert checked["diff"]["after"] == done["diff"]["after"]
    assert on_disk(name, "cpuset.cpus") == "0"
    for one in observe.container_pids(observe.status(name)["recorded"]):
        assert container_sandbox.status_lines(one)["Cpus_allowed_list"] == "0"
    assert not task(name, settings={"cpuset.cpus": "0-0"})["changed"]
    lifecycle.stop([name], kill=True)
    assert left_in_cgroups(name) == []


def test_a_limit_with_the_one_of_memory_and_swap(box: Sandbox) -> None:
    box.launch("swap", cgroup={"memory.max": "32M"})
    name = box.names[0]
    if not any(os.path.exists(f + "/memory.memsw.limit_in_bytes") for f in left_in_cgroups(name)):
        pytest.skip("this host does not count swap on v1")
    for size in ("32M", "64M", "16M"):
        task(name, settings={"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size})
        assert memory(name) == on_disk(name, "memory.memsw.limit_in_bytes")
    result = task(name, settings={"memory.limit_in_bytes": "1G"}, scope="running")
    assert "raise that as well" in result["msg"]


def test_what_it_uses_is_counted(box: Sandbox) -> None:
    box.launch("usage", "busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2> /dev/null;"
                        " i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; "
                        "busybox sleep 100000; :", cgroup={"memory.max": "64M", "pids.max": 20})
    name = box.names[0]
    wait_until(lambda: console(name) == "done\n")
    used = usage.usage(observe.status(name)["recorded"])
    assert used["cpu"]["total"] > 0 and used["cpu"]["user"] + used["cpu"]["system"] > 0
    assert 8 << 20 <= used["memory"]["current"] <= used["memory"]["peak"] <= 64 << 20
    assert used["memory"]["limit"] == 64 << 20 and used["memory"]["oom_kills"] == 0
    assert used["pids"]["limit"] == 20 and used["pids"]["current"] in (1, 2)
    if os.path.exists("/proc/pressure") and any(
            os.path.exists(folder + "/cpu.pressure") for folder in left_in_cgroups(name)):
        assert used["pressure"]["cpu"]["some"]["total"] >= 0
