# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the host's links are what a definition's networks need, before anything is changed."""
from __future__ import annotations

import errno
import os
import socket

from .._kernel.errors import LxcError

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .._kernel.netlink_links import Links

_ON_THE_HOSTS_NETWORK = ("veth", "macvlan", "ipvlan")  # where its addresses are the host's peers


def check(definition: dict[str, Any]) -> None:
    """Refuse a link that is not there or can't be used, and an address that the host itself has.

    :raises LxcError: naming it
    """
    for network in definition["networks"] or []:
        kind, link = network["type"], network.get("link")
        if link is not None:
            _check_link(definition["name"], kind, link)
        if kind == "phys" or network.get("tagged_vlans") \
                or (kind == "veth" and network.get("vlan") is not None):
            _look_closer(definition["name"], kind, link)
        if kind in _ON_THE_HOSTS_NETWORK:
            for address in network["addresses"]:
                if _is_local(address.partition("/")[0]):
                    raise LxcError("give %s the address" % definition["name"], address,
                                   errno.EADDRINUSE, "Choose another address.",
                                   "this host has it")


def _check_link(name: str, kind: str, link: str) -> None:
    try:
        socket.if_nametoindex(link)
    except OSError as error:
        if kind == "veth":
            raise LxcError("attach %s to bridge" % name, link, errno.ENODEV,
                           "Create it with fleet.lxc.lxc_bridge.") from error
        raise LxcError("give %s a network of type %s on" % (name, kind), link, errno.ENODEV,
                       "Name a link of the host, see 'ip link'; another container that runs may "
                       "have it." if kind == "phys" else
                       "Name a link of the host, see 'ip link'.") from error


def _look_closer(name: str, kind: str, link: str) -> None:
    from .._kernel.netlink_links import Links  # for those who have such a network

    links = Links()
    try:
        there = {facts["name"]: facts for facts in links.links()}
        if kind == "phys":
            _check_nic(name, there[link], links, {f["index"]: n for n, f in there.items()})
        else:
            _check_filtering(link, there)
    finally:
        links.close()


def _check_filtering(bridge: str, links: dict[str, dict[str, Any]]) -> None:
    if not links[bridge]["filtering"]:
        raise LxcError("put into a VLAN of bridge", bridge, errno.EOPNOTSUPP,
                       "Leave out 'vlan' and 'tagged_vlans', or have the bridge filter: 'ip link "
                       "set %s type bridge vlan_filtering 1'." % bridge,
                       "it does not filter by VLAN")


def _check_nic(name: str, link: dict[str, Any], links: Links,
               names: dict[int, str]) -> None:
    """A NIC that the host itself uses is not taken from it."""
    doing = "give %s the link" % name
    if link["kind"] == "bridge":
        raise LxcError(doing, link["name"], errno.EINVAL,
                       "Use type 'veth' with the bridge as its link.", "bridges can't move")
    if os.path.exists("/sys/class/net/%s/phy80211" % link["name"]):
        raise LxcError(doing, link["name"], errno.EOPNOTSUPP, "Use another kind of link.",
                       "a wireless link moves only with its whole radio")
    if link["master"]:
        raise LxcError(doing, link["name"], errno.EBUSY, "Take it from there first.",
                       "it is a port of %s" % names.get(link["master"], "another link"))
    mine = [address for number, address in links.addresses() if number == link["index"]]
    if mine:
        raise LxcError(doing, link["name"], errno.EBUSY,
                       "Take them off the link first; with it the host would lose them.",
                       "the host has the addresses %s on it" % ", ".join(mine))


def _is_local(address: str) -> bool:
    """Whether a link of this network namespace has the address: only then it can be bound to."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as opened:
            opened.bind((address, 0))
    except OSError:
        return False
    return True


def check_addresses(definition: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """Refuse an address that another container has on the same network.

    :raises LxcError: naming both
    """
    mine = {(_wire(n), a.partition("/")[0]) for n in definition["networks"] or []
            if n["type"] != "phys" for a in n.get("addresses") or []}
    if not mine:
        return
    for other in others:
        if other["name"] == definition["name"]:
            continue
        for network in other.get("networks") or []:
            for address in network.get("addresses") or []:
                if (_wire(network), address.partition("/")[0]) in mine:
                    raise LxcError("give %s the address" % definition["name"], address,
                                   errno.EADDRINUSE, "Choose another address.",
                                   "container %s has it on %s" % (
                                       other["name"], network.get("link") or "this host"))


def _wire(network: dict[str, Any]) -> tuple[Any, ...]:
    """What two networks have in common that are the same one."""
    vlan = network.get("vlan") if network["type"] == "vlan" else None
    return network.get("link"), vlan, network["type"] == "phys"
