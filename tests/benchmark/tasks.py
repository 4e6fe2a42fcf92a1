# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows that run Ansible: tasks timed one by one in one playbook, ours and the peer's in turn.

Playbooks are written as JSON, which is YAML. Modules run with the distribution's interpreter,
which is the one that sees python3-lxc and python3-pyroute2; everything else is Ansible's default.
"""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import typing as t

import ours
import workload
from measure import BenchError, Row, run
from peer_lxc import Lxc

Task = dict[str, t.Any]
INTERPRETER = "/usr/bin/python3"
VENV = workload.ROOT / ".cache" / "bench-venv"
PINNED = ["ansible==12.3.0", "ansible-core==2.19.14"]


def play(load: workload.Workload, ansible: pathlib.Path, tasks: list[Task]) -> dict[str, float]:
    """Run the tasks on this machine; the median seconds of those with the same name, without its
    first."""
    return _play(load, ansible, [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}],
                 {"localhost": {"ansible_connection": "local",
                                "ansible_python_interpreter": INTERPRETER}}, {})


def host_name(number: int) -> str:
    """In the inventory, of the host with that place among those of play_on."""
    return "host%d" % number


def play_on(load: workload.Workload, ansible: pathlib.Path, repeat: int,
            hosts: dict[str, t.Any]) -> dict[str, float]:
    """A ping with pipelining, so many times in turn on each host, by its variables: the median
    milliseconds by the host's name.
    """
    names = {name: host_name(number) for number, name in enumerate(hosts)}
    plays = [{"hosts": names[name], "gather_facts": False,
              "tasks": [{"name": name, "ansible.builtin.ping": {}}]}
             for number in range(repeat)
             for name in (list(hosts) if number % 2 else reversed(list(hosts)))]
    found = _play(load, ansible, plays, {names[name]: hosts[name] for name in hosts},
                  {"ANSIBLE_PIPELINING": "1"})
    return {name: 1000 * found[name] for name in hosts}


def environment(load: workload.Workload) -> dict[str, str]:
    """Of Ansible's programs: this collection, and nothing that is the user's."""
    return {"ANSIBLE_HOME": str(load.folder / "home"),
            "ANSIBLE_COLLECTIONS_PATH": str(workload.TREE), "ANSIBLE_LOCALHOST_WARNING": "0"}


def lines(load: workload.Workload, ansible: pathlib.Path, plays: list[dict[str, t.Any]],
          hosts: dict[str, t.Any], more: dict[str, str]) -> list[dict[str, t.Any]]:
    """Run the plays, with this beside the environment: what each task said on each host.

    :raises BenchError: when a task failed, or changed nothing although its name says "create",
        or changed something although it says "unchanged"
    """
    playbook, times = load.folder / "playbook.json", load.folder / "times"
    inventory = load.folder / "inventory.json"
    playbook.write_text(json.dumps(plays))
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    times.write_text("")
    run([str(ansible / "ansible-playbook"), "-i", str(inventory), str(playbook)],
        env={**os.environ, **environment(load), "BENCH_TASK_TIMES": str(times),
             "ANSIBLE_CALLBACK_PLUGINS": str(pathlib.Path(__file__).parent / "callback"),
             "ANSIBLE_CALLBACKS_ENABLED": "task_times", **more})
    found = [json.loads(line) for line in times.read_text().splitlines()]
    for line in found:
        name = line["task"]
        if line["failed"] or (name.startswith("create") and not line["changed"]) \
                or (name.startswith("unchanged") and line["changed"]):
            raise BenchError("task '%s': %s" % (name, line))
    return found


def _play(load: workload.Workload, ansible: pathlib.Path, plays: list[dict[str, t.Any]],
          hosts: dict[str, t.Any], more: dict[str, str]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for line in lines(load, ansible, plays, hosts, more):
        found.setdefault(line["task"], []).append(line["seconds"])
    return {name: statistics.median(values[1:] or values) for name, values in found.items()}


def unchanged(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """Containers as they should be, and one ping."""
    names = workload.names(count)
    repeat = 1 + 3 * rounds
    check: list[Task] = []
    absent: list[Task] = []
    if not ours.module_missing():
        check = [_ours("unchanged", load, names, "started")]
        play(load, own(), [_ours("create", load, names, "started")])
        absent = [_ours("remove", load, names, "absent")]
    try:
        times = play(load, own(), repeat * [{"name": "ping", "ansible.builtin.ping": {}}, *check])
    finally:
        if absent:
            play(load, own(), absent)
    return [Row("unchanged-task", _ms(times.get("unchanged")), _ms(times["ping"]),
                "ansible.builtin.ping", "ms")]


def create(load: workload.Workload, count: int, rounds: int) -> list[Row]:
    """Containers created and started: by one task, and by a loop of community.general's module,
    which starts each with a second of sleep of its own."""
    names = workload.names(count)
    community = installed()
    # lxc-create gives the folder to the last container's root, which an idmapped mount of the
    # next one can't express: so no idmapped mount, and a rootfs that nobody else uses.
    # Its containers lie in LXC's own folder: the module looks nowhere else for what it starts,
    # whatever its lxc_path says (get_container_bind).
    lxc = Lxc(load, path=pathlib.Path("/var/lib/lxc"),
              unmapped_rootfs=load.folder / "rootfs-community")
    for name in names:
        if (lxc.path / name).exists():
            raise BenchError("there is a container %s already" % (lxc.path / name))
    shutil.copytree(load.rootfs, load.folder / "rootfs-community")
    for name in names:
        (load.folder / (name + ".conf")).write_text(lxc.config(name))
    tasks: list[Task] = []
    for _round in range(rounds):
        if not ours.module_missing():
            tasks += [_ours("create ours", load, names, "started"),
                      _ours("remove ours", load, names, "absent")]
        tasks += [_community("create peer", load, names, "started"),
                  _community("remove peer", load, names, "absent")]
    try:
        times = play(load, community, tasks)
    finally:
        lxc.stop(names)
        lxc.remove(names)
    return [Row("create-start-task", _ms(times.get("create ours")), _ms(times["create peer"]),
                "loop of community.general.lxc_container", "ms")]


def _ours(task: str, load: workload.Workload, names: list[str], state: str) -> Task:
    containers = [{"name": name} if state == "absent"
                  else {"name": name, **ours.options(load, name, False, False)} for name in names]
    return {"name": task, "fleet.lxc.lxc_container": {"containers": containers, "state": state}}


def _community(task: str, load: workload.Workload, names: list[str], state: str) -> Task:
    return {"name": task, "loop": names, "community.general.lxc_container": {
        "name": "{{ item }}", "template": "none", "state": state,
        "config": "%s/{{ item }}.conf" % load.folder}}


def own() -> pathlib.Path:
    return pathlib.Path(sys.executable).parent


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


def installed() -> pathlib.Path:
    """Where the programs of PyPI's package ansible are."""
    _install()
    return VENV / "bin"


def _install() -> None:
    """PyPI's package ansible, half a gigabyte, in an environment of its own."""
    stamp = VENV / ".stamp"
    if stamp.exists() and stamp.read_text() == " ".join(PINNED):
        return
    print("==> Installing %s into .cache/bench-venv" % PINNED[0], file=sys.stderr, flush=True)
    subprocess.run([INTERPRETER, "-m", "venv", "--clear", str(VENV)], check=True)
    subprocess.run([str(VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check",
                    *PINNED], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stamp.write_text(" ".join(PINNED))
