# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that a program of the host can't start without: itself, its loader, its libraries."""
from __future__ import annotations

import os
import struct
import subprocess

from .._kernel.errors import LxcError

_DOING = "share the program"
_SECONDS = 30
_PT_INTERP = 3  # elf(5)


def closure(programs: list[str]) -> list[str]:
    """Paths, sorted; folders on the way are resolved, so that they hold in a tree with other links.

    The loader is asked for the libraries, as ldd(1) does; the programs are the host's own.

    :raises LxcError: for what is no program, or whose libraries are not there
    """
    found: set[str] = set()
    queue = list(programs)
    while queue:
        path = queue.pop()
        place = _place(path)
        if place in found:
            continue
        try:
            with open(path, "rb") as file:
                start = file.read(4096)
        except OSError as error:
            raise LxcError.from_os(_DOING, path, error, "Correct 'programs'.") from error
        found.add(place)
        if start.startswith(b"#!"):
            words = start[2:].split(b"\n")[0].split()
            if words:
                queue.append(os.fsdecode(words[0]))
        elif start.startswith(b"\x7fELF"):
            loader = interpreter(start)
            if loader:  # else it is static
                found.add(_place(loader))
                found.update(map(_place, _libraries(loader, path)))
        else:
            raise LxcError(_DOING, path, detail="it is neither a binary nor a script",
                           hint="List other files and folders in 'shared'.")
    return sorted(found)


def _place(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def interpreter(start: bytes) -> str:
    """The loader that a binary names, "" for a static one. Pure.

    :param start: its first bytes, which hold the program headers and that name
    """
    wide, order = start[4] == 2, "<" if start[5] == 1 else ">"
    try:
        offset, = struct.unpack_from(order + ("Q" if wide else "I"), start, 32 if wide else 28)
        size, count = struct.unpack_from(order + "HH", start, 54 if wide else 42)
        for number in range(count):
            at = offset + number * size
            if struct.unpack_from(order + "I", start, at)[0] == _PT_INTERP:
                where = struct.unpack_from(order + ("Q" if wide else "I"), start,
                                           at + (8 if wide else 4))[0]
                length = struct.unpack_from(order + ("Q" if wide else "I"), start,
                                            at + (32 if wide else 16))[0]
                return start[where:where + length].rstrip(b"\0").decode()
    except (struct.error, UnicodeDecodeError):
        pass
    return ""


def _libraries(loader: str, path: str) -> list[str]:
    answer = subprocess.run(  # pylint: disable=ansible-bad-function
        [loader, "--list", path], stdin=subprocess.DEVNULL, check=False, capture_output=True,
        timeout=_SECONDS)
    found = []
    for line in answer.stdout.decode("utf-8", "replace").splitlines():
        name, arrow, rest = line.strip().partition(" => ")
        if arrow and rest.startswith("not found"):
            raise LxcError(_DOING, path, detail="the host has no library %s" % name,
                           hint="Install what is missing.")
        where = (rest if arrow else name).split(" (")[0]
        if where.startswith("/"):
            found.append(where)
    if answer.returncode:
        raise LxcError(_DOING, path, detail=answer.stderr.decode("utf-8", "replace").strip()[:200],
                       hint="See what ldd says of it.")
    return found
