# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge takes over a NIC, with a gateway and a client that watch; needs root."""
from __future__ import annotations

import copy
import errno
import json
import os
import shutil
import socket
import struct
import subprocess
import time
import typing as t

import lan as testbed
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.apply import apply, undo
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.observe import facts, observe
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.plan import (
    Plan,
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.spec import make_spec
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from container_sandbox import wait_until
from lan import FAR, GATEWAY, GATEWAY6, HOST, HOST6, MAC, Lan, batch, ip, link_local, show, show_all
from network_sandbox import inside, new_sandbox

# Packets that a move may lose: an emulated machine takes long enough over one.
LOST = 4 if os.environ.get("FLEET_LXC_EMULATED") else 0
_ROUNDS = 5  # a machine that is busy may lose some now and then; what is wrong loses them each time

sandbox = pytest.fixture(new_sandbox)


@pytest.fixture
def lan(sandbox: None) -> t.Iterator[Lan]:
    with testbed.lan() as made:
        yield made


@pytest.fixture
def netlink(lan: Lan) -> t.Iterator[Netlink]:
    with Netlink() as opened:
        yield opened


def plan(netlink: Netlink, state: str = "present", **options: t.Any) -> tuple[Plan, t.Any]:
    spec = make_spec({"name": "br0", **options})
    found = observe(netlink, spec)
    return (plan_present if state == "present" else plan_absent)(spec, found), found


def run(netlink: Netlink, state: str = "present", **options: t.Any) -> list[str]:
    """Observe, plan and apply; what was predicted has come, and a second run has nothing to do."""
    made, found = plan(netlink, state, **options)
    operations = [*made.operations, *made.deferred]
    predicted = copy.deepcopy(facts("br0", found))
    for operation in operations:
        operation.alter(predicted)
    assert apply(netlink, operations, found) == []
    again, found = plan(netlink, state, **options)
    assert [o.describe() for o in (*again.operations, *again.deferred)] == []
    if state == "present":
        assert facts("br0", found) == predicted
    return [operation.describe() for operation in operations]


def least_lost(lan: Lan, allowed: int, move: t.Callable[[], t.Any],
               again: t.Callable[[], t.Any] = lambda: None) -> int:
    """The client's pings that the move loses, of the first round that loses no more than allowed.

    :param again: takes the move back, before another round
    """
    found: list[int] = []
    while True:
        with lan.pings(lan.client, HOST) as lost:
            move()
        found.append(lost[HOST])
        if found[-1] <= allowed or len(found) == _ROUNDS:
            return min(found)
        again()


def in_ip_s_words(link: str) -> t.Any:
    """What a link has, with its own name left out, to compare two links."""
    found = show(link)
    found.pop("link")
    return repr(found).replace("'%s'" % link, "-").replace("'%s:web'" % link, "web")


def test_the_bridge_has_all_that_the_nic_had_and_gives_it_back(netlink: Netlink) -> None:
    before, words = show("eth0"), in_ip_s_words("eth0")
    run(netlink, takeover="eth0")
    assert in_ip_s_words("br0") == words
    bridge, nic = netlink.link("br0"), netlink.link("eth0")
    assert bridge and nic
    assert (bridge["mac"], bridge["mtu"], bridge["forward_delay"]) == (MAC, 1400, 0)
    assert nic["master"] == "br0"
    left = show("eth0")
    assert (left["addresses"], len(left["routes"])) == ([], 1)  # the kernel's ff00::/8
    run(netlink, "absent")
    assert show("eth0") == before
    assert netlink.link("br0") is None


def test_at_most_a_packet_is_lost_on_the_way_there_and_back(lan: Lan, netlink: Netlink) -> None:
    """A port drops what it gets between its first moment and the one in which the kernel lets it
    forward: 0.1 ms in which nobody else has a say."""
    with lan.pings(lan.client, HOST, HOST6) as incoming, \
            lan.pings(None, GATEWAY, GATEWAY6, FAR) as outgoing:
        for _round in range(3):
            run(netlink, takeover="eth0")
            run(netlink, "absent")
    assert set(incoming) == {HOST, HOST6} and set(outgoing) == {GATEWAY, GATEWAY6, FAR}
    for target, lost in {**incoming, **outgoing}.items():
        assert lost <= 6, (target, incoming, outgoing)  # of some 300, in 6 moves


def test_a_connection_lives_on(lan: Lan, netlink: Netlink) -> None:
    listener = socket.create_server((HOST, 0))
    with inside(lan.client):
        client = socket.create_connection(listener.getsockname(), timeout=5)
    server, _address = listener.accept()
    server.settimeout(5)
    with listener, client, server:
        for state in ("present", "absent"):
            run(netlink, state, takeover="eth0")
            for one, other in ((client, server), (server, client)):
                one.sendall(b"still here")
                assert other.recv(64) == b"still here"


def fail_at_every_step(netlink: Netlink, state: str, **options: t.Any) -> int:
    """Run the plan with the first, second, ... step failing; the count of steps."""
    for number in range(200):
        before = show_all()
        made, found = plan(netlink, state, **options)
        operations = [*made.operations, *made.deferred]
        if number == len(operations):
            return number
        broken = operations[number]

        class Broken(type(broken)):  # type: ignore[misc]
            def execute(self, netlink: Netlink) -> None:
                raise LxcError("sabotage", self.name, errno.EIO)

        operations[number] = Broken(**vars(broken))
        with pytest.raises(LxcError, match="sabotage") as caught:
            apply(netlink, operations, found)
        assert "could not" not in caught.value.detail
        assert show_all() == before, "undo after '%s'" % broken.describe()
    raise AssertionError("a plan without end")


def test_undo_of_a_takeover_at_every_step(netlink: Netlink) -> None:
    assert fail_at_every_step(netlink, "present", takeover="eth0", promiscuous=True) > 30


def test_undo_of_a_takeover_with_other_addresses_at_every_step(netlink: Netlink) -> None:
    count = fail_at_every_step(
        netlink, "present", takeover="eth0", gateway4="192.0.2.2", gateway6="2001:db8::2",
        addresses=["192.0.2.99/24", "192.0.2.11/24", "10.8.0.1/32", "2001:db8::10/64"])
    assert count > 30


def test_undo_of_a_return_at_every_step(netlink: Netlink) -> None:
    run(netlink, takeover="eth0")
    assert fail_at_every_step(netlink, "absent") > 30


def test_undo_after_the_kernel_itself_refused(netlink: Netlink) -> None:
    """Each message of the plan fails in turn, whichever step it belongs to."""
    exchange = Netlink.exchange
    left = 0

    def refuse(self: Netlink, steps: t.Any) -> t.Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise LxcError("sabotage", "", errno.EIO)
        return exchange(self, steps)

    for number in range(200):
        before = show_all()
        made, found = plan(netlink, takeover="eth0")
        left = number + 1
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Netlink, "exchange", refuse)
            try:
                apply(netlink, made.operations, found)
            except LxcError:
                assert show_all() == before, "message %d" % number
            else:
                assert number > 25
                return


def test_the_whole_can_be_undone_after_it_was_done(lan: Lan, netlink: Netlink) -> None:
    before = show_all()
    made, found = plan(netlink, takeover="eth0", gateway4="192.0.2.200")
    apply(netlink, made.operations, found)
    assert undo(netlink, made.operations, found) == []
    assert show_all() == before


def test_addresses_and_gateway_that_the_task_names(netlink: Netlink) -> None:
    with pytest.raises(LxcError, match="2001:db8::1.*list that one too"):
        run(netlink, takeover="eth0", addresses=["192.0.2.10/24"])
    ip("route", "del", "203.0.113.0/24")  # its source address is not among them
    run(netlink, takeover="eth0", gateway4="192.0.2.3",
        addresses=["192.0.2.10/24", "192.0.2.99/24", "2001:db8::10/64"])
    assert netlink.addresses("br0") == ["192.0.2.10/24", "192.0.2.99/24", "2001:db8::10/64"]
    assert ip("route", "show", "default").split() == (
        "default via 192.0.2.3 dev br0".split())
    assert netlink.addresses("eth0") == []


def test_containers_on_a_bridge_that_is_there_stay(netlink: Netlink) -> None:
    run(netlink, addresses=["10.0.3.1/24"])
    netlink.create_veth("c0", "c0far", master="br0")
    ip("link", "set", "c0far", "up")
    own = link_local("br0")
    before = show("eth0")
    run(netlink, takeover="eth0")
    assert set(netlink.addresses("br0")) >= {"10.0.3.1/24", HOST + "/24"}
    assert own in {address["local"] for address in show("br0")["addresses"]}
    assert netlink.link("br0")["mac"] == MAC
    with pytest.raises(LxcError, match="c0"):
        plan(netlink, "absent")
    run(netlink, "absent", ports=["c0"])
    assert show("eth0") == before  # without what was the bridge's own, and has gone with it


def test_a_nic_without_cable_is_taken_over_too(lan: Lan, netlink: Netlink) -> None:
    with Netlink(lan.switch) as switch:
        switch.set_link("h", up=False)
    ip("link", "set", "eth0", "down")
    run(netlink, takeover="eth0")
    with Netlink(lan.switch) as switch:
        switch.set_link("h", up=True)


def test_a_strict_rp_filter_is_kept_and_loses_nothing(lan: Lan, netlink: Netlink) -> None:
    for name in ("all", "eth0"):
        with open("/proc/sys/net/ipv4/conf/%s/rp_filter" % name, "w", encoding="ascii") as file:
            file.write("1")

    def there_and_back() -> None:
        run(netlink, takeover="eth0")
        with open("/proc/sys/net/ipv4/conf/br0/rp_filter", encoding="ascii") as file:
            assert file.read() == "1\n"
        run(netlink, "absent")

    assert least_lost(lan, 2 * LOST, there_and_back) <= 2 * LOST


@pytest.mark.parametrize("options, says", [
    ({"takeover": "eth9"}, "no such link"),
    ({"takeover": "lo"}, "loopback"),
    ({"takeover": "br0"}, "itself"),
    ({"takeover": "p1"}, "port of br1"),
    ({"takeover": "br1"}, "bridge itself"),
    ({"takeover": "eth0", "ports": ["eth0"]}, "'takeover' too"),
    ({"takeover": "eth0", "up": False}, "cut this host off"),
    ({"takeover": "eth0", "gateway4": "2001:db8::1"}, "other family"),
])
def test_what_cannot_be_taken_over_is_refused(netlink: Netlink, options: dict[str, t.Any],
                                              says: str) -> None:
    netlink.create_bridge("br1")
    netlink.create_veth("p1", "p1far", master="br1")
    before = show_all()
    with pytest.raises(LxcError, match=says) as caught:
        plan(netlink, **options)
    assert caught.value.hint
    assert show_all() == before


def test_networks_that_network_manager_makes_the_routes_of(lan: Lan, netlink: Netlink) -> None:
    """Without those that come with addresses, but called the kernel's."""
    batch("address flush dev eth0 scope global\n"
          "address add 192.0.2.10/24 broadcast + dev eth0 noprefixroute\n"
          "address add 2001:db8::10/64 dev eth0 nodad noprefixroute\n"
          "route add 192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10 metric 100\n"
          "route add 2001:db8::/64 dev eth0 proto kernel metric 100\n")
    before, words = show("eth0"), in_ip_s_words("eth0")
    assert least_lost(lan, LOST, lambda: run(netlink, takeover="eth0"),
                      lambda: run(netlink, "absent")) <= LOST
    assert in_ip_s_words("br0") == words and lan.answers(HOST)
    fail_at_every_step(netlink, "absent")
    run(netlink, "absent")
    assert show("eth0") == before


def advertised() -> None:
    """As the kernel itself makes them of what a router advertises, of two networks, in one of which
    there is an address for ever, too. Such a network's route does not go with its address."""
    batch("address add 2001:db8:a::12/64 dev eth0 nodad valid_lft 5000 preferred_lft 4000\n"
          "address add 2001:db8::12/64 dev eth0 nodad valid_lft 5000 preferred_lft 4000\n")


def test_an_advertised_address_takes_its_networks_route_along(netlink: Netlink) -> None:
    advertised()
    before = show("eth0")
    run(netlink, takeover="eth0")
    assert [a["local"] for a in show("br0")["addresses"]] == [
        a["local"] for a in before["addresses"]]
    left = show("eth0")
    assert (left["addresses"], len(left["routes"])) == ([], 1)  # the kernel's ff00::/8
    run(netlink, "absent")
    assert show("eth0") == before
    assert netlink.link("br0") is None


def advertise(gateway: int) -> None:
    """As a router does (RFC 4861, 4.2), for half an hour, with a network to make addresses of."""
    message = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + struct.pack(
        "!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0,
        socket.inet_pton(socket.AF_INET6, "2001:db8:a::"))
    with inside(gateway), socket.socket(socket.AF_INET6, socket.SOCK_RAW,
                                        socket.IPPROTO_ICMPV6) as opened:
        link_local("eth0")  # from which it has to come
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        opened.sendto(message, ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))


def by_router(link: str) -> dict[int, int]:
    """The expiry of default routes of the link by the router, by their metric."""
    found = json.loads(ip("-j", "-6", "route", "show", "default", "dev", link))
    return {route["metric"]: route["expires"] for route in found
            if route.get("gateway", "").startswith("fe80:")}


def is_advertised(lan: Lan, link: str) -> bool:
    """Whether the kernel has just learned the router, and what was moved is there beside it."""
    advertise(lan.gateway)
    time.sleep(0.1)
    found = by_router(link)
    return sorted(found) == [1024, 1025] and min(found.values()) > 1000


@pytest.mark.parametrize("static", [False, True])
def test_what_the_kernel_has_of_a_router_moves_and_is_renewed_on_the_bridge(
        lan: Lan, netlink: Netlink, static: bool) -> None:
    """Also beside a default route of the same metric that somebody made."""
    by_hand = [(GATEWAY6, 1024)] if static else []

    def others(link: str) -> list[tuple[str, int]]:
        found = json.loads(ip("-j", "-6", "route", "show", "default", "dev", link))
        return [(r["gateway"], r["metric"]) for r in found if r.get("gateway") == GATEWAY6]

    if not static:
        ip("-6", "route", "del", "default")
    advertise(lan.gateway)
    wait_until(lambda: list(by_router("eth0")) == [1024])
    for _time in range(2):
        run(netlink, takeover="eth0")
        assert list(by_router("br0")) == [1025] and others("br0") == by_hand
        assert by_router("eth0") == {} and others("eth0") == []
        wait_until(lambda: is_advertised(lan, "br0"))
        assert others("br0") == by_hand and plan(netlink, takeover="eth0")[0].operations == []
        run(netlink, "absent")
        assert list(by_router("eth0")) == [1025] and others("eth0") == by_hand
        wait_until(lambda: is_advertised(lan, "eth0"))


def test_undo_leaves_what_a_router_s_next_advertisement_does_not_end(
        lan: Lan, netlink: Netlink) -> None:
    advertise(lan.gateway)
    wait_until(lambda: list(by_router("eth0")) == [1024])
    made, found = plan(netlink, takeover="eth0")
    assert apply(netlink, made.operations, found) == []
    assert undo(netlink, made.operations, found) == []
    assert list(by_router("eth0")) == [1025] and netlink.link("br0") is None
    wait_until(lambda: is_advertised(lan, "eth0"))


def test_undo_with_an_advertised_address_at_every_step(netlink: Netlink) -> None:
    advertised()
    fail_at_every_step(netlink, "present", takeover="eth0")
    run(netlink, takeover="eth0")
    fail_at_every_step(netlink, "absent")


def test_a_bridge_that_was_there_keeps_nothing_of_an_advertised_address(netlink: Netlink) -> None:
    advertised()
    netlink.create_bridge("br0")
    assert fail_at_every_step(netlink, "present", takeover="eth0") > 30


def nexthop_routes() -> None:
    """As systemd-networkd of Debian 13 makes them for what a router advertises, and others."""
    batch("nexthop add id 7 via 192.0.2.1 dev eth0\n"
          "nexthop add id 8 via 192.0.2.2 dev eth0\n"
          "nexthop add id 9 group 7/8\n"
          "nexthop add id 10 via 2001:db8::1 dev eth0\n"
          "nexthop add id 11 dev eth0\n"
          "route add 10.77.0.0/16 nhid 7 metric 5\n"
          "route add 10.78.0.0/16 nhid 9\n"
          "route add 10.79.0.0/16 nhid 11\n"
          "route add 2001:db8:7::/64 nhid 10 metric 1024 proto ra\n")


def test_routes_by_nexthop_objects_are_written_out_on_the_bridge(
        lan: Lan, netlink: Netlink) -> None:
    nexthop_routes()
    planned: list[tuple[Plan, t.Any]] = []

    def move() -> None:
        planned.append(plan(netlink, takeover="eth0"))
        run(netlink, takeover="eth0")

    def again() -> None:  # which brings the objects back, as "absent" would not
        made, found = planned[-1]
        assert undo(netlink, made.operations, found) == []

    assert least_lost(lan, LOST, move, again) <= LOST
    found = [*json.loads(ip("-j", "route")), *json.loads(ip("-6", "-j", "route"))]
    by = {route["dst"]: route for route in found
          if route["dst"].startswith(("10.7", "2001:db8:7:"))}
    assert {target: (route.get("dev"), route.get("gateway"), "nhid" in route)
            for target, route in by.items()} == {
        "10.77.0.0/16": ("br0", "192.0.2.1", False), "10.78.0.0/16": (None, None, False),
        "10.79.0.0/16": ("br0", None, False), "2001:db8:7::/64": ("br0", "2001:db8::1", False)}
    assert [hop["dev"] for hop in by["10.78.0.0/16"]["nexthops"]] == ["br0", "br0"]
    assert not [route for route in found if route.get("dev") == "eth0"]
    run(netlink, "absent")
    back = json.loads(ip("-j", "route", "show", "10.77.0.0/16"))[0]
    assert (back["dev"], back["gateway"], back["metric"]) == ("eth0", "192.0.2.1", 5)


def test_undo_with_nexthop_objects_at_every_step(netlink: Netlink) -> None:
    nexthop_routes()
    fail_at_every_step(netlink, "present", takeover="eth0")
    assert "nhid 9" in ip("route") and "nhid 10" in ip("-6", "route")


def test_hidden_nexthop_objects_are_refused(netlink: Netlink) -> None:
    nexthop_routes()
    with open("/proc/sys/net/ipv4/nexthop_compat_mode", "w", encoding="ascii") as file:
        file.write("0")
    with pytest.raises(LxcError, match="nexthop object 7.*nexthop_compat_mode"):
        plan(netlink, takeover="eth0")


def test_a_second_nic_is_refused(netlink: Netlink) -> None:
    run(netlink, takeover="eth0")
    netlink.create_veth("eth1", "eth1far")
    with pytest.raises(LxcError, match="taken over eth0"):
        plan(netlink, takeover="eth1")


@pytest.mark.parametrize("family, word", [("-4", "iif"), ("-6", "oif")])
def test_a_rule_that_names_the_nic_is_refused_and_one_for_the_bridge_used(
        lan: Lan, netlink: Netlink, family: str, word: str) -> None:
    """Packets would no longer be what the rule is about, and policy routing silently end."""
    ip(family, "rule", "add", "priority", "77", word, "eth0", "lookup", "1000")
    before = show_all()
    with pytest.raises(LxcError, match="77: %s eth0" % word) as caught:
        plan(netlink, takeover="eth0")
    assert "ip rule add" in caught.value.hint and show_all() == before
    ip(family, "rule", "add", "priority", "78", word, "br0", "lookup", "1000")
    ip(family, "rule", "del", "priority", "77")
    run(netlink, takeover="eth0")
    assert "detached" not in ip(family, "rule") and lan.answers(HOST)
    # One that comes later changes nothing that was asked for.
    ip(family, "rule", "add", "priority", "79", word, "eth0", "lookup", "1000")
    assert plan(netlink, takeover="eth0")[0].operations == []


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs the program nft")
@pytest.mark.skipif(not os.path.exists("/proc/sys/net/bridge"), reason="br_netfilter is not there")
def test_a_firewall_that_drops_what_crosses_the_bridge_is_named(netlink: Netlink) -> None:
    drop = "{ type filter hook forward priority 0; policy drop; }"
    subprocess.run(["nft", "add table bridge strict; add chain bridge strict cross %s; "
                    "add table ip old; add chain ip old FORWARD %s" % (drop, drop)], check=True)
    with open("/proc/sys/net/bridge/bridge-nf-call-iptables", encoding="ascii") as file:
        bridged_too = file.read() == "1\n"
    warnings = plan(netlink, takeover="eth0")[0].warnings
    assert any("'bridge strict cross'" in text for text in warnings)
    assert any("'ip old FORWARD'" in text for text in warnings) is bridged_too
