# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of a control group hierarchy: made, filled, ended, removed (cgroups(7))."""
from __future__ import annotations

import errno
import os
import time

from .errors import LxcError
from .lean import signal

# Of either version; the others limit the folder itself.
_DELEGATED = ("cgroup.procs", "tasks", "cgroup.threads", "cgroup.subtree_control")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05  # seconds


def make(path: str) -> bool:
    """A folder and those above it; what is there already stays.

    :returns: whether it is new
    """
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        return False
    except FileNotFoundError:
        make(os.path.dirname(path))
        return make(path)
    except OSError as error:
        hint = ("Control groups are mounted read-only here: see mount(8) for /sys/fs/cgroup."
                if error.errno == errno.EROFS else "")
        raise LxcError.from_os("make control group", path, error, hint) from error
    return True


def write(path: str, *values: str) -> None:
    """Values into one file, each in one write as the kernel wants it."""
    value = values[0] if values else ""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for value in values:
                os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        hint = ""
        if error.errno == errno.ENOENT:
            hint = no_such_file(path)
        elif error.errno in (errno.EINVAL, errno.ERANGE):
            hint = "The kernel does not take this value."
        raise LxcError.from_os("write %s to" % value, path, error, hint) from error


def no_such_file(path: str) -> str:
    """A hint for one that is not there: the kernel's names are long."""
    import difflib

    folder, name = os.path.split(path)
    try:
        # Of a long one, such as memory.limit_in_bytes, what there would be of it.
        starts = {file[:len(name) + 1]: file for file in sorted(os.listdir(folder), reverse=True)}
    except OSError:
        starts = {}
    close = difflib.get_close_matches(name, starts, 1, 0.8)
    return "This kernel's control groups have no file of that name%s." % (
        ", but %s" % starts[close[0]] if close else "")


def read(path: str) -> str | None:
    """The content of a file of a control group, None where there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            found = b""
            while True:  # a stream's layers would cost more than the read
                data = os.read(fd, 1 << 16)
                if not data:
                    return found.decode("ascii", "replace").strip()
                found += data
        finally:
            os.close(fd)
    except OSError:
        return None


def delegate(path: str, uid: int, gid: int) -> None:
    """Let somebody divide what the folder has, but not change how much that is.

    cgroups(7), "Cgroups delegation"; kernel admin-guide/cgroup-v2, "Model of Delegation".
    """
    for name in ("", *_DELEGATED):
        try:
            os.chown("%s/%s" % (path, name), uid, gid)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LxcError.from_os("hand over control group", path, error) from error


def inherit_cpuset(path: str) -> None:
    """A new v1 cpuset takes no process before it has processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if read("%s/%s" % (path, name)) == "":
            parent = os.path.dirname(path)
            if read("%s/%s" % (parent, name)) == "":
                inherit_cpuset(parent)
            write("%s/%s" % (path, name), read("%s/%s" % (parent, name)) or "0")


def pids(path: str) -> list[int]:
    """Every process in the folder and below it."""
    found = _own_pids(path)
    try:
        if os.stat(path).st_nlink == 2:  # no folder in it: a walk would look at each of its files
            return found
    except OSError:
        return found
    for folder, _names, _files in os.walk(path):
        if folder != path:
            found += _own_pids(folder)
    return found


def _own_pids(path: str) -> list[int]:
    return [int(word) for word in (read(path + "/cgroup.procs") or "").split()]


def oom_kills(path: str) -> int:
    """How many processes in the folder and below it the kernel has killed for want of memory.

    v2's memory.events counts what is below, too; v1's memory.oom_control does not.
    """
    found = read(path + "/memory.events")
    if found is not None:
        return _counter(found)
    if not os.path.exists(path + "/memory.oom_control"):
        return 0
    return sum(_counter(read(folder + "/memory.oom_control") or "")
               for folder, _names, _files in os.walk(path))


def counts_memory(paths: list[str]) -> str:
    """That one of the folders which oom_kills() is about, "" for none."""
    for path in paths:
        for name in ("/memory.oom_control", "/memory.events"):
            if os.path.exists(path + name):
                return path
    return ""


def _counter(text: str) -> int:
    words = text.split()
    return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0


def kill(path: str) -> None:
    """SIGKILL for every process in the folder and below it; frozen ones die when thawed."""
    try:
        fd = os.open(path + "/cgroup.kill", os.O_WRONLY | os.O_CLOEXEC)  # v2, Linux 5.14
    except OSError:
        for pid in pids(path):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return
    try:
        os.write(fd, b"1")
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # removed since it was opened
            raise
    finally:
        os.close(fd)


def remove(path: str, deadline: float) -> None:
    """Remove the folder and what is below it, as soon as its processes are gone.

    :param deadline: of time.monotonic(), after which what is still in there is an error
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise LxcError.from_os("remove control group", path, error) from error
            remove_below(path)
            if time.monotonic() > deadline:
                raise LxcError("remove control group", path, errno.EBUSY,
                               detail="processes in it: %s" % (pids(path) or "none"),
                               hint="A process may hang in the kernel: see its /proc/PID/stack."
                               ) from None
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def remove_below(path: str) -> None:
    """Remove the folders in it, but for those that have processes."""
    for folder, names, _files in os.walk(path, topdown=False):
        for name in names:
            try:
                os.rmdir("%s/%s" % (folder, name))
            except OSError:
                pass
