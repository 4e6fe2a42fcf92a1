# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks of a definition as the network worker carries them out. Pure."""
from __future__ import annotations

import zlib

from .._kernel import addresses
from .._kernel.lean import json
from . import store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_HEX = "0123456789abcdef"
_LOCAL = "26ae"  # second digits of a hardware address that is a local one of one host


def make(definition: dict[str, Any], host_id: str) -> list[dict[str, Any]]:
    """Everything decided: names, hardware addresses, and how gateways are reached.

    :param host_id: what no other host has
    """
    return [make_one(definition, network, host_id) for network in definition["networks"] or []
            if network["type"] != "empty"]


def make_one(definition: dict[str, Any], network: dict[str, Any], host_id: str) -> dict[str, Any]:
    """One item of networks. Its name inside tells it from the others."""
    container = definition["name"]
    planned = dict(network)
    if network["type"] == "veth":
        planned["host_name"] = network["host_name"] or host_link_name(container, network["name"])
    if "x" in (network.get("mac") or ""):
        planned["mac"] = _chosen_mac(network["mac"], [host_id, container, network["name"]])
    own = [addresses.parse_cidr(text) for text in network["addresses"]]
    planned["onlink"] = any(network[key] and network[key] not in ("auto", "dev")
                            and not addresses.is_near(network[key], own)
                            for key in ("gateway4", "gateway6"))
    if network["script_up"] or network["script_down"]:
        planned["script"] = {"name": container, "rootfs": definition["rootfs"],
                             "config": store.folder(container) + "/definition.json",
                             "version": definition.get("hook_version") or 0}
    return planned


def host_link_name(container: str, link: str) -> str:
    """The host's end of a veth, the same at each start, so that it can be found after a crash.

    :param link: its name inside
    """
    return "lxc%08x" % zlib.crc32(json.dumps([container, link]).encode())


def _chosen_mac(template: str, seed: list[str]) -> str:
    """Digits for each x: the same at each start, so that a DHCP server knows the container."""
    import hashlib

    digits = hashlib.sha256(json.dumps(seed).encode()).hexdigest()
    made = ""
    for position, letter in enumerate(template):
        if letter == "x":
            digit = digits[position]
            # Neither of a group nor of a manufacturer.
            letter = _LOCAL[int(digit, 16) % 4] if position == 1 else digit
        made += letter
    return made
