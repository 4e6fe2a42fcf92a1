# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of many hosts, which are containers themselves and are reached by SSH.

A host is light: the machine's own /usr, sshd, and a folder for what it keeps of containers. The
ten share this machine's processors, so what forks bring is bounded by how many there are.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time
import typing as t

import connections
import ours
import tasks
import workload
from measure import BenchError, Row, run, wait_until

HOSTS, EACH = 10, 10
FORKS = (1, 5, 10)
_CONFIG = """\
plugin: fleet.lxc.lxc
hosts: [all]
hostname: lxc_name ~ '.' ~ lxc_host
"""
_SSHD = connections.SSHD + "PidFile none\n"


def inventory(load: workload.Workload, rounds: int) -> list[Row]:
    """Milliseconds until all containers are known, and until all hosts have answered a ping."""
    with _bed(load) as bed:
        bed.play("create", HOSTS, HOSTS)
        config = load.folder / "containers.lxc.yml"
        config.write_text(_CONFIG)
        arguments = ["-i", str(bed.inventory)]
        times: dict[str, list[float]] = {"ours": [], "ping": []}
        for number in range(1 + rounds):
            for name in ("ours", "ping") if number % 2 else ("ping", "ours"):
                began = time.perf_counter()
                if name == "ours":
                    said = bed.ansible("ansible-inventory", HOSTS, *arguments, "-i", str(config),
                                       "--list", "--limit", "lxc_running")
                else:
                    said = bed.ansible("ansible", HOSTS, *arguments, "all", "-m",
                                       "ansible.builtin.ping")
                times[name].append(1000 * (time.perf_counter() - began))
                _check_answers(name, said)
    return [Row("inventory", *(statistics.median(times[name][1:]) for name in ("ours", "ping")),
                "ansible.builtin.ping, all hosts", "ms")]


def bring_up(load: workload.Workload, rounds: int) -> list[Row]:
    """Milliseconds of the task that makes and starts all containers, by the number of forks; the
    peer is as many times the same task for one host alone."""
    variants = [(HOSTS, forks) for forks in FORKS] + [(1, 1)]
    times: dict[tuple[int, int], list[float]] = {variant: [] for variant in variants}
    with _bed(load) as bed:
        for number in range(1 + min(rounds, 2)):
            for hosts, forks in variants if number % 2 else reversed(variants):
                seconds = bed.play("create", hosts, forks)
                bed.play("remove", hosts, HOSTS)
                if number:
                    times[hosts, forks].append(1000 * seconds)
    middle = {variant: statistics.median(values) for variant, values in times.items()}
    return [Row("fleet-%d" % forks, middle[HOSTS, forks], HOSTS * middle[1, 1],
                "%d times one host" % HOSTS, "ms") for forks in FORKS]


class _Bed:
    """The hosts, once they run: ``host0`` and so on."""

    def __init__(self, load: workload.Workload, hosts: dict[str, t.Any]) -> None:
        self._load = load
        self.hosts = hosts
        self.inventory = load.folder / "fleet.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": hosts}}))

    def ansible(self, program: str, forks: int, *arguments: str) -> str:
        """:raises BenchError: with what it has said, when it failed"""
        done = subprocess.run(
            [str(tasks.own() / program), *arguments], check=False, text=True, capture_output=True,
            env={**os.environ, **tasks.environment(self._load), "ANSIBLE_FORKS": str(forks),
                 "ANSIBLE_PIPELINING": "1"})
        if done.returncode:
            raise BenchError("%s ended with %d:\n%s" % (
                program, done.returncode, (done.stdout + done.stderr)[-2000:]))
        return done.stdout

    def play(self, what: str, hosts: int, forks: int) -> float:
        """``create`` or ``remove`` the containers of the first hosts; seconds of that task."""
        listed: list[dict[str, t.Any]] = []
        for name in workload.names(EACH):
            listed.append({"name": name} if what == "remove" else {
                "name": name, "rootfs": "/var/lib/fleet-lxc/rootfs", "hostname": name,
                "networks": [{"type": "empty"}], "command": workload.COMMAND})
        task = {"name": what, "fleet.lxc.lxc_container": {
            "containers": listed, "state": "started" if what == "create" else "absent"}}
        lines = tasks.lines(
            self._load, tasks.own(),
            # SSH's connections, before the clock runs.
            [{"hosts": list(self.hosts)[:hosts], "gather_facts": False,
              "tasks": [{"name": "ping", "ansible.builtin.ping": {}}, task]}],
            self.hosts, {"ANSIBLE_PIPELINING": "1", "ANSIBLE_FORKS": str(forks)})
        found = [line["seconds"] for line in lines if line["task"] == what]
        if len(found) != hosts:
            raise BenchError("task '%s': %d of %d hosts" % (what, len(found), hosts))
        return max(found)


def _check_answers(name: str, said: str) -> None:
    count = len(json.loads(said)["lxc_containers"]["hosts"]) if name == "ours" \
        else said.count('"ping": "pong"')
    if count != (HOSTS * EACH if name == "ours" else HOSTS):
        raise BenchError("%s: %d answers" % (name, count))


@contextlib.contextmanager
def _bed(load: workload.Workload) -> t.Iterator[_Bed]:
    """Hosts that answer SSH; removed at the end with all that is on them."""
    names = ["flxcbench%d" % (1000 + number) for number in range(HOSTS)]
    folder = load.folder / "fleet"
    folder.mkdir()
    key = folder / "user"
    machines = ours.Ours(load)
    try:
        rootfs = _rootfs(load, folder)
        for name in names:
            data = folder / name
            data.mkdir(mode=0o755)
            shutil.copytree(load.rootfs, data / "rootfs", symlinks=True)
            machines.define(name, _host(name, rootfs, data))
        outcomes = ours.part("lifecycle").start(names)
        for name, outcome in outcomes.items():
            if isinstance(outcome, Exception):
                raise BenchError("%s: %s" % (name, outcome))
        arguments = ["-o", "ControlMaster=auto", "-o", "ControlPersist=60s",
                     "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
                     "-o", "UserKnownHostsFile=%s" % (folder / "known_hosts")]
        hosts = {tasks.host_name(number): {
            "ansible_host": workload.address(name).split("/")[0], "ansible_user": "root",
            "ansible_ssh_private_key_file": str(key), "ansible_ssh_args": " ".join(arguments),
            # A path of a socket is short.
            "ansible_control_path_dir": str(folder / "c"),
            "ansible_python_interpreter": tasks.INTERPRETER,
        } for number, name in enumerate(names)}
        bed = _Bed(load, hosts)
        for variables in hosts.values():
            address = variables["ansible_host"]
            wait_until("%s answers SSH" % address, lambda address=address: not subprocess.run(
                ["ssh", *arguments[4:], "-i", str(key), "root@" + address, "true"],
                check=False, capture_output=True).returncode)
        bed.ansible("ansible", HOSTS, "-i", str(bed.inventory), "all", "-m",
                    "fleet.lxc.lxc_container_info")
        yield bed
    finally:
        for socket in (folder / "c").glob("*"):
            subprocess.run(["ssh", "-O", "exit", "-o", "ControlPath=%s" % socket, "bench.invalid"],
                           check=False, capture_output=True)
        machines.stop([name for name in names if ours.part("store").read_definition(name)])
        machines.remove(names)
        shutil.rmtree(folder)


def _host(name: str, rootfs: pathlib.Path, data: pathlib.Path) -> dict[str, t.Any]:
    """Options of lxc_container: with the rights that a container with containers needs."""
    return {
        "rootfs": str(rootfs), "hostname": name, "privileged": True, "nesting": True,
        "seccomp": "unconfined", "mount_auto": ["proc:rw", "sys:rw", "cgroup:rw"],
        "cap_add": ["net_admin", "sys_admin", "sys_ptrace", "sys_resource"], "devices": ["a"],
        "init": True,
        "command": ["/bin/sh", "-c", "mkdir /run/sshd; exec /usr/sbin/sshd -D -f /etc/sshd_config"],
        "networks": [{"type": "veth", "link": workload.BRIDGE, "name": "eth0",
                      "addresses": [workload.address(name)]}],
        "mounts": [{"source": "/usr", "target": "/usr", "read_only": True},
                   {"type": "tmpfs", "target": "/run", "create": "dir"},
                   {"type": "tmpfs", "target": "/tmp", "create": "dir"},
                   {"type": "bind", "source": str(data), "target": "/var/lib/fleet-lxc"}]}


def _rootfs(load: workload.Workload, folder: pathlib.Path) -> pathlib.Path:
    """What all hosts share: the common one, with sshd, and with what Python needs."""
    path = connections.rootfs(load, folder / "rootfs")
    (path / "var" / "lib" / "fleet-lxc").mkdir(parents=True)
    for kind in ("host", "user"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / kind)])
    shutil.copy(folder / "host", path / "etc" / "host")
    shutil.copy(folder / "user.pub", path / "etc" / "user.pub")
    (path / "etc" / "sshd_config").write_text(_SSHD % {"folder": "/etc"})
    (path / "etc" / "passwd").write_text(
        "root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n")
    (path / "etc" / "group").write_text("root:x:0:\nnogroup:x:65534:\n")
    return path
