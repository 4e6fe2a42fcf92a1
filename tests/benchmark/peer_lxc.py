# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's own tools. A definition each, as lxc-create would leave it."""
from __future__ import annotations

import pathlib
import shutil

import workload
from measure import BenchError, run, shell_loop, wait_until

_CONFIG = """\
lxc.uts.name = {name}
lxc.rootfs.path = dir:{rootfs}
lxc.init.cmd = {command}
lxc.autodev = 1
lxc.mount.auto = proc:mixed sys:ro
lxc.pty.max = 1024
lxc.apparmor.profile = unconfined
lxc.rootfs.managed = 0
"""
_MAPPED_ROOTFS = "lxc.rootfs.options = idmap=container\n"
_IDS = """\
lxc.idmap = u 0 {first} {count}
lxc.idmap = g 0 {first} {count}
"""
_EMPTY = "lxc.net.0.type = empty\n"
_VETH = """\
lxc.net.0.type = veth
lxc.net.0.link = {bridge}
lxc.net.0.name = eth0
lxc.net.0.flags = up
lxc.net.0.ipv4.address = {address}
lxc.net.0.ipv4.gateway = {gateway}
"""


class Lxc:
    """``lxc-start -d``, one after the other, or several at a time."""

    def __init__(self, load: workload.Workload, *, network: bool = False,
                 privileged: bool = False, at_a_time: int = 1,
                 path: pathlib.Path | None = None,
                 unmapped_rootfs: pathlib.Path | None = None) -> None:
        self.name = "lxc-start -d" if at_a_time == 1 else "lxc-start -d, %d at a time" % at_a_time
        self._load, self._network, self._privileged = load, network, privileged
        self._at_a_time, self._unmapped_rootfs = at_a_time, unmapped_rootfs
        self.path = path or load.folder / "lxc"

    def config(self, name: str) -> str:
        parts = [_CONFIG, _VETH if self._network else _EMPTY]
        if not self._privileged:
            parts.append(_IDS)
        if not self._privileged and not self._unmapped_rootfs:
            parts.append(_MAPPED_ROOTFS)
        return "".join(parts).format(
            name=name, rootfs=self._unmapped_rootfs or self._load.rootfs,
            command=" ".join(workload.COMMAND),
            first=workload.first_id(name), count=workload.ID_COUNT, bridge=workload.BRIDGE,
            address=workload.address(name), gateway=workload.GATEWAY)

    def prepare(self, names: list[str]) -> None:
        for name in names:
            folder = self.path / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config").write_text(self.config(name))

    def start(self, names: list[str]) -> float:
        if self._at_a_time == 1:
            seconds = shell_loop('lxc-start -P %s -d -n "$n"' % self.path, names)
        else:
            seconds = self._xargs("lxc-start -d -P %s -n" % self.path, names)
        self.monitor_pids(names)
        return seconds

    def stop(self, names: list[str]) -> None:
        running = self._running(names)
        if running:
            self._xargs("lxc-stop -k -P %s -n" % self.path, running)
        wait_until("lxc's monitors had ended", lambda: not self._running(names))

    def remove(self, names: list[str]) -> None:
        for name in names:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def monitor_pids(self, names: list[str]) -> list[int]:
        """:raises BenchError: when one of the containers does not run"""
        found = self._monitors()
        missing = [name for name in names if name not in found]
        if missing:
            raise BenchError("lxc: %s does not run" % missing[0])
        return [found[name] for name in names]

    def _running(self, names: list[str]) -> list[str]:
        found = self._monitors()
        return [name for name in names if name in found]

    def _monitors(self) -> dict[str, int]:
        """Monitors title themselves "[lxc monitor] <path> <name>"."""
        title = "[lxc monitor] %s " % self.path
        found = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if line.startswith(title):
                    found[line[len(title):].strip("\0 ")] = int(entry.name)
        return found

    def _xargs(self, command: str, names: list[str]) -> float:
        return run(["xargs", "-P", str(max(self._at_a_time, 4)), "-n", "1", "-a",
                    self._list(names), *command.split()])

    def _list(self, names: list[str]) -> str:
        path = self._load.folder / "names"
        path.write_text("\n".join(names) + "\n")
        return str(path)
