#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_container_info
short_description: What containers there are, and what they do
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - The definition of each container, and what the kernel says of it. The job of C(lxc-ls),
    C(lxc-info) and C(lxc-ps).
  - Does not wait for what others do with a container at the moment, and does not change anything.
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
  name:
    description:
      - Names of containers, and shell patterns such as V(web*), V(web?) and V(web[12]), which stand
        for every defined container that they match.
      - Left out, all that are defined.
      - A name that is not defined is an error; the others are reported all the same. A pattern that
        matches nothing is a warning.
    type: list
    elements: str
seealso:
  - module: fleet.lxc.lxc_container
  - module: fleet.lxc.lxc_state
  - module: fleet.lxc.lxc_host_info
"""

EXAMPLES = r"""
- name: Look at all containers of this host
  fleet.lxc.lxc_container_info:
  register: found

- name: Show where those that run can be reached
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.addresses | map(attribute='address') | join(', ') }}"
  loop: "{{ found.containers | selectattr('state', 'eq', 'RUNNING') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Keep each definition as an LXC configuration file
  ansible.builtin.copy:
    content: "{{ item.lxc_config }}"
    dest: "/root/{{ item.name }}.conf"
    mode: "0600"
  loop: "{{ found.containers }}"
  loop_control:
    label: "{{ item.name }}"

- name: Show the processes of all of them, as lxc-ps does
  ansible.builtin.debug:
    msg: "{{ item.container }} {{ item.pid }} {{ item.user_inside }} {{ item.command }}"
  loop: "{{ found.containers | map(attribute='processes') | flatten }}"
  loop_control:
    label: "{{ item.pid }}"

- name: Look at some
  fleet.lxc.lxc_container_info:
    name:
      - web*
      - job
"""

RETURN = r"""
containers:
  description:
    - Each container once, in the order in which O(name) first names or matches it; those that one
      pattern matches by name. All of them by name where it is left out.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    state:
      description: STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED.
      type: str
      returned: always
      sample: RUNNING
    pid:
      description: Process id of its init on the host, 0 where none runs.
      type: int
      returned: always
    monitor_pid:
      description: Process id of its monitor, 0 where none runs. A container runs on without one.
      type: int
      returned: always
    rootfs:
      description: Its root file system.
      type: str
      returned: always
    definition:
      description: The whole definition, see M(fleet.lxc.lxc_container).
      type: dict
      returned: always
    options:
      description:
        - What its definition has beside the defaults, as options of M(fleet.lxc.lxc_container).
        - Given to it for a new container, they lead to the same definition.
      type: dict
      returned: always
    lxc_config:
      description:
        - The definition as an LXC configuration file with the keys of today. What LXC has no key
          for is in lines like C(fleet.privileged = true), which LXC passes over.
        - Given to O(fleet.lxc.lxc_container#module:lxc_config), it leads to the same definition.
      type: str
      returned: always
    exit:
      description: How the init of its last run ended, C(code) or C(signal). Null where nobody
        knows, and while it runs.
      type: dict
      returned: always
      sample: {code: 0}
    error:
      description: Why its last start failed, C(doing), C(subject), C(errno), C(detail) and C(hint).
        Null where it did not.
      type: dict
      returned: always
    started:
      description: When it was started, in seconds since 1970. Null where it does not run.
      type: float
      returned: always
    uptime:
      description: How many seconds ago that was.
      type: float
      returned: always
    cgroups:
      description: Folders of its control groups while it runs.
      type: list
      elements: str
      returned: always
      sample: [/sys/fs/cgroup/fleet-lxc/web1]
    links:
      description: The host's ends of its veth links while it runs.
      type: list
      elements: str
      returned: always
    addresses:
      description:
        - Addresses that it has in its own network while it runs, whoever gave them, a DHCP client
          inside included, without those of the loopback link and IPv6 link-local ones. Empty for
          one that shares the host's network.
        - Null, with a warning, where the kernel does not tell them.
      type: list
      elements: dict
      returned: always
      contains:
        link:
          description: Name of the link inside.
          type: str
          returned: always
        address:
          description: Address with prefix length.
          type: str
          returned: always
    processes:
      description: Its processes, by process id.
      type: list
      elements: dict
      returned: always
      contains:
        container:
          description: Name of the container, for lists of several.
          type: str
          returned: always
        pid:
          description: Process id on the host.
          type: int
          returned: always
        pid_inside:
          description: Process id inside.
          type: int
          returned: always
        ppid:
          description: Process id, on the host, of the process that it is a child of.
          type: int
          returned: always
        uid:
          description: User id on the host.
          type: int
          returned: always
        user:
          description: Name of the user on the host, by its C(/etc/passwd). Null where it has none.
          type: str
          returned: always
        uid_inside:
          description: User id inside; 65534, the kernel's nobody, where it has none there.
          type: int
          returned: always
        user_inside:
          description: Name of the user inside, by the C(/etc/passwd) of its root file system. Null
            where it has none.
          type: str
          returned: always
        name:
          description: Short name, up to 15 bytes.
          type: str
          returned: always
        command:
          description: Command line; the short name in brackets where it has none.
          type: str
          returned: always
        state:
          description: State of the process in one letter, as ps(1) has it.
          type: str
          returned: always
          sample: S
        cpu:
          description: Seconds of processor time that it has used.
          type: float
          returned: always
        started:
          description: When it was started, in seconds since 1970.
          type: float
          returned: always
        memory:
          description: Resident memory in bytes.
          type: int
          returned: always
    memory:
      description: Bytes that its memory control group accounts to it. Null where it does not run,
        or has no such group.
      type: int
      returned: always
    usage:
      description: What it uses, by its control groups. Null where it does not run. What the host
        does not count for it is null as well; control groups of version 1 count block devices only
        for a container with a C(blkio) value in its definition.
      type: dict
      returned: always
      contains:
        cpu:
          description: Processor time in seconds.
          type: dict
          returned: always
          contains:
              total:
                description: All of it.
                type: float
                returned: always
              user:
                description: In programs.
                type: float
                returned: always
              system:
                description: In the kernel.
                type: float
                returned: always
              throttled:
                description: How long it was held back by its limit.
                type: float
                returned: always
              throttled_periods:
                description: How often.
                type: int
                returned: always
        memory:
          description: Bytes.
          type: dict
          returned: always
          contains:
              current:
                description: What is accounted to it.
                type: int
                returned: always
              peak:
                description: The most of it so far.
                type: int
                returned: always
              limit:
                description: Its limit, null for none.
                type: int
                returned: always
              swap:
                description: What of it is swapped out.
                type: int
                returned: always
              anonymous:
                description: What its programs have allocated.
                type: int
                returned: always
              file:
                description: What is cached of files.
                type: int
                returned: always
              kernel:
                description: What the kernel has allocated for it.
                type: int
                returned: always
              oom_kills:
                description: How many of its processes the kernel killed for want of memory.
                type: int
                returned: always
        pids:
          description: Processes and threads.
          type: dict
          returned: always
          contains:
              current:
                description: How many there are.
                type: int
                returned: always
              limit:
                description: How many there may be, null for no limit.
                type: int
                returned: always
        io:
          description: C(read_bytes), C(write_bytes), C(reads) and C(writes) since its start, and
            the same for each of C(devices) by its numbers.
          type: dict
          returned: always
        pressure:
          description: For C(cpu), C(memory) and C(io) how long C(some) or the C(full) set of its
            tasks had to wait, in percent of the last 10, 60 and 300 seconds, and C(total) in
            seconds.
          type: dict
          returned: always
    log:
      description: The file of the host that has what its console showed, once it showed anything.
      type: str
      returned: always
  sample:
    - name: web1
      state: RUNNING
      pid: 4711
      monitor_pid: 4709
      rootfs: /var/lib/fleet-lxc/rootfs/web1
      definition: {name: web1, rootfs: /var/lib/fleet-lxc/rootfs/web1, hostname: web1}
      options: {rootfs: /var/lib/fleet-lxc/rootfs/web1, hostname: web1}
      lxc_config: |
        # Container web1 of the collection fleet.lxc
        lxc.rootfs.path = dir:/var/lib/fleet-lxc/rootfs/web1
        lxc.uts.name = web1
      exit: null
      error: null
      started: 1767225600.25
      uptime: 17.042
      cgroups: [/sys/fs/cgroup/fleet-lxc/web1]
      links: [veth0a1b2c3d]
      addresses: [{link: eth0, address: 10.0.3.11/24}]
      processes:
        - container: web1
          pid: 4711
          pid_inside: 1
          ppid: 4709
          uid: 1073741824
          user: null
          uid_inside: 0
          user_inside: root
          name: sshd
          command: /usr/sbin/sshd -D -e
          state: S
          cpu: 0.02
          started: 1767225600.25
          memory: 7340032
      memory: 2097152
      usage:
        cpu: {total: 0.021, user: 0.008, system: 0.013, throttled: 0.0, throttled_periods: 0}
        memory: {current: 2097152, peak: 2203648, limit: 268435456, swap: 0, anonymous: 1204224,
                 file: 0, kernel: 405504, oom_kills: 0}
        pids: {current: 1, limit: 200}
        io: null
        pressure:
          cpu: {some: {avg10: 0.0, avg60: 0.0, avg300: 0.0, total: 0.002}}
          memory: null
          io: null
      log: /var/lib/fleet-lxc/containers/web1/console.log
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.container_info import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle)


if __name__ == "__main__":
    main()
