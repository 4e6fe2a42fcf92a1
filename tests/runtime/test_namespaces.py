# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones and mounts across user namespaces, against the kernel; needs root."""
from __future__ import annotations

import os
import signal
import struct

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import mounts, processes, syscalls

BASE = 0x40000000


@pytest.fixture
def user_namespace():
    """A user namespace that maps 0..65535 to BASE..., as a descriptor."""
    pid, pidfd = syscalls.clone(syscalls.CLONE_NEWUSER)
    if pid == 0:
        signal.pause()
        os._exit(0)
    for kind in ("uid_map", "gid_map"):
        with open("/proc/%d/%s" % (pid, kind), "w", encoding="ascii") as stream:
            stream.write("0 %d 65536" % BASE)
    fd = os.open("/proc/%d/ns/user" % pid, os.O_RDONLY)
    processes.send_signal(pidfd, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pidfd)
    yield fd
    os.close(fd)


def test_an_idmapped_bind_shows_root_as_the_containers_root(tmp_path, user_namespace) -> None:
    (tmp_path / "file").touch()
    source = os.open(tmp_path, os.O_PATH)
    tree = mounts.bind(source, userns_fd=user_namespace)
    try:
        assert os.stat("file", dir_fd=tree).st_uid == BASE
        assert os.stat(tmp_path / "file").st_uid == 0
    finally:
        os.close(tree)
        os.close(source)


def test_clone_parent_makes_a_sibling_that_the_parent_reaps() -> None:
    reader, writer = os.pipe()
    starter = os.fork()
    if starter == 0:
        pid, _pidfd = syscalls.clone(syscalls.CLONE_PARENT)
        if pid == 0:
            os._exit(17)
        os.write(writer, struct.pack("i", pid))
        os._exit(0)
    os.close(writer)
    (sibling,) = struct.unpack("i", os.read(reader, 4))
    os.close(reader)
    assert os.waitpid(starter, 0)[1] == 0
    assert os.waitpid(sibling, 0) == (sibling, 17 << 8)


def test_a_seccomp_filter_refuses_what_it_names() -> None:
    getppid = {"x86_64": 110, "aarch64": 173}[os.uname().machine]
    refuse = b"".join(struct.pack("HBBI", *i) for i in (
        (0x20, 0, 0, 0),                # load the system call's number
        (0x15, 0, 1, getppid),
        (0x06, 0, 0, 0x80000000),       # SECCOMP_RET_KILL_PROCESS
        (0x06, 0, 0, 0x7FFF0000)))      # SECCOMP_RET_ALLOW
    pid = os.fork()
    if pid == 0:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.seccomp_set_filter(refuse)
        os.getpid()
        os.getppid()
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS


def test_a_new_session_keyring_has_another_serial() -> None:
    def serial() -> str:
        with open("/proc/keys", encoding="ascii") as stream:
            return "".join(line for line in stream if "_ses" in line)

    before = serial()
    pid = os.fork()
    if pid == 0:
        syscalls.new_session_keyring()
        os._exit(0 if serial() != before else 1)
    assert os.waitpid(pid, 0)[1] == 0
