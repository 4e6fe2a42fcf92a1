# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seccomp profiles in LXC's format, versions 1 and 2 (lxc.seccomp.profile), to a BPF program."""
from __future__ import annotations

from .._kernel import seccomp, syscall_numbers
from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import NoReturn

_ALLOWING = ("allowlist", "whitelist")
_DENYING = ("denylist", "blacklist")
_EACCES = 13
_MNT_FORCE = 1
_SECTIONS = {"x86_64": ("x86_64", "amd64"), "aarch64": ("arm64", "aarch64"),
             "i386": ("x86", "i386", "i686"), "arm": ("arm", "armhf")}
_OPERATORS = ("SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE",
              "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ")


def compile_profile(path: str, content: str, machine: str) -> bytes:
    """The program of a profile; it kills foreign ABIs, as the default one does. Version 2 has
    names, which also hold for the machine's programs of 32 bits.

    :param path: for messages
    :raises LxcError: naming the line that can't be honoured
    """
    lines = [line.partition("#")[0].strip() for line in content.splitlines()]
    reader = _Reader(path, machine)
    version = lines[0] if lines else ""
    if version == "1":
        return reader.version_1(lines)
    if version == "2":
        return reader.version_2(lines)
    reader.refuse(1, "its version is %r" % version, "The first line has to be 1 or 2.")


class _Reader:
    def __init__(self, path: str, machine: str) -> None:
        self._path, self._machine = path, machine
        self._abis = (machine, seccomp.COMPAT[machine])
        self._numbers = {abi: syscall_numbers.numbers(abi) for abi in self._abis}
        self._rules: dict[str, list[seccomp.Rule]] = {abi: [] for abi in self._abis}

    def refuse(self, line: int, detail: str, hint: str) -> NoReturn:
        raise LxcError("read the seccomp profile", "%s:%d" % (self._path, line), detail=detail,
                       hint=hint)

    def version_1(self, lines: list[str]) -> bytes:
        """Numbers of the system calls that are allowed."""
        if (lines[1:2] or [""])[0].split()[:1] not in [[word] for word in _ALLOWING]:
            self.refuse(2, "it is no list of what is allowed", "Write allowlist.")
        for place, line in enumerate(lines[2:], 3):
            if not line:
                continue
            if not line.isdigit():
                self.refuse(place, "%r is no number" % line, "Version 1 has numbers; use 2.")
            self._rules[self._machine].append(seccomp.Rule(int(line), seccomp.ALLOW, ()))
        del self._rules[seccomp.COMPAT[self._machine]]  # whose numbers these are not
        return seccomp.profile(self._rules, seccomp.KILL, self._machine)

    def version_2(self, lines: list[str]) -> bytes:
        words = (lines[1:2] or [""])[0].split()
        if not words or words[0] not in (*_ALLOWING, *_DENYING):
            self.refuse(2, "it says neither allowlist nor denylist", "Write one of the two.")
        denying = words[0] in _DENYING
        otherwise = (self._action(2, words[1:]) if words[1:]
                     else seccomp.ALLOW if denying else seccomp.KILL)
        action = seccomp.KILL if denying else seccomp.ALLOW
        mine: tuple[str, ...] = self._abis
        for place, line in enumerate(lines[2:], 3):
            if line.startswith("["):
                section = line.strip("[]").lower()
                mine = tuple(abi for abi in self._abis
                             if section == "all" or section in _SECTIONS[abi])
            elif line and mine:
                self._rule(place, line, action, mine)
        return seccomp.profile(self._rules, otherwise, self._machine)

    def _rule(self, place: int, line: str, action: int, abis: tuple[str, ...]) -> None:
        if line == "reject_force_umount":
            for abi in abis:
                self._rules[abi].append(seccomp.Rule(
                    self._numbers[abi]["umount2"], seccomp.ERRNO | _EACCES,
                    ((1, "SCMP_CMP_MASKED_EQ", _MNT_FORCE, _MNT_FORCE),)))
            return
        rest, _bracket, compared = line.partition("[")
        words = rest.split()
        if words[1:]:
            action = self._action(place, words[1:])
        name = words[0] if words else ""
        arguments = tuple(self._argument(place, part)
                          for part in compared.split("[") if part.strip(" ],"))
        known = False
        for abi in abis:
            number = self._numbers[abi].get(name)
            if number is not None:
                self._rules[abi].append(seccomp.Rule(number, action, arguments))
            known |= number is not None
            if abi == "i386" and not arguments:  # which are behind a pointer there
                self._multiplexed(name, action)
        # Some calls are there on one kind of machine only.
        if not known and not any(name in syscall_numbers.numbers(machine)
                                 for machine in seccomp.ARCHITECTURES):
            self.refuse(place, "there is no system call %r" % name,
                        "Names are those of syscalls(2).")

    def _multiplexed(self, name: str, action: int) -> None:
        for one, calls in syscall_numbers.MULTIPLEXED.items():
            if name in calls:
                self._rules["i386"].append(seccomp.Rule(
                    self._numbers["i386"][one], action,
                    ((0, "SCMP_CMP_MASKED_EQ", calls[name], 0xFFFF),)))

    def _argument(self, place: int, text: str) -> tuple[int, str, int, int]:
        """``index,value,operator[,mask]``, where LXC's masked operator has its mask last."""
        fields = [field.strip() for field in text.strip(" ],").split(",")]
        try:
            index, value = int(fields[0], 0), int(fields[1], 0)
            mask = int(fields[3], 0) if len(fields) > 3 else 0
            if fields[2] not in _OPERATORS or not 0 <= index <= 5 \
                    or not 0 <= max(value, mask) < 1 << 64:
                raise ValueError(text)
        except (IndexError, ValueError):
            self.refuse(place, "%r compares no argument" % text.strip(" ],"),
                        "Write [index,value,operator] with one of %s." % ", ".join(_OPERATORS))
        return index, fields[2], value, mask

    def _action(self, place: int, words: list[str]) -> int:
        known = {"allow": seccomp.ALLOW, "kill": seccomp.KILL, "trap": seccomp.TRAP,
                 "log": seccomp.LOG}
        if words[0] in known and len(words) == 1:
            return known[words[0]]
        if words[0] == "errno" and len(words) == 2 and words[1].isdigit() \
                and int(words[1]) < 4096:
            return seccomp.ERRNO | int(words[1])
        self.refuse(place, "%r is no action" % " ".join(words),
                    "Actions are: allow, kill, trap, log, errno NUMBER. Nobody listens for notify.")
