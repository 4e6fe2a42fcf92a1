# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel makes links of a kind: tried, since a config says nothing of modules."""
from __future__ import annotations

import errno
import os
import socket

from . import syscalls
from .errors import LxcError
from .netlink import Netlink
from .netlink_links import Links, link_kind

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def try_kinds() -> dict[str, bool]:
    """Whether the kernel makes links of each kind, tried in a namespace that is gone afterwards.

    A kernel with modules loads them for that.

    :raises LxcError: without root rights or pyroute2
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        except OSError as error:
            raise LxcError.from_os("make a network namespace", "", error) from error
        try:
            with Netlink() as netlink:
                found = {"bridge": _makes(netlink.create_bridge, "probe0"),
                         "veth": _makes(netlink.create_veth, "probe1", "probe2")}
            if found["veth"]:
                found.update(_try_on("probe1", "macvlan", "vlan"))
                found.update(_try_on("probe2", "ipvlan"))  # a macvlan's parent can't be its own
            return found
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)


def _try_on(parent: str, *kinds: str) -> dict[str, bool]:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    links = Links()
    try:
        return {kind: _makes(links.create, kind, "p-" + kind, socket.if_nametoindex(parent),
                             parent, link_kind(kind, vlan=1), here) for kind in kinds}
    finally:
        links.close()
        os.close(here)


def _makes(create: Callable[..., None], *names: Any) -> bool:
    try:
        create(*names)
    except LxcError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    return True
