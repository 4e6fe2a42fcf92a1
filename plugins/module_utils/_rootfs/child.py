# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that changes what its process is: its root, its rights, its mounts."""
from __future__ import annotations

import json
import os
import signal
import typing as t

from .._kernel import syscalls
from .._kernel.errors import LxcError


def run(doing: str, subject: str, work: t.Callable[[], None], hint: str = "") -> None:
    """Do it in a child of this process, which ends with this one.

    :param doing: and ``subject``: what an error says of it
    :param hint: what to do where the child was killed
    :raises LxcError: what ``work`` raised, or that the child was killed
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.close(reading)
            # Nothing may outlive the task that asked for it.
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            problem = _problem(doing, subject, work)
            os.write(writing, json.dumps(problem.to_dict() if problem else {}).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    _pid, status = os.waitpid(pid, 0)
    if status or not answer:
        raise LxcError(doing, subject, hint=hint,
                       detail="the process for it ended with status %d" % status)
    problem = json.loads(answer)
    if problem:
        raise LxcError.from_dict(problem)


def _problem(doing: str, subject: str, work: t.Callable[[], None]) -> LxcError | None:
    try:
        work()
    except LxcError as error:
        return error
    except OSError as error:
        return LxcError.from_os(doing, subject, error)
    except Exception as error:
        return LxcError(doing, subject, detail=repr(error))
    return None
