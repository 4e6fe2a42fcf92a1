# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bridge's plan is, for every pair of is and shall be. No kernel."""
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import observe, plan, spec
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

MAC = "02:00:00:00:00:01"


def link(name: str = "br0", **changes: t.Any) -> t.Any:
    facts = {"index": 2, "name": name, "kind": "bridge", "mac": MAC, "mtu": 1500, "up": True,
             "state": "UP", "master": "", "stp": False, "forward_delay": 15.0}
    return {**facts, **changes}


def state(bridge: t.Any = None, **changes: t.Any) -> observe.BridgeState:
    facts: dict[str, t.Any] = {"forwarding": {"ipv4": False, "ipv6": False}, "stable_mac": MAC}
    return observe.BridgeState(link=bridge, **{**facts, **changes})


DHCP = {"first": "10.0.3.100", "last": "10.0.3.199", "lease_time": "1h", "domain": None,
        "dns": True}


def steps(options: dict[str, t.Any], present: observe.BridgeState) -> list[str]:
    made = plan.plan_present(spec.make_spec({"name": "br0", **options}), present)
    return [operation.describe() for operation in made.operations]


CREATE = "create bridge br0: mac %s" % MAC
UP = "set up of br0 from off to on"
PORT = {"candidates": {"p1": link("p1", kind="veth", up=False)}}
NAT = {"nat": ["10.0.3.0/24"], "nat_comment": "fleet.lxc"}
FORWARDS = {"forwarding": {"ipv4": True, "ipv6": False}}


@pytest.mark.parametrize("options, present, expected", [
    ({}, state(), [CREATE, UP]),
    ({"up": False}, state(), [CREATE]),
    ({"mac": "02:00:00:00:00:99"}, state(), ["create bridge br0: mac 02:00:00:00:00:99", UP]),
    ({"stp": True, "forward_delay": 2}, state(),
     [CREATE + ", forward_delay 2 s, stp on", UP]),
    ({"mtu": 1500}, state(), [CREATE, UP]),
    ({"mtu": 1400}, state(), [CREATE, "set mtu of br0 from 1500 to 1400", UP]),
    ({"addresses": ["10.0.3.1/24"]}, state(), [CREATE, UP, "add address 10.0.3.1/24 to br0"]),
    ({"ports": ["p1"]}, state(**PORT),
     [CREATE, "make p1 a port of br0", "set up of p1 from off to on", UP]),
    # What is as it should be, or not named, is left alone.
    ({}, state(link(up=False, mtu=9000)), []),
    ({"up": True, "mac": MAC, "mtu": 1500, "stp": False, "forward_delay": 15}, state(link()), []),
    ({"forward_delay": 15.001}, state(link()), []),
    ({"addresses": ["FD00:3::1/64"]}, state(link(), addresses=["fd00:3::1/64"]), []),
    ({"ports": ["p1"]}, state(link(), candidates={"p1": link("p1", kind="", master="br0")}), []),
    # Changes
    ({"up": False}, state(link()), ["set up of br0 from on to off"]),
    ({"mac": "02:00:00:00:00:02"}, state(link()),
     ["set mac of br0 from %s to 02:00:00:00:00:02" % MAC]),
    ({"stp": True, "forward_delay": 4}, state(link(forward_delay=0.0)),
     ["set forward_delay of br0 from 0 s to 4 s", "set stp of br0 from off to on"]),
    ({"stp": False, "forward_delay": 0}, state(link(stp=True)),
     ["set stp of br0 from on to off", "set forward_delay of br0 from 15 s to 0 s"]),
    ({"addresses": []}, state(link(), addresses=["10.0.3.1/24"]),
     ["remove address 10.0.3.1/24 from br0"]),
    ({"addresses": ["10.0.4.1/24"]}, state(link(), addresses=["10.0.3.1/24"]),
     ["remove address 10.0.3.1/24 from br0", "add address 10.0.4.1/24 to br0"]),
    # Ports: others stay, save with purge_ports, and containers' ends in any case.
    ({"ports": []}, state(link(), ports={"p2": link("p2", kind="", master="br0")}), []),
    ({"ports": [], "purge_ports": True},
     state(link(), ports={"p2": link("p2", kind="", master="br0"),
                          "v1": link("v1", kind="veth", master="br0")}),
     ["take port p2 from br0"]),
    # NAT
    ({"addresses": ["10.0.3.1/24"], "nat": "true"}, state(link(), addresses=["10.0.3.1/24"]),
     ["set sysctl net.ipv4.ip_forward from 0 to 1",
      "masquerade 10.0.3.0/24 when it leaves by another link than br0"]),
    ({"nat": "auto"}, state(link(), addresses=["10.0.3.1/24"], **NAT, **FORWARDS), []),
    ({"nat": "true"}, state(link(), addresses=["fd00:3::1/64"]),
     ["set sysctl net.ipv6.conf.all.forwarding from 0 to 1",
      "masquerade fd00:3::/64 when it leaves by another link than br0"]),
    ({"nat": "auto"}, state(link(), addresses=["10.0.3.1/24"], nat_problem=LxcError("reach")), []),
    ({"nat": "false"}, state(link()), []),
    ({"nat": "false"}, state(link(), **NAT), ["remove masquerading of 10.0.3.0/24"]),
    ({"addresses": ["10.0.4.1/24"]},
     state(link(), addresses=["10.0.3.1/24"], **NAT, **FORWARDS),
     ["remove address 10.0.3.1/24 from br0", "add address 10.0.4.1/24 to br0",
      "masquerade 10.0.4.0/24 when it leaves by another link than br0"]),
    ({"mtu": 1400}, state(link(), **NAT), ["set mtu of br0 from 1500 to 1400"]),
])
def test_present(options, present, expected) -> None:
    assert steps(options, present) == expected


@pytest.mark.parametrize("options, present, subject, detail", [
    ({}, state(link(kind="veth")), "br0", "a link of kind veth"),
    ({}, state(link(kind="")), "br0", "a link of kind hardware"),
    ({"ports": ["p1"]}, state(), "p1", "no such link"),
    ({"ports": ["p1"]}, state(candidates={"p1": link("p1", kind="", master="br7")}), "p1",
     "a port of br7"),
    ({"ports": ["p1"]}, state(candidates={"p1": link("p1")}), "p1", "a bridge itself"),
    ({"ports": ["p1"]}, state(candidates={"p1": link("p1", kind="")},
                              candidate_addresses={"p1": ["192.0.2.1/24"]}), "p1", "192.0.2.1/24"),
    ({"forward_delay": 1}, state(link(stp=True)), "br0", "2 s or more"),
    ({"nat": "true"}, state(), "br0", "no address"),
    ({"nat": "true", "addresses": ["10.0.3.1/24"]},
     state(nat_problem=LxcError("reach the kernel's", "nf_tables", detail="none")), "nf_tables",
     "none"),
    ({"dhcp": DHCP}, state(link()), "10.0.3.100", "no network of the bridge"),
    ({"dhcp": DHCP, "addresses": ["10.0.4.1/24"]}, state(), "10.0.3.100",
     "no network of the bridge"),
    ({"dhcp": {**DHCP, "last": "10.0.4.9"}, "addresses": ["10.0.3.1/24", "10.0.4.1/24"]}, state(),
     "10.0.4.9", "another network than 10.0.3.100"),
])
def test_what_can_not_be_done_is_refused_with_a_remedy(options, present, subject, detail) -> None:
    with pytest.raises(LxcError) as caught:
        steps(options, present)
    assert caught.value.subject == subject
    assert detail in caught.value.detail


@pytest.mark.parametrize("options, said", [
    ({"name": "b" * 16}, "15"),
    ({"name": ""}, "empty"),
    ({"addresses": ["10.0.3.1"]}, "prefix"),
    ({"addresses": ["10.0.3.1/24", "10.0.3.1/24"]}, "twice"),
    ({"addresses": ["fd00::1/64", "FD00:0::1/64"]}, "twice"),
    ({"ports": ["p1", "p1"]}, "twice"),
    ({"ports": ["br0"]}, "of itself"),
    ({"mtu": 67}, "68"),
    ({"mtu": 65536}, "65535"),
    ({"mac": "01:00:00:00:00:00"}, "multicast"),
    ({"forward_delay": 31}, "30"),
    ({"forward_delay": -1}, "30"),
    ({"forward_delay": 1, "stp": True}, "from 2 to 30"),
    ({"purge_ports": True}, "'ports'"),
    ({"addresses": ["10.0.3.0/24"]}, "the network itself"),
    ({"addresses": ["10.0.3.255/24"]}, "broadcast address"),
    ({"addresses": ["224.0.0.1/24"]}, "multicast"),
    ({"addresses": ["127.0.0.1/8"]}, "loopback"),
    ({"addresses": ["0.0.0.0/0"]}, "0.0.0.0/8"),
    ({"addresses": ["ff02::1/64"]}, "multicast"),
    ({"addresses": ["::1/64"]}, "loopback"),
    ({"addresses": ["10.0.3.1/24", "10.0.3.1/16"]}, "twice"),
    ({"addresses": ["fd00::1/64"], "mtu": 1279}, "1280"),
    ({"addresses": ["10.0.3.1/24"], "gateway4": "10.0.3.1"}, "own address"),
    ({"confirm_timeout": -5}, "negative"),
    ({"dhcp": {**DHCP, "last": "10.0.3.9"}}, "before 10.0.3.100"),
    ({"dhcp": {**DHCP, "last": "fd00::9"}}, "before 10.0.3.100"),
])
def test_bad_options_are_refused_with_a_remedy(options, said: str) -> None:
    with pytest.raises(LxcError) as caught:
        spec.make_spec({"name": "br0", **options})
    assert said in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("address, told", [
    ("10.0.3.5", False), ("10.0.4.5", True), ("fd00::5", True)])
def test_a_forward_to_nobody_on_the_bridge_is_told(address: str, told: bool) -> None:
    forward = {"protocol": "tcp", "port": 80, "address": address, "to_port": None}
    said = warnings({"nat": "true", "addresses": ["10.0.3.1/24"], "forwards": [forward]}, state())
    assert ("%s, which is in no network" % address in said) == told


def absent(present: observe.BridgeState, **options: t.Any) -> plan.Plan:
    force = options.pop("force", False)
    return plan.plan_absent(spec.make_spec({"name": "br0", **options}), present, force)


@pytest.mark.parametrize("present, expected", [
    (state(), []),
    (state(link()), ["delete bridge br0"]),
    (state(link(), **NAT), ["remove masquerading of 10.0.3.0/24", "delete bridge br0"]),
    (state(None, **NAT), ["remove masquerading of 10.0.3.0/24"]),
    (state(link(), nat=["10.0.3.0/24"], nat_comment="fleet.lxc, turned on ipv4", **FORWARDS),
     ["remove masquerading of 10.0.3.0/24", "set sysctl net.ipv4.ip_forward from 1 to 0",
      "delete bridge br0"]),
    (state(link(), nat=["10.0.3.0/24"], nat_comment="fleet.lxc, turned on ipv4", **FORWARDS,
           other_bridges=["docker0"]),
     ["remove masquerading of 10.0.3.0/24", "delete bridge br0"]),
])
def test_absent(present, expected) -> None:
    assert [o.describe() for o in absent(present).operations] == expected


def test_a_bridge_in_use_is_removed_only_by_force() -> None:
    busy = state(link(), ports={"v1": link("v1", kind="veth", master="br0")})
    with pytest.raises(LxcError, match="force"):
        absent(busy)
    assert absent(busy, ports=["v1"]).operations
    assert absent(busy, force=True).operations


def test_forwarding_that_another_bridge_may_use_is_left_with_a_warning() -> None:
    shared = state(link(), nat=["10.0.3.0/24"], nat_comment="fleet.lxc, turned on ipv4",
                   other_bridges=["docker0"], **FORWARDS)
    assert "docker0" in absent(shared).warnings[0]


def test_auto_says_why_there_is_no_nat() -> None:
    made = plan.plan_present(spec.make_spec({"name": "br0", "nat": "auto"}),
                             state(link(), nat_problem=LxcError("reach", "nf_tables")))
    assert made.operations == [] and "nf_tables" in made.warnings[0]


@pytest.mark.parametrize("options, present", [
    ({"addresses": ["10.0.3.1/24"], "nat": "true", "stp": True, "forward_delay": 4}, state()),
    ({"addresses": [], "mtu": 1400, "up": False},
     state(link(), addresses=["10.0.3.1/24"], **NAT)),
])
def test_check_mode_tells_what_would_be(options, present) -> None:
    """The facts after all steps are such that nothing is left to do."""
    asked = spec.make_spec({"name": "br0", **options})
    after = observe.facts("br0", present)
    for operation in plan.plan_present(asked, present).operations:
        operation.alter(after)
    then = state(link(mac=after["mac"], mtu=after["mtu"], up=after["up"], stp=after["stp"],
                      forward_delay=after["forward_delay"]),
                 addresses=after["addresses"], forwarding=after["forwarding"],
                 nat=after["nat_networks"] if after["nat"] else None,
                 nat_comment="fleet.lxc, turned on ipv4")
    assert plan.plan_present(asked, then).operations == []


def test_a_hosts_bridge_keeps_its_mac_and_another_name_has_another() -> None:
    first = observe.stable_mac("br0")
    assert first == observe.stable_mac("br0") != observe.stable_mac("br1")
    assert int(first[:2], 16) & 3 == 2  # unicast, locally administered


def warnings(options, present) -> str:
    asked = spec.make_spec({"name": "br0", **options})
    return " ".join(plan.plan_present(asked, present).warnings)


def test_firewalls_that_drop_are_named_when_it_matters() -> None:
    drops: dict[str, t.Any] = {"dropping": ["ip filter FORWARD"]}
    nat = {"addresses": ["10.0.3.1/24"], "nat": "true"}
    assert "'ip filter FORWARD' drops forwarded packets" in warnings(nat, state(**drops))
    assert "bridge-nf-call" not in warnings(nat, state(**drops))
    assert "bridge-nf-call" in warnings({}, state(bridged_too=True, **drops))
    assert warnings({}, state(link(), bridged_too=True, **drops)) == ""
    assert warnings({}, state(bridged_too=True)) == ""
