# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host has that a launch plan depends on: read once for any number of containers."""
from __future__ import annotations

import errno
import os
import stat

from .._kernel import cgroups, idmaps, mounts
from .._kernel.errors import LxcError
from . import overlay, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

MANIFEST_SUFFIX = ".fleet-lxc.json"  # beside a root file system that lxc_rootfs made


class Host:
    """The host's control groups, and what its kernel has."""

    def __init__(self) -> None:
        self.hierarchies = cgroups.hierarchies(mounts.read_mountinfo())
        if not self.hierarchies:
            raise LxcError("find control groups", "/proc/self/mountinfo", errno.ENOENT,
                           "The role fleet.lxc.host mounts them.", "no hierarchy is mounted")
        self.v1 = {c for h in self.hierarchies if h.version == 1 for c in h.controllers}
        self.v2 = set()
        for hierarchy in self.hierarchies:
            if hierarchy.version == 2:
                with open(hierarchy.path + "/cgroup.controllers", encoding="ascii") as stream:
                    self.v2 = set(stream.read().split())
        self.has_mqueue = os.path.exists("/proc/sys/fs/mqueue")
        self.namespaces = frozenset(os.listdir("/proc/self/ns"))
        self.machine = os.uname().machine
        self.machine_id = _machine_id()
        self.security_modules = _security_modules()

    def read_file(self, path: str) -> str:
        """A file that a definition names, to be read at each start.

        :raises LxcError: when it can't be read
        """
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                return stream.read()
        except OSError as error:
            raise LxcError.from_os("read", path, error, "Correct its name in the definition."
                                   ) from error

    def unified(self) -> str | None:
        """Where v2 is mounted."""
        return next((h.path for h in self.hierarchies if h.version == 2), None)


def _security_modules() -> set[str]:
    """Those of apparmor and selinux that label processes here."""
    found = set()
    try:
        with open("/sys/module/apparmor/parameters/enabled", encoding="ascii") as stream:
            if stream.read().strip() == "Y":
                found.add("apparmor")
    except OSError:
        pass
    if os.path.exists("/sys/fs/selinux/enforce"):
        found.add("selinux")
    return found


def _machine_id() -> str:
    """machine-id(5); a host without one has its boot's."""
    for path in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):
        try:
            with open(path, encoding="ascii") as stream:
                text = stream.read().strip()
        except (OSError, ValueError):
            continue
        if text:
            return text
    return ""


def read_manifest(rootfs: str) -> dict[str, Any]:
    """What lxc_rootfs wrote beside the root file system: mounts, command, layers; where it wrote
    nothing, there are no layers.

    :raises LxcError: for one that can't be read
    """
    manifest = store.read_json(rootfs + MANIFEST_SUFFIX) or {}
    manifest["overlay"] = overlay.effective(manifest.get("overlay"))
    return manifest


def check_rootfs(path: str) -> dict[str, Any]:
    """Refuse what can't be a root file system, before anything is done with it.

    :returns: its manifest
    :raises LxcError: naming what is wrong
    """
    doing = "use as root file system"
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise LxcError(doing, path, errno.ENOENT, "lxc_rootfs makes one.") from error
    except OSError as error:
        raise LxcError.from_os(doing, path, error) from error
    if not stat.S_ISDIR(status.st_mode):
        raise LxcError(doing, path, errno.ENOTDIR,
                       "Name a folder; lxc_rootfs makes one out of an archive.")
    manifest = read_manifest(path)
    layers = manifest["overlay"]
    trees = [layers["upper"], *layers["lower"]] if layers else [path]
    _check_layers(path, trees, manifest)
    for name in ("proc", "sys", "dev"):
        tree = next((t for t in trees if os.path.lexists("%s/%s" % (t, name))), path)
        try:
            mode = os.lstat("%s/%s" % (tree, name)).st_mode
        except OSError as error:
            raise LxcError(doing, path, errno.ENOENT,
                           "Make the folder; nothing is mounted on what is not there.",
                           "it has no folder /%s" % name) from error
        if not stat.S_ISDIR(mode):
            raise LxcError(doing, path, detail="its /%s is no folder" % name,
                           hint="A link there could lead a mount anywhere: replace it by a folder.")
    return manifest


def _check_layers(path: str, trees: list[str], manifest: dict[str, Any]) -> None:
    """Layers have to be there; and none may be written to that is another's: what overlays show
    is undefined when a lower layer changes (overlayfs.rst)."""
    for tree in trees:
        if not os.path.isdir(tree):
            raise LxcError("use as root file system", path, errno.ENOENT,
                           "Put it back, or make the root file system anew with lxc_rootfs.",
                           "its layer %s is not there" % tree)
    for clone in manifest.get("clones") or []:
        other = (store.read_json(clone + MANIFEST_SUFFIX) or {}).get("overlay") or {}
        if trees[0] in other.get("lower", []):
            raise LxcError("use as root file system", path, errno.EBUSY,
                           "Clone it for this container too, with lxc_rootfs.",
                           "%s shows its files" % clone)


def allocate_ids(definitions: list[dict[str, Any]]) -> dict[str, int]:
    """A range that no container and no user has: what idmap is in a definition.

    :param definitions: every one that is stored or about to be
    """
    taken = [used for d in definitions if d.get("idmap") for used in idmaps.taken(d["idmap"])]
    for path in ("/etc/subuid", "/etc/subgid"):
        try:
            with open(path, encoding="utf-8", errors="replace") as stream:
                taken += idmaps.parse_subids(stream.read())
        except OSError:
            continue
    return {"first": idmaps.allocate(taken), "size": idmaps.SIZE}
