#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_cgroup
short_description: Limits, weights and devices of containers
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Reads and sets control group values of containers, in those that run, in their definitions, or
    in both. The job of C(lxc-cgroup), C(lxc-priority) and C(lxc-device).
  - Every value may be named as control groups of version 1 or of version 2 name it. It is
    translated where the host has the other version.
  - A value that holds already is not written. Sizes are compared as the kernel rounds them, and
    lists of processors by what is in them.
  - Frozen containers are changed like others.
  - One container that fails neither hides nor stops the others. The task fails in the end, and
    names each that did.
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Both halves have, of each container, what holds in the one that runs and what is defined.
options:
  name:
    description:
      - Names of containers, and shell patterns such as V(web*), V(web?) and V(web[12]), which stand
        for every defined container that they match.
      - A name that is not defined is an error. A pattern that matches nothing is a warning.
    type: list
    elements: str
    required: true
  settings:
    description:
      - Values to set, by names such as V(memory.max) or V(memory.limit_in_bytes).
      - Sizes may end in V(K), V(M), V(G), V(T); V(max) and V(-1) are no limit.
      - Limits of block devices, V(io.max) and V(blkio.throttle.read_bps_device) and its like, take
        a list with an item for each device, or one text with the devices separated by a comma.
        Devices that are not named keep what they have.
      - In the definition a value replaces the one that stands there under its other name.
    type: dict
  priority:
    description:
      - The container's share of the processors when they are short, from 2 to 262144, beside
        V(1024) of a container for which nothing else was said. It is C(cpu.shares), and
        C(cpu.weight) in proportion.
      - A change of a running container's priority is in the host's stream of events.
    type: int
  devices_allow:
    description:
      - Devices that the container may use from now on, like V(c 10:200 rwm), as the kernel's device
        controller has them. The node itself has to be there as well.
      - V(a), which is every device, and any disk give away the host.
    type: list
    elements: str
  devices_deny:
    description:
      - Devices that it may not use any more, in the same words. What is open stays open.
      - V(a) denies all but what every container has. That can't be denied.
    type: list
    elements: str
  read:
    description:
      - Values to report beside those of O(settings), accounts such as V(memory.current) among
        them. Their text is reported as the kernel has it, but for numbers that stand for no limit.
    type: list
    elements: str
  scope:
    description:
      - V(running) changes the container that runs, until it ends. One that does not run is an
        error.
      - V(definition) changes what the container will start with.
      - V(both) changes the definition, and what runs.
    type: str
    choices: [running, definition, both]
    default: both
seealso:
  - module: fleet.lxc.lxc_container
  - module: fleet.lxc.lxc_container_info
"""

EXAMPLES = r"""
- name: Give a container more memory, now and at its next start
  fleet.lxc.lxc_cgroup:
    name: web1
    settings:
      memory.max: 512M

- name: Halve the priority of all batch jobs that run, until they end
  fleet.lxc.lxc_cgroup:
    name: job*
    priority: 512
    scope: running

- name: Let it use the tunnel device
  fleet.lxc.lxc_cgroup:
    name: web1
    devices_allow: ["c 10:200 rwm"]

- name: Look at what they use
  fleet.lxc.lxc_cgroup:
    name: ['*']
    read: [memory.current, pids.current]
    scope: running
  register: used

- name: Show it
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.running['memory.current'] | int | human_readable }}"
  loop: "{{ used.containers }}"
  loop_control:
    label: "{{ item.name }}"
"""

RETURN = r"""
containers:
  description:
    - Each container once, in the order in which O(name) first names or matches it; those that one
      pattern matches by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    changed:
      description: Whether anything about it was changed, or would be.
      type: bool
      returned: always
    state:
      description: STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED;
        ABSENT where there is no such container.
      type: str
      returned: always
      sample: RUNNING
    running:
      description: The values that the task is about, by the names that it gives, in the container
        that runs. Null where none runs, or with O(scope=definition).
      type: dict
      returned: always
      sample: {memory.max: '536870912'}
    definition:
      description: All control group values of its definition. Null with O(scope=running).
      type: dict
      returned: always
      sample: {memory.max: '536870912', pids.max: '200'}
    running_devices:
      description: The devices that it may use beside those that every container may. Null where
        the task is not about devices.
      type: list
      elements: str
      returned: always
      sample: [c 10:200 rwm]
    definition_devices:
      description: The same of its definition.
      type: list
      elements: str
      returned: always
    failed:
      description: That it failed.
      type: bool
      returned: when it failed
    error:
      description: What failed, C(doing), C(subject), C(errno), C(detail) and C(hint).
      type: dict
      returned: when it failed
    msg:
      description: The same as one text.
      type: str
      returned: when it failed
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.cgroup import (  # noqa: E402
    ARGUMENT_SPEC,
    ONE_OF,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle, required_one_of=ONE_OF)


if __name__ == "__main__":
    main()
