# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's notices that a control group is out of memory.

v2: memory.events says so by POLLPRI after the kill (admin-guide/cgroup-v2). v1: an eventfd that is
registered in cgroup.event_control, before the kill (admin-guide/cgroup-v1/memory, section 10).
"""
from __future__ import annotations

import os
import select

from . import cgroup_tree, syscalls


class OomNotices:
    """Of one folder that limits or counts memory, and what is below it.

    :param fd: is to be polled for ``events`` of epoll(7)
    :param early: whether a notice comes before what it tells of
    :raises OSError: where the kernel tells nothing of this folder
    """

    __slots__ = ("fd", "events", "early", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            self.fd = os.open(path + "/memory.events", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            self.fd = _register(path)
            self.events, self.early = select.EPOLLIN, True
            return
        self.events, self.early = select.EPOLLPRI, False
        os.read(self.fd, 4096)  # or it would have news at once

    def take(self) -> None:
        """Take notice, so that the descriptor waits for the next one."""
        try:
            if self.early:
                os.read(self.fd, 8)
            else:
                os.pread(self.fd, 4096, 0)
        except OSError:
            pass  # there was none; or the folder is gone

    def kills(self) -> int:
        """How many processes the kernel has killed by now."""
        return cgroup_tree.oom_kills(self._path)

    def close(self) -> None:
        os.close(self.fd)


def _register(path: str) -> int:
    about = os.open(path + "/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    try:
        control = os.open(path + "/cgroup.event_control", os.O_WRONLY | os.O_CLOEXEC)
        try:
            fd = syscalls.eventfd()
            try:
                os.write(control, b"%d %d" % (fd, about))
            except OSError:
                os.close(fd)
                raise
            return fd
        finally:
            os.close(control)
    finally:
        os.close(about)
