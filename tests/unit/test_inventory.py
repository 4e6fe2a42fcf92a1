# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, with nobody to ask."""
from __future__ import annotations

import subprocess
import typing as t

import pytest
from ansible import constants as C
from ansible_collections.fleet.lxc.plugins.inventory import lxc


@pytest.mark.parametrize("configured, expected", [(5, "50"), (200, "200")])
def test_all_hosts_are_asked_at_once(configured: int, expected: str,
                                     monkeypatch: pytest.MonkeyPatch) -> None:
    """Ansible's default is five at a time: each further five would take as long again."""
    ran: list[list[str]] = []

    def run(argv: list[str], **options: t.Any) -> subprocess.CompletedProcess[str]:
        ran.append(argv)
        with open(options["env"]["FLEET_LXC_RESULTS_PATH"], "w", encoding="utf-8"):
            pass
        return subprocess.CompletedProcess(argv, 0, "", "")

    plugin = lxc.InventoryModule()
    options = {"hosts": ["all"], "forks": 50, "timeout": 1}
    monkeypatch.setattr(plugin, "get_option", options.__getitem__)
    monkeypatch.setattr(C, "DEFAULT_FORKS", configured)
    monkeypatch.setattr(lxc.subprocess, "run", run)
    assert plugin._ask() == {}
    assert ran[0][ran[0].index("--forks") + 1] == expected
