# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the connection plugin: a ping with pipelining in a container, and on its host."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import typing as t

import ours
import tasks
import workload
from measure import BenchError, Row, run
from peer_lxc import Lxc

_USR = "lxc.mount.entry = /usr usr none bind,ro 0 0\n"
SSHD = """\
HostKey %(folder)s/host
AuthorizedKeysFile %(folder)s/user.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
"""


def rows(load: workload.Workload, rounds: int) -> list[Row]:
    """Milliseconds a task, over the local connection and over SSH, and a command of the peer's."""
    name, = workload.names(1)
    containers = ours.Ours(load)
    peer = Lxc(load, path=pathlib.Path("/var/lib/lxc"))  # the plugin knows no other folder
    tree = rootfs(load, load.folder / "rootfs-python")
    separation = _PrivilegeSeparation()
    python = {"ansible_python_interpreter": tasks.INTERPRETER}
    inside = {"ansible_connection": "fleet.lxc.lxc", "ansible_lxc_container": name, **python}
    ssh = {**python, **_ssh(load)}
    try:
        containers.define(name, {**ours.options(load, name, False, False), "rootfs": str(tree),
                                 "mounts": [{"source": "/usr", "target": "/usr",
                                             "read_only": True}]})
        containers.start([name])
        peer.prepare([name])
        config = peer.path / name / "config"
        config.write_text(config.read_text().replace(str(load.rootfs), str(tree)) + _USR)
        peer.start([name])
        try:
            times = tasks.play_on(load, tasks.own(), 1 + 5 * rounds, {
                "local": {"ansible_connection": "local", **python}, "by local": inside,
                "ssh": ssh, "by ssh": {**inside, "ansible_lxc_host": tasks.host_name(2)}})
        finally:
            subprocess.run(["ssh", "-O", "exit", *_ssh_arguments(load), "bench.invalid"],
                           check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        common = {"inventory_hostname": name, "ansible_host": name, "hostvars": {}}
        own = _cost(load, tasks.own(), 10 * rounds, {
            "local": {**common, "ansible_connection": "ansible.builtin.local"},
            "lxc": {**common, "ansible_connection": "fleet.lxc.lxc"}})
        theirs = _cost(load, tasks.installed(), 10 * rounds, {
            "local": {**common, "ansible_connection": "ansible.builtin.local"},
            "lxc": {**common, "ansible_connection": "community.general.lxc"}},
            _bindings(load))
    finally:
        separation.close()
        for one in (containers, peer):
            one.stop([name])
            one.remove([name])
    return [Row("connection", times["by local"], times["local"], "the host's own connection", "ms"),
            Row("connection-ssh", times["by ssh"], times["ssh"], "the host's own connection", "ms"),
            Row("connection-community-lxc", own["lxc"] - own["local"],
                theirs["lxc"] - theirs["local"], "community.general.lxc, what both add", "ms")]


class _PrivilegeSeparation:
    """The folder that sshd needs, which its unit makes: a host without a running one has none."""

    PATH = pathlib.Path("/run/sshd")

    def __init__(self) -> None:
        self._made = not self.PATH.exists()
        self.PATH.mkdir(mode=0o755, exist_ok=True)

    def close(self) -> None:
        if self._made:
            self.PATH.rmdir()


def _cost(load: workload.Workload, ansible: pathlib.Path, repeat: int, hosts: dict[str, t.Any],
          environment: dict[str, str] | None = None) -> dict[str, float]:
    """The median milliseconds of one command over a new connection of each host."""
    done = subprocess.run(
        [str(ansible / "python"), str(pathlib.Path(__file__).parent / "exec_cost.py")],
        input=json.dumps({"repeat": 1 + repeat, "hosts": hosts}), check=False, text=True,
        capture_output=True, env={**os.environ, **(environment or {}),
                                  "ANSIBLE_HOME": str(load.folder / "home"),
                                  "ANSIBLE_COLLECTIONS_PATH": str(workload.TREE)})
    if done.returncode:
        raise BenchError("exec_cost.py ended with %d:\n%s" % (done.returncode, done.stderr[-2000:]))
    return {name: statistics.median(times) for name, times in json.loads(done.stdout).items()}


def _ssh(load: workload.Workload) -> dict[str, str]:
    """Variables of this machine as a host that is reached by SSH: by one connection for all tasks,
    as Ansible does it, whose server is at the other end of a pipe."""
    folder = load.folder / "ssh"
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    (folder / "sshd_config").write_text(SSHD % {"folder": folder})
    return {"ansible_connection": "ssh", "ansible_host": "bench.invalid", "ansible_user": "root",
            "ansible_ssh_private_key_file": str(folder / "user"),
            "ansible_ssh_args": " ".join(map(_quoted, _ssh_arguments(load)))}


def _quoted(word: str) -> str:
    return "'%s'" % word if " " in word else word


def _ssh_arguments(load: workload.Workload) -> list[str]:
    folder = load.folder / "ssh"
    return ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s",
            "-o", "ControlPath=%s/control" % folder, "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=%s/known_hosts" % folder,
            "-o", "ProxyCommand=/usr/sbin/sshd -i -f %s/sshd_config" % folder]


def rootfs(load: workload.Workload, path: pathlib.Path) -> pathlib.Path:
    """The common one, with what Python needs of the host."""
    shutil.copytree(load.rootfs, path)
    for library in ("lib", "lib64"):
        (path / library).symlink_to("usr/" + library)
    (path / "bin" / "sh").symlink_to("busybox")
    return path


def _bindings(load: workload.Workload) -> dict[str, str]:
    """Debian's python3-lxc for a virtual environment that sees no others of Debian's packages."""
    folder = load.folder / "bindings"
    folder.mkdir()
    for path in pathlib.Path("/usr/lib/python3/dist-packages").glob("*lxc*"):
        (folder / path.name).symlink_to(path)
    return {"PYTHONPATH": str(folder)}
