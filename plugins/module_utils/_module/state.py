# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_state."""
from __future__ import annotations

import typing as t

from .._container import lifecycle, observe
from .._kernel.errors import LxcError
from .selection import failure, select, warn_of_unmatched

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str", "required": True},
    "state": {"type": "str", "choices": ["started", "stopped", "restarted"], "required": True},
    "timeout": {"type": "int", "default": 30},
    "kill": {"type": "bool", "default": False},
}
_ABSENT = {"state": "ABSENT", "pid": 0, "exit": None}


def handle(request: Request) -> dict[str, t.Any]:
    """Bring the containers to a state, all in one go, and report each by itself."""
    params = request.params
    if params["timeout"] < 0:
        raise LxcError("use as timeout", str(params["timeout"]), detail="it is negative",
                       hint="Give seconds; 0 kills at once what does not end at once.")
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
    outcomes: lifecycle.Outcomes = {}
    after = dict(before)
    if request.check_mode:
        outcomes = {name: {"changed": _would_change(before[name], params["state"])}
                    for name in todo}
        after.update({name: {**before[name], "pid": 0,
                             "state": "STOPPED" if params["state"] == "stopped" else "RUNNING"}
                      for name in todo if _would_change(before[name], params["state"])})
    elif todo:
        outcomes = _act(todo, params)
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


def _would_change(status: dict[str, t.Any], state: str) -> bool:
    return state == "restarted" or bool(status["pid"]) == (state == "stopped")


def _act(names: list[str], params: dict[str, t.Any]) -> lifecycle.Outcomes:
    if params["state"] == "started":
        # The patience with a stop may well be 0; no start is that fast.
        return lifecycle.start(names, max(params["timeout"], lifecycle.TIMEOUT))
    if params["state"] == "stopped":
        return lifecycle.stop(names, params["timeout"], params["kill"])
    return lifecycle.restart(names, params["timeout"], params["kill"])


def _result(name: str, before: dict[str, t.Any], after: dict[str, t.Any],
            outcome: lifecycle.Outcome | None, error: LxcError | None) -> dict[str, t.Any]:
    done = outcome if isinstance(outcome, dict) else {}
    result: dict[str, t.Any] = {
        # A restart may fail with its stop already done.
        "name": name, "changed": done.get("changed", before["pid"] != after["pid"]),
        "state": after["state"], "pid": after["pid"], "killed": done.get("killed", ""),
        "seconds": done.get("seconds"), "exit": done.get("exit", after["exit"])}
    if error:
        result.update(failed=True, msg=str(error), error=error.to_dict())
    return result
