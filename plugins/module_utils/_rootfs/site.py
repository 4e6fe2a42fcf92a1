# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a tree that someone hostile may have written: no symbolic link in it is ever followed.

A container's root owns its tree and runs while the host works in it. So each folder on the way is
opened from the one above it, with O_NOFOLLOW, and files are replaced, never written to.
"""
from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import typing as t

from .._kernel.errors import LxcError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Found(t.NamedTuple):
    """What is at a path of the tree; kind "" is nothing, "other" a device, a socket, a pipe."""

    kind: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""


NOTHING = Found()


class Site:
    """An open tree. A context manager.

    :param fd: the tree, where it has no path that it could be opened by; closed at the end
    """

    def __init__(self, path: str, fd: int = -1) -> None:
        self.path = path
        self.fd = fd
        if fd >= 0:
            return
        try:
            self.fd = os.open(path, _FOLDER)
        except OSError as error:
            raise LxcError.from_os("open root file system", path, error) from error

    def __enter__(self) -> Site:
        return self

    def __exit__(self, *_exc: object) -> None:
        os.close(self.fd)

    @contextlib.contextmanager
    def parent(self, path: str) -> t.Iterator[tuple[int, str]]:
        """The folder that ``path`` (from the tree's root) lies in, and the last part of its name.

        :raises LxcError: when a part of the way is not a folder
        """
        parts = path.strip("/").split("/")
        fd = os.dup(self.fd)
        try:
            for position, part in enumerate(parts[:-1]):
                try:
                    below = os.open(part, _FOLDER, dir_fd=fd)
                except OSError as error:
                    raise self._stranger("/".join(parts[:position + 1]), error) from error
                os.close(fd)
                fd = below
            yield fd, parts[-1]
        finally:
            os.close(fd)

    def _stranger(self, path: str, error: OSError) -> LxcError:
        subject = "%s/%s" % (self.path, path)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return LxcError("open folder", subject, detail="it is not a folder any more",
                            hint="Something in the container has put another file there; "
                                 "remove that by hand, it is never followed.")
        return LxcError.from_os("open folder", subject, error)

    def look(self, path: str, limit: int = 1 << 20) -> Found:
        """What is at ``path``; the content only of files of at most ``limit`` bytes."""
        try:
            with self.parent(path) as (fd, name):
                return look_at(fd, name, limit)
        except LxcError as error:
            if error.errno == errno.ENOENT:
                return NOTHING
            raise

    def mkdir(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Make a folder."""
        with self.parent(path) as (fd, name), self._step("make folder", path):
            os.mkdir(name, 0o700, dir_fd=fd)
        self.set_folder(path, mode, uid, gid)

    def set_folder(self, path: str, mode: int, uid: int, gid: int) -> None:
        """Give a folder that is there its owner and mode."""
        with self.parent(path) as (fd, name), self._step("set owner and mode of", path):
            folder = os.open(name, _FOLDER, dir_fd=fd)
            try:
                os.fchown(folder, uid, gid)
                os.fchmod(folder, mode)
            finally:
                os.close(folder)

    def write(self, path: str, content: bytes, mode: int, uid: int, gid: int) -> None:
        """Put a file there in one step, in place of whatever is not a folder."""
        with self.parent(path) as (fd, name), self._step("write", path):
            temporary = _temporary()
            file = os.open(temporary, _NEW, 0o600, dir_fd=fd)
            try:
                with open(file, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fchown(file, uid, gid)
                    os.fchmod(file, mode)
                    os.fsync(file)
                os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except BaseException:
                os.unlink(temporary, dir_fd=fd)
                raise

    def symlink(self, path: str, target: str) -> None:
        """Put a symbolic link there in one step, in place of whatever is not a folder."""
        with self.parent(path) as (fd, name), self._step("make link", path):
            temporary = _temporary()
            os.symlink(target, temporary, dir_fd=fd)
            try:
                os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
            except BaseException:
                os.unlink(temporary, dir_fd=fd)
                raise

    def unlink(self, path: str) -> None:
        """Remove a file or link."""
        with self.parent(path) as (fd, name), self._step("remove", path):
            os.unlink(name, dir_fd=fd)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        with self.parent(path) as (fd, name), self._step("remove folder", path):
            os.rmdir(name, dir_fd=fd)

    @contextlib.contextmanager
    def _step(self, doing: str, path: str) -> t.Iterator[None]:
        try:
            yield
        except OSError as error:
            hint = "Make room on the file system." if error.errno == errno.ENOSPC else ""
            raise LxcError.from_os(doing, self.path + path, error, hint) from error


def _temporary() -> str:
    return ".fleet-lxc-%s" % secrets.token_hex(8)


def look_at(fd: int, name: str, limit: int) -> Found:
    """What the folder ``fd`` has under ``name``."""
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return NOTHING
    mode, uid, gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid
    if stat.S_ISDIR(status.st_mode):
        return Found("folder", mode, uid, gid)
    if stat.S_ISLNK(status.st_mode):
        return Found("link", mode, uid, gid, target=os.readlink(name, dir_fd=fd))
    if not stat.S_ISREG(status.st_mode):
        return Found("other", mode, uid, gid)
    try:
        # It may be a pipe by now: O_NONBLOCK.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=fd)
    except OSError:
        return Found("other", mode, uid, gid)
    with open(file, "rb") as stream:
        status = os.fstat(file)
        small = stat.S_ISREG(status.st_mode) and status.st_size <= limit
        return Found("file", mode, uid, gid, stream.read(limit) if small else b"\0too large")
