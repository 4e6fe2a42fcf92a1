# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_cgroup."""
from __future__ import annotations

import errno
import typing as t

from .._container import (
    cgroup_live,
    cgroup_values,
    device_live,
    device_rules,
    host,
    observe,
    store,
)
from .._container.spec import make_definition
from .._kernel.errors import LxcError
from .selection import failure, select, warn_of_unmatched

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str", "required": True},
    "settings": {"type": "dict"},
    "priority": {"type": "int"},
    "devices_allow": {"type": "list", "elements": "str"},
    "devices_deny": {"type": "list", "elements": "str"},
    "read": {"type": "list", "elements": "str"},
    "scope": {"type": "str", "choices": ["running", "definition", "both"], "default": "both"},
}
ONE_OF = [("settings", "priority", "devices_allow", "devices_deny", "read")]
_PRIORITY = "cpu.shares"


class _Wanted(t.NamedTuple):
    """What the task says, checked once for all containers."""

    values: dict[str, str]
    allow: list[str]
    deny: list[str]
    keys: list[str]     # to be reported
    devices: bool       # whether it is about devices
    running: bool
    definition: bool


def handle(request: Request) -> dict[str, t.Any]:
    """Read and set values of containers, and report each by itself."""
    wanted = _wanted(request.params)
    selection = select(request.params["name"])
    warn_of_unmatched(selection, request.warn)
    items = [_Item(name, found) for name, found in selection.containers.items()]
    for item in items:
        item.attempt(lambda i: i.look(wanted))
    if any(item.running or wanted.running and item.status["pid"] for item in items):
        facts = host.Host()
        for item in items:
            item.attempt(lambda i: i.compare_running(wanted, facts))
    if wanted.definition:
        for item in items:
            item.attempt(lambda i: i.compare_definition(wanted))
    for item in items:
        item.before = item.shown(wanted, False)
        if request.check_mode:
            item.after = item.shown(wanted, True)
    if not request.check_mode:
        _apply(items, wanted)
    for item in items:
        if item.error is None:  # only now: the values that could be read are reported as well
            item.error = next(iter(item.unread.values()), None)
        for warning in item.warnings:
            request.warn("%s: %s" % (item.name, warning))
    results = [item.result() for item in items]
    return {"changed": any(result["changed"] for result in results), "containers": results,
            "diff": {"before": {i.name: i.before for i in items},
                     "after": {i.name: i.after for i in items}},
            **failure({item.name: item.error for item in items if item.error})}


def _wanted(params: dict[str, t.Any]) -> _Wanted:
    """
    :raises LxcError: for a value that can't be, or two that exclude each other
    """
    settings = dict(params["settings"] or {})
    if params["priority"] is not None:
        if set(settings) & set(cgroup_live.PRIORITY):
            raise LxcError("use as priority", str(params["priority"]), detail="settings have %s "
                           "as well" % " and ".join(sorted(set(settings)
                                                           & set(cgroup_live.PRIORITY))),
                           hint="Give one of the two: they are the same.")
        settings[_PRIORITY] = params["priority"]
    values = cgroup_values.check(settings)
    allow = [device_rules.check(text) for text in params["devices_allow"] or []]
    deny = [device_rules.check(text) for text in params["devices_deny"] or []]
    both = sorted(set(allow) & set(deny))
    if both:
        raise LxcError("deny the device", both[0], detail="it is allowed as well",
                       hint="Take it from one of the two lists.")
    keys = list(dict.fromkeys([*values, *(params["read"] or [])]))
    return _Wanted(values, allow, deny, keys, bool(allow or deny),
                   params["scope"] != "definition", params["scope"] != "running")


def _apply(items: list[_Item], wanted: _Wanted) -> None:
    todo = [item for item in items if item.error is None and item.changed]
    for item in todo:
        item.attempt(lambda i: i.change_running(wanted))
    if any(item.definition_changed() for item in todo):
        with store.HostLock():
            for item in todo:
                item.attempt(lambda i: i.change_definition(wanted))
    for item in todo:
        if item.error is not None:
            item.take_stock(wanted)
        elif item.groups is not None:
            item.attempt(lambda i: i.read_again(wanted))
    for item in items:
        item.after = item.shown(wanted, True)


class _Item:
    """One container on its way through the task."""

    def __init__(self, name: str, definition: dict[str, t.Any] | LxcError) -> None:
        self.name = name
        self.error = definition if isinstance(definition, LxcError) else None
        self.stored = {} if isinstance(definition, LxcError) else definition
        self.definition = self.stored
        self.status: dict[str, t.Any] = {"state": "ABSENT", "pid": 0, "recorded": {}}
        self.warnings: list[str] = []
        self.running = False
        self.groups: cgroup_live.Groups | None = None
        self.writes: list[cgroup_live.Write] = []
        self.values: tuple[dict[str, str], dict[str, str]] = ({}, {})  # before and after
        self.devices: tuple[list[str], list[str]] = ([], [])           # before and after
        self.before: dict[str, t.Any] = {}
        self.after: dict[str, t.Any] = {}
        self.unread: dict[str, LxcError] = {}
        self.changed = False

    def attempt(self, step: t.Callable[[_Item], None]) -> None:
        """One bad item neither hides nor undoes the others."""
        if self.error is None:
            try:
                step(self)
            except LxcError as error:
                self.error = error

    def look(self, wanted: _Wanted) -> None:
        """What it does at the moment."""
        self.status = observe.status(self.name)
        self.running = wanted.running and bool(self.status["pid"])
        if wanted.running and not self.running and not wanted.definition:
            raise LxcError("change the control groups of", self.name, errno.ESRCH,
                           "Start it, or use 'scope: definition'.", "it does not run")

    def compare_running(self, wanted: _Wanted, facts: host.Host) -> None:
        """What has to be written, and what the values are before and after that."""
        if not self.running:
            return
        self.groups = cgroup_live.Groups(self.name, self.status["recorded"], facts)
        self.writes, self.warnings = self.groups.plan(wanted.values)
        before, self.unread = self.groups.read(wanted.keys)
        after = before
        if self.writes:
            after, self.unread = self.groups.read(wanted.keys, self.writes)
        self.values = (before, after)
        if wanted.devices:
            rules = device_live.current(self.name)
            self.devices = (rules, _rules(rules, wanted))
        self.changed = bool(self.writes) or self.devices[0] != self.devices[1]

    def compare_definition(self, wanted: _Wanted) -> None:
        """What will be stored."""
        self.definition = _defined(self.name, self.stored, wanted)
        self.changed = self.changed or self.definition_changed()

    def definition_changed(self) -> bool:
        """Whether there is something to store."""
        return self.definition != self.stored

    def change_running(self, wanted: _Wanted) -> None:
        """Under the container's lock, with what holds by then."""
        if self.groups is None or not (self.writes or self.devices[0] != self.devices[1]):
            return
        lock = store.Lock(self.name, 30)
        try:
            self.groups.apply(self.writes)
            if self.devices[0] != self.devices[1]:
                rules = device_live.current(self.name)
                device_live.apply(self.groups, rules, _rules(rules, wanted))
        except LxcError:
            if not observe.status(self.name)["pid"]:
                raise LxcError("change the control groups of", self.name, errno.ESRCH,
                               "Start it again.", "it has just ended") from None
            raise
        finally:
            lock.release()

    def change_definition(self, wanted: _Wanted) -> None:
        """From what is stored by now: another task may have changed something else of it."""
        if self.definition_changed():
            self.definition = _defined(self.name, store.need_definition(self.name), wanted)
            store.write_definition(self.name, self.definition)
        launched = observe.started_with(self.name) if self.groups else None
        if launched is not None:  # so that lxc_container knows that nothing waits
            launched["definition"] = _defined(self.name, launched["definition"], wanted)
            store.write_json(store.run_folder(self.name) + "/plan.json", launched)

    def read_again(self, wanted: _Wanted) -> None:
        """What the kernel made of it."""
        if self.groups is not None:
            after, self.unread = self.groups.read(wanted.keys)
            self.values = (self.values[0], after)

    def take_stock(self, wanted: _Wanted) -> None:
        """After a failure: what is, in place of what was to be."""
        try:
            self.definition = store.read_definition(self.name) or self.stored
            self.read_again(wanted)
            if wanted.devices and self.running:
                self.devices = (self.devices[0], device_live.current(self.name))
        except LxcError:
            pass  # the first error counts
        self.changed = (self.definition_changed() or self.values[0] != self.values[1]
                        or self.devices[0] != self.devices[1])

    def shown(self, wanted: _Wanted, after: bool) -> dict[str, t.Any]:
        """A side of the diff."""
        found: dict[str, t.Any] = {}
        if self.running:
            found["running"] = self.values[after]
            if wanted.devices:
                found["running_devices"] = self.devices[after]
        if wanted.definition and self.stored:
            definition = self.definition if after else self.stored
            found["definition"] = definition.get("cgroup") or {}
            if wanted.devices:
                found["definition_devices"] = definition.get("devices") or []
        return found

    def result(self) -> dict[str, t.Any]:
        """What the task reports of it."""
        found: dict[str, t.Any] = {
            "name": self.name, "changed": self.changed, "state": self.status["state"],
            "running": self.after.get("running"), "definition": self.after.get("definition"),
            "running_devices": self.after.get("running_devices"),
            "definition_devices": self.after.get("definition_devices")}
        if self.error:
            found.update(failed=True, msg=str(self.error), error=self.error.to_dict())
        return found


def _rules(rules: list[str], wanted: _Wanted) -> list[str]:
    for text in wanted.deny:
        rules = device_rules.deny(rules, text)
    for text in wanted.allow:
        rules = device_rules.allow(rules, text)
    return rules


def _defined(name: str, stored: dict[str, t.Any], wanted: _Wanted) -> dict[str, t.Any]:
    """The definition with what the task says; the same one where it says nothing new."""
    cgroup = cgroup_values.merge(stored.get("cgroup") or {}, wanted.values)
    devices = _rules(stored.get("devices") or [], wanted)
    if cgroup == (stored.get("cgroup") or {}) and devices == (stored.get("devices") or []):
        return stored
    return make_definition(name, {"cgroup": cgroup, "devices": devices}, stored)
