# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces that exist only as file descriptors, so that nothing can be left behind."""
from __future__ import annotations

import contextlib
import os
import socket
import typing as t

from ansible_collections.fleet.lxc.plugins.module_utils._kernel import syscalls

NET = syscalls.CLONE_NEWNET


def here() -> int:
    """A descriptor of the network namespace of this thread."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def inside(namespace: int) -> t.Iterator[None]:
    """Run the block in a namespace."""
    home = here()
    try:
        syscalls.setns(namespace, NET)
        try:
            yield
        finally:
            syscalls.setns(home, NET)
    finally:
        os.close(home)


@contextlib.contextmanager
def new_namespace() -> t.Iterator[int]:
    """A descriptor of a new namespace, which ends with the block."""
    home = here()
    try:
        syscalls.unshare(NET)
        try:
            made = here()
            # Of a machine that forwards, a new namespace would, too.
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                file.write("0")
        finally:
            syscalls.setns(home, NET)
    finally:
        os.close(home)
    try:
        yield made
    finally:
        os.close(made)


def new_sandbox() -> t.Iterator[None]:
    """For a fixture: the test itself runs in a new namespace."""
    with new_namespace() as namespace, inside(namespace):
        yield


def udp(namespace: int, address: str, port: int = 0) -> socket.socket:
    """A UDP socket of a namespace, bound to an address of it."""
    with inside(namespace):
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                               socket.SOCK_DGRAM)
        opened.settimeout(10)
        opened.bind((address, port))
        return opened
