# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces of a container: its own, the host's, and those of something else (namespaces(7))."""
from __future__ import annotations

import errno
import os

from .._kernel import processes, syscalls
from .._kernel.errors import LxcError
from . import store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

FLAGS = {
    "pid": syscalls.CLONE_NEWPID, "ipc": syscalls.CLONE_NEWIPC, "uts": syscalls.CLONE_NEWUTS,
    "net": syscalls.CLONE_NEWNET, "user": syscalls.CLONE_NEWUSER,
}


def own(definition: dict[str, Any]) -> list[str]:
    """Those that the container has to itself. Pure."""
    found = ["mnt", "pid", "ipc", "cgroup"]
    if definition["hostname"] is not None or "uts" in definition["namespace_clone"]:
        found.append("uts")
    if definition["networks"] is not None or "net" in definition["namespace_clone"]:
        found.append("net")
    if not definition["privileged"]:
        found.append("user")
    if "time" in definition["namespace_clone"] or definition["time_offset_boot"] \
            or definition["time_offset_monotonic"]:
        found.append("time")
    others = {*definition["namespace_keep"], *definition["namespace_share"]}
    return [name for name in found if name not in others]


class Shared:
    """Between enter and leave this process is in namespaces of others: what it clones begins there.

    Not a context manager, since the clone would leave as well.

    :param shares: namespace -> a container's name, a process id, or the path of its file
    """

    def __init__(self, shares: dict[str, str]) -> None:
        self._shares = shares
        self._before: list[tuple[int, int]] = []

    def enter(self) -> None:
        """:raises LxcError: naming the one that can't be entered"""
        for kind, whose in self._shares.items():
            flag = FLAGS[kind]
            doing = "share the %s namespace of" % kind
            path, hint = _path(kind, whose)
            try:
                # Its children's, since this process can't leave its PID namespace itself.
                own_name = "pid_for_children" if kind == "pid" else kind
                own_fd = os.open("/proc/self/ns/" + own_name, os.O_RDONLY | os.O_CLOEXEC)
                target = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    syscalls.setns(target, flag)
                finally:
                    os.close(target)
            except OSError as error:
                self.leave()
                raise LxcError.from_os(doing, whose, error, hint) from error
            self._before.append((own_fd, flag))

    def leave(self) -> None:
        while self._before:
            fd, flag = self._before.pop()
            syscalls.setns(fd, flag)
            os.close(fd)


def _path(kind: str, whose: str) -> tuple[str, str]:
    """The namespace's file, and what to do where it is not there.

    :raises LxcError: for a container that does not run
    """
    if whose.startswith("/"):
        return whose, "Name the file of a namespace, like /proc/1/ns/net."
    if whose.isdigit():
        return "/proc/%s/ns/%s" % (whose, kind), "Name a process that runs."
    init = (store.read_state(whose) or {}).get("init")
    if not init or not processes.is_alive(init):
        raise LxcError("share the %s namespace of" % kind, whose, errno.ESRCH,
                       "Start that container first, see 'start_order'.", "it does not run")
    return "/proc/%d/ns/%s" % (init["pid"], kind), "See whether it still runs."
