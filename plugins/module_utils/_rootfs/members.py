# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The members of a tar file: which are refused, and how the others are written."""
from __future__ import annotations

import base64
import os
import stat
import typing as t
import urllib.parse

from .._kernel.errors import LxcError
from . import acls

if t.TYPE_CHECKING:
    import tarfile

    from .acls import Names

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_HIGHEST_ID = 65535


def check_member(src: str, member: tarfile.TarInfo, devices: bool) -> str:
    """The member's path without "./", "" for the tree itself. Pure.

    :raises LxcError: for one that no honest root file system has, or that was not asked for
    """
    path = _clean(src, member, member.name)
    if member.isdev() and not member.isfifo() and not devices:
        raise _refuse(src, member, "is a device node",
                      "Set 'devices: true' if the archive is to be trusted; the runtime gives "
                      "each container its devices without.")
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()
            or member.isdev()):
        raise _refuse(src, member, "is of the unknown type %r" % member.type)
    if not path and not member.isdir():
        raise _refuse(src, member, "would replace the root folder")
    if member.islnk() and not _clean(src, member, member.linkname):
        raise _refuse(src, member, "is a hard link to the root folder")
    if member.issym() and (not member.linkname or "\0" in member.linkname):
        raise _refuse(src, member, "is a symbolic link to nothing")
    if not 0 <= member.uid <= _HIGHEST_ID or not 0 <= member.gid <= _HIGHEST_ID:
        raise _refuse(src, member, "belongs to %d:%d" % (member.uid, member.gid),
                      "Containers have ids from 0 to %d; make the archive anew with such ones."
                      % _HIGHEST_ID)
    if member.size < 0:
        raise _refuse(src, member, "has a negative size")
    return path


def _parts(member: tarfile.TarInfo) -> list[tuple[int, int]]:
    """Offset and size of what a member has other than holes."""
    if member.issparse():
        return [(offset, size) for offset, size in t.cast(t.Any, member).sparse if size]
    return [(0, member.size)]


def needs(member: tarfile.TarInfo) -> int:
    """Bytes of its content on the disk. Pure."""
    if not member.isreg():
        return 0
    if member.issparse():
        return sum(size for _offset, size in _parts(member))
    return member.size


def _clean(src: str, member: tarfile.TarInfo, name: str) -> str:
    if "\0" in name:
        raise _refuse(src, member, "has a NUL in its name")
    if name.startswith("/"):
        raise _refuse(src, member, "has an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refuse(src, member, "leads out of the archive by '..'")
    return "/".join(parts)


def _refuse(src: str, member: tarfile.TarInfo, problem: str, hint: str = "") -> LxcError:
    return LxcError("unpack", src, detail="its member %r %s" % (member.name[:200], problem),
                    hint=hint or "Nothing was unpacked; find out who made this archive.")


class Directory:
    """The tree, as members are put into it; no link in it is followed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.folders: dict[str, tuple[int, float]] = {}  # mode and time, set at the end

    @classmethod
    def open(cls, path: str) -> Directory:
        """The tree at ``path``."""
        return cls(os.open(path, _FOLDER))

    def parent(self, path: str, make: bool) -> tuple[int, str]:
        """An open folder (the caller closes it) and the last part of the path.

        :param make: make the folders on the way that no member came for
        """
        parts = path.split("/")
        fd = os.dup(self.fd)
        try:
            for part in parts[:-1]:
                try:
                    below = os.open(part, _FOLDER, dir_fd=fd)
                except FileNotFoundError:
                    if not make:
                        raise
                    os.mkdir(part, 0o755, dir_fd=fd)
                    below = os.open(part, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return fd, parts[-1]

    def finish(self) -> None:
        """Give the folders their modes and times, the deepest first."""
        for path in sorted(self.folders, reverse=True):
            mode, mtime = self.folders[path]
            if path:
                folder, name = self.parent(path, make=False)
            else:
                folder, name = os.dup(self.fd), "."
            try:
                fd = os.open(name, _FOLDER, dir_fd=folder)
                try:
                    os.fchmod(fd, mode)
                    os.utime(fd, (mtime, mtime))
                finally:
                    os.close(fd)
            finally:
                os.close(folder)


# Extended attributes as GNU tar and libarchive write them into pax headers.
_GNU, _LIBARCHIVE = "SCHILY.xattr.", "LIBARCHIVE.xattr."
# What files may bring: the rest is the host's own policy (SELinux, IMA), or an overlay's.
_TAKEN = ("user.", "security.capability", "system.posix_acl_")
_NOT_TAKEN = "user.overlay."


def attributes(member: tarfile.TarInfo, names: Names) -> dict[str, bytes]:
    """The extended attributes of a member that its file shall have, capabilities and ACLs among
    them. Pure."""
    found = {attribute: names.encode(member.pax_headers[key])
             for key, attribute in acls.KEYS.items() if key in member.pax_headers}
    for key, value in member.pax_headers.items():
        name = ""
        if key.startswith(_GNU):  # tarfile has decoded it as UTF-8, with what is none escaped
            name, data = key[len(_GNU):], value.encode("utf-8", "surrogateescape")
        elif key.startswith(_LIBARCHIVE):
            name = urllib.parse.unquote(key[len(_LIBARCHIVE):])
            data = base64.b64decode(value + "=" * (-len(value) % 4))
        if name.startswith(_TAKEN) and not name.startswith(_NOT_TAKEN) and "\0" not in name:
            found[name] = data
    return found


def _set_attributes(member: tarfile.TarInfo, fd: int, names: Names) -> None:
    for name, data in attributes(member, names).items():
        try:
            os.setxattr(fd, name, data)
        except OSError as error:
            raise LxcError("set attribute %s of" % name, member.name, error.errno,
                           "Choose a path on a file system that has it, such as ext4 or xfs."
                           ) from error


def extract_member(src: str, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str,
                   root: Directory, names: Names) -> None:
    """Write one member that ``check_member`` let through.

    :raises LxcError: when its path leads through a link, or a hard link's target is not a file
    """
    mode, mtime = member.mode & 0o7777, max(0, member.mtime)
    if not path:
        os.fchown(root.fd, member.uid, member.gid)
        _set_attributes(member, root.fd, names)
        root.folders[""] = (mode, mtime)
        return
    try:
        folder, name = root.parent(path, make=True)
    except OSError as error:
        raise _refuse(src, member, "lies below something that is not a folder (a link?)"
                      ) from error
    try:
        _make_room(src, member, folder, name)
        if member.isdir():
            if not _is_folder(folder, name):
                os.mkdir(name, 0o700, dir_fd=folder)
            _finish_folder(member, folder, name, names)
            root.folders[path] = (mode, mtime)
        elif member.issym():
            os.symlink(member.linkname, name, dir_fd=folder)
            os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
            os.utime(name, (mtime, mtime), dir_fd=folder, follow_symlinks=False)
        elif member.islnk():
            _link(src, member, root, folder, name)
        elif member.isdev():
            _make_node(member, folder, name)
            # chmod has no nofollow here; the node was made by this process just now.
            os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
            os.chmod(name, mode, dir_fd=folder)
        else:
            _write(tar, member, folder, name, mode, mtime, names)
    finally:
        os.close(folder)


def _finish_folder(member: tarfile.TarInfo, folder: int, name: str, names: Names) -> None:
    fd = os.open(name, _FOLDER, dir_fd=folder)
    try:
        os.fchown(fd, member.uid, member.gid)
        _set_attributes(member, fd, names)
    finally:
        os.close(fd)


def _make_room(src: str, member: tarfile.TarInfo, folder: int, name: str) -> None:
    """A later member of the same name replaces the earlier, folders aside."""
    if _is_folder(folder, name):
        if not member.isdir():
            raise _refuse(src, member, "would replace a folder")
        return
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _is_folder(folder: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _link(src: str, member: tarfile.TarInfo, root: Directory, folder: int, name: str) -> None:
    target = _clean(src, member, member.linkname)
    try:
        there, last = root.parent(target, make=False)
    except OSError as error:
        raise _refuse(src, member, "is a hard link through something that is not a folder"
                      ) from error
    try:
        try:
            status = os.stat(last, dir_fd=there, follow_symlinks=False)
        except FileNotFoundError as error:
            raise _refuse(src, member, "is a hard link to what is not there") from error
        if not stat.S_ISREG(status.st_mode):
            raise _refuse(src, member, "is a hard link to what is not a file")
        os.link(last, name, src_dir_fd=there, dst_dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(there)


def _make_node(member: tarfile.TarInfo, folder: int, name: str) -> None:
    if member.isfifo():
        os.mkfifo(name, 0o600, dir_fd=folder)
        return
    kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
    os.mknod(name, 0o600 | kind, os.makedev(member.devmajor, member.devminor), dir_fd=folder)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str, mode: int,
           mtime: float, names: Names) -> None:
    fd = os.open(name, _NEW, 0o600, dir_fd=folder)
    with open(fd, "wb") as file:
        # Without its buffer, which can't seek over a hole in what comes from a pipe.
        stream = t.cast(t.Any, tar.extractfile(member)).raw
        os.truncate(fd, member.size)  # what lies between the parts stays a hole
        for offset, left in _parts(member):
            file.seek(offset)
            stream.seek(offset)
            while left:
                block = stream.read(min(left, 1 << 20))
                if not block:
                    raise EOFError("unexpected end of data")
                file.write(block)
                left -= len(block)
        file.flush()
        os.fchown(fd, member.uid, member.gid)
        os.fchmod(fd, mode)  # after fchown, which clears the set-user-ID bit
        _set_attributes(member, fd, names)  # capabilities too
        os.utime(fd, (mtime, mtime))
