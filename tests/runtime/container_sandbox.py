# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real containers on a root file system of busybox alone, all gone when the test ends."""
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
import time
import typing as t

from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    host,
    lifecycle,
    observe,
    spec,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

PREFIX = "fleet-lxc-test-"
TREE = "fleet-lxc"  # in each hierarchy: not taken from the code that is tested
SLEEP = ["/bin/busybox", "sleep", "100000"]
PATIENCE = 60  # seconds; only how long a hanging test takes to fail, also in an emulated machine
# The host's programs, such as Python, for what busybox can't do.
USR = {"source": "/usr", "target": "/usr", "read_only": True}


def wait_until(happened: t.Callable[[], t.Any]) -> t.Any:
    """The first true answer."""
    end = time.monotonic() + PATIENCE
    while True:
        answer = happened()
        if answer:
            return answer
        assert time.monotonic() < end, "it did not happen in %d s" % PATIENCE
        time.sleep(0.01)


class Sandbox:
    """A root file system of its own, and the containers that were defined on it."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir="/var/tmp"))
        self.rootfs = self.folder / "rootfs"
        for name in ("proc", "sys", "dev", "tmp", "etc", "bin", "usr", "mnt"):
            (self.rootfs / name).mkdir(parents=True)
        for name in ("lib", "lib64"):
            (self.rootfs / name).symlink_to("usr/" + name)
        (self.rootfs / "tmp").chmod(0o1777)
        shutil.copy("/bin/busybox", self.rootfs / "bin/busybox")
        (self.rootfs / "bin/sh").symlink_to("busybox")
        self.names: list[str] = []

    def close(self) -> None:
        outcomes = lifecycle.destroy(self.names)
        shutil.rmtree(self.folder)
        failed = {n: str(o) for n, o in outcomes.items() if isinstance(o, LxcError)}
        assert not failed

    def define(self, name: str, script: str = "", **options: t.Any) -> str:
        """Store a definition, running a shell script or else sleeping. The whole name."""
        name = PREFIX + name
        options.setdefault("rootfs", str(self.rootfs))
        options.setdefault("command", ["/bin/sh", "-c", script] if script else SLEEP)
        options.setdefault("networks", [{"type": "empty"}])
        options.setdefault("hostname", name)
        with store.HostLock():
            made = spec.make_definition(name, options, None)
            if not made["privileged"] and not made["idmap"]:
                made["idmap"] = host.allocate_ids(
                    [d for d in map(store.read_definition, store.names()) if d])
            store.write_definition(name, made)
        if name not in self.names:
            self.names.append(name)
        return name

    def start(self, name: str) -> dict[str, t.Any]:
        """Start what is defined: its status."""
        outcome = lifecycle.start([name])[name]
        if isinstance(outcome, LxcError):
            raise outcome
        assert outcome["changed"]
        found: dict[str, t.Any] = observe.status(name)
        return found

    def launch(self, name: str, script: str = "", **options: t.Any) -> int:
        """Define and start something that stays. The pid of its init."""
        pid = self.start(self.define(name, script, **options))["pid"]
        assert pid
        return int(pid)

    def run(self, name: str, script: str = "", **options: t.Any) -> str:
        """Define, start, wait for the end. What it wrote to its console."""
        whole = self.define(name, script, **options)
        self.start(whole)
        self.ended(whole)
        return console(whole)

    def refused(self, name: str, script: str = "", **options: t.Any) -> LxcError:
        """Define it and see that it does not start, and leaves nothing. Why."""
        whole = self.define(name, script, **options)
        outcome = lifecycle.start([whole])[whole]
        assert isinstance(outcome, LxcError), outcome
        found = observe.status(whole)
        assert (found["state"], found["pid"], found["monitor_pid"]) == ("STOPPED", 0, 0)
        assert left_in_cgroups(whole) == []
        return outcome

    def ended(self, name: str) -> dict[str, t.Any]:
        """Its status, once its monitor has cleaned up."""
        wait_until(lambda: not store.monitor_is_alive(name)
                   and observe.status(name)["state"] == "STOPPED")
        found: dict[str, t.Any] = observe.status(name)
        return found


def sandbox() -> t.Iterator[Sandbox]:
    """For a fixture."""
    made = Sandbox()
    try:
        yield made
    finally:
        made.close()


def console(name: str) -> str:
    """What a container has written; the terminal ends its lines with CR LF."""
    try:
        text = pathlib.Path(store.folder(name), "console.log").read_text(errors="replace")
    except FileNotFoundError:
        return ""
    return text.replace("\r\n", "\n")


def left_in_cgroups(name: str) -> list[str]:
    """Folders of that name in any hierarchy."""
    tops = ["%s/%s" % (h.path, TREE) for h in host.Host().hierarchies]
    return [path for path in ("%s/%s" % (top, name) for top in tops) if os.path.exists(path)]


def status_lines(pid: int) -> dict[str, str]:
    """/proc/PID/status by its keys."""
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return {key: value.strip() for key, _colon, value in
            (line.partition(":") for line in text.splitlines())}
