# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's links, type by type: made on the host, configured inside."""
from __future__ import annotations

import errno
import socket

from .._kernel.errors import LxcError
from .._kernel.netlink_links import Links, link_kind, no_kind
from . import network_end, network_scripts

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .._kernel.netlink import Netlink


FAMILIES = {"gateway4": int(socket.AF_INET), "gateway6": int(socket.AF_INET6)}


class Sockets:
    """What it takes to make links: the host's two sockets, and one of the container.

    :param namespace: a descriptor of the container's network namespace
    """

    def __init__(self, host: Netlink, links: Links, inside: Netlink, namespace: int) -> None:
        self.host, self.links, self.inside, self.namespace = host, links, inside, namespace


def connect(name: str, networks: list[dict[str, Any]], sockets: Sockets,
            loopback: bool = True) -> None:
    """Make every link of a container. Where one fails, the others go with the namespace, and a NIC
    is brought back by whoever cleans up.

    :param name: the container's
    :param networks: as a launch plan has them
    :param loopback: bring up lo too
    """
    network_end.prepare(name, networks, sockets.namespace)
    for network in networks:
        _make(name, network, sockets)
        configure(network, sockets, loopback)
        loopback = False
        if network.get("script_up"):
            network_scripts.run("up", network)


def _make(container: str, network: dict[str, Any], sockets: Sockets) -> None:
    kind, name, link = network["type"], network["name"], network["link"]
    if kind == "veth":
        _make_veth(network, sockets)
    elif kind == "phys":
        index = sockets.host.index(link)
        if not index:
            raise missing(link)
        sockets.links.move(index, link, sockets.namespace, name)
        network_end.moved(container, link, sockets.inside.index(name))
    else:
        parent = sockets.host.index(link)
        if not parent:
            raise missing(link)
        info = link_kind(kind, mode=network.get("mode"), isolation=network.get("isolation"),
                         vlan=network.get("vlan") or 0)
        sockets.links.create(kind, name, parent, link, info, sockets.namespace,
                             mtu=network["mtu"], mac=network.get("mac"))


def missing(link: str) -> LxcError:
    """For a link of the host that is not there."""
    return LxcError("use link", link, errno.ENODEV,
                    "Name a link of the host, see 'ip link'; another container may have it.")


def _make_veth(network: dict[str, Any], sockets: Sockets) -> None:
    host_name = network["host_name"]
    try:
        sockets.host.create_veth(
            host_name, network["name"], peer_netns_fd=sockets.namespace,
            master=network["link"] if network["mode"] == "bridge" else None,
            mtu=network["mtu"], mac=network["mac"])
    except LxcError as error:
        if error.errno == errno.EOPNOTSUPP and "is not a bridge" not in error.detail:
            error.hint = no_kind("veth")
        raise
    if network.get("vlan") is not None or network.get("tagged_vlans"):
        sockets.links.set_port_vlans(
            sockets.host.index(host_name), host_name, _default_vlan(network["link"], sockets.links),
            network["vlan"], network["tagged_vlans"])
    if network["mode"] == "router":
        _route_to(network, sockets)


def _default_vlan(bridge: str, links: Links) -> int:
    return next((int(link["default_vlan"]) for link in links.links() if link["name"] == bridge), 0)


def _route_to(network: dict[str, Any], sockets: Sockets) -> None:
    """Mode router: the host has a route to each address, and answers for the gateways."""
    host_name = network["host_name"]
    for text in network["addresses"]:
        address = text.partition("/")[0]
        sockets.host.add_route(host_name, address + ("/128" if ":" in address else "/32"))
    for gateway in _named_gateways(network):
        family = "ipv6" if ":" in gateway else "ipv4"
        _set(family, host_name, "forwarding", sockets)
        if family == "ipv6":
            _set(family, host_name, "proxy_ndp", sockets)
        sockets.links.answer_for(sockets.host.index(host_name), host_name, gateway)


def _set(family: str, link: str, key: str, sockets: Sockets) -> None:
    path = "/proc/sys/net/%s/conf/%s/%s" % (family, link, key)
    try:
        with open(path, "w", encoding="ascii") as stream:
            stream.write("1")
    except OSError as error:
        raise LxcError.from_os("switch on", path, error) from error


def _named_gateways(network: dict[str, Any]) -> list[str]:
    return [g for g in (network["gateway4"], network["gateway6"]) if g and g not in ("auto", "dev")]


def configure(network: dict[str, Any], sockets: Sockets, loopback: bool) -> None:
    """Addresses, routes, and whether it is up: what is missing of them inside."""
    physical = network["type"] == "phys"
    gateways = _named_gateways(network)
    families = []
    for key, family in FAMILIES.items():
        if network[key] == "dev":
            families.append(family)
        elif network[key] == "auto":
            gateways.append(_address_of(network["link"], family, sockets.host))
    sockets.inside.configure(
        network["name"], network["addresses"], up=network["up"], gateways=gateways,
        mtu=network["mtu"] if physical else None, mac=network["mac"] if physical else None,
        loopback=loopback, onlink=network["onlink"], device_routes=tuple(families))


def _address_of(link: str, family: int, host: Netlink) -> str:
    """The first address of a link of the host: gateway "auto"."""
    for text in host.addresses(link):
        if (":" in text) == (family == socket.AF_INET6):
            return text.partition("/")[0]
    raise LxcError("take as gateway the %s address of" % (
        "IPv6" if family == socket.AF_INET6 else "IPv4"), link, errno.EADDRNOTAVAIL,
        "Give it one, or write the gateway's address.", "it has none")
