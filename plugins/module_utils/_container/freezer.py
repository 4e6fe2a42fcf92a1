# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Freeze and thaw containers: lxc-freeze and lxc-unfreeze, many at once."""
from __future__ import annotations

import errno

from .._kernel import freezers
from .._kernel.errors import LxcError
from . import events, fault, store
from .operation import TIMEOUT, locked, need_running

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from .operation import Outcomes


def freeze(names: list[str], timeout: float = TIMEOUT) -> Outcomes:
    """Stop every process, and wait until it has stopped; one that can't is let go on again.

    :returns: by name: {"changed": bool} or the error
    """
    return _change(names, True, timeout)


def thaw(names: list[str], timeout: float = TIMEOUT) -> Outcomes:
    """Let every process go on, but for what the container has frozen itself below.

    :returns: by name: {"changed": bool} or the error
    """
    return _change(names, False, timeout)


def _change(names: list[str], frozen: bool, timeout: float) -> Outcomes:
    wanted = freezers.FROZEN if frozen else freezers.THAWED

    def run(locks: dict[str, store.Lock], outcomes: Outcomes) -> None:
        groups: dict[str, list[str]] = {}
        for name, lock in locks.items():
            try:
                folders = _folders(name, need_running(
                    name, "freeze container" if frozen else "thaw container"))
                if freezers.state(folders) == wanted:
                    outcomes[name] = {"changed": False}
                    continue
                if frozen:
                    lock.show(freezers.FREEZING)
                    events.event(name, freezers.FREEZING)
                fault.point("freezer:said")
                freezers.request(folders, frozen)
                fault.point("freezer:requested")
                groups[name] = folders
            except LxcError as error:
                outcomes[name] = error
        late = freezers.wait(groups, frozen, timeout)
        for name in groups:
            if name in late:
                outcomes[name] = _too_late(name, groups[name], frozen, timeout)
            else:
                events.event(name, wanted)
                outcomes[name] = {"changed": True}

    return locked(names, run)


def _folders(name: str, recorded: dict[str, list[str]]) -> list[str]:
    folders = freezers.usable(recorded.get("cgroups") or [])
    if not folders:
        raise LxcError("freeze", name, errno.ENOENT,
                       "Mount cgroup v2, or v1's freezer, and restart the container: the role "
                       "fleet.lxc.host does the former.",
                       "none of its control groups has a freezer")
    return folders


def _too_late(name: str, folders: list[str], frozen: bool, timeout: float) -> LxcError:
    if not frozen:
        return LxcError("thaw container", name, errno.ETIMEDOUT,
                        "Thaw the control group above it.",
                        "it is still frozen after %g s" % timeout)
    error = LxcError("freeze container", name, errno.ETIMEDOUT,
                     "A process may hang in the kernel: see ps(1) for state D. The container "
                     "goes on.", "some of its processes still run after %g s" % timeout)
    try:
        freezers.request(folders, False)
        events.event(name, freezers.THAWED)
    except LxcError as problem:
        error.detail += "; " + str(problem)
    return error
