# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system calls against the kernel itself; needs root."""
from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import (
    mounts,
    processes,
    syscalls,
)


def test_clone_returns_in_both_processes_and_makes_a_pid_namespace() -> None:
    pid, pidfd = syscalls.clone(syscalls.CLONE_NEWPID)
    if pid == 0:
        os._exit(40 + os.getpid())
    assert processes.wait_ended([pidfd], 10) == [pidfd]
    os.close(pidfd)
    assert os.waitpid(pid, 0) == (pid, 41 << 8)


def test_open_in_root_keeps_a_symlink_inside(tmp_path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("inside")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "up").symlink_to("../../../../etc/passwd")
    root = os.open(tmp_path, os.O_PATH)
    try:
        for name in ("link", "up"):
            fd = mounts.open_in_root(root, name, os.O_RDONLY)
            assert os.read(fd, 100) == b"inside"
            os.close(fd)
    finally:
        os.close(root)


def test_a_read_only_bind_refuses_writes_and_leaves_the_host_unmounted(tmp_path) -> None:
    before = len(mounts.read_mountinfo())
    source = os.open(tmp_path, os.O_PATH)
    tree = mounts.bind(source, options=["ro"])
    with pytest.raises(OSError, match="Read-only"):
        os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=tree)
    os.close(tree)
    os.close(source)
    assert len(mounts.read_mountinfo()) == before


def test_a_new_tmpfs_takes_options() -> None:
    fd = mounts.new("tmpfs", ["mode=0751", "size=64k", "nosuid"])
    assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o751
    os.close(fd)


def test_a_file_is_not_taken_for_the_null_device(tmp_path) -> None:
    (tmp_path / "null").touch()
    for path, good in (("/dev/null", True), (tmp_path / "null", False), ("/dev/zero", False)):
        fd = os.open(path, os.O_PATH)
        if good:
            mounts.check_null_device(fd)
        else:
            with pytest.raises(Exception, match="not the character device 1:3"):
                mounts.check_null_device(fd)
        os.close(fd)


def test_identity_survives_neither_end_nor_another_start_time() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    who = processes.identity(child.pid)
    try:
        assert processes.is_alive(who)
        assert processes.open_pidfd(dict(who, start_time=who["start_time"] + 1)) is None
        assert not processes.catches(child.pid, signal.SIGUSR1)
    finally:
        child.kill()
        child.wait()
    assert not processes.is_alive(who)
    assert processes.open_pidfd(who) is None


@pytest.mark.parametrize("call", [
    lambda: syscalls.mount("a\0b", "/nowhere", None, 0),
    lambda: syscalls.open_tree(syscalls.AT_FDCWD, "/\0"),
])
def test_nul_is_refused_before_the_kernel_sees_half_a_string(call) -> None:
    with pytest.raises(ValueError, match="NUL"):
        call()
