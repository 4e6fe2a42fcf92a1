# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seccomp profiles of LXC's format, compiled and run by a small machine for classic BPF."""
from __future__ import annotations

import functools
import struct

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import defaults
from ansible_collections.fleet.lxc.plugins.module_utils._container.seccomp_profile import (
    compile_profile,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import seccomp, syscall_numbers
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


def answer(content: str, name: str, *arguments: int, arch: str = "x86_64",
           machine: str = "x86_64") -> int:
    """What a profile answers to a system call."""
    return run(compile_profile("/p", content, machine), arch,
               syscall_numbers.numbers(arch)[name], *arguments)


def run(program: bytes, arch: str, number: int, *arguments: int) -> int:
    data = struct.pack("<iIQ6Q", number, seccomp.ARCHITECTURES[arch], 0,
                       *arguments, *[0] * (6 - len(arguments)))
    place, accumulator = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("<HBBI", program, 8 * place)
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif code == 0x54:
            accumulator &= value
        elif code == 0x05:
            place += value
        elif code == 0x06:
            return int(value)
        else:
            true = {0x15: accumulator == value, 0x25: accumulator > value,
                    0x35: accumulator >= value}[code]
            place += if_true if true else if_false


def test_what_is_denied_and_what_is_not() -> None:
    content = ("2\ndenylist\nreject_force_umount  # comment\n[all]\nkexec_load errno 1\nmkdir\n"
               "[arm64]\nread errno 5\n[amd64]\nwrite trap\nclose log\n")
    assert answer(content, "kexec_load") == seccomp.ERRNO | 1
    assert answer(content, "mkdir") == seccomp.KILL
    assert answer(content, "read") == seccomp.ALLOW
    assert answer(content, "write") == seccomp.TRAP and answer(content, "close") == seccomp.LOG
    assert answer(content, "umount2", 0, 1) == answer(content, "umount2", 0, 3) \
        == seccomp.ERRNO | 13
    assert answer(content, "umount2", 0, 2) == seccomp.ALLOW
    assert answer(content, "read", arch="aarch64") == seccomp.KILL


def test_programs_of_32_bits_have_the_same_rules_and_their_own() -> None:
    content = ("2\ndenylist\nreject_force_umount\nkexec_load errno 1\nsocket errno 2\n"
               "shmget errno 3\nsetxattr errno 4 [2,7,SCMP_CMP_EQ]\n"
               "bind errno 9 [0,1,SCMP_CMP_EQ]\n"
               "[x86]\nread errno 5\nvm86 errno 6\n[x86_64]\nwrite errno 7\n[arm]\nopen errno 8\n")
    i386 = functools.partial(answer, content, arch="i386")
    assert i386("kexec_load") == answer(content, "kexec_load") == seccomp.ERRNO | 1
    assert i386("umount2", 0, 1) == seccomp.ERRNO | 13
    assert i386("setxattr", 0, 0, 7) == seccomp.ERRNO | 4 and i386("setxattr") == seccomp.ALLOW
    assert (i386("read"), answer(content, "read")) == (seccomp.ERRNO | 5, seccomp.ALLOW)
    assert i386("vm86") == seccomp.ERRNO | 6
    assert (i386("write"), answer(content, "write")) == (seccomp.ALLOW, seccomp.ERRNO | 7)
    # Two ways to the same call, one of them with its number as an argument.
    assert i386("socket") == i386("socketcall", 1) == seccomp.ERRNO | 2
    assert i386("ipc", 23) == i386("ipc", 0x10017) == seccomp.ERRNO | 3
    # What is compared is behind a pointer there.
    assert i386("socketcall", 2) == i386("socketcall", 3) == i386("ipc", 1) == seccomp.ALLOW
    arm = functools.partial(answer, content, arch="arm", machine="aarch64")
    assert (arm("open"), arm("read")) == (seccomp.ERRNO | 8, seccomp.ALLOW)
    assert i386("read", machine="aarch64") == seccomp.KILL
    assert answer(content, "read", arch="arm", machine="x86_64") == seccomp.KILL


def test_numbers_of_version_1_are_the_machines_own() -> None:
    content = "1\nallowlist\n3\n"
    assert answer(content, "close") == seccomp.ALLOW
    assert answer(content, "read", arch="i386") == seccomp.KILL


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_default_profile(machine: str) -> None:
    compat = seccomp.COMPAT[machine]
    program = seccomp.program({abi: dict.fromkeys(defaults.refused_numbers(abi), 1)
                               for abi in (machine, compat)}, defaults.NEWEST_SYSCALL, machine)
    for abi in seccomp.ARCHITECTURES:
        known = syscall_numbers.numbers(abi)
        for name, number in known.items():
            assert run(program, abi, number) == (
                seccomp.KILL if abi not in (machine, compat)
                else seccomp.ERRNO | 1 if name in defaults.SYSCALLS_REFUSED
                else seccomp.ALLOW), (abi, name)
    for abi in (machine, compat):
        assert run(program, abi, defaults.NEWEST_SYSCALL + 1) == seccomp.ERRNO | 38


@pytest.mark.parametrize("content, allowed, otherwise", [
    ("2\nallowlist\nread\n", "read", seccomp.KILL),
    ("2\nwhitelist errno 38\nread\n", "read", seccomp.ERRNO | 38),
    ("1\nwhitelist\n0\n", "read", seccomp.KILL),
])
def test_what_is_allowed(content: str, allowed: str, otherwise: int) -> None:
    assert answer(content, allowed) == seccomp.ALLOW
    assert answer(content, "write") == otherwise


BIG = 1 << 40


@pytest.mark.parametrize("operator, value, yes, no", [
    ("EQ", BIG + 1, [BIG + 1], [1, BIG, BIG + 2]),
    ("NE", BIG + 1, [1, BIG, BIG + 2], [BIG + 1]),
    ("GT", BIG + 1, [BIG + 2, 2 * BIG], [BIG + 1, BIG, 0, 1 << 31]),
    ("GE", BIG + 1, [BIG + 1, BIG + 2, 2 * BIG], [BIG, 0, 1 << 31]),
    ("LT", BIG + 1, [BIG, 0, 1 << 31], [BIG + 1, BIG + 2, 2 * BIG]),
    ("LE", BIG + 1, [BIG + 1, BIG, 0, 1 << 31], [BIG + 2, 2 * BIG]),
])
def test_arguments_of_64_bits(operator: str, value: int, yes: list[int], no: list[int]) -> None:
    content = "2\ndenylist\nlseek errno 7 [1,%d,SCMP_CMP_%s]\nread errno 8" % (value, operator)
    assert all(answer(content, "lseek", 0, given) == seccomp.ERRNO | 7 for given in yes)
    assert all(answer(content, "lseek", 0, given) == seccomp.ALLOW for given in no)
    assert answer(content, "read") == seccomp.ERRNO | 8


def test_all_comparisons_of_a_rule_have_to_hold() -> None:
    content = ("2\ndenylist\n"
               "lseek errno 7 [0,1,SCMP_CMP_EQ][1,0x10,SCMP_CMP_MASKED_EQ,0x30]\nlseek errno 9\n")
    assert answer(content, "lseek", 1, 0x1F) == seccomp.ERRNO | 7
    assert answer(content, "lseek", 1, 0x30) == answer(content, "lseek", 2, 0x10) \
        == seccomp.ERRNO | 9


@pytest.mark.parametrize("content, words", [
    ("", "/p:1"), ("3\n", "version"), ("2\nread\n", "neither"), ("1\ndenylist\n0\n", "/p:2"),
    ("2\ndenylist\n\nreed errno 1\n", "/p:4: there is no system call 'reed'"),
    ("2\ndenylist\nread errno\n", "no action"), ("2\ndenylist\nread notify\n", "no action"),
    ("2\ndenylist\nread errno 1 [6,0,SCMP_CMP_EQ]\n", "compares no argument"),
    ("2\ndenylist\nread errno 1 [0,0,EQ]\n", "compares no argument"),
    ("1\nallowlist\nread\n", "/p:3"),
])
def test_what_can_not_be_honoured_is_named(content: str, words: str) -> None:
    with pytest.raises(LxcError) as caught:
        compile_profile("/p", content, "x86_64")
    assert words in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("place, machine", [(0, "x86_64"), (1, "aarch64"), (2, "i386"),
                                            (3, "arm")])
def test_numbers_agree_with_those_of_the_default_profile(place: int, machine: str) -> None:
    known = syscall_numbers.numbers(machine)
    assert known["openat"] == {"x86_64": 257, "aarch64": 56, "i386": 295, "arm": 322}[machine]
    assert max(known.values()) == defaults.NEWEST_SYSCALL or machine == "arm"
    for name, numbers in defaults.SYSCALLS_REFUSED.items():
        assert known.get(name) == numbers[place], name
