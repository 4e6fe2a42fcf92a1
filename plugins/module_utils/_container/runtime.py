# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's own copy on the host: what starts from an AnsiballZ archive can't stay in it.

Each version has a copy of its own. Whoever runs from one, or is about to start something from it,
has a shared flock of its folder (the program takes it first of all, and its forks inherit it); so
those that nobody has can be told, and go when another one is written.
"""
from __future__ import annotations

import fcntl
import os
import sys

from .._kernel import mounts
from .._kernel.errors import LxcError
from . import runtime_files, store

TYPE_CHECKING = False
if TYPE_CHECKING:
    # So that AnsiballZ packs them, with all that they import.
    from . import (  # noqa: F401
        attach_command,
        cli,
        event_follow,
        freezer,
        launcher,
        process_list,
        wait,
    )


_YOUNG = 3600  # seconds
_held: dict[str, int] = {}  # by their folders: descriptors that keep copies while this process runs


def ensure() -> str:
    """The program of this version's copy; written where it is not there yet.

    It stays there as long as this process runs.

    :raises LxcError: when it can't be written
    """
    here = os.path.abspath(__file__)
    if here.startswith(runtime_files.RUNTIME + "/"):  # then the program has seen to it
        return "/".join((runtime_files.RUNTIME, here[len(runtime_files.RUNTIME) + 1:].split("/")[0],
                         runtime_files.PROGRAM))
    texts = runtime_files.sources()
    found = runtime_files.path_of(texts)
    folder = os.path.dirname(found)
    while not _hold(folder):
        _write(folder, texts)
    return found


def _hold(folder: str) -> bool:
    """Keep the copy; False where there is none."""
    held = _held.pop(folder, -1)
    try:
        if held < 0:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(held, fcntl.LOCK_SH)
        if os.path.samestat(os.fstat(held), os.stat(folder)):
            _held[folder] = held
            return True
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LxcError.from_os("keep the runtime's copy", folder, error) from error
    if held >= 0:
        os.close(held)  # it was removed before the lock, or since
    return False


def read_only_interpreter() -> int:
    """This interpreter on a read-only mount of its own, to be run as /proc/self/fd/N.

    A privileged container's root could write to the interpreter through /proc/PID/exe of whoever
    enters the container (CVE-2019-5736); through this mount it can't.
    """
    fd = os.open("/proc/self/exe", os.O_PATH | os.O_CLOEXEC)
    try:
        return mounts.bind(fd, "", ["ro"], recursive=False)
    except OSError as error:
        raise LxcError.from_os("bind read-only", os.readlink("/proc/self/exe"), error) from error
    finally:
        os.close(fd)


def _write(folder: str, texts: dict[str, bytes]) -> None:
    """Make the folder under another name first: a copy is there as a whole, or not."""
    import json  # 5 ms with the others, which only the first task on a host needs
    import tempfile
    import zlib

    index = {path: [zlib.crc32(data), len(data)] for path, data in texts.items()}
    store.make_folder(runtime_files.RUNTIME)
    try:
        made = tempfile.mkdtemp(prefix=".new-", dir=runtime_files.RUNTIME)
        # No -S: what is run by hand may need pyroute2, as the host's Python has it.
        first = b"#!%s -I\n" % os.fsencode(sys.executable)
        for path, data in {runtime_files.PROGRAM: first + runtime_files.PROGRAM_TEXT.encode(),
                           runtime_files.INDEX: json.dumps(index).encode(),
                           **{"fleet_lxc/" + p: d for p, d in texts.items()},
                           "fleet_lxc/__init__.py": b""}.items():
            name = "%s/%s" % (made, path)
            os.makedirs(os.path.dirname(name), 0o700, exist_ok=True)
            with open(name, "wb") as stream:
                stream.write(data)
        os.chmod("%s/%s" % (made, runtime_files.PROGRAM), 0o700)
        try:
            os.rename(made, folder)
        except OSError:
            if not os.path.exists(folder):
                raise
        link = runtime_files.RUNTIME + "/.current"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.basename(folder), link)
        os.rename(link, runtime_files.RUNTIME + "/current")
        _prune()
    except OSError as error:
        raise LxcError.from_os("write the runtime's copy to", folder, error) from error


def _prune() -> None:
    """Remove the copies that are neither the newest nor kept by anybody."""
    import shutil
    import time

    for name in os.listdir(runtime_files.RUNTIME):
        path = "%s/%s" % (runtime_files.RUNTIME, name)
        if os.path.islink(path):
            continue
        if name.startswith(".old-"):
            shutil.rmtree(path, ignore_errors=True)  # of one that was killed, or another's work
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue  # another one was faster
        try:
            # One that is being written has no lock yet, but is young.
            if name.startswith(".new-") and time.time() - os.fstat(fd).st_mtime < _YOUNG:
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if name == os.readlink(runtime_files.RUNTIME + "/current"):
                continue  # another writer's, since then
            gone = "%s/.old-%s-%d" % (runtime_files.RUNTIME, name, os.getpid())
            os.rename(path, gone)  # in one step: who waits for the lock looks for it in vain
        except (BlockingIOError, FileNotFoundError):
            continue  # it is run from, or another one was faster
        finally:
            os.close(fd)
        shutil.rmtree(gone, ignore_errors=True)
