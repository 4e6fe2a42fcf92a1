# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""monitor.py SOCKET COMMAND...: what QEMU's monitor is told, a command at a time."""
from __future__ import annotations

import socket
import sys


def main() -> None:
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(60)
        monitor.connect(sys.argv[1])
        for command in ["", *sys.argv[2:]]:
            monitor.sendall((command + "\n").encode() if command else b"")
            said = b""
            while not said.endswith(b"(qemu) "):
                said += monitor.recv(65536)


main()
