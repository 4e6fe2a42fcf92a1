# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the init of a whole system is given: kernel file systems, control groups of its own.

Parts of a launch plan, and pure like it. What systemd asks of whoever starts it is written down in
its "Container Interface": control groups that are its own, /run, a console, $container.
"""
from __future__ import annotations

import hashlib

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .host import Host

SAFE = ["nosuid", "nodev", "noexec"]
_INITS = ("init", "systemd", "openrc-init", "runit-init", "s6-svscan")
_IN_MEMORY: tuple[tuple[str, list[str], list[str]], ...] = (
    ("/run", ["mode=0755"], ["lock"]),
    ("/run/lock", ["noexec", "mode=1777", "size=5m"], []),
    ("/tmp", ["mode=1777"], []))
_CGROUP_TOP = "/sys/fs/cgroup"


def is_system(argv: list[str]) -> bool:
    """Whether the command is a distribution's init, by its name."""
    names = [word.rpartition("/")[2] for word in argv[:2]]
    return names[0] in _INITS or names == ["busybox", "init"]


def auto_modes(definition: dict[str, Any], system: bool) -> dict[str, str]:
    """proc, sys and cgroup -> mode, "" for the default one; without cgroup where none is mounted.

    :param system: whether a whole system runs in it
    """
    chosen = {"proc": "", "sys": "ro"}
    if definition["mount_auto"] is None:
        return {**chosen, "cgroup": "mixed"} if system else chosen
    for item in definition["mount_auto"]:
        name, _colon, mode = item.partition(":")
        chosen[name] = mode
    return chosen


def delegated(groups: dict[str, Any], mode: str, privileged: bool, host: Host) -> list[str]:
    """Folders that are the container's to divide.

    For root of the host, which owns them all anyway, only those in which nothing is limited: a
    v1 hierarchy that only has a name, and v2.
    """
    if mode == "rw":
        return list(groups["all"])
    if mode != "mixed":
        return []
    named = [h.path + "/" for h in host.hierarchies if not _limits(h.version, h.controllers)]
    return [path for path in groups["all"]
            if not privileged or any(path.startswith(top) for top in named)]


def _limits(version: int, controllers: tuple[str, ...]) -> bool:
    """Whether it is a v1 hierarchy with a controller."""
    return version == 1 and not any(name.startswith("name=") for name in controllers)


def cgroup_mounts(groups: dict[str, Any], mode: str, host: Host, own_namespace: bool
                  ) -> list[dict[str, Any]]:
    """Mounts of the container's own part of each hierarchy that it has a folder in.

    They are made in its control group namespace, so that each shows nothing above its folder;
    without such a namespace they are binds of its folders.
    """
    writable = groups["delegated"]
    shown = [(h, path) for h in host.hierarchies for path in groups["all"]
             if path.startswith(h.path + "/")]
    if len(shown) == 1 and shown[0][0].version == 2:
        path = shown[0][1]
        return [_cgroup_mount("cgroup2", _CGROUP_TOP, [], path, path in writable, own_namespace)]
    mounts: list[dict[str, Any]] = []
    folders, links = [], []
    for hierarchy, path in shown:
        if hierarchy.version == 2:
            name, fstype, options = "unified", "cgroup2", []
        else:
            names = [c.rpartition("=")[2] for c in hierarchy.controllers]
            name, fstype = ",".join(names), "cgroup"
            options = ["none"] if hierarchy.controllers[0].startswith("name=") else []
            options += hierarchy.controllers
            links += [[one, name] for one in names if one != name]
        folders.append(name)
        mounts.append(_cgroup_mount(fstype, "%s/%s" % (_CGROUP_TOP, name), options, path,
                                    path in writable, own_namespace))
    return [{"type": "tmpfs", "target": _CGROUP_TOP, "options": [*SAFE, "mode=0755", "size=64k"],
             "folders": folders, "links": links, "seal": mode != "rw"}, *mounts]


def _cgroup_mount(fstype: str, target: str, options: list[str], path: str, writable: bool,
                  own_namespace: bool) -> dict[str, Any]:
    attributes = [*SAFE, *([] if writable else ["ro"])]
    if own_namespace:
        return {"type": fstype, "target": target, "options": [*attributes, *options]}
    return {"type": "bind", "source": path, "target": target, "options": attributes}


def folders_in_memory(taken: set[str]) -> list[dict[str, Any]]:
    """What is empty at each start of a system. Its init could not mount them: no CAP_SYS_ADMIN.

    Debian's systemd does not go on without a /run/lock of its own.

    :param taken: targets that the definition mounts something else on
    """
    found: list[dict[str, Any]] = []
    for target, options, folders in _IN_MEMORY:
        if target not in taken:
            found.append({
                "type": "tmpfs", "source": "tmpfs", "target": target, "id_mapped": False,
                "options": ["nosuid", "nodev", *options], "create": None, "optional": True,
                "folders": folders})
    return found


def uuid(name: str, machine_id: str) -> str:
    """What systemd makes its machine id of: the same at each start, another on each host."""
    digest = hashlib.sha256(("fleet.lxc %s %s" % (machine_id, name)).encode()).hexdigest()
    return "%s-%s-4%s-a%s-%s" % (digest[:8], digest[8:12], digest[13:16], digest[17:20],
                                 digest[20:32])
