# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role has left in the container, looked at from outside."""
from __future__ import annotations

import http.client


def test_the_system_is_systemd(host) -> None:
    assert host.file("/proc/1/comm").content_string.strip() == "systemd"


def test_nginx_serves_the_page(host) -> None:
    assert host.service("nginx").is_running
    assert host.service("nginx").is_enabled
    assert host.socket("tcp://0.0.0.0:80").is_listening


def test_the_page_is_seen_from_outside(host) -> None:
    connection = http.client.HTTPConnection("10.0.253.2", timeout=10)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"Hello from fleet-lxc-test-molecule\n"
