# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container may do, has and sees when its definition says nothing of it."""
from __future__ import annotations

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Optional

    Numbers = tuple[Optional[int], Optional[int], Optional[int], Optional[int]]

# Docker's set, which much software was tried with, with two differences:
#  - no mknod: the runtime binds the nodes that are allowed, and a user namespace can't use it;
#  - sys_boot, so that a system container can reboot and power off: reboot(2) in a PID namespace of
#    its own ends only that. kexec, which asks for the same, is refused by SYSCALLS_REFUSED.
# net_admin is not among them, although links, addresses and routes are there before init starts:
# it opens nftables and traffic control to the container's root, the part of the kernel where most
# ways out of user namespaces were found, and in a privileged container without 'networks' it would
# be over the host's network. DHCP clients and firewalls inside need 'cap_add: [net_admin]'.
DEFAULT_CAPABILITIES = (
    "audit_write", "chown", "dac_override", "fowner", "fsetid", "kill", "net_bind_service",
    "net_raw", "setfcap", "setgid", "setpcap", "setuid", "sys_boot", "sys_chroot",
)

# Paths that tell of the host or steer it and have no namespace: runc's and Docker's lists. What
# this kernel does not have is left out.
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
    "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# Kernel admin-guide/devices. With m, since a node of what may be opened anyway gives nothing more.
DEFAULT_DEVICES = (
    "c 1:3 rwm",    # null
    "c 1:5 rwm",    # zero
    "c 1:7 rwm",    # full
    "c 1:8 rwm",    # random
    "c 1:9 rwm",    # urandom
    "c 5:0 rwm",    # tty
    "c 5:1 rwm",    # console
    "c 5:2 rwm",    # ptmx
    "c 136:* rwm",  # pts/*
)
# What is bound from the host's /dev; console, ptmx and pts are the container's own.
DEVICE_NODES = ("null", "zero", "full", "random", "urandom", "tty")

# The newest system call of Linux 6.18, file_setattr(); of later ones nobody has judged yet whether
# a container may use them. The number is the same on all machines.
NEWEST_SYSCALL = 469

# Name -> (x86_64, aarch64, i386, arm), None where there is no such call: the kernel's
# arch/x86/entry/syscalls/syscall_64.tbl and scripts/syscall.tbl (include/uapi/asm-generic/unistd.h
# before 6.11), syscall_32.tbl and arch/arm/tools/syscall.tbl. Each is the host's business, was a
# way out of containers more than once, or is gone from the kernel. Calls that a capability guards
# well (mount, setns, fanotify_init, vhangup ...) are not refused: nested containers and system
# containers need them.
SYSCALLS_REFUSED: dict[str, Numbers] = {
    # another kernel, code in this one
    "bpf": (321, 280, 357, 386),
    "create_module": (174, None, 127, None),
    "delete_module": (176, 106, 129, 129),
    "finit_module": (313, 273, 350, 379),
    "get_kernel_syms": (177, None, 130, None),
    "init_module": (175, 105, 128, 128),
    "kexec_file_load": (320, 294, None, 401),
    "kexec_load": (246, 104, 283, 347),
    "query_module": (178, None, 167, None),
    # any file of the file system, by its inode: the way out of 2014 ("shocker")
    "open_by_handle_at": (304, 265, 342, 371),
    # the kernel's keyrings, which no namespace holds apart
    "add_key": (248, 217, 286, 309),
    "keyctl": (250, 219, 288, 311),
    "request_key": (249, 218, 287, 310),
    # large and young, or a help to win races in the kernel
    "io_uring_enter": (426, 426, 426, 426),
    "io_uring_register": (427, 427, 427, 427),
    "io_uring_setup": (425, 425, 425, 425),
    "perf_event_open": (298, 241, 336, 364),
    "userfaultfd": (323, 282, 374, 388),
    # the host's clock, which no namespace holds apart
    "adjtimex": (159, 171, 124, 124),
    "clock_adjtime": (305, 266, 343, 372),
    "clock_adjtime64": (None, None, 405, 405),
    "clock_settime": (227, 112, 264, 262),
    "clock_settime64": (None, None, 404, 404),
    "settimeofday": (164, 170, 79, 79),
    "stime": (None, None, 25, None),
    # the host's accounting, quotas, swap and ports
    "acct": (163, 89, 51, 51),
    "ioperm": (173, None, 101, None),
    "iopl": (172, None, 110, None),
    "lookup_dcookie": (212, 18, 253, 249),
    "quotactl": (179, 60, 131, 131),
    "quotactl_fd": (443, 443, 443, 443),
    "swapoff": (168, 225, 115, 115),
    "swapon": (167, 224, 87, 87),
    # obsolete
    "_sysctl": (156, None, 149, 149),
    "nfsservctl": (180, 42, 169, 169),
    "sysfs": (139, None, 135, 135),
    "uselib": (134, None, 86, 86),
    "ustat": (136, None, 62, 62),
    "vm86": (None, None, 166, None),
    "vm86old": (None, None, 113, None),
}


def refused_numbers(machine: str) -> list[int]:
    """The numbers of SYSCALLS_REFUSED on x86_64, aarch64, i386 or arm."""
    place = {"x86_64": 0, "aarch64": 1, "i386": 2, "arm": 3}[machine]
    numbers = [row[place] for row in SYSCALLS_REFUSED.values()]
    return sorted(number for number in numbers if number is not None)
