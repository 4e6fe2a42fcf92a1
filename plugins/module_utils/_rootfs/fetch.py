# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch a file by its address, into a file without a name."""
from __future__ import annotations

import errno
import http.client
import os
import typing as t
import urllib.request

from .._kernel.errors import LxcError

if t.TYPE_CHECKING:
    from .programs import Log

_SECONDS = 60  # without a byte
_STEP = 32 << 20  # bytes between two lines in the log
_ROOM_LEFT = 16 << 20


def is_address(src: str) -> bool:
    """Whether it is fetched, rather than a path."""
    return src.startswith(("http://", "https://"))


def fetch(src: str, folder: str, log: Log) -> int:
    """Fetch it, by way of the proxies that the task's environment names.

    :param folder: on whose file system the file lies while it is open
    :returns: the open file
    :raises LxcError: when it can't be had
    """
    log.say("fetch %s" % src)
    fd = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with urllib.request.build_opener().open(src, timeout=_SECONDS) as answer:
            length = answer.headers.get("Content-Length") or ""
            status = os.fstatvfs(fd)
            if length.isdigit() and int(length) + _ROOM_LEFT > status.f_bavail * status.f_frsize:
                raise LxcError("fetch", src, errno.ENOSPC, "Make room at %s." % folder,
                               "it has %d MiB" % (int(length) >> 20))
            _copy(answer, fd, src, int(length) if length.isdigit() else None, log)
        os.lseek(fd, 0, os.SEEK_SET)
        return fd
    except BaseException as error:
        os.close(fd)
        if isinstance(error, LxcError):
            raise
        if isinstance(error, (OSError, http.client.HTTPException, ValueError)):
            raise LxcError("fetch", src, detail=str(error),
                           hint="See whether the host reaches it, and whether the address is "
                                "right.") from error
        raise


def _copy(answer: t.Any, fd: int, src: str, length: int | None, log: Log) -> None:
    done = said = 0
    for block in iter(lambda: answer.read(1 << 20), b""):
        view = memoryview(block)
        while view:
            view = view[os.write(fd, view):]
        done += len(block)
        if done - said >= _STEP:
            said = done
            log.say("%d MiB%s" % (done >> 20, " of %d" % (length >> 20) if length else ""))
    if length is not None and done != length:
        raise LxcError("fetch", src, detail="the connection ended after %d of %d bytes"
                       % (done, length), hint="Run the task again.")
