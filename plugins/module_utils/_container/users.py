# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users and groups of a container, from its own passwd(5) and group(5), without NSS.

NSS would ask the host, or load the container's libraries into a process with the host's rights.
"""
from __future__ import annotations

import errno
import os
import stat

from .._kernel import mounts
from .._kernel.errors import LxcError

_LARGEST = 4 << 20  # bytes of a file that is read
_LAST_ID = 0xFFFFFFFE


class Account:
    """Whom a program runs as: ids inside the container, and what passwd(5) says of the user."""

    __slots__ = ("uid", "gid", "groups", "name", "home", "shell")

    def __init__(self, uid: int, gid: int, groups: list[int], name: str, home: str,
                 shell: str) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.name = name
        self.home = home
        self.shell = shell


def read(root: int, path: str) -> str:
    """A file of a root file system; empty where there is none, or it is no ordinary file.

    :param root: a descriptor of the root, whose links lead nowhere out of it
    """
    try:
        fd = mounts.open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return ""
        parts: list[bytes] = []
        while sum(map(len, parts)) < _LARGEST:
            data = os.read(fd, 65536)
            if not data:
                break
            parts.append(data)
    except OSError:
        return ""
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "surrogateescape")


def resolve(passwd: str, group: str, user: str | None, own_group: str | None,
            groups: list[str] | None, default: tuple[int, int] = (0, 0)) -> Account:
    """Names and numbers to ids.

    :param passwd: the text of passwd(5), ``group``: of group(5)
    :param user: a name or a number, None for ``default``. A number without an entry gets the
        group of that number
    :param own_group: a name or a number, None for the user's own
    :param groups: the other groups; None for those that list the user, where one was asked for
    :raises LxcError: for a name that has no entry, a number out of range
    """
    entry = _entry(passwd, str(default[0]) if user is None else user, 7)
    if user is None:
        uid, gid = default
    elif entry:
        uid, gid = int(entry[2]), int(entry[3])
    else:
        uid = gid = _number(user, "user", "passwd")
    if own_group is not None:
        gid = _group(group, own_group)
    name = entry[0] if entry else ""
    if groups is not None:
        others = [_group(group, other) for other in groups]
    elif user is not None and name:
        others = [int(e[2]) for e in _entries(group, 4) if name in e[3].split(",")]
    else:
        others = []
    return Account(uid, gid, others, name, (entry[5] if entry else "") or "/",
                   (entry[6] if entry else "") or "/bin/sh")


def _entries(text: str, fields: int) -> list[list[str]]:
    """Lines with so many fields, whose numbers are some."""
    found = []
    for line in text.split("\n"):
        parts = line.split(":")
        if len(parts) == fields and _is_id(parts[2]) and (fields < 7 or _is_id(parts[3])):
            found.append(parts)
    return found


def _entry(text: str, wanted: str, fields: int) -> list[str] | None:
    """The first entry of that name, else of that number."""
    entries = _entries(text, fields)
    for place in (0, 2):
        for entry in entries:
            if entry[place] == wanted:
                return entry
    return None


def _group(text: str, wanted: str) -> int:
    entry = _entry(text, wanted, 4)
    return int(entry[2]) if entry else _number(wanted, "group", "group")


def _number(wanted: str, kind: str, file: str) -> int:
    if _is_id(wanted):
        return int(wanted)
    raise LxcError("find the %s" % kind, wanted, errno.ENOENT,
                   "Name one of the container's own, or give a number.",
                   "the container's /etc/%s has none of that name" % file)


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11 and int(text) <= _LAST_ID
