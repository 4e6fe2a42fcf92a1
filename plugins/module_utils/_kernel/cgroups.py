# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the control groups are mounted: v1, v2 or both (cgroups(7)). Pure; the caller reads."""
from __future__ import annotations

V1_CONTROLLERS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids",
                  "net_cls", "net_prio", "perf_event", "hugetlb", "rdma", "misc")


class Hierarchy:
    """One mounted hierarchy; ``controllers`` has name=X for a named v1 hierarchy."""

    __slots__ = ("version", "path", "controllers")

    def __init__(self, version: int, path: str, controllers: tuple[str, ...]) -> None:
        self.version = version
        self.path = path
        self.controllers = controllers

    def __repr__(self) -> str:
        return "Hierarchy(%d, %r, %r)" % (self.version, self.path, self.controllers)


def hierarchies(mountinfo: list[dict[str, str]]) -> list[Hierarchy]:
    """Every hierarchy once, at its first mount; a v2 one has no controllers listed here.

    :param mountinfo: what mounts.read_mountinfo() returns
    """
    found: dict[tuple[str, ...], Hierarchy] = {}
    for mount in mountinfo:
        if mount["fstype"] == "cgroup2":
            found.setdefault((), Hierarchy(2, mount["target"], ()))
        elif mount["fstype"] == "cgroup":
            names = tuple(option for option in mount["super_options"].split(",")
                          if option in V1_CONTROLLERS or option.startswith("name="))
            found.setdefault(names, Hierarchy(1, mount["target"], names))
    return list(found.values())


def layout(found: list[Hierarchy]) -> str:
    """One of v1, v2, hybrid, or none when nothing is mounted."""
    versions = {h.version for h in found}
    return {(1,): "v1", (2,): "v2", (1, 2): "hybrid"}.get(tuple(sorted(versions)), "none")
