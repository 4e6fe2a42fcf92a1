# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy a tree with everything that files have: owners, modes, times, extended attributes (and so
ACLs and capabilities), hard links, holes. Where the file system can, files share their blocks.

No symbolic link is followed in either tree, so it may be one that a container's root has filled.
"""
from __future__ import annotations

import errno
import fcntl
import os
import stat
import typing as t

from .._kernel.errors import LxcError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FICLONE = 0x40049409  # ioctl_ficlone(2)
_NO_REFLINK = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.EBADF)
# What copy_file_range(2) says where the file systems have no way for it.
_NO_RANGE = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM)
# Of an overlay's own layers; in a copy of what was mounted they would mean something again.
_NOT_COPIED = ("trusted.overlay.", "user.overlay.")
# In a copy of a layer itself they have to, but for what tells one inode from another.
_NOT_OF_A_LAYER = ("trusted.overlay.", "user.overlay.origin", "user.overlay.upper")


class Copy:
    """One copy. ``reflink``: True demands shared blocks, None takes them where they are to be had,
    False copies the bytes. ``layer``: it is one of an overlay, and shall be."""

    def __init__(self, source: str, reflink: bool | None = None,
                 say: t.Callable[[str], None] | None = None, layer: bool = False) -> None:
        self.source = source
        self.bytes = self.files = 0
        self.shares_blocks = False
        self._demanded = reflink is True
        self._reflink = reflink is not False
        self._range = True
        self._not_copied = _NOT_OF_A_LAYER if layer else _NOT_COPIED
        self._say = say
        self._links: dict[tuple[int, int], str] = {}
        self._devices: set[int] = set()

    def into(self, source: int, target: int) -> None:
        """Copy what the open folder ``source`` has into the open, empty folder ``target``.

        :raises LxcError: naming the first file that could not be copied
        """
        mask = os.umask(0)
        try:
            self._devices = {os.fstat(source).st_dev}
            self._top = target
            self._folder(source, target, "")
        finally:
            os.umask(mask)

    def _folder(self, source: int, target: int, path: str) -> None:
        with os.scandir(source) as entries:
            listed = sorted(entries, key=_name)
        for entry in listed:
            below = "%s/%s" % (path, entry.name)
            try:
                self._entry(entry, source, target, below)
            except OSError as error:
                hint = ""
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    hint = "Make room on the file system."
                elif error.errno in _NO_REFLINK and self._demanded:
                    hint = ("Files can share blocks within one xfs, btrfs or the like only: use "
                            "'method: copy' elsewhere.")
                raise LxcError.from_os("copy", self.source + below, error, hint) from error
        try:
            self._finish(os.fstat(source), source, target)
        except OSError as error:
            raise LxcError.from_os("copy", self.source + (path or "/"), error) from error

    def _entry(self, entry: os.DirEntry[str], source: int, target: int, path: str) -> None:
        name = entry.name
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFDIR:
            if status.st_dev not in self._devices:
                raise OSError(errno.EXDEV, "another file system is mounted there")
            os.mkdir(name, 0o700, dir_fd=target)
            old = os.open(name, _FOLDER, dir_fd=source)
            try:
                new = os.open(name, _FOLDER, dir_fd=target)
                try:
                    self._folder(old, new, path)
                finally:
                    os.close(new)
            finally:
                os.close(old)
            return
        self.files += 1
        if self._say and not self.files % 2000:
            self._say("%d files, %d MiB" % (self.files, self.bytes >> 20))
        if status.st_nlink > 1:
            first = self._links.setdefault((status.st_dev, status.st_ino), path)
            if first != path:
                os.link(first.lstrip("/"), name, src_dir_fd=self._top, dst_dir_fd=target,
                        follow_symlinks=False)
                return
        if kind == stat.S_IFREG:
            self._file(name, source, target)
            return
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
        else:
            os.mknod(name, kind | 0o600, status.st_rdev, dir_fd=target)
        if status.st_uid or status.st_gid:
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        if kind != stat.S_IFLNK:
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target,
                 follow_symlinks=False)

    def _file(self, name: str, source: int, target: int) -> None:
        old = os.open(name, _OLD, dir_fd=source)
        try:
            status = os.fstat(old)  # of what was opened, whatever was there a moment ago
            new = os.open(name, _NEW, 0o600, dir_fd=target)
            try:
                if status.st_size:
                    self._content(old, new, status)
                self.bytes += status.st_blocks * 512
                self._finish(status, old, new)
            finally:
                os.close(new)
        finally:
            os.close(old)

    def _content(self, old: int, new: int, status: os.stat_result) -> None:
        if self._reflink:
            try:
                fcntl.ioctl(new, _FICLONE, old)
                self.shares_blocks = True
                return
            except OSError as error:
                if self._demanded or error.errno not in _NO_REFLINK:
                    raise
                self._reflink = False
        if status.st_blocks * 512 >= status.st_size:
            self._range_of(old, new, 0, status.st_size)
            return
        os.truncate(new, status.st_size)
        offset = 0
        while offset < status.st_size:
            try:
                offset = os.lseek(old, offset, os.SEEK_DATA)
            except OSError as error:
                if error.errno != errno.ENXIO:  # there is only a hole left
                    raise
                return
            end = os.lseek(old, offset, os.SEEK_HOLE)
            self._range_of(old, new, offset, end - offset)
            offset = end

    def _range_of(self, old: int, new: int, offset: int, count: int) -> None:
        while count and self._range:
            try:
                done = os.copy_file_range(old, new, count, offset, offset)
            except OSError as error:
                if error.errno not in _NO_RANGE:
                    raise
                self._range = False
                break
            if not done:  # it was cut short meanwhile, or is one of those that say 0 at once
                break
            offset, count = offset + done, count - done
        while count:
            block = os.pread(old, min(count, 1 << 20), offset)
            if not block:
                return
            done = os.pwrite(new, block, offset)
            offset, count = offset + done, count - done

    def _finish(self, status: os.stat_result, old: int, new: int) -> None:
        """The rest of what a file or folder is; times last."""
        if status.st_uid or status.st_gid:
            os.fchown(new, status.st_uid, status.st_gid)
        os.fchmod(new, stat.S_IMODE(status.st_mode))  # after fchown, which clears set-user-ID
        copy_attributes(old, new, self._not_copied)
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))


def copy_attributes(old: int, new: int, but: tuple[str, ...] = _NOT_COPIED) -> None:
    """Extended attributes of an open file; where the old file system has none, that is all.

    :param but: how the names begin of those that are left out
    """
    try:
        names = os.listxattr(old)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return
    for name in names:
        if not name.startswith(but):
            os.setxattr(new, name, os.getxattr(old, name))


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name
