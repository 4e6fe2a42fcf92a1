# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bridges in the kernel, in namespaces of the test's own; needs root."""
from __future__ import annotations

import errno
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import dnsmasq
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.observe import facts, observe
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.plan import (
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.spec import make_spec
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.nftables import (
    Forward,
    Nftables,
)
from network_sandbox import here, inside, new_namespace, new_sandbox, udp

sandbox = pytest.fixture(new_sandbox)
pytestmark = pytest.mark.usefixtures("sandbox")

EVERYTHING = {
    "addresses": ["10.0.3.1/24", "fd00:3::1/64"], "ports": ["p1", "p2"], "nat": "true",
    "forwards": [{"protocol": "tcp", "port": 80, "address": "10.0.3.2", "to_port": 8080}],
    "mtu": 1400, "stp": True, "forward_delay": 4, "mac": "02:00:00:00:00:77",
}


@pytest.fixture
def netlink() -> t.Iterator[Netlink]:
    with Netlink() as opened:
        opened.loopback_up()
        for name in ("p1", "p2"):
            opened.create_veth(name, name + "far", up=False)
        yield opened


def run(netlink: Netlink, state: str = "present", **options: t.Any) -> list[str]:
    """What the module does; the names of the steps, and proof that a second run has none."""
    spec = make_spec({"name": "br0", **options})

    def plan() -> t.Any:
        found = observe(netlink, spec)
        made = plan_present(spec, found) if state == "present" else plan_absent(spec, found)
        return made.operations, found

    operations, found = plan()
    predicted = facts("br0", found)
    for operation in operations:
        operation.alter(predicted)
    assert apply(netlink, operations, found) == []
    left, found = plan()
    assert left == []
    assert facts("br0", found) == predicted
    return [operation.describe() for operation in operations]


def everything(netlink: Netlink) -> t.Any:
    """The namespace as anyone can see it, to compare before with after."""
    links = {link["name"]: {k: v for k, v in link.items() if k not in ("index", "state")}
             for link in netlink.links()}
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as four, \
            open("/proc/sys/net/ipv6/conf/all/forwarding", encoding="ascii") as six:
        forwarding = (four.read(), six.read())
    routes = sorted((str(r["destination"]), r["gateway"], r["metric"]) for r in netlink.routes()
                    if r["protocol"] != 2)
    with Nftables() as tables:
        table = tables.masquerade("fleet-lxc-br0")
    return links, {n: netlink.addresses(n) for n in links}, routes, forwarding, table


def test_a_bridge_with_everything_is_made_and_removed_without_a_trace(netlink: Netlink) -> None:
    before = everything(netlink)
    run(netlink, **EVERYTHING)
    bridge = netlink.link("br0")
    assert bridge is not None
    assert (bridge["mac"], bridge["mtu"], bridge["stp"], bridge["forward_delay"], bridge["up"]) == (
        "02:00:00:00:00:77", 1400, True, 4.0, True)
    assert netlink.addresses("br0") == ["10.0.3.1/24", "fd00:3::1/64"]
    for name in ("p1", "p2"):
        port = netlink.link(name)
        assert port is not None and port["master"] == "br0" and port["up"]
    run(netlink, "absent", ports=["p1", "p2"])
    for name in ("p1", "p2"):
        netlink.set_link(name, up=False)
    assert everything(netlink) == before


def test_only_what_is_named_changes(netlink: Netlink) -> None:
    run(netlink, **EVERYTHING)
    before = everything(netlink)
    assert run(netlink) == []
    assert everything(netlink) == before
    assert run(netlink, mtu=1300) == ["set mtu of br0 from 1400 to 1300"]
    netlink.set_link("br0", mtu=1400)
    assert everything(netlink) == before


def test_the_mac_stays_as_ports_come_and_go(netlink: Netlink) -> None:
    run(netlink)
    mac = netlink.link("br0")["mac"]
    run(netlink, ports=["p1", "p2"])
    assert netlink.link("br0")["mac"] == mac
    run(netlink, "absent", ports=["p1", "p2"])
    run(netlink)
    assert netlink.link("br0")["mac"] == mac


def test_the_first_address_of_a_network_goes_and_the_others_stay(netlink: Netlink) -> None:
    run(netlink, addresses=["10.0.3.1/24", "10.0.3.2/24", "10.0.3.3/24"])
    run(netlink, addresses=["10.0.3.2/24", "10.0.3.3/24"])
    assert netlink.addresses("br0") == ["10.0.3.2/24", "10.0.3.3/24"]


def test_options_of_the_spanning_tree_in_either_direction(netlink: Netlink) -> None:
    run(netlink, forward_delay=0)
    run(netlink, stp=True, forward_delay=2)
    run(netlink, stp=False, forward_delay=0)


class Saboteur:
    """Stands before the real thing and fails at one call that changes something."""

    def __init__(self, real: t.Any, at: int) -> None:
        self.real = real
        self.left = at

    def __getattr__(self, name: str) -> t.Any:
        method = getattr(self.real, name)
        if not name.startswith(("create", "set", "add", "delete")):
            return method

        def call(*args: t.Any, **kwargs: t.Any) -> t.Any:
            self.left -= 1
            if self.left == -1:
                raise LxcError("sabotage", name, errno.EIO)
            return method(*args, **kwargs)
        return call


def fail_at_every_step(netlink: Netlink, state: str, **options: t.Any) -> int:
    """Run the plan with the first, second, ... step failing; the count of steps."""
    spec = make_spec({"name": "br0", **options})
    for number in range(100):
        before = everything(netlink)
        found = observe(netlink, spec)
        made = plan_present(spec, found) if state == "present" else plan_absent(spec, found)
        operations = made.operations
        if number == len(operations):
            apply(netlink, operations, found)
            return number
        broken = operations[number]

        class Broken(type(broken)):  # type: ignore[misc]
            def execute(self, netlink: Netlink) -> None:
                raise LxcError("sabotage", self.name, errno.EIO)

        operations[number] = Broken(**vars(broken))
        with pytest.raises(LxcError, match="sabotage"):
            apply(netlink, operations, found)
        assert everything(netlink) == before, "undo after step %d" % number
    raise AssertionError("a plan without end")


def test_undo_of_a_new_bridge_at_every_step(netlink: Netlink) -> None:
    assert fail_at_every_step(netlink, "present", **EVERYTHING) >= 10


def test_undo_of_a_change_at_every_step(netlink: Netlink) -> None:
    run(netlink, **EVERYTHING)
    netlink.create_veth("p3", "p3far")
    netlink.add_address("br0", "10.0.3.9/24")
    netlink.add_route("br0", "10.99.0.0/16", "10.0.3.200", 7)
    netlink.add_route("br0", "default", "10.0.3.200")
    netlink.add_route("br0", "fd00:99::/64", "fd00:3::99")
    count = fail_at_every_step(
        netlink, "present", addresses=["10.0.4.1/24", "10.0.3.9/24"], ports=["p3"],
        purge_ports=True, nat="false", mtu=1300, stp=False, forward_delay=0, up=False,
        mac="02:00:00:00:00:78")
    assert count >= 10


def test_undo_of_a_removal_at_every_step(netlink: Netlink) -> None:
    run(netlink, **EVERYTHING)
    assert fail_at_every_step(netlink, "absent", ports=["p1", "p2"]) == 4


def test_undo_after_the_kernel_itself_refused(netlink: Netlink) -> None:
    """Each message of the plan fails in turn, whichever step it belongs to."""
    spec = make_spec({"name": "br0", **EVERYTHING})
    before = everything(netlink)
    for number in range(100):
        found = observe(netlink, spec)
        saboteur: t.Any = Saboteur(netlink, number)
        try:
            apply(saboteur, plan_present(spec, found).operations, found)
        except LxcError:
            assert everything(netlink) == before
        else:
            assert number > 5
            return


def test_nat_hides_a_container_behind_its_host(netlink: Netlink) -> None:
    run(netlink, addresses=["10.0.3.1/24"], nat="true")
    with new_namespace() as container, new_namespace() as outside:
        netlink.create_veth("c0", "eth0", peer_netns_fd=container, master="br0")
        with Netlink(container) as inner:
            inner.configure("eth0", ["10.0.3.2/24"], gateways=["10.0.3.1"])
        netlink.create_veth("up0", "eth0", peer_netns_fd=outside)
        netlink.add_address("up0", "192.0.2.1/24")
        with Netlink(outside) as far:
            far.configure("eth0", ["192.0.2.2/24"])  # has no route to 10.0.3.0/24
        with udp(container, "10.0.3.2") as client, udp(outside, "192.0.2.2") as server:
            client.sendto(b"ping", server.getsockname())
            data, source = server.recvfrom(64)
            assert (data, source[0]) == (b"ping", "192.0.2.1")
            server.sendto(b"pong", source)
            assert client.recv(64) == b"pong"


def test_auto_does_without_nat_where_the_kernel_refuses(netlink: Netlink, monkeypatch) -> None:
    def refuse(*_args: t.Any) -> None:
        raise LxcError("set up masquerading for", "br0", errno.ENOENT, "CONFIG_NFT_MASQ")

    monkeypatch.setattr(Nftables, "set_masquerade", refuse)
    forwarding = everything(netlink)[3]
    spec = make_spec({"name": "br0", "addresses": ["10.0.3.1/24"], "nat": "auto"})
    found = observe(netlink, spec)
    warnings = apply(netlink, plan_present(spec, found).operations, found)
    assert len(warnings) == 1 and "CONFIG_NFT_MASQ" in warnings[0]
    assert netlink.addresses("br0") == ["10.0.3.1/24"]
    assert everything(netlink)[3] == forwarding  # not half of it

    with pytest.raises(LxcError, match="CONFIG_NFT_MASQ"):
        strict = spec._replace(nat="true")
        apply(netlink, plan_present(strict, observe(netlink, strict)).operations,
              observe(netlink, strict))


@pytest.mark.skipif(shutil.which("nft") is None, reason="needs the program nft")
def test_a_chain_that_drops_what_is_forwarded_is_found_and_our_table_reads_well() -> None:
    rules = "add table ip t; add chain ip t f { type filter hook forward priority 0; policy drop; }"
    subprocess.run(["nft", rules], check=True)
    with Nftables() as tables:
        assert tables.dropping_forward_chains() == ["ip t f"]
        tables.set_masquerade("fleet-lxc-br0", "br0", ["10.0.3.0/24", "fd00:3::/64"], "remark",
                              [Forward("tcp", 8080, "10.0.3.2", 80)])
    shown = subprocess.run(["nft", "list", "table", "inet", "fleet-lxc-br0"], check=True,
                           capture_output=True, text=True).stdout
    assert 'ip saddr 10.0.3.0/24 oifname != "br0" masquerade' in shown
    assert "fib daddr type local tcp dport 8080 dnat ip to 10.0.3.2:80" in shown
    assert 'ip6 saddr fd00:3::/64 oifname != "br0" masquerade' in shown


def test_nat_follows_the_addresses_and_goes_with_the_bridge(netlink: Netlink) -> None:
    run(netlink, addresses=["10.0.3.1/24"], nat="true")
    run(netlink, addresses=["10.0.4.1/24"])
    with Nftables() as tables:
        assert tables.masquerade("fleet-lxc-br0").networks == ["10.0.4.0/24"]
        run(netlink, "absent")
        assert tables.masquerade("fleet-lxc-br0") is None


def test_port_forwards_reach_a_container_and_follow_the_task(netlink: Netlink) -> None:
    forwards = [{"protocol": "udp", "port": 5000, "address": "10.0.3.2", "to_port": 53},
                {"protocol": "tcp", "port": 8080, "address": "fd00:3::2", "to_port": None}]
    with pytest.raises(LxcError, match="does not masquerade.*nat: true"):
        run(netlink, addresses=["10.0.3.1/24"], forwards=forwards)
    run(netlink, addresses=["10.0.3.1/24"], nat="true", forwards=forwards)
    with new_namespace() as container, new_namespace() as outside:
        netlink.create_veth("c0", "eth0", peer_netns_fd=container, master="br0")
        with Netlink(container) as inner:
            inner.configure("eth0", ["10.0.3.2/24"], gateways=["10.0.3.1"])
        netlink.create_veth("up0", "eth0", peer_netns_fd=outside)
        netlink.add_address("up0", "192.0.2.1/24")
        with Netlink(outside) as far:
            far.configure("eth0", ["192.0.2.2/24"])
        with udp(container, "10.0.3.2", 53) as server, udp(outside, "192.0.2.2") as client, \
                udp(here(), "192.0.2.1") as own:
            for sender in (client, own):
                sender.sendto(b"ping", ("192.0.2.1", 5000))
                data, source = server.recvfrom(64)
                assert data == b"ping"
                server.sendto(b"pong", source)
                assert sender.recvfrom(64) == (b"pong", ("192.0.2.1", 5000))
        with Nftables() as tables:
            assert len(tables.masquerade("fleet-lxc-br0").forwards) == 2
            assert run(netlink, addresses=["10.0.3.1/24"]) == []
            run(netlink, forwards=[])
            assert tables.masquerade("fleet-lxc-br0").forwards == []
            run(netlink, "absent", ports=["c0"])
            assert tables.masquerade("fleet-lxc-br0") is None


def test_containers_of_two_hosts_are_on_one_segment(netlink: Netlink) -> None:
    hosts = ["192.0.2.1", "192.0.2.2"]
    with new_namespace() as other, new_namespace() as here_inside, new_namespace() as there_inside:
        netlink.create_veth("eth9", "eth9", peer_netns_fd=other)
        for place, address, container, inner in ((here(), hosts[0], here_inside, "10.7.0.1"),
                                                 (other, hosts[1], there_inside, "10.7.0.2")):
            with inside(place), Netlink() as local:
                local.configure("eth9", [address + "/24"])
                option = {"id": 7, "local": address, "remotes": hosts, "port": 4789, "mtu": None}
                run(local, vxlan=option)
                local.create_veth("c9", "eth0", peer_netns_fd=container, master="br0")
                with Netlink(container) as peer:
                    peer.configure("eth0", [inner + "/24"])
        with udp(here_inside, "10.7.0.1") as one, udp(there_inside, "10.7.0.2") as two:
            one.sendto(b"over", two.getsockname())
            assert two.recvfrom(64) == (b"over", one.getsockname())
        option = {"id": 8, "local": hosts[0], "remotes": ["192.0.2.3"], "port": 4790, "mtu": 1300}
        assert "delete VXLAN link vxlan7" in run(netlink, vxlan=option)
        assert netlink.link("vxlan8")["mtu"] == 1300
        run(netlink, "absent", ports=["c9"])
        assert netlink.link("vxlan8") is None


@pytest.mark.skipif(shutil.which("dnsmasq", path="/usr/sbin") is None, reason="needs dnsmasq")
def test_a_container_gets_its_address_from_dnsmasq(netlink: Netlink, monkeypatch: t.Any,
                                                   tmp_path: pathlib.Path) -> None:
    monkeypatch.setattr(dnsmasq, "FOLDER", str(tmp_path / "bridges"))
    option = {"first": "10.0.3.50", "last": "10.0.3.50", "lease_time": "1h", "domain": "c.test",
              "dns": True}
    try:
        run(netlink, addresses=["10.0.3.1/24"], dhcp=option)
        with new_namespace() as container:
            netlink.create_veth("c0", "eth0", peer_netns_fd=container, master="br0")
            with inside(container), Netlink() as inner:
                inner.configure("eth0", [])
                said = subprocess.run(
                    ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true"],
                    check=True, capture_output=True, text=True, timeout=20)
        assert "10.0.3.50" in said.stdout + said.stderr
        with pytest.raises(LxcError, match="start dnsmasq for br0"):
            run(netlink, dhcp={**option, "lease_time": "soon"})
        assert dnsmasq.read("br0").lease_time == "1h"  # the one before runs again
        run(netlink, dhcp={**option, "dns": False})
        process = pathlib.Path("/proc", (tmp_path / "bridges/br0/dnsmasq.pid").read_text().strip())
        dnsmasq.stop("br0")
        # Itself is gone, not only the file with its number: another one may take its port.
        assert not process.exists() or not (process / "cmdline").read_bytes()
    finally:
        run(netlink, "absent", ports=["c0"])
    assert not (tmp_path / "bridges").exists()


def test_vlans_of_ports(netlink: Netlink) -> None:
    vlans = [{"port": "p1", "untagged": 10, "tagged": [20, 30]},
             {"port": "p2", "untagged": None, "tagged": [20]}]
    with pytest.raises(LxcError, match="no port of br0.*Name it"):
        run(netlink, ports=["p1"], vlans=vlans)
    try:
        run(netlink, ports=["p1", "p2"], vlans=vlans, vlan_filtering=True)
    except LxcError as error:
        assert "CONFIG_BRIDGE_VLAN_FILTERING" in error.hint
        assert netlink.link("br0") is None
        pytest.skip("this kernel has no VLAN filtering")
    shown = subprocess.run(["bridge", "vlan"], check=True, capture_output=True, text=True).stdout
    fields = [line.split() for line in shown.splitlines()]
    first = next(n for n, line in enumerate(fields) if line[:1] == ["p1"])
    assert fields[first:first + 4] == [["p1", "10", "PVID", "Egress", "Untagged"], ["20"], ["30"],
                                       ["p2", "20"]]
    assert fail_at_every_step(netlink, "present", vlan_filtering=False,
                              vlans=[{"port": "p1", "untagged": 1, "tagged": []}]) == 2


def test_undo_of_a_vxlan_at_every_step(netlink: Netlink) -> None:
    netlink.add_address("p1", "192.0.2.1/24")
    option = {"id": 7, "local": "192.0.2.1", "remotes": ["192.0.2.2"], "port": 4789, "mtu": None}
    assert fail_at_every_step(netlink, "present", vxlan=option) == 6
    assert fail_at_every_step(netlink, "present", vxlan={**option, "id": 8}) == 8


def test_forwarding_that_was_on_before_stays_on(netlink: Netlink) -> None:
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
        file.write("1")
    run(netlink, addresses=["10.0.3.1/24"], nat="true")
    run(netlink, "absent")
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as file:
        assert file.read() == "1\n"


def test_a_link_that_is_no_bridge_is_left_alone(netlink: Netlink) -> None:
    spec = make_spec({"name": "p1"})
    for plan in (plan_present, plan_absent):
        with pytest.raises(LxcError, match="p1"):
            plan(spec, observe(netlink, spec))
