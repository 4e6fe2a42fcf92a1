# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_state."""
from __future__ import annotations

import typing as t

from .._container import freezer, health, lifecycle, observe, operation, signals, wait
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
    "healthy": {"type": "dict", "options": {
        "ports": {"type": "list", "elements": "int", "default": []},
        "units": {"type": "list", "elements": "str", "default": []},
        "command": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "int", "default": 60},
        "interval": {"type": "float", "default": 1},
        "attempt_timeout": {"type": "float", "default": 10},
    }},
}
REQUIRED_ONE_OF = [("state", "signal", "wait_for", "healthy")]
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
    if params["healthy"] is not None:
        _check_health(params)


def _check_health(params: dict[str, t.Any]) -> None:
    healthy = params["healthy"]
    if params["state"] in ("stopped", "frozen"):
        raise LxcError(health.DOING, "what is %s" % params["state"],
                       detail="only what runs can be healthy",
                       hint="Leave out 'healthy', or start it.")
    if not (healthy["ports"] or healthy["units"] or healthy["command"]):
        raise LxcError(health.DOING, "containers", detail="nothing says what is healthy",
                       hint="Give 'ports', 'units' or 'command'.")
    for port in healthy["ports"]:
        if not 0 < port < 65536:
            raise LxcError("use as port", str(port), detail="it is none",
                           hint="Give a number from 1 to 65535.")
    for option, least in (("timeout", 0), ("interval", 0.1), ("attempt_timeout", 0.1)):
        if healthy[option] < least:
            raise LxcError("use as healthy.%s" % option, str(healthy[option]),
                           detail="it is too small", hint="Give %g or more." % least)


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
    outcomes: operation.Outcomes
    late: dict[str, LxcError] = {}
    if params["wait_for"] is None:
        outcomes = _act(names, params)
    else:
        outcomes, late = _act_and_reach(names, params)
    if params["healthy"] is not None:
        done = {name: outcomes.get(name, {"changed": False}) for name in names if name not in late}
        acted = {name: one for name, one in done.items() if not isinstance(one, LxcError)}
        for name, asked in _ask_for_health(list(acted), params["healthy"]).items():
            if isinstance(asked, LxcError):
                late[name] = asked
                outcomes[name] = {**acted[name], "healthy": False}
            else:
                outcomes[name] = {**acted[name], "healthy": True,
                                  "healthy_after": asked["seconds"]}
    return outcomes, late


def _ask_for_health(names: list[str], healthy: dict[str, t.Any]) -> operation.Outcomes:
    check = health.Check(healthy["ports"], healthy["units"], healthy["command"],
                         healthy["attempt_timeout"])
    return health.wait(names, check, healthy["timeout"], healthy["interval"])


def _act_and_reach(names: list[str], params: dict[str, t.Any]
                   ) -> tuple[operation.Outcomes, dict[str, LxcError]]:
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
        "waited": done.get("waited"), "healthy": done.get("healthy"),
        "healthy_after": done.get("healthy_after")}
    if error:
        result.update(failed=True, msg=str(error), error=error.to_dict())
    return result
