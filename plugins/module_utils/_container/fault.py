# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of an operation at which a test has a process die, or stop until it is told to go on.

Nothing of it happens unless the environment of the process that begins the operation, which is
root's, names a point; what a task or a container says does not get here. A point that is not named
costs the comparison of two strings.

    FLEET_LXC_FAULT=init:pivoted         whoever gets there dies, as by SIGKILL
    FLEET_LXC_FAULT=init:pivoted,hang    it waits for SIGUSR1, and is called "fault" meanwhile
"""
from __future__ import annotations

import os

from .._kernel import syscalls
from .._kernel.lean import signal

VARIABLE = "FLEET_LXC_FAULT"
_named = ("", False)


def arm(text: str) -> None:
    """Name a point; "" for none."""
    global _named
    name, _comma, action = text.partition(",")
    _named = (name, action == "hang")


def environment() -> dict[str, str]:
    """What a process of the runtime gets of it that starts with an environment of its own."""
    text = os.environ.get(VARIABLE)
    return {VARIABLE: text} if text else {}


def point(name: str) -> None:
    """An operation is here."""
    if name == _named[0]:
        _reached()


def _reached() -> None:
    if _named[1]:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        syscalls.set_process_name("fault")
        signal.sigwait([signal.SIGUSR1])
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)  # the first process of a PID namespace survives a signal of its own


arm(os.environ.get(VARIABLE, ""))
