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
  - A running container is not restarted by a change. The result says in
    RV(containers[].pending_restart)
    when one waits for the next start.
  - All items of O(containers) are checked before the first is acted on. One that fails neither
    hides nor undoes the others.
extends_documentation_fragment:
  - fleet.lxc.attributes
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
  containers:
    description:
      - Several containers in one task, each with O(containers[].name) and any of the options below.
      - What an item leaves out is taken from the same option of the task.
    type: list
    elements: dict
    suboptions:
      name:
        description: The container's name.
        type: str
        required: true
      rootfs:
        description:
          - The root file system, from C(/) on, as made by M(fleet.lxc.lxc_rootfs). Required for a
            container that is not defined yet.
          - V(/) is the host's own root file system.
        type: str
      command:
        description:
          - The program that is the container's init, and its arguments. It is run as it is,
            without a
            shell.
          - Left out, a new container runs the command of the root file system's manifest, else
            V(/sbin/init). An empty list goes back to that.
        type: list
        elements: str
      environment:
        description:
          - Environment variables of the init. It gets none of the host's.
          - A value is a text or a whole number; put anything else into quotes.
          - A new container has V({}).
        type: dict
      cwd:
        description: The folder in which the init starts, V(/) for a new container.
        type: str
      uid:
        description: The user that the init runs as, inside, from 0 to 65535; V(0) for a new
          container.
        type: int
      gid:
        description: The group that the init runs as, inside, from 0 to 65535; V(0) for a new
          container.
        type: int
      hostname:
        description:
          - The container's host name, up to 64 characters.
          - A new container without one shares the host's; V("") goes back to that.
        type: str
      networks:
        description:
          - The links of the container's own network, exactly these.
          - A new container without any shares the host's network, with every address, every port
            and
            every abstract socket of the host; an item of type V(none) goes back to that.
        type: list
        elements: dict
        suboptions:
          type:
            description:
              - V(veth) is a link to a bridge of the host.
              - V(empty) is a network with nothing but V(lo) in it. It is the only item then.
              - V(none) shares the host's network. It is the only item then.
            type: str
            choices: [veth, empty, none]
            default: veth
          link:
            description: The host's bridge, as made by M(fleet.lxc.lxc_bridge). Required for
              V(veth).
            type: str
          name:
            description: The link's name inside. Left out, it is V(eth0) for the first item, and so
              on.
            type: str
          addresses:
            description:
              - Addresses with the length of their network's prefix, like V(10.0.3.5/24) or
                V(fd00:3::5/64).
            type: list
            elements: str
            default: []
          gateway4:
            description: The router of the IPv4 default route, in the network of one of the
              addresses.
            type: str
          gateway6:
            description:
              - The router of the IPv6 default route, in the network of one of the addresses, or
                link-local.
            type: str
          mtu:
            description: Bytes a packet, from 68 (1280 with IPv6 addresses) to 65535.
            type: int
          mac:
            description: The hardware address inside. Left out, the kernel chooses one at each
              start.
            type: str
          host_name:
            description: The name of the link's end on the host. Left out, it is chosen at each
              start.
            type: str
      mounts:
        description:
          - What is mounted into the container, in this order, beside what the root file system's
            manifest names. A new container has none.
        type: list
        elements: dict
        suboptions:
          source:
            description:
              - For V(bind) a folder or file of the host, from C(/) on, and required.
              - For other types the name that is shown as the source. Left out, it is the type.
            type: str
          target:
            description: Where it is seen inside, from the container's C(/) on.
            type: str
            required: true
          type:
            description: V(bind), or a file system of the kernel's own.
            type: str
            choices: [bind, tmpfs, proc, sysfs, mqueue, devpts]
            default: bind
          read_only:
            description: Whether it, and what is mounted below it, can't be written to.
            type: bool
            default: false
          options:
            description:
              - For V(bind) any of V(nosuid), V(nodev), V(noexec) and V(ro).
              - For other types also the file system's own, an item each, like V(size=64m).
            type: list
            elements: str
            default: []
          create:
            description: Make the target where it is missing, as a folder or an empty file.
            type: str
            choices: [dir, file]
          optional:
            description: Start without it where the source is missing.
            type: bool
            default: false
      cgroup:
        description:
          - Control group values by the names of either version, like V(memory.max) or
            V(memory.limit_in_bytes). A name is translated where the host has the other version,
            with
            a warning where something is lost.
          - Sizes may end in V(K), V(M), V(G), V(T); V(max) and V(-1) are no limit.
          - Devices have O(containers[].devices), and freezing has M(fleet.lxc.lxc_state).
          - A new container has V({}).
        type: dict
      devices:
        description:
          - Devices that the container may use beside null, zero, full, random, urandom, tty and
            its own
            terminals, like V(c 10:200 rwm), as the kernel's device controller has them.
          - V(a), which is every device, and any disk give away the host.
        type: list
        elements: str
      cap_keep:
        description:
          - Exactly these capabilities, by the names of V(capabilities(7\)), in place of the
            default ones.
            An empty list keeps none.
        type: list
        elements: str
      cap_add:
        description:
          - Capabilities in addition to O(containers[].cap_keep), or to the default ones. These are
            audit_write, chown,
            dac_override, fowner, fsetid, kill, net_bind_service, net_raw, setfcap, setgid, setpcap,
            setuid, sys_boot and sys_chroot.
          - V(net_admin) lets the container's root configure its network, run a DHCP client and a
            firewall.
          - With O(containers[].privileged=true) a capability is over the host, and V(sys_admin)
            gives it away.
        type: list
        elements: str
      cap_drop:
        description: Capabilities to take from O(containers[].cap_keep), or from the default ones.
        type: list
        elements: str
      no_new_privs:
        description:
          - Whether set-user-ID programs and file capabilities have no effect inside; V(false) for
            a new
            container.
        type: bool
      seccomp:
        description:
          - V(default), as a new container has it, answers system calls that load kernel code, set
            the
            host's clock and the like with EPERM, and kills programs of foreign ABIs.
          - V(unconfined) lets all through, and so widens what a hostile program can attack.
        type: str
        choices: [default, unconfined]
      rlimits:
        description:
          - Resource limits of the init by the names of V(getrlimit(2\)), in lower case and without
            C(RLIMIT_).
          - A value is V("1024"), or V("1024:2048") for the soft and the hard limit, or
            V("unlimited"). Use
            quotes, since YAML takes C(1024:20) for a number.
          - A new container has V({}), which is the host's.
        type: dict
      sysctls:
        description:
          - Kernel parameters of the container's own namespaces, C(net.*) (where it has
            O(containers[].networks)),
            C(fs.mqueue.*), C(kernel.shm*), C(kernel.msg*) and C(kernel.sem).
          - A new container has V({}).
        type: dict
      privileged:
        description:
          - Whether root inside is root of the host, held back by its capabilities, devices and
            system
            calls only. Whoever breaks one of these has the host.
          - A new container has V(false), and a range of ids of its own that are nobody's on the
            host.
        type: bool
      idmap:
        description:
          - V(auto), or the first of the host's ids that the container's are mapped to, as
            V("FIRST") or V("FIRST:SIZE"). In quotes.
          - A new container has V(auto), a range that no other container has. It is chosen once and
            kept.
          - Ranges begin at 65536 or above and have 65536 ids or more.
          - Not with O(containers[].privileged=true).
        type: str
      halt_signal:
        description:
          - The signal that asks the init to end, like V(SIGTERM), V(PWR) or V(RTMIN+3).
          - Left out for a new container, or V(""), it depends on the init.
        type: str
  state:
    description:
      - V(present) defines the container, and leaves it running or stopped as it is.
      - V(started) also starts it, and waits until its init runs.
      - V(absent) stops it and removes its definition. The root file system is left where it is,
        unless it is the container's own.
    type: str
    choices: [present, started, absent]
    default: present
  timeout:
    description: How many seconds a start or a stop may take.
    type: int
    default: 30
  rootfs:
    description:
      - The root file system, from C(/) on, as made by M(fleet.lxc.lxc_rootfs). Required for a
        container that is not defined yet.
      - V(/) is the host's own root file system.
    type: str
  command:
    description:
      - The program that is the container's init, and its arguments. It is run as it is, without a
        shell.
      - Left out, a new container runs the command of the root file system's manifest, else
        V(/sbin/init). An empty list goes back to that.
    type: list
    elements: str
  environment:
    description:
      - Environment variables of the init. It gets none of the host's.
      - A value is a text or a whole number; put anything else into quotes.
      - A new container has V({}).
    type: dict
  cwd:
    description: The folder in which the init starts, V(/) for a new container.
    type: str
  uid:
    description: The user that the init runs as, inside, from 0 to 65535; V(0) for a new container.
    type: int
  gid:
    description: The group that the init runs as, inside, from 0 to 65535; V(0) for a new container.
    type: int
  hostname:
    description:
      - The container's host name, up to 64 characters.
      - A new container without one shares the host's; V("") goes back to that.
    type: str
  networks:
    description:
      - The links of the container's own network, exactly these.
      - A new container without any shares the host's network, with every address, every port and
        every abstract socket of the host; an item of type V(none) goes back to that.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(veth) is a link to a bridge of the host.
          - V(empty) is a network with nothing but V(lo) in it. It is the only item then.
          - V(none) shares the host's network. It is the only item then.
        type: str
        choices: [veth, empty, none]
        default: veth
      link:
        description: The host's bridge, as made by M(fleet.lxc.lxc_bridge). Required for V(veth).
        type: str
      name:
        description: The link's name inside. Left out, it is V(eth0) for the first item, and so on.
        type: str
      addresses:
        description:
          - Addresses with the length of their network's prefix, like V(10.0.3.5/24) or
            V(fd00:3::5/64).
        type: list
        elements: str
        default: []
      gateway4:
        description: The router of the IPv4 default route, in the network of one of the addresses.
        type: str
      gateway6:
        description:
          - The router of the IPv6 default route, in the network of one of the addresses, or
            link-local.
        type: str
      mtu:
        description: Bytes a packet, from 68 (1280 with IPv6 addresses) to 65535.
        type: int
      mac:
        description: The hardware address inside. Left out, the kernel chooses one at each start.
        type: str
      host_name:
        description: The name of the link's end on the host. Left out, it is chosen at each start.
        type: str
  mounts:
    description:
      - What is mounted into the container, in this order, beside what the root file system's
        manifest names. A new container has none.
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - For V(bind) a folder or file of the host, from C(/) on, and required.
          - For other types the name that is shown as the source. Left out, it is the type.
        type: str
      target:
        description: Where it is seen inside, from the container's C(/) on.
        type: str
        required: true
      type:
        description: V(bind), or a file system of the kernel's own.
        type: str
        choices: [bind, tmpfs, proc, sysfs, mqueue, devpts]
        default: bind
      read_only:
        description: Whether it, and what is mounted below it, can't be written to.
        type: bool
        default: false
      options:
        description:
          - For V(bind) any of V(nosuid), V(nodev), V(noexec) and V(ro).
          - For other types also the file system's own, an item each, like V(size=64m).
        type: list
        elements: str
        default: []
      create:
        description: Make the target where it is missing, as a folder or an empty file.
        type: str
        choices: [dir, file]
      optional:
        description: Start without it where the source is missing.
        type: bool
        default: false
  cgroup:
    description:
      - Control group values by the names of either version, like V(memory.max) or
        V(memory.limit_in_bytes). A name is translated where the host has the other version, with
        a warning where something is lost.
      - Sizes may end in V(K), V(M), V(G), V(T); V(max) and V(-1) are no limit.
      - Devices have O(devices), and freezing has M(fleet.lxc.lxc_state).
      - A new container has V({}).
    type: dict
  devices:
    description:
      - Devices that the container may use beside null, zero, full, random, urandom, tty and its own
        terminals, like V(c 10:200 rwm), as the kernel's device controller has them.
      - V(a), which is every device, and any disk give away the host.
    type: list
    elements: str
  cap_keep:
    description:
      - Exactly these capabilities, by the names of V(capabilities(7\)), in place of the default
        ones.
        An empty list keeps none.
    type: list
    elements: str
  cap_add:
    description:
      - Capabilities in addition to O(cap_keep), or to the default ones. These are audit_write,
        chown,
        dac_override, fowner, fsetid, kill, net_bind_service, net_raw, setfcap, setgid, setpcap,
        setuid, sys_boot and sys_chroot.
      - V(net_admin) lets the container's root configure its network, run a DHCP client and a
        firewall.
      - With O(privileged=true) a capability is over the host, and V(sys_admin) gives it away.
    type: list
    elements: str
  cap_drop:
    description: Capabilities to take from O(cap_keep), or from the default ones.
    type: list
    elements: str
  no_new_privs:
    description:
      - Whether set-user-ID programs and file capabilities have no effect inside; V(false) for a new
        container.
    type: bool
  seccomp:
    description:
      - V(default), as a new container has it, answers system calls that load kernel code, set the
        host's clock and the like with EPERM, and kills programs of foreign ABIs.
      - V(unconfined) lets all through, and so widens what a hostile program can attack.
    type: str
    choices: [default, unconfined]
  rlimits:
    description:
      - Resource limits of the init by the names of V(getrlimit(2\)), in lower case and without
        C(RLIMIT_).
      - A value is V("1024"), or V("1024:2048") for the soft and the hard limit, or V("unlimited").
        Use
        quotes, since YAML takes C(1024:20) for a number.
      - A new container has V({}), which is the host's.
    type: dict
  sysctls:
    description:
      - Kernel parameters of the container's own namespaces, C(net.*) (where it has O(networks)),
        C(fs.mqueue.*), C(kernel.shm*), C(kernel.msg*) and C(kernel.sem).
      - A new container has V({}).
    type: dict
  privileged:
    description:
      - Whether root inside is root of the host, held back by its capabilities, devices and system
        calls only. Whoever breaks one of these has the host.
      - A new container has V(false), and a range of ids of its own that are nobody's on the host.
    type: bool
  idmap:
    description:
      - V(auto), or the first of the host's ids that the container's are mapped to, as
        V("FIRST") or V("FIRST:SIZE"). In quotes.
      - A new container has V(auto), a range that no other container has. It is chosen once and
        kept.
      - Ranges begin at 65536 or above and have 65536 ids or more.
      - Not with O(privileged=true).
    type: str
  halt_signal:
    description:
      - The signal that asks the init to end, like V(SIGTERM), V(PWR) or V(RTMIN+3).
      - Left out for a new container, or V(""), it depends on the init.
    type: str
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

- name: Remove it; its root file system stays
  fleet.lxc.lxc_container:
    name: job
    state: absent
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
        mutually_exclusive=[("name", "containers")],
        required_one_of=[("name", "containers")])


if __name__ == "__main__":
    main()
