# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the host's stream of events, from a position on, across files that were renamed."""
from __future__ import annotations

import os
import select
import time

from .._kernel import syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json
from . import events, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

NOTHING_YET = "none"  # the stream that a host has before the first event
_CHUNK = 1 << 16
_WITHOUT_INOTIFY = 0.05  # seconds between two looks on a host whose inotify instances are used up


class EventStream:
    """Follows the stream. What changes after this was made is seen, however short.

    :param since: a cursor of an earlier reading; "" for all that is still there; None for what
        comes from now on
    :raises LxcError: for what is no cursor
    """

    def __init__(self, since: str | None = None) -> None:
        self.lost = False  # whether something before what is read may be missing
        self._fd = -1
        self._stream, self._position = NOTHING_YET, 0
        self._start = 0  # position of the open file's first byte
        self._notify = -1
        wanted = _parse_cursor(since) if since else None
        store.make_folder(store.RUN)
        try:
            self._notify = syscalls.inotify_init()
            syscalls.inotify_add_watch(self._notify, store.RUN, syscalls.IN_MODIFY
                                       | syscalls.IN_CREATE | syscalls.IN_MOVED_TO)
        except OSError:
            self._close_notify()
        try:
            if wanted is not None:
                self._stream, self._position = wanted
                self._find()
            elif since is None:
                self._go_to_end()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> EventStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._close_file()
        self._close_notify()

    @property
    def cursor(self) -> str:
        """Where the next reading has to begin so that nothing is missing."""
        return "%s:%d" % (self._stream, self._position)

    def read(self) -> list[dict[str, Any]]:
        """Every event since the last reading, in order, each with the cursor that follows it."""
        found: list[dict[str, Any]] = []
        while True:
            if self._fd < 0 and not self._find():
                return found
            self._read_file(found)
            if not self._is_superseded():
                return found
            self._read_file(found)  # what was written between the two
            if not self._find():
                return found

    def wait(self, timeout: float, also: list[int] | None = None) -> list[int]:
        """Until there may be something to read, or one of other descriptors is readable.

        :param timeout: seconds
        :returns: those of ``also`` that are readable
        """
        poller = select.poll()
        for fd in also or []:
            poller.register(fd, select.POLLIN)
        if self._notify >= 0:
            poller.register(self._notify, select.POLLIN)
        else:
            timeout = min(timeout, _WITHOUT_INOTIFY)
        ready = [fd for fd, _event in poller.poll(max(0.0, timeout) * 1000)]
        if self._notify in ready:
            ready.remove(self._notify)
            try:
                os.read(self._notify, _CHUNK)
            except BlockingIOError:
                pass
        return ready

    def _read_file(self, found: list[dict[str, Any]]) -> None:
        rest = b""
        at = self._position - self._start
        while True:
            data = os.pread(self._fd, _CHUNK, at + len(rest))
            if not data:
                return  # a line without its end is read again when it has one
            *lines, tail = (rest + data).split(b"\n")
            for line in lines:
                at += len(line) + 1
                self._position = self._start + at
                event = _parse_event(line)
                if event is not None:
                    found.append({**event, "cursor": self.cursor})
            rest = tail

    def _is_superseded(self) -> bool:
        try:
            return os.stat(events.FILE).st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            return False

    def _find(self) -> bool:
        """Open the file that has the position, or else the oldest one that comes after it.

        :returns: False when there is none, or none but the one that has been read
        """
        for _attempt in range(100):
            current = _open(events.FILE)
            if current is None:
                return False
            if os.fstat(current).st_size == 0:  # about to get its first line
                os.close(current)
                return False
            previous = _open(events.PREVIOUS)
            try:
                if os.stat(events.FILE).st_ino == os.fstat(current).st_ino:
                    return self._choose([fd for fd in (previous, current) if fd is not None])
            except FileNotFoundError:
                pass
            finally:
                for fd in (previous, current):
                    if fd is not None and fd != self._fd:
                        os.close(fd)
            time.sleep(0.001)  # renamed between the two
        raise LxcError("read", events.FILE, detail="it is renamed all the time")

    def _choose(self, fds: list[int]) -> bool:
        """Take one of the files, oldest first."""
        headers = [events.parse_header(os.pread(fd, 200, 0)) for fd in fds]
        stream = headers[-1][0]
        candidates = [(fd, start, start + os.fstat(fd).st_size)
                      for fd, (name, start) in zip(fds, headers) if name == stream]
        old = -1 if self._fd < 0 else os.fstat(self._fd).st_ino
        known = self._stream == stream
        for fd, start, end in candidates:
            if known and os.fstat(fd).st_ino == old:
                continue  # read to its end
            if not known or self._position < start:
                self.lost |= self._stream != NOTHING_YET or start > 0
                self._stream, self._position = stream, start
            elif self._position >= end and fd != candidates[-1][0]:
                continue
            self._close_file()
            self._fd, self._start = fd, start
            return True
        return False

    def _go_to_end(self) -> None:
        fd = _open(events.FILE)
        size = 0 if fd is None else os.fstat(fd).st_size
        if fd is not None and size == 0:
            os.close(fd)
        elif fd is not None:
            self._fd = fd
            self._stream, self._start = events.parse_header(os.pread(fd, 200, 0))
            self._position = self._start + size

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _close_notify(self) -> None:
        if self._notify >= 0:
            os.close(self._notify)
            self._notify = -1


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LxcError.from_os("read", path, error) from error


def _parse_event(line: bytes) -> dict[str, Any] | None:
    """None for a header, and for what a killed writer has left."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "container" in found else None


def _parse_cursor(text: str) -> tuple[str, int]:
    stream, _colon, position = text.rpartition(":")
    if not (text.isascii() and stream.isalnum() and position.isdigit() and len(text) < 60):
        raise LxcError("use as cursor", text, detail="it is none",
                       hint="Give what an earlier task has returned as its cursor.")
    return stream, int(position)
