# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``vxlan`` of a bridge, checked."""
from __future__ import annotations

import typing as t

from .._kernel.addresses import check_link_name, parse_address
from .._kernel.errors import LxcError
from .._kernel.vxlan import Vxlan

_DOING = "use as option of a bridge:"


class VxlanSpec(t.NamedTuple):
    """The option ``vxlan``, checked."""

    vxlan: Vxlan
    remotes: list[str]
    mtu: int

    @property
    def name(self) -> str:
        return link_name(self.vxlan.id)


def link_name(number: int) -> str:
    return "vxlan%d" % number


def make_vxlan(option: dict[str, t.Any]) -> VxlanSpec:
    """:raises LxcError: naming what is wrong with it"""
    if not 1 <= option["id"] < 1 << 24:
        raise LxcError(_DOING, "vxlan.id", detail="%d is out of range" % option["id"],
                       hint="It is a number from 1 to 16777215, the same on all hosts.")
    if not 1 <= option["port"] <= 65535:
        raise LxcError(_DOING, "vxlan.port", detail="%d is no port" % option["port"],
                       hint="It is a number from 1 to 65535, usually 4789.")
    family, local = parse_address(option["local"], "read vxlan.local")
    remotes = []
    for text in option["remotes"]:
        found, address = parse_address(text, "read vxlan.remotes")
        if found != family:
            raise LxcError(_DOING, "vxlan.remotes", detail="%s is of another family than %s" % (
                address, local), hint="Hosts of one segment reach each other by one family.")
        if address != local and address not in remotes:  # the same list fits every host
            remotes.append(address)
    # What VXLAN puts before a packet takes 50 bytes, with IPv6 70, of a network's usual 1500.
    mtu = option["mtu"] or (1430 if ":" in local else 1450)
    check_link_name(link_name(option["id"]))
    return VxlanSpec(Vxlan(option["id"], local, option["port"]), sorted(remotes), mtu)
