#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_host_info
short_description: What a host can do for containers
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - The checks of C(lxc-checkconfig) as data, with what is missing, why it matters and what to do.
  - Looks at what the running kernel does, and at its configuration where that is readable
    (C(/proc/config.gz), C(/boot/config-*)).
  - Works without root rights with what can be known then.
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
options:
  require:
    description:
      - Names of features, see RV(host.features). The task fails when the host lacks one of them,
        and says the remedy. One that could not be found out is a warning.
    type: list
    elements: str
    default: []
notes:
  - The role P(fleet.lxc.host#role) puts right what a role can put right.
  - Where neither configuration nor modules tell whether there are bridges and veths, they are tried
    in a network namespace that is gone afterwards. That needs root rights.
seealso:
  - module: fleet.lxc.lxc_bridge
"""

EXAMPLES = r"""
- name: See what this host can do
  fleet.lxc.lxc_host_info:
  register: found

- name: Show what is missing
  ansible.builtin.debug:
    msg: "{{ item.feature }}: {{ item.why }} {{ item.remedy }}"
  loop: "{{ found.host.missing }}"
  loop_control:
    label: "{{ item.feature }}"

- name: Go on only where containers can have a network
  fleet.lxc.lxc_host_info:
    require:
      - veth
      - bridge
      - pyroute2
"""

RETURN = r"""
host:
  description: The host.
  returned: always
  type: dict
  contains:
    kernel:
      description: Release and machine of the running kernel.
      type: dict
      returned: always
      sample: {release: 6.1.0-31-amd64, machine: x86_64}
    config:
      description:
        - C(source) is the file that the configuration was read from, null where there is none.
        - C(symbols) has those that containers use, V(y), V(m) or V(n); empty without a source.
      type: dict
      returned: always
      sample: {source: /proc/config.gz, symbols: {CONFIG_VETH: m}}
    namespaces:
      description: Which kinds of namespace the kernel has.
      type: dict
      returned: always
      sample: {net: true, pid: true}
    cgroups:
      description: How control groups are mounted.
      type: dict
      returned: always
      contains:
        layout:
          description: One of V(v1), V(v2), V(hybrid), V(none).
          type: str
          returned: always
        hierarchies:
          description: Each with C(version), C(path) and C(controllers).
          type: list
          elements: dict
          returned: always
        controllers:
          description: All that can be used.
          type: list
          elements: str
          returned: always
        unmounted:
          description: Controllers that the kernel has, but no hierarchy carries.
          type: list
          elements: str
          returned: always
    features:
      description: What containers use, by name; null where it could not be found out.
      type: dict
      returned: always
      sample: {veth: true, bridge: true, user_namespace: true, id_mapped_mounts: false}
    python:
      description: The interpreter that Ansible uses here.
      type: dict
      returned: always
      sample: {executable: /usr/bin/python3, version: 3.11.2}
    pyroute2:
      description: Its version for that interpreter, null when missing, and why it can't be used.
      type: dict
      returned: always
      sample: {version: 0.7.2, problem: null}
    resources:
      description: What containers share, and how busy it is. Null is what can't be read.
      type: dict
      returned: always
      contains:
        processors:
          description: How many there are.
          type: int
          returned: always
        load:
          description: How many tasks ran or waited on average of 1, 5 and 15 minutes.
          type: list
          elements: float
          returned: always
        memory:
          description: Bytes in C(total), and those C(available) without swapping.
          type: dict
          returned: always
        uptime:
          description: Seconds since the host's start.
          type: float
          returned: always
      sample:
        processors: 4
        load: [0.2, 0.15, 0.1]
        memory: {total: 8302182400, available: 6710886400}
        uptime: 86400.5
    missing:
      description: The features that are not there.
      type: list
      elements: dict
      returned: always
      contains:
        feature:
          description: Its name.
          type: str
          returned: always
        needed:
          description: Whether no container starts without it, as the defaults want it.
          type: bool
          returned: always
        why:
          description: What it is for.
          type: str
          returned: always
        remedy:
          description: What to do about it.
          type: str
          returned: always
    ready:
      description: Whether nothing that is needed is missing.
      type: bool
      returned: always
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.host_info import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle, needs_root=False)


if __name__ == "__main__":
    main()
