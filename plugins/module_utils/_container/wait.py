# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until containers are, or have been, in one of some states: lxc-wait, many at once.

The observation begins before the first look at what is, so that no state is missed, however short.
"""
from __future__ import annotations

import errno
import os
import time

from .._kernel import processes
from .._kernel.errors import LxcError
from . import observe
from .event_stream import EventStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from .operation import Outcomes

STATES = ("STOPPED", "STARTING", "RUNNING", "STOPPING", "ABORTING", "FREEZING", "FROZEN", "THAWED")
# What runs is thawed, and what was thawed runs.
_SAME = {"RUNNING": ("RUNNING", "THAWED"), "THAWED": ("THAWED", "RUNNING")}
_LOOK = 1.0  # seconds between two looks at what nobody tells: a freezer that somebody else used


class Wait:
    """An observation that has begun. Something may be done, then finish() waits for the outcome.

    :param names: containers
    :param states: of which one is enough
    """

    def __init__(self, names: list[str], states: list[str]) -> None:
        self._names, self._states = names, states
        self._wanted = {same: state for state in reversed(states)
                        for same in _SAME.get(state, (state,))}
        self._wanted.update({state: state for state in states})
        self._stream = EventStream()

    def __enter__(self) -> Wait:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self._stream.close()

    def finish(self, timeout: float, skip: frozenset[str] = frozenset()) -> Outcomes:
        """Wait for all of them.

        :param timeout: seconds
        :param skip: names that nobody waits for: what was done to them has failed
        :returns: by name: reached (the state), seconds; or the error
        """
        began = time.monotonic()
        outcomes: Outcomes = {}
        waiting = [name for name in self._names if name not in skip]
        inits: dict[int, str] = {}
        try:
            self._read(waiting, outcomes, began)
            while True:
                self._look(waiting, outcomes, inits, began)
                left = began + timeout - time.monotonic()
                if not waiting or left <= 0:
                    break
                look_again = time.monotonic() + _LOOK
                while waiting and time.monotonic() < min(look_again, began + timeout):
                    ended = self._stream.wait(
                        min(look_again, began + timeout) - time.monotonic(), list(inits))
                    self._read(waiting, outcomes, began)
                    if ended:  # whose monitor may have been killed
                        for pidfd in ended:
                            os.close(pidfd)
                            del inits[pidfd]
                        break
        finally:
            for pidfd in inits:
                os.close(pidfd)
        for name in waiting:
            outcomes[name] = LxcError(
                "wait for", name, errno.ETIMEDOUT,
                detail="it was not %s within %g s, it is %s" % (
                    " or ".join(self._states), timeout, _state(name)),
                hint="lxc_container_info and its console.log say what it does.")
        return outcomes

    def _read(self, waiting: list[str], outcomes: Outcomes, began: float) -> None:
        for event in self._stream.read():
            reached = self._wanted.get(event.get("state", ""))
            if reached and event["container"] in waiting:
                self._note(event["container"], reached, waiting, outcomes, began)

    def _look(self, waiting: list[str], outcomes: Outcomes, inits: dict[int, str],
              began: float) -> None:
        for name in list(waiting):
            status = observe.status(name)
            reached = self._wanted.get(status["state"])
            if reached:
                self._note(name, reached, waiting, outcomes, began)
            elif name not in inits.values():
                pidfd = processes.open_pidfd(status["recorded"].get("init"))
                if pidfd is not None:
                    inits[pidfd] = name

    def _note(self, name: str, reached: str, waiting: list[str], outcomes: Outcomes,
              began: float) -> None:
        waiting.remove(name)
        outcomes[name] = {"reached": reached, "seconds": round(time.monotonic() - began, 3)}


def _state(name: str) -> str:
    try:
        return str(observe.status(name)["state"])
    except LxcError as error:
        return "unknown: %s" % error


def wait_for(names: list[str], states: list[str], timeout: float) -> Outcomes:
    """Wait until each is in one of the states, or was since this began.

    :returns: by name: reached, seconds; or the error
    """
    with Wait(names, states) as waiting:
        return waiting.finish(timeout)
