# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that run at points of a container's life: lxc.container.conf(5), "Container hooks".

Without subprocess, since some run inside the container's namespaces, where nothing is imported.
"""
from __future__ import annotations

import errno
import os
import select

from .._kernel import syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import program

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

INSIDE = ("pre-mount", "mount", "autodev")  # in its namespaces, on the host's files still
TIMEOUT = 60  # seconds
_NAMESPACES = ("user", "mnt", "pid", "uts", "ipc", "net", "cgroup", "time")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def facts(definition: dict[str, Any], config: str, root: str, log: str) -> dict[str, Any]:
    """What a plan, and the state of a container, say of its hooks; {} where it has none. Pure.

    :param config: the file with the definition
    :param root: where the root file system is mounted while the container is made
    :param log: that of its console
    """
    if not definition["hooks"]:
        return {}
    return {"commands": definition["hooks"], "version": definition["hook_version"],
            "environment": {
                "LXC_NAME": definition["name"], "LXC_CONFIG_FILE": config,
                "LXC_ROOTFS_PATH": definition["rootfs"], "LXC_ROOTFS_MOUNT": root,
                **({"LXC_CONSOLE": definition["console_path"]}
                   if definition.get("console_path") else {}),
                "LXC_CONSOLE_LOGPATH": log, "LXC_CGNS_AWARE": "1", "LXC_LOG_LEVEL": "ERROR"}}


def namespaces(pid: int) -> dict[str, int]:
    """Descriptors of a process's namespaces, for the stop hook to find those of a container that
    has ended."""
    found = {}
    for kind in _NAMESPACES:
        try:
            found[kind] = os.open("/proc/%d/ns/%s" % (pid, kind), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # it has ended, or this kernel has none
    return found


def run(found: dict[str, Any], kind: str, more: dict[str, str] | None = None,
        before: Callable[[], None] | None = None, held: dict[str, int] | None = None) -> None:
    """Run the hooks of a kind, one after the other.

    :param found: as facts() has it
    :param more: variables beside LXC's that all have
    :param held: what namespaces() has found, open in this process: told in variables, and where
        hook_version is 0 as arguments
    :param before: called in the new process before the program runs
    :raises LxcError: for the first that fails, with what it said
    """
    for command in (found.get("commands") or {}).get(kind) or []:
        places = {name: "/proc/%d/fd/%d" % (os.getpid(), fd)
                  for name, fd in (held or {}).items()}
        variables = {"PATH": _PATH, **found["environment"], "LXC_HOOK_TYPE": kind,
                     "LXC_HOOK_SECTION": "lxc", "LXC_HOOK_VERSION": str(found["version"]),
                     **(more or {}),
                     **{"LXC_%s_NS" % name.upper(): path for name, path in places.items()}}
        line = command
        if found["version"] == 0:  # words without anything that a shell would take
            line = " ".join([command, variables["LXC_NAME"], "lxc", kind,
                             *("%s:%s" % place for place in places.items())])
        _run(line, variables, "run the %s hook" % kind, command, before)


def _run(line: str, variables: dict[str, str], doing: str, command: str,
         before: Callable[[], None] | None) -> None:
    said = os.memfd_create("hook")  # no pipe: what stays in the background would keep it open
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            syscalls.close_range(3, cloexec=True)
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            program.default_signals()
            program.all_processors()
            if before:
                before()
            os.execve("/bin/sh", ["sh", "-c", line], variables)
        except BaseException as error:
            os.write(2, repr(error).encode())
        finally:
            os._exit(127)
    pidfd = syscalls.pidfd_open(pid)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    late = not poller.poll(TIMEOUT * 1000)
    os.close(pidfd)
    if late:
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    text = os.pread(said, 4096, max(0, os.fstat(said).st_size - 500))
    os.close(said)
    if late:
        raise LxcError(doing, command, errno.ETIMEDOUT, _hint(text),
                       "it was ended after %d s" % TIMEOUT)
    if status:
        raise LxcError(doing, command, None, _hint(text), "it was killed by signal %d"
                       % (status & 0x7F) if status & 0x7F else
                       "it ended with status %d" % (status >> 8))


def _hint(said: bytes) -> str:
    text = str(said, "utf-8", "replace").strip()
    return "It said: %s" % text if text else "It said nothing."
