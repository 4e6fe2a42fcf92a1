# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""seccomp filters as classic BPF: seccomp(2), kernel userspace-api/seccomp_filter."""
from __future__ import annotations

import errno
import os
import struct

from .errors import LxcError

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*
_X32_BIT = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x50000, 0x7FFF0000


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(refused: dict[int, int], newest: int, machine: str = "") -> bytes:
    """Refuse some system calls, kill foreign ABIs, and know nothing newer than ``newest``.

    :param refused: system call number -> errno it answers with
    :param newest: the highest number let through; above it the answer is ENOSYS, so that a C
        library falls back to an older call
    :param machine: as os.uname has it, the running one by default
    :raises LxcError: for a machine whose system call ABI is not known here
    """
    machine = machine or os.uname().machine
    if machine not in ARCHITECTURES:
        raise LxcError("build the seccomp filter for", machine, detail="unknown architecture",
                       hint="Known are %s." % ", ".join(sorted(ARCHITECTURES)))
    code = [
        _instruction(_LOAD, 4),  # seccomp_data.arch
        _instruction(_JUMP_EQUAL, ARCHITECTURES[machine], 1, 0),
        _instruction(_RETURN, _KILL_PROCESS),
        _instruction(_LOAD, 0),  # seccomp_data.nr
    ]
    if machine == "x86_64":  # x32 has the same architecture and a bit in the number
        code += [_instruction(_JUMP_AT_LEAST, _X32_BIT, 0, 1),
                 _instruction(_RETURN, _KILL_PROCESS)]
    code += [_instruction(_JUMP_ABOVE, newest, 0, 1),
             _instruction(_RETURN, _ERRNO | errno.ENOSYS)]
    for number, answer in sorted(refused.items()):
        code += [_instruction(_JUMP_EQUAL, number, 0, 1), _instruction(_RETURN, _ERRNO | answer)]
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])
