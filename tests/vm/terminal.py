# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""terminal.py NUMBER OTHER: who holds a virtual terminal, and whether it is handed over.

A terminal in the mode VT_PROCESS is switched from and to only when its process agrees, so that a
switch in each direction proves that the process is there and does (ioctl_console(2)).
"""
from __future__ import annotations

import array
import fcntl
import json
import os
import struct
import sys
import time

KDGETMODE, VT_GETMODE, VT_GETSTATE, VT_ACTIVATE = 0x4B3B, 0x5601, 0x5603, 0x5606
PATIENCE = 60  # seconds


def shown(terminal: int) -> int:
    return int(struct.unpack("HHH", fcntl.ioctl(terminal, VT_GETSTATE, bytes(6)))[0])


def show(terminal: int, number: int) -> bool:
    """Whether the terminal with that number is shown then."""
    fcntl.ioctl(terminal, VT_ACTIVATE, number)
    end = time.monotonic() + PATIENCE
    while shown(terminal) != number and time.monotonic() < end:
        time.sleep(0.05)
    return shown(terminal) == number


def main() -> None:
    number, other = int(sys.argv[1]), int(sys.argv[2])
    terminal = os.open("/dev/tty%d" % number, os.O_RDWR | os.O_NOCTTY)
    graphics = array.array("i", [-1])
    fcntl.ioctl(terminal, KDGETMODE, graphics)
    json.dump({"shown": shown(terminal) == number,
               "held": fcntl.ioctl(terminal, VT_GETMODE, bytes(8))[0] == 1,
               "graphics": graphics[0] == 1,
               "left": show(terminal, other), "back": show(terminal, number)}, sys.stdout)


main()
