# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send a signal to a container's init or to all of its processes: lxc-kill, lxc-stop's cousin."""
from __future__ import annotations

import errno
import os
import signal

from .._kernel import cgroup_tree, processes
from .._kernel.errors import LxcError
from .operation import locked, need_running

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from . import store
    from .operation import Outcomes

INIT, ALL = "init", "all"
# What no process can ignore, not even an init; SIGCONT is dropped, but after it has had its effect.
_ALWAYS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)
_ROUNDS = 20  # of a container that makes processes while they are signalled


def send(names: list[str], number: int, to: str = INIT) -> Outcomes:
    """Send it to each container.

    :param to: "init" or "all"
    :returns: by name: changed (whether any process got it), signaled (how many did), warnings;
        or the error
    """
    def run(locks: dict[str, store.Lock], outcomes: Outcomes) -> None:
        for name in locks:
            try:
                recorded = need_running(name, "send %s to" % signal_name(number))
                outcomes[name] = (_to_init if to == INIT else _to_all)(recorded, number)
            except LxcError as error:
                outcomes[name] = error

    return locked(names, run)


def _outcome(count: int, warnings: list[str]) -> dict[str, Any]:
    return {"changed": count > 0, "signaled": count, "warnings": warnings}


def _to_init(recorded: dict[str, Any], number: int) -> dict[str, Any]:
    init = recorded["init"]
    pidfd = processes.open_pidfd(init)
    if pidfd is None:
        raise LxcError("send %s to" % signal_name(number), recorded["name"], errno.ESRCH,
                       "It has just ended.")
    try:
        if number not in _ALWAYS and not processes.catches(init["pid"], number):
            return _outcome(0, ["its init does not handle %s, so the kernel drops it"
                                % signal_name(number)])
        return _outcome(int(processes.send_signal(pidfd, number)), [])
    finally:
        os.close(pidfd)


def _to_all(recorded: dict[str, Any], number: int) -> dict[str, Any]:
    """Once to each process, also to those that are made meanwhile."""
    init = recorded["init"]["pid"]
    folder = next((path for path in recorded["cgroups"] if os.path.isdir(path)), "")
    signaled: set[int] = set()
    seen: set[int] = set()
    for _round in range(_ROUNDS):
        new = set(cgroup_tree.pids(folder)) - seen
        if not new:
            break
        seen |= new
        tried = {pid: processes.try_pidfd(pid) for pid in new}
        opened = {pid: pidfd for pid, pidfd in tried.items() if pidfd is not None}
        try:
            # What is still in there now was in there when it was opened: no pid of another.
            there = set(cgroup_tree.pids(folder))
            # Init last: its end is the end of all.
            for pid in sorted(opened, key=lambda pid: pid == init):
                if pid in there and processes.send_signal(opened[pid], number) and (
                        pid != init or number in _ALWAYS or processes.catches(pid, number)):
                    signaled.add(pid)
        finally:
            for pidfd in opened.values():
                os.close(pidfd)
    return _outcome(len(signaled), [])


def signal_name(number: int) -> str:
    """SIGTERM, or SIGRTMIN+3."""
    if number >= signal.SIGRTMIN:
        return "SIGRTMIN+%d" % (number - signal.SIGRTMIN)
    return signal.Signals(number).name
