# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc.net.N.*: each number is an item of the option networks, in the order of the numbers."""
from __future__ import annotations

import hashlib
from collections import namedtuple

from .._kernel import addresses
from .._kernel.errors import LxcError
from .lxc_config_parse import problem
from .lxc_config_values import check, whole_number
from .networks import NETWORK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from .lxc_config_parse import Setting
    from .lxc_config_values import Lines, Reading

    class Field(NamedTuple):
        """A field of an item, how its value is read, and how it is written."""

        name: str
        read: Callable[[Setting, Reading], Any]
        write: Callable[[Any], str]
else:
    Field = namedtuple("Field", "name read write")


def _string(setting: Setting, _reading: Reading) -> str:
    return setting.value


def _number(setting: Setting, _reading: Reading) -> int:
    return whole_number(setting)


def _mac(setting: Setting, reading: Reading) -> str:
    """LXC puts random digits in place of each x. Here they come from the container's name, so that
    a second run finds what the first one chose."""
    text = setting.value.lower()
    if "x" not in text:
        return text
    digits = iter(hashlib.sha256(("%s %s" % (reading.name, setting.key)).encode()).hexdigest())
    made = "".join(next(digits, "0") if letter == "x" else letter for letter in text[:32])
    if text[1:2] == "x":  # no multicast address, and one that no vendor gave out
        made = made[0] + "%x" % (int(made[1], 16) & 0xC | 2) + made[2:]
    return made


def _address(setting: Setting, _reading: Reading) -> str:
    """With the prefix of its class where it has none, and the broadcast address that it has."""
    words = setting.value.split()
    text = words[0]
    if "/" not in text:
        text += "/%d" % _class_prefix(text)
    if len(words) > 1:
        try:
            expected = addresses.broadcast(addresses.parse_cidr(text))
        except LxcError as error:
            raise problem(setting, "%s: %s" % (error.subject, error.detail), error.hint) from None
        if words[1:] != [expected]:
            raise problem(setting, "the broadcast address of %s is %s" % (text, expected),
                          "Take '%s' out." % " ".join(words[1:]))
    return text


def _class_prefix(text: str) -> int:
    if ":" in text:
        return 64
    first = text.split(".")[0]
    number = int(first) if first.isascii() and first.isdigit() and len(first) < 4 else 0
    return 8 if number < 128 else 16 if number < 192 else 24


def _flags(setting: Setting, _reading: Reading) -> bool:
    if setting.value != "up":
        raise problem(setting, "%r is no flag" % setting.value, "Write up, the only one there is.")
    return True


def _route(setting: Setting, _reading: Reading) -> str:
    if setting.value in ("auto", "dev") and setting.value not in GATEWAYS:
        raise problem(setting, "%s is not supported" % setting.value, "Write the router's address.")
    return setting.value


GATEWAYS: tuple[str, ...] = ()  # words in place of an address that the option takes
FIELDS: dict[str, Field] = {
    "type": Field("type", _string, str),
    "link": Field("link", _string, str),
    "name": Field("name", _string, str),
    "hwaddr": Field("mac", _mac, str),
    "mtu": Field("mtu", _number, str),
    "ipv4.address": Field("addresses", _address, str),
    "ipv6.address": Field("addresses", _address, str),
    "ipv4.gateway": Field("gateway4", _route, str),
    "ipv6.gateway": Field("gateway6", _route, str),
    "veth.pair": Field("host_name", _string, str),
    "macvlan.mode": Field("macvlan_mode", _string, str),
    "ipvlan.mode": Field("ipvlan_mode", _string, str),
    "ipvlan.isolation": Field("ipvlan_isolation", _string, str),
    "vlan.id": Field("vlan_id", _number, str),
    "script.up": Field("script_up", _string, str),
    "script.down": Field("script_down", _string, str),
}
# Of items of these types, names that LXC gives back and that mean nothing.
_IDLE = ("empty", "none")


def read(settings: list[Setting], reading: Reading) -> dict[str, Any]:
    grouped: dict[int, list[Setting]] = {}
    for setting in settings:
        grouped.setdefault(int(setting.key.split(".")[1]), []).append(setting)
    items = []
    for _number_of_it, group in sorted(grouped.items()):
        item: dict[str, Any] = {"type": "empty"}  # LXC's, where a network has no type
        for setting in group:
            _read_key(item, setting, reading)
        if item["type"] in _IDLE:
            item = {key: value for key, value in item.items() if key in ("type", *_refused(item))}
        check("networks", [item], group[-1])
        items.append(item)
        check("networks", items, group[-1])
    return {"networks": items}


def _refused(item: dict[str, Any]) -> list[str]:
    """What a link that is not there can't have; flags and a name are harmless."""
    return [key for key in item if key not in ("name", "up")]


def _read_key(item: dict[str, Any], setting: Setting, reading: Reading) -> None:
    key = setting.key.split(".", 2)[2]
    if key == "flags":
        _flags(setting, reading)
        return  # links are always up
    field = FIELDS.get(key)
    if field is None or field.name not in NETWORK:
        raise problem(setting, "it is not supported",
                      "Take the line out; the link is then as without it.")
    value = field.read(setting, reading)
    if key == "type" and value not in NETWORK["type"]["choices"]:
        raise problem(setting, "networks of type %r are not supported" % value,
                      "Choose one of %s." % ", ".join(NETWORK["type"]["choices"]))
    if field.name == "addresses":
        item.setdefault("addresses", []).append(value)
    else:
        item[field.name] = value


def write(definition: dict[str, Any]) -> Lines:
    lines: Lines = []
    for number, network in enumerate(definition["networks"] or []):
        prefix = "net.%d." % number
        for key, field in FIELDS.items():
            value = network.get(field.name)
            if field.name == "addresses":
                if key == "ipv4.address":  # both kinds, in their order
                    lines += [(prefix + ("ipv6" if ":" in text else "ipv4") + ".address", text)
                              for text in value or []]
            elif value is not None:
                lines.append((prefix + key, field.write(value)))
        if network["type"] not in _IDLE:
            lines.append((prefix + "flags", "up"))
    return lines


