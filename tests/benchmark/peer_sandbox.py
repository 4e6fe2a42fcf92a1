# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bubblewrap and systemd-nspawn, which run in the foreground: a program that ends at once, from
start to exit. For information; what they set up is less (bubblewrap has no control groups and no
id range) or more (systemd-nspawn)."""
from __future__ import annotations

import shutil

import workload
from measure import shell_loop

_COMMANDS = {
    "bubblewrap": "bwrap --unshare-all --hostname \"$n\" --bind {rootfs} / --proc /proc --dev /dev "
                  "--die-with-parent /bin/busybox true",
    # The id range is the same for all: only one of them is there at a time.
    "systemd-nspawn": "systemd-nspawn -q -D {rootfs} --register=no --keep-unit --private-network "
                      "--private-users={first}:{count} --private-users-ownership=map "
                      "--timezone=off --resolv-conf=off --link-journal=no --console=pipe "
                      "-M \"$n\" /bin/busybox true",
}


class Sandbox:
    def __init__(self, load: workload.Workload, tool: str) -> None:
        self.name = tool + ", run to exit"
        # Its own copy: systemd-nspawn fills in what it misses of a system.
        self._rootfs = load.folder / ("rootfs-" + tool)
        self._source = load.rootfs
        self._command = _COMMANDS[tool].format(
            rootfs=self._rootfs, first=workload.FIRST_ID, count=workload.ID_COUNT)

    def prepare(self, names: list[str]) -> None:
        shutil.copytree(self._source, self._rootfs)

    def start(self, names: list[str]) -> float:
        return shell_loop(self._command, names)

    def stop(self, names: list[str]) -> None:
        """They have ended by themselves."""

    def remove(self, names: list[str]) -> None:
        shutil.rmtree(self._rootfs, ignore_errors=True)
