# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of every type: what they are stored as, what is refused, and what is planned."""
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    host_links,
    network_live,
    network_plan,
    network_scripts,
    networks,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import netlink_links
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


def one(**item: t.Any) -> dict[str, t.Any]:
    found = networks.check([item])
    assert found is not None
    return found[0]


def planned(name: str = "web1", host_id: str = "h", **item: t.Any) -> dict[str, t.Any]:
    return network_plan.make_one({"name": name, "rootfs": "/srv/r", "hook_version": 0},
                                 one(**item), host_id)


@pytest.mark.parametrize("item, has, lacks", [
    ({"type": "macvlan", "link": "eth0"}, {"mode": "private", "name": "eth0", "up": True},
     ("vlan", "isolation", "host_name")),
    ({"type": "ipvlan", "link": "eth0"}, {"mode": "l3", "isolation": "bridge"}, ("mac", "vlan")),
    ({"type": "ipvlan", "link": "eth0", "mode": "l2", "isolation": "vepa"},
     {"mode": "l2", "isolation": "vepa"}, ()),
    ({"type": "vlan", "link": "eth0", "vlan": 7}, {"vlan": 7}, ("mode", "tagged_vlans")),
    ({"type": "phys", "link": "enp3s0"}, {"name": "enp3s0"}, ("mode", "host_name")),
    ({"type": "phys", "link": "enp3s0", "name": "lan0"}, {"name": "lan0"}, ()),
    ({"link": "br0", "vlan": 0, "tagged_vlans": [9, 5, 5]},
     {"vlan": 0, "tagged_vlans": [5, 9]}, ("isolation",)),
    ({"mode": "router", "addresses": ["10.9.0.2/32"], "gateway4": "169.254.0.1"},
     {"link": None, "gateway4": "169.254.0.1"}, ()),
    ({"link": "br0", "mac": "02:00:XX:xx:xx:xx"}, {"mac": "02:00:xx:xx:xx:xx"}, ()),
    ({"link": "br0", "mac": "xx:xx:xx:xx:xx:xx"}, {"mac": "xx:xx:xx:xx:xx:xx"}, ()),
    ({"link": "br0", "gateway4": "auto", "gateway6": "dev"},
     {"gateway4": "auto", "gateway6": "dev"}, ()),
    ({"link": "br0", "up": False}, {"up": False}, ()),
    ({"link": "br0", "script_up": "/opt//up  a"}, {"script_up": "/opt/up  a"}, ()),
])
def test_what_a_type_is_stored_as(item: dict[str, t.Any], has: dict[str, t.Any],
                                  lacks: tuple[str, ...]) -> None:
    found = one(**item)
    assert {key: found[key] for key in has} == has
    assert not set(lacks) & set(found)
    assert one(**found) == found  # a second run finds nothing to change


@pytest.mark.parametrize("item, said", [
    ({"type": "macvlan"}, "link is missing"),
    ({"type": "macvlan", "link": "eth0", "mode": "l2"}, "l2 is no mode of type macvlan"),
    ({"type": "macvlan", "link": "eth0", "vlan": 3}, "vlan means nothing"),
    ({"type": "ipvlan", "link": "eth0", "mac": "02:00:00:00:00:01"}, "mac means nothing"),
    ({"type": "vlan", "link": "eth0"}, "vlan is missing"),
    ({"type": "vlan", "link": "eth0", "vlan": 4095}, "4095 is out of range"),
    ({"type": "vlan", "link": "eth0", "vlan": 3, "gateway4": "auto"}, "no address of the host"),
    ({"type": "phys", "link": "lo"}, "lo is the name"),
    ({"type": "phys", "link": "e0", "host_name": "x"}, "host_name means nothing"),
    ({"link": "br0", "isolation": "private"}, "isolation means nothing"),
    ({"link": "br0", "tagged_vlans": [0]}, "0 can't be one"),
    ({"link": "br0", "vlan": 5, "tagged_vlans": [5]}, "5 can't be one"),
    ({"mode": "router", "link": "br0"}, "link means nothing"),
    ({"link": "br0", "mac": "x1:00:00:00:00:0g"}, "six bytes"),
    ({"link": "br0", "mac": "01:xx:xx:xx:xx:xx"}, "multicast"),
    ({"link": "br0", "up": False, "gateway4": "dev"}, "not up"),
    ({"link": "br0", "script_up": "up.sh"}, "not absolute"),
    ({"link": "br0", "script_down": "/a\nb"}, "line break"),
    ({"link": "br0", "addresses": ["10.0.0.2/24"], "gateway4": "10.1.0.1"}, "network of none"),
])
def test_what_a_type_can_not_have_is_refused(item: dict[str, t.Any], said: str) -> None:
    with pytest.raises(LxcError) as caught:
        networks.check([item])
    assert said in "%s: %s" % (caught.value.subject, caught.value.detail)
    assert caught.value.hint


def test_types_mix_but_for_a_nic_that_is_there_once() -> None:
    found = networks.check([{"link": "br0"}, {"type": "macvlan", "link": "eth0"},
                            {"type": "phys", "link": "eth7"}])
    assert found and [n["name"] for n in found] == ["eth0", "eth1", "eth7"]
    with pytest.raises(LxcError, match="twice"):
        networks.check([{"type": "phys", "link": "eth7"},
                        {"type": "phys", "link": "eth7", "name": "b"}])


def test_digits_are_chosen_once_for_a_container_on_a_host() -> None:
    mac = planned(link="br0", mac="xx:16:3e:xx:xx:xx")["mac"]
    assert mac[2:9] == ":16:3e:" and int(mac[:2], 16) & 3 == 2
    assert planned(link="br0", mac="xx:16:3e:xx:xx:xx")["mac"] == mac
    others = {planned("web2", link="br0", mac="xx:16:3e:xx:xx:xx")["mac"],
              planned(host_id="i", link="br0", mac="xx:16:3e:xx:xx:xx")["mac"],
              planned(link="br0", name="b", mac="xx:16:3e:xx:xx:xx")["mac"], mac}
    assert len(others) == 4


def test_a_gateway_outside_of_all_networks_is_a_neighbour() -> None:
    assert planned(link="br0", addresses=["10.0.0.2/32"], gateway4="10.1.0.1")["onlink"]
    assert not planned(link="br0", addresses=["10.0.0.2/24"], gateway4="10.0.0.1")["onlink"]
    assert not planned(link="br0", addresses=["10.0.0.2/32"], gateway4="auto")["onlink"]


def test_a_script_gets_what_lxc_gives() -> None:
    network = planned(link="br0", host_name="vweb1", script_up="/up")
    assert network_scripts.arguments("up", network) == [
        "web1", "net", "up", "veth", "br0", "vweb1"]
    given = network_scripts.environment("down", network)
    assert (given["LXC_HOOK_TYPE"], given["LXC_NET_TYPE"], given["LXC_NET_PARENT"],
            given["LXC_NET_PEER"]) == ("down", "veth", "br0", "vweb1")
    network["script"]["version"] = 1
    assert network_scripts.arguments("up", network) == []
    phys = planned(type="phys", link="eth7", script_up="/up")
    assert network_scripts.arguments("up", phys) == ["web1", "net", "up", "phys", "eth7"]
    assert "LXC_NET_PEER" not in network_scripts.environment("up", phys)


def test_the_same_address_on_another_wire_is_nobody_elses() -> None:
    def on(name: str, **item: t.Any) -> dict[str, t.Any]:
        return {"name": name, "networks": [one(addresses=["10.0.0.2/24"], **item)]}

    taken = on("a", type="vlan", link="eth0", vlan=5)
    host_links.check_addresses(on("b", type="vlan", link="eth0", vlan=6), [taken])
    host_links.check_addresses(on("b", type="macvlan", link="eth0"), [taken])
    with pytest.raises(LxcError, match="container a has it"):
        host_links.check_addresses(on("b", type="vlan", link="eth0", vlan=5), [taken])
    with pytest.raises(LxcError, match="container a has it"):
        host_links.check_addresses(on("b", type="ipvlan", link="eth0"),
                                   [on("a", type="macvlan", link="eth0")])


def test_attributes_are_padded_and_their_length_is_not() -> None:
    assert netlink_links.attribute(3, "ab") == b"\x07\0\x03\0ab\0\0"
    info = netlink_links.link_kind("vlan", vlan=7)
    assert info.endswith(b"\x06\0\x01\0\x07\0\0\0")


def test_what_a_change_of_networks_takes() -> None:
    veth = one(link="br0", addresses=["10.0.0.2/24"])
    moved = one(link="br0", addresses=["10.0.0.3/24"])
    other = one(link="br1", addresses=["10.0.0.2/24"])
    phys = one(type="phys", link="eth7")
    difference = network_live.difference
    assert difference(None, [veth]) is difference([veth], None) is None
    assert difference([{"type": "empty"}], [veth]) == ([], [], [veth])
    assert difference([veth, phys], [phys]) == ([veth], [], [])
    assert difference([veth], [moved, phys]) == ([], [[veth, moved]], [phys])
    assert difference([veth], [other]) == ([veth], [], [other])
    assert difference([phys, veth], [veth, phys]) == ([], [], [])
