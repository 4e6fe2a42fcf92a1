# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a plan, wholly or not at all."""
from __future__ import annotations

import typing as t

from .._kernel.errors import LxcError
from .belongings import restore

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink
    from .observe import BridgeState
    from .operations import Operation


def apply(netlink: Netlink, operations: list[Operation], state: BridgeState) -> list[str]:
    """Run the operations in order; when one fails, undo those before it.

    Optional operations are the last of a plan. When one of them fails, the optional ones before
    it are undone, the rest are left out, and that is a warning.

    :param state: what was observed before, to restore
    :returns: the warnings
    :raises LxcError: of the operation that failed; its detail says what could not be undone
    """
    done: list[Operation] = []
    for operation in operations:
        try:
            operation.execute(netlink)
        except LxcError as error:
            if operation.optional:
                problems = _undo(netlink, [o for o in done if o.optional])
                return ["Left out: %s. %s" % (operation.describe(), error), *problems]
            problems = undo(netlink, done, state)
            detail = "; ".join(text for text in [error.detail, *problems] if text)
            raise LxcError(error.doing, error.subject, error.errno, error.hint, detail) from error
        done.append(operation)
    return []


def _undo(netlink: Netlink, done: list[Operation]) -> list[str]:
    """Take back the newest first, as far as it goes; what did not go, in words."""
    problems = []
    for operation in reversed(done):
        try:
            operation.undo(netlink)
        except LxcError as error:
            problems.append("could not undo '%s': %s" % (operation.describe(), error))
    return problems


def _restore(netlink: Netlink, state: BridgeState) -> list[str]:
    """Addresses and routes as they were: the kernel drops some with others, or with the link."""
    problems = []
    if state.link is not None and state.own is not None:
        problems += restore(netlink, state.link["name"], state.own)
    if state.nic_has is not None:
        problems += restore(netlink, state.nic, state.nic_has)
    return problems


def undo(netlink: Netlink, done: list[Operation], state: BridgeState) -> list[str]:
    """Take back the operations, newest first; what did not go, in words."""
    return _undo(netlink, done) + _restore(netlink, state)
