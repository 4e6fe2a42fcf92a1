# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the connection plugin: a ping with pipelining in a container, and on its host."""
from __future__ import annotations

import pathlib
import shutil
import typing as t

import ours
import tasks
import workload
from measure import Row
from peer_lxc import Lxc

_HOST, _OURS, _PEER = "ping on the host", "ping in ours", "ping in the peer's"
_USR = "lxc.mount.entry = /usr usr none bind,ro 0 0\n"


def rows(load: workload.Workload, rounds: int) -> list[Row]:
    """Milliseconds a task, over the local connection."""
    name, = workload.names(1)
    containers = ours.Ours(load)
    peer = Lxc(load, path=pathlib.Path("/var/lib/lxc"))  # the plugin knows no other folder
    rootfs = _rootfs(load)
    try:
        containers.define(name, {**ours.options(load, name, False, False), "rootfs": str(rootfs),
                                 "mounts": [{"source": "/usr", "target": "/usr",
                                             "read_only": True}]})
        containers.start([name])
        peer.prepare([name])
        config = peer.path / name / "config"
        config.write_text(config.read_text().replace(str(load.rootfs), str(rootfs)) + _USR)
        peer.start([name])
        python = {"ansible_python_interpreter": tasks.INTERPRETER}
        repeat = 1 + 5 * rounds
        own = tasks.play_on(load, tasks.own(), repeat, {
            _HOST: {"ansible_connection": "local", **python},
            _OURS: {"ansible_connection": "fleet.lxc.lxc", "ansible_lxc_container": name,
                    **python}})
        theirs = tasks.play_on(load, tasks.installed(), repeat, {
            _HOST: {"ansible_connection": "local", **python},
            _PEER: {"ansible_connection": "community.general.lxc", "ansible_host": name,
                    **python}}, _bindings(load))
    finally:
        for one in (containers, peer):
            one.stop([name])
            one.remove([name])
    mine = own[_OURS]
    # Each over the host's own connection in the same run: what the plugin adds.
    return [Row("connection", mine, own[_HOST], "the host's own connection", "ms"),
            Row("connection-community-lxc", mine - own[_HOST], theirs[_PEER] - theirs[_HOST],
                "community.general.lxc, what both add", "ms")]


def _rootfs(load: workload.Workload) -> pathlib.Path:
    """The common one, with what Python needs of the host."""
    path = load.folder / "rootfs-python"
    shutil.copytree(load.rootfs, path)
    for library in ("lib", "lib64"):
        (path / library).symlink_to("usr/" + library)
    (path / "bin" / "sh").symlink_to("busybox")
    return path


def _bindings(load: workload.Workload) -> dict[str, t.Any]:
    """Debian's python3-lxc for a virtual environment that sees no others of Debian's packages."""
    folder = load.folder / "bindings"
    folder.mkdir()
    for path in pathlib.Path("/usr/lib/python3/dist-packages").glob("*lxc*"):
        (folder / path.name).symlink_to(path)
    return {"PYTHONPATH": str(folder)}
