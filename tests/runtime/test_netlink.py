# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rtnetlink against the kernel, in namespaces of the test's own; needs root."""
from __future__ import annotations

import errno
import os
import signal

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import syscalls
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink_kinds import try_kinds
from network_sandbox import new_namespace, new_sandbox, udp

sandbox = pytest.fixture(new_sandbox)
pytestmark = pytest.mark.usefixtures("sandbox")


def test_a_new_namespace_has_a_loopback_that_is_down_until_told() -> None:
    with Netlink() as netlink:
        lo = netlink.link("lo")
        assert lo is not None and not lo["up"]
        netlink.loopback_up()
        assert [(link["name"], link["up"]) for link in netlink.links()
                if link["name"] == "lo"] == [("lo", True)]
        assert "127.0.0.1/8" in netlink.addresses("lo")


def test_a_veth_is_made_with_its_peer_inside_and_on_its_bridge() -> None:
    with new_namespace() as container, Netlink() as netlink:
        netlink.create_bridge("br0", mac="02:00:00:00:00:01", forward_delay=0, up=True)
        netlink.create_veth("veth0", "eth0", peer_netns_fd=container, master="br0", mtu=1400,
                            mac="02:00:00:00:00:02")
        veth = netlink.link("veth0")
        assert veth is not None
        assert (veth["kind"], veth["master"], veth["mtu"], veth["up"]) == (
            "veth", "br0", 1400, True)
        assert netlink.link("eth0") is None
        with Netlink(container) as inner:
            peer = inner.link("eth0")
            assert peer is not None
            assert (peer["mac"], peer["mtu"], peer["up"]) == ("02:00:00:00:00:02", 1400, False)


def test_configure_gives_addresses_and_default_routes_of_both_families() -> None:
    with new_namespace() as container, Netlink() as netlink, Netlink(container) as inner:
        netlink.create_veth("veth0", "eth0", peer_netns_fd=container)
        inner.configure("eth0", ["10.0.3.2/24", "fd00:3::2/64"],
                        gateways=["10.0.3.1", "fd00:3::1"], mtu=1300,
                        mac="02:00:00:00:00:09", loopback=True)
        assert inner.addresses("eth0") == ["10.0.3.2/24", "fd00:3::2/64"]
        defaults = {r["gateway"] for r in inner.routes() if r["destination"] == "default"}
        assert defaults == {"10.0.3.1", "fd00:3::1"}
        link = inner.link("eth0")
        assert link is not None
        assert (link["mtu"], link["mac"], link["up"]) == (1300, "02:00:00:00:00:09", True)
        udp(container, "fd00:3::2").close()  # not tentative: it can be bound to at once


def test_two_namespaces_talk_through_the_bridge() -> None:
    with new_namespace() as one, new_namespace() as two, Netlink() as netlink:
        netlink.create_bridge("br0", up=True)
        for number, namespace in enumerate((one, two), 1):
            netlink.create_veth("veth%d" % number, "eth0", peer_netns_fd=namespace, master="br0")
            with Netlink(namespace) as inner:
                inner.configure("eth0", ["10.0.3.%d/24" % number, "fd00:3::%d/64" % number])
        for prefix in ("10.0.3.", "fd00:3::"):
            with udp(one, prefix + "1") as sender, udp(two, prefix + "2") as receiver:
                sender.sendto(b"hello", receiver.getsockname()[:2])
                data, source = receiver.recvfrom(64)
                assert (data, source[0]) == (b"hello", prefix + "1")


def test_a_peers_process_can_be_named_instead_of_a_descriptor() -> None:
    with Netlink() as netlink:
        netlink.create_veth("veth0", "eth7", peer_netns_pid=os.getpid())
        assert netlink.link("eth7") is not None


def test_an_unprivileged_containers_namespace_is_no_different() -> None:
    pid, pidfd = syscalls.clone(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNET)
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        namespace = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY)
        try:
            with Netlink() as netlink, Netlink(namespace) as inner:
                netlink.create_veth("veth0", "eth0", peer_netns_pid=pid)
                inner.configure("eth0", ["10.0.3.2/24"], gateways=["10.0.3.1"], loopback=True)
                assert inner.addresses("eth0") == ["10.0.3.2/24"]
        finally:
            os.close(namespace)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)


def test_the_caller_stays_in_its_own_namespace() -> None:
    before = os.readlink("/proc/thread-self/ns/net")
    with new_namespace() as other, Netlink(other) as inner:
        inner.loopback_up()
        assert os.readlink("/proc/thread-self/ns/net") == before


def test_delete_says_whether_there_was_something() -> None:
    with Netlink() as netlink:
        netlink.create_bridge("br0")
        assert netlink.delete_link("br0") is True
        assert netlink.delete_link("br0") is False
        netlink.create_bridge("br0", up=True)
        netlink.add_address("br0", "10.0.3.1/24")
        netlink.add_route("br0", "10.9.0.0/16", "10.0.3.9")
        assert netlink.delete_route("br0", "10.9.0.0/16", "10.0.3.9") is True
        assert netlink.delete_route("br0", "10.9.0.0/16", "10.0.3.9") is False
        assert netlink.delete_address("br0", "10.0.3.1/24") is True
        assert netlink.delete_address("br0", "10.0.3.1/24") is False


def refused(call, *args, **kwargs) -> LxcError:
    with pytest.raises(LxcError) as caught:
        call(*args, **kwargs)
    return caught.value


def test_each_refusal_names_the_link_and_a_remedy() -> None:
    with new_namespace() as container, Netlink() as netlink:
        netlink.create_bridge("br0", up=True)
        netlink.create_veth("veth0", "eth0", peer_netns_fd=container)

        taken = refused(netlink.create_veth, "veth0", "eth1", peer_netns_fd=container)
        assert (taken.subject, taken.errno) == ("veth0", errno.EEXIST)
        assert "choose another name" in taken.hint

        inner_taken = refused(netlink.create_veth, "veth1", "eth0", peer_netns_fd=container)
        assert (inner_taken.subject, inner_taken.errno) == ("eth0", errno.EEXIST)
        assert netlink.link("veth1") is None

        no_bridge = refused(netlink.create_veth, "veth1", "eth1", master="br9")
        assert (no_bridge.subject, no_bridge.errno) == ("br9", errno.ENODEV)
        assert no_bridge.hint == "Create it with fleet.lxc.lxc_bridge."

        not_a_bridge = refused(netlink.create_veth, "veth1", "eth1", master="veth0")
        assert "not a bridge" in not_a_bridge.detail and not_a_bridge.subject == "veth0"

        gone = refused(netlink.create_veth, "veth1", "eth1", peer_netns_pid=2 ** 22 + 1)
        assert gone.errno == errno.ESRCH and "gone" in gone.hint

        netlink.add_address("br0", "10.0.3.1/24")
        again = refused(netlink.add_address, "br0", "10.0.3.1/24")
        assert again.errno == errno.EEXIST and "br0" in again.subject

        astray = refused(netlink.add_route, "br0", "default", "192.0.2.1")
        assert "must lie in the network" in astray.hint

        assert refused(netlink.add_address, "nope", "10.0.3.1/24").errno == errno.ENODEV
        assert "15" in refused(netlink.create_bridge, "b" * 16).detail


def test_what_was_sent_after_a_refused_message_is_not_taken_for_an_answer() -> None:
    with Netlink() as netlink:
        netlink.create_bridge("br0")
        refused(netlink.configure, "br0", ["10.0.3.1/24", "10.0.3.1/24", "10.0.3.2/24"])
        assert [link["name"] for link in netlink.links() if link["kind"]] == ["br0"]


def test_a_dump_larger_than_one_datagram_is_whole() -> None:
    with Netlink() as netlink:
        for number in range(100):
            netlink.create_bridge("br%d" % number)
        assert len([link for link in netlink.links() if link["kind"] == "bridge"]) == 100


def test_kinds_are_tried_without_a_trace() -> None:
    with Netlink() as netlink:
        before = netlink.links()
        found = try_kinds()
        assert found["bridge"] and found["veth"]
        assert set(found) == {"bridge", "veth", "macvlan", "ipvlan", "vlan"}
        assert netlink.links() == before
        with Netlink() as again:
            assert again.links() == before
