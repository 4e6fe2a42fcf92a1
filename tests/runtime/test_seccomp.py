# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""seccomp filters in the kernel: a child makes the calls; needs root."""
from __future__ import annotations

import ctypes
import errno
import os
import signal

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import seccomp, syscalls
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

MACHINE = os.uname().machine
GETPPID = {"x86_64": 110, "aarch64": 173}[MACHINE]
NEWEST = 449


def status_of_call(number: int) -> int:
    """Wait status of a filtered child that makes one call and exits with its errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        syscalls.seccomp_set_filter(seccomp.program({MACHINE: {GETPPID: errno.EPERM}}, NEWEST))
        result = libc.syscall(ctypes.c_long(number))
        os._exit(ctypes.get_errno() if result < 0 else 0)
    return os.waitpid(pid, 0)[1]


def test_a_refused_call_answers_with_its_errno() -> None:
    assert status_of_call(GETPPID) >> 8 == errno.EPERM


def test_a_call_newer_than_the_profile_does_not_exist() -> None:
    assert status_of_call(NEWEST + 10) >> 8 == errno.ENOSYS


def test_other_calls_pass() -> None:
    getpid = {"x86_64": 39, "aarch64": 172}[MACHINE]
    assert status_of_call(getpid) == 0


@pytest.mark.skipif(MACHINE != "x86_64", reason="x32 is an ABI of x86-64")
def test_x32_is_killed() -> None:
    assert os.WTERMSIG(status_of_call(0x40000000 | 39)) == signal.SIGSYS


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(LxcError, match="riscv64"):
        seccomp.program({}, NEWEST, "riscv64")
