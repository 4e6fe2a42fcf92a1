# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge that took over a NIC is kept over a reboot, in a folder that stands for /."""
from __future__ import annotations

import configparser
import os
import pathlib
import typing as t

import lan as testbed
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import manager_files
from ansible_collections.fleet.lxc.plugins.module_utils._bridge.apply import apply, undo
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from network_sandbox import new_sandbox
from test_takeover import fail_at_every_step, plan, run

sandbox = pytest.fixture(new_sandbox)
INTERFACES = """\
# This host's own
source /etc/network/interfaces.d/*
auto lo eth0
iface lo inet loopback

iface eth0 inet static
    address 192.0.2.10/24
    gateway 192.0.2.1
    dns-nameservers 192.0.2.53
iface eth0 inet6 static
    address 2001:db8::10/64
allow-hotplug eth1
iface eth1 inet dhcp
"""
WIRED = """\
[Match]
Name=e*

[Network]
Address=192.0.2.10/24
DNS=192.0.2.53
Domains=example.org
"""
PROFILE = """\
[connection]
id=wired
type=ethernet
interface-name=eth0

[ipv4]
method=auto
dns=192.0.2.53;
"""
FILES = {"ifupdown": {"etc/network/interfaces": INTERFACES},
         "systemd-networkd": {"etc/systemd/network/20-wired.network": WIRED,
                              "run/systemd/netif/links/2": "ADMIN_STATE=configured\n"},
         "NetworkManager": {"etc/NetworkManager/system-connections/wired.nmconnection": PROFILE,
                            "run/NetworkManager/devices/2": "[device]\nmanaged=true\n"}}


@pytest.fixture
def root(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.setattr(manager_files, "ROOT", "%s/" % tmp_path)
    return tmp_path


@pytest.fixture
def netlink(sandbox: None, root: pathlib.Path) -> t.Iterator[Netlink]:
    with testbed.lan(), Netlink() as opened:
        yield opened


def write(root: pathlib.Path, manager: str) -> None:
    for name, text in FILES[manager].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def read(root: pathlib.Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text()
            for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("manager", sorted(FILES))
def test_it_is_found_who_has_the_nic_and_all_is_put_back(netlink: Netlink, root: pathlib.Path,
                                                         manager: str) -> None:
    write(root, manager)
    before = read(root)
    run(netlink, takeover="eth0", persist="auto")
    after = read(root)
    assert after != before
    assert "192.0.2.53" in "".join(text for path, text in after.items() if "fleet-lxc" in path)
    assert run(netlink, takeover="eth0", persist=manager) == []
    run(netlink, "absent")
    assert read(root) == before


def test_network_manager_is_stopped_meanwhile_and_refused_where_it_would_not_have_the_bridge(
        netlink: Netlink, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives the NIC again within half a second what was taken from it."""
    write(root, "NetworkManager")
    with pytest.raises(LxcError, match="NetworkManager manages it") as caught:
        run(netlink, takeover="eth0")
    assert "persist: auto" in caught.value.hint
    testbed.ip("route", "add", "10.99.0.0/16", "via", "192.0.2.1", "proto", "dhcp", "metric", "77")
    told = root / "told"
    (root / "systemctl").write_text('#!/bin/sh\n[ "$1" = --quiet ] || echo "$@" >> %s\n' % told)
    (root / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", "%s:%s" % (root, os.environ["PATH"]))
    made, found = plan(netlink, takeover="eth0", persist="auto")
    steps = [step.describe() for step in (*made.operations, *made.deferred)]
    assert steps[0].startswith("stop NetworkManager") and steps[-1] == "start NetworkManager"
    assert apply(netlink, made.operations, found) == []
    assert told.read_text() == "stop NetworkManager.service\n"
    run(netlink, takeover="eth0", persist="auto")  # as confirmed, by another process
    assert told.read_text() == "stop NetworkManager.service\nstart NetworkManager.service\n"
    files = {path: text for path, text in read(root).items() if "fleet-lxc-br0" in path}
    assert len(files) == 2  # a bridge would have a metric of 425, behind that of any other NIC
    assert "[ipv4]\nmethod=auto\nroute-metric=77\n" in "".join(files.values())


@pytest.mark.parametrize("manager", sorted(FILES))
def test_all_is_given_back_after_a_reboot(netlink: Netlink, root: pathlib.Path,
                                          manager: str) -> None:
    """Which forgets the alias of the bridge, and what has no files."""
    write(root, manager)
    before, files = testbed.show("eth0"), read(root)
    run(netlink, addresses=["10.0.3.1/24"])
    run(netlink, takeover="eth0", persist="auto")
    written = read(root)
    testbed.ip("link", "set", "dev", "br0", "alias", "")
    assert run(netlink, takeover="eth0", persist="auto") == []
    # As those of a version that did not write it down.
    for path, text in written.items():
        (root / path).write_text("".join(line for line in text.splitlines(keepends=True)
                                         if "takeover eth0" not in line))
    assert len(run(netlink, takeover="eth0", persist="auto")) == 1
    for path, text in written.items():
        (root / path).write_text(text)
    run(netlink, "absent")
    assert testbed.show("eth0") == before
    assert read(root) == files


def test_a_manager_that_has_the_bridge_is_stopped_while_the_nic_gets_all_back(
        netlink: Netlink, root: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a boot; ./dev test vm does it with systemd-networkd itself."""
    write(root, "systemd-networkd")
    before = testbed.show("eth0")
    run(netlink, takeover="eth0", persist="auto")
    bridge = netlink.link("br0")
    assert bridge
    (root / ("run/systemd/netif/links/%d" % bridge["index"])).write_text(
        "ADMIN_STATE=configured\n")
    told = root / "told"
    (root / "systemctl").write_text(
        '#!/bin/sh\n[ "$1" = --quiet ] && exit\n'
        'echo "$@; $(ip -br link show master br0 | wc -l)" >> %s\n' % told)
    (root / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", "%s:%s" % (root, os.environ["PATH"]))
    stop = "stop systemd-networkd.socket systemd-networkd.service; 1\n"  # port of the bridge
    start = "start systemd-networkd.socket systemd-networkd.service; "
    made, found = plan(netlink, "absent")
    undo(netlink, [*made.operations[:1]], found)
    assert not told.exists()  # it was not stopped, as one that did not run
    made.operations[0].execute(netlink)
    undo(netlink, [*made.operations[:1]], found)
    assert told.read_text() == stop + start + "1\n"
    told.unlink()
    assert apply(netlink, made.operations, found) == []
    assert told.read_text() == stop and testbed.show("eth0")["addresses"] == before["addresses"]
    run(netlink, "absent")  # as confirmed, by a process that knows nothing of the first
    assert told.read_text() == stop + start + "0\n"
    assert testbed.show("eth0") == before and not list((root / "run/fleet-lxc").iterdir())


def test_nothing_is_written_that_was_not_asked_for(netlink: Netlink, root: pathlib.Path) -> None:
    write(root, "ifupdown")
    before = read(root)
    run(netlink, takeover="eth0")
    assert read(root) == before


def test_undo_with_files_at_every_step(netlink: Netlink, root: pathlib.Path) -> None:
    write(root, "ifupdown")
    before = read(root)
    assert fail_at_every_step(netlink, "present", takeover="eth0", persist="auto") >= 40
    assert read(root) == before


def test_another_manager_takes_the_place_of_the_first(netlink: Netlink,
                                                      root: pathlib.Path) -> None:
    write(root, "ifupdown")
    before = read(root)
    run(netlink, takeover="eth0", persist="auto")
    run(netlink, takeover="eth0", persist="systemd-networkd")
    assert {path for path in read(root) if "fleet-lxc" in path} == {
        "etc/systemd/network/00-fleet-lxc-br0%s" % end
        for end in (".netdev", ".network", "+eth0.network")}
    run(netlink, persist="none")
    assert read(root) == before


def test_nobody_is_known_to_have_the_nic(netlink: Netlink) -> None:
    with pytest.raises(LxcError, match="keep over a reboot br0.*Name one in 'persist'"):
        plan(netlink, takeover="eth0", persist="auto")


def test_interfaces_keeps_what_is_not_the_nic_s(netlink: Netlink, root: pathlib.Path) -> None:
    write(root, "ifupdown")
    netlink.delete_address("eth0", "192.0.2.12/24")  # the one with a lifetime
    run(netlink, takeover="eth0", persist="auto")
    lines = [line for line in read(root)["etc/network/interfaces"].splitlines()
             if not line.startswith("#")]
    assert lines == ["source /etc/network/interfaces.d/*", "auto lo", "iface lo inet loopback", "",
                     "allow-hotplug eth1", "iface eth1 inet dhcp"]
    made = read(root)["etc/network/interfaces.d/fleet-lxc-br0"].splitlines()
    assert "    up ip route replace default via 192.0.2.1 dev br0 metric 100" in made
    assert "    dns-nameservers 192.0.2.53" in made
    assert "iface br0 inet static" in made


def test_a_boot_does_not_wait_for_a_bridge_that_only_containers_use(netlink: Netlink,
                                                                    root: pathlib.Path) -> None:
    """They start once the network is online; waiting for each other took two minutes."""
    run(netlink, addresses=["10.9.9.1/24"], persist="systemd-networkd")
    network = read(root)["etc/systemd/network/00-fleet-lxc-br0.network"]
    link = network[network.index("[Link]"):network.index("[Network]")]
    assert "RequiredForOnline=no" in link.splitlines()
    assert "ConfigureWithoutCarrier=yes" in network.splitlines()
    netlink.create_veth("spare0", "spare1")
    run(netlink, addresses=["10.9.9.1/24"], ports=["spare0"], persist="systemd-networkd")
    network = read(root)["etc/systemd/network/00-fleet-lxc-br0.network"]
    assert "RequiredForOnline" not in network and "WithoutCarrier" not in network


def test_what_networkd_and_network_manager_read(netlink: Netlink, root: pathlib.Path) -> None:
    """The lease is asked for again, the static addresses and routes are named."""
    write(root, "systemd-networkd")
    run(netlink, takeover="eth0", persist="systemd-networkd")
    files = read(root)
    network = files["etc/systemd/network/00-fleet-lxc-br0.network"]
    assert [line for line in network.splitlines() if line.startswith("Address=")] == [
        "Address=10.8.0.1/32", "Address=192.0.2.10/24", "Address=192.0.2.11/24",
        "Address=2001:db8::10/64", "Address=2001:db8::11/128"]
    assert "DHCP=ipv4" in network and "Domains=example.org" in network
    assert "Destination=198.18.0.0/16\nGateway=192.0.2.1\nTable=1000" in network
    parsed = configparser.ConfigParser(strict=False)
    parsed.read_string(files["etc/systemd/network/00-fleet-lxc-br0.netdev"])
    assert dict(parsed["NetDev"]) == {"name": "br0", "kind": "bridge", "mtubytes": "1400",
                                      "macaddress": testbed.MAC}

    # After a boot networkd has kept the lease, and says so by its routes alone.
    testbed.ip("address", "change", "192.0.2.12/24", "dev", "br0", "valid_lft", "forever")
    leased = ("default", "via", "192.0.2.3", "dev", "br0", "proto", "dhcp", "src", "192.0.2.12",
              "metric", "1024")
    testbed.ip("route", "add", *leased)
    made = plan(netlink, takeover="eth0", persist="systemd-networkd")[0]
    assert [*made.operations, *made.deferred] == []
    # And where the lease comes with no route, by the metric that it gives to what it has leased.
    testbed.ip("route", "delete", *leased)
    testbed.ip("address", "change", "192.0.2.12/24", "dev", "br0", "metric", "1024")
    made = plan(netlink, takeover="eth0", persist="systemd-networkd")[0]
    assert [*made.operations, *made.deferred] == []

    testbed.ip("route", "add", *leased)
    run(netlink, takeover="eth0", persist="NetworkManager")
    path = root / "etc/NetworkManager/system-connections/fleet-lxc-br0.nmconnection"
    assert path.stat().st_mode & 0o777 == 0o600
    parsed = configparser.ConfigParser()
    parsed.read(path)
    assert parsed["ipv4"]["method"] == "auto"
    assert parsed["ipv6"]["address2"] == "2001:db8::11/128"
