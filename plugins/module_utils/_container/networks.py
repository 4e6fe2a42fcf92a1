# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option networks of a definition: what each link is, checked without a look at the host."""
from __future__ import annotations

import socket

from .._kernel import addresses
from .._kernel.errors import LxcError
from .checks import bad, fill, once, place

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

TYPES = ("veth", "empty", "none")
NETWORK: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "choices": list(TYPES), "default": "veth"},
    "link": {"type": "str"},
    "name": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "gateway4": {"type": "str"},
    "gateway6": {"type": "str"},
    "mtu": {"type": "int"},
    "mac": {"type": "str"},
    "host_name": {"type": "str"},
}


def check(items: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """None where the container shares the host's network: type "none", as LXC names it."""
    if not items:
        raise bad("", "the list is empty",
                  "Use type 'empty' for a network with nothing but lo, 'none' for the host's.")
    links = [_network(item, index) for index, item in enumerate(items)]
    for index, link in enumerate(links):
        if link["type"] != "veth" and len(links) > 1:
            raise bad(place(index), "type %s goes with nothing else" % link["type"],
                      "Make it the only item, or take it from the list.")
    if links[0]["type"] == "none":
        return None
    if links[0]["type"] == "veth":
        _check_links_together(links)
    return links


def _network(item: dict[str, Any], index: int) -> dict[str, Any]:
    what = place(index)
    link = fill(item, NETWORK, what)
    if link["type"] != "veth":
        extra = [key for key in NETWORK if key != "type" and link[key]]
        if extra:
            raise bad(what, "%s means nothing for type %s" % (extra[0], link["type"]),
                      "Leave it out, or use type 'veth'.")
        return {"type": link["type"]}
    if link["link"] is None:
        raise bad(what, "link is missing", "Name the bridge of the host, as made by lxc_bridge.")
    if link["name"] is None:
        link["name"] = "eth%d" % index
    try:
        for key in ("link", "name", "host_name"):
            if link[key] is not None:
                addresses.check_link_name(link[key])
        if link["mac"] is not None:
            link["mac"] = addresses.check_mac(link["mac"])
        cidrs = [addresses.parse_cidr(text) for text in link["addresses"]]
        for key in ("gateway4", "gateway6"):
            if link[key] is not None:
                link[key] = _gateway(link[key], key, cidrs)
    except LxcError as error:
        raise bad(what, "%s: %s" % (error.subject, error.detail), error.hint) from None
    for cidr in cidrs:
        _check_own_address(cidr, what)
    link["addresses"] = [addresses.to_text(cidr) for cidr in cidrs]
    if link["name"] == "lo" or link["host_name"] == link["link"]:
        raise bad(what, "%s is the name of another link" % (
            "lo" if link["name"] == "lo" else link["link"]), "Choose another name.")
    if link["mtu"] is not None:
        # addrconf_notify(): a link below IPV6_MIN_MTU loses its IPv6 addresses.
        lowest = 1280 if any(c.family == socket.AF_INET6 for c in cidrs) else 68
        if not lowest <= link["mtu"] <= 65535:
            raise bad(what, "mtu %d is out of range" % link["mtu"],
                      "It is a number of bytes from %d to 65535, usually 1500." % lowest)
    return link


def _check_links_together(links: list[dict[str, Any]]) -> None:
    for key in ("name", "host_name", "mac"):
        once([link[key] for link in links if link[key] is not None], key)
    once([text.partition("/")[0] for link in links for text in link["addresses"]], "addresses")
    for key in ("gateway4", "gateway6"):
        if sum(link[key] is not None for link in links) > 1:
            raise bad(key, "two links have one", "Give the default route to one link.")


def _first_group(cidr: addresses.Cidr) -> int:
    return int(cidr.address.split(":")[0] or "0", 16)


def _check_own_address(cidr: addresses.Cidr, what: str) -> None:
    """Refuse what the kernel would take and no peer would answer."""
    text = addresses.to_text(cidr)
    if cidr.family == socket.AF_INET:
        first = int(cidr.address.split(".")[0])
        kinds = {"a multicast address": 224 <= first < 240, "a loopback address": first == 127,
                 "the unspecified address": cidr.address == "0.0.0.0",
                 "the network's broadcast address": cidr.address == addresses.broadcast(cidr),
                 "the network's own address":
                     cidr.prefix < 31 and cidr.address == addresses.network(cidr).address}
    else:
        kinds = {"a multicast address": _first_group(cidr) >= 0xFF00,
                 "a loopback address": cidr.address == "::1",
                 "the unspecified address": cidr.address == "::",
                 "the network's own address": cidr.prefix < 127  # of any router: RFC 4291, 2.6.1
                 and cidr.address == addresses.network(cidr).address}
    for kind, matches in kinds.items():
        if matches:
            raise bad(what, "%s is %s" % (text, kind), "Give an address of one host.")


def _gateway(text: str, key: str, cidrs: list[addresses.Cidr]) -> str:
    wanted = socket.AF_INET if key == "gateway4" else socket.AF_INET6
    family, address = addresses.parse_address(text)
    if family != wanted:
        raise bad(key, "%s is of the other family" % text,
                  "Give it as %s." % ("gateway6" if key == "gateway4" else "gateway4"))
    own = [cidr for cidr in cidrs if cidr.family == family]
    if address in [cidr.address for cidr in own]:
        raise bad(key, "%s is the container's own address" % address,
                  "Give the router's, usually the bridge's.")
    link_local = addresses.Cidr(socket.AF_INET6, "fe80::", 10)  # each link has such an address
    for cidr in own + ([link_local] if family == socket.AF_INET6 else []):
        if addresses.network(cidr._replace(address=address)) == addresses.network(cidr):
            return address
    raise bad(key, "%s is in the network of none of the addresses" % address,
               "Give an address of its network as well, or correct one of the two.")
