# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a launcher, a process of its own, to start containers, and collect what became of them."""
from __future__ import annotations

import os
import select
import time

from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import fault, network, runtime

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


class Launch:
    """A launcher, which is handed one plan after the other while the next is being made.

    :param monitor_folders: the control groups that monitors live in
    :param keep: descriptors that the launcher inherits: the operations' locks, so that killing
        this process does not let another start in
    :param timeout: seconds for each start; what is not up by then is given up
    :raises LxcError: where it can't be started
    """

    def __init__(self, monitor_folders: list[str], keep: list[int], timeout: float) -> None:
        self._timeout = timeout
        self._names: list[str] = []
        program = runtime.ensure()
        python = os.readlink("/proc/self/exe")
        to_read, self._requests = os.pipe()
        self._answers, answer_end = os.pipe()
        self._log = os.memfd_create("fleet-lxc launcher")
        binary = -1
        try:
            binary = runtime.read_only_interpreter()
            self._pid = _spawn(python, program, binary, to_read, answer_end, self._log, keep)
        except LxcError:
            for fd in (self._requests, self._answers, self._log):
                os.close(fd)
            raise
        finally:
            for fd in (to_read, answer_end, binary):
                if fd >= 0:
                    os.close(fd)
        self._ask({"program": program, "python": python, "monitor_folders": monitor_folders,
                   "pyroute2": _pyroute2_place(), "keep": keep, "timeout": timeout})

    def add(self, name: str, network: bool) -> None:
        """Have the container started whose plan lies in its folder of /run.

        :param network: whether its plan has links to be made
        """
        self._names.append(name)
        self._ask({"name": name, "network": network})

    def collect(self) -> dict[str, LxcError | None]:
        """Wait until all are up or have failed.

        :returns: None by name, or why that one did not start
        """
        os.close(self._requests)
        os.waitpid(self._pid, 0)  # it has forked the launcher
        # The launcher watches over each start; this is for one that hangs itself.
        deadline = time.monotonic() + (2 + len(self._names)) * self._timeout
        try:
            found, ended = _collect(self._answers, set(self._names), deadline)
            said = os.pread(self._log, 4000, 0).decode("utf-8", "replace").strip()
        finally:
            for fd in (self._answers, self._log):
                os.close(fd)
        for name in self._names:
            if name not in found:
                found[name] = LxcError(
                    "start container", name,
                    detail="the launcher ended without a word" if ended
                    else "the launcher did not answer in %g s" % self._timeout,
                    hint="It said: %s" % said[-1500:] if said else "")
        return found

    def _ask(self, what: dict[str, Any]) -> None:
        data = json.dumps(what).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._requests, data):]
        except BrokenPipeError:
            pass  # it has ended; what it said is read by collect


def _pyroute2_place() -> str | None:
    """The folder that has pyroute2, which the launcher, started with -I -S, would not see.

    A start after a reboot from inside would not see it either: its monitor tells it.
    """
    told = os.environ.get(network.PYROUTE2)
    if told and os.path.isdir(told + "/pyroute2"):
        return told
    import importlib.util

    spec = importlib.util.find_spec("pyroute2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return os.path.dirname(list(spec.submodule_search_locations)[0])


def _spawn(python: str, program: str, binary: int, stdin: int, stdout: int, stderr: int,
           keep: list[int]) -> int:
    """posix_spawn without Python in between: no fork of a large process."""
    # dup2 onto itself takes close-on-exec away.
    actions = [(os.POSIX_SPAWN_DUP2, stdin, 0), (os.POSIX_SPAWN_DUP2, stdout, 1),
               (os.POSIX_SPAWN_DUP2, stderr, 2)]
    for fd in keep:
        os.set_inheritable(fd, True)
    try:
        os.set_inheritable(binary, True)
        return os.posix_spawn(  # pylint: disable=ansible-bad-function
            "/proc/self/fd/%d" % binary, [python, "-I", "-S", program, "launch"],
            {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", **fault.environment()},
            file_actions=actions, setsigmask=[])
    except OSError as error:
        raise LxcError.from_os("start the launcher", program, error) from error
    finally:
        for fd in keep:
            os.set_inheritable(fd, False)


def _collect(fd: int, names: set[str], deadline: float
             ) -> tuple[dict[str, LxcError | None], bool]:
    """A line for each container, until the launcher ends or the time is over."""
    found: dict[str, LxcError | None] = {}
    buffer = b""
    launcher = 0
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poller.poll(left * 1000):
            if launcher:
                _signal(launcher, signal.SIGKILL)
            return found, False
        data = os.read(fd, 65536)
        if not data:
            return found, True
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            answer = json.loads(line)
            launcher = answer.get("launcher", launcher)
            if answer.get("name") in names:
                error = answer.get("error")
                found[answer["name"]] = LxcError.from_dict(error) if error else None


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
