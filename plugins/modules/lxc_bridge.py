#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_bridge
short_description: A bridge for containers
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Makes a Linux bridge, and changes one that is there, with its addresses, its ports and its
    masquerading. The job of C(brctl), C(lxc-net) and a few lines of C(nft), without them.
  - Only what the task names is changed. A bridge that is there keeps every attribute whose option
    is left out.
  - All changes are one plan. When one of them fails, those before it are undone, and the task says
    which one it was.
  - The bridge is made in the running kernel; it is gone after a reboot, until the task runs again,
    where O(persist) does not keep it.
requirements:
  - pyroute2 >= 0.7.2 on the managed host (Debian's package python3-pyroute2)
  - nothing else on the managed host; C(nft) is not needed for O(nat)
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The C(operations) of the diff's second half are the steps that are run, in order.
options:
  name:
    description:
      - The bridge's name, 1 to 15 bytes.
      - A link of that name that is not a bridge is refused.
    type: str
    required: true
  state:
    description:
      - V(present) makes the bridge, or changes it.
      - V(absent) removes it, its addresses and its masquerading. Forwarding that O(nat) turned on
        is turned off again, unless another bridge is left that may rely on it.
      - A bridge with ports that O(ports) does not name is removed only with O(force=true).
        The ends of containers that have just stopped are waited for, 3 seconds at most.
    type: str
    choices: [present, absent]
    default: present
  addresses:
    description:
      - Addresses with the length of the prefix, IPv4 and IPv6.
      - The list is exact. The bridge loses other addresses, save the IPv6 link-local one that the
        kernel makes. Left out, addresses stay as they are; an empty list removes them.
    type: list
    elements: str
  ports:
    description:
      - Links that are there and become ports of the bridge. They are brought up.
      - A link with addresses of its own is refused, since it would no longer answer there; so is a
        port of another bridge.
      - Other ports stay, see O(purge_ports).
    type: list
    elements: str
  purge_ports:
    description:
      - Take ports from the bridge that O(ports) does not name.
      - Veth links are left alone, they are the containers' ends.
    type: bool
    default: false
  forward_delay:
    description:
      - Seconds that a port listens and learns before it forwards, where the spanning tree protocol
        is on. From 0 to 30, and from 2 with O(stp=true).
      - The kernel's default for a new bridge is 15.
    type: float
  stp:
    description:
      - Whether the bridge speaks the spanning tree protocol. A new one does not.
    type: bool
  mtu:
    description:
      - Bytes, from 68 to 65535. Left out, it is the least of the ports'.
    type: int
  mac:
    description:
      - The bridge's hardware address, unicast.
      - A new bridge without this gets one made from the host's machine-id and the bridge's name,
        so that it does not change as ports come and go, nor when the bridge is made again.
    type: str
  up:
    description:
      - Whether the bridge is up. A new one comes up unless this is V(false).
    type: bool
  nat:
    description:
      - Whether what comes from the bridge's networks and leaves by another link gets this host's
        address there (masquerading).
      - V(true) makes an nf_tables table C(fleet-lxc-NAME) of its own, and turns on forwarding
        (C(net.ipv4.ip_forward); C(net.ipv6.conf.all.forwarding) only where the bridge has an IPv6
        address). It fails where the kernel can't do that.
      - V(auto) does the same, but where the kernel can't, it warns and goes on.
      - V(false) removes the table. Left out, there is one as before, whose networks follow
        O(addresses).
      - Firewall rules that drop forwarded packets stay in force; the task warns of chains whose
        policy is to drop.
    type: str
    choices: ['true', 'false', 'auto']
  forwards:
    description:
      - Ports of this host that lead to a container, from outside and from the host itself. The
        list is exact; left out, the forwards stay. They are part of the table of O(nat), which
        has to be on.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: The transport protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      port:
        description: The host's port.
        type: int
        required: true
      address:
        description: The container's address, IPv4 or IPv6.
        type: str
        required: true
      to_port:
        description: The container's port. Left out, it is O(forwards[].port).
        type: int
  dhcp:
    description:
      - Serve addresses, and names where O(dhcp.dns) is on, to containers by a C(dnsmasq) of this
        bridge's own, which has to be installed (Debian's package dnsmasq-base). It runs until
        O(state=absent), or a reboot; the task starts it again then.
      - A container's name is that of its DHCP client's host name.
    type: dict
    suboptions:
      first:
        description: The first address that is given away.
        type: str
        required: true
      last:
        description: The last one.
        type: str
        required: true
      lease_time:
        description: As dnsmasq writes it, V(45m), V(12h) or V(infinite).
        type: str
        default: 12h
      domain:
        description: The containers' domain, whose names are answered here only.
        type: str
      dns:
        description: Answer DNS on the bridge, and ask this host's name servers for the rest.
        type: bool
        default: true
  vlan_filtering:
    description:
      - Whether the bridge keeps VLANs apart. While it does not, O(vlans) are kept but not heeded.
    type: bool
  vlans:
    description:
      - The VLANs of ports that are listed, exactly these; other ports stay as they are. A new port
        is in VLAN 1, untagged. Containers' ends have theirs from M(fleet.lxc.lxc_container).
    type: list
    elements: dict
    suboptions:
      port:
        description: A port of the bridge, from O(ports) or O(takeover), or one that it has.
        type: str
        required: true
      untagged:
        description: The VLAN of frames without a tag, in both directions. Left out, there is none.
        type: int
      tagged:
        description: The VLANs that go with a tag.
        type: list
        elements: int
        default: []
  vxlan:
    description:
      - A port by which bridges of several hosts are one segment, as a link C(vxlan<id>) of this
        bridge. Containers of all of them reach each other as if they hung on one bridge.
      - Packets are neither encrypted nor authenticated on their way; the network between the
        hosts has to be one that is trusted, or carried by one (WireGuard, IPsec).
      - Left out, such a port stays as it is; O(state=absent) removes it.
    type: dict
    suboptions:
      id:
        description: The segment's number from 1 to 16777215, the same on all hosts.
        type: int
        required: true
      local:
        description: This host's address in the network between the hosts.
        type: str
        required: true
      remotes:
        description:
          - The other hosts' addresses there, exactly these. This host's own may be among them, so
            that one list fits all.
        type: list
        elements: str
        required: true
      port:
        description: The UDP port.
        type: int
        default: 4789
      mtu:
        description: Bytes. Left out, it is 1450, with IPv6 1430; the bridge's follows.
        type: int
  takeover:
    description:
      - A NIC whose place the bridge takes, so that containers are on its network. The bridge gets
        its hardware address, its MTU, every IPv4 and IPv6 address with lifetime, scope and label,
        and every route that leaves by it, of every table. Then the NIC is a port of the bridge.
      - At every moment both directions work; connections live on.
      - A new bridge has a forward delay of 0 and no spanning tree protocol then, and the NIC's
        sysctls, where the task does not say otherwise.
      - With O(addresses) the bridge gets those of the NIC's addresses that are listed.
      - A default route of IPv6 that the kernel learned of a router gets the next higher metric.
      - NetworkManager, where it has the NIC, is stopped for the time of the move, and has to have
        the bridge then, by O(persist).
      - O(state=absent) gives all that back to the NIC, which the bridge's alias names. This option
        can be left out there. Addresses that the bridge had before it took the NIC over go with
        the bridge.
    type: str
  gateway4:
    description: Replaces the default route of IPv4 over this bridge, in the main table.
    type: str
  gateway6:
    description: Replaces the default route of IPv6 over this bridge, in the main table.
    type: str
  promiscuous:
    description:
      - Whether the bridge takes packets for every hardware address. Its ports do that anyway, so
        containers don't need it.
    type: bool
  persist:
    description:
      - Keep the bridge over a reboot, in files of the host's network manager. They are written
        once the change is confirmed, and tell the running state, so that a manager that reads
        them meanwhile finds nothing to change. C(DNS) settings of the NIC go to the bridge.
      - V(auto) takes the manager that has the NIC, and fails where none is found. The others name
        one.
      - What is kept is the bridge with its ports, addresses and routes. O(nat), O(forwards),
        O(vxlan), O(vlans) and O(dhcp) are made again by the task.
      - Leased addresses are not written down; the bridge asks for them then as the NIC did.
      - V(ifupdown) puts what the NIC had in C(/etc/network/interfaces) behind a mark.
      - V(none) removes such files, and so does O(state=absent). What was put aside comes back.
      - Left out, files stay as they are.
    type: str
    choices: [auto, systemd-networkd, ifupdown, NetworkManager, none]
  confirm_timeout:
    description:
      - Seconds that a change of a bridge that takes over a NIC waits to be confirmed. A process on
        the host makes the change, and undoes it when that time is over. The task itself confirms
        it, as soon as it has reached the host over a connection that is newer than the change.
      - So a wrong gateway, a firewall that names the NIC, or a connection that breaks in the
        middle, ends with the old network and an error that says so. Meanwhile nothing else may
        change the bridge.
      - V(0) makes the change without that.
    type: int
    default: 60
  confirmation:
    description: What the action plugin says to the module. Not for use in tasks.
    type: str
  force:
    description:
      - With O(state=absent), remove the bridge also from under ports that are not in O(ports).
        Running containers are cut off from their network.
    type: bool
    default: false
seealso:
  - module: fleet.lxc.lxc_host_info
  - module: fleet.lxc.lxc_container
"""

EXAMPLES = r"""
- name: A private bridge whose containers reach the outside where this host forwards
  fleet.lxc.lxc_bridge:
    name: lxcbr0
    addresses:
      - 10.0.3.1/24
    nat: auto

- name: A web server in a container, reached on port 8080 of this host
  fleet.lxc.lxc_bridge:
    name: lxcbr0
    nat: auto
    forwards:
      - port: 8080
        address: 10.0.3.5
        to_port: 80

- name: One segment over the hosts of a group
  fleet.lxc.lxc_bridge:
    name: br7
    vxlan:
      id: 7
      local: 192.0.2.11
      remotes: [192.0.2.11, 192.0.2.12]

- name: A bridge with both families, and a second link as its port
  fleet.lxc.lxc_bridge:
    name: br1
    addresses:
      - 192.0.2.1/24
      - 2001:db8:1::1/64
    ports:
      - port1
    forward_delay: 0
    stp: false
    mtu: 1450

- name: Containers on the network of eth0, after a reboot too
  fleet.lxc.lxc_bridge:
    name: br0
    takeover: eth0
    persist: auto

- name: Take the port away again and change nothing else
  fleet.lxc.lxc_bridge:
    name: br1
    ports: []
    purge_ports: true

- name: Remove a bridge, its addresses and its masquerading
  fleet.lxc.lxc_bridge:
    name: lxcbr0
    state: absent
"""

RETURN = r"""
bridge:
  description: The bridge as it is after the task; in check mode, as it would be.
  returned: success
  type: dict
  contains:
    name:
      description: The bridge's name.
      type: str
      returned: always
    state:
      description: Whether there is one.
      type: str
      returned: always
      sample: present
    mac:
      description: Hardware address.
      type: str
      returned: when present
    mtu:
      description: Bytes.
      type: int
      returned: when present
    up:
      description: Whether it is up.
      type: bool
      returned: when present
    stp:
      description: Whether it speaks the spanning tree protocol.
      type: bool
      returned: when present
    forward_delay:
      description: Seconds.
      type: float
      returned: when present
    addresses:
      description: Addresses with prefix length, without IPv6 link-local ones.
      type: list
      elements: str
      returned: when present
    ports:
      description: Names of its ports.
      type: list
      elements: str
      returned: when present
    promiscuous:
      description: Whether somebody asked it to take packets for every hardware address.
      type: bool
      returned: when present
    routes:
      description: Routes over it, as C(ip route) writes them, without those that the kernel makes.
      type: list
      elements: str
      returned: when present
    vlan_filtering:
      description: Whether it keeps VLANs apart.
      type: bool
      returned: when present
    dhcp:
      description: What its dnsmasq serves, as the option O(dhcp) writes it. V(none) for none.
      type: dict
      returned: always
    vxlan:
      description: Its VXLAN port, as the option O(vxlan) writes it. V(none) where there is none.
      type: dict
      returned: always
    files:
      description: Files that keep it over a reboot, or have something put aside for that.
      type: dict
      returned: always
      sample: {}
    takeover:
      description:
        - The NIC that it takes over, or has taken over, with the addresses and routes that this
          NIC has itself. V(none) where there is no such NIC.
      type: dict
      returned: always
      sample: {link: eth0, addresses: [], routes: []}
    nat:
      description: Whether traffic from it is masqueraded.
      type: bool
      returned: always
    nat_networks:
      description: The networks that are.
      type: list
      elements: str
      returned: always
    forwards:
      description: The forwarded ports, as the option O(forwards) writes them.
      type: list
      elements: dict
      returned: always
    forwarding:
      description: Whether the host forwards, by family.
      type: dict
      returned: always
      sample: {ipv4: true, ipv6: false}
  sample:
    name: lxcbr0
    state: present
    mac: 8a:5f:34:0a:5c:11
    mtu: 1500
    up: true
    stp: false
    promiscuous: false
    forward_delay: 15.0
    addresses: [10.0.3.1/24]
    ports: []
    routes: []
    vlan_filtering: false
    dhcp: null
    vxlan: null
    files: {}
    takeover: null
    nat: true
    nat_networks: [10.0.3.0/24]
    forwards: []
    forwarding: {ipv4: true, ipv6: false}
operations:
  description: The steps that were run, or would be, in order.
  returned: success
  type: list
  elements: str
  sample:
    - 'create bridge lxcbr0: mac 8a:5f:34:0a:5c:11'
    - set up of lxcbr0 from off to on
    - add address 10.0.3.1/24 to lxcbr0
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.bridge import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle)


if __name__ == "__main__":
    main()
