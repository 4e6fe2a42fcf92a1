# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading kernel configurations, and what follows from evidence about a host. No kernel."""
from __future__ import annotations

import dataclasses
import gzip

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import features, kconfig, resources
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.cgroups import Hierarchy
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._module.host_info import report

CONFIG = """\
# Automatically generated file; DO NOT EDIT.
CONFIG_NET_NS=y
CONFIG_VETH=m
# CONFIG_USER_NS is not set
CONFIG_LOCALVERSION="-fleet"
CONFIG_HZ=250

# CONFIG_ is a comment
"""


def test_a_configuration_is_read() -> None:
    assert kconfig.parse_config(CONFIG.splitlines()) == {
        "CONFIG_NET_NS": "y", "CONFIG_VETH": "m", "CONFIG_USER_NS": "n",
        "CONFIG_LOCALVERSION": "-fleet", "CONFIG_HZ": "250"}


def test_the_first_readable_file_counts(tmp_path) -> None:
    packed, plain = tmp_path / "config.gz", tmp_path / "config"
    broken = tmp_path / "broken.gz"
    packed.write_bytes(gzip.compress(CONFIG.encode()))
    plain.write_text("CONFIG_X=y\n")
    broken.write_bytes(gzip.compress(CONFIG.encode())[:20])
    read = kconfig.read_config
    assert read([str(tmp_path / "missing"), str(packed), str(plain)])[1] == str(packed)
    assert read([str(broken), str(plain)]) == ({"CONFIG_X": "y"}, str(plain))
    assert read([str(tmp_path / "missing")]) is None


ALL_SYMBOLS = {symbol: "y" for symbol in features.SYMBOLS}
V1 = [Hierarchy(1, "/sys/fs/cgroup/%s" % name, (name,))
      for name in ("freezer", "memory", "pids", "cpu", "cpuset", "devices")]
V2 = [Hierarchy(2, "/sys/fs/cgroup", ())]
GOOD = features.Evidence(
    release="6.1.0-31-amd64", machine="x86_64", config=ALL_SYMBOLS, config_source="/boot/config",
    namespaces=set(features.NAMESPACES), filesystems={"overlay", "devpts", "mqueue"},
    hierarchies=V1, seccomp_filters=True, id_mapped_mounts=True, nf_tables=True, ipv6=True,
    user_namespaces_max=1000, pyroute2="0.7.2")


LINKS = dict.fromkeys(("veth", "bridge", "macvlan", "ipvlan", "vlan"))


def but(**changes) -> features.Evidence:
    return dataclasses.replace(GOOD, **changes)


def test_a_good_host_lacks_nothing() -> None:
    assert [n for n, there in features.judge(GOOD).items() if there is not True] == []


@pytest.mark.parametrize("evidence, expected", [
    (but(release="5.4.0"), {"kernel": False}),
    (but(release="4.19.0-1-amd64"), {"kernel": False}),
    (but(namespaces=set(features.NAMESPACES) - {"user", "time"}),
     {"user_namespace": False, "time_namespace": False}),
    (but(user_namespaces_max=0), {"user_namespace": False}),
    (but(hierarchies=[]), {"cgroups": False, "freezer": False, "cpu": False, "cpuset": False,
                           "memory": False, "pids": False, "device_filter": False}),
    (but(hierarchies=V2, v2_controllers=["cpu", "cpuset", "memory", "pids"]), {}),
    (but(hierarchies=V2, v2_controllers=["cpu"]),
     {"cpuset": False, "memory": False, "pids": False}),
    (but(hierarchies=V2, v2_controllers=["cpu", "cpuset", "memory", "pids"],
         config={**ALL_SYMBOLS, "CONFIG_CGROUP_BPF": "n"}), {"device_filter": False}),
    (but(config={**ALL_SYMBOLS, "CONFIG_VETH": "n", "CONFIG_BRIDGE": "m"}), {"veth": False}),
    (but(nf_tables=False), {"masquerade": False}),
    (but(nf_tables=None), {}),
    # No configuration: what only that could tell is not known, unless there is a module.
    (but(config=None), {**LINKS, "masquerade": None}),
    (but(config=None, modules={"veth", "bridge", "macvlan", "ipvlan", "8021q"}),
     {"masquerade": None}),
    (but(config={**ALL_SYMBOLS, "CONFIG_VLAN_8021Q": "n"}), {"vlan": False}),
    (but(link_kinds={"ipvlan": False}), {"ipvlan": False}),
    (but(config=None, filesystems={"devpts", "mqueue"}),
     {**LINKS, "masquerade": None, "overlay": None}),
    (but(id_mapped_mounts=None, release="5.11.0"), {"id_mapped_mounts": False}),
    (but(seccomp_filters=False), {"seccomp": False}),
    (but(ipv6=False), {"ipv6": False}),
    (but(pyroute2=None), {"pyroute2": False}),
    (but(pyroute2_problem="No module named x"), {"pyroute2": False}),
])
def test_what_follows_from_evidence(evidence, expected) -> None:
    found = {name: there for name, there in features.judge(evidence).items() if there is not True}
    assert found == expected


def test_what_is_missing_comes_with_why_and_remedy() -> None:
    host = report(but(pyroute2=None, user_namespaces_max=0), [], print)["host"]
    assert [(m["feature"], m["needed"]) for m in host["missing"]] == [
        ("user_namespace", True), ("pyroute2", False)]
    assert all(m["why"] and m["remedy"] for m in host["missing"])
    assert host["ready"] is False
    assert report(GOOD, [], print)["host"]["ready"] is True


def test_require_fails_by_name_and_warns_of_what_is_not_known() -> None:
    warnings: list[str] = []
    failed = report(but(pyroute2=None, config=None), ["pyroute2", "veth", "kernel"],
                    warnings.append)
    assert failed["failed"] and "pyroute2" in failed["msg"] and "fleet.lxc.host" in failed["msg"]
    assert len(warnings) == 1 and "veth" in warnings[0]
    assert "failed" not in report(GOOD, ["pyroute2", "veth"], warnings.append)


def test_a_feature_that_does_not_exist_is_refused_with_the_list() -> None:
    with pytest.raises(LxcError, match="bridge") as caught:
        report(GOOD, ["brigde"], print)
    assert "brigde" in caught.value.subject


def test_controllers_that_nothing_carries() -> None:
    evidence = but(v1_enabled=["cpu", "net_cls"])
    assert features.unmounted_controllers(evidence) == ["net_cls"]


def test_every_feature_says_why_and_what_to_do() -> None:
    names = [feature.name for feature in features.FEATURES]
    assert len(names) == len(set(names))
    for feature in features.FEATURES:
        assert feature.why.endswith(".") and feature.remedy.endswith("."), feature.name


@pytest.mark.parametrize("evidence, expected", [
    (but(config={**ALL_SYMBOLS, "CONFIG_VETH": "m"}, modules={"veth"}), True),
    (but(config={**ALL_SYMBOLS, "CONFIG_VETH": "m"}, modules={"bridge"}), False),  # not on disk
    (but(config={**ALL_SYMBOLS, "CONFIG_VETH": "m"}, modules=None), True),
    (but(config={**ALL_SYMBOLS, "CONFIG_VETH": "m"}, link_kinds={"veth": False}), False),
    (but(config=None, link_kinds={"veth": True}), True),
    (but(config=None), None),
])
def test_what_was_tried_counts_most_then_what_is_on_disk(evidence, expected) -> None:
    assert features.judge(evidence)["veth"] is expected


def test_resources_come_from_proc(tmp_path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal:  1000 kB\nMemAvailable:    400 kB\n")
    (tmp_path / "loadavg").write_text("0.50 0.25 0.10 1/200 4711\n")
    (tmp_path / "uptime").write_text("86400.50 1.0\n")
    found = resources.observe(str(tmp_path))
    assert found["memory"] == {"total": 1024000, "available": 409600}
    assert found["load"] == [0.5, 0.25, 0.1]
    assert found["uptime"] == 86400.5
    assert found["processors"] > 0


def test_resources_that_can_not_be_read_are_null(tmp_path) -> None:
    (tmp_path / "loadavg").write_text("odd 0.25 0.10\n")
    found = resources.observe(str(tmp_path))
    assert found["memory"] == {"total": None, "available": None}
    assert found["load"] is found["uptime"] is None
