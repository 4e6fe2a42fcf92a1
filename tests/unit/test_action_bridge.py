# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of lxc_bridge, as far as it needs no host."""
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.action.lxc_bridge import ActionModule


class Connection:
    def __init__(self, transport: str, given: str | None) -> None:
        self.transport, self.options = transport, {"ssh_common_args": given}

    def get_option(self, name: str) -> str | None:
        return self.options[name]

    def set_option(self, name: str, value: str) -> None:
        self.options[name] = value


@pytest.mark.parametrize("transport, given, then", [
    ("ssh", None, "-o ServerAliveInterval=5 -o ServerAliveCountMax=4"),
    ("ssh", "-J jump", "-J jump -o ServerAliveInterval=5 -o ServerAliveCountMax=4"),
    ("local", None, None),
])
def test_ssh_notices_a_host_that_was_cut_off(transport: str, given: str | None,
                                             then: str | None) -> None:
    action: t.Any = ActionModule.__new__(ActionModule)
    action._connection = Connection(transport, given)
    action._notice_silence()
    assert action._connection.options == {"ssh_common_args": then}
