# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unpack a tar file that nobody vouches for.

Every member is looked at before the first one is written, and once more as it is written. That
happens in a forked child whose root is the new tree and which can do nothing else: an absolute
path or a link can't lead out. tarfile only reads; what it writes differs from one Python to the
next, and its own checks (the data filter) are missing in older ones.
"""
from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import subprocess
import sys
import tarfile
import typing as t
import zlib

from .._kernel import capabilities, syscalls
from .._kernel.errors import LxcError
from . import child, programs
from .acls import Names
from .fetch import fetch, is_address
from .members import Directory, check_member, extract_member, needs

if t.TYPE_CHECKING:
    from .programs import Log
    from .site import Site
    from .spec import ArchiveSpec

_ROOM_LEFT = 16 << 20  # bytes that stay free on the file system
_BLOCK = 4096
_ZSTD = b"\x28\xb5\x2f\xfd"
_COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", _ZSTD: "zst"}
_KEPT = ["chown", "dac_override", "fowner", "fsetid", "mknod", "setfcap"]
_damaged: list[type[BaseException]] = [tarfile.TarError, EOFError, zlib.error, ValueError]
with contextlib.suppress(ImportError):
    import lzma

    _damaged.append(lzma.LZMAError)
_DAMAGED: tuple[type[BaseException], ...] = tuple(_damaged)
_UNREADABLE: tuple[type[BaseException], ...] = (*_DAMAGED, OSError)
_open: t.Any = tarfile.open  # the modes it knows differ from one Python to the next
_ReadError = tarfile.ReadError
_INVALID: type[BaseException] = getattr(tarfile, "InvalidHeaderError", tarfile.ReadError)


def unpack(archive: ArchiveSpec, site: Site, log: Log) -> dict[str, t.Any]:
    """Unpack into the tree, which is empty.

    :returns: src and sha256, for the manifest
    :raises LxcError: when the archive is missing, another, damaged, hostile, or too large
    """
    fd = (fetch(archive.src, os.path.dirname(site.path), log) if is_address(archive.src)
          else open_archive(archive.src))
    log.say("look at %s" % archive.src)
    with open(fd, "rb") as file:
        digest = check_sum(archive, file)
        size, count, names = survey(archive, file)
        check_room(archive.src, site, size, count)
        log.say("unpack %d members, %d MiB" % (count, size >> 20))
        child.run("unpack", archive.src, lambda: _extract(archive, file, site, names),
                  "See the kernel's log; it may have run out of memory.")
    return {"src": archive.src, "sha256": digest}


def open_archive(src: str) -> int:
    """The archive, open; a pipe or device is refused, since reading it may never end."""
    try:
        fd = os.open(src, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise LxcError.from_os("open archive", src, error,
                               "The archive has to lie on the managed host: copy it there "
                               "first.") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise LxcError("open archive", src, detail="it is not a file",
                       hint="Give the path of a tar file.")
    return fd


def check_sum(archive: ArchiveSpec, file: t.BinaryIO) -> str:
    """The SHA-256 of the whole file.

    :raises LxcError: when the task says another
    """
    sha = hashlib.sha256()
    for block in iter(lambda: file.read(1 << 20), b""):
        sha.update(block)
    if archive.checksum is not None and archive.checksum != sha.hexdigest():
        raise LxcError("check archive", archive.src,
                       detail="its checksum is sha256:%s, not sha256:%s"
                              % (sha.hexdigest(), archive.checksum),
                       hint="Fetch it again, or correct 'checksum'.")
    return sha.hexdigest()


class _Member(tarfile.TarInfo):
    """A damaged header in the middle is an error; to tarfile it is the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Member:
        try:
            return super().fromtarfile(tarfile)
        except _INVALID as error:
            raise _ReadError(str(error)) from error


def open_tar(src: str, file: t.BinaryIO) -> contextlib.AbstractContextManager[tarfile.TarFile]:
    """The archive as tarfile reads it.

    :raises LxcError: when it is no tar file, or compressed in a way that this host can't undo
    """
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    kind = next((k for magic, k in _COMPRESSIONS.items() if start.startswith(magic)), "tar")
    try:
        tar: tarfile.TarFile = _open(fileobj=file, mode="r:" + kind, tarinfo=_Member)
    except tarfile.CompressionError as error:
        program = programs.find("zstd") if kind == "zst" else None
        if program is None:
            raise LxcError("read archive", src, detail="this Python (%s) can't read %s"
                           % (sys.version.split()[0], kind),
                           hint="Compress it with gzip instead%s." % (
                               ", or install zstd" if kind == "zst" else "")) from error
        return _through(program, src, file)
    except _UNREADABLE as error:
        raise _not_tar(src, error) from error
    return tar


@contextlib.contextmanager
def _through(program: str, src: str, file: t.BinaryIO) -> t.Iterator[tarfile.TarFile]:
    """By way of a program that undoes the compression."""
    os.lseek(file.fileno(), 0, os.SEEK_SET)  # it has the descriptor, not what is buffered here
    with subprocess.Popen(  # pylint: disable=ansible-bad-function
            [program, "-dcq"], stdin=file, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL) as process:
        try:
            try:
                tar = _open(fileobj=process.stdout, mode="r|", tarinfo=_Member)
            except _UNREADABLE as error:
                raise _not_tar(src, error) from error
            with tar:
                yield tar
            while process.stdout is not None and process.stdout.read(1 << 20):
                pass  # padding: what ends too early is told by the status only
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _not_tar(src, ValueError("%s ended with status %d" % (program, process.returncode)))


def _not_tar(src: str, error: BaseException) -> LxcError:
    return LxcError("read archive", src, detail="it is no tar file, or damaged: %s" % error,
                    hint="See whether 'tar -tf' can read it.")


def survey(archive: ArchiveSpec, file: t.BinaryIO) -> tuple[int, int, Names]:
    """Look at every member without writing anything.

    :returns: the bytes they need, their number, and whom their ACLs mean
    :raises LxcError: for the first member that is refused
    """
    size = count = 0
    names = Names()
    try:
        with open_tar(archive.src, file) as tar:
            for member in tar:
                path = check_member(archive.src, member, archive.devices)
                names.learn(tar, member, path)
                tar.members = []  # type: ignore[attr-defined]  # else all stay in memory
                count += 1
                size += _BLOCK + -(-needs(member) // _BLOCK) * _BLOCK
    except _UNREADABLE as error:
        raise _not_tar(archive.src, error) from error
    if not count:
        raise LxcError("read archive", archive.src, detail="it is empty",
                       hint="Give a tar file of a whole root file system.")
    names.check(archive.src)
    return size, count, names


def check_room(src: str, site: Site, size: int, count: int) -> None:
    """Refuse what the file system has no room for."""
    free = os.fstatvfs(site.fd)
    if size + _ROOM_LEFT > free.f_bavail * free.f_frsize:
        raise LxcError("unpack", src, errno.ENOSPC,
                       detail="it needs %d MiB at %s and %d MiB are free" % (
                           size >> 20, os.path.dirname(site.path),
                           free.f_bavail * free.f_frsize >> 20),
                       hint="Make room, or choose a path on another file system.")
    if free.f_files and count > free.f_favail:
        raise LxcError("unpack", src, errno.ENOSPC,
                       detail="it needs %d inodes and %d are free" % (count, free.f_favail),
                       hint="Remove files, or choose a path on another file system.")


def _extract(archive: ArchiveSpec, file: t.BinaryIO, site: Site, names: Names) -> None:
    try:
        with open_tar(archive.src, file) as tar:  # also imports what reading it takes
            _confine(site.fd)
            root = Directory.open("/")
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]
                path = check_member(archive.src, member, archive.devices)
                extract_member(archive.src, tar, member, path, root, names)
            root.finish()
    except OSError as error:
        hint = "Make room on the file system." if error.errno == errno.ENOSPC else ""
        raise LxcError.from_os("unpack", archive.src, error, hint) from error
    except _DAMAGED as error:
        raise _not_tar(archive.src, error) from error


def _confine(fd: int) -> None:
    """Make the tree the whole world of this process."""
    with contextlib.suppress(OSError):  # the chroot is what counts
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_SLAVE | syscalls.MS_REC, None)
    os.fchdir(fd)
    os.chroot(".")
    os.chdir("/")
    # From here on an import would run what the archive brought (RUNTIME.md: a decimal.py did).
    sys.path[:] = []
    sys.meta_path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()
    os.umask(0)
    capabilities.limit(capabilities.mask(_KEPT))
