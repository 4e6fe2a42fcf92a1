# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container uses, out of files as v1, v2 and hybrid hosts have them."""
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container.usage import usage

V2_CPU = "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\nnr_throttled 3\n" \
         "throttled_usec 500000\n"
PRESSURE = "some avg10=1.50 avg60=0.00 avg300=0.25 total=3000000\n" \
           "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
V2 = {"cpu.stat": V2_CPU, "memory.current": "1000", "memory.peak": "2000", "memory.max": "max",
      "memory.swap.current": "5", "memory.stat": "anon 600\nfile 300\nkernel 100\n",
      "memory.events": "low 0\noom_kill 2\n", "pids.current": "4", "pids.max": "9",
      "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n"
                 "8:16 rbytes=1 wbytes=2 rios=3 wios=4\n253:0\n",
      "io.pressure": PRESSURE}
V1 = {"cpuacct": {"cpuacct.usage": "2500000000", "cpuacct.stat": "user 150\nsystem 100\n"},
      "cpu": {"cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_time 500000000\n"},
      "memory": {"memory.usage_in_bytes": "1000", "memory.max_usage_in_bytes": "2000",
                 "memory.limit_in_bytes": "9223372036854771712",
                 "memory.kmem.usage_in_bytes": "100",
                 "memory.stat": "cache 300\nrss 600\nswap 5\n",
                 "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"},
      "pids": {"pids.current": "4", "pids.max": "9"},
      "blkio": {"blkio.throttle.io_service_bytes": "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n"
                                                   "8:16 Read 1\n8:16 Write 2\nTotal 33\n",
                "blkio.throttle.io_serviced": "8:0 Read 1\n8:0 Write 2\n8:16 Read 3\n"
                                              "8:16 Write 4\nTotal 10\n"}}
CPU = {"total": 2.5, "user": 1.5, "system": 1.0, "throttled": 0.5, "throttled_periods": 3}
MEMORY = {"current": 1000, "peak": 2000, "limit": None, "swap": 5, "anonymous": 600, "file": 300,
          "kernel": 100, "oom_kills": 2}
IO = {"read_bytes": 11, "write_bytes": 22, "reads": 4, "writes": 6, "devices": {
    "8:0": {"read_bytes": 10, "write_bytes": 20, "reads": 1, "writes": 2},
    "8:16": {"read_bytes": 1, "write_bytes": 2, "reads": 3, "writes": 4}}}
STALLS = {"some": {"avg10": 1.5, "avg60": 0.0, "avg300": 0.25, "total": 3.0},
          "full": {"avg10": 0.0, "avg60": 0.0, "avg300": 0.0, "total": 0.0}}


@pytest.fixture
def used(tmp_path: pathlib.Path) -> t.Callable[[dict[str, dict[str, str]]], dict[str, t.Any]]:
    def make(folders: dict[str, dict[str, str]]) -> dict[str, t.Any]:
        for folder, files in folders.items():
            (tmp_path / folder).mkdir()
            for name, text in files.items():
                (tmp_path / folder / name).write_text(text)
        return usage({"cgroups": [str(tmp_path / folder) for folder in folders]})
    return make


def test_v2(used) -> None:
    found = used({"unified": V2})
    assert found == {"cpu": CPU, "memory": MEMORY, "pids": {"current": 4, "limit": 9}, "io": IO,
                     "pressure": {"cpu": None, "memory": None, "io": STALLS}}


def test_v1(used) -> None:
    found = used(V1)
    assert found == {"cpu": CPU, "memory": MEMORY, "pids": {"current": 4, "limit": 9}, "io": IO,
                     "pressure": {"cpu": None, "memory": None, "io": None}}


def test_hybrid_counts_time_in_v2_and_what_it_held_back_in_v1(used) -> None:
    unified = {"cpu.stat": "usage_usec 2500000\nuser_usec 1500000\nsystem_usec 1000000\n",
               "cpu.pressure": PRESSURE}
    found = used({"cpu": V1["cpu"], "memory": V1["memory"], "unified": unified})
    assert (found["cpu"], found["memory"], found["pressure"]["cpu"]) == (CPU, MEMORY, STALLS)
    assert found["pids"] is None and found["io"] is None


def test_a_container_that_ends_meanwhile(used) -> None:
    assert used({}) == {"cpu": None, "memory": None, "pids": None, "io": None,
                        "pressure": {"cpu": None, "memory": None, "io": None}}
