# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until what runs in containers does its work: ports, a command, units of systemd.

Nobody tells when that is, so it is asked for again and again. All containers are asked at the same
time, each of them until its first good answer.
"""
from __future__ import annotations

import errno
import os
import time
import typing as t

from .._kernel.errors import LxcError
from . import exchange
from .entry import Command
from .target import Target

if t.TYPE_CHECKING:
    from .operation import Outcomes

DOING = "wait for the health of"
_LISTEN = b"0A"  # TCP_LISTEN of the kernel's tcp_states.h, as /proc/net/tcp has it
_FIRST_PAUSE = 0.1  # seconds; doubled until the interval is reached
_LAST_LINE = 200  # characters of what a command says that an error repeats


class Check(t.NamedTuple):
    """What a healthy container does, all of it at one moment.

    :param ports: TCP ports that something listens on, whatever the address
    :param units: of systemd, that are active
    :param command: that ends with 0; empty for none
    :param attempt: seconds that one run of the command may take before it is killed
    """

    ports: list[int]
    units: list[str]
    command: list[str]
    attempt: float


def listening(text: bytes) -> set[int]:
    """Ports of listening sockets in a table as /proc/net/tcp and tcp6 are (proc_net_tcp.rst)."""
    found = set()
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == _LISTEN:
            found.add(int(words[1].rpartition(b":")[2], 16))
    return found


def wait(names: list[str], check: Check, timeout: float, interval: float, parallel: int = 10
         ) -> Outcomes:
    """Ask all of them until each is healthy, at least once.

    :param timeout: seconds for all of them together
    :param interval: seconds between two rounds; the first ones follow each other faster
    :param parallel: how many commands run at a time
    :returns: by name: seconds (until it was healthy); or the error, with the last answer. One that
        does not run any more is not waited for
    """
    began = time.monotonic()
    outcomes: Outcomes = {}
    waiting, pause = list(names), min(_FIRST_PAUSE, interval)
    while True:
        answers = _ask(waiting, check, parallel)
        for name, answer in answers.items():
            if answer is None:
                outcomes[name] = {"seconds": round(time.monotonic() - began, 3)}
            elif isinstance(answer, LxcError):
                outcomes[name] = answer
        waiting = [name for name in waiting if name not in outcomes]
        left = began + timeout - time.monotonic()
        if not waiting or left <= 0:
            break
        time.sleep(min(pause, left))
        pause = min(pause * 2, interval)
    for name in waiting:
        outcomes[name] = LxcError(
            DOING, name, errno.ETIMEDOUT, detail="after %g s, %s" % (timeout, answers[name]),
            hint="Its console.log says what it does; fleet.lxc.lxc_execute looks further.")
    return {name: outcomes[name] for name in names}


def _ask(names: list[str], check: Check, parallel: int) -> dict[str, str | LxcError | None]:
    """:returns: by name: None for a healthy one, else what it lacks, or why nobody can tell"""
    answers: dict[str, str | LxcError | None] = {}
    for name in names:
        try:
            answers[name] = _closed_port(name, check.ports)
        except LxcError as error:
            answers[name] = _lasting(error)
    # --quiet would keep to itself what the unit is instead.
    commands = [["systemctl", "is-active", "--", unit] for unit in check.units]
    for argv in [*commands, *([check.command] if check.command else [])]:
        asked = {name: Command(argv) for name, answer in answers.items() if answer is None}
        for name, outcome in exchange.run(asked, None, check.attempt, parallel).items():
            answers[name] = _complaint(argv, outcome, check.attempt)
    return answers


def _lasting(error: LxcError) -> str | LxcError:
    """What does not run will not be healthy; anything else may pass."""
    return error if error.errno == errno.ESRCH else str(error)


def _closed_port(name: str, ports: list[int]) -> str | None:
    """:raises LxcError: where it does not run"""
    target = Target(name)
    try:
        there = set()
        for table in ("net/tcp", "net/tcp6") if ports else ():
            there |= listening(_read(target.proc, table))
    except OSError as error:
        raise LxcError.from_os(DOING, name, error) from error
    finally:
        target.close()
    closed = [str(port) for port in ports if port not in there]
    return "nothing listens on TCP port %s" % ", ".join(closed) if closed else None


def _read(proc: int, path: str) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    except FileNotFoundError:
        return b""  # a host without IPv6; a process that is gone is found at the next round
    with open(fd, "rb") as stream:
        return stream.read()


def _complaint(argv: list[str], outcome: exchange.Result | LxcError, attempt: float
               ) -> str | LxcError | None:
    if isinstance(outcome, LxcError):
        return _lasting(outcome)
    if outcome.timed_out:
        return "%s did not end within %g s" % (" ".join(argv), attempt)
    if outcome.rc == 0:
        return None
    said = (outcome.stderr.strip() or outcome.stdout.strip()).splitlines()[-1:]
    return "%s ended with %d%s" % (
        " ".join(argv), outcome.rc,
        "".join(": " + line.decode("utf-8", "replace")[:_LAST_LINE] for line in said))
