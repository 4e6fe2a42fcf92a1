# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a bridge is to what it shall be: a list of operations. Pure."""
from __future__ import annotations

import typing as t

from .._kernel.addresses import is_near, network, parse_address, parse_cidr, to_text
from .._kernel.errors import LxcError
from . import files, overlay, takeover, vlans
from .manager import UNITS, StartManager, StopManager
from .moves import SetPromiscuous
from .operations import (
    AddAddress,
    AddPort,
    CreateBridge,
    DeleteBridge,
    Operation,
    RemoveAddress,
    RemovePort,
    SetBridgeOption,
    SetDhcp,
    SetForwarding,
    SetLink,
    SetNat,
)

if t.TYPE_CHECKING:
    from .._kernel.netlink_facts import Link
    from .dnsmasq import Dhcp
    from .observe import BridgeState
    from .spec import BridgeSpec

_TURNED_ON = "turned on "  # in the table's comment: which forwarding was off before


class Plan(t.NamedTuple):
    """What to do, in order, and what the user should know about it.

    :param deferred: what comes after them, once it is known that this host can be reached: what
        can't be undone, and what a reboot would do
    :param risky: whether this host could be cut off by it
    """

    operations: list[Operation]
    warnings: list[str]
    deferred: list[Operation]
    risky: bool = False


def plan_present(spec: BridgeSpec, state: BridgeState) -> Plan:
    """Make the bridge what the spec says; what the spec leaves out stays as it is.

    :raises LxcError: when the host is not such that it could be done
    """
    _check_kind(spec.name, state)
    _check_ports(spec, state)
    takeover.check(spec, state)
    moving = takeover.is_due(spec, state)
    if moving:
        spec = takeover.complete(spec, state)
    operations: list[Operation] = []
    if state.link is None:
        operations.append(CreateBridge(spec.name, spec.mac or state.stable_mac,
                                       spec.forward_delay, spec.stp))
    else:
        operations += _plan_options(spec, state.link)
    if moving:
        operations += takeover.plan_settings(spec, state)
    operations += _plan_ports(spec, state)
    operations += _plan_link(spec, state.link)
    if spec.promiscuous is not None and spec.promiscuous != bool(
            state.own and state.own.promiscuous):
        operations.append(SetPromiscuous(spec.name, spec.promiscuous))
    given = takeover.plan_addresses(spec, state) if moving else []
    operations += given
    operations += _plan_addresses(spec, state, {step.address.text for step in given})
    if moving:
        operations += takeover.plan_move(spec, state)
    operations += takeover.plan_gateways(spec, state, moving)
    if moving:
        operations += takeover.plan_end(spec, state)
    plan = Plan(operations, [], [], bool(operations) and bool(state.nic))
    if moving:
        plan.warnings.extend(takeover.warnings(state))
    if state.link is None or moving:
        plan.warnings.extend(_firewall_warnings(spec.name, state))
    operations += vlans.plan_vlans(spec, state)
    operations += overlay.plan_vxlan(spec.name, spec.vxlan, state)
    if spec.dhcp is not None and not moving:  # else the addresses are the NIC's
        _check_dhcp(spec, spec.dhcp, state)
    if spec.dhcp is not None and spec.dhcp != state.dhcp:
        operations.append(SetDhcp(spec.name, spec.dhcp, state.dhcp))
    _plan_nat(spec, state, plan)
    plan.deferred.extend(files.plan_files(spec, state, plan.operations, plan.warnings))
    if moving and state.manager == "NetworkManager":
        _pause_network_manager(spec, plan)
    elif state.stopped_manager:  # as by the takeover that is confirmed now
        plan.deferred.append(StartManager(spec.name, state.stopped_manager))
    return plan


def _pause_network_manager(spec: BridgeSpec, plan: Plan) -> None:
    """It gives the NIC again what was taken from it, within half a second."""
    if spec.persist not in ("auto", "NetworkManager"):
        raise LxcError("take over", spec.takeover or "", detail="NetworkManager manages it, and "
                       "would give it again all that the bridge takes",
                       hint="Set 'persist: auto', which lets NetworkManager have the bridge "
                            "instead.")
    plan.operations.insert(0, StopManager(spec.name, "NetworkManager"))
    plan.deferred.append(StartManager(spec.name, "NetworkManager"))


def plan_absent(spec: BridgeSpec, state: BridgeState, force: bool = False) -> Plan:
    """Remove the bridge with its masquerading.

    :param force: also when it has ports that the spec does not name
    """
    _check_kind(spec.name, state)
    plan = Plan([], [], [])
    in_use = [p for p in sorted(state.ports) if p not in (
        *(spec.ports or ()), state.nic, state.vxlan_link["name"] if state.vxlan_link else "")]
    if in_use and not force:
        raise LxcError("remove bridge", spec.name, detail="it has the ports %s" % ", ".join(in_use),
                       hint="Stop the containers that use it, name the ports in 'ports', "
                            "or set 'force: true' to cut them off.")
    if state.nat is not None:
        _plan_no_nat(spec, state, plan)
    if state.dhcp is not None or state.dhcp_files:
        plan.operations.append(SetDhcp(spec.name, None, state.dhcp))
    plan.operations.extend(overlay.plan_no_vxlan(spec.name, state))
    if state.link is not None:
        back = takeover.plan_back(spec, state)
        pause = state.bridge_manager if back and state.bridge_manager in UNITS else ""
        if pause:
            plan.operations.append(StopManager(spec.name, pause))
        plan.operations.extend(back)
        plan.deferred.extend(files.plan_removal(spec, state))
        plan.deferred.append(DeleteBridge(spec.name))
        if pause or state.stopped_manager:
            plan.deferred.append(StartManager(spec.name, pause or state.stopped_manager))
        if not back:
            plan = plan._replace(operations=plan.operations + plan.deferred, deferred=[])
        plan = plan._replace(risky=bool(back))
    else:
        plan.operations.extend(files.plan_removal(spec, state))
        if state.stopped_manager:  # the one who did it was killed
            plan.operations.append(StartManager(spec.name, state.stopped_manager))
    return plan


def _firewall_warnings(name: str, state: BridgeState) -> list[str]:
    """Which firewall may keep what only crosses the bridge from its ports."""
    found = []
    for chain in state.dropping:
        if chain.startswith("bridge "):
            found.append("The firewall chain '%s' drops by default what crosses a bridge: ports of "
                         "%s reach each other only if it accepts that." % (chain, name))
        elif state.bridged_too:
            found.append(
                "The firewall chain '%s' drops by default, and the sysctl "
                "net.bridge.bridge-nf-call-iptables lets it see what crosses %s: its ports reach "
                "each other only if it accepts that. Set the sysctl to 0, or let the chain accept "
                "'meta ibrname %s'." % (chain, name, name))
    if state.legacy_filter and state.bridged_too:
        found.append("The legacy iptables has a filter table, and the sysctl "
                     "net.bridge.bridge-nf-call-iptables lets it see what crosses %s; see whether "
                     "it drops that: iptables-legacy -S FORWARD." % name)
    return found


def _check_kind(name: str, state: BridgeState) -> None:
    if state.link is not None and state.link["kind"] != "bridge":
        raise LxcError("use as a bridge", name,
                       detail="it is a link of kind %s" % (state.link["kind"] or "hardware"),
                       hint="Choose another name for the bridge, or remove the link first.")


def _check_ports(spec: BridgeSpec, state: BridgeState) -> None:
    doing = "make a port of %s:" % spec.name
    for port in spec.ports or ():
        link = state.candidates.get(port)
        if link is None:
            raise LxcError(doing, port, detail="there is no such link",
                           hint="Correct 'ports', or create the link first; "
                                "'ip link' lists those that are there.")
        if link["master"] not in ("", spec.name):
            raise LxcError(doing, port, detail="it is a port of %s" % link["master"],
                           hint="Take it from there first: a link is a port of one bridge.")
        if link["kind"] == "bridge" or port == "lo":
            raise LxcError(doing, port, detail="it is %s" % (
                "the loopback link" if port == "lo" else "a bridge itself"),
                hint="Join bridges by a veth pair.")
        addresses = state.candidate_addresses.get(port)
        if addresses and not link["master"]:
            raise LxcError(doing, port, detail="it has the address %s" % ", ".join(addresses),
                           hint="As a port it would no longer answer there, which may cut this "
                                "host off. Move its addresses to the bridge first.")


def _plan_options(spec: BridgeSpec, link: Link) -> list[Operation]:
    delay, stp = spec.forward_delay, spec.stp
    if delay is not None and delay < 2 and (link["stp"] if stp is None else stp):
        raise LxcError("set forward_delay of", spec.name,
                       detail="it speaks the spanning tree protocol, which needs 2 s or more",
                       hint="Set 'stp: false', or a forward_delay from 2 to 30.")
    operations: list[Operation] = []
    if delay is not None and delay != link["forward_delay"]:
        operations.append(SetBridgeOption(spec.name, "forward_delay", delay,
                                          link["forward_delay"]))
    if stp is not None and stp != link["stp"]:
        set_stp = SetBridgeOption(spec.name, "stp", stp, link["stp"])
        # A delay under 2 s is refused while the protocol is on, and raised when it comes on.
        operations.insert(len(operations) if stp else 0, set_stp)
    return operations


def _plan_ports(spec: BridgeSpec, state: BridgeState) -> list[Operation]:
    operations: list[Operation] = []
    for port in spec.ports or ():
        link = state.candidates[port]
        if link["master"] != spec.name:
            operations.append(AddPort(spec.name, port))
        if not link["up"]:
            operations.append(SetLink(port, "up", True, False))
    if spec.purge_ports:
        operations += [RemovePort(spec.name, port) for port, link in sorted(state.ports.items())
                       if port not in (spec.ports or ()) and link["kind"] != "veth"
                       and port != state.nic and link is not state.vxlan_link]
    return operations


def _plan_link(spec: BridgeSpec, link: Link | None) -> list[Operation]:
    options: list[tuple[str, t.Any, t.Any]]
    if link is None:
        options = [("mtu", spec.mtu, 1500), ("up", spec.up is not False, False)]
    else:
        options = [("mac", spec.mac, link["mac"]), ("mtu", spec.mtu, link["mtu"]),
                   ("up", spec.up, link["up"])]
    return [SetLink(spec.name, option, value, present) for option, value, present in options
            if value is not None and value != present]


def _plan_addresses(spec: BridgeSpec, state: BridgeState, given: set[str]) -> list[Operation]:
    """:param given: what the bridge has from the NIC by then"""
    if spec.addresses is None:
        return []
    operations: list[Operation] = [RemoveAddress(spec.name, address)
                                   for address in state.addresses if address not in spec.addresses]
    operations += [AddAddress(spec.name, address)
                   for address in spec.addresses
                   if address not in state.addresses and address not in given]
    return operations


def _check_dhcp(spec: BridgeSpec, dhcp: Dhcp, state: BridgeState) -> None:
    """dnsmasq itself takes any range, and gives nothing to a network where it has no address."""
    own = [parse_cidr(text) for text in (
        state.addresses if spec.addresses is None else spec.addresses)]
    near = [cidr for cidr in own if is_near(dhcp.first, [cidr])]
    if not near:
        raise LxcError("give addresses by DHCP from", dhcp.first,
                       detail="it lies in no network of the bridge",
                       hint="Take 'first' and 'last' from one of those in 'addresses'.")
    if not is_near(dhcp.last, near):
        raise LxcError("give addresses by DHCP up to", dhcp.last,
                       detail="it lies in another network than %s" % dhcp.first,
                       hint="Take 'first' and 'last' from the same network.")


def _plan_nat(spec: BridgeSpec, state: BridgeState, plan: Plan) -> None:
    wanted = spec.nat
    if wanted is None and state.nat is not None and spec.addresses is not None:
        wanted = "true" if _networks(spec.addresses) else "false"  # it follows the addresses
    if spec.forwards is not None and wanted is None and state.nat is not None:
        wanted = "true"
    if spec.forwards and wanted in (None, "false"):
        raise LxcError("forward ports to containers on", spec.name,
                       detail="the bridge does not masquerade", hint="Set 'nat: true' beside "
                       "'forwards', or give containers addresses that others reach.")
    if wanted == "false" and state.nat is not None:
        _plan_no_nat(spec, state, plan)
    if wanted in (None, "false"):
        return
    tolerant = wanted == "auto"
    if state.nat_problem is not None:
        if not tolerant:
            raise state.nat_problem
        plan.warnings.append("Container traffic from %s is not masqueraded: %s"
                             % (spec.name, state.nat_problem))
        return
    networks = _networks(state.addresses if spec.addresses is None else spec.addresses)
    if not networks:
        raise LxcError("masquerade traffic from", spec.name, detail="it has no address",
                       hint="Give it one in 'addresses', or set 'nat: false'.")
    turned_on = _turned_on(state.nat_comment)
    for family in ("ipv4", "ipv6"):
        if not any((":" in n) == (family == "ipv6") for n in networks):
            continue
        if not state.forwarding.get(family):
            plan.operations.append(SetForwarding(spec.name, family, True, tolerant))
            turned_on.add(family)
            if family == "ipv6":
                plan.warnings.append(
                    "With IPv6 forwarding on, links whose accept_ra is 1 ignore router "
                    "advertisements; set net.ipv6.conf.<link>.accept_ra to 2 where this host's "
                    "own IPv6 comes from them.")
    plan.warnings.extend(
        "Port %d is forwarded to %s, which is in no network of %s: see whether that is the address "
        "of a container." % (f.port, f.address, spec.name) for f in spec.forwards or ()
        if not any(_is_in(f.address, text) for text in networks))
    comment = _comment(turned_on)
    forwards = sorted(state.forwards if spec.forwards is None else spec.forwards)
    if (sorted(state.nat or []), sorted(state.forwards), state.nat_comment) != (
            sorted(networks), forwards, comment):
        plan.operations.append(SetNat(spec.name, networks, comment, state.nat, state.nat_comment,
                                      tolerant, tuple(forwards), tuple(state.forwards)))
        plan.warnings.extend(
            "The firewall chain '%s' drops forwarded packets by default: containers on %s get "
            "out only if it accepts theirs." % (chain, spec.name) for chain in state.dropping
            if not chain.startswith("bridge "))


def _plan_no_nat(spec: BridgeSpec, state: BridgeState, plan: Plan) -> None:
    plan.operations.append(SetNat(spec.name, None, "", state.nat, state.nat_comment,
                                  before_forwards=tuple(state.forwards)))
    for family in sorted(_turned_on(state.nat_comment)):
        if not state.forwarding.get(family):
            continue
        if state.other_bridges:
            plan.warnings.append(
                "%s forwarding was turned on for %s and stays on: %s may rely on it."
                % (family, spec.name, ", ".join(sorted(state.other_bridges))))
        else:
            plan.operations.append(SetForwarding(spec.name, family, False))


def _networks(addresses: list[str]) -> list[str]:
    found = []
    for address in addresses:
        text = to_text(network(parse_cidr(address)))
        if text not in found and not address.startswith("fe80:"):
            found.append(text)
    return found


def _is_in(address: str, text: str) -> bool:
    net = parse_cidr(text)
    family, _text = parse_address(address)
    return family == net.family and network(net._replace(address=address)) == net


def _comment(turned_on: set[str]) -> str:
    return "fleet.lxc" + "".join(", %s%s" % (_TURNED_ON, f) for f in sorted(turned_on))


def _turned_on(comment: str) -> set[str]:
    return {f for f in ("ipv4", "ipv6") if _TURNED_ON + f in comment}
