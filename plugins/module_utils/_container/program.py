# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last steps before a program of a container runs, shared by its init and by who attaches."""
from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal's own functions make enums
import errno
import os
import stat
import sys

from .._kernel.errors import LxcError

_kept: list[object] = []


def forget_imports() -> None:
    """From inside, an import would run the container's Python (a decimal.py there did).

    What is forgotten is kept: to free it costs a forked process 190 pages, and half a millisecond.
    """
    _kept.extend((sys.meta_path, sys.path, sys.path_hooks, sys.path_importer_cache))
    sys.meta_path, sys.path, sys.path_hooks, sys.path_importer_cache = [], [], [], {}


def default_signals() -> None:
    """SIG_IGN survives exec, and Python ignores two of them."""
    for number in range(1, _signal.NSIG):
        # As the interpreter knows them, without 60 system calls for those that are so.
        if _signal.getsignal(number) != _signal.SIG_DFL:
            try:
                _signal.signal(number, _signal.SIG_DFL)
            except (OSError, ValueError):
                pass


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
    raise LxcError("run", name, errno.ENOENT,
                   "Name a program of the container as command, with its whole path.",
                   "the container has no such program")


def open_stdio(number: int, path: str, step: list[str]) -> int:
    """A FIFO, or /dev/null, as standard input, output or error. Opening it waits for nobody."""
    step[:] = "open", path
    fd = os.open(path, (os.O_WRONLY if number else os.O_RDONLY) | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(fd, True)
    return fd
