# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file of a container, read or written from inside, with nothing of the container's but its
kernel's view: by a forked child that has entered it like a program, and runs none.

Nothing is imported here that entry.py does not have already.
"""
from __future__ import annotations

import errno
import os
import stat

from .._kernel import syscalls
from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

PUT, FETCH = "put", "fetch"
_CHUNK = 1 << 18


def run(what: dict[str, Any]) -> NoReturn:
    """Copy from standard input to the file, or from the file to standard output. Ends the process.

    :param what: kind (PUT or FETCH), path, offset, size, and mode, of a file that is new
    """
    code = 125
    doing = "write the file" if what["kind"] == PUT else "read the file"
    try:
        if what["kind"] == PUT:
            _put(what, doing)
        else:
            _fetch(what, doing)
        code = 0
    except LxcError as error:
        _explain(error)
    except OSError as error:
        _explain(LxcError.from_os(doing, what["path"], error))
    finally:
        os._exit(code)


def _explain(error: LxcError) -> None:
    os.write(2, b"fleet-lxc: %s\n" % str(error).encode("utf-8", "backslashreplace"))


def _open(what: dict[str, Any], flags: int, doing: str) -> int:
    """An ordinary file or a device; a FIFO would wait for somebody."""
    fd = syscalls.openat2(syscalls.AT_FDCWD, what["path"], flags | os.O_NONBLOCK | os.O_NOCTTY,
                          what["mode"] if flags & os.O_CREAT else 0,
                          syscalls.RESOLVE_NO_MAGICLINKS)
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise LxcError(doing, what["path"], errno.EISDIR, "Name a file.")
    if not stat.S_ISREG(mode) and not stat.S_ISCHR(mode):
        raise LxcError(doing, what["path"], errno.EINVAL, "Name an ordinary file.",
                       "it is a FIFO, a socket or a block device")
    return fd


def _put(what: dict[str, Any], doing: str) -> None:
    offset = what["offset"]
    try:
        fd = _open(what, os.O_WRONLY if offset else os.O_WRONLY | os.O_TRUNC, doing)
    except FileNotFoundError:
        if offset:
            raise
        # Not at once: O_CREAT on what another user has in /tmp is refused even to root
        # (proc_sys_fs(5): protected_regular, which systemd turns on).
        fd = _open(what, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, doing)
    if offset:
        os.lseek(fd, offset, os.SEEK_SET)
    left = what["size"]
    while left:
        data = os.read(0, min(left, _CHUNK))
        if not data:
            raise LxcError(doing, what["path"], errno.EPIPE, "Try again.",
                           "%d of %d bytes did not arrive" % (left, what["size"]))
        left -= len(data)
        while data:
            data = data[os.write(fd, data):]
    os.close(fd)


def _fetch(what: dict[str, Any], doing: str) -> None:
    fd = _open(what, os.O_RDONLY, doing)
    if what["offset"]:
        os.lseek(fd, what["offset"], os.SEEK_SET)
    left = what["size"]
    while left:
        data = os.read(fd, min(left, _CHUNK))
        if not data:
            break
        left -= len(data)
        while data:
            data = data[os.write(1, data):]
