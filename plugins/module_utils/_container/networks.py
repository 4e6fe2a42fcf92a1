# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option networks of a definition: what each link is, checked without a look at the host."""
from __future__ import annotations

import socket

from .._kernel import addresses
from .._kernel.errors import LxcError
from .checks import bad, fill, once, path, place

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

TYPES = ("veth", "macvlan", "ipvlan", "vlan", "phys", "empty", "none")
# The first one is the default, as LXC has it.
MODES = {"veth": ("bridge", "router"), "macvlan": ("private", "vepa", "bridge", "passthru"),
         "ipvlan": ("l3", "l3s", "l2")}
ISOLATION = ("bridge", "private", "vepa")
AUTO, DEV = "auto", "dev"  # gateways: the address of the link, no address at all
NETWORK: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "choices": list(TYPES), "default": "veth"},
    "link": {"type": "str"},
    "name": {"type": "str"},
    "up": {"type": "bool", "default": True},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "gateway4": {"type": "str"},
    "gateway6": {"type": "str"},
    "mtu": {"type": "int"},
    "mac": {"type": "str"},
    "host_name": {"type": "str"},
    "mode": {"type": "str", "choices": sorted({m for modes in MODES.values() for m in modes})},
    "isolation": {"type": "str", "choices": list(ISOLATION)},
    "vlan": {"type": "int"},
    "tagged_vlans": {"type": "list", "elements": "int", "default": []},
    "script_up": {"type": "str"},
    "script_down": {"type": "str"},
}
# What only some types have; the rest is for all that are links.
_ONLY = {
    "host_name": ("veth",), "mode": tuple(MODES), "isolation": ("ipvlan",),
    "vlan": ("veth", "vlan"), "tagged_vlans": ("veth",),
    "mac": ("veth", "macvlan", "vlan", "phys"),  # an ipvlan has its parent's
}
_LINKS = {"veth": "Name the bridge of the host, as made by lxc_bridge.",
          "macvlan": "Name the host's link that it hangs on.",
          "ipvlan": "Name the host's link that it hangs on.",
          "vlan": "Name the host's link that carries the VLAN.",
          "phys": "Name the host's link that the container gets."}
_LAST_VLAN = 4094


def check(items: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """None where the container shares the host's network: type "none", as LXC names it."""
    if not items:
        raise bad("", "the list is empty",
                  "Use type 'empty' for a network with nothing but lo, 'none' for the host's.")
    links = [_network(item, index) for index, item in enumerate(items)]
    for index, link in enumerate(links):
        if link["type"] in ("empty", "none") and len(links) > 1:
            raise bad(place(index), "type %s goes with nothing else" % link["type"],
                      "Make it the only item, or take it from the list.")
    if links[0]["type"] == "none":
        return None
    if links[0]["type"] != "empty":
        _check_links_together(links)
    return links


def _network(item: dict[str, Any], index: int) -> dict[str, Any]:
    """A link with the keys that its type has."""
    what = place(index)
    link = fill(item, NETWORK, what)
    kind = link["type"]
    if kind in ("empty", "none"):
        _refuse_extra(item, ["type"], kind, what)
        return {"type": kind}
    keys = [key for key in NETWORK if kind in _ONLY.get(key, (kind,))]
    _refuse_extra(item, keys, kind, what)
    link = {key: link[key] for key in keys}
    if kind in MODES:
        link["mode"] = link["mode"] or MODES[kind][0]
        if link["mode"] not in MODES[kind]:
            raise bad(what, "%s is no mode of type %s" % (link["mode"], kind),
                      "Choose one of %s." % ", ".join(MODES[kind]))
    if kind == "ipvlan":
        link["isolation"] = link["isolation"] or ISOLATION[0]
    if kind == "veth" and link["mode"] == "router":
        _refuse_extra(item, [k for k in keys if k not in ("link", "vlan", "tagged_vlans")],
                      "veth in mode router", what)
    elif link["link"] is None:
        raise bad(what, "link is missing", _LINKS[kind])
    if link["name"] is None:  # a NIC keeps its name, as LXC has it
        link["name"] = link["link"] if kind == "phys" else "eth%d" % index
    link["up"] = bool(link["up"])
    _check_vlans(link, what)
    _check_names_and_addresses(link, what)
    for key in ("script_up", "script_down"):
        if link[key] is not None:
            program, space, arguments = link[key].strip().partition(" ")
            link[key] = path(program, "%s, %s" % (what, key)) + space + arguments
            if "\n" in arguments or "\0" in arguments:
                raise bad(what, "%s has a line break or a NUL" % key, "Write it on one line.")
    return link


def _refuse_extra(item: dict[str, Any], keys: list[str], kind: str, what: str) -> None:
    extra = [key for key in NETWORK if key not in keys
             and item.get(key) not in (None, "", NETWORK[key].get("default"))]
    if extra:
        raise bad(what, "%s means nothing for type %s" % (extra[0], kind),
                  "Leave it out, or use another type.")


def _check_vlans(link: dict[str, Any], what: str) -> None:
    kind, vlan = link["type"], link.get("vlan")
    if kind == "vlan" and vlan is None:
        raise bad(what, "vlan is missing", "Give the VLAN's number, from 0 to %d." % _LAST_VLAN)
    if vlan is not None and not 0 <= vlan <= _LAST_VLAN:
        raise bad(what, "vlan %d is out of range" % vlan, "It is a number from 0 to %d."
                  % _LAST_VLAN)
    if kind == "veth":
        for tag in link["tagged_vlans"]:
            if not 1 <= tag <= _LAST_VLAN or tag == vlan:
                raise bad(what, "%d can't be one of tagged_vlans" % tag,
                          "They are numbers from 1 to %d, without 'vlan' itself." % _LAST_VLAN)
        link["tagged_vlans"] = sorted(set(link["tagged_vlans"]))


def _check_names_and_addresses(link: dict[str, Any], what: str) -> None:
    kind = link["type"]
    try:
        for key in ("link", "name", "host_name"):
            if link.get(key) is not None:
                addresses.check_link_name(link[key])
        if link.get("mac") is not None:
            link["mac"] = _mac(link["mac"])
        cidrs = [addresses.parse_cidr(text) for text in link["addresses"]]
        for key in ("gateway4", "gateway6"):
            if link[key] is not None:
                link[key] = _gateway(link[key], key, cidrs, kind)
    except LxcError as error:
        raise bad(what, "%s: %s" % (error.subject, error.detail), error.hint) from None
    for cidr in cidrs:
        _check_own_address(cidr, what)
    link["addresses"] = [addresses.to_text(cidr) for cidr in cidrs]
    if link["name"] == "lo" or "lo" == link["link"] \
            or link.get("host_name") not in (None, "") and link["host_name"] == link["link"]:
        raise bad(what, "%s is the name of another link" % (
            "lo" if "lo" in (link["name"], link["link"]) else link["link"]),
            "Choose another name.")
    if not link["up"] and (link["gateway4"] or link["gateway6"]):
        raise bad(what, "a link that is not up has no routes",
                  "Leave out the gateways, or 'up: false'.")
    if link["mtu"] is not None:
        # addrconf_notify(): a link below IPV6_MIN_MTU loses its IPv6 addresses.
        lowest = 1280 if any(c.family == socket.AF_INET6 for c in cidrs) else 68
        if not lowest <= link["mtu"] <= 65535:
            raise bad(what, "mtu %d is out of range" % link["mtu"],
                      "It is a number of bytes from %d to 65535, usually 1500." % lowest)


def _mac(text: str) -> str:
    """An address, or a template with an x for each digit that is to be chosen."""
    text = text.lower()
    if "x" not in text:
        return addresses.check_mac(text)
    first = text[:2].replace("x", "2")  # whatever stands for x makes it a local one of one host
    addresses.check_mac(first + text[2:].replace("x", "0"))
    return text


def _check_links_together(links: list[dict[str, Any]]) -> None:
    for key in ("name", "host_name", "mac"):
        once([link[key] for link in links
              if link.get(key) is not None and (key != "mac" or "x" not in link[key])], key)
    once([link["link"] for link in links if link["type"] == "phys"], "link")
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


def _gateway(text: str, key: str, cidrs: list[addresses.Cidr], kind: str) -> str:
    if text == AUTO and kind in ("vlan", "phys"):
        raise bad(key, "type %s has no address of the host to take" % kind,
                  "Give the router's address.")
    if text in (AUTO, DEV):
        return text
    wanted = socket.AF_INET if key == "gateway4" else socket.AF_INET6
    family, address = addresses.parse_address(text)
    if family != wanted:
        raise bad(key, "%s is of the other family" % text,
                  "Give it as %s." % ("gateway6" if key == "gateway4" else "gateway4"))
    own = [cidr for cidr in cidrs if cidr.family == family]
    if address in [cidr.address for cidr in own]:
        raise bad(key, "%s is the container's own address" % address,
                  "Give the router's, usually the bridge's.")
    if addresses.is_near(address, own) \
            or (own and all(addresses.is_single(cidr) for cidr in own)):
        return address
    raise bad(key, "%s is in the network of none of the addresses" % address,
              "Give an address of its network as well, or correct one of the two.")
