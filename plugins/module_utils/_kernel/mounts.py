# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts by file descriptor: nothing here resolves a container's path twice.

Sources: mount_setattr(2), open_tree(2), openat2(2), fsopen(2).
"""
from __future__ import annotations

import errno
import os
import stat

from . import syscalls
from .errors import LxcError

# linux/magic.h
PROC_SUPER_MAGIC = 0x9FA0
SYSFS_MAGIC = 0x62656572

_OPTION_ATTRIBUTES = {
    "ro": syscalls.MOUNT_ATTR_RDONLY, "nosuid": syscalls.MOUNT_ATTR_NOSUID,
    "nodev": syscalls.MOUNT_ATTR_NODEV, "noexec": syscalls.MOUNT_ATTR_NOEXEC,
}


def attributes(options: list[str]) -> int:
    """MOUNT_ATTR_* bits for the options that are attributes of a mount (ro, nosuid, ...)."""
    bits = 0
    for option in options:
        bits |= _OPTION_ATTRIBUTES.get(option, 0)
    return bits


def open_in_root(root_fd: int, path: str, flags: int = os.O_PATH,
                 follow_symlinks: bool = True) -> int:
    """Open ``path`` as a process chrooted to ``root_fd`` would, magic links refused.

    :raises OSError: ELOOP where there is a symbolic link on the way that may not be followed
    """
    resolve = syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
    if not follow_symlinks:
        resolve |= syscalls.RESOLVE_NO_SYMLINKS
    return syscalls.openat2(root_fd, path.lstrip("/") or ".", flags, 0, resolve)


def open_if_there(root_fd: int, path: str) -> int:
    """The same with O_PATH and without following symbolic links; -1 where there is nothing."""
    resolve = (syscalls.RESOLVE_IN_ROOT | syscalls.RESOLVE_NO_MAGICLINKS
               | syscalls.RESOLVE_NO_SYMLINKS)
    return syscalls.openat2_if_there(root_fd, path.lstrip("/") or ".", os.O_PATH, resolve)


def bind(source_fd: int, path: str = "", options: list[str] | None = None,
         userns_fd: int | None = None, recursive: bool = True) -> int:
    """A detached, private copy of a mount tree, with options and id mapping on all of it.

    :param userns_fd: the user namespace whose id maps the mount gets; None leaves ids alone
    :raises OSError: EINVAL where a file system does not support id mapping
    """
    tree = syscalls.open_tree(source_fd, path, recursive)
    try:
        bits = attributes(options or [])
        if userns_fd is None:
            syscalls.mount_setattr(tree, bits, recursive)
        else:
            syscalls.mount_setattr(tree, bits | syscalls.MOUNT_ATTR_IDMAP, recursive, userns_fd)
    except OSError:
        os.close(tree)
        raise
    return tree


def new(fstype: str, options: list[str] | None = None) -> int:
    """A detached, newly made file system; options that are not attributes go to the file system."""
    options = options or []
    context = syscalls.fsopen(fstype)
    try:
        for option in options:
            if option in _OPTION_ATTRIBUTES:
                continue
            key, equals, value = option.partition("=")
            if equals:
                syscalls.fsconfig_string(context, key, value)
            else:
                syscalls.fsconfig_flag(context, key)
        syscalls.fsconfig_create(context)
        return syscalls.fsmount(context, attributes(options))
    finally:
        os.close(context)


def attach(mount_fd: int, target_fd: int) -> None:
    """Move a detached mount onto an open folder or file and close both."""
    try:
        syscalls.move_mount(mount_fd, target_fd)
    finally:
        os.close(mount_fd)
        os.close(target_fd)


def make_target(root: int, target: str, kind: str) -> None:
    """The folder or file that a mount goes on, with what is missing above it.

    :param kind: of the last part, "dir" or "file"
    """
    path = ""
    names = target.strip("/").split("/")
    for place, name in enumerate(names):
        parent = open_in_root(root, path)
        try:
            if place < len(names) - 1 or kind == "dir":
                os.mkdir(name, 0o755, dir_fd=parent)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC,
                                 0o644, dir_fd=parent))
        except FileExistsError:
            pass
        finally:
            os.close(parent)
        path = "%s/%s" % (path, name)


def same_kind(source_fd: int, target_fd: int) -> bool:
    """A folder goes on a folder, anything else on anything else."""
    return (stat.S_ISDIR(os.fstat(source_fd).st_mode)
            == stat.S_ISDIR(os.fstat(target_fd).st_mode))


def check_null_device(fd: int) -> None:
    """A mask by a /dev/null that is not 1:3 would show what it should hide.

    :raises LxcError: when it is another file
    """
    status = os.fstat(fd)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != os.makedev(1, 3):
        raise LxcError("check the null device", "/dev/null", errno.ENODEV,
                       detail="it is not the character device 1:3")


def read_mountinfo(path: str = "/proc/self/mountinfo") -> list[dict[str, str]]:
    """proc_pid_mountinfo(5) as dicts: root, target, options, fstype, source, super_options."""
    with open(path, "rb") as stream:
        return [parse_mountinfo_line(os.fsdecode(line)) for line in stream.read().splitlines()]


def parse_mountinfo_line(line: str) -> dict[str, str]:
    left, _separator, right = line.partition(" - ")
    fields, tail = left.split(" "), right.split(" ")
    return {"root": unescape(fields[3]), "target": unescape(fields[4]), "options": fields[5],
            "fstype": tail[0], "source": unescape(tail[1]), "super_options": tail[2]}


def unescape(text: str) -> str:
    """The kernel writes space, tab, newline, backslash and # as three octal digits."""
    if "\\" not in text:
        return text
    parts = text.split("\\")
    return parts[0] + "".join(chr(int(p[:3], 8)) + p[3:] for p in parts[1:])
