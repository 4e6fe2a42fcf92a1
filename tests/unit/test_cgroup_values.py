# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control group values: which are refused, and what each becomes on v1, v2 and hybrid hosts."""
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container.cgroup_values import (
    check,
    merge,
    resolve,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

ALL_V1 = {"cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "hugetlb", "net_cls"}
ALL_V2 = {"cpu", "cpuset", "memory", "io", "pids", "hugetlb"}


def lines(values: dict[str, t.Any], v1: set[str], v2: set[str]) -> list[tuple[str, str]]:
    return [(file, value) for _controller, file, value in resolve(check(values), v1, v2)[0]]


@pytest.mark.parametrize("key, given, normal", [
    ("memory.max", "512M", "536870912"),
    ("memory.max", "1g", "1073741824"),
    ("memory.max", 4096, "4096"),
    ("memory.max", "-1", "max"),
    ("memory.max", -1, "max"),
    ("memory.limit_in_bytes", "max", "-1"),
    ("memory.limit_in_bytes", "8K", "8192"),
    ("hugetlb.2MB.max", "4M", "4194304"),
    ("cpu.shares", 512, "512"),
    ("cpu.max", "50000", "50000 100000"),
    ("cpu.max", "max   200000", "max 200000"),
    ("cpu.max", -1, "max 100000"),
    ("cpu.cfs_quota_us", "max", "-1"),
    ("pids.max", -1, "max"),
    ("pids.max", "0100", "100"),
    ("cpuset.cpus", 0, "0"),
    ("cpuset.cpus", "0-3,8", "0-3,8"),
    ("cpuset.cpus", "8,1,0,2-3", "0-3,8"),
    ("memory.oom.group", True, "1"),
    ("net_cls.classid", "0x100001", "0x100001"),
])
def test_one_spelling(key: str, given: t.Any, normal: str) -> None:
    made = check({key: given})
    assert made == {key: normal}
    assert check(made) == made


@pytest.mark.parametrize("values, said", [
    ({"memory": 1}, "no file of a controller"),
    ({"memory.": 1}, "no file of a controller"),
    ({"memroy.max": 1}, "memroy"),
    ({"memory.max/../x": 1}, "no file of a controller"),
    ({"memory.max\n": 1}, "no file of a controller"),
    ({"": 1}, "no file of a controller"),
    ({"devices.allow": "a"}, "'devices'"),
    ({"freezer.state": "FROZEN"}, "lxc_state"),
    ({"cgroup.freeze": 1}, "lxc_state"),
    ({"memory.max": ""}, "empty"),
    ({"memory.max": None}, "neither a text"),
    ({"memory.max": 1.5}, "neither a text"),
    ({"memory.max": "1\n2"}, "line break"),
    ({"memory.max": "12MB"}, "'12MB' is no size"),
    ({"memory.max": "M"}, "no size"),
    ({"memory.max": "-2"}, "no size"),
    ({"memory.max": "\u0664"}, "no size"),
    ({"memory.max": "8E"}, "no size"),
    ({"cpu.shares": 1}, "from 2 to 262144"),
    ({"cpu.weight": 10001}, "from 1 to 10000"),
    ({"cpu.weight": "high"}, "out of range"),
    ({"blkio.weight": 9}, "from 10 to 1000"),
    ({"io.weight": 0}, "from 1 to 10000"),
    ({"cpu.max": "10"}, "1000 or more"),
    ({"cpu.max": "50000 10"}, "from 1000"),
    ({"cpu.max": "50000 100000 1"}, "from 1000"),
    ({"cpu.cfs_period_us": 999}, "from 1000"),
    ({"pids.max": 0}, "no init can start"),
    ({"cpuset.cpus": "3-1"}, "no list"),
    ({"cpuset.mems": "0,"}, "no list"),
    ({"cpuset.cpus": "0-"}, "no list"),
    ({"memory.limit_in_bytes": 1, "memory.max": 1}, "another name"),
    ({"cpu.cfs_period_us": 5000, "cpu.max": "max"}, "another name"),
    ({"cpu.shares": 1024, "cpu.weight": 100}, "another name"),
    ({"memory.memsw.limit_in_bytes": "1G", "memory.limit_in_bytes": "1G",
      "memory.swap.max": 0}, "another name"),
    ({"memory.memsw.limit_in_bytes": "1G"}, "not limited"),
    ({"memory.memsw.limit_in_bytes": "1G", "memory.max": "max"}, "not limited"),
    ({"memory.memsw.limit_in_bytes": "1G", "memory.limit_in_bytes": "2G"}, "below"),
])
def test_what_can_not_be_is_refused(values: dict[str, t.Any], said: str) -> None:
    with pytest.raises(LxcError) as caught:
        check(values)
    assert said in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("old, new", [
    ({"cpu.shares": "1024"}, {"cpu.weight": "100"}),
    ({"cpu.shares": "512"}, {"cpu.weight": "50"}),
    ({"cpu.shares": "10240"}, {"cpu.weight": "1000"}),
    ({"cpu.shares": "102400"}, {"cpu.weight": "10000"}),
    ({"cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"}, {"cpu.max": "50000 100000"}),
    ({"cpu.cfs_period_us": "50000", "cpu.cfs_quota_us": "-1"}, {"cpu.max": "max 50000"}),
    ({"memory.limit_in_bytes": "1000"}, {"memory.max": "1000"}),
    ({"memory.limit_in_bytes": "-1"}, {"memory.max": "max"}),
    ({"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "1500"},
     {"memory.max": "1000", "memory.swap.max": "500"}),
    ({"memory.limit_in_bytes": "1000", "memory.memsw.limit_in_bytes": "-1"},
     {"memory.max": "1000", "memory.swap.max": "max"}),
    ({"blkio.weight": "500"}, {"io.weight": "100"}),
    ({"blkio.weight": "1000"}, {"io.weight": "200"}),
    ({"hugetlb.2MB.limit_in_bytes": "4096"}, {"hugetlb.2MB.max": "4096"}),
    ({"cpuset.cpus": "0-1", "cpuset.mems": "0"}, {"cpuset.cpus": "0-1", "cpuset.mems": "0"}),
    ({"pids.max": "100"}, {"pids.max": "100"}),
    ({"blkio.throttle.read_bps_device": "8:0 1048576", "blkio.throttle.write_iops_device": "8:0 0"},
     {"io.max": "8:0 rbps=1048576 wiops=max"}),
])
def test_the_two_names_of_a_value(old: dict[str, str], new: dict[str, str]) -> None:
    for values in (old, new):
        assert dict(lines(values, ALL_V1, set())) == old
        assert dict(lines(values, set(), ALL_V2)) == new
        assert resolve(values, ALL_V1, set())[1] == resolve(values, set(), ALL_V2)[1] == []


def test_quota_or_period_alone() -> None:
    assert lines({"cpu.cfs_quota_us": 20000}, set(), ALL_V2) == [("cpu.max", "20000 100000")]
    assert lines({"cpu.cfs_period_us": 20000}, set(), ALL_V2) == [("cpu.max", "max 20000")]


def test_the_names_of_a_pair_may_be_of_both_versions() -> None:
    mixed = {"memory.max": "1M", "memory.memsw.limit_in_bytes": "3M"}
    assert dict(lines(mixed, set(), ALL_V2))["memory.swap.max"] == str(2 << 20)
    mixed = {"memory.limit_in_bytes": "1M", "memory.swap.max": "3M"}
    assert dict(lines(mixed, ALL_V1, set()))["memory.memsw.limit_in_bytes"] == str(4 << 20)


def test_the_order_is_one_that_the_kernel_takes() -> None:
    values = {"memory.memsw.limit_in_bytes": "2M", "memory.limit_in_bytes": "1M",
              "cpu.cfs_quota_us": 5000, "cpu.cfs_period_us": 10000}
    for given in (values, dict(reversed(list(values.items())))):
        assert [file for file, _value in lines(given, ALL_V1, set())] == [
            "cpu.cfs_period_us", "cpu.cfs_quota_us",
            "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]


def test_a_hybrid_host_gets_each_value_where_its_controller_is() -> None:
    made, _warnings = resolve(check({"cpu.shares": 1024, "memory.limit_in_bytes": "1M",
                                     "blkio.weight": 500}), {"memory"}, {"cpu", "io"})
    assert made == [("cpu", "cpu.weight", "100"), ("io", "io.weight", "100"),
                    ("memory", "memory.limit_in_bytes", "1048576")]


@pytest.mark.parametrize("values, v1, v2, said", [
    ({"cpu.shares": 1000}, set(), ALL_V2, "as much as 1004"),
    ({"cpu.shares": 2}, set(), ALL_V2, "cpu.weight 1,"),
    ({"cpu.shares": 262144}, set(), ALL_V2, "cpu.weight 10000"),
    ({"io.weight": 10000}, ALL_V1, set(), "blkio.weight 1000"),
    ({"memory.soft_limit_in_bytes": "1M"}, set(), ALL_V2, "protects"),
    ({"memory.low": "1M"}, ALL_V1, set(), "protects"),
])
def test_what_is_lost_is_said(values, v1, v2, said) -> None:
    made, warnings = resolve(check(values), v1, v2)
    assert len(made) == len(warnings) == 1 and said in warnings[0]


@pytest.mark.parametrize("values, v1, v2, said", [
    ({"cpu.shares": 1024}, {"memory"}, {"memory"}, "the controller cpu is not mounted"),
    ({"blkio.weight": 500}, set(), {"cpu"}, "the controller blkio is not mounted"),
    ({"cpuacct.usage": 0}, set(), {"cpu"}, "the controller cpuacct is not mounted"),
    ({"memory.high": "1M"}, ALL_V1, set(), "v1 hierarchy"),
    ({"io.latency": "8:0 target=1"}, ALL_V1, set(), "v1 hierarchy"),
    ({"memory.swap.max": "1M"}, ALL_V1, set(), "memory is not limited"),
    ({"memory.swappiness": 10}, set(), ALL_V2, "v2 hierarchy"),
    ({"blkio.weight_device": "8:0 100"}, set(), ALL_V2, "v2 hierarchy"),
])
def test_what_the_host_has_not_is_an_error(values, v1, v2, said) -> None:
    with pytest.raises(LxcError) as caught:
        resolve(check(values), v1, v2)
    assert said in str(caught.value) and caught.value.hint
    assert caught.value.subject in values


def test_names_that_only_one_version_has_pass_there() -> None:
    assert lines({"memory.swappiness": 10}, ALL_V1, set()) == [("memory.swappiness", "10")]
    assert lines({"memory.high": "1K"}, set(), ALL_V2) == [("memory.high", "1024")]
    assert lines({"io.max": "8:0 rbps=1"}, set(), ALL_V2) == [("io.max", "8:0 rbps=1")]


@pytest.mark.parametrize("given, normal", [
    ({"io.max": "8:16 wiops=max rbps=1M, 8:0 wbps=0"},
     {"io.max": "8:0 wbps=max, 8:16 rbps=1048576 wiops=max"}),
    ({"blkio.throttle.write_bps_device": ["8:16 2k", "8:0 max"]},
     {"blkio.throttle.write_bps_device": "8:0 0, 8:16 2048"}),
])
def test_limits_of_devices_have_one_spelling(given, normal) -> None:
    assert check(given) == normal == check(normal)


def test_each_limit_of_a_device_is_a_write_of_its_own() -> None:
    assert lines({"io.max": "8:0 rbps=5, 8:16 rbps=6 wbps=7"}, ALL_V1, set()) == [
        ("blkio.throttle.read_bps_device", "8:0 5"), ("blkio.throttle.read_bps_device", "8:16 6"),
        ("blkio.throttle.write_bps_device", "8:16 7")]


@pytest.mark.parametrize("key, value", [
    ("io.max", "8:0"), ("io.max", "sda rbps=1"), ("io.max", "8:0 bps=1"), ("io.max", "8:0 rbps"),
    ("io.max", "8:0 rbps=x"), ("io.max", ","), ("blkio.throttle.read_bps_device", "8:0"),
    ("blkio.throttle.read_bps_device", "8:0 1 2"), ("blkio.throttle.read_bps_device", ["8:0 1", 7]),
])
def test_a_malformed_limit_of_a_device_is_refused(key: str, value: t.Any) -> None:
    with pytest.raises(LxcError, match=key) as caught:
        check({key: value})
    assert caught.value.hint


@pytest.mark.parametrize("stored, given, made", [
    ({"pids.max": "5"}, {"memory.max": "4096"}, {"pids.max": "5", "memory.max": "4096"}),
    ({"memory.limit_in_bytes": "4096"}, {"memory.max": "8192"}, {"memory.max": "8192"}),
    ({"memory.max": "4096"}, {"memory.limit_in_bytes": "-1"}, {"memory.limit_in_bytes": "-1"}),
    ({"cpu.weight": "100"}, {"cpu.shares": "512"}, {"cpu.shares": "512"}),
    ({"cpu.cfs_quota_us": "5000", "cpu.cfs_period_us": "10000"}, {"cpu.max": "max 100000"},
     {"cpu.max": "max 100000"}),
    ({"cpu.max": "5000 10000"}, {"cpu.cfs_quota_us": "7000"},
     {"cpu.cfs_period_us": "10000", "cpu.cfs_quota_us": "7000"}),
    ({"cpu.cfs_period_us": "10000"}, {"cpu.cfs_quota_us": "7000"},
     {"cpu.cfs_period_us": "10000", "cpu.cfs_quota_us": "7000"}),
    ({"io.max": "8:0 rbps=5 wbps=6"}, {"blkio.throttle.read_bps_device": "8:0 7"},
     {"blkio.throttle.read_bps_device": "8:0 7", "blkio.throttle.write_bps_device": "8:0 6"}),
    ({"hugetlb.2MB.limit_in_bytes": "-1"}, {"hugetlb.2MB.max": "max"}, {"hugetlb.2MB.max": "max"}),
])
def test_a_value_replaces_the_one_of_its_other_name(stored, given, made) -> None:
    assert merge(stored, given) == made


def test_what_does_not_go_with_what_is_stored_is_refused() -> None:
    with pytest.raises(LxcError, match="below the memory limit"):
        merge({"memory.limit_in_bytes": "8192", "memory.memsw.limit_in_bytes": "8192"},
              {"memory.limit_in_bytes": "16384"})
