# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of a container that runs: v1's lists, or v2's program, replaced in one step.

The plan in the container's folder of /run says which rules hold: a v2 program can't be read back.
"""
from __future__ import annotations

import os

from .._kernel import cgroup_tree, device_filter, syscalls
from .._kernel.errors import LxcError
from . import defaults, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from .cgroup_live import Groups


def current(name: str) -> list[str]:
    """The rules that hold beside those that every container has."""
    plan = store.read_json(store.run_folder(name) + "/plan.json") or {}
    rules: list[str] | None = plan.get("cgroups", {}).get("device_rules")
    return (plan.get("definition") or {}).get("devices") or [] if rules is None else rules


def apply(groups: Groups, before: list[str], after: list[str]) -> None:
    """Have the rules hold from now on; what is open stays open. The container's lock is held.

    :raises LxcError: where the kernel refuses
    """
    folder = groups.folders.get("devices")
    if folder is not None:
        for rule in before:
            if rule not in after:
                cgroup_tree.write(folder + "/devices.deny", rule)
        # All of them: one that was denied may have been a part of one that stays.
        for rule in [*defaults.DEFAULT_DEVICES, *after]:
            cgroup_tree.write(folder + "/devices.allow", rule)
    elif "" in groups.folders:
        _replace(groups.folders[""], [*defaults.DEFAULT_DEVICES, *after])
    path = store.run_folder(groups.name) + "/plan.json"
    plan = store.read_json(path)
    if plan is not None:
        plan["cgroups"]["device_rules"] = after
        store.write_json(path, plan)


def _replace(folder: str, rules: list[str]) -> None:
    code = device_filter.program([device_filter.parse_rule(rule) for rule in rules])
    try:
        group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            program = syscalls.bpf_load_device_program(code)
            try:
                # Ours came first, before the container had a process.
                attached = syscalls.bpf_device_programs(group)
                if attached:
                    old = syscalls.bpf_program_by_id(attached[0])
                    try:
                        syscalls.bpf_attach_device_program(group, program, old)
                    finally:
                        os.close(old)
                else:
                    syscalls.bpf_attach_device_program(group, program)
            finally:
                os.close(program)
        finally:
            os.close(group)
    except OSError as error:
        raise LxcError.from_os("replace the device filter of", folder, error) from error
