# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""crun and runc: ``run --detach`` of a bundle with the same namespaces, ids and mounts.

Neither maps the rootfs's ids here (OCI's idmapped mounts came later), and Debian 12's crun refuses
a hybrid host; it gets a mount namespace in which the v2 hierarchy is not mounted, and so does its
work in the v1 hierarchies only. Both favour the peers.
"""
from __future__ import annotations

import json
import pathlib
import shutil
import typing as t

import workload
from measure import BenchError, run, shell_loop

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_MOUNTS: list[tuple[str, str, list[str]]] = [
    ("/proc", "proc", []),
    ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts",
     ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]


class Oci:
    def __init__(self, load: workload.Workload, tool: str) -> None:
        self.name = tool + " run -d"
        self._tool, self._load = tool, load
        self._folder = load.folder / tool
        self._command = "%s --root %s/state" % (tool, self._folder)
        hybrid = pathlib.Path("/sys/fs/cgroup/unified/cgroup.controllers").exists()
        self._before = "umount /sys/fs/cgroup/unified" if tool == "crun" and hybrid else ""

    def prepare(self, names: list[str]) -> None:
        for name in names:
            bundle = self._folder / name
            bundle.mkdir(parents=True, exist_ok=True)
            (bundle / "config.json").write_text(json.dumps(self._config(name)))

    def start(self, names: list[str]) -> float:
        seconds = self._loop('run -d -b "%s/$n" "$n"' % self._folder, names)
        for name in names:
            if not (self._folder / "state" / name).is_dir():
                raise BenchError("%s: %s does not run" % (self._tool, name))
        return seconds

    def stop(self, names: list[str]) -> None:
        there = [name for name in names if (self._folder / "state" / name).is_dir()]
        if there:
            self._loop('delete -f "$n"', there)

    def remove(self, names: list[str]) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _loop(self, arguments: str, names: list[str]) -> float:
        command = "%s %s" % (self._command, arguments)
        if not self._before:
            return shell_loop(command, names)
        script = "%s; for n; do %s || exit 1; done" % (self._before, command)
        return run(["unshare", "--mount", "--propagation", "private",
                    "/bin/dash", "-c", script, "bench", *names])

    def _config(self, name: str) -> dict[str, t.Any]:
        ids = [{"containerID": 0, "hostID": workload.first_id(name), "size": workload.ID_COUNT}]
        kinds = ("pid", "network", "ipc", "uts", "mount", "cgroup", "user")
        sets = ("bounding", "effective", "permitted")
        return {
            "ociVersion": "1.0.0", "hostname": name,
            "root": {"path": str(self._load.rootfs), "readonly": False},
            "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "cwd": "/",
                        "args": workload.COMMAND, "env": ["PATH=/bin"], "noNewPrivileges": True,
                        "capabilities": {kind: _CAPABILITIES for kind in sets}},
            "mounts": [{"destination": target, "type": kind, "source": kind, "options": options}
                       for target, kind, options in _MOUNTS],
            "linux": {"namespaces": [{"type": kind} for kind in kinds],
                      "uidMappings": ids, "gidMappings": ids, "cgroupsPath": "/" + name,
                      "resources": {"devices": [{"allow": False, "access": "rwm"}]}},
        }
