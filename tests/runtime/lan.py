# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host, a gateway and a client on one switch, each a network namespace: real packets, no NIC.

What ``ip`` shows is the measure: it is not our own reading of netlink.
"""
from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
import typing as t

from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from network_sandbox import inside, new_namespace

HOST, HOST6, MAC = "192.0.2.10", "2001:db8::10", "02:00:00:00:00:10"
FOREVER = 0xFFFFFFFF  # as a lifetime
GATEWAY, GATEWAY6, FAR = "192.0.2.1", "2001:db8::1", "198.51.100.1"
# A NIC as administrators have them: two addresses of a network, a label, a lifetime, a route
# that another one lies behind, tables, metrics, both families.
_HOST_SETUP = """\
link set eth0 address %(mac)s mtu 1400 up
address add 192.0.2.10/24 broadcast + dev eth0
address add 192.0.2.11/24 dev eth0 label eth0:web
address add 10.8.0.1/32 dev eth0 scope link
address add 192.0.2.12/24 dev eth0 valid_lft 5000 preferred_lft 4000
address add 2001:db8::10/64 dev eth0 nodad
address add 2001:db8::11/128 dev eth0 nodad preferred_lft 0
route add default via 192.0.2.1 dev eth0 metric 100
route add default via 192.0.2.2 dev eth0 metric 200
route add 203.0.113.1 dev eth0
route add 203.0.113.0/24 via 203.0.113.1 dev eth0 src 192.0.2.11 mtu lock 1300
route add 198.18.0.0/16 via 192.0.2.1 dev eth0 table 1000
route add 10.66.0.0/16 nexthop via 192.0.2.1 dev eth0 weight 2 nexthop via 192.0.2.2 dev eth0
route add default via 2001:db8::1 dev eth0
route add 2001:db8:2::/64 dev eth0 metric 50
route add 2001:db8:3::/64 via 2001:db8:2::1 dev eth0
neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
"""
_GATEWAY_SETUP = """\
link set eth0 address 02:00:00:00:00:01 up
address add 192.0.2.1/24 dev eth0
address add 198.51.100.1/32 dev eth0
address add 2001:db8::1/64 dev eth0 nodad
"""
_CLIENT_SETUP = """\
link set eth0 address 02:00:00:00:00:50 up
address add 192.0.2.50/24 dev eth0
address add 2001:db8::50/64 dev eth0 nodad
"""


class Lan:
    """:param switch, gateway, client: descriptors of namespaces; the host is the caller's own"""

    def __init__(self, switch: int, gateway: int, client: int) -> None:
        self.switch, self.gateway, self.client = switch, gateway, client

    @contextlib.contextmanager
    def pings(self, namespace: int | None, *targets: str) -> t.Iterator[dict[str, int]]:
        """Ping from a namespace every 2 ms while the block runs; the losses by target after it."""
        lost: dict[str, int] = {}
        with contextlib.ExitStack() as stack:
            if namespace is not None:
                stack.enter_context(inside(namespace))
            streams = {target: subprocess.Popen(
                ["ping", "-n", "-i", "0.002", "-W", "0.5", target], stdout=subprocess.PIPE,
                text=True) for target in targets}
        try:
            for stream in streams.values():  # the first answer: they run
                assert stream.stdout
                while "time=" not in (line := stream.stdout.readline()):
                    assert line, "no answer"
            yield lost
        finally:
            for target, stream in streams.items():
                stream.send_signal(2)
                said = stream.communicate(timeout=10)[0]
                found = re.search(r"(\d+) packets transmitted", said)
                answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) .*time=", said)}
                assert found and answered, said
                lost[target] = max(answered) - min(answered) + 1 - len(answered)
                # What was sent in the last moments has no answer yet.
                unanswered = int(found[1]) - max(answered)
                lost[target] += unanswered if unanswered > 10 else 0

    @contextlib.contextmanager
    def far_away(self) -> t.Iterator[None]:
        """The client leaves the switch and is behind the gateway while the block runs."""
        with inside(self.client), Netlink() as netlink:
            netlink.delete_link("eth0")
            netlink.create_veth("eth0", "far", peer_netns_fd=self.gateway, up=False)
            batch("link set eth0 up\naddress add 203.0.114.2/24 dev eth0\n"
                  "route add default via 203.0.114.1")
        with inside(self.gateway):
            batch("link set far up\naddress add 203.0.114.1/24 dev far")
            with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
                file.write("1")
        yield

    def answers(self, target: str) -> bool:
        """Whether the client reaches it."""
        with inside(self.client):
            return not subprocess.run(["ping", "-n", "-c1", "-W", "0.2", target], check=False,
                                      stdout=subprocess.DEVNULL).returncode


def ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


def batch(commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input=commands, check=True, text=True)


def link_local(link: str) -> str:
    """Its IPv6 address that the kernel makes, as soon as it is there."""
    while True:
        for one in json.loads(ip("-j", "-6", "address", "show", "dev", link)):
            for address in one["addr_info"]:
                if address["scope"] == "link" and not address.get("tentative"):
                    return str(address["local"])
        time.sleep(0.001)


class Expiry:
    """When a lifetime ends. The kernel's seconds are whole, and an emulated machine takes some to
    look."""

    def __init__(self, seconds: int) -> None:
        self.at = time.monotonic() + seconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expiry) and abs(self.at - other.at) < 20

    def __repr__(self) -> str:
        return "Expiry(in %d s)" % (self.at - time.monotonic())


def show(link: str) -> dict[str, t.Any]:
    """All that ``ip`` shows of a link."""
    return show_all()[link]


def show_all() -> dict[str, dict[str, t.Any]]:
    """The same of every link."""
    found: dict[str, dict[str, t.Any]] = {}
    for one in json.loads(ip("-j", "address", "show")):
        name = one["ifname"]
        with open("/proc/sys/net/ipv6/conf/%s/addr_gen_mode" % name, encoding="ascii") as file:
            mode = file.read().strip()
        found[name] = {
            "link": (one["address"], one["mtu"], one.get("master"), "UP" in one["flags"], mode),
            "addresses": [
                {key: Expiry(value) if key.endswith("life_time") and value != FOREVER else value
                 for key, value in address.items() if key not in ("tentative", "nodad")}
                for address in one["addr_info"]], "routes": []}
    for family in ("-4", "-6"):
        for route in json.loads(ip("-j", "-d", family, "route", "show", "table", "all")):
            route = {key: value for key, value in route.items() if key != "expires"}
            hops = route.get("nexthops", [])
            route["flags"] = [flag for flag in route["flags"] if flag == "onlink"]
            for hop in hops:
                hop["flags"] = []
            for name in {route.get("dev"), *(hop.get("dev") for hop in hops)} - {None}:
                found[name]["routes"].append(sorted(map(str, route.items())))
    for one in found.values():
        one["routes"].sort()
    return found


@contextlib.contextmanager
def lan(setup: str = _HOST_SETUP) -> t.Iterator[Lan]:
    """The caller's namespace becomes the host, with eth0."""
    with new_namespace() as switch, new_namespace() as gateway, new_namespace() as client:
        with Netlink(switch) as netlink:
            netlink.create_bridge("sw0", forward_delay=0, up=True)
        _wire(switch, gateway, "g")
        _wire(switch, client, "c")
        with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w", encoding="ascii") as file:
            file.write("0")  # or each test waits a second for the link-local address
        batch("link set lo up")
        _wire(switch, None, "h")
        with inside(gateway):
            batch(_GATEWAY_SETUP)
        with inside(client):
            batch(_CLIENT_SETUP)
        batch(setup % {"mac": MAC})
        link_local("eth0")
        yield Lan(switch, gateway, client)


def _wire(switch: int, machine: int | None, port: str) -> None:
    """eth0 of a machine (None: the caller) as a port of the switch."""
    with contextlib.ExitStack() as stack:
        if machine is not None:
            stack.enter_context(inside(machine))
        with Netlink() as netlink:
            netlink.create_veth("eth0", port, peer_netns_fd=switch, up=False)
    with Netlink(switch) as netlink:
        netlink.set_master(port, "sw0")
        netlink.set_link(port, up=True)
