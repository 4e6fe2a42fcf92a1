# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_state."""
from __future__ import annotations

import typing as t

from .._container import freezer, lifecycle, observe, operation, signals, wait
from .._kernel import freezers, processes
from .._kernel.errors import LxcError
from .selection import failure, select, warn_of_unmatched

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str",
              "choices": ["started", "stopped", "restarted", "frozen", "thawed"]},
    "signal": {"type": "str"},
    "signal_to": {"type": "str", "choices": [signals.INIT, signals.ALL], "default": signals.INIT},
    "wait_for": {"type": "list", "elements": "str", "choices": list(wait.STATES)},
    "timeout": {"type": "int", "default": 30},
    "kill": {"type": "bool", "default": False},
}
REQUIRED_ONE_OF = [("state", "signal", "wait_for")]
MUTUALLY_EXCLUSIVE = [("state", "signal")]
_ABSENT = {"state": "ABSENT", "pid": 0, "exit": None}
_AFTER = {"stopped": "STOPPED", "frozen": freezers.FROZEN}  # what it is then; else RUNNING


def handle(request: Request) -> dict[str, t.Any]:
    """Bring the containers to a state, all in one go, and report each by itself."""
    params = request.params
    _check(params)
    selection = select(params["name"])
    warn_of_unmatched(selection, request.warn)
    errors = {name: found for name, found in selection.containers.items()
              if isinstance(found, LxcError)}
    before: dict[str, dict[str, t.Any]] = {}
    for name in selection.containers:
        try:
            before[name] = _ABSENT if name in errors else observe.status(name)
        except LxcError as error:
            before[name], errors[name] = _ABSENT, error
    todo = [name for name in before if name not in errors]
    outcomes: operation.Outcomes = {}
    after = dict(before)
    if request.check_mode:
        for name in todo:
            outcomes[name], after[name] = _foresee(name, before[name], params)
    elif todo:
        outcomes, late = _act_and_wait(todo, params)
        errors.update(late)
        for name in todo:
            try:
                after[name] = observe.status(name)
            except LxcError as error:
                errors[name] = error
    errors.update({name: outcome for name, outcome in outcomes.items()
                   if isinstance(outcome, LxcError)})
    results = [_result(name, before[name], after[name], outcomes.get(name), errors.get(name))
               for name in before]
    for name, outcome in outcomes.items():
        if not isinstance(outcome, LxcError):
            for warning in outcome.get("warnings") or []:
                request.warn("%s: %s" % (name, warning))
    return {"changed": any(result["changed"] for result in results), "containers": results,
            "diff": {"before": {name: status["state"] for name, status in before.items()},
                     "after": {name: status["state"] for name, status in after.items()}},
            # In the order of the task, whichever step it was that failed.
            **failure({name: errors[name] for name in before if name in errors})}


def _check(params: dict[str, t.Any]) -> None:
    if params["timeout"] < 0:
        raise LxcError("use as timeout", str(params["timeout"]), detail="it is negative",
                       hint="Give seconds; 0 kills at once what does not end at once.")
    if params["signal"] is not None:
        try:
            processes.signal_number(params["signal"])
        except ValueError:
            raise LxcError("use as signal", params["signal"], detail="it is none",
                           hint="Give a name such as HUP, SIGTERM or RTMIN+3, or a number "
                                "from 1 to 64.") from None
    if params["wait_for"] is not None and not params["wait_for"]:
        raise LxcError("wait for", "no state", detail="wait_for is empty",
                       hint="Name at least one state, or leave wait_for out.")


def _foresee(name: str, status: dict[str, t.Any], params: dict[str, t.Any]
             ) -> tuple[operation.Outcome, dict[str, t.Any]]:
    """What would become of it. Nobody waits in check mode, since nothing happens."""
    state = params["state"]
    changed = state == "restarted" or params["signal"] is not None
    if state in ("started", "stopped"):
        changed = bool(status["pid"]) == (state == "stopped")
    elif state in ("frozen", "thawed"):
        changed = status["state"] != _AFTER.get(state, "RUNNING")
    warnings = []
    if not status["pid"] and (state in ("frozen", "thawed") or params["signal"] is not None):
        # An earlier task may start it when it is not --check.
        warnings.append("it does not run, and so this would fail")
    after = status
    if changed and state:
        after = {**status, "state": _AFTER.get(state, "RUNNING"),
                 "pid": status["pid"] if state in ("frozen", "thawed") else 0}
    return {"changed": changed, "warnings": warnings}, after


def _act_and_wait(names: list[str], params: dict[str, t.Any]
                  ) -> tuple[operation.Outcomes, dict[str, LxcError]]:
    """:returns: what was done, and who did not get to where it was waited for"""
    if params["wait_for"] is None:
        return _act(names, params), {}
    late: dict[str, LxcError] = {}
    with wait.Wait(names, params["wait_for"]) as waiting:
        outcomes: operation.Outcomes = {name: {"changed": False} for name in names}
        outcomes.update(_act(names, params))
        failed = frozenset(n for n, o in outcomes.items() if isinstance(o, LxcError))
        for name, waited in waiting.finish(params["timeout"], failed).items():
            done = outcomes[name]
            if isinstance(waited, LxcError):
                late[name] = waited
            elif isinstance(done, dict):
                outcomes[name] = {**done, "reached": waited["reached"],
                                  "waited": waited["seconds"]}
    return outcomes, late


def _act(names: list[str], params: dict[str, t.Any]) -> operation.Outcomes:
    state, timeout = params["state"], params["timeout"]
    if params["signal"] is not None:
        return signals.send(names, processes.signal_number(params["signal"]),
                            params["signal_to"])
    if state == "started":
        # The patience with a stop may well be 0; no start is that fast.
        return lifecycle.start(names, max(timeout, operation.TIMEOUT))
    if state == "stopped":
        return lifecycle.stop(names, timeout, params["kill"])
    if state == "restarted":
        return lifecycle.restart(names, timeout, params["kill"])
    if state == "frozen":
        return freezer.freeze(names, timeout)
    if state == "thawed":
        return freezer.thaw(names, timeout)
    return {}


def _result(name: str, before: dict[str, t.Any], after: dict[str, t.Any],
            outcome: operation.Outcome | None, error: LxcError | None) -> dict[str, t.Any]:
    done = outcome if isinstance(outcome, dict) else {}
    result: dict[str, t.Any] = {
        # A restart may fail with its stop already done, a wait after what was done.
        "name": name, "changed": done.get("changed", before["pid"] != after["pid"]),
        "state": after["state"], "pid": after["pid"], "killed": done.get("killed", ""),
        "seconds": done.get("seconds"), "exit": done.get("exit", after["exit"]),
        "signaled": done.get("signaled"), "reached": done.get("reached"),
        "waited": done.get("waited")}
    if error:
        result.update(failed=True, msg=str(error), error=error.to_dict())
    return result
