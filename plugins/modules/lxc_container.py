#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container
short_description: The definition of a container
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Ties a name to a root file system and to what its container may do and use, and keeps that on
    the host. Starts the container where asked to, and removes it.
  - An option that is left out keeps what is stored. A list or dictionary that is given replaces the
    stored one in full.
  - What the definition does not mention is shared with the host, except processes, mounts and
    System V IPC, which each container has to itself, and user ids, which it has unless
    O(privileged=true).
  - What can be changed in a running container is changed at once, which are control group values,
    devices, mounts, resource limits, kernel parameters, the host name and what is read when it is
    used. O(apply) decides about the rest, and RV(containers[].pending) says what of it waits for
    the next start.
  - All items of O(containers) are checked before the first is acted on. One that fails neither
    hides nor undoes the others.
extends_documentation_fragment:
  - fleet.lxc.attributes
  - fleet.lxc.definition
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Both halves have the definition and the state of each container.
options:
  name:
    description:
      - The container's name, up to 64 letters, digits, V(_), V(.) and V(-), a letter or digit
        first.
      - Either this or O(containers) is required.
    type: str
  state:
    description:
      - V(present) defines the container, and leaves it running or stopped as it is.
      - V(started) also starts it, and waits until its init runs.
      - V(absent) stops it and removes its definition. The root file system is left where it is,
        unless O(purge) says otherwise.
    type: str
    choices: [present, started, absent]
    default: present
  purge:
    description:
      - With O(state=absent), remove the container's root file system, too, with everything in it.
      - Only one that M(fleet.lxc.lxc_rootfs) has made, and that no other container and no clone
        uses. Any other stays, and a warning says why. Of containers of this task that share one it
        goes with the last.
      - That of a container which is absent already is not known any more. M(fleet.lxc.lxc_rootfs)
        removes it by its path.
    type: bool
    default: false
  timeout:
    description: How many seconds a start or a stop may take.
    type: int
    default: 30
  apply:
    description:
      - What becomes of a container that runs with another definition than its own.
      - V(live) changes at once what can be changed at once. The rest waits for the next start.
      - V(restart) does the same, and restarts the container where anything is left.
      - V(next_boot) leaves alone what runs.
      - A mount that an unprivileged container was started with can't be taken out of it, and a
        limit or parameter that is given up has no known value to go back to. Both wait.
    type: str
    choices: [live, restart, next_boot]
    default: live
    version_added: 0.1.0
seealso:
  - module: fleet.lxc.lxc_rootfs
  - module: fleet.lxc.lxc_bridge
"""

EXAMPLES = r"""
- name: A container that answers SSH on the private bridge
  fleet.lxc.lxc_container:
    name: web1
    rootfs: /var/lib/fleet-lxc/rootfs/web1
    hostname: web1
    networks:
      - link: lxcbr0
        addresses: [10.0.3.11/24]
        gateway4: 10.0.3.1
    cgroup:
      memory.max: 256M
      pids.max: 200
    state: started

- name: Two more, which have all but their names, root file systems and addresses in common
  fleet.lxc.lxc_container:
    containers:
      - name: web2
        rootfs: /var/lib/fleet-lxc/rootfs/web2
        networks: [{link: lxcbr0, addresses: [10.0.3.12/24], gateway4: 10.0.3.1}]
      - name: web3
        rootfs: /var/lib/fleet-lxc/rootfs/web3
        networks: [{link: lxcbr0, addresses: [10.0.3.13/24], gateway4: 10.0.3.1}]
    cgroup:
      cpu.shares: 512
    rlimits:
      nofile: "1024:4096"
    state: started

- name: One program, with a folder of the host to work in, and no network at all
  fleet.lxc.lxc_container:
    name: job
    rootfs: /var/lib/fleet-lxc/rootfs/job
    command: [/usr/bin/sleep, infinity]
    environment:
      LANG: C.UTF-8
    uid: 1000
    gid: 1000
    networks:
      - type: empty
    mounts:
      - source: /srv/job
        target: /srv/job
        create: dir
        options: [nosuid, nodev]
      - type: tmpfs
        target: /tmp
        options: [size=64m, mode=1777]
    cap_keep: []
    no_new_privs: true

- name: Containers from one LXC configuration file, which differ in their names and addresses
  fleet.lxc.lxc_container:
    config_file: /etc/lxc/web.conf
    containers:
      - name: web4
        hostname: web4
        networks: [{link: lxcbr0, addresses: [10.0.3.14/24], gateway4: 10.0.3.1}]
      - name: web5
        hostname: web5
        networks: [{link: lxcbr0, addresses: [10.0.3.15/24], gateway4: 10.0.3.1}]

- name: The keys of 2009, in the playbook
  fleet.lxc.lxc_container:
    name: web6
    lxc_config: |
      lxc.utsname = web6
      lxc.network.type = veth
      lxc.network.link = lxcbr0
      lxc.network.flags = up
      lxc.network.ipv4 = 10.0.3.16/24
      lxc.rootfs = /var/lib/fleet-lxc/rootfs/web1
      lxc.cgroup.cpu.shares = 512

- name: Remove it; its root file system stays
  fleet.lxc.lxc_container:
    name: job
    state: absent

- name: Remove another one, with the root file system that nobody else uses
  fleet.lxc.lxc_container:
    name: web7
    state: absent
    purge: true
"""

RETURN = r"""
containers:
  description: Each container of the task, in its order.
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
      description:
        - STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED; ABSENT where
          there is no such container.
      type: str
      returned: always
      sample: RUNNING
    pid:
      description: Process id of its init on the host.
      type: int
      returned: when it runs
    definition:
      description: The whole definition as it is stored after the task.
      type: dict
      returned: unless it is absent
      sample:
        name: web1
        rootfs: /var/lib/fleet-lxc/rootfs/web1
        hostname: web1
        privileged: false
        idmap: {first: 1073741824, size: 65536}
    changes:
      description: The options whose value differs from what was stored.
      type: list
      elements: str
      returned: always
      sample: [hostname]
    pending:
      description: Options of the definition that it gets at its next start only.
      type: list
      elements: str
      returned: always
      sample: [environment]
    applied:
      description: What was changed in the container that runs, or would be, in order.
      type: list
      elements: str
      returned: always
      sample: [set memory.max to 536870912]
    pending_restart:
      description: Whether it runs with an older definition, and gets this one at its next start.
      type: bool
      returned: always
    actions:
      description: What was done, or would be, in order.
      type: list
      elements: str
      returned: always
      sample: [create, start]
    error:
      description: What failed, C(doing), C(subject), C(errno), C(detail) and C(hint).
      type: dict
      returned: when it failed
    msg:
      description: The same as one text.
      type: str
      returned: when it failed
container:
  description: The one item of RV(containers).
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.container import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle,
        mutually_exclusive=[("name", "containers"), ("config_file", "lxc_config")],
        required_one_of=[("name", "containers")])


if __name__ == "__main__":
    main()
