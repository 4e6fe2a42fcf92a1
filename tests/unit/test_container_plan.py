# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Launch plans by tables: what a definition becomes on a v1, a v2 and a hybrid host."""
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container.host import Host
from ansible_collections.fleet.lxc.plugins.module_utils._container.host_links import (
    check_addresses,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.plan import (
    make_plan,
    monitor_folders,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.spec import make_definition
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.cgroups import Hierarchy
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

V1 = [Hierarchy(1, "/cg/" + name, (name,))
      for name in ("cpu", "memory", "devices", "pids", "freezer", "cpuset", "blkio")]
SYSTEMD = Hierarchy(1, "/cg/systemd", ("name=systemd",))
V2 = Hierarchy(2, "/cg/unified", ())
ALL = {"cpu", "memory", "pids", "io", "cpuset"}


def host(kind: str) -> Host:
    """A host of the given layout, as observing one would have made it."""
    made = Host.__new__(Host)
    made.hierarchies = {"v1": [*V1, SYSTEMD], "v2": [Hierarchy(2, "/cg", ())],
                        "hybrid": [*V1, SYSTEMD, V2]}[kind]
    made.v1 = {c for h in made.hierarchies for c in h.controllers}
    made.v2 = ALL if kind == "v2" else set()
    made.has_mqueue = True
    made.namespaces = frozenset(("mnt", "pid", "ipc", "cgroup", "uts", "net", "user", "time"))
    made.machine = "x86_64"
    made.machine_id = "4a1c0f7e"
    made.security_modules = set()
    return made


def plan(kind: str = "hybrid", manifest: dict[str, t.Any] | None = None,
         **options: t.Any) -> dict[str, t.Any]:
    definition = make_definition("web1", {"rootfs": "/srv/web1", **options}, None)
    if not definition["privileged"]:
        definition["idmap"] = {"first": 1 << 30, "size": 65536}
    return make_plan(definition, manifest or {}, host(kind))


@pytest.mark.parametrize("kind, folders", [
    ("v1", ["cpu", "memory", "devices", "pids", "freezer", "systemd"]),
    ("hybrid", ["cpu", "memory", "devices", "pids", "systemd", "unified"]),
])
def test_folders_in_the_hierarchies_that_limit_and_count(kind: str, folders: list[str]) -> None:
    assert plan(kind)["cgroups"]["all"] == ["/cg/%s/fleet-lxc/web1" % name for name in folders]


def test_one_folder_on_v2_with_controllers_and_a_device_program() -> None:
    groups = plan("v2")["cgroups"]
    assert groups["all"] == ["/cg/fleet-lxc/web1"]
    assert groups["enable"] == [["/cg", "/cg/fleet-lxc"], sorted(ALL), []]
    limited = plan("v2", cgroup={"memory.max": "1M", "cpu.weight": "7"})["cgroups"]
    assert limited["enable"][2] == ["cpu", "memory"]
    assert groups["device_program"] and groups["files"] == []


@pytest.mark.parametrize("kind, key, value, written", [
    ("hybrid", "memory.max", "1M", ["/cg/memory/fleet-lxc/web1/memory.limit_in_bytes", "1048576"]),
    ("v2", "memory.limit_in_bytes", "1M", ["/cg/fleet-lxc/web1/memory.max", "1048576"]),
    ("hybrid", "cpuset.cpus", "0", ["/cg/cpuset/fleet-lxc/web1/cpuset.cpus", "0"]),
])
def test_a_value_is_written_where_its_controller_is(kind: str, key: str, value: str,
                                                    written: list[str]) -> None:
    groups = plan(kind, cgroup={key: value})["cgroups"]
    assert written in groups["files"]
    assert written[0].rpartition("/")[0] in groups["all"]


def test_devices_of_v1_are_all_denied_first() -> None:
    files = [file for file in plan("v1", devices=["c 10:200 rw"])["cgroups"]["files"]
             if "/devices." in file[0]]
    assert files[0] == ["/cg/devices/fleet-lxc/web1/devices.deny", "a"]
    assert files[-1] == ["/cg/devices/fleet-lxc/web1/devices.allow", "c 10:200 rw"]


def test_a_controller_that_is_not_mounted_is_named() -> None:
    with pytest.raises(LxcError, match="hugetlb"):
        plan("hybrid", cgroup={"hugetlb.2MB.max": "2M"})


@pytest.mark.parametrize("options, own", [
    ({}, {"mnt", "pid", "ipc", "cgroup", "user"}),
    ({"hostname": "web1"}, {"mnt", "pid", "ipc", "cgroup", "user", "uts"}),
    ({"networks": [{"type": "empty"}]}, {"mnt", "pid", "ipc", "cgroup", "user", "net"}),
    ({"privileged": True}, {"mnt", "pid", "ipc", "cgroup"}),
])
def test_what_the_definition_does_not_mention_is_shared(options: dict[str, t.Any],
                                                        own: set[str]) -> None:
    assert set(plan(**options)["namespaces"]) == own


def test_a_kernel_without_a_namespace_is_named() -> None:
    bare = host("hybrid")
    bare.namespaces -= {"user"}
    definition = make_definition("web1", {"rootfs": "/srv/web1"}, None)
    with pytest.raises(LxcError, match="no user namespaces"):
        make_plan(definition, {}, bare)


def test_sysfs_is_a_bind_where_the_network_is_the_hosts() -> None:
    shared = {m["target"]: m["type"] for m in plan()["kernel"]}
    own = {m["target"]: m["type"] for m in plan(networks=[{"type": "empty"}])["kernel"]}
    assert (shared["/sys"], own["/sys"]) == ("bind", "sysfs")


@pytest.mark.parametrize("options, shown", [
    ({"nesting": False}, []),
    ({}, ["proc"]),  # sysfs would show the host's network
    ({"networks": [{"type": "empty"}]}, ["proc", "sysfs"]),
    ({"namespace_keep": ["pid"], "privileged": True}, ["proc", "sysfs"]),
    ({"namespace_share": {"pid": "web2"}}, []),
])
def test_nesting_shows_what_is_the_containers_own(options: dict[str, t.Any],
                                                  shown: list[str]) -> None:
    made = plan(**{"nesting": True, **options})
    assert [mount["type"] for mount in made["nesting"]] == shown


def test_the_manifests_mounts_come_first_and_are_read_only_and_id_mapped() -> None:
    made = plan(manifest={"mounts": [{"source": "/usr", "target": "/usr", "read_only": True}],
                          "command": ["/usr/sbin/sshd", "-D"]},
                mounts=[{"source": "/data", "target": "/data"},
                        {"source": "/dev/fuse", "target": "/dev/fuse", "create": "file"}])
    assert [(m["target"], m["options"], m["id_mapped"]) for m in made["staged"]] == [
        ("/usr", ["ro"], True), ("/data", [], False)]
    assert [m["target"] for m in made["late"]] == ["/dev/fuse"]
    assert made["argv"] == ["/usr/sbin/sshd", "-D"]


def test_device_nodes_of_an_unprivileged_root_file_system_are_dead() -> None:
    assert plan()["rootfs_options"] == ["nodev"]
    assert plan(privileged=True)["rootfs_options"] == []


@pytest.mark.parametrize("options, kept, gone", [
    ({}, 0, 21),                                    # chown is, sys_admin is not
    ({"cap_add": ["sys_admin"]}, 21, 12),
    ({"cap_drop": ["chown"]}, 1, 0),
    ({"cap_keep": ["net_admin"]}, 12, 0),
])
def test_capabilities(options: dict[str, t.Any], kept: int, gone: int) -> None:
    mask = plan(**options)["capabilities"]
    assert mask >> kept & 1 and not mask >> gone & 1


def test_no_seccomp_only_where_it_is_said() -> None:
    assert plan()["seccomp"] and plan(seccomp="unconfined")["seccomp"] is None


def test_two_networks_have_two_links_that_are_the_same_at_each_start() -> None:
    networks = [{"link": "br0"}, {"link": "br0", "name": "eth1", "host_name": "mine"}]
    first, second = plan(networks=networks), plan(networks=networks)
    assert first["links"] == second["links"]
    assert first["links"][1] == "mine" and len(first["links"][0]) <= 15


def test_monitors_live_in_every_hierarchy() -> None:
    assert len(monitor_folders(host("hybrid"))) == len(V1) + 2


def test_an_address_that_another_container_has_on_the_same_bridge() -> None:
    def on(name: str, link: str) -> dict[str, t.Any]:
        return make_definition(name, {"rootfs": "/r", "networks": [
            {"link": link, "addresses": ["10.0.3.2/24"]}]}, None)
    check_addresses(on("a", "br0"), [on("b", "br1"), on("a", "br0")])
    with pytest.raises(LxcError, match="container b has it on br0"):
        check_addresses(on("a", "br0"), [on("b", "br0")])


def kernel(made: dict[str, t.Any]) -> dict[str, dict[str, t.Any]]:
    return {mount["target"]: mount for mount in made["kernel"]}


@pytest.mark.parametrize("kind, privileged, writable", [
    ("hybrid", False, {"cpu", "memory", "devices", "pids", "systemd", "unified"}),
    ("hybrid", True, {"systemd", "unified"}),
    ("v1", True, {"systemd"}),
    ("v2", False, {""}), ("v2", True, {""}),
])
def test_a_system_has_groups_to_divide_and_limits_it_can_not_lift(
        kind: str, privileged: bool, writable: set[str]) -> None:
    made = plan(kind, privileged=privileged)
    shown = {target[len("/sys/fs/cgroup"):].lstrip("/"): mount
             for target, mount in kernel(made).items() if mount["type"].startswith("cgroup")}
    assert {name for name, mount in shown.items() if "ro" not in mount["options"]} == writable
    assert len(made["cgroups"]["delegated"]) == len(writable)
    assert made["cgroups"]["owner"] == (None if privileged else [1 << 30, 1 << 30])
    assert {m["target"] for m in made["staged"]} == {"/run", "/run/lock", "/tmp"}
    assert len(made["environment"]["container_uuid"]) == 36


def test_a_program_gets_nothing_of_a_system() -> None:
    made = plan(command=["/usr/sbin/sshd"])
    assert not [m for m in made["kernel"] if m["type"].startswith("cgroup")]
    assert made["cgroups"]["delegated"] == [] and made["staged"] == []
    assert "container_uuid" not in made["environment"]


def test_what_the_definition_mounts_takes_the_place_of_a_systems_own() -> None:
    made = plan(mounts=[{"source": "/srv/tmp", "target": "/tmp"}])
    assert [m["target"] for m in made["staged"]] == ["/run", "/run/lock", "/tmp"]
    assert made["staged"][2]["type"] == "bind"


@pytest.mark.parametrize("auto, writable, read_only", [
    (None, [], "/proc/sys"),
    (["proc:mixed"], ["/proc/sys/net"], "/proc/sys"),
    (["proc:mixed", "sys:mixed"], ["/proc/sys/net", "/sys/devices/virtual/net"], "/proc/sys"),
    (["proc:rw", "sys:rw"], [], ""),
])
def test_what_of_proc_and_sys_can_be_written(auto: list[str] | None, writable: list[str],
                                             read_only: str) -> None:
    made = plan(mount_auto=auto, networks=[{"type": "empty"}])
    assert made["writable"] == writable
    assert ("/proc/sys" in made["read_only"]) is bool(read_only)
    sealed = kernel(made)["/sys"].get("seal") or "ro" in kernel(made)["/sys"]["options"]
    assert sealed is (auto is None or "sys:rw" not in auto)
    assert plan(mount_auto=auto)["writable"] == []


def test_terminals_are_told_to_a_system() -> None:
    made = plan(tty_max=2)
    assert made["environment"]["container_ttys"] == "pts/1 pts/2"
    assert made["ttys"] == {"count": 2, "folder": None}


@pytest.mark.parametrize("options, namespaces", [
    ({}, {"mnt", "pid", "ipc", "cgroup", "user"}),
    ({"privileged": True, "namespace_keep": ["pid", "ipc"]}, {"mnt", "cgroup"}),
    ({"namespace_clone": ["net", "uts"]},
     {"mnt", "pid", "ipc", "cgroup", "user", "net", "uts"}),
    ({"namespace_share": {"net": "web2", "ipc": "web2"}}, {"mnt", "pid", "cgroup", "user"}),
    ({"time_offset_boot": "1h"}, {"mnt", "pid", "ipc", "cgroup", "user", "time"}),
])
def test_namespaces_of_its_own(options: dict[str, t.Any], namespaces: set[str]) -> None:
    made = plan(**options)
    assert set(made["namespaces"]) == namespaces
    assert made["loopback"] is ("net" in namespaces)
    fresh = "net" in namespaces or options.get("privileged", False)
    assert kernel(made)["/sys"]["type"] == ("sysfs" if fresh else "bind")


def test_without_a_group_namespace_only_the_containers_folders_are_bound() -> None:
    made = plan("v2", namespace_keep=["cgroup"], mount_auto=["cgroup:ro"])
    assert kernel(made)["/sys/fs/cgroup"]["source"] == "/cg/fleet-lxc/web1"


def test_an_architecture_that_the_machine_can_not_run_is_refused() -> None:
    assert plan(arch="i686")["personality"] == 8
    assert plan(arch="x86_64")["personality"] == 0 and plan()["personality"] is None
    with pytest.raises(LxcError, match="this machine is x86_64"):
        plan(arch="armhf")


@pytest.mark.parametrize("options, label", [
    ({}, None), ({"apparmor_profile": "unchanged"}, None),
    ({"apparmor_profile": "lxc-web"}, ["apparmor/exec", "exec lxc-web"]),
    ({"selinux_context": "u:r:t:s0"}, ["exec", "u:r:t:s0"]),
])
def test_labels_where_the_host_has_them(options: dict[str, t.Any], label: list[str] | None) -> None:
    definition = {**make_definition("web1", {"rootfs": "/x", **options}, None),
                  "idmap": {"first": 1 << 30, "size": 65536}}
    having = host("v2")
    having.security_modules = {"apparmor", "selinux"}
    assert make_plan(definition, {}, having)["label"] == label
    if options:
        with pytest.raises(LxcError, match="this host has no"):
            plan(**options)


def test_mounts_out_of_a_file_come_first(tmp_path: pathlib.Path) -> None:
    listed = tmp_path / "fstab"
    listed.write_text("# comment\n\n/a\\040b  srv/x none bind,ro,create=dir 0 0\n"
                      "tmpfs /srv/web1/run tmpfs size=1m,optional\n")
    made = plan(command=["/x"], mount_fstab=str(listed),
                mounts=[{"source": "/c", "target": "/srv/x/y"}])["staged"]
    assert [(m["source"], m["target"], m["type"]) for m in made] == [
        ("/a b", "/srv/x", "bind"), ("tmpfs", "/run", "tmpfs"), ("/c", "/srv/x/y", "bind")]
    assert made[0]["options"] == ["ro"] and made[0]["create"] == "dir"
    assert made[1]["options"] == ["size=1m"] and made[1]["optional"]


@pytest.mark.parametrize("line, words", [
    ("/a b", "2 fields"), ("/dev/sda1 /mnt ext4 ro 0 0", "ext4"), ("a b none bind", "not absolute"),
    ("/a ../b none bind", "not below"), ("/a b none bind,create=x", "neither"),
    ("/a b none bind,size=1", "no option"),
])
def test_a_line_of_mounts_that_can_not_be_is_named(tmp_path: pathlib.Path, line: str,
                                                   words: str) -> None:
    listed = tmp_path / "fstab"
    listed.write_text("\n" + line)
    with pytest.raises(LxcError) as caught:
        plan(mount_fstab=str(listed))
    assert words in caught.value.detail and caught.value.subject == "%s:2" % listed
