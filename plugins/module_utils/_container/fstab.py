# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts out of a file of the host in the format of fstab(5): lxc.mount.fstab."""
from __future__ import annotations

from .._kernel import mounts
from .._kernel.errors import LxcError
from . import checks

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_TYPES = ("bind", "tmpfs", "proc", "sysfs", "mqueue", "devpts")
_BIND_OPTIONS = ("idmap=container", "nodev", "noexec", "nosuid", "relative")
_NOTHING = ("rw", "defaults", "bind", "rbind", "auto", "noauto", "0")


def read(path: str, content: str, rootfs: str) -> list[dict[str, Any]]:
    """Mounts as a definition has them.

    :param path: for messages
    :param rootfs: which targets may have before them, as files of 2009 do
    :raises LxcError: naming the line that can't be honoured
    """
    found = []
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                found.append(_entry(line, rootfs.rstrip("/")))
            except ValueError as error:
                raise LxcError("read the mounts of", "%s:%d" % (path, number), detail=str(error),
                               hint="Write source, target, type and options: fstab(5).") from None
    return found


def _entry(line: str, rootfs: str) -> dict[str, Any]:
    words = [mounts.unescape(word) for word in line.split()]
    if not 4 <= len(words) <= 6:
        raise ValueError("it has %d fields" % len(words))
    source, target, kind = words[:3]
    options = [option for option in words[3].split(",") if option]
    if "bind" in options or "rbind" in options:
        kind = "bind"
    if kind not in _TYPES:
        raise ValueError("%s is no file system that is mounted inside" % kind)
    if "relative" in options:
        source = "/" + source.strip("/")
    if kind == "bind" and not source.startswith("/"):
        raise ValueError("the source %s is not absolute" % source)
    if target.startswith("/"):
        if rootfs and target.startswith(rootfs + "/"):
            target = target[len(rootfs):]
    else:
        target = "/" + target
    if ".." in target.split("/") or target.strip("/") == "":
        raise ValueError("the target %s is not below the container's /" % target)
    target = "/" + target.strip("/")
    if "relative" in options:
        problem = checks.relative(kind, source, target, options)
        if problem:
            raise ValueError(problem)
    made: dict[str, Any] = {"source": source, "target": target, "type": kind,
                            "read_only": "ro" in options, "optional": "optional" in options,
                            "create": None, "options": []}
    for option in options:
        if option.startswith("create="):
            made["create"] = option[len("create="):]
            if made["create"] not in ("dir", "file"):
                raise ValueError("%s makes neither a dir nor a file" % option)
        elif option in ("ro", "optional") or option in _NOTHING:
            continue
        elif kind == "bind" and option not in _BIND_OPTIONS:
            raise ValueError("%s is no option of a bind mount" % option)
        else:
            made["options"].append(option)
    return made
