# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_container.

A module comes as source, so what a task imports it also compiles: one that finds everything as it
should be gets by with a third of the runtime, and what only some need is imported where they do.
"""
from __future__ import annotations

import typing as t

from .._container import observe, store
from .._container.spec import OPTIONS, changes, not_stored
from .._kernel.errors import LxcError
from .._kernel.names import check_name
from .container_config import CONFIG, Files, choose

if t.TYPE_CHECKING:
    from .._container import host, live
    from .._container.operation import Outcomes
    from .runner import Request

_DEFINITION: dict[str, t.Any] = {**CONFIG,
                                 **{key: option.argument for key, option in OPTIONS.items()}}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str"},
    "containers": {"type": "list", "elements": "dict", "options": {
        "name": {"type": "str", "required": True}, **_DEFINITION},
        "mutually_exclusive": [tuple(CONFIG)]},
    "state": {"type": "str", "choices": ["present", "started", "absent"], "default": "present"},
    "purge": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 30},
    "apply": {"type": "str", "choices": ["live", "restart", "next_boot"], "default": "live"},
    **_DEFINITION,
}


def requested(params: dict[str, t.Any]) -> list[tuple[str, dict[str, t.Any]]]:
    """Each container's name and its options, those of the task where its item has none.

    :raises LxcError: for a name that is there twice
    """
    shared = choose(params, {})
    if params.get("name") is not None:
        return [(params["name"], shared)]
    found: dict[str, dict[str, t.Any]] = {}
    for item in params.get("containers") or []:
        name = item["name"]
        if name in found:
            raise LxcError("use as option of containers:", name, detail="it is listed twice",
                           hint="List each container once.")
        found[name] = choose(shared, item)
    return list(found.items())


def handle(request: Request) -> dict[str, t.Any]:
    """Make the containers what the task says: check all, then act on all, then report each."""
    state = request.params["state"]
    wanted = requested(request.params)
    if state == "absent":
        items = [_Item(name) for name, _options in wanted]
        for item in items:
            _attempt(item, lambda i: check_name(i.name))
            _attempt(item, _look_at_remains)
        _remove(items, request)
    else:
        items = _define(wanted, request, state == "started")
        if not request.check_mode:
            for item in items:
                _attempt(item, _run_clone_hooks)
        _update_running(items, request)
        if state == "started":
            _start(items, request)
    for item in items:
        if item.warnings and not item.error:
            for warning in item.warnings:
                request.warn("%s: %s" % (item.name, warning))
    results = [item.result() for item in items]
    outcome: dict[str, t.Any] = {
        "changed": any(result["changed"] for result in results), "containers": results,
        "diff": {"before": {i.name: i.before for i in items},
                 "after": {i.name: i.after for i in items}}}
    if request.params.get("name") is not None:
        outcome["container"] = results[0]
    failed = [item for item in items if item.error]
    if failed:
        outcome.update(failed[0].error.to_dict() if failed[0].error else {}, failed=True)
        outcome["msg"] = "; ".join(str(item.error) if len(items) == 1
                                   else "%s: %s" % (item.name, item.error) for item in failed)
    return outcome


class _Item:
    """One container on its way through the task."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: LxcError | None = None
        self.stored: dict[str, t.Any] | None = None
        self.definition: dict[str, t.Any] | None = None
        self.changes: dict[str, list[t.Any]] = {}
        self.state = "ABSENT"
        self.pid = 0
        self.actions: list[str] = []
        self.warnings: list[str] = []
        self.live: live.Live | None = None
        self.waiting: list[str] = []
        self.before: dict[str, t.Any] = {"state": "ABSENT"}
        self.after: dict[str, t.Any] = {"state": "ABSENT"}

    def result(self) -> dict[str, t.Any]:
        """What the task reports of it."""
        found: dict[str, t.Any] = {
            "name": self.name, "changed": bool(self.actions), "state": self.state, "pid": self.pid,
            "definition": self.definition, "changes": sorted(self.changes),
            "pending_restart": bool(self.waiting), "pending": sorted(self.waiting),
            "applied": [step.text for step in self.live.steps] if self.live else [],
            "actions": self.actions}
        if self.error:
            found.update(failed=True, msg=str(self.error), error=self.error.to_dict())
        return found


def _attempt(item: _Item, step: t.Callable[[_Item], None]) -> None:
    """One bad item neither hides nor undoes the others."""
    if item.error is None:
        try:
            step(item)
        except LxcError as error:
            item.error = error


def _look(item: _Item) -> None:
    item.stored = item.definition = store.read_definition(item.name)
    status = observe.status(item.name)
    if item.stored is not None or status["recorded"]:
        item.state, item.pid = status["state"], status["pid"]
    item.before = _shown(item.stored, item.state)
    item.after = item.before


def _look_at_remains(item: _Item) -> None:
    """Before a removal, which what is damaged does not stop."""
    try:
        _look(item)
    except LxcError as error:
        item.warnings.append(str(error))


def _shown(definition: dict[str, t.Any] | None, state: str) -> dict[str, t.Any]:
    """A side of the diff."""
    return {**(definition or {}), "state": state}


def _define(wanted: list[tuple[str, dict[str, t.Any]]], request: Request,
            to_start: bool) -> list[_Item]:
    """Check every definition, then write those that are new or changed."""
    items = []
    files = Files()
    with store.HostLock():
        others: dict[str, dict[str, t.Any]] | None = None
        facts: host.Host | None = None
        for name, options in wanted:
            item = _Item(name)
            items.append(item)
            _attempt(item, lambda i: check_name(i.name))
            _attempt(item, _look)

            def make(item: _Item, options: dict[str, t.Any] = options) -> None:
                item.definition, warnings = files.definition(item.name, options, item.stored)
                item.warnings += warnings
                item.changes = changes(item.stored, item.definition)
            _attempt(item, make)
            if item.error or item.definition is None:
                continue
            fresh = not item.definition["privileged"] and not item.definition["idmap"]
            if item.changes or fresh:
                if others is None:
                    others = {n: d for n in store.names()
                              for d in [store.read_definition(n)] if d is not None}
                _attempt(item, lambda i, o=others: _check_on_host(i, o))  # type: ignore[misc]
            if to_start and not item.pid:
                facts = facts or _host()
                _attempt(item, lambda i, f=facts: _check_start(i, f, request))  # type: ignore[misc]
            if item.error is None and others is not None and item.changes:
                others[name] = item.definition
        for item in items:
            _attempt(item, lambda i: _write(i, request))
    return items


def _host() -> host.Host:
    from .._container.host import Host

    return Host()


def _check_on_host(item: _Item, others: dict[str, dict[str, t.Any]]) -> None:
    """What a definition alone can't know: its root file system, addresses and ids of others."""
    from .._container import host, host_links

    definition = item.definition
    if definition is None:
        return
    if "rootfs" in item.changes:
        host.check_rootfs(definition["rootfs"])
    if "networks" in item.changes:
        host_links.check_addresses(definition, list(others.values()))
    if not definition["privileged"] and not definition["idmap"]:
        definition["idmap"] = host.allocate_ids(list(others.values()))
        item.changes = changes(item.stored, definition)


def _check_start(item: _Item, facts: host.Host, request: Request) -> None:
    """What a start would stumble over, before anything is changed."""
    from .._container import host, host_links, plan

    if item.definition is None:
        return
    host.check_rootfs(item.definition["rootfs"])
    try:
        host_links.check(item.definition)
    except LxcError as error:
        if not request.check_mode:
            raise
        item.warnings.append(str(error))  # an earlier task may make it when it is not --check
    plan.make_plan(item.definition, host.read_manifest(item.definition["rootfs"]), facts)


def _write(item: _Item, request: Request) -> None:
    if item.definition is None or not item.changes:
        return
    if not request.check_mode:
        try:
            store.write_definition(item.name, item.definition)
            if item.definition["start_auto"]:
                from .._container import runtime

                runtime.ensure()  # which the host's init will run, maybe before the first start
        except LxcError:
            item.definition = item.stored
            raise
    item.actions.append("create" if item.stored is None else "update")
    if item.stored is None:
        item.state = "STOPPED"
    item.after = _shown(item.definition, item.state)


def _run_clone_hooks(item: _Item) -> None:
    """Of a new container that is a copy of another one; where one fails, it is not kept."""
    from .._container import clone_hooks

    if item.stored is not None or item.definition is None:
        return
    lock = store.Lock(item.name, 30)
    try:
        whose = clone_hooks.origin(item.definition)
        if whose is not None:
            clone_hooks.run(item.definition, whose)
    except LxcError:
        lock.release()
        _put_back(item)
        item.state, item.after = "ABSENT", item.before
        raise
    lock.release()


def _update_running(items: list[_Item], request: Request) -> None:
    """Change what runs with another definition than its own, as far as the task wants that."""
    how = request.params["apply"]
    facts: host.Host | None = None
    todo = []
    for item in items:
        if item.error is None and item.pid and item.stored is not None:
            launched = observe.started_with(item.name)
            if item.definition is None:
                continue
            if launched is None:
                if item.changes:
                    item.warnings.append("what it was started with is not known, its plan.json is "
                                         "gone: what has changed holds from the next start on")
                    item.waiting = not_stored(item.changes)
                continue
            differ = not_stored(changes(launched["definition"], item.definition))
            if differ and how == "next_boot":
                item.waiting = differ
            elif differ:
                facts = facts or _host()
                _attempt(item, lambda i, p=launched, f=facts: _plan_live(i, p, f))  # type: ignore[misc]
                todo.append(item)
    for item in todo:
        if item.error is None and not request.check_mode:
            _attempt(item, _apply_live)
    if how == "restart":
        _restart([item for item in todo if item.error is None and item.waiting], request)


def _plan_live(item: _Item, launched: dict[str, t.Any], facts: host.Host) -> None:
    from .._container import live

    if item.definition is None:
        return
    recorded = observe.status(item.name)["recorded"]
    item.live = live.Live(launched, item.definition, recorded, facts)
    item.waiting = item.live.waiting
    item.warnings += item.live.warnings
    if item.live.steps:
        item.actions.append("apply")
        item.after = {**item.after, "applied": [step.text for step in item.live.steps]}


def _apply_live(item: _Item) -> None:
    if item.live is None:
        return
    lock = store.Lock(item.name, 30)
    try:
        item.live.apply()
    except LxcError as error:
        if not observe.status(item.name)["pid"]:
            return  # it has ended meanwhile, and starts with the new definition
        error.hint = " ".join(text for text in (
            error.hint, "The definition is stored; what failed waits for the next start.") if text)
        raise
    finally:
        lock.release()


def _restart(items: list[_Item], request: Request) -> None:
    for item in items:
        item.actions.append("restart")
        item.after = {**item.after, "restarted_for": sorted(item.waiting)}
    if not items or request.check_mode:
        for item in items:
            item.waiting = []
        return
    from .._container import lifecycle

    outcomes = lifecycle.restart([item.name for item in items], request.params["timeout"])
    for item in items:
        outcome = outcomes[item.name]
        status = observe.status(item.name)
        item.pid, item.state = status["pid"], status["state"]
        if isinstance(outcome, LxcError):
            item.error = outcome
        else:
            item.warnings += outcome["warnings"]
            item.waiting = []


def _start(items: list[_Item], request: Request) -> None:
    """Start what is not running; a definition that can't start is put back as it was."""
    todo = [item for item in items if item.error is None and not item.pid]
    for item in todo:
        item.actions.append("start")
        item.state = "RUNNING"
        item.after = _shown(item.definition, item.state)
    if request.check_mode or not todo:
        return
    from .._container import lifecycle

    outcomes = lifecycle.start([item.name for item in todo], request.params["timeout"])
    for item in todo:
        outcome = outcomes[item.name]
        if isinstance(outcome, LxcError):
            item.error = outcome
            _put_back(item)
        else:
            item.warnings += outcome["warnings"]
        status = observe.status(item.name)
        item.pid = status["pid"]
        item.state = status["state"] if item.definition else "ABSENT"
        item.after = _shown(item.definition, item.state)


def _put_back(item: _Item) -> None:
    """A start that failed leaves no new definition behind, and no changed one."""
    from .._container import lifecycle

    item.actions = []
    if item.stored is None:
        lifecycle.destroy([item.name])
        item.definition = None
    elif item.changes:
        store.write_definition(item.name, item.stored)
        item.definition = item.stored
    item.changes = {}


def _remove(items: list[_Item], request: Request) -> None:
    from .._container import cleanup, lifecycle

    todo = [item for item in items if item.error is None
            and (item.state != "ABSENT" or store.exists(item.name) or cleanup.folders(item.name))]
    for item in todo:
        item.actions += ["stop", "remove"] if item.pid else ["remove"]
    purge = _Purge(todo, request.check_mode) if request.params["purge"] and todo else None
    outcomes: Outcomes = {}
    if todo and not request.check_mode:
        outcomes = lifecycle.destroy([item.name for item in todo], request.params["timeout"],
                                     purge.one if purge else None)
    for item in todo:
        outcome = outcomes.get(item.name)
        if isinstance(outcome, LxcError):
            item.error = outcome
            item.actions = []
            status = observe.status(item.name)  # it may have been stopped by then
            item.pid, item.state = status["pid"], status["state"]
            continue
        if purge and request.check_mode:
            _attempt(item, lambda i: purge.one(i.name))
        item.state, item.pid, item.definition = "ABSENT", 0, None
        item.after = _shown(None, "ABSENT")
    if purge:
        purge.explain()


class _Purge:
    """Root file systems that go with their containers, each with the last one that has it."""

    def __init__(self, items: list[_Item], check_mode: bool) -> None:
        self._items = {item.name: item for item in items}
        self._check_mode = check_mode
        self._left: dict[str, str] = {}  # why, by path

    def one(self, name: str) -> None:
        """Remove that container's, if it is its own by now."""
        from .rootfs import purge  # which few tasks need
        item = self._items[name]
        path = (item.stored or {}).get("rootfs")
        if not path:
            return  # its definition is damaged
        doomed = list(self._items) if self._check_mode else [name]
        done, why = purge(path, doomed, self._check_mode)
        if why:
            self._left[path] = why
            return
        self._left.pop(path, None)
        if done:
            item.actions.append("purge")

    def explain(self) -> None:
        """Say what stays."""
        for item in self._items.values():
            why = self._left.pop((item.stored or {}).get("rootfs", ""), "")
            if why:
                item.warnings.append("Its root file system %s stays: %s." % (
                    (item.stored or {}).get("rootfs"), why))
