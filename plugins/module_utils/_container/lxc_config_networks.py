# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lxc.net.N.*: each number is an item of the option networks, in the order of the numbers."""
from __future__ import annotations

from collections import namedtuple

from .._kernel import addresses
from .._kernel.errors import LxcError
from .lxc_config_parse import problem
from .lxc_config_values import whole_number
from .networks import ISOLATION, MODES, NETWORK
from .networks import check as check_networks

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


def _untagged(setting: Setting, _reading: Reading) -> int:
    """The word "none" takes a bridge's port out of all VLANs without a tag."""
    return 0 if setting.value == "none" else whole_number(setting)


def _address(setting: Setting, _reading: Reading) -> str:
    """With the prefix of its class where it has none, and the broadcast address that it has."""
    words = setting.value.split()
    if not words:  # blanks in quotes
        raise problem(setting, "%r is no address" % setting.value, "Write one like 10.0.3.5/24.")
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


FIELDS: dict[str, Field] = {
    "type": Field("type", _string, str),
    "link": Field("link", _string, str),
    "name": Field("name", _string, str),
    "hwaddr": Field("mac", _string, str),
    "mtu": Field("mtu", _number, str),
    "ipv4.address": Field("addresses", _address, str),
    "ipv6.address": Field("addresses", _address, str),
    "ipv4.gateway": Field("gateway4", _string, str),
    "ipv6.gateway": Field("gateway6", _string, str),
    "veth.pair": Field("host_name", _string, str),
    "veth.mode": Field("mode", _string, str),
    "veth.vlan.id": Field("vlan", _untagged, lambda value: str(value or "none")),
    "veth.vlan.tagged.id": Field("tagged_vlans", _number, str),
    "macvlan.mode": Field("mode", _string, str),
    "ipvlan.mode": Field("mode", _string, str),
    "ipvlan.isolation": Field("isolation", _string, str),
    "vlan.id": Field("vlan", _number, str),
    "script.up": Field("script_up", _string, str),
    "script.down": Field("script_down", _string, str),
}
_LISTS = ("addresses", "tagged_vlans")
# Of items of these types, names that LXC gives back and that mean nothing.
_IDLE = ("empty", "none")


def read(settings: list[Setting], reading: Reading) -> dict[str, Any]:
    grouped: dict[int, list[Setting]] = {}
    for setting in settings:
        grouped.setdefault(int(setting.key.split(".")[1]), []).append(setting)
    items: list[dict[str, Any]] = []
    for number, group in sorted(grouped.items()):
        items.append(_item(group, reading))
        try:
            check_networks(items)
        except LxcError as error:  # for itself, or beside those before it
            what = "network %d" % number if error.subject.startswith("item") else error.subject
            raise problem(_to_blame(items[:-1], group, reading),
                          "%s: %s" % (what, error.detail), error.hint) from None
    return {"networks": items}


def _item(group: list[Setting], reading: Reading) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "empty"}  # LXC's, where a network has no type
    for setting in group:
        _read_key(item, setting, reading)
    if item["type"] in _IDLE:
        for key in ("name", "up"):  # LXC lets lo have them
            item.pop(key, None)
    return item


def _to_blame(before: list[dict[str, Any]], group: list[Setting], reading: Reading) -> Setting:
    """The last line without which the network could be; its first one where there is none."""
    for setting in reversed(group):
        if not setting.key.endswith(".type"):
            try:
                check_networks([*before, _item([s for s in group if s is not setting], reading)])
                return setting
            except LxcError:
                continue
    return group[0]


def _read_key(item: dict[str, Any], setting: Setting, reading: Reading) -> None:
    key = setting.key.split(".", 2)[2]
    if key == "flags":
        item["up"] = _flags(setting, reading)
        return
    field = FIELDS.get(key)
    if field is None:
        raise problem(setting, "it is not supported",
                      "Take the line out; the link is then as without it.")
    value = field.read(setting, reading)
    if key == "type" and value not in NETWORK["type"]["choices"]:
        raise problem(setting, "networks of type %r are not supported" % value,
                      "Choose one of %s." % ", ".join(NETWORK["type"]["choices"]))
    if key == "type" and value not in _IDLE:
        item.setdefault("up", False)  # without flags
    if not _is_for(key, item["type"]) and key != "type":
        raise problem(setting, "this network is of type %s" % item["type"],
                      "Take the line out, or put lxc.net.N.type before it.")
    if field.name in _LISTS:
        item.setdefault(field.name, []).append(value)
    else:
        item[field.name] = value


def _is_for(key: str, kind: str) -> bool:
    """Keys such as macvlan.mode are for networks of that type."""
    family = key.split(".")[0]
    return family not in NETWORK["type"]["choices"] or family == kind


def write(definition: dict[str, Any]) -> Lines:
    lines: Lines = []
    for number, network in enumerate(definition["networks"] or [{"type": "none"}]):
        prefix = "net.%d." % number
        for key, field in FIELDS.items():
            value = network.get(field.name)
            if field.name == "addresses":
                if key == "ipv4.address":  # both kinds, in their order
                    lines += [(prefix + ("ipv6" if ":" in text else "ipv4") + ".address", text)
                              for text in value or []]
            elif not _is_for(key, network["type"]) or value is None or (
                    key.endswith(("mode", "isolation")) and value == _usual(key)):
                continue
            elif field.name in _LISTS:
                lines += [(prefix + key, field.write(one)) for one in value]
            else:
                lines.append((prefix + key, field.write(value)))
        if network["type"] not in _IDLE and network["up"]:
            lines.append((prefix + "flags", "up"))
    return lines


def _usual(key: str) -> str:
    return ISOLATION[0] if key == "ipvlan.isolation" else MODES[key.split(".")[0]][0]
