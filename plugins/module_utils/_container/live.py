# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A changed definition and the container that runs with the old one: what can be changed at once.

The plan in the container's folder of /run has the definition that it runs with; each option that
has been changed live is changed there as well. So what waits for a restart is one comparison.
"""
from __future__ import annotations

import errno
import os
import resource
from collections import namedtuple

from .._kernel import syscalls
from .._kernel.errors import LxcError
from . import (
    cgroup_live,
    cgroup_values,
    device_live,
    inside,
    mount_live,
    network_live,
    observe,
    plan,
    spec,
    store,
)

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple, Optional

    from .host import Host

    class Step(NamedTuple):
        """One change: of which option, what it does in words, and how."""

        option: str
        text: str
        run: Callable[[], None]

    Steps = Optional[list[Step]]  # None: not without a restart
else:
    Step = namedtuple("Step", "option text run")

_PASSES = 10  # over the processes of a container, which may fork meanwhile


class Live:
    """What can be done about the differences between a definition and what runs.

    :param launched: what observe.started_with() returned
    :param recorded: its state
    """

    def __init__(self, launched: dict[str, Any], wanted: dict[str, Any],
                 recorded: dict[str, Any], facts: Host) -> None:
        self.name: str = wanted["name"]
        self._launched, self._wanted, self._recorded = launched, wanted, recorded
        self.groups = cgroup_live.Groups(self.name, recorded, facts)
        self._facts = facts
        self.steps: list[Step] = []
        self.waiting: list[str] = []   # options that hold from the next start on
        self.warnings: list[str] = []
        self._done: list[str] = []     # options without anything left to do
        self._namespaces: inside.Namespaces | None = None
        changed = spec.changes(launched["definition"], wanted)
        for option in spec.not_stored(changed):
            old, new = changed[option]
            steps = _PLANNERS[option](self, old, new) if option in _PLANNERS else None
            if steps is None:
                self.waiting.append(option)
            else:
                self.steps += steps
                self._done.append(option)

    def apply(self) -> None:
        """Carry the steps out; the container's lock is held.

        :raises LxcError: the first that fails; those of other options are done all the same
        """
        problem = None
        try:
            for option in self._done:
                try:
                    for step in self.steps:
                        if step.option == option:
                            step.run()
                except LxcError as error:
                    problem = problem or error
                    continue
                self._now(option, self._wanted[option])
        finally:
            if self._namespaces is not None:
                self._namespaces.close()
        if problem:
            raise problem

    def _keep(self) -> None:
        store.write_json(store.run_folder(self.name) + "/plan.json", self._launched)

    def _inside(self) -> inside.Namespaces:
        if self._namespaces is None:
            self._namespaces = inside.Namespaces(self.name, self._recorded)
        return self._namespaces

    # One for each option: the steps from the old value to the new one.

    def _cgroup(self, old: dict[str, str], new: dict[str, str]) -> Steps:
        values = dict(new)
        for key in old:
            if not any(cgroup_values.same_name(key, other) for other in new):
                default = cgroup_live.default_of(key, self._facts)
                if default is None:
                    return None
                values[key] = default
        writes, warnings = self.groups.plan(values)
        self.warnings += warnings
        return [Step("cgroup", "set %s to %s" % (write.path.rpartition("/")[2], write.value),
                     lambda w=write: self.groups.apply([w]))  # type: ignore[misc]
                for write in writes]

    def _devices(self, _old: list[str], new: list[str]) -> Steps:
        before = device_live.current(self.name)
        if before == new:
            return []

        def run() -> None:
            device_live.apply(self.groups, before, new)
            self._launched["cgroups"]["device_rules"] = new
        return [Step("devices", "%s devices: %s" % (
            "allow" if len(new) > len(before) else "change", ", ".join(new) or "none"), run)]

    def _mounts(self, old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Steps:
        gone = [mount for mount in old if mount not in new]
        kept = [mount for mount in old if mount in new]
        added = [mount for mount in new if mount not in old]
        attached = self._launched.setdefault("attached", {})
        for mount in gone + added:
            if not self._can_reach(mount):
                return None
        for mount in gone:  # those of the start are locked in a user namespace
            if str(mount["target"]) not in attached and (
                    self._launched["ids"] or mount["type"] != "bind"
                    or not os.path.exists(mount["source"])):  # and told by what they show
                return None
            if any(_below(other["target"], mount["target"]) for other in kept):
                return None
        for mount in added:
            if any(_below(other["target"], mount["target"]) for other in kept):
                return None  # it would hide that one
        steps = [Step("mounts", "unmount %s" % mount["target"],
                      lambda m=mount: self._detach(m))  # type: ignore[misc]
                 for mount in reversed(gone)]
        return steps + [Step("mounts", "mount %s on %s" % (mount["source"], mount["target"]),
                             lambda m=mount: self._attach(m))  # type: ignore[misc]
                        for mount in added]

    def _can_reach(self, mount: dict[str, Any]) -> bool:
        """Whether it can be mounted from the outside, without what only init has seen."""
        if plan.is_staged(mount):
            return "relative" not in mount["options"]
        # A device: /dev is a file system of the container's own, in which there is a place for it.
        return (mount["type"] == "bind" and _below(mount["target"], "/dev")
                and bool(self._launched["definition"].get("autodev", True)))

    def _attach(self, mount: dict[str, Any]) -> None:
        number = mount_live.attach(self._inside(), plan.mount_of(mount), self._launched)
        self._launched["attached"][mount["target"]] = number
        self._now("mounts", [*self._launched["definition"]["mounts"], mount])

    def _detach(self, mount: dict[str, Any]) -> None:
        number = self._launched["attached"].pop(mount["target"], 0)
        mount_live.detach(self._inside(), mount, number)
        self._now("mounts", [m for m in self._launched["definition"]["mounts"] if m != mount])

    def _now(self, option: str, value: Any) -> None:
        """Keep what holds by now: a later step may fail."""
        self._launched["definition"][option] = value
        self._keep()

    def _rlimits(self, old: dict[str, list[int]], new: dict[str, list[int]]) -> Steps:
        if set(old) - set(new):
            return None  # what the host's was at the start is not known
        changed = {name: pair for name, pair in new.items() if old.get(name) != pair}
        return [Step("rlimits", "limit %s to %s:%s" % (name, *pair),
                     lambda n=name, p=pair: self._limit(n, p))  # type: ignore[misc]
                for name, pair in sorted(changed.items())]

    def _limit(self, name: str, pair: list[int]) -> None:
        """Of every process, since each has its own."""
        done: set[int] = set()
        for _number in range(_PASSES):
            pids = set(observe.container_pids(self._recorded)) - done
            if not pids:
                return
            for pid in pids:
                try:
                    resource.prlimit(pid, getattr(resource, "RLIMIT_" + name.upper()),
                                     (pair[0], pair[1]))
                except ProcessLookupError:
                    pass
                except (OSError, ValueError) as error:
                    raise LxcError("set the limit %s to" % name, "%s:%s" % tuple(pair),
                                   getattr(error, "errno", None) or errno.EINVAL,
                                   "Above the hard limit it needs CAP_SYS_RESOURCE.") from error
            done |= pids

    def _sysctls(self, old: dict[str, str], new: dict[str, str]) -> Steps:
        if set(old) - set(new):
            return None  # what the kernel's own was at the start is not known
        changed = {key: value for key, value in new.items() if old.get(key) != value}
        return [Step("sysctls", "set %s to %s" % (key, value),
                     lambda k=key, v=value: self._sysctl(k, v))  # type: ignore[misc]
                for key, value in sorted(changed.items())]

    def _sysctl(self, key: str, value: str) -> None:
        namespaces = self._inside()

        def work() -> None:
            # /proc/sys shows the namespaces of who opens it, and asks for its root.
            namespaces.enter("net", "ipc")
            namespaces.become_root()
            with open("/proc/sys/" + key.replace(".", "/"), "wb", buffering=0) as stream:
                stream.write(value.encode())
        inside.run("set sysctl %s to" % key, value, work)

    def _hostname(self, old: str | None, new: str | None) -> Steps:
        if old is None or new is None:
            return None  # with it the container has a UTS namespace
        return [Step("hostname", "set the hostname to %s" % new, lambda: self._rename(str(new)))]

    def _rename(self, hostname: str) -> None:
        namespaces = self._inside()

        def work() -> None:
            namespaces.enter("uts")
            syscalls.sethostname(hostname)
        inside.run("set the hostname", hostname, work)

    def _networks(self, old: network_live.Networks, new: network_live.Networks) -> Steps:
        found = network_live.difference(old, new)
        if found is None:
            return None
        gone, changed, added = found
        steps = [Step("networks", "remove link %s" % network["name"],
                      lambda n=network: self._unlink(n))  # type: ignore[misc]
                 for network in gone]
        steps += [Step("networks", "change addresses of %s" % pair[1]["name"],
                       lambda p=pair: self._relink(*p))  # type: ignore[misc]
                  for pair in changed]
        return steps + [Step("networks", "add link %s" % network["name"],
                             lambda n=network: self._link(n))  # type: ignore[misc]
                        for network in added]

    def _links(self) -> list[dict[str, Any]]:
        return [n for n in self._launched["definition"]["networks"] if n["type"] != "empty"]

    def _unlink(self, network: dict[str, Any]) -> None:
        network_live.remove_network(self._launched, network, self._recorded)
        left = [n for n in self._links() if n["name"] != network["name"]]
        self._now("networks", left or [{"type": "empty"}])

    def _relink(self, old: dict[str, Any], new: dict[str, Any]) -> None:
        network_live.change_network(self._launched, old, new, self._recorded,
                                    self._facts.machine_id)
        self._now("networks", [new if n["name"] == new["name"] else n for n in self._links()])

    def _link(self, network: dict[str, Any]) -> None:
        network_live.add_network(self._launched, network, self._recorded,
                                 self._facts.machine_id)
        self._now("networks", [*self._links(), network])


_PLANNERS: dict[str, Callable[[Live, Any, Any], Steps]] = {
    "cgroup": Live._cgroup, "devices": Live._devices, "mounts": Live._mounts,
    "rlimits": Live._rlimits, "sysctls": Live._sysctls, "hostname": Live._hostname,
    "networks": Live._networks,
}


def _below(path: str, folder: str) -> bool:
    return path.startswith(folder + "/")
