# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of role host where systemd is PID 1: ./dev test vm tests/runtime/test_boot.py"""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    lifecycle,
    observe,
    runtime,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from container_sandbox import Sandbox, left_in_cgroups, wait_until

pytestmark = pytest.mark.skipif(not os.path.isdir("/run/systemd/system"),
                                reason="systemd is not PID 1 here")
box = pytest.fixture(container_sandbox.sandbox)
UNITS = pathlib.Path(__file__).parents[2] / "roles/host/files"
TARGET = pathlib.Path("/run/systemd/system")
TRAP = "trap 'echo bye; exit 0' TERM; echo up; while :; do busybox sleep 0.1; done"


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", *words], check=False, capture_output=True, text=True,
                          timeout=120)


def shown(unit: str, key: str) -> str:
    return systemctl("show", unit, "--property", key, "--value").stdout.strip()


def autostarted() -> str:
    """What has become of the start of what is marked."""
    def state() -> str:
        return shown("fleet-lxc-autostart.service", "ActiveState")
    with contextlib.suppress(AssertionError):  # then it is said what it does instead
        wait_until(lambda: state() in ("active", "failed"))
    return state()


def journal() -> str:
    return subprocess.run(["journalctl", "-b", "-u", "fleet-lxc-autostart", "--no-pager"],
                          check=True, capture_output=True, text=True).stdout


@pytest.fixture
def units(box: Sandbox) -> t.Iterator[None]:
    """The role's files, for this boot only."""
    runtime.ensure()
    names = [path.name for path in UNITS.glob("*.service")]
    for name in names:
        shutil.copy(UNITS / name, TARGET)
    systemctl("daemon-reload")
    yield
    systemctl("stop", *names)
    for name in names:
        (TARGET / name).unlink()
    systemctl("reset-failed")
    systemctl("daemon-reload")


def test_the_files_are_well_formed(units: None) -> None:
    for path in UNITS.glob("*.service"):
        found = subprocess.run(["systemd-analyze", "verify", str(TARGET / path.name)], check=False,
                               capture_output=True, text=True)
        assert path.name not in found.stderr, found.stderr


def test_what_is_marked_starts_and_everything_ends_in_order(box: Sandbox, units: None) -> None:
    first = box.define("z", TRAP, start_auto=True, start_order=-5,
                       cgroup={"memory.max": "64M", "cpuset.cpus": "0"})
    second = box.define("a", TRAP, start_auto=True)
    unmarked = box.define("m", TRAP)
    assert systemctl("start", "fleet-lxc.service").returncode == 0
    assert autostarted() == "active", journal()
    assert [observe.status(n)["state"] for n in (first, second, unmarked)] == [
        "RUNNING", "RUNNING", "STOPPED"]
    pid = observe.status(first)["pid"]
    groups = left_in_cgroups(first)
    # The units' end, or what systemd does to its own groups, is not the containers'.
    assert "fleet-lxc.service" not in pathlib.Path("/proc/%d/cgroup" % pid).read_text()
    systemctl("daemon-reload")
    # Of the last unit that needs a controller systemd takes it back where it may.
    subprocess.run(["systemd-run", "--quiet", "--wait", "--slice=-.slice",
                    "--property=AllowedCPUs=0", "true"], check=True, timeout=60)
    systemctl("daemon-reload")
    assert left_in_cgroups(first) == groups
    for file, value in (("memory.max", str(64 << 20)), ("cpuset.cpus", "0")):
        assert value in [path.read_text().strip() for path in
                         (pathlib.Path(group, file) for group in groups) if path.exists()]
    assert not isinstance(lifecycle.start([unmarked])[unmarked], LxcError)
    assert systemctl("stop", "fleet-lxc.service").returncode == 0
    assert [observe.status(n)["state"] for n in (first, second, unmarked)] == ["STOPPED"] * 3
    assert [observe.status(n)["exit"] for n in (first, second, unmarked)] == [{"code": 0}] * 3
    assert shown("fleet-lxc.service", "Result") == "success"
    ends = [line.split('"container":"')[1].split('"')[0] for line in
            pathlib.Path("/run/fleet-lxc/events").read_text().splitlines()
            if '"STOPPED"' in line]
    assert ends[-1] == first  # the first to start


def test_one_that_fails_is_seen_and_keeps_none_back(box: Sandbox, units: None) -> None:
    broken = box.define("broken", start_auto=True, rootfs=str(box.folder / "none"))
    good = box.define("good", TRAP, start_auto=True)
    systemctl("start", "fleet-lxc.service")
    assert autostarted() == "failed", journal()
    assert observe.status(good)["state"] == "RUNNING"
    log = journal()
    assert broken in log and "lxc_rootfs makes one" in log
    assert systemctl("stop", "fleet-lxc.service").returncode == 0
    assert observe.status(good)["exit"] == {"code": 0}
    assert store.read_definition(broken)
