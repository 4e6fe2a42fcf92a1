# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of defaults: right numbers, and names that the kernel's side knows."""
from __future__ import annotations

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import defaults
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import (
    capabilities,
    device_filter,
    syscall_numbers,
)

# From the manual pages and strace's tables, not from the file under test.
KNOWN = [
    ("kexec_load", 246, 104), ("init_module", 175, 105), ("finit_module", 313, 273),
    ("bpf", 321, 280), ("open_by_handle_at", 304, 265), ("perf_event_open", 298, 241),
    ("keyctl", 250, 219), ("clock_settime", 227, 112), ("swapon", 167, 224),
    ("io_uring_setup", 425, 425), ("iopl", 172, None), ("userfaultfd", 323, 282),
]
# What programs can't live without: read, write, openat, mmap, clone, execve, exit_group, mount,
# umount2, setns, clone3, clock_gettime, adjacent to calls that are refused.
NEEDED = {
    "x86_64": (0, 1, 257, 9, 56, 59, 231, 165, 166, 308, 435, 228),
    "aarch64": (63, 64, 56, 222, 220, 221, 94, 40, 39, 268, 435, 113),
    # and socketcall, ipc, stat64 and clock_gettime64 of i386
    "i386": (3, 4, 295, 192, 120, 11, 252, 21, 52, 346, 435, 265, 102, 117, 195, 403),
    "arm": (3, 4, 322, 192, 120, 11, 248, 21, 52, 375, 435, 263, 195, 403),
}


@pytest.mark.parametrize("name, x86_64, aarch64", KNOWN)
def test_known_numbers(name: str, x86_64: int, aarch64: int | None) -> None:
    assert defaults.SYSCALLS_REFUSED[name][:2] == (x86_64, aarch64)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "i386", "arm"])
def test_each_number_is_refused_once_and_known_to_the_filter(machine: str) -> None:
    numbers = defaults.refused_numbers(machine)
    assert len(numbers) == len(set(numbers)) > 25
    assert max(numbers) < defaults.NEWEST_SYSCALL


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "i386", "arm"])
def test_what_programs_need_is_not_refused(machine: str) -> None:
    assert not set(NEEDED[machine]) & set(defaults.refused_numbers(machine))


def test_numbers_from_424_on_are_the_same_on_all_machines() -> None:
    for name, row in defaults.SYSCALLS_REFUSED.items():
        if max(number or 0 for number in row) >= 424:
            assert len(set(row)) == 1, name


def test_the_clock_can_be_set_by_none_of_the_calls_of_32_bits() -> None:
    names = {"settimeofday", "clock_settime", "clock_settime64", "clock_adjtime",
             "clock_adjtime64", "adjtimex", "stime"}
    for machine in ("i386", "arm"):
        known = syscall_numbers.numbers(machine)
        assert {known[name] for name in names & set(known)} \
            <= set(defaults.refused_numbers(machine))


def test_capabilities_are_known_and_the_dangerous_ones_absent() -> None:
    assert capabilities.mask(list(defaults.DEFAULT_CAPABILITIES))
    assert list(defaults.DEFAULT_CAPABILITIES) == sorted(set(defaults.DEFAULT_CAPABILITIES))
    for name in ("sys_admin", "sys_module", "sys_ptrace", "mknod", "net_admin", "sys_rawio",
                 "dac_read_search", "syslog", "bpf", "sys_time", "mac_admin"):
        assert name not in defaults.DEFAULT_CAPABILITIES


def test_devices_are_rules_of_single_devices() -> None:
    rules = [device_filter.parse_rule(text) for text in defaults.DEFAULT_DEVICES]
    assert {(major, minor) for _kind, major, minor, _access in rules} == {
        (1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None)}
    assert {kind for kind, _major, _minor, _access in rules} == {"c"}


def test_no_path_is_both_masked_and_read_only_or_under_a_masked_one() -> None:
    for path in defaults.MASKED + defaults.READ_ONLY:
        assert path.startswith(("/proc/", "/sys/"))
        assert not any(path.startswith(other + "/") for other in defaults.MASKED)
    assert not set(defaults.MASKED) & set(defaults.READ_ONLY)
    assert "/proc/kcore" in defaults.MASKED and "/proc/sys" in defaults.READ_ONLY
