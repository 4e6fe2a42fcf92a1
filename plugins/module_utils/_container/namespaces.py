# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces of a container: its own, the host's, and those of something else (namespaces(7))."""
from __future__ import annotations

import errno
import os

from .._kernel import idmaps, processes, syscalls
from .._kernel.errors import LxcError
from . import observe

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

FLAGS = {
    "pid": syscalls.CLONE_NEWPID, "ipc": syscalls.CLONE_NEWIPC, "uts": syscalls.CLONE_NEWUTS,
    "net": syscalls.CLONE_NEWNET, "user": syscalls.CLONE_NEWUSER,
}
_SHARED_FLAGS = {**FLAGS, "time": syscalls.CLONE_NEWTIME}


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
        # Users last: whoever has entered these has no rights to the others any more.
        for kind, whose in sorted(self._shares.items(), key=lambda pair: pair[0] == "user"):
            flag = _SHARED_FLAGS[kind]
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
    init = (observe.recorded_state(whose) or {}).get("init")
    if not init or not processes.is_alive(init):
        raise LxcError("share the %s namespace of" % kind, whose, errno.ESRCH,
                       "Start that container first, see 'start_order'.", "it does not run")
    return "/proc/%d/ns/%s" % (init["pid"], kind), "See whether it still runs."


def ids(definition: dict[str, Any]) -> dict[str, Any] | None:
    """The ranges of ids that a start of it has: its own, or those of the users that it shares.

    :raises LxcError: where these can't be known, or are the host's
    """
    whose = definition["namespace_share"].get("user")
    if whose is None:
        found: dict[str, Any] | None = definition["idmap"]
        return found
    doing = "share the user namespace of"
    path, hint = _path("user", whose)
    if not (path.startswith("/proc/") and path.endswith("/ns/user")):
        raise LxcError(doing, whose, errno.EINVAL, "Name a container, a process, or a file like "
                       "/proc/PID/ns/user.", "what its ids are can't be seen from that file")
    maps = {}
    for kind in ("uid", "gid"):
        try:
            with open(path[:-len("ns/user")] + kind + "_map", encoding="ascii") as stream:
                maps[kind] = [[int(word) for word in line.split()] for line in stream]
        except OSError as error:
            raise LxcError.from_os(doing, whose, error, hint) from error
    if any(outside == 0 for ranges in maps.values() for _inside, outside, _count in ranges):
        raise LxcError(doing, whose, errno.EPERM, "Write 'privileged: true'.",
                       "its users are the host's")
    first = idmaps.outside(maps["uid"], 0)
    if first is None or idmaps.outside(maps["gid"], 0) is None:
        raise LxcError(doing, whose, errno.EINVAL, "Share that of a container.",
                       "nobody is root there")
    return {"first": first, "size": idmaps.SIZE, **maps}
