# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that a link has and another can take over, and how it is put back."""
from __future__ import annotations

import dataclasses
import socket
import typing as t

from .._kernel import sysctls
from .._kernel.errors import LxcError
from .._kernel.link_config import BY_KERNEL, Address, LinkConfig, Neighbour, Route

if t.TYPE_CHECKING:
    from .._kernel.netlink import Netlink

MARK = "fleet.lxc takeover "  # in the bridge's alias, before the NIC's name
# What a host may have set for its NIC and would miss on the bridge (ip-sysctl.rst).
SETTINGS = tuple("net/ipv4/conf/%%s/%s" % key for key in (
    "accept_local", "accept_redirects", "accept_source_route", "arp_accept", "arp_announce",
    "arp_filter", "arp_ignore", "forwarding", "log_martians", "promote_secondaries", "proxy_arp",
    "route_localnet", "rp_filter", "secure_redirects", "send_redirects", "shared_media")) + tuple(
    "net/ipv6/conf/%%s/%s" % key for key in (
        "disable_ipv6", "accept_dad", "accept_ra", "accept_ra_defrtr", "accept_ra_pinfo",
        "accept_redirects", "autoconf", "dad_transmits", "forwarding", "proxy_ndp",
        "router_solicitations", "use_tempaddr"))
_ACCEPT_RA = "net/ipv6/conf/%s/accept_ra"
RP_FILTER = "net/ipv4/conf/%s/rp_filter"
GENERATION = "net/ipv6/conf/%s/addr_gen_mode"
NO_GENERATION = "1"  # IN6_ADDR_GEN_MODE_NONE
_ALIAS_SIZE = 256  # the kernel's IFALIASZ, with the NUL


def alias_of(bridge: str) -> str:
    """What marks a VXLAN link as made for this bridge."""
    return "fleet.lxc vxlan of %s" % bridge


@dataclasses.dataclass
class Belongings:
    """What a link has. ``settings`` by key with ``%s`` for the link's name."""

    index: int
    addresses: list[Address]
    routes: list[Route]
    neighbours: list[Neighbour]
    settings: dict[str, str]
    promiscuous: bool = False


def observe_belongings(netlink: Netlink, name: str) -> Belongings:
    """What the link has at this moment."""
    config = LinkConfig(netlink)
    return Belongings(config.index(name), config.addresses(name), config.routes(name),
                      config.neighbours(name), settings_of(name), config.is_promiscuous(name))


def settings_of(name: str) -> dict[str, str]:
    """The settings of a link; of ``default``, those that a new link will have."""
    found = {key: sysctls.read(key % name) for key in (*SETTINGS, GENERATION)}
    return {key: value for key, value in found.items() if value is not None}


def write_mark(nic: str, has: Belongings, own: Belongings | None) -> str:
    """The alias of a bridge that takes over a NIC: the NIC's name, its way to make a link-local
    address, and the addresses that the bridge has of its own, which end with it and never go to
    the NIC.

    :param has: what the NIC has
    :param own: what the bridge has, None for a new one
    """
    words = [MARK + nic, has.settings.get(GENERATION, NO_GENERATION)]
    nics = {address.text for address in has.addresses}
    for address in own.addresses if own else ():
        if address.text not in nics and len(" ".join([*words, address.text])) < _ALIAS_SIZE:
            words.append(address.text)
    return " ".join(words)


def read_mark(mark: str) -> tuple[str, str, list[str]]:
    """:returns: the three that :func:`write_mark` tells; "" as the NIC for an alias of others"""
    words = mark[len(MARK):].split(" ") if mark.startswith(MARK) else [""]
    return words[0], words[1] if len(words) > 1 else NO_GENERATION, words[2:]


def movable_routes(belongings: Belongings) -> list[Route]:
    """Those that don't come with the addresses by themselves; first what gateways lie behind."""
    networks = {(a.family, a.prefix, a.prefix_route()) for a in belongings.addresses}

    def comes_by_itself(route: Route) -> bool:
        # NetworkManager has addresses without, and makes such routes itself, as the kernel's.
        empty = bytes(4 if route.family == socket.AF_INET else 16)
        return (route.protocol == BY_KERNEL and (
            route.family, route.lengths[0], route.destination or empty) in networks)

    found = [route for route in belongings.routes if not comes_by_itself(route)]
    return sorted(found, key=needs_gateway)


def learned_routes(belongings: Belongings) -> list[Route]:
    """Those that the kernel has from routers, and learns again where the addresses go."""
    if belongings.settings.get(_ACCEPT_RA, "0") == "0":  # a network manager listens itself
        return []
    return [route for route in belongings.routes if route.is_advertised]


def in_adding_order(addresses: list[Address]) -> list[Address]:
    """The order to add them in, so that they are listed as they are now: the kernel appends IPv4
    addresses, of which the first of a network is its primary one, and puts an IPv6 address
    before those of its scope."""
    four = [a for a in addresses if a.family == socket.AF_INET]
    return four + [a for a in reversed(addresses) if a.family != socket.AF_INET]


def needs_gateway(route: Route) -> bool:
    return route.has_gateway


def restore(netlink: Netlink, name: str, before: Belongings) -> list[str]:
    """Give the link exactly the addresses and routes that it had; what did not go, in words.

    Undoing a plan step by step leaves nothing to do here, but where the kernel dropped something
    along with something else.
    """
    config = LinkConfig(netlink)
    problems = []
    try:
        for address in _wrong_addresses(config, name, before.addresses):
            config.delete_address(name, address)
        there = config.addresses(name)
        for address in in_adding_order(before.addresses):
            if not any(address.same(other) for other in there):
                config.add_address(name, address, name)
        found = config.routes(name)
        learned = learned_routes(before)
        instead = [route.behind() for route in learned]
        for route in sorted(found, key=needs_gateway, reverse=True):
            if route.protocol != BY_KERNEL \
                    and not any(route.same(r) for r in (*before.routes, *instead)):
                config.delete_route(name, route, before.index)
        for route in sorted(before.routes, key=needs_gateway):
            wanted = route.behind() if route in learned else route
            if not any(other.same(route) or other.same(wanted) for other in found):
                config.give_route(name, wanted, before.index)
    except LxcError as error:
        problems.append("could not put back what %s had: %s" % (name, error))
    return problems


def _wrong_addresses(config: LinkConfig, name: str, wanted: list[Address]) -> list[Address]:
    """Those that are not wanted, or, where the order is wrong, all from there on; last first."""
    there, wanted = in_adding_order(config.addresses(name)), in_adding_order(wanted)
    good = 0
    while good < min(len(there), len(wanted)) and there[good].same(wanted[good]):
        good += 1
    return [a for a in reversed(there[good:]) if not a.link_local]
