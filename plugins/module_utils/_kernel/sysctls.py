# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel parameters under /proc/sys; those of net are the caller's network namespace's."""
from __future__ import annotations

import os

from .errors import LxcError

IP_FORWARD = "net/ipv4/ip_forward"
IPV6_FORWARD = "net/ipv6/conf/all/forwarding"
BRIDGE_CALLS_IPTABLES = "net/bridge/bridge-nf-call-iptables"  # where br_netfilter is loaded
_ROOT = "/proc/sys/"


def read(key: str) -> str | None:
    """The value of ``net/ipv4/ip_forward`` and the like, None where the kernel has no such key.

    Keys are written with slashes: a link's name may contain dots.
    """
    try:
        with open(_ROOT + key, encoding="utf-8") as file:
            return file.read().strip()
    except OSError:
        return None


def write(key: str, value: str) -> None:
    """Set a value until the next boot.

    :raises LxcError: where the key is missing, or /proc/sys is read-only
    """
    try:
        fd = os.open(_ROOT + key, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise LxcError.from_os("set sysctl %s to" % key.replace("/", "."), value, error,
                               "/proc/sys must be writable and have the key.") from error
