# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last steps before a program of a container runs, shared by its init and by who attaches."""
from __future__ import annotations

import errno
import os
import stat
import sys

from .._kernel import syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import signal

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

_kept: list[object] = []


def forget_imports() -> None:
    """From inside, an import would run the container's Python (a decimal.py there did).

    What is forgotten is kept: to free it costs a forked process 190 pages, and half a millisecond.
    """
    _kept.extend((sys.meta_path, sys.path, sys.path_hooks, sys.path_importer_cache))
    sys.meta_path, sys.path, sys.path_hooks, sys.path_importer_cache = [], [], [], {}


def default_signals() -> None:
    """SIG_IGN survives exec, and Python ignores two of them."""
    for number in range(1, signal.NSIG):
        # As the interpreter knows them, without 60 system calls for those that are so.
        if signal.getsignal(number) != signal.SIG_DFL:
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass


def all_processors() -> None:
    """An affinity survives exec, and starters have one; the kernel leaves out what a cpuset does.

    Whoever asked for the start may have had one as well: a container is not his. All that there can
    be, not those that there seem to be: a host that is a container may be shown two as 0 and 1.
    """
    syscalls.sched_setaffinity_all()


def find(name: str, path: str) -> str:
    """The absolute path of argv[0], as execvp(3) finds it.

    :param path: the value of PATH
    :raises LxcError: when there is none, or it can't be run
    """
    candidates = [name] if "/" in name else [folder.rstrip("/") + "/" + name
                                             for folder in path.split(":") if folder]
    refused = None
    for candidate in candidates:
        try:
            mode = os.stat(candidate).st_mode
        except OSError:
            continue
        if stat.S_ISREG(mode) and mode & 0o111:
            return candidate
        refused = candidate
    if refused is not None:
        raise LxcError("run", refused, errno.EACCES, "chmod +x it, or name another program.",
                       "in the container it is not an executable file")
    hint = "Name a program of the container as command, with its whole path."
    if " " in name:
        hint += " Its arguments are words of their own."
    raise LxcError("run", name, errno.ENOENT, hint, "the container has no such program")


def execute(path: str, argv: list[str], environment: dict[str, str]) -> NoReturn:
    """execve(2).

    :raises LxcError: with what a program that is there may lack
    """
    try:
        os.execve(path, argv, environment)
    except OSError as error:
        detail, hint = _why(path, error.errno or 0)
        raise LxcError("run", path, error.errno, hint, detail) from error


def _why(path: str, number: int) -> tuple[str, str]:
    if number == errno.ENOENT:
        interpreter = _interpreter(path)
        return ("the program is there, but %s is not" % (interpreter or "what it is run by"),
                "Install that in the container, or name another command. A loader is missing where "
                "a program was built for another distribution, or for 32 bits.")
    if number == errno.ENOEXEC:
        return ("it is neither a program of this machine, %s, nor a script with a line like "
                "#!/bin/sh" % os.uname().machine, "Put that in its first line, or name its "
                "interpreter as the command's first word.")
    if number == errno.EACCES:
        return ("", "See whether this user may run it, and whether it, or what it is run by, is on "
                "a file system that is mounted noexec.")
    return "", ""


def _interpreter(path: str) -> str:
    """What runs a script, or loads an ELF program: execve(2), elf(5); "" where that can't be seen.
    """
    try:
        with open(path, "rb") as stream:
            head = stream.read(4096)
    except OSError:
        return ""
    if head[:2] == b"#!":
        words = head[2:].split(b"\n", 1)[0].split()
        return words[0].decode("utf-8", "replace") if words else ""
    if head[:4] != b"\x7fELF" or len(head) < 64:
        return ""
    wide = head[4] == 2  # ELFCLASS64
    start = int.from_bytes(head[32:40] if wide else head[28:32], "little")
    size, count = (int.from_bytes(head[at:at + 2], "little")
                   for at in ((54, 56) if wide else (42, 44)))
    for number in range(count):
        segment = head[start + number * size:start + (number + 1) * size]
        if segment[:4] == b"\3\0\0\0":  # PT_INTERP
            offset, length = (int.from_bytes(segment[at:at + (8 if wide else 4)], "little")
                              for at in ((8, 32) if wide else (4, 16)))
            return head[offset:offset + length].rstrip(b"\0").decode("utf-8", "replace")
    return ""


def change_into(folder: str) -> None:
    """The working directory of a program.

    :raises LxcError: also where it is outside of the root (CVE-2024-21626)
    """
    try:
        os.chdir(folder)
        os.getcwd()
    except OSError as error:
        raise LxcError.from_os(
            "change into the folder", folder, error,
            "Make it in the container's root file system, mount something there with 'create: "
            "dir', or choose another 'cwd'." if error.errno == errno.ENOENT else
            "Name a folder as 'cwd'." if error.errno == errno.ENOTDIR else "") from error


def open_stdio(number: int, path: str, step: list[str]) -> int:
    """A FIFO, or /dev/null, as standard input, output or error. Opening it waits for nobody."""
    step[:] = "open", path
    fd = os.open(path, (os.O_WRONLY if number else os.O_RDONLY) | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(fd, True)
    return fd
