# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions of containers: defaults, what is kept, one spelling a fact, and what is refused."""
from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import spec
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

ROOTFS = "/var/lib/fleet-lxc/rootfs/web1"
VETH = {"link": "br0", "addresses": ["10.0.3.5/24"]}


def make(stored: dict[str, t.Any] | None = None, **options: t.Any) -> dict[str, t.Any]:
    if stored is None:
        options.setdefault("rootfs", ROOTFS)
    return spec.make_definition("web1", options, stored)


def refused(stored: dict[str, t.Any] | None = None, **options: t.Any) -> LxcError:
    with pytest.raises(LxcError) as caught:
        make(stored, **options)
    assert caught.value.hint
    assert caught.value.doing == "use as option of container web1:"
    return caught.value


def link(**changes: t.Any) -> list[dict[str, t.Any]]:
    return [{**VETH, **changes}]


def test_a_new_definition_is_whole_and_safe() -> None:
    assert make() == {
        "version": 1, "name": "web1", "rootfs": ROOTFS, "command": None, "environment": {},
        "cwd": "/", "uid": 0, "gid": 0, "hostname": None, "networks": None, "mounts": [],
        "cgroup": {}, "devices": [], "cap_keep": None, "cap_add": [], "cap_drop": [],
        "no_new_privs": False, "seccomp": "default", "rlimits": {}, "sysctls": {},
        "privileged": False, "idmap": None, "halt_signal": None, "reboot_signal": None,
        "stop_signal": None, "init": False, "init_groups": [], "mount_auto": None,
        "mount_fstab": None, "rootfs_options": [], "autodev": True, "nesting": False,
        "tty_max": 0, "tty_dir": None,
        "pty_max": 1024, "console_logfile": None, "console_path": None, "log_file": None,
        "log_level": None, "log_syslog": None, "namespace_keep": [],
        "namespace_clone": [], "namespace_share": {}, "hooks": {}, "hook_version": 0, "arch": None,
        "apparmor_profile": None, "selinux_context": None, "keyring_session": True,
        "time_offset_boot": None, "time_offset_monotonic": None, "start_auto": False,
        "start_delay": 0, "start_order": 0, "group": []}


# Option, as given, as defined.
NORMAL: list[tuple[str, t.Any, t.Any]] = [
    ("rootfs", "//srv//x/", "/srv/x"),
    ("rootfs", "/", "/"),
    ("command", ["/bin/sh", "-c", ""], ["/bin/sh", "-c", ""]),
    ("command", [], None),
    ("environment", {"A_1": "x=y", "N": 7}, {"A_1": "x=y", "N": "7"}),
    ("cwd", "/srv/", "/srv"),
    ("uid", 65535, 65535),
    ("hostname", "web1.example", "web1.example"),
    ("hostname", "h" * 64, "h" * 64),
    ("hostname", "", None),
    ("networks", [{"type": "none"}], None),
    ("networks", [{"type": "empty", "addresses": []}], [{"type": "empty"}]),
    ("networks", [{"link": "br0"}], [{
        "type": "veth", "link": "br0", "name": "eth0", "up": True, "addresses": [],
        "gateway4": None, "gateway6": None, "mtu": None, "mac": None, "host_name": None,
        "mode": "bridge", "vlan": None, "tagged_vlans": [], "script_up": None,
        "script_down": None}]),
    ("mounts", [{"source": "/a/", "target": "/b//c", "options": ["ro", "nosuid", "nodev"]}], [{
        "source": "/a", "target": "/b/c", "type": "bind", "read_only": True,
        "options": ["nodev", "nosuid"], "create": None, "optional": False}]),
    ("mounts",
     [{"target": "/t", "type": "tmpfs", "options": ["size=64m", "nr_inodes=1k"],
       "create": "dir", "optional": True}],
     [{"source": "tmpfs", "target": "/t", "type": "tmpfs", "read_only": False,
       "options": ["size=64m", "nr_inodes=1k"], "create": "dir", "optional": True}]),
    ("cgroup", {"memory.max": "1K"}, {"memory.max": "1024"}),
    ("devices", ["c 10:200 wr", "b *:* m", "a *:* rwm"], ["c 10:200 rw", "b *:* m", "a"]),
    ("cap_keep", [], []),
    ("cap_add", ["CAP_SYS_TIME", "net_admin", "NET_ADMIN"], ["net_admin", "sys_time"]),
    ("cap_drop", ["Chown"], ["chown"]),
    ("seccomp", "unconfined", "unconfined"),
    ("rlimits", {"nofile": 1024}, {"nofile": [1024, 1024]}),
    ("rlimits", {"RLIMIT_NOFILE": "1024:2048"}, {"nofile": [1024, 2048]}),
    ("rlimits", {"core": "unlimited", "cpu": "0:-1"}, {"core": [-1, -1], "cpu": [0, -1]}),
    ("sysctls", {"kernel.sem": "250  32000 100 128", "kernel.shm_rmid_forced": True,
                 "fs.mqueue.msg_max": 20},
     {"kernel.sem": "250 32000 100 128", "kernel.shm_rmid_forced": "1",
      "fs.mqueue.msg_max": "20"}),
    ("idmap", "auto", None),
    ("idmap", "65536", {"first": 65536, "size": 65536}),
    ("idmap", "200000:131072", {"first": 200000, "size": 131072}),
    ("idmap", ["auto"], None),
    ("idmap", ["b 0 200000 65536"], {"first": 200000, "size": 65536}),
    ("idmap", ["u 1000 1000 1", "u 0 200000 1000", "g 0 300000 65536"],
     {"first": 200000, "size": 65536, "uid": [[0, 200000, 1000], [1000, 1000, 1]],
      "gid": [[0, 300000, 65536]]}),
    ("reboot_signal", "rtmin+5", "SIGRTMIN+5"),
    ("stop_signal", "", None),
    ("init_groups", [5, 4, 5], [4, 5]),
    ("mount_auto", ["sys", "cgroup:force", "proc:mixed"], ["cgroup:mixed", "proc:mixed", "sys:rw"]),
    ("mount_auto", ["cgroup:rw:force"], ["cgroup:rw"]),
    ("mount_auto", [], []),
    ("mount_fstab", "/etc//fstab.web1", "/etc/fstab.web1"),
    ("mount_fstab", "", None),
    ("rootfs_options", ["ro", "nosuid"], ["nosuid", "ro"]),
    ("tty_dir", "lxc/", "lxc"),
    ("tty_dir", "", None),
    ("namespace_keep", ["uts", "ipc"], ["ipc", "uts"]),
    ("namespace_share", {"net": "web2", "ipc": 17, "uts": "/proc//1/ns/uts"},
     {"net": "web2", "ipc": "17", "uts": "/proc/1/ns/uts"}),
    ("hooks", {"start": "/bin/true", "pre-start": ["/a b", " /c"], "stop": []},
     {"pre-start": ["/a b", "/c"], "start": ["/bin/true"]}),
    ("arch", "amd64", "x86_64"),
    ("arch", "i586", "i686"),
    ("seccomp", "/etc//web.seccomp", "/etc/web.seccomp"),
    ("time_offset_boot", "7200s", "2h"),
    ("time_offset_boot", "-1500ms", "-1500ms"),
    ("time_offset_monotonic", "0", None),
    ("group", ["web", "db", "web"], ["db", "web"]),
    ("halt_signal", "term", "SIGTERM"),
    ("halt_signal", "15", "SIGTERM"),
    ("halt_signal", "RTMIN+3", "SIGRTMIN+3"),
    ("halt_signal", "RTMIN", "SIGRTMIN"),
    ("halt_signal", "64", "SIGRTMAX"),
    ("halt_signal", "", None),
]


@pytest.mark.parametrize("key, given, normal", NORMAL)
def test_one_spelling(key: str, given: t.Any, normal: t.Any) -> None:
    definition = make(**{key: given})
    assert definition[key] == normal
    assert json.loads(json.dumps(definition)) == definition
    assert make(definition, **{key: given}) == definition
    assert make(definition) == definition


def test_links_are_named_in_order_and_addresses_in_the_kernels_spelling() -> None:
    links = make(networks=[
        {"link": "br0", "addresses": ["10.0.3.5/24", "FD00:3:0::5/64"], "gateway4": "10.0.3.1",
         "gateway6": "fe80::0:1", "mac": "02:00:00:AA:00:01", "mtu": 1280, "host_name": "vweb1"},
        {"link": "br0", "name": "lan0"}, {"link": "br1"}])["networks"]
    assert [item["name"] for item in links] == ["eth0", "lan0", "eth2"]
    assert links[0]["addresses"] == ["10.0.3.5/24", "fd00:3::5/64"]
    assert links[0]["gateway6"] == "fe80::1"
    assert links[0]["mac"] == "02:00:00:aa:00:01"


@pytest.mark.parametrize("item", [
    {"addresses": ["10.0.3.0/31"]}, {"addresses": ["10.0.3.255/32"]},
    {"addresses": ["fd00::/127"]}, {"addresses": ["ff::1/64"]}, {"addresses": ["fe80::5/64"]},
    {"mtu": 68}, {"mtu": 65535},
    {"addresses": ["fd00::5/64"], "gateway6": "fd00::1"},
])
def test_unusual_links_that_work(item: dict[str, t.Any]) -> None:
    assert make(networks=link(**item))["networks"]


# Option, value, and what the error says beside the option's name.
REFUSED: list[tuple[str, t.Any, str]] = [
    ("rootfs", "srv/x", "'srv/x' is not absolute"),
    ("rootfs", "", "not absolute"),
    ("rootfs", "/srv/../etc", "'..'"),
    ("rootfs", "/a\0b", "NUL"),
    ("rootfs", "/a\n", "line break"),
    ("command", [""], "no program"),
    ("command", ["/bin/sh", "a\0b"], "NUL"),
    ("environment", {"1A": "x"}, "'1A'"),
    ("environment", {"A-B": "x"}, "'A-B'"),
    ("environment", {"A\n": "x"}, "A"),
    ("environment", {"": "x"}, "''"),
    ("environment", {"A": "x\0"}, "NUL"),
    ("environment", {"A": True}, "True is no text"),
    ("environment", {"A": 1.10}, "1.1 is no text"),
    ("cwd", "tmp", "not absolute"),
    ("uid", -1, "-1"),
    ("gid", 65536, "65536"),
    ("hostname", "a b", "'a b'"),
    ("hostname", "-a", "'-a'"),
    ("hostname", "h" * 65, "hhh"),
    ("hostname", "a\n", "no host's name"),
    ("networks", [], "empty"),
    ("networks", [{"type": "vxlan", "link": "eth0"}], "'vxlan'"),
    ("networks", [{}], "link is missing"),
    ("networks", [{"lnik": "br0"}], "'lnik'"),
    ("networks", [{"type": "none"}, VETH], "nothing else"),
    ("networks", [VETH, {"type": "empty"}], "nothing else"),
    ("networks", [{"type": "empty"}, {"type": "empty"}], "nothing else"),
    ("networks", [{"type": "empty", "addresses": ["10.0.0.1/8"]}], "addresses means nothing"),
    ("networks", [{"type": "none", "link": "br0"}], "link means nothing"),
    ("networks", link(link="a/b"), "'a/b'"),
    ("networks", link(name="e" * 16), "16 bytes"),
    ("networks", link(name="lo"), "lo is the name"),
    ("networks", link(host_name="br0"), "br0 is the name"),
    ("networks", link(host_name="a b"), "'a b'"),
    ("networks", link(mac="01:00:00:00:00:01"), "multicast"),
    ("networks", link(mtu=67), "67"),
    ("networks", link(mtu=65536), "65536"),
    ("networks", link(addresses=["fd00::5/64"], mtu=1279), "1279"),
    ("networks", link(addresses=["10.0.3.5"]), "prefix is missing"),
    ("networks", link(addresses=["10.0.3.0/24"]), "network's own"),
    ("networks", link(addresses=["10.0.3.255/24"]), "broadcast"),
    ("networks", link(addresses=["224.0.0.1/32"]), "multicast"),
    ("networks", link(addresses=["127.0.0.2/8"]), "loopback"),
    ("networks", link(addresses=["0.0.0.0/32"]), "unspecified"),
    ("networks", link(addresses=["fd00::/64"]), "network's own"),
    ("networks", link(addresses=["ff02::1/128"]), "multicast"),
    ("networks", link(addresses=["::1/128"]), "loopback"),
    ("networks", link(addresses=["::/128"]), "unspecified"),
    ("networks", link(gateway4="10.0.4.1"), "10.0.4.1 is in the network of none"),
    ("networks", link(gateway4="fd00::1"), "other family"),
    ("networks", link(gateway6="10.0.3.1"), "other family"),
    ("networks", link(gateway6="fd00::1"), "network of none"),
    ("networks", link(gateway4="10.0.3.5"), "own address"),
    ("networks", link(gateway4="router"), "'router'"),
    ("networks", [VETH, {**VETH, "addresses": []}, {"link": "br0", "name": "eth1"}], "eth1"),
    ("networks", [VETH, {"link": "br1", "addresses": ["10.0.3.5/16"]}], "10.0.3.5 is listed"),
    ("networks", [{"link": "br0", "host_name": "v"}, {"link": "br0", "host_name": "v"}], "v is"),
    ("networks", [{"link": "br0", "mac": "02:00:00:00:00:01"},
                  {"link": "br0", "mac": "02:00:00:00:00:01"}], "02:00:00:00:00:01 is"),
    ("networks", [{**VETH, "gateway4": "10.0.3.1"},
                  {"link": "br0", "addresses": ["10.0.4.5/24"], "gateway4": "10.0.4.1"}],
     "two links"),
    ("mounts", [{"source": "/a"}], "target is missing"),
    ("mounts", [{"source": "/a", "target": "b"}], "not absolute"),
    ("mounts", [{"source": "/a", "target": "/b/../c"}], "'..'"),
    ("mounts", [{"source": "/a", "target": "//"}], "root file system"),
    ("mounts", [{"target": "/b"}], "source is missing"),
    ("mounts", [{"source": "a", "target": "/b"}], "not absolute"),
    ("mounts", [{"source": "/a", "target": "/b", "type": "ext4"}], "'ext4'"),
    ("mounts", [{"source": "/a", "target": "/b", "creat": "dir"}], "'creat'"),
    ("mounts", [{"source": "/a", "target": "/b", "create": "link"}], "'link'"),
    ("mounts", [{"source": "/a", "target": "/b", "options": ["size=1m"]}], "'size=1m'"),
    ("mounts", [{"source": "/dev/x", "target": "/b", "options": ["relative"]}], "without 'rel"),
    ("mounts", [{"source": "/a", "target": "/dev/x", "options": ["relative"]}], "without 'rel"),
    ("mounts", [{"source": "/a", "target": "/b", "options": ["idmap=container", "relative"]}],
     "has the container's ids already"),
    ("mounts", [{"target": "/b", "type": "tmpfs", "options": ["relative"]}], "no source in the"),
    ("mounts", [{"source": "/a", "target": "/b", "options": ["nodev", "nodev"]}], "twice"),
    ("mounts", [{"type": "tmpfs", "target": "/b", "options": ["size=1m,suid"]}], "size=1m,suid"),
    ("mounts", [{"type": "tmpfs", "target": "/b", "options": ["=x"]}], "'=x'"),
    ("mounts", [{"type": "tmpfs", "target": "/b", "options": ["size=1", "size=2"]}], "twice"),
    ("mounts", [{"type": "tmpfs", "target": "/b", "create": "file"}], "on a file"),
    ("mounts", [{"type": "tmpfs", "target": "/b", "source": "a\0"}], "NUL"),
    ("mounts", [{"source": "/a", "target": "/b"}, {"source": "/c", "target": "/b/"}], "twice"),
    ("cgroup", {"devices.allow": "a"}, "devices.allow"),
    ("devices", ["c 1:3"], "'c 1:3'"),
    ("devices", ["c 1:3 rw", "c 1:3 wr"], "twice"),
    ("cap_keep", ["all"], "'all'"),
    ("cap_add", ["cap_chwon"], "'cap_chwon'"),
    ("seccomp", "off", "'off'"),
    ("rlimits", {"files": 1}, "'files'"),
    ("rlimits", {"nofile": 1, "RLIMIT_NOFILE": 1}, "twice"),
    ("rlimits", {"nofile": "2:1"}, "above"),
    ("rlimits", {"nofile": "unlimited:1"}, "above"),
    ("rlimits", {"nofile": "1:2:3"}, "'1:2:3'"),
    ("rlimits", {"nofile": ""}, "''"),
    ("rlimits", {"nofile": True}, "True"),
    ("rlimits", {"nofile": -2}, "-2"),
    ("rlimits", {"nofile": 1 << 63}, "9223372036854775808"),
    ("sysctls", {"net.ipv4.ip_forward": 1}, "shares its network"),
    ("sysctls", {"vm.swappiness": 1}, "whole host's"),
    ("sysctls", {"kernel.core_pattern": "|x"}, "whole host's"),
    ("sysctls", {"kernel.shm": "1"}, "whole host's"),
    ("sysctls", {"kernel.domainname": "x"}, "whole host's"),
    ("sysctls", {"kernel.hostname": "x"}, "'hostname'"),
    ("sysctls", {"fs.mqueue./../x": "1"}, "no sysctl"),
    ("sysctls", {"fs.mqueue..x": "1"}, "no sysctl"),
    ("sysctls", {"fs.mqueue.a/b": "1"}, "no sysctl"),
    ("sysctls", {"kernel.sem": ""}, "empty"),
    ("sysctls", {"kernel.sem": "1\n2"}, "line break"),
    ("idmap", "1000", "host's own accounts"),
    ("idmap", "65535", "host's own accounts"),
    ("idmap", "100000:1000", "too few"),
    ("idmap", "4294901760:65536", "last id"),
    ("idmap", "many", "'many'"),
    ("idmap", "100000:", "no range"),
    ("idmap", "-1", "no range"),
    ("idmap", ["u 0 100000 65536"], "nobody is root inside"),
    ("idmap", ["b 0 0 65536"], "host's root"),
    ("idmap", ["b 0 100000 10", "b 5 200000 10"], "overlap"),
    ("idmap", ["b 0 100000 10", "b 10 100009 10"], "overlap"),
    ("idmap", ["b 0 100000 0"], "empty"),
    ("idmap", ["b 0 4294967290 10"], "last id"),
    ("idmap", ["x 0 1 2"], "no range"),
    ("idmap", ["100000", "200000"], "no range"),
    ("init_groups", [65536], "out of range"),
    ("mount_auto", ["cgroup-full"], "can't be mounted"),
    ("mount_auto", ["proc:ro"], "can't be mounted"),
    ("mount_auto", ["sys", "sys:ro"], "twice"),
    ("mount_fstab", "fstab", "not absolute"),
    ("rootfs_options", ["noatime"], "no option"),
    ("tty_max", 64, "out of range"),
    ("tty_dir", "a/b", "no folder"),
    ("tty_dir", "..", "no folder"),
    ("pty_max", 0, "out of range"),
    ("namespace_keep", ["user"], "none of"),
    ("namespace_clone", ["all"], "none of"),
    ("namespace_share", {"mnt": "web2"}, "can't be shared"),
    ("namespace_share", {"net": ""}, "names nothing"),
    ("hooks", {"pre_start": "/bin/true"}, "no hook"),
    ("hooks", {"start": ["a\nb"]}, "no command"),
    ("arch", "z80", "no architecture"),
    ("time_offset_boot", "10", "no offset"),
    ("time_offset_boot", "10 hours", "no offset"),
    ("start_delay", -1, "out of range"),
    ("group", ["a b"], "no group"),
    ("halt_signal", "SIGFOO", "'SIGFOO'"),
    ("halt_signal", "32", "'32'"),
    ("halt_signal", "0", "'0'"),
    ("network", [], "no option of that name"),
]


@pytest.mark.parametrize("key, value, said", REFUSED)
def test_what_can_not_be_is_refused_by_name(key: str, value: t.Any, said: str) -> None:
    error = refused(**{key: value})
    assert error.subject == key
    assert said in error.detail + error.hint


@pytest.mark.parametrize("name", ["", "..", "a/b", "web1\n", "a" * 65])
def test_a_name_that_can_not_be_is_refused(name: str) -> None:
    with pytest.raises(LxcError, match="use as a container's name"):
        spec.make_definition(name, {"rootfs": ROOTFS}, None)


def test_a_new_definition_needs_a_rootfs() -> None:
    with pytest.raises(LxcError, match="rootfs: it is missing"):
        spec.make_definition("web1", {}, None)


def test_what_is_given_replaces_in_full_and_the_rest_is_kept() -> None:
    stored = make(environment={"A": "1"}, cap_add=["net_admin"], hostname="web1", uid=7)
    made = make(stored, environment={"B": "2"}, cap_add=[], hostname=None)
    assert made == {**stored, "environment": {"B": "2"}, "cap_add": []}


def test_a_stored_definition_of_before_an_option_gets_its_default() -> None:
    stored = make(uid=7)
    del stored["seccomp"]
    assert make(stored) == make(uid=7)


def test_defaults_are_not_shared_between_definitions() -> None:
    make()["mounts"].append("x")
    make()["environment"]["A"] = "x"
    assert make()["mounts"] == [] and make()["environment"] == {}


def test_what_options_rule_out_together() -> None:
    assert "cap_drop" in refused(cap_add=["chown"], cap_drop=["CAP_CHOWN"]).detail
    stored = make(networks=link(), sysctls={"net.ipv4.ip_forward": 1})
    assert stored["sysctls"] == {"net.ipv4.ip_forward": "1"}
    assert refused(stored, networks=[{"type": "none"}]).subject == "sysctls"


def test_ranges_of_ids() -> None:
    stored = make(idmap="200000")
    assert make(stored, idmap="auto") == stored == make(stored, privileged=False)
    assert make(stored, privileged=True)["idmap"] is None
    for given in ("auto", "200000"):
        assert refused(privileged=True, idmap=given).subject == "idmap"
        assert refused(make(privileged=True), idmap=given).subject == "idmap"
    assert make(make(privileged=True), privileged=False)["idmap"] is None


def test_changes_name_what_differs_and_nothing_else() -> None:
    before = make(uid=1)
    after = make(before, uid=2, halt_signal="TERM")
    assert spec.changes(before, before) == {}
    assert spec.changes(before, after) == {"uid": [1, 2], "halt_signal": [None, "SIGTERM"]}
    assert spec.changes(None, after)["uid"] == [None, 2]
    assert "hostname" not in spec.changes(None, after)


def test_what_a_running_container_does_not_have_by_itself() -> None:
    after = make(uid=2, halt_signal="TERM", cgroup={"pids.max": 5})
    assert spec.not_stored(spec.changes(make(), after)) == ["uid", "cgroup"]
    assert spec.not_stored({}) == []


def test_a_definition_of_before_an_option_does_not_differ_by_its_default() -> None:
    old = make()
    del old["seccomp"]
    assert spec.changes(old, make()) == {}
    assert spec.changes(old, make(seccomp="unconfined")) == {"seccomp": ["default", "unconfined"]}


def test_kept_capabilities_go_back_to_the_default_ones() -> None:
    stored = make(cap_keep=["chown"])
    assert make(stored)["cap_keep"] == ["chown"]
    assert make(stored, cap_keep=[])["cap_keep"] == []
    assert make(stored, cap_keep=["default"])["cap_keep"] is None
    assert refused(cap_keep=["default", "chown"]).subject == "cap_keep"


def test_the_table_is_the_definition() -> None:
    assert set(make()) == {"version", "name", *spec.OPTIONS}
    assert {o.change for o in spec.OPTIONS.values()} == {
        spec.RESTART, spec.LIVE, spec.STORED}
    assert not any("default" in o.argument for o in spec.OPTIONS.values())


def test_the_runtime_gets_no_slow_imports() -> None:
    found = subprocess.run(
        [sys.executable, "-I", "-S", "-c",
         "import sys; sys.path[:0] = %r; import %s as _, sys as s; print(*sorted("
         "{'typing', 're', 'dataclasses', 'ipaddress'} & set(s.modules)))"
         % ([p for p in sys.path if p], spec.__name__)],
        capture_output=True, text=True, check=True).stdout
    assert found.split() == []


@pytest.mark.parametrize("options, words", [
    ({"namespace_keep": ["net"], "namespace_clone": ["net"]}, "net is in namespace_clone as well"),
    ({"namespace_keep": ["net"], "namespace_share": {"net": "web2"}}, "in namespace_share as well"),
    ({"namespace_share": {"net": "web2"}, "networks": [VETH]}, "networks would be given"),
    ({"namespace_keep": ["uts"], "hostname": "web1"}, "hostname would be given"),
    ({"namespace_share": {"user": "web2"}, "privileged": True}, "host's users"),
    ({"namespace_share": {"time": "web2"}, "time_offset_boot": "1h"}, "clocks"),
    ({"namespace_share": {"net": "web1"}}, "itself"),
    ({"namespace_clone": ["user"], "privileged": True}, "host's users"),
])
def test_a_namespace_has_one_place(options: dict[str, t.Any], words: str) -> None:
    assert words in refused(**options).detail
