# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A root file system in layers: the overlay that lxc_rootfs describes in a manifest.

The overlay itself can't be id-mapped (EINVAL), its layers can. The starter mounts it with the file
system ids of the container's root, since whoever mounts an overlay is who writes to its upper
layer, and the host's root is not in the layer's id map. Kernel 5.19 or newer, overlayfs.rst.
"""
from __future__ import annotations

import errno
import os

from .._kernel import idmaps, mounts, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import signal

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


def effective(overlay: dict[str, Any] | None) -> dict[str, Any] | None:
    """A manifest is written before its tree is taken apart into layers: until then the tree is
    the plain one that it was."""
    if overlay and os.path.isdir(overlay["upper"]) \
            and not os.path.lexists(os.path.dirname(overlay["upper"]) + "/proc"):
        return overlay
    return None


def mount(overlay: dict[str, Any], stage: str, ids: dict[str, Any] | None, users: int | None,
          options: list[str]) -> int:
    """A detached overlay.

    :param stage: an empty folder of a mount namespace that only the starter has
    :param users: the user namespace that the layers are mapped for, None for a privileged one
    :raises OSError: where a layer is missing, or this kernel can't
    """
    mounts.attach(mounts.new("tmpfs", ["mode=0755", "size=64k"]),
                  os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    try:
        base = os.open(stage, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            names = []
            for number, lower in enumerate(overlay["lower"]):
                names.append(str(number))
                _attach_layer(base, names[-1], lower, ["ro"], users)
            folder, upper = os.path.split(overlay["upper"])
            _attach_layer(base, "up", folder, [], users)
            os.fchdir(base)  # fsconfig(2) takes 256 bytes at most: names from here are short
            try:
                with Owner(ids):
                    tree = mounts.new("overlay", [
                        "lowerdir=" + ":".join(names), "upperdir=up/" + upper,
                        "workdir=up/" + os.path.basename(overlay["work"]), "userxattr"])
            finally:
                os.chdir("/")
        finally:
            os.close(base)
    finally:
        syscalls.umount2(stage, syscalls.MNT_DETACH)  # the overlay has clones of its own
    syscalls.mount_setattr(tree, mounts.attributes(options), recursive=False)
    return tree


def _attach_layer(base: int, name: str, path: str, options: list[str], users: int | None) -> None:
    os.mkdir(name, 0o755, dir_fd=base)
    source = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        mounts.attach(mounts.bind(source, "", options, users, recursive=False),
                      os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=base))
    finally:
        os.close(source)


class Owner:
    """Within it the container's root is this process's effective user and group, with every
    capability that the process has; None changes nothing."""

    def __init__(self, ids: dict[str, Any] | None) -> None:
        self._ids = ids

    def __enter__(self) -> None:
        if not self._ids:
            return
        uid, gid = (idmaps.outside(idmaps.ranges(self._ids, kind), 0) for kind in ("uid", "gid"))
        if uid is None or gid is None:
            raise LxcError("mount an overlay for", "id 0", errno.EOVERFLOW,
                           "Map id 0, or make the root file system with 'method: copy'.",
                           "the container's id map has no root")
        _effective, permitted, inheritable = syscalls.capget()
        os.setegid(gid)
        os.seteuid(uid)
        syscalls.capset(permitted, permitted, inheritable)  # seteuid has cleared them

    def __exit__(self, *_error: object) -> None:
        if self._ids:
            os.seteuid(0)
            os.setegid(0)
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # set*id clears it
