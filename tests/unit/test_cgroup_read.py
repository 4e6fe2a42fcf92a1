# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What files of either version say under a name of either version, and what the kernel rounds."""
from __future__ import annotations

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container.cgroup_read import (
    PAGE,
    equal,
    source,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

V1 = {"cpu", "cpuset", "memory", "blkio", "pids", "hugetlb"}
V2 = {"cpu", "cpuset", "memory", "io", "pids", "hugetlb"}
NO_LIMIT = "9223372036854771712\n"


@pytest.mark.parametrize("key, files, value", [
    ("memory.max", {"memory.limit_in_bytes": "1048576\n"}, "1048576"),
    ("memory.max", {"memory.limit_in_bytes": NO_LIMIT}, "max"),
    ("memory.limit_in_bytes", {"memory.limit_in_bytes": NO_LIMIT}, "-1"),
    ("memory.swap.max", {"memory.memsw.limit_in_bytes": "300\n",
                         "memory.limit_in_bytes": "100\n"}, "200"),
    ("memory.swap.max", {"memory.memsw.limit_in_bytes": NO_LIMIT,
                         "memory.limit_in_bytes": "100\n"}, "max"),
    ("memory.current", {"memory.usage_in_bytes": "7\n"}, "7"),
    ("cpu.max", {"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, "max 100000"),
    ("cpu.weight", {"cpu.shares": "512\n"}, "50"),
    ("io.max", {"blkio.throttle.read_bps_device": "8:0 5\n8:16 6\n",
                "blkio.throttle.write_bps_device": "", "blkio.throttle.read_iops_device": "",
                "blkio.throttle.write_iops_device": "8:0 7\n"},
     "8:0 rbps=5 wiops=7, 8:16 rbps=6"),
    ("hugetlb.2MB.max", {"hugetlb.2MB.limit_in_bytes": "9223372036852678656\n"}, "max"),
    ("memory.stat", {"memory.stat": "cache 1\nrss 2\n"}, "cache 1\nrss 2"),
    ("memory.oom_control", {"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, "0"),
])
def test_what_v1_says(key, files, value) -> None:
    _controller, names, join = source(key, V1, set())
    assert set(names) == set(files)
    assert join([files[name] for name in names]) == value


@pytest.mark.parametrize("key, files, value", [
    ("memory.limit_in_bytes", {"memory.max": "max\n"}, "-1"),
    ("memory.memsw.limit_in_bytes", {"memory.swap.max": "200\n", "memory.max": "100\n"}, "300"),
    ("memory.memsw.limit_in_bytes", {"memory.swap.max": "max\n", "memory.max": "100\n"}, "-1"),
    ("memory.usage_in_bytes", {"memory.current": "7\n"}, "7"),
    ("cpu.cfs_quota_us", {"cpu.max": "max 100000\n"}, "-1"),
    ("cpu.cfs_period_us", {"cpu.max": "5000 20000\n"}, "20000"),
    ("cpu.shares", {"cpu.weight": "100\n"}, "1024"),
    ("cpuacct.usage", {"cpu.stat": "usage_usec 12\nuser_usec 5\n"}, "12000"),
    ("blkio.throttle.write_bps_device", {"io.max": "8:0 rbps=max wbps=9 riops=max wiops=max\n"},
     "8:0 9"),
    ("io.weight", {"io.weight": "default 100\n8:0 200\n"}, "100"),
    ("blkio.weight", {"io.weight": "default 100\n"}, "500"),
])
def test_what_v2_says(key, files, value) -> None:
    _controller, names, join = source(key, set(), V2)
    assert set(names) == set(files)
    assert join([files[name] for name in names]) == value


@pytest.mark.parametrize("key, v1, v2", [
    ("memory.high", V1, set()), ("memory.swappiness", set(), V2), ("io.latency", V1, set()),
    ("cpuacct.stat", set(), V2), ("net_cls.classid", V1, V2), ("../x.y", V1, V2),
    ("memory/x.y", V1, V2), ("memory", V1, V2)])
def test_what_there_is_not(key, v1, v2) -> None:
    with pytest.raises(LxcError) as caught:
        source(key, v1, v2)
    assert caught.value.hint


@pytest.mark.parametrize("key, current, wanted, same", [
    ("memory.limit_in_bytes", "%d\n" % PAGE, str(PAGE + 1), True),
    ("memory.limit_in_bytes", "%d\n" % PAGE, str(2 * PAGE), False),
    ("memory.limit_in_bytes", NO_LIMIT, "-1", True),
    ("memory.max", "max\n", "max", True),
    ("memory.max", "max\n", "4096", False),
    ("memory.swap.max", "0\n", "0", True),
    ("hugetlb.2MB.max", "2097152\n", "3000000", True),
    ("cpuset.cpus", "0-1\n", "0,1", True),
    ("cpuset.cpus", "0-1\n", "0", False),
    ("cpuset.cpus", "\n", "0", False),
    ("cpu.max", "max 100000\n", "max 100000", True),
    ("net_cls.classid", "1048577\n", "0x100001", True),
    ("memory.oom_control", "oom_kill_disable 1\nunder_oom 0\n", "1", True),
    ("io.weight", "default 100\n", "100", True),
    ("io.max", "8:0 rbps=5 wbps=max riops=max wiops=max\n", "8:0 rbps=5", True),
    ("io.max", "8:0 rbps=5 wbps=max riops=max wiops=max\n", "8:0 rbps=6", False),
    ("io.max", "", "8:0 rbps=max", True),
    ("blkio.throttle.read_bps_device", "8:0 5\n8:16 6\n", "8:16 6", True),
    ("blkio.throttle.read_bps_device", "8:0 5\n", "8:0 0", False),
    ("blkio.throttle.read_bps_device", "", "8:0 0", True),
    ("memory.x", "garbage\n", "1", False),
])
def test_what_needs_no_write(key, current, wanted, same) -> None:
    assert equal(key, current, wanted) is same
