# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The v2 device filter: a BPF program built from rules.

Source: Linux admin-guide/cgroup-v2, "Device controller". v1 takes the same rules as text.
"""
from __future__ import annotations

import struct

from .errors import LxcError

_KINDS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional
    Rule = tuple[str, Optional[int], Optional[int], str]


def parse_rule(text: str) -> Rule:
    """``c 1:3 rwm``, ``b *:* m`` or ``a`` (everything), as lxc.cgroup.devices.allow has it.

    :returns: kind, major, minor (None for ``*``), access letters
    :raises LxcError: naming the rule
    """
    fields = text.split()
    if fields in (["a"], ["a", "*:*", "rwm"]):
        return ("a", None, None, "rwm")
    try:
        kind, numbers, access = fields
        major, minor = (None if n == "*" else int(n) for n in numbers.split(":"))
        if kind not in _KINDS or not access or set(access) - set(_ACCESS):
            raise ValueError(text)
        if any(n is not None and not 0 <= n < 1 << 20 for n in (major, minor)):
            raise ValueError(text)
    except ValueError:
        raise LxcError("read the device rule", repr(text), detail="it is malformed",
                       hint="Write it as 'c 1:3 rwm' or 'b *:* m'.") from None
    return (kind, major, minor, access)


def _instruction(code: int, destination: int, source: int, offset: int, immediate: int) -> bytes:
    return struct.pack("BBhi", code, source << 4 | destination, offset, immediate)


def program(allowed: list[Rule]) -> bytes:
    """The program that allows what one of the rules covers whole, and nothing else."""
    code = [
        _instruction(0x61, 2, 1, 0, 0),        # r2 = ctx->access_type
        _instruction(0xBF, 3, 2, 0, 0),        # r3 = r2
        _instruction(0x57, 2, 0, 0, 0xFFFF),   # r2 &= 0xffff: the kind
        _instruction(0x77, 3, 0, 0, 16),       # r3 >>= 16: the access wanted
        _instruction(0x61, 4, 1, 4, 0),        # r4 = ctx->major
        _instruction(0x61, 5, 1, 8, 0),        # r5 = ctx->minor
    ]
    for rule in allowed:
        code += _rule_block(rule)
        if rule[0] == "a":  # the verifier refuses what can't be reached
            return b"".join(code)
    code += [_instruction(0xB7, 0, 0, 0, 0), _instruction(0x95, 0, 0, 0, 0)]  # return 0
    return b"".join(code)


def _rule_block(rule: Rule) -> list[bytes]:
    """Each failed test jumps behind the block's ``return 1``."""
    kind, major, minor, access = rule
    tests = []  # opcode, register, immediate
    if kind != "a":
        tests.append((0x55, 2, _KINDS[kind]))
    forbidden = 7 & ~sum(_ACCESS[letter] for letter in set(access))
    if forbidden:
        tests.append((0x45, 3, forbidden))   # jump if r3 & forbidden
    if major is not None:
        tests.append((0x55, 4, major))
    if minor is not None:
        tests.append((0x55, 5, minor))
    left = len(tests) + 2
    block = []
    for opcode, register, immediate in tests:
        left -= 1
        block.append(_instruction(opcode, register, 0, left, immediate))
    return block + [_instruction(0xB7, 0, 0, 0, 1), _instruction(0x95, 0, 0, 0, 0)]
