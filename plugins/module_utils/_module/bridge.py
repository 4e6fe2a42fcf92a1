# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_bridge."""
from __future__ import annotations

import copy
import time
import typing as t

from .._bridge.apply import apply
from .._bridge.observe import BridgeState, facts, observe
from .._bridge.plan import plan_absent, plan_present
from .._bridge.spec import BridgeSpec, make_spec
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
    "takeover": {"type": "str"},
    "gateway4": {"type": "str"},
    "gateway6": {"type": "str"},
    "promiscuous": {"type": "bool"},
    "force": {"type": "bool", "default": False},
}


def handle(request: Request) -> dict[str, t.Any]:
    """Make the bridge what the task says, or remove it."""
    absent = request.params["state"] == "absent"
    spec = make_spec(request.params)
    with Netlink() as netlink:
        if absent:
            state = _observe_leaving(netlink, spec)
            plan = plan_absent(spec, state, request.params["force"])
        else:
            state = observe(netlink, spec)
            plan = plan_present(spec, state)
        before = facts(spec.name, state)
        warnings = list(plan.warnings)
        steps = [*plan.operations, *plan.deferred]
        if request.check_mode:
            after = copy.deepcopy(before)
            for operation in steps:
                operation.alter(after)
        else:
            warnings += apply(netlink, steps, state)
            after = facts(spec.name, observe(netlink, spec)) if steps else before
    for warning in warnings:
        request.warn(warning)
    operations = [operation.describe() for operation in steps]
    return {"changed": bool(operations) and (request.check_mode or before != after),
            "bridge": after, "operations": operations,
            "diff": {"before": before, "after": {**after, "operations": operations}
                     if operations else after}}


def _observe_leaving(netlink: Netlink, spec: BridgeSpec) -> BridgeState:
    """The state, once the veths of containers that have just ended are gone.

    The kernel takes a network namespace down in a worker of its own, after its last process.
    """
    deadline = time.monotonic() + _PORTS_LEAVE_WITHIN
    while True:
        state = observe(netlink, spec)
        strangers = [link for name, link in state.ports.items() if name not in (spec.ports or ())]
        if (not strangers or any(link["kind"] != "veth" for link in strangers)
                or time.monotonic() > deadline):
            return state
        time.sleep(0.05)
