# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every operation on containers has in common: its locks, and the truth to begin with."""
from __future__ import annotations

import errno
import os
import shutil
import time

from .._kernel.errors import LxcError
from . import cleanup, observe, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Union

    Outcome = Union[dict[str, Any], LxcError]
    Outcomes = dict[str, Outcome]

TIMEOUT = 30  # seconds: how long an operation takes at most, unless it is told
CLEAN_UP = 15  # seconds that a monitor has for it, beside its hooks
_LOCK_TIMEOUT = 30
_PAUSE = 0.01


def reconcile(name: str, error: LxcError | None = None) -> dict[str, Any]:
    """Finish what a process that died has left behind. The container's lock is held.

    :param error: of a start that has just failed
    :returns: the container's status after that
    """
    status = settle(name, time.monotonic() + CLEAN_UP)
    recorded = status["recorded"]
    if recorded and not status["pid"] and (recorded.get("state") != "STOPPED"
                                           or recorded.get("cgroups")
                                           or cleanup.network_is_kept(name)):
        problem = cleanup.finish(name, recorded, None, error.to_dict() if error else None)
        if problem:
            raise problem
        status = observe.status(name)
    return status


def settle(name: str, deadline: float) -> dict[str, Any]:
    """The status, once a monitor whose init has ended has cleaned up; it writes the state.

    :param deadline: beside what its hooks may take
    """
    more: float | None = None
    while True:
        status = observe.status(name)
        if status["pid"]:
            return status
        if not status["monitor_pid"] and not store.monitor_is_alive(name):
            break
        if time.monotonic() > deadline:
            if more is None:
                more = cleanup.patience_with_programs(name, status["recorded"])
                deadline += more
                continue
            raise LxcError("wait for the monitor of", name, errno.ETIMEDOUT,
                           "It is process %d." % status["monitor_pid"],
                           "it has not cleaned up after its container")
        time.sleep(_PAUSE)
    if status["recorded"].get("state", "STOPPED") == "STOPPED":
        return status
    status = observe.status(name)  # the monitor may have been about to write it
    recorded = status["recorded"]
    if recorded and not status["pid"] and recorded.get("state") == "RUNNING":
        problem = cleanup.finish(name, recorded, None)  # its monitor was killed
        if problem:
            raise problem
        status = observe.status(name)
    return status


def need_running(name: str, doing: str) -> dict[str, Any]:
    """What is recorded of a container that runs. Its lock is held.

    :param doing: what for, as a verb phrase
    :raises LxcError: for one that is not defined, and one that does not run
    """
    if observe.recorded_state(name) is None:
        store.need_definition(name)
    status = reconcile(name)
    if not status["pid"]:
        raise not_running(name, doing)
    recorded: dict[str, Any] = status["recorded"]
    return recorded


def not_running(name: str, doing: str) -> LxcError:
    return LxcError(doing, name, errno.ESRCH, "Start it with lxc_state.", "it does not run")


def locked(names: list[str], run: Callable[[dict[str, store.Lock], Outcomes], None]
           ) -> Outcomes:
    """Do something with the locks of all that can be locked held, always in the same order."""
    outcomes: Outcomes = {}
    locks: dict[str, store.Lock] = {}
    try:
        for name in sorted(set(names)):
            try:
                locks[name] = store.Lock(name, _LOCK_TIMEOUT)
            except LxcError as error:
                outcomes[name] = error
        if locks:
            run(locks, outcomes)
    finally:
        for lock in locks.values():
            _forget_empty(lock)
            lock.release()
    return {name: outcomes[name] for name in names}


def _forget_empty(lock: store.Lock) -> None:
    """A lock of what does not exist leaves no folder. It is still held: who waits for it sees that
    the file has gone."""
    path = store.run_folder(lock.name)
    try:
        if lock.in_place() and os.listdir(path) == ["lock"] \
                and not os.path.exists(store.folder(lock.name)):
            shutil.rmtree(path, ignore_errors=True)
    except FileNotFoundError:
        pass
