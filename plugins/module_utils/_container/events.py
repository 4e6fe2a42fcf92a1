# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's stream of events: a line of JSON for each change, written by whoever made it.

The stream has positions, counted in bytes from its beginning, which go on when a full file is
renamed: each file's first line says which stream it belongs to, and at which position it starts.
So a reader that knows a position finds it again, in another file or in another process
(event_stream.py). Here is only what writes; launcher and monitor have it loaded.
"""
from __future__ import annotations

import errno
import fcntl
import os
import time

from .._kernel.lean import json
from . import container_log

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

FILE = "/run/fleet-lxc/events"
PREVIOUS = FILE + ".1"
LIMIT = 4 << 20   # bytes of a file; as much again in the one before it
_PATIENCE = 1     # seconds for whoever writes at the moment: it may be stopped by a debugger
_PAUSE = 0.001


def event(name: str, state: str = "", **facts: Any) -> None:
    """Say what has changed, after it has.

    A stream that can't be written is no reason to fail what it tells of.

    :param state: the container's new state, "" where it is something else that changed
    :param facts: pid (with RUNNING), exit (with STOPPED), oom_kills, priority, ...
    """
    try:
        fd = _open_locked()
        try:
            size = os.fstat(fd).st_size
            line = {"time": round(time.time(), 6), "container": name,
                    **({"state": state} if state else {}), **facts}
            text = json.dumps(line, separators=(",", ":")).encode() + b"\n"
            if size == 0:
                text = header(os.urandom(8).hex(), 0) + text
            elif os.pread(fd, 1, size - 1) != b"\n":  # its writer was killed, or the disk full
                text = b"\n" + text
            os.write(fd, text)
        finally:
            os.close(fd)
    except OSError:
        pass
    container_log.tell_event(name, {**({"state": state} if state else {}), **facts})


def _open_locked() -> int:
    """The file that is written at present, with its lock held."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        fd = os.open(FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC,
                     0o600)
        try:
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        return fd  # appending is in order without the lock, too
                time.sleep(_PAUSE)
            status = os.fstat(fd)
            if status.st_ino == os.stat(FILE).st_ino:
                if status.st_size < LIMIT:
                    return fd
                _rotate(fd, status.st_size)
        except FileNotFoundError:
            pass  # it was renamed or removed since
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _rotate(fd: int, size: int) -> None:
    """Begin another file, which goes on where this one ends. Its lock is held.

    The new one is there as a whole before it can be found, so that it never lacks a first line.
    """
    stream, start = parse_header(os.pread(fd, 200, 0))
    new = FILE + ".new"
    made = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        text = header(stream, start + size)
        if os.write(made, text) != len(text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new)
    finally:
        os.close(made)
    try:
        os.unlink(PREVIOUS)
    except FileNotFoundError:
        pass
    os.link(FILE, PREVIOUS)
    os.rename(new, FILE)


def header(stream: str, start: int) -> bytes:
    """The first line of a file that begins at a position of a stream."""
    return b'{"stream":"%s","start":%d}\n' % (stream.encode(), start)


def parse_header(data: bytes) -> tuple[str, int]:
    """:returns: which stream, and the position of the file's first byte in it"""
    try:
        found = json.loads(data.partition(b"\n")[0])
        return str(found["stream"]), int(found["start"])
    except (ValueError, KeyError, TypeError):
        return "unknown", 0
