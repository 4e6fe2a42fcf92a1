# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bridge is asked to be. None means: as it is."""
from __future__ import annotations

import socket
import typing as t

from .._kernel.addresses import (
    Cidr,
    broadcast,
    check_link_name,
    check_mac,
    network,
    parse_address,
    parse_cidr,
    to_text,
)
from .._kernel.bridge_vlans import PortVlans
from .._kernel.errors import LxcError
from .._kernel.nftables import Forward
from .dnsmasq import Dhcp, make_dhcp
from .vxlan_spec import VxlanSpec, make_vxlan

_DOING = "use as option of a bridge:"
_IPV6_MTU = 1280  # bytes, IPV6_MIN_MTU; the kernel takes IPv6 from a link with less


class BridgeSpec(t.NamedTuple):
    """The options of lxc_bridge, checked and in the kernel's spelling."""

    name: str
    addresses: list[str] | None = None  # CIDR; exactly these
    ports: list[str] | None = None
    purge_ports: bool = False
    forward_delay: float | None = None  # seconds
    stp: bool | None = None
    mtu: int | None = None
    mac: str | None = None
    up: bool | None = None
    nat: str | None = None  # "true", "false", "auto"
    takeover: str | None = None  # the NIC whose addresses and routes the bridge takes
    promiscuous: bool | None = None
    gateway4: str | None = None
    gateway6: str | None = None
    forwards: list[Forward] | None = None  # exactly these
    dhcp: Dhcp | None = None
    vlan_filtering: bool | None = None
    vlans: dict[str, PortVlans] | None = None  # by port
    vxlan: VxlanSpec | None = None
    persist: str | None = None  # a network manager, "auto" or "none"


def make_spec(options: dict[str, t.Any]) -> BridgeSpec:
    """The options as a spec.

    :raises LxcError: naming the first value that no kernel would take, and the remedy
    """
    given: dict[str, t.Any] = {field: options[field] for field in BridgeSpec._fields
                               if options.get(field) is not None}
    spec = BridgeSpec(**given)
    check_link_name(spec.name, "use as a bridge's name")
    for port in spec.ports or ():
        check_link_name(port, "use as a port's name")
        if port == spec.name:
            raise LxcError(_DOING, "ports", detail="%s can't be a port of itself" % port,
                           hint="Name other links.")
    if spec.addresses is not None:
        addresses = [_address(text, spec) for text in spec.addresses]
        _once([text.partition("/")[0] for text in addresses], "addresses")
        spec = spec._replace(addresses=addresses)
    if spec.ports is not None:
        _once(spec.ports, "ports")
    if spec.mac is not None:
        spec = spec._replace(mac=check_mac(spec.mac))
    if spec.mtu is not None and not 68 <= spec.mtu <= 65535:
        raise LxcError(_DOING, "mtu", detail="%d is out of range" % spec.mtu,
                       hint="It is a number of bytes from 68 to 65535, usually 1500.")
    if spec.forward_delay is not None:
        spec = spec._replace(forward_delay=round(float(spec.forward_delay), 2))
    spec = spec._replace(gateway4=_gateway(spec, "gateway4", socket.AF_INET),
                         gateway6=_gateway(spec, "gateway6", socket.AF_INET6))
    if spec.forwards is not None:
        spec = spec._replace(forwards=_forwards(options["forwards"]))
    if spec.dhcp is not None:
        spec = spec._replace(dhcp=make_dhcp(options["dhcp"]))
    if spec.vlans is not None:
        spec = spec._replace(vlans=_vlans(options["vlans"]))
    if spec.vxlan is not None:
        spec = spec._replace(vxlan=make_vxlan(options["vxlan"]))
    seconds = options.get("confirm_timeout") or 0
    if seconds < 0:
        raise LxcError(_DOING, "confirm_timeout", detail="%d is negative" % seconds,
                       hint="It is a number of seconds; 0 does without the confirmation.")
    _check_takeover(spec)
    _check_delay(spec)
    if spec.purge_ports and spec.ports is None:
        raise LxcError(_DOING, "purge_ports", detail="there is no list of ports to keep",
                       hint="Give 'ports', an empty list to keep none.")
    return spec


def _address(text: str, spec: BridgeSpec) -> str:
    """In the kernel's spelling.

    :raises LxcError: also for what the kernel takes and nobody can reach
    """
    doing = "read address of %s" % spec.name
    cidr = parse_cidr(text, doing)
    kind = _no_host(cidr)
    if kind:
        raise LxcError(doing, repr(text), detail="it is %s" % kind,
                       hint="Give the address that the bridge has as a host, such as 10.0.3.1/24.")
    if cidr.family == socket.AF_INET6 and spec.mtu is not None and spec.mtu < _IPV6_MTU:
        raise LxcError(doing, repr(text), detail="a link with an MTU of %d has no IPv6" % spec.mtu,
                       hint="Set 'mtu' to %d or more." % _IPV6_MTU)
    return to_text(cidr)


def _no_host(cidr: Cidr) -> str:
    """What an address is that can't be a host's; "" for one that can."""
    packed = socket.inet_pton(cidr.family, cidr.address)
    if cidr.family == socket.AF_INET6:
        return {b"\0" * 16: "the unspecified address", b"\0" * 15 + b"\1": "the loopback address"
                }.get(packed, "a multicast address" if packed[0] == 0xFF else "")
    if packed[0] in (0, 127) or packed[0] >= 224:
        return {0: "of the network 0.0.0.0/8", 127: "a loopback address"}.get(
            packed[0], "a multicast address" if packed[0] < 240 else "of no network")
    if cidr.prefix < 31 and network(cidr) == cidr:
        return "the address of the network itself"
    return "the network's broadcast address" if broadcast(cidr) == cidr.address else ""


def _gateway(spec: BridgeSpec, option: str, family: int) -> str | None:
    given = getattr(spec, option)
    if given is None:
        return None
    found, text = parse_address(given, "read %s of %s" % (option, spec.name))
    if found != family:
        raise LxcError(_DOING, option, detail="%s is of the other family" % text,
                       hint="gateway4 takes an IPv4 address, gateway6 an IPv6 one.")
    if text in [address.partition("/")[0] for address in spec.addresses or ()]:
        raise LxcError(_DOING, option, detail="%s is the bridge's own address" % text,
                       hint="Name the router that leads out of the network.")
    return text


def _forwards(options: list[dict[str, t.Any]]) -> list[Forward]:
    found: list[Forward] = []
    for option in options:
        doing = "forward port %s to" % option["port"]
        for port in (option["port"], option["to_port"] or option["port"]):
            if not 1 <= port <= 65535:
                raise LxcError(doing, option["address"], detail="%d is no port" % port,
                               hint="It is a number from 1 to 65535.")
        _family, address = parse_address(option["address"], doing)
        found.append(Forward(option["protocol"], option["port"], address,
                             option["to_port"] or option["port"]))
    _once(["%s %d of family %s" % (f.protocol, f.port, "IPv6" if ":" in f.address else "IPv4")
           for f in found], "forwards")
    return found


def _vlans(options: list[dict[str, t.Any]]) -> dict[str, PortVlans]:
    found: dict[str, PortVlans] = {}
    _once([option["port"] for option in options], "vlans")
    for option in options:
        port, untagged = option["port"], option["untagged"] or 0
        check_link_name(port, "use as a port's name")
        for vlan in (untagged or 1, *option["tagged"]):
            if not 1 <= vlan <= 4094:
                raise LxcError(_DOING, "vlans", detail="%d is no VLAN, for %s" % (vlan, port),
                               hint="They are numbers from 1 to 4094.")
        found[port] = PortVlans(untagged, sorted({*option["tagged"]} - {untagged}))
    return found


def _check_takeover(spec: BridgeSpec) -> None:
    nic = spec.takeover
    if nic is None:
        return
    check_link_name(nic, "take over")
    if nic == spec.name:
        raise LxcError(_DOING, "takeover", detail="%s can't take itself over" % nic,
                       hint="Name the NIC.")
    if nic in (spec.ports or ()):
        raise LxcError(_DOING, "ports", detail="%s is the link of 'takeover' too" % nic,
                       hint="Name it in 'takeover' only; it becomes a port by that.")
    if spec.up is False:
        raise LxcError(_DOING, "up", detail="a bridge that is down would cut this host off",
                       hint="Leave 'up' out where there is a 'takeover'.")


def _check_delay(spec: BridgeSpec) -> None:
    delay = spec.forward_delay
    if delay is None:
        return
    # br_set_forward_delay(): with the spanning tree protocol on, IEEE 802.1D's limits hold.
    lowest = 2 if spec.stp else 0
    if not lowest <= delay <= 30:
        raise LxcError(_DOING, "forward_delay", detail="%g is out of range" % delay,
                       hint="It is a number of seconds from %d to 30%s."
                            % (lowest, " where stp is on" if spec.stp else ""))


def _once(values: list[str], option: str) -> list[str]:
    for position, value in enumerate(values):
        if value in values[:position]:
            raise LxcError(_DOING, option, detail="%s is listed twice" % value,
                           hint="List it once.")
    return values
