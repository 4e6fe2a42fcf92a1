# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose only control groups are those of version 2, as far as a mount namespace can be one.

Controllers that the machine has bound to version 1 are missing then; delegation is the same.
"""
from __future__ import annotations

import os
import subprocess
import sys

from ansible_collections.fleet.lxc.plugins.module_utils._container import host
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import mounts, syscalls


def is_version_2() -> bool:
    return not host.Host().v1


def run_pytest(path: str, words: str) -> None:
    """Tests of a file, chosen as by -k, by a pytest in that namespace.

    A process of its own, since a process can't clone the mounts of a namespace that it has left,
    and its interpreter is such a mount.
    """
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", path, "-k", words],
        check=False, capture_output=True, text=True, timeout=300, preexec_fn=_only_version_2,
        env={**os.environ, "FLEET_LXC_SHARED": "1"})
    assert done.returncode == 0, done.stdout + done.stderr


def _only_version_2() -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    for mount in reversed(mounts.read_mountinfo()):
        if mount["fstype"] in ("cgroup", "cgroup2"):
            syscalls.umount2(mount["target"], syscalls.MNT_DETACH)
    syscalls.mount("none", "/sys/fs/cgroup", "cgroup2", 0)
