# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clocks, medians and memory: how everything here is measured."""
from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
import typing as t


class BenchError(Exception):
    """A contender did not do what is to be measured; a figure would mean nothing."""


class Row(t.NamedTuple):
    """One line of the table. Smaller is better; None where that side could not be measured."""

    name: str
    ours: float | None
    peer: float | None
    peer_name: str
    unit: str

    @property
    def ratio(self) -> float | None:
        return None if self.ours is None or not self.peer else self.ours / self.peer

    def as_json(self) -> dict[str, t.Any]:
        return {"name": self.name, "ours": _rounded(self.ours), "peer": _rounded(self.peer),
                "peer_name": self.peer_name, "unit": self.unit, "ratio": _rounded(self.ratio)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


class Contender(t.Protocol):
    """Something that starts containers. ``start`` returns seconds, and raises BenchError when
    one of them did not come up."""

    name: str

    def prepare(self, names: list[str]) -> None:
        ...

    def start(self, names: list[str]) -> float:
        ...

    def stop(self, names: list[str]) -> None:
        ...

    def remove(self, names: list[str]) -> None:
        ...


def run(argv: list[str], **options: t.Any) -> float:
    """Run to its end, the output in memory only when it fails. Returns seconds.

    Its output goes to a file without a name: containers keep a pipe open for as long as they run.
    """
    descriptor = os.memfd_create("output")
    try:
        began = time.perf_counter()
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=descriptor,
                                 stderr=descriptor, start_new_session=True, **options)
        try:
            code = child.wait()
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)  # ansible-playbook with what it has started
            child.wait()
            raise
        seconds = time.perf_counter() - began
        if code:
            text = os.pread(descriptor, 1 << 20, 0).decode(errors="replace")
            raise BenchError("%s ended with %d:\n%s" % (" ".join(argv)[:200], code, text[-2000:]))
        return seconds
    finally:
        os.close(descriptor)


def shell_loop(command: str, names: list[str], before: str = "") -> float:
    """``command`` with $n once a name, in a loop of dash, whose fork and exec cost 0.4 ms each;
    Python's subprocess would add twice that to every peer."""
    script = '%s\nfor n; do %s || exit 1; done' % (before, command)
    return run(["/bin/dash", "-c", script, "bench", *names])


def alternate(contenders: list[Contender], names: list[str], rounds: int,
              settle: t.Callable[[], None]) -> dict[str, float]:
    """Milliseconds a container: the median of rounds in which each contender starts all names.

    One round that does not count comes first: caches, and the modules of the kernel. The order
    turns with each round, so that nobody always comes after the same one.
    """
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(-1, rounds):
        for index in range(len(contenders)):
            contender = contenders[(index + number) % len(contenders)]
            settle()
            try:
                seconds = contender.start(names)
            finally:
                contender.stop(names)
            if number >= 0:
                times[contender.name].append(1000 * seconds / len(names))
    return {name: statistics.median(values) for name, values in times.items()}


def pss(pid: int) -> int:
    """kB, proc_pid_smaps(5): what is shared counts by its share."""
    with open("/proc/%d/smaps_rollup" % pid) as stream:
        for line in stream:
            if line.startswith("Pss:"):
                return int(line.split()[1])
    raise BenchError("there is no Pss in /proc/%d/smaps_rollup" % pid)


def wait_until(what: str, true: t.Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise BenchError("waited %d s in vain until %s" % (seconds, what))
        time.sleep(0.02)
