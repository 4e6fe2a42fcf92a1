# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The freezer of control groups: v2's cgroup.freeze and v1's freezer controller.

Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/freezer-subsystem.rst. Both reach what is in
folders below, and of both the kernel says itself when every process has really stopped.
"""
from __future__ import annotations

import os
import select
import time

from . import cgroup_tree
from .errors import LxcError

THAWED, FREEZING, FROZEN = "THAWED", "FREEZING", "FROZEN"
_PAUSES = (0.0002, 0.02)  # seconds between two looks at v1, which tells nobody: first, longest
_AGAIN = 0.2              # v1's freezer may miss a process that is being made


def usable(folders: list[str]) -> list[str]:
    """Those folders that have a freezer, by v2 or by v1."""
    return [path for path in folders if os.path.exists(path + "/cgroup.freeze")
            or os.path.exists(path + "/freezer.state")]


def state(folders: list[str]) -> str:
    """THAWED, FREEZING or FROZEN: of the first folder that has a freezer."""
    for path in reversed(folders):  # a launch plan lists v2 last
        found = cgroup_tree.read(path + "/cgroup.events")
        if found is not None:
            if "frozen 1" in found:
                return FROZEN
            if cgroup_tree.read(path + "/cgroup.freeze") == "1":
                return FREEZING
            return THAWED
    for path in folders:
        found = cgroup_tree.read(path + "/freezer.state")
        if found is not None:
            return found
    return THAWED


def request(folders: list[str], frozen: bool) -> None:
    """Ask the kernel; it may take a while (wait).

    :raises LxcError: where it refuses
    """
    for path in folders:
        if os.path.exists(path + "/cgroup.freeze"):
            cgroup_tree.write(path + "/cgroup.freeze", "1" if frozen else "0")
        elif os.path.exists(path + "/freezer.state"):
            cgroup_tree.write(path + "/freezer.state", FROZEN if frozen else THAWED)


def wait(groups: dict[str, list[str]], frozen: bool, timeout: float) -> set[str]:
    """Wait until the kernel says that all have got there.

    :param groups: folders, by a name that means something to the caller
    :param timeout: seconds
    :returns: names of those that have not
    """
    wanted = FROZEN if frozen else THAWED
    waiting = {name for name, folders in groups.items() if state(folders) != wanted}
    if not waiting:
        return waiting
    began = asked = time.monotonic()
    opened: dict[int, str] = {}
    poller = select.poll()
    pause = _PAUSES[0]
    try:
        for name in waiting:
            for path in groups[name]:
                if os.path.exists(path + "/cgroup.freeze"):
                    fd = os.open(path + "/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
                    opened[fd] = name
                    poller.register(fd, select.POLLPRI)
        silent = waiting - set(opened.values())
        while True:
            for fd in opened:  # a change after this reading ends the poll
                try:
                    os.pread(fd, 4096, 0)
                except OSError:
                    poller.register(fd, 0)  # removed: its container has ended
            waiting = {name for name in waiting if state(groups[name]) != wanted}
            left = began + timeout - time.monotonic()
            if not waiting or left <= 0:
                return waiting
            if silent & waiting:
                left = min(left, pause)
                pause = min(2 * pause, _PAUSES[1])
                if frozen and time.monotonic() - asked > _AGAIN:
                    asked = time.monotonic()
                    for name in silent & waiting:
                        request(groups[name], frozen)
            poller.poll(left * 1000)
    finally:
        for fd in opened:
            os.close(fd)


def thaw_all(folder: str) -> None:
    """Let everything in it and below go on: v1 keeps a process that was killed while frozen."""
    for path, _names, _files in os.walk(folder, topdown=True):
        if cgroup_tree.read(path + "/freezer.state") in (FROZEN, FREEZING):
            try:
                cgroup_tree.write(path + "/freezer.state", THAWED)
            except LxcError:
                pass  # it was removed just now
