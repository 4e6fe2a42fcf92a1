# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network managers' files on this host: what there is, which manager has a NIC, and writing.

``ROOT`` is another folder in tests.
"""
from __future__ import annotations

import glob
import os
import re

from .._kernel.errors import LxcError
from .persist import INTERFACES, Files

ROOT = "/"
_PATTERNS = ("etc/systemd/network/*.net*", "run/systemd/network/*.network", INTERFACES,
             INTERFACES + ".d/*", "etc/NetworkManager/system-connections/*.nmconnection",
             "run/NetworkManager/system-connections/*.nmconnection")


_STOPPED = "run/fleet-lxc/.stopped-%s"


def observe_files() -> Files:
    """Every file that a manager may read, by path without the slash at the beginning."""
    found: Files = {}
    for pattern in _PATTERNS:
        for path in sorted(glob.glob(ROOT + pattern)):
            try:
                with open(path, encoding="utf-8", errors="surrogateescape") as file:
                    found[path[len(ROOT):]] = file.read()
            except OSError:
                continue
    return found


def manager_of(nic: str, index: int, files: Files) -> str:
    """Which manager has the NIC: by what it says while it runs, or by its configuration.

    "" where nothing tells.
    """
    networkd = _read("run/systemd/netif/links/%d" % index)
    if re.search("^ADMIN_STATE=(?!unmanaged)", networkd, re.MULTILINE):
        return "systemd-networkd"
    if re.search("^(managed=(true|1)|connection-uuid=.)", _read(
            "run/NetworkManager/devices/%d" % index), re.MULTILINE):
        return "NetworkManager"
    if any(path.startswith(INTERFACES) and re.search(
            r"^(#fleet-lxc .*# )?iface %s\s" % re.escape(nic), text, re.MULTILINE)
            for path, text in files.items()):
        return "ifupdown"
    return ""


def stopped(bridge: str) -> str:
    """The manager that was stopped for a bridge, and is to be started again; "" for none."""
    return _read(_STOPPED % bridge)


def set_stopped(bridge: str, manager: str) -> None:
    """Write it down, or with "" forget it."""
    os.makedirs(os.path.dirname(ROOT + _STOPPED), 0o700, exist_ok=True)
    write(_STOPPED % bridge, manager or None)


def _read(path: str) -> str:
    try:
        with open(ROOT + path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def write(path: str, text: str | None) -> None:
    """Atomically: a manager never reads half of it. Only root reads a connection's file."""
    full = ROOT + path
    made = "%s/.%s.fleet-lxc-new" % (os.path.dirname(full), os.path.basename(full))
    try:
        if text is None:
            if os.path.lexists(full):
                os.unlink(full)
            return
        os.makedirs(os.path.dirname(full), 0o755, exist_ok=True)
        mode = 0o600 if path.endswith(".nmconnection") else 0o644
        if os.path.exists(full):
            mode = os.stat(full).st_mode & 0o777
        fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
        try:
            os.fchmod(fd, mode)
            os.write(fd, text.encode("utf-8", "surrogateescape"))
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(made, full)
    except OSError as error:
        raise LxcError.from_os("write", full, error, "It must be on a writable file system."
                               ) from error
