# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers with links of every type that this kernel has, held against packets and the kernel.

The host is a network namespace with a NIC, up0, whose cable leads to a neighbour, 10.9.8.1.
"""
from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import signal
import socket
import subprocess
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    host,
    lifecycle,
    live,
    network_end,
    network_live,
    networks,
    observe,
    spec,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import netlink_kinds
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink_links import (
    Links,
    link_kind,
)
from container_sandbox import PREFIX, Sandbox, wait_until
from network_sandbox import here, inside, new_namespace

box = pytest.fixture(container_sandbox.sandbox)
NEIGHBOUR = "10.9.8.1"
PING = "busybox ping -c1 -W5 %s"
RECEIVED = "1 packets received"


@pytest.fixture(scope="module")
def kinds() -> dict[str, bool]:
    return netlink_kinds.try_kinds()


def need(kinds: dict[str, bool], kind: str) -> None:
    if not kinds[kind]:
        pytest.skip("this kernel has no links of type %s; './dev test vm' has" % kind)


@pytest.fixture
def neighbour() -> t.Iterator[int]:
    """The neighbour's network namespace; the test runs in the host's."""
    with new_namespace() as far, new_namespace() as host:
        with inside(host), Netlink() as mine, Netlink(far) as its:
            mine.loopback_up()
            mine.create_veth("up0", "far0", peer_netns_fd=far)
            its.configure("far0", [NEIGHBOUR + "/24", "fd00:9::1/64"], loopback=True)
            yield far


def link_of(pid: int, name: str) -> dict[str, t.Any] | None:
    """A link as the kernel has it in the network of a process."""
    fd = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink(fd) as there:
            found = there.link(name)
            return None if found is None else dict(found)
    finally:
        os.close(fd)


def on_up0(kind: str, **options: t.Any) -> list[dict[str, t.Any]]:
    return [{"type": kind, "link": "up0", "addresses": ["10.9.8.7/24"], **options}]


# On top of a link

@pytest.mark.parametrize("kind, options", [
    ("macvlan", {}), ("macvlan", {"mode": "bridge"}), ("macvlan", {"mode": "vepa"}),
    ("macvlan", {"mode": "passthru"}), ("ipvlan", {"mode": "l2", "isolation": "vepa"}),
])
def test_packets_pass_by_the_parent(box: Sandbox, neighbour: int, kinds: dict[str, bool],
                                    kind: str, options: dict[str, t.Any]) -> None:
    need(kinds, kind)
    name = box.define("over", PING % NEIGHBOUR + "; busybox sleep 1000",
                      networks=on_up0(kind, mtu=1400, **options))
    pid = box.start(name)["pid"]
    found = link_of(pid, "eth0")
    assert found is not None
    assert (found["kind"], found["mtu"], found["up"]) == (kind, 1400, True)
    wait_until(lambda: RECEIVED in container_sandbox.console(name))
    with inside(neighbour):  # and back
        subprocess.run(["ping", "-c1", "-W5", "10.9.8.7"], check=True, capture_output=True)


@pytest.mark.parametrize("options", [{}, {"mode": "l3s", "isolation": "private"}])
def test_an_ipvlan_that_routes(box: Sandbox, neighbour: int, kinds: dict[str, bool],
                               options: dict[str, t.Any]) -> None:
    """The host's routes are its own, and nobody asks for neighbours."""
    need(kinds, "ipvlan")
    with Netlink() as mine:
        mine.add_address("up0", "10.9.8.2/24")
    with inside(neighbour), Netlink() as its:
        its.add_route("far0", "10.77.0.2/32", "10.9.8.2")
    shown = box.run("l3", PING % NEIGHBOUR + "; busybox route -n", networks=[{
        "type": "ipvlan", "link": "up0", "addresses": ["10.77.0.2/32"], "gateway4": "dev",
        **options}])
    assert RECEIVED in shown
    assert any(line.split()[:2] == ["0.0.0.0", "0.0.0.0"] for line in shown.splitlines())


def test_a_vlan_carries_its_tag(box: Sandbox, neighbour: int, kinds: dict[str, bool]) -> None:
    need(kinds, "vlan")
    with inside(neighbour):
        links, here_fd = Links(), here()
        with Netlink() as its:
            links.create("vlan", "far0.7", its.index("far0"), "far0", link_kind("vlan", vlan=7),
                         here_fd)
            its.configure("far0.7", ["10.9.7.1/24"])
        links.close()
        os.close(here_fd)
    shown = box.run("vlan", PING % "10.9.7.1" + ";" + PING % "10.9.8.1", networks=[{
        "type": "vlan", "link": "up0", "vlan": 7, "name": "lan0", "addresses": ["10.9.7.2/24"],
        "mac": "02:00:00:00:77:01"}])
    assert shown.count(RECEIVED) == 1 and "Network is unreachable" in shown


def test_a_type_that_the_kernel_lacks_is_named(box: Sandbox, neighbour: int,
                                               kinds: dict[str, bool]) -> None:
    missing = [kind for kind, there in kinds.items() if not there]
    if not missing:
        pytest.skip("this kernel has all types")
    kind = missing[0]
    error = box.refused("lacks", networks=on_up0(kind, **({"vlan": 3} if kind == "vlan" else {})))
    assert error.errno == errno.EOPNOTSUPP
    assert "modprobe" in error.hint and kind in str(error)


def test_the_second_in_passthru_is_told_why(box: Sandbox, neighbour: int) -> None:
    box.launch("first", networks=on_up0("macvlan", mode="passthru"))
    error = box.refused("second", networks=[{"type": "macvlan", "link": "up0",
                                             "mode": "passthru"}])
    assert error.errno == errno.EINVAL and "passthru" in error.hint


def test_types_mix_and_a_link_may_stay_down(box: Sandbox, neighbour: int) -> None:
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
        mine.configure("br0", ["10.9.6.1/24", "fd00:6::1/64"])
    pid = box.launch("mixed", networks=[
        {"link": "br0", "addresses": ["10.9.6.2/24", "fd00:6::2/64"], "gateway4": "auto",
         "gateway6": "auto", "mac": "xx:16:3e:xx:xx:xx"},
        {"type": "macvlan", "link": "up0", "up": False, "addresses": ["10.9.8.7/24"]}])
    first, second = link_of(pid, "eth0"), link_of(pid, "eth1")
    assert first and second
    assert (first["kind"], first["up"], second["kind"], second["up"]) == (
        "veth", True, "macvlan", False)
    assert first["mac"][2:9] == ":16:3e:" and int(first["mac"][:2], 16) & 3 == 2
    fd = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY | os.O_CLOEXEC)
    with Netlink(fd) as there:
        assert {r["gateway"] for r in there.routes() if r["destination"] == "default"} == {
            "10.9.6.1", "fd00:6::1"}
    os.close(fd)


def test_gateway_auto_without_an_address_is_told(box: Sandbox, neighbour: int) -> None:
    error = box.refused("noauto", networks=on_up0("macvlan", gateway4="auto"))
    assert error.subject == "up0" and "it has none" in error.detail


def test_a_neighbour_as_gateway_without_a_network(box: Sandbox, neighbour: int) -> None:
    with inside(neighbour), Netlink() as its:
        its.add_address("far0", "10.55.0.1/32")
        its.add_route("far0", "10.9.5.5/32")
    shown = box.run("onlink", PING % "10.55.0.1", networks=[{
        "type": "macvlan", "link": "up0", "addresses": ["10.9.5.5/32"], "gateway4": NEIGHBOUR}])
    assert RECEIVED in shown


def test_a_routed_veth(box: Sandbox, neighbour: int) -> None:
    with Netlink() as mine:
        mine.configure("up0", ["10.9.8.2/24"], loopback=True)
    with inside(neighbour), Netlink() as its:
        its.add_route("far0", "10.77.0.2/32", "10.9.8.2")
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")  # of this namespace
    shown = box.run("routed", PING % "10.9.8.2" + ";" + PING % NEIGHBOUR, networks=[{
        "mode": "router", "addresses": ["10.77.0.2/32"], "gateway4": "10.9.8.2"}])
    assert shown.count(RECEIVED) == 2


def test_a_veth_in_a_vlan_of_its_bridge(box: Sandbox, neighbour: int) -> None:
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
    refused = box.refused("nofilter", networks=[{"link": "br0", "vlan": 7}])
    assert "does not filter" in refused.detail
    done = subprocess.run(["ip", "link", "set", "br0", "type", "bridge", "vlan_filtering", "1"],
                          check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this kernel's bridges do not filter by VLAN: " + done.stderr)
    box.launch("seven", networks=[{"link": "br0", "vlan": 7, "host_name": "v7",
                                   "tagged_vlans": [8, 9], "addresses": ["10.9.6.7/24"]}])
    box.launch("ate", networks=[{"link": "br0", "vlan": 7, "addresses": ["10.9.6.8/24"]}])
    seen = subprocess.run(["bridge", "vlan", "show", "dev", "v7"], check=True,
                          capture_output=True, text=True).stdout.split()
    assert [word for word in seen if word.isdigit()] == ["7", "8", "9"]
    shown = box.run("nine", ";".join([PING % "10.9.6.7", "busybox ping -c1 -W1 10.9.6.9"]),
                    networks=[{"link": "br0", "vlan": 7, "addresses": ["10.9.6.6/24"]}])
    assert RECEIVED in shown
    shown = box.run("other", "busybox ping -c1 -W1 10.9.6.7",
                    networks=[{"link": "br0", "vlan": 6, "addresses": ["10.9.6.5/24"]}])
    assert RECEIVED not in shown


# A link of the host that the container gets

def nic(**options: t.Any) -> list[dict[str, t.Any]]:
    return [{"type": "phys", "link": "up0", "name": "lan0", "addresses": ["10.9.8.7/24"],
             "mac": "02:00:00:00:88:01", "mtu": 1300, **options}]


def up0() -> tuple[str, int, bool]:
    with Netlink() as mine:
        found = mine.link("up0")
    assert found is not None, "it did not come back"
    return found["mac"], found["mtu"], found["up"]


def kept(name: str) -> bool:
    return any(" %s " % network_end.kept_namespace(name) in line for line in
               pathlib.Path("/proc/self/mountinfo").read_text().splitlines())


def test_a_nic_moves_in_and_comes_back_as_it_was(box: Sandbox, neighbour: int) -> None:
    before = up0()
    name = box.define("nic", PING % NEIGHBOUR + "; busybox sleep 1000", networks=nic())
    pid = box.start(name)["pid"]
    found = link_of(pid, "lan0")
    assert found and (found["mac"], found["mtu"]) == ("02:00:00:00:88:01", 1300)
    with Netlink() as mine:
        assert mine.link("up0") is None
    assert kept(name)
    wait_until(lambda: RECEIVED in container_sandbox.console(name))
    second = box.refused("thief", networks=nic())
    assert second.errno == errno.ENODEV and "another container" in second.hint
    lifecycle.stop([name], kill=True)
    assert up0() == before and not kept(name)
    assert os.listdir(store.run_folder(name)).count("network.json") == 0
    box.start(name)  # and in again
    assert isinstance(lifecycle.restart([name], kill=True)[name], dict)
    lifecycle.stop([name], kill=True)
    assert up0() == before


def test_a_nic_comes_back_when_its_container_ends_by_itself(box: Sandbox, neighbour: int) -> None:
    before = up0()
    box.run("brief", "busybox true", networks=nic())
    assert up0() == before


def test_links_are_there_again_after_a_reboot_from_inside(box: Sandbox, neighbour: int) -> None:
    """Also where only the interpreter of the task has pyroute2, as here."""
    before = up0()
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
        mine.configure("br0", ["10.9.6.1/24"])
    pings = ";".join(PING % address for address in ("10.9.6.1", NEIGHBOUR))
    name = box.define("reboot", "if busybox test -e /tmp/again; then %s; exec busybox sleep 1000; "
                      "fi; echo 1 > /tmp/again; exec busybox reboot -f" % pings,
                      networks=[*nic(), {"link": "br0", "addresses": ["10.9.6.2/24"]}])
    box.start(name)
    wait_until(lambda: container_sandbox.console(name).count(RECEIVED) == 2)
    assert kept(name)
    lifecycle.stop([name], kill=True)
    assert up0() == before and not kept(name)


def test_a_nic_comes_back_whatever_it_was_made_inside(box: Sandbox, neighbour: int) -> None:
    before = up0()
    shown = box.run("renamed", "busybox ip link set lan0 down && "
                    "busybox ip link set lan0 name mine && "
                    "busybox ip link set mine address 02:00:00:00:99:99 && echo done",
                    networks=nic(), cap_add=["net_admin"])
    assert "done" in shown
    assert up0() == before


def test_a_nic_whose_monitor_is_killed_comes_back_with_the_next_operation(
        box: Sandbox, neighbour: int) -> None:
    before = up0()
    name = box.define("orphan", networks=nic())
    status = box.start(name)
    os.kill(status["monitor_pid"], signal.SIGKILL)
    wait_until(lambda: not store.monitor_is_alive(name))
    os.kill(status["pid"], signal.SIGKILL)
    wait_until(lambda: observe.status(name)["pid"] == 0)
    assert kept(name)  # nobody was there; it waits, also where the kernel would have ended it
    lifecycle.stop([name])
    assert up0() == before and not kept(name)


@pytest.mark.parametrize("options", [
    {"command": ["/bin/nope"]}, {"sysctls": {"net.ipv4.no_such": 1}}])
def test_a_nic_comes_back_from_a_start_that_fails(box: Sandbox, neighbour: int,
                                                  options: dict[str, t.Any]) -> None:
    before = up0()
    box.refused("fails", networks=nic(), **options)
    assert up0() == before
    assert not kept(box.names[-1])


def test_a_nic_comes_back_when_a_link_after_it_fails(box: Sandbox, neighbour: int) -> None:
    before = up0()
    with Netlink() as mine:
        mine.create_bridge("br0")
        mine.create_veth("taken0", "taken1")
    error = box.refused("after", networks=[
        *nic(), {"link": "br0", "name": "eth0", "host_name": "taken0"}])
    assert error.errno == errno.EEXIST
    assert up0() == before


def test_a_nic_comes_back_when_the_network_worker_is_killed(box: Sandbox, neighbour: int) -> None:
    before = up0()
    error = box.refused("killed", networks=nic(script_up=script(box, "kill", "kill -9 $PPID\n")))
    assert "killed" in error.detail
    assert up0() == before and not kept(box.names[-1])


def test_a_name_that_was_taken_meanwhile_costs_no_nic(box: Sandbox, neighbour: int) -> None:
    name = box.define("late", networks=nic())
    box.start(name)
    with Netlink() as mine:
        mine.create_bridge("up0")
        lifecycle.stop([name], kill=True)
        there = {link["name"]: link["kind"] for link in mine.links()}
    assert there.pop("up0") == "bridge" and "veth" in there.values()
    assert "another has its name" in container_sandbox.console(name)
    assert not kept(name)


def test_a_nic_that_the_host_uses_is_not_taken(box: Sandbox, neighbour: int) -> None:
    with Netlink() as mine:
        mine.add_address("up0", "10.9.8.2/24")
        error = box.refused("used", networks=nic())
        assert error.errno == errno.EBUSY and "10.9.8.2/24" in error.detail
        mine.delete_address("up0", "10.9.8.2/24")
        mine.create_bridge("br0")
        error = box.refused("bridge", networks=[{"type": "phys", "link": "br0"}])
        assert "veth" in error.hint
        mine.set_master("up0", "br0")
        error = box.refused("port", networks=nic())
        assert error.errno == errno.EBUSY and "port of br0" in error.detail


def test_a_nic_of_hardware_comes_back_from_a_namespace_that_just_died(box: Sandbox) -> None:
    """The kernel gives it back under the name that it had inside."""
    spare = os.environ.get("FLEET_LXC_SPARE_NIC", "")
    if not spare:
        pytest.skip("no NIC to spare: FLEET_LXC_SPARE_NIC names one, './dev test vm' has it")
    name = box.define("hardware", networks=[{"type": "phys", "link": spare, "name": "lan0"}])
    status = box.start(name)
    assert spare not in dict(map(reversed, socket.if_nameindex()))  # type: ignore[call-overload]
    os.kill(status["monitor_pid"], signal.SIGKILL)
    wait_until(lambda: not store.monitor_is_alive(name))
    subprocess.run(["umount", network_end.kept_namespace(name)], check=True)
    os.kill(status["pid"], signal.SIGKILL)
    wait_until(lambda: os.path.exists("/sys/class/net/lan0"))
    lifecycle.stop([name])
    assert os.path.exists("/sys/class/net/" + spare) and not os.path.exists("/sys/class/net/lan0")


# Scripts

def script(box: Sandbox, name: str, text: str) -> str:
    path = box.folder / name
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return str(path)


def test_scripts_run_with_the_link_up_and_before_it_goes(box: Sandbox, neighbour: int) -> None:
    log = box.folder / "log"
    told = script(box, "told", 'echo "$* $LXC_HOOK_TYPE $LXC_NET_PARENT $LXC_NET_PEER" '
                  '$(cat /proc/net/dev | grep -c far1:) >> %s\n' % log)
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
    name = box.define("told", networks=[{
        "link": "br0", "host_name": "far1", "script_up": told + " now", "script_down": told}])
    box.start(name)
    assert log.read_text().splitlines() == [
        "now %s net up veth br0 far1 up br0 far1 1" % (name)]
    lifecycle.stop([name], kill=True)
    assert log.read_text().splitlines()[1:] == [
        "%s net down veth br0 far1 down br0 far1 1" % name]
    assert not kept(name)


def test_slow_scripts_keep_no_other_container_waiting(box: Sandbox, neighbour: int) -> None:
    """Neither the other one's links nor, in their monitor, its end."""
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
    for fifo in ("up", "down"):
        os.mkfifo(box.folder / fifo)
    slow = box.define("slow", networks=[{"link": "br0", **{
        "script_" + when: script(box, "slow" + when, "read go < %s/%s\n" % (box.folder, when))
        for when in ("up", "down")}}])
    brief = box.define("brief", "while [ ! -e /tmp/end ]; do sleep 0.05; done",
                       networks=[{"link": "br0"}])
    child = os.fork()
    if child == 0:
        try:
            lifecycle.start([slow, brief])
        finally:
            os._exit(0)
    wait_until(lambda: observe.status(brief)["recorded"].get("state") == "RUNNING")
    assert observe.status(slow)["recorded"]["state"] == "STARTING"
    (box.folder / "up").write_text("go\n")
    os.waitpid(child, 0)
    status = observe.status(slow)
    assert status["state"] == "RUNNING"
    os.kill(status["pid"], signal.SIGKILL)
    (box.rootfs / "tmp/end").touch()
    wait_until(lambda: observe.status(brief)["exit"] == {"code": 0})
    assert observe.status(slow)["state"] == "STOPPING"
    (box.folder / "down").write_text("go\n")
    assert box.ended(slow)["exit"] == {"signal": 9}


def test_a_script_that_fails_stops_the_start(box: Sandbox, neighbour: int) -> None:
    bad = script(box, "bad", "echo no cable >&2; exit 3\n")
    error = box.refused("bad", networks=on_up0("macvlan", script_up=bad))
    assert "status 3" in error.detail and "no cable" in error.hint
    error = box.refused("none", networks=on_up0("macvlan", script_up=str(box.folder / "nope")))
    assert error.errno == errno.ENOENT


def test_a_script_for_the_end_that_fails_is_told_in_the_log(box: Sandbox, neighbour: int) -> None:
    bad = script(box, "bad", "exit 4\n")
    shown = box.run("end", "busybox true", networks=on_up0("macvlan", script_down=bad))
    assert "status 4" in shown
    assert observe.status(PREFIX + "end")["state"] == "STOPPED"


# While it runs

@contextlib.contextmanager
def running(name: str) -> t.Iterator[tuple[dict[str, t.Any], dict[str, t.Any]]]:
    """The plan that it runs with, and its state; kept as whoever applies a change keeps it."""
    path = store.run_folder(name) + "/plan.json"
    launched = store.read_json(path) or {}
    yield launched, store.read_state(name) or {}
    store.write_json(path, launched)


def items(*networks_: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return networks.check(list(networks_)) or []


def test_links_come_and_go_while_it_runs(box: Sandbox, neighbour: int) -> None:
    before = up0()
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
        mine.configure("br0", ["10.9.6.1/24"])
    name = box.define("live")
    pid = box.start(name)["pid"]
    veth, phys = items({"link": "br0", "addresses": ["10.9.6.2/24"], "host_name": "v0",
                        "gateway4": "auto"}, nic()[0])
    with running(name) as (launched, state):
        network_live.add_network(launched, veth, state, "h")
        network_live.add_network(launched, phys, state, "h")
    subprocess.run(["ping", "-c1", "-W5", "10.9.6.2"], check=True, capture_output=True)
    with inside(neighbour):
        subprocess.run(["ping", "-c1", "-W5", "10.9.8.7"], check=True, capture_output=True)
    assert link_of(pid, "lan0") and kept(name)
    with running(name) as (launched, state):
        assert [n["name"] for n in launched["networks"]] == ["eth0", "lan0"]
        assert launched["links"] == ["v0"]
        network_live.remove_network(launched, phys, state)
        network_live.remove_network(launched, veth, state)
        assert (launched["networks"], launched["links"]) == ([], [])
    assert up0() == before and not kept(name)
    assert link_of(pid, "eth0") is None and link_of(pid, "lan0") is None


def test_a_link_that_was_added_while_it_runs_comes_back_too(box: Sandbox, neighbour: int) -> None:
    before = up0()
    name = box.define("added")
    box.start(name)
    with running(name) as (launched, state):
        network_live.add_network(launched, items(*nic())[0], state, "h")
    lifecycle.stop([name], kill=True)
    assert up0() == before and not kept(name)


def test_a_link_that_fails_while_it_runs_leaves_nothing(box: Sandbox, neighbour: int) -> None:
    before = up0()
    name = box.define("failing")
    pid = box.start(name)["pid"]
    bad = script(box, "bad", "exit 3\n")
    with running(name) as (launched, state):
        for item in (nic(script_up=bad), on_up0("macvlan", script_up=bad)):
            with pytest.raises(LxcError, match="status 3"):
                network_live.add_network(launched, items(*item)[0], state, "h")
        assert launched["networks"] == []
    assert up0() == before and not kept(name)
    assert link_of(pid, "eth0") is None and link_of(pid, "lan0") is None


def test_addresses_change_on_a_link_that_stays(box: Sandbox, neighbour: int) -> None:
    link = on_up0("macvlan")[0]
    old = items({**link, "addresses": ["10.9.8.7/24", "10.9.8.8/24"], "gateway4": NEIGHBOUR})[0]
    new = items({**link, "addresses": ["10.9.8.8/24", "fd00:9::8/64"],
                 "gateway4": "10.9.8.2"})[0]
    name = box.define("moved", networks=[old])
    pid = box.start(name)["pid"]
    first = link_of(pid, "eth0")
    assert network_live.difference([old], [new]) == ([], [[old, new]], [])
    with running(name) as (launched, state):
        network_live.change_network(launched, old, new, state, "h")
        assert launched["networks"][0]["addresses"] == new["addresses"]
    second = link_of(pid, "eth0")
    assert first and second and first["index"] == second["index"] and first["mac"] == second["mac"]
    fd = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY | os.O_CLOEXEC)
    with Netlink(fd) as there:
        assert set(there.addresses("eth0")) == {"10.9.8.8/24", "fd00:9::8/64"}
        assert [r["gateway"] for r in there.routes() if r["destination"] == "default"] == [
            "10.9.8.2"]
    os.close(fd)


def test_a_changed_definition_changes_the_links_that_run(box: Sandbox, neighbour: int) -> None:
    before = up0()
    with Netlink() as mine:
        mine.create_bridge("br0", up=True)
        mine.configure("br0", ["10.9.6.1/24"])
    name = box.define("changed")
    status = box.start(name)
    veth = {"link": "br0", "addresses": ["10.9.6.2/24"]}

    def change(*wanted: dict[str, t.Any]) -> list[str]:
        definition = spec.make_definition(name, {"networks": list(wanted)},
                                          store.read_definition(name))
        launched = observe.started_with(name)
        assert launched is not None
        planned = live.Live(launched, definition, store.read_state(name) or {}, host.Host())
        assert planned.waiting == []
        planned.apply()
        launched = observe.started_with(name)
        assert launched and launched["definition"]["networks"] == definition["networks"]
        return [step.text for step in planned.steps]

    assert change(veth, *nic()) == ["add link eth0", "add link lan0"]
    subprocess.run(["ping", "-c1", "-W5", "10.9.6.2"], check=True, capture_output=True)
    with pytest.raises(LxcError, match="nobridge"):
        change(*nic(), {"link": "nobridge", "name": "eth5"})
    launched = observe.started_with(name)  # what was done by then holds
    assert launched and [n["name"] for n in launched["definition"]["networks"]] == ["lan0"]
    assert link_of(status["pid"], "eth0") is None
    assert change(*nic(), {**veth, "addresses": ["10.9.6.3/24"]}) == ["add link eth1"]
    assert change({**veth, "name": "eth1", "addresses": ["10.9.6.4/24"]}) == [
        "remove link lan0", "change addresses of eth1"]
    subprocess.run(["ping", "-c1", "-W5", "10.9.6.4"], check=True, capture_output=True)
    assert up0() == before and not kept(name)
    assert change({"type": "empty"}) == ["remove link eth1"]
    assert link_of(status["pid"], "eth1") is None
