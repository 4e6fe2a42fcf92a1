# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The device program runs in the kernel: a process in a v2 cgroup meets it; needs root."""
from __future__ import annotations

import errno
import os
import pathlib

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import device_live
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import (
    device_filter,
    mounts,
    syscalls,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


@pytest.fixture
def cgroup():
    """An empty cgroup in the v2 hierarchy, wherever that is mounted."""
    top = [m["target"] for m in mounts.read_mountinfo() if m["fstype"] == "cgroup2"][0]
    folder = pathlib.Path(top) / ("fleet-lxc-test-%d" % os.getpid())
    folder.mkdir()
    yield folder
    folder.rmdir()


def opened_inside(cgroup: pathlib.Path, path: str, flags: int) -> int:
    """errno of an open by a process born in the cgroup; 0 for success."""
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    pid, pidfd = syscalls.clone(0, fd)
    if pid == 0:
        code = 255
        try:
            os.open(path, flags)
            code = 0
        except OSError as error:
            code = error.errno or 255
        finally:
            os._exit(code)
    os.close(fd)
    os.close(pidfd)
    return os.waitpid(pid, 0)[1] >> 8


def attach(cgroup: pathlib.Path, *rules: str) -> None:
    program = syscalls.bpf_load_device_program(
        device_filter.program([device_filter.parse_rule(r) for r in rules]))
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    syscalls.bpf_attach_device_program(fd, program)
    os.close(fd)
    os.close(program)


def test_only_the_allowed_device_opens(cgroup) -> None:
    assert opened_inside(cgroup, "/dev/zero", os.O_RDONLY) == 0
    attach(cgroup, "b *:* m", "c 1:3 rwm")
    assert opened_inside(cgroup, "/dev/null", os.O_RDWR) == 0
    assert opened_inside(cgroup, "/dev/zero", os.O_RDONLY) == errno.EPERM


def test_a_rule_covers_its_access_and_no_more(cgroup) -> None:
    attach(cgroup, "c *:5 r")
    assert opened_inside(cgroup, "/dev/zero", os.O_RDONLY) == 0
    assert opened_inside(cgroup, "/dev/zero", os.O_RDWR) == errno.EPERM


def test_the_rule_for_everything(cgroup) -> None:
    attach(cgroup, "c 1:3 r", "a", "c 1:7 r")
    assert opened_inside(cgroup, "/dev/zero", os.O_RDWR) == 0


@pytest.mark.parametrize("text", [
    "", "c", "c 1:3", "x 1:3 r", "c 1 r", "c 1:3 q", "c -1:3 r", "c 1:1048576 r", "c 1:2:3 r"])
def test_a_malformed_rule_is_named(text: str) -> None:
    with pytest.raises(LxcError, match="device rule"):
        device_filter.parse_rule(text)


def test_a_program_is_replaced_and_never_missing(cgroup) -> None:
    attach(cgroup, "c 1:3 rwm")
    fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        before = syscalls.bpf_device_programs(fd)
        device_live._replace(str(cgroup), ["c 1:5 rwm"])
        after = syscalls.bpf_device_programs(fd)
        assert len(before) == len(after) == 1 and before != after
        assert opened_inside(cgroup, "/dev/zero", os.O_RDONLY) == 0
        assert opened_inside(cgroup, "/dev/null", os.O_RDONLY) == errno.EPERM
    finally:
        os.close(fd)


def test_a_program_of_others_stays(cgroup) -> None:
    attach(cgroup, "c 1:3 rwm", "c 1:5 rwm")
    attach(cgroup, "c 1:5 rwm")  # as a systemd inside does: both have to agree
    device_live._replace(str(cgroup), ["c 1:3 rwm", "c 1:7 rwm"])
    assert [opened_inside(cgroup, "/dev/" + n, os.O_RDONLY) for n in ("null", "zero", "full")] == [
        errno.EPERM] * 3


def test_a_program_that_somebody_took_away_comes_back(cgroup) -> None:
    device_live._replace(str(cgroup), ["c 1:5 rwm"])
    assert opened_inside(cgroup, "/dev/null", os.O_RDONLY) == errno.EPERM
