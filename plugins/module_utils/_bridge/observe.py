# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bridge is, in the caller's network namespace."""
from __future__ import annotations

import dataclasses
import hashlib
import os
import typing as t

from .._kernel import bridge_vlans, sysctls, vxlan
from .._kernel.errors import LxcError
from .._kernel.link_config import LinkConfig
from .._kernel.nftables import Nftables
from . import dnsmasq
from .belongings import (
    RP_FILTER,
    Belongings,
    alias_of,
    movable_routes,
    observe_belongings,
    read_mark,
    settings_of,
)
from .manager_files import manager_of, observe_files, stopped
from .persist import mark_in, ours

if t.TYPE_CHECKING:
    from .._kernel.bridge_vlans import PortVlans
    from .._kernel.netlink import Netlink
    from .._kernel.netlink_facts import Link
    from .._kernel.nftables import Forward
    from .._kernel.vxlan import Vxlan
    from .dnsmasq import Dhcp
    from .spec import BridgeSpec

# Those that only a bridge that is there has.
BRIDGE_FACTS = ("mac", "mtu", "up", "promiscuous", "stp", "forward_delay", "addresses", "ports",
                "routes", "vlan_filtering")
FORWARDING = {"ipv4": sysctls.IP_FORWARD, "ipv6": sysctls.IPV6_FORWARD}


@dataclasses.dataclass
class BridgeState:
    """Everything a plan has to know, and an undo has to restore."""

    link: Link | None = None  # None: there is no link of that name
    addresses: list[str] = dataclasses.field(default_factory=list)
    own: Belongings | None = None  # the bridge's
    mark: str = ""  # the bridge's alias
    nic: str = ""  # whose addresses it shall take over, or has
    nic_link: Link | None = None
    nic_has: Belongings | None = None
    nexthops_hidden: bool = False  # whether routes by nexthop objects don't say their links
    nic_rules: list[str] = dataclasses.field(default_factory=list)  # that name it
    new_settings: dict[str, str] = dataclasses.field(default_factory=dict)  # of a new link
    strict: bool = False  # whether net.ipv4.conf.all.rp_filter is 1
    ports: dict[str, Link] = dataclasses.field(default_factory=dict)
    candidates: dict[str, Link] = dataclasses.field(default_factory=dict)  # the spec's ports
    candidate_addresses: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    other_bridges: list[str] = dataclasses.field(default_factory=list)
    filtering: bool = False  # by VLAN
    vlans: dict[str, PortVlans] = dataclasses.field(default_factory=dict)  # by port
    vxlan: Vxlan | None = None  # the port that was made for this bridge
    vxlan_link: Link | None = None  # it, or else the link that has the name it shall have
    vxlan_remotes: list[str] = dataclasses.field(default_factory=list)
    nat: list[str] | None = None  # masqueraded networks; None: no table of ours
    nat_comment: str = ""
    forwards: list[Forward] = dataclasses.field(default_factory=list)
    nat_problem: LxcError | None = None  # why there can be no NAT
    dropping: list[str] = dataclasses.field(default_factory=list)  # firewall chains
    legacy_filter: bool = False  # whether the legacy iptables has a filter table
    bridged_too: bool = False  # whether they see what only crosses the bridge
    dhcp: Dhcp | None = None  # what dnsmasq serves
    dhcp_files: bool = False  # also of one that was killed
    forwarding: dict[str, bool | None] = dataclasses.field(default_factory=dict)  # by family
    stable_mac: str = ""
    files: dict[str, str] = dataclasses.field(default_factory=dict)  # the network managers'
    manager: str = ""  # the one that has the NIC
    bridge_manager: str = ""  # the one that has the bridge
    stopped_manager: str = ""  # the one that was stopped while the NIC got everything back


def table_name(bridge: str) -> str:
    """The nf_tables table that belongs to a bridge."""
    return "fleet-lxc-%s" % bridge


def observe(netlink: Netlink, spec: BridgeSpec) -> BridgeState:
    """The present state of the bridge, and of the links that are to be its ports."""
    links = {link["name"]: link for link in netlink.links()}
    state = BridgeState(
        link=links.get(spec.name),
        ports={n: link for n, link in links.items() if link["master"] == spec.name},
        candidates={n: links[n] for n in spec.ports or () if n in links},
        other_bridges=[n for n, link in links.items()
                       if link["kind"] == "bridge" and n != spec.name],
        stable_mac=stable_mac(spec.name), files=observe_files(),
        stopped_manager=stopped(spec.name))
    if state.link is not None:
        state.addresses = netlink.addresses(spec.name)
        state.own = observe_belongings(netlink, spec.name)
        alias = LinkConfig(netlink).alias(spec.name)
        state.mark = mark_in(spec.name, state.files) if not read_mark(alias)[0] else alias
        state.filtering = bridge_vlans.is_filtering(netlink, spec.name)
        if spec.vlans:
            numbers = bridge_vlans.read(netlink)
            state.vlans = {n: numbers[link["index"]] for n, link in state.ports.items()
                           if link["index"] in numbers}
    _observe_nic(netlink, spec, state, links)
    _observe_vxlan(netlink, spec, state, links)
    state.candidate_addresses = {n: netlink.addresses(n) for n in state.candidates}
    state.dhcp = dnsmasq.read(spec.name)
    state.dhcp_files = dnsmasq.has_files(spec.name)
    if state.link is not None:
        state.bridge_manager = manager_of(spec.name, state.link["index"], state.files)
    if state.nic_link is not None:
        state.manager = manager_of(state.nic, state.nic_link["index"], state.files)
    _observe_nat(spec.name, state)
    return state


def _observe_nic(netlink: Netlink, spec: BridgeSpec, state: BridgeState,
                 links: dict[str, Link]) -> None:
    state.nic = spec.takeover or read_mark(state.mark)[0]
    state.nic_link = links.get(state.nic)
    if state.nic_link is not None:
        state.nic_has = observe_belongings(netlink, state.nic)
        state.nic_rules = LinkConfig(netlink).rules(state.nic)
        state.nexthops_hidden = sysctls.read("net/ipv4/nexthop_compat_mode") == "0"
        state.new_settings = settings_of("default")
        state.strict = sysctls.read(RP_FILTER % "all") == "1"


def _observe_vxlan(netlink: Netlink, spec: BridgeSpec, state: BridgeState,
                   links: dict[str, Link]) -> None:
    for name, link in links.items():
        if link["kind"] == "vxlan" and LinkConfig(netlink).alias(name) == alias_of(spec.name):
            state.vxlan, state.vxlan_link = vxlan.read(netlink, link["index"]), link
            state.vxlan_remotes = vxlan.remotes(netlink, link["index"])
            return
    if spec.vxlan is not None:
        state.vxlan_link = links.get(spec.vxlan.name)


def _observe_nat(name: str, state: BridgeState) -> None:
    for family, key in FORWARDING.items():
        value = sysctls.read(key)
        state.forwarding[family] = None if value is None else value != "0"
    state.bridged_too = sysctls.read(sysctls.BRIDGE_CALLS_IPTABLES) == "1"
    state.legacy_filter = _legacy_filter()
    try:
        with Nftables() as tables:
            found = tables.masquerade(table_name(name))
            if found is not None:
                state.nat, state.nat_comment, state.forwards = found
            state.dropping = tables.dropping_forward_chains()
    except LxcError as error:
        state.nat_problem = error


def _legacy_filter() -> bool:
    """Its policy can't be read without more system calls; that it is there can."""
    try:
        with open("/proc/thread-self/net/ip_tables_names", encoding="ascii") as file:
            return "filter" in file.read().split()
    except OSError:
        return False


def stable_mac(name: str) -> str:
    """A locally administered address that this host always gives a bridge of that name.

    A bridge without an address of its own takes its ports' lowest, and changes it as they come
    and go; neighbours then lose their connections until ARP has caught up.
    """
    seed = os.uname().nodename
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            with open(path, encoding="utf-8") as file:
                seed = file.read().strip() or seed
            break
        except OSError:
            continue
    digest = bytearray(hashlib.sha256(("fleet.lxc bridge %s %s" % (seed, name)).encode()).digest())
    digest[0] = digest[0] & 0xFC | 0x02
    return ":".join("%02x" % byte for byte in digest[:6])


def forward_facts(forwards: list[Forward]) -> list[dict[str, t.Any]]:
    """As the option writes them, in an order of their own."""
    return [forward._asdict() for forward in sorted(forwards)]


def facts(name: str, state: BridgeState) -> dict[str, t.Any]:
    """The state as the user sees it: the result, and both sides of the diff."""
    found: dict[str, t.Any] = {
        "name": name, "state": "absent", "nat": state.nat is not None,
        "nat_networks": sorted(state.nat or []),
        "forwards": forward_facts(state.forwards),
        "forwarding": {family: bool(on) for family, on in state.forwarding.items()}}
    if state.link is not None:
        values = (state.link["mac"], state.link["mtu"], state.link["up"],
                  state.own is not None and state.own.promiscuous, state.link["stp"],
                  state.link["forward_delay"], sorted(state.addresses), sorted(state.ports),
                  _route_texts(state.own), state.filtering)
        found.update(zip(BRIDGE_FACTS, values), state="present")
    found["vxlan"] = None if state.vxlan is None else {
        **state.vxlan._asdict(), "remotes": state.vxlan_remotes}
    found["dhcp"] = None if state.dhcp is None else state.dhcp._asdict()
    found["files"] = {"/" + path: text for path, text in sorted(ours(name, state.files).items())}
    found["takeover"] = None
    if state.nic_has is not None:
        found["takeover"] = {
            "link": state.nic, "routes": _route_texts(state.nic_has),
            "addresses": sorted(a.text for a in state.nic_has.addresses if not a.link_local)}
    return found


def _route_texts(has: Belongings | None) -> list[str]:
    return sorted(route.text for route in movable_routes(has)) if has else []
