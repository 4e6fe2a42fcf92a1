# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in as root on a terminal and runs a command: login.py PASSWORD COMMAND WORD PROGRAM...

or login.py PASSWORD COMMAND WORD NUMBER, on a virtual terminal of the host. Prints what the
terminal said, and ends with 0 when that has the word.
"""
from __future__ import annotations

import fcntl
import os
import pty
import select
import sys
import time

TIOCSTI = 0x5412
PATIENCE = 60  # seconds


class Console:
    """A program on a pseudo terminal, as a person has it."""

    def __init__(self, program: list[str]) -> None:
        self.said = ""
        pid, self.fd = pty.fork()
        if not pid:
            os.execv(program[0], program)

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def look(self) -> str:
        if select.select([self.fd], [], [], 0.2)[0]:
            try:
                self.said += os.read(self.fd, 4096).decode(errors="replace")
            except OSError:
                raise SystemExit("the console ended after:\n" + self.said) from None
        return self.said

    def leave(self) -> None:
        """Ctrl-A q, and what it ends with."""
        self.type("\x01q")
        if os.waitstatus_to_exitcode(os.wait()[1]):
            raise SystemExit("the console did not end well")


class Screen:
    """A virtual terminal of the host: what its screen shows, and keys by TIOCSTI."""

    def __init__(self, number: str) -> None:
        self.fd = os.open("/dev/tty" + number, os.O_RDWR | os.O_NOCTTY)
        self.screen = "/dev/vcs" + number

    def type(self, text: str) -> None:
        for key in text:
            fcntl.ioctl(self.fd, TIOCSTI, key.encode())

    def look(self) -> str:
        time.sleep(0.2)
        with open(self.screen, "rb") as file:
            return file.read().decode("latin-1")

    def leave(self) -> None:
        os.close(self.fd)


def main() -> None:
    password, command, word, *where = sys.argv[1:]
    terminal = Screen(where[0]) if where[0].isdigit() else Console(where)
    end = time.monotonic() + PATIENCE
    pressed = time.monotonic()
    for wanted, answer in (("login:", "root\r"), ("Password:", password + "\r"),
                           ("# ", command + "\r"), (word, "")):
        while wanted not in terminal.look():
            if time.monotonic() > end:
                raise SystemExit("no %r in:\n%s" % (wanted, terminal.look()))
            if wanted == "login:" and time.monotonic() > pressed + 3:
                pressed = time.monotonic()  # the prompt may have come before anybody listened
                terminal.type("\r")
        terminal.type(answer)
    sys.stdout.write("\n".join(line.rstrip() for line in terminal.look().splitlines()))
    terminal.type("exit\r")
    time.sleep(0.2)
    terminal.leave()


main()
