# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""seccomp filters as classic BPF: seccomp(2), kernel userspace-api/seccomp_filter."""
from __future__ import annotations

import errno
import os
import struct
from collections import namedtuple

from .errors import LxcError

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003,
                 "arm": 0x40000028}  # AUDIT_ARCH_*
COMPAT = {"x86_64": "i386", "aarch64": "arm"}  # whose programs of 32 bits a machine runs
_X32_BIT = 0x40000000

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_AND, _JUMP = 0x54, 0x05
_ARM_PRIVATE = range(0xF0001, 0xF0007)  # set_tls and others, far above all: __ARM_NR_*
# SECCOMP_RET_*; an errno goes into the low bits of ERRNO.
KILL, TRAP, ERRNO, LOG, ALLOW = 0x80000000, 0x30000, 0x50000, 0x7FFC0000, 0x7FFF0000

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import NamedTuple

    class Rule(NamedTuple):
        """What is answered to a system call whose arguments compare so: (index, SCMP_CMP_*, value,
        mask) each, all of them; without any, to each call of that number."""

        number: int
        action: int
        arguments: tuple[tuple[int, str, int, int], ...]
else:
    Rule = namedtuple("Rule", "number action arguments")


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def program(refused: dict[str, dict[int, int]], newest: int, machine: str = "") -> bytes:
    """Refuse some system calls, kill foreign ABIs, and know nothing newer than ``newest``.

    :param refused: for each ABI that is let through, machine's own or its COMPAT: system call
        number -> errno it answers with
    :param newest: the highest number let through; above it the answer is ENOSYS, so that a C
        library falls back to an older call
    :param machine: as os.uname has it, the running one by default
    :raises LxcError: for a machine whose system call ABI is not known here
    """
    blocks = {}
    for abi, answers in refused.items():
        known = {number: ERRNO | answer for number, answer in answers.items() if number <= newest}
        if abi == "arm":
            known.update(dict.fromkeys(_ARM_PRIVATE, ALLOW))
        blocks[abi] = _search(_ranges(known, newest))
    return _by_abi(blocks, machine or os.uname().machine)


def _ranges(known: dict[int, int], newest: int) -> list[tuple[int, int]]:
    """:returns: the first number of each range, and the answer to all that are in it"""
    found = [(0, ALLOW)]
    for number in sorted({newest + 1, *known, *(number + 1 for number in known)}):
        answer = known.get(number, ALLOW if number <= newest else ERRNO | errno.ENOSYS)
        if answer != found[-1][1]:
            found.append((number, answer))
    return found


def _search(ranges: list[tuple[int, int]]) -> list[bytes]:
    """By halves: when a filter is set, the kernel tries it with each number that there is, which
    one after the other took it longer than all else that it does with a filter."""
    if len(ranges) == 1:
        return [_instruction(_RETURN, ranges[0][1])]
    middle = len(ranges) // 2
    lower, upper = _search(ranges[:middle]), _search(ranges[middle:])
    return [_instruction(_JUMP_AT_LEAST, ranges[middle][0], len(lower)), *lower, *upper]


def _by_abi(blocks: dict[str, list[bytes]], machine: str) -> bytes:
    """Each ABI has instructions of its own, which find the call's number loaded; others are killed.

    :raises LxcError: for more than the kernel takes, or an unknown machine
    """
    if machine not in COMPAT:
        raise LxcError("build the seccomp filter for", machine, detail="unknown architecture",
                       hint="Known are %s." % ", ".join(sorted(COMPAT)))
    code = [_instruction(_LOAD, 4)]  # seccomp_data.arch
    for abi in sorted(blocks, key=lambda abi: abi != machine):
        block = [_instruction(_LOAD, 0)]  # seccomp_data.nr
        if abi == "x86_64":  # x32 has the same architecture and a bit in the number
            block += [_instruction(_JUMP_AT_LEAST, _X32_BIT, 0, 1), _instruction(_RETURN, KILL)]
        block += blocks[abi]
        # A conditional jump has 8 bits for its distance.
        code += [_instruction(_JUMP_EQUAL, ARCHITECTURES[abi], 1, 0),
                 _instruction(_JUMP, len(block)), *block]
    code.append(_instruction(_RETURN, KILL))
    if len(code) > 4096:  # BPF_MAXINSNS
        raise LxcError("build the seccomp filter for", machine, errno.E2BIG,
                       "Leave out rules.", "it has %d instructions" % len(code))
    return b"".join(code)


def profile(rules: dict[str, list[Rule]], otherwise: int, machine: str) -> bytes:
    """The first rule of a call's ABI that fits answers, else ``otherwise`` does. Others are killed.

    :param rules: by ABI, the machine's own or its COMPAT
    :raises LxcError: for more than the kernel takes, or an unknown machine
    """
    return _by_abi({abi: [*(i for rule in known for i in _rule(rule)),
                          _instruction(_RETURN, otherwise)] for abi, known in rules.items()},
                   machine)


def _rule(rule: Rule) -> list[bytes]:
    """Each test that fails jumps behind the block, whose end loads the number again."""
    tests: list[tuple[bytes | int, int, bool, bool]] = []
    for argument in rule.arguments:
        tests += _compare(*argument)
    again = [_instruction(_LOAD, 0)] if tests else []
    block: list[bytes] = []
    size = len(tests) + 1  # and the return
    for place, (code, value, out_if_true, out_if_false) in enumerate(tests):
        left = size - place - 1
        if isinstance(code, bytes):
            block.append(code)
        else:
            block.append(_instruction(code, value, left if out_if_true else 0,
                                      left if out_if_false else 0))
    block.append(_instruction(_RETURN, rule.action))
    skip = len(block) + len(again)
    return [_instruction(_JUMP_EQUAL, rule.number, 0, skip), *block, *again]


def _compare(index: int, operator: str, value: int, mask: int
             ) -> list[tuple[bytes | int, int, bool, bool]]:
    """Instructions, or jumps as (code, value, leave if true, leave if false).

    Arguments have 64 bits and the machine 32. Both halves of an equality have to hold; for the
    others the high halves have to be equal, or to decide.
    """
    low, high = 16 + 8 * index, 20 + 8 * index  # of struct seccomp_data, little endian
    words = (value & 0xFFFFFFFF, value >> 32)
    if operator in ("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"):
        masks = (mask & 0xFFFFFFFF, mask >> 32) if operator == "SCMP_CMP_MASKED_EQ" else None
        found: list[tuple[bytes | int, int, bool, bool]] = []
        for place, offset in enumerate((low, high)):
            found.append((_instruction(_LOAD, offset), 0, False, False))
            if masks:
                found.append((_instruction(_AND, masks[place]), 0, False, False))
            found.append((_JUMP_EQUAL, words[place], False, True))
        return found
    # What follows has "yes" two jumps ahead: past the tests of the low half.
    load_high = (_instruction(_LOAD, high), 0, False, False)
    load_low = (_instruction(_LOAD, low), 0, False, False)
    if operator == "SCMP_CMP_NE":
        return [load_high, (_instruction(_JUMP_EQUAL, words[1], 0, 2), 0, False, False), load_low,
                (_JUMP_EQUAL, words[0], True, False)]
    above = operator in ("SCMP_CMP_GT", "SCMP_CMP_GE")
    last = _JUMP_ABOVE if operator in ("SCMP_CMP_GT", "SCMP_CMP_LE") else _JUMP_AT_LEAST
    if above:
        return [load_high, (_instruction(_JUMP_ABOVE, words[1], 3, 0), 0, False, False),
                (_JUMP_EQUAL, words[1], False, True), load_low, (last, words[0], False, True)]
    return [load_high, (_JUMP_ABOVE, words[1], True, False),
            (_instruction(_JUMP_EQUAL, words[1], 0, 2), 0, False, False), load_low,
            (last, words[0], True, False)]
