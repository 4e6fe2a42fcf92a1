# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Process 1 of a container whose program is no init: what lxc-execute's lxc-init does.

It runs inside, in Python that was loaded outside: nothing is imported here, and its rights are the
program's, of which it keeps the one that it needs.
"""
from __future__ import annotations

import os

from .._kernel import capabilities, syscalls
from .._kernel.lean import signal

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

KILL = capabilities.mask(["kill"])
_NAME = b"lxc-init"


def watch(child: int) -> NoReturn:
    """Pass signals on to the child, wait for whoever ends, and end as the child does.

    Every signal is blocked since before the child was forked, so that none is lost; one that is
    blocked is not ignored either, as an init without a handler would.
    """
    syscalls.close_range(0)
    capabilities.limit(KILL)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)  # losing rights may have set it
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0)
    everything = signal.valid_signals()
    while True:
        info = signal.sigwaitinfo(everything)
        number = info.si_signo
        if number == signal.SIGCHLD:
            _reap(child)
        elif info.si_code <= 0:  # not the kernel's own: SIGHUP, when the terminal has ended
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass  # its SIGCHLD comes next


def _reap(child: int) -> None:
    """Several ends may be one SIGCHLD. The child's is that of the container."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        if pid == child:
            os._exit(128 + (status & 0x7F) if status & 0x7F else status >> 8)


def show_name() -> None:
    """As ps shows it. Only the host's root may write that, of a process that can't be dumped."""
    fd = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
    os.write(fd, _NAME)
    os.close(fd)
