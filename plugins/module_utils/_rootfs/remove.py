# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove a tree that someone hostile may have filled, without leaving it.

Each folder is moved into the tree's own top before it is looked into: a mount point can't be
moved (EBUSY), so nothing of another file system is ever deleted, and however deep the tree is,
two open folders are enough.
"""
from __future__ import annotations

import errno
import os

from .._kernel.errors import LxcError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MOVED = ".fleet-lxc-removed-"


def remove_tree(path: str) -> None:
    """Remove the folder and everything in it; nothing there is fine.

    :raises LxcError: naming what can't be removed; the rest is still there then
    """
    try:
        top = os.open(path, _FOLDER)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _problem(path, error) from error
    try:
        _empty(path, top)
    finally:
        os.close(top)
    try:
        os.rmdir(path)
    except OSError as error:
        raise _problem(path, error) from error


def _empty(path: str, top: int) -> None:
    device = os.fstat(top).st_dev
    number = 0
    queue = []
    for name in os.listdir(top):
        if name.startswith(_MOVED):  # of a run that was cut short
            number = max(number, int("0" + "".join(c for c in name[len(_MOVED):] if c.isdigit())))
    for name in os.listdir(top):
        if not _unlink(path, top, name):
            number += 1
            queue.append(_move(path, top, name, top, number))
    while queue:
        name = queue.pop()
        folder = os.open(name, _FOLDER, dir_fd=top)
        try:
            if os.fstat(folder).st_dev != device:
                raise LxcError("remove", "%s/%s" % (path, name), errno.EBUSY,
                               detail="it is another file system", hint="Unmount it first.")
            for child in os.listdir(folder):
                if not _unlink("%s/%s" % (path, name), folder, child):
                    number += 1
                    queue.append(_move(path, folder, child, top, number))
        finally:
            os.close(folder)
        try:
            os.rmdir(name, dir_fd=top)
        except OSError as error:
            raise _problem("%s/%s" % (path, name), error) from error


def _unlink(path: str, folder: int, name: str) -> bool:
    """Remove what is not a folder with something in it; whether that was possible."""
    try:
        os.unlink(name, dir_fd=folder)
        return True
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise _problem("%s/%s" % (path, name), error) from error
        unlinking = error
    try:
        os.rmdir(name, dir_fd=folder)
        return True
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            return False
        problem = unlinking if error.errno == errno.ENOTDIR else error
        raise _problem("%s/%s" % (path, name), problem) from error


def _move(path: str, folder: int, name: str, top: int, number: int) -> str:
    moved = "%s%d" % (_MOVED, number)
    try:
        os.rename(name, moved, src_dir_fd=folder, dst_dir_fd=top)
    except OSError as error:
        raise _problem("%s/.../%s" % (path, name), error) from error
    return moved


def _problem(subject: str, error: OSError) -> LxcError:
    hints = {errno.EBUSY: "Something is mounted there: unmount it first.",
             errno.EPERM: "It may be immutable: see chattr(1)."}
    return LxcError.from_os("remove", subject, error, hints.get(error.errno or 0, ""))


def bytes_on_disk(path: str) -> int:
    """What a tree takes, as du -x counts it; hard links once. Nothing there is 0 bytes."""
    total, seen = 0, set()
    try:
        device = os.lstat(path).st_dev
    except OSError:
        return 0
    queue = [path]
    while queue:
        folder = queue.pop()
        try:
            total += os.lstat(folder).st_blocks * 512
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if entry.is_dir(follow_symlinks=False):
                if status.st_dev == device:  # files of an overlay have another than its folders
                    queue.append(entry.path)
            elif (status.st_nlink == 1) or status.st_ino not in seen:
                seen.add(status.st_ino)
                total += status.st_blocks * 512
    return total
