# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network manager that puts back at once what is taken from a link is stopped meanwhile.

NetworkManager while a bridge takes over its NIC; and whichever has the bridge itself, as after
a boot, while the NIC gets everything back.
"""
from __future__ import annotations

import dataclasses
import subprocess
import typing as t

from .._kernel.errors import LxcError
from . import manager_files
from .operations import Facts, Operation

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink

# The socket would start it again with the next change of a link.
UNITS = {"systemd-networkd": ("systemd-networkd.socket", "systemd-networkd.service"),
         "NetworkManager": ("NetworkManager.service",)}
_TIMEOUT = 90  # seconds


@dataclasses.dataclass(frozen=True)
class StopManager(Operation):
    """What it has configured stays: networkd's file of the bridge says KeepConfiguration, and
    NetworkManager leaves links as they are when it ends."""

    manager: str

    def describe(self) -> str:
        return "stop %s for the time of the move" % self.manager

    def execute(self, netlink: Netlink) -> None:
        if not _runs(self.manager):
            return
        manager_files.set_stopped(self.name, self.manager)
        try:
            _systemctl("stop", self.manager)
        except LxcError:
            manager_files.set_stopped(self.name, "")
            raise

    def undo(self, netlink: Netlink) -> None:
        _start(self)

    def alter(self, facts: Facts) -> None:
        """The user does not see it."""


@dataclasses.dataclass(frozen=True)
class StartManager(Operation):
    """With the files that there are now."""

    manager: str

    def describe(self) -> str:
        return "start %s" % self.manager

    def execute(self, netlink: Netlink) -> None:
        _start(self)

    def undo(self, netlink: Netlink) -> None:
        """Nothing: it is the last step."""

    def alter(self, facts: Facts) -> None:
        """The user does not see it."""

    @property
    def optional(self) -> bool:
        """The bridge has gone by then."""
        return True


def _start(step: StopManager | StartManager) -> None:
    if manager_files.stopped(step.name):
        _systemctl("start", step.manager)
        manager_files.set_stopped(step.name, "")


def _runs(manager: str) -> bool:
    """Only what systemd runs can be stopped, and started again."""
    try:
        return not subprocess.run(  # pylint: disable=ansible-bad-function
            ["systemctl", "--quiet", "is-active", UNITS[manager][-1]], stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT, check=False).returncode
    except FileNotFoundError:
        return False
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LxcError("look for", manager, detail=str(error)) from error


def _systemctl(verb: str, manager: str) -> None:
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            ["systemctl", verb, *UNITS[manager]], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LxcError(verb, manager, detail=str(error)) from error
    if done.returncode:
        raise LxcError(verb, manager, detail=done.stderr.decode(errors="replace").strip(),
                       hint="See: systemctl status %s" % UNITS[manager][-1])
