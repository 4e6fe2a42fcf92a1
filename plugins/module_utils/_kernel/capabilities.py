# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities by name: capabilities(7), linux/capability.h."""
from __future__ import annotations

from . import syscalls
from .errors import LxcError

# In the order of their numbers.
NAMES = (
    "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
    "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
    "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
    "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
    "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
    "wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
)


def number(name: str) -> int:
    """CAP_CHOWN, cap_chown or chown.

    :raises LxcError: for an unknown name
    """
    plain = name.lower()
    plain = plain[4:] if plain.startswith("cap_") else plain
    if plain not in NAMES:
        raise LxcError("look up the capability", repr(name), detail="there is none of that name",
                       hint="The names are those of capabilities(7), with or without 'CAP_'.")
    return NAMES.index(plain)


def mask(names: list[str]) -> int:
    """The names as a bit mask.

    :raises LxcError: for an unknown name
    """
    bits = 0
    for name in names:
        bits |= 1 << number(name)
    return bits


def limit_bounding_set(keep: int) -> None:
    """Drop everything that is not in the mask ``keep``, also what this file has no name for."""
    syscalls.drop_bounding_set([bit for bit in range(64) if not keep >> bit & 1])


def limit(keep: int) -> None:
    """Keep, of what this process has, only the mask ``keep``; nothing stays inheritable."""
    _effective, permitted, _inheritable = syscalls.capget()
    syscalls.capset(permitted & keep, permitted & keep, 0)
