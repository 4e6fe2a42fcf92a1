# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_bridge."""
from __future__ import annotations

import copy
import time
import typing as t

from .._bridge.apply import apply, undo
from .._bridge.observe import BridgeState, facts, observe
from .._bridge.persist import MANAGERS
from .._bridge.plan import Plan, plan_absent, plan_present
from .._bridge.spec import BridgeSpec, make_spec
from .._bridge.watchdog import Change, UnknownChange, await_change, begin, keep, revoke
from .._kernel.errors import LxcError
from .._kernel.netlink import Netlink

if t.TYPE_CHECKING:
    from .runner import Request

_PORTS_LEAVE_WITHIN = 3  # seconds

ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "addresses": {"type": "list", "elements": "str"},
    "ports": {"type": "list", "elements": "str"},
    "purge_ports": {"type": "bool", "default": False},
    "forward_delay": {"type": "float"},
    "stp": {"type": "bool"},
    "mtu": {"type": "int"},
    "mac": {"type": "str"},
    "up": {"type": "bool"},
    "nat": {"type": "str", "choices": ["true", "false", "auto"]},
    "forwards": {"type": "list", "elements": "dict", "options": {
        "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
        "port": {"type": "int", "required": True},
        "address": {"type": "str", "required": True},
        "to_port": {"type": "int"},
    }},
    "dhcp": {"type": "dict", "options": {
        "first": {"type": "str", "required": True},
        "last": {"type": "str", "required": True},
        "lease_time": {"type": "str", "default": "12h"},
        "domain": {"type": "str"},
        "dns": {"type": "bool", "default": True},
    }},
    "vlan_filtering": {"type": "bool"},
    "vlans": {"type": "list", "elements": "dict", "options": {
        "port": {"type": "str", "required": True},
        "untagged": {"type": "int"},
        "tagged": {"type": "list", "elements": "int", "default": []},
    }},
    "vxlan": {"type": "dict", "options": {
        "id": {"type": "int", "required": True},
        "local": {"type": "str", "required": True},
        "remotes": {"type": "list", "elements": "str", "required": True},
        "port": {"type": "int", "default": 4789},
        "mtu": {"type": "int"},
    }},
    "takeover": {"type": "str"},
    "gateway4": {"type": "str"},
    "gateway6": {"type": "str"},
    "promiscuous": {"type": "bool"},
    "persist": {"type": "str", "choices": ["auto", *MANAGERS, "none"]},
    "confirm_timeout": {"type": "int", "default": 60},
    "confirmation": {"type": "str"},
    "force": {"type": "bool", "default": False},
}


def handle(request: Request) -> dict[str, t.Any]:
    """Make the bridge what the task says, or remove it."""
    spec = make_spec(request.params)
    word, _space, token = (request.params["confirmation"] or "").partition(" ")
    if word == "undo":
        raise revoke(token)
    if word == "await":
        await_change(token)
        return {"changed": False, "made": True}
    kept: list[str] = []
    unknown: UnknownChange | None = None
    if word in ("keep", "again"):
        try:
            kept = keep(token)
        except UnknownChange as error:
            unknown = error
    with Netlink() as netlink:
        state, plan = _plan(netlink, spec, request.params)
        if unknown and (word == "keep" or plan.risky):
            raise unknown
        if word in ("keep", "again"):
            # Asked again, an unknown change that is in place was kept, and the answer got lost.
            _check_settled(spec, plan)
        before = facts(spec.name, state)
        warnings = [*kept, *plan.warnings]
        steps = [*plan.operations, *plan.deferred]
        guarded = plan.risky and not request.check_mode and request.params["confirm_timeout"] > 0
        if guarded:
            _guard(request, word, token, state, plan)
        if request.check_mode or guarded:
            after = copy.deepcopy(before)
            for operation in steps:
                operation.alter(after)
        else:
            warnings += apply(netlink, steps, state)
            again = spec._replace(takeover=state.nic or None)  # of a bridge that is gone too
            after = facts(spec.name, observe(netlink, again)) if steps else before
    for warning in warnings:
        request.warn(warning)
    operations = [operation.describe() for operation in steps]
    result = {"changed": bool(operations) and (request.check_mode or guarded or before != after),
              "bridge": after, "operations": operations,
              "diff": {"before": before, "after": {**after, "operations": operations}
                       if operations else after}}
    return {**result, "unconfirmed": True} if guarded else result


def _plan(netlink: Netlink, spec: BridgeSpec, params: dict[str, t.Any]
          ) -> tuple[BridgeState, Plan]:
    if params["state"] == "absent":
        state = _observe_leaving(netlink, spec)
        return state, plan_absent(spec, state, params["force"])
    state = observe(netlink, spec)
    return state, plan_present(spec, state)


def _check_settled(spec: BridgeSpec, plan: Plan) -> None:
    """What was confirmed is in place, so that only what can't cut the host off is left."""
    if plan.risky:
        raise LxcError("change", spec.name, detail="the network has changed again since: %s"
                       % "; ".join(o.describe() for o in plan.operations),
                       hint="Another program manages the NIC; let it manage the bridge instead, "
                            "and run the task again.")


def _guard(request: Request, word: str, token: str, state: BridgeState, plan: Plan) -> None:
    """Let a watchdog make the change, for the action plugin to confirm."""
    if word != "begin":
        raise LxcError("change", state.nic, detail="there is nobody to confirm that this host can "
                       "still be reached", hint="Run the module as a task, whose action plugin "
                       "does that, or set 'confirm_timeout: 0' to do without.")

    def make() -> list[str]:
        with Netlink() as netlink:
            return apply(netlink, plan.operations, state)

    def take_back() -> list[str]:
        with Netlink() as netlink:
            return undo(netlink, plan.operations, state)

    begin(token, Change(request.params["name"], request.params["confirm_timeout"], make,
                        take_back))


def _observe_leaving(netlink: Netlink, spec: BridgeSpec) -> BridgeState:
    """The state, once the veths of containers that have just ended are gone.

    The kernel takes a network namespace down in a worker of its own, after its last process.
    """
    deadline = time.monotonic() + _PORTS_LEAVE_WITHIN
    while True:
        state = observe(netlink, spec)
        known = (*(spec.ports or ()), state.nic)
        strangers = [link for name, link in state.ports.items() if name not in known]
        if (not strangers or any(link["kind"] != "veth" for link in strangers)
                or time.monotonic() > deadline):
            return state
        time.sleep(0.05)
