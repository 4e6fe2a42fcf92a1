# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian with systemd, as lxc_rootfs makes it of packages and clones it, from start to halt."""
from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import typing as t

import container_sandbox
import debian
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import apply as bridge_apply
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import dnsmasq
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import observe as bridge_observe
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import plan as bridge_plan
from ansible_collections.fleet.lxc.plugins.module_utils._bridge import spec as bridge_spec
from ansible_collections.fleet.lxc.plugins.module_utils._container import lifecycle
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import cache, observe, programs
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import plan_present
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec
from container_sandbox import Sandbox, wait_until
from network_sandbox import inside as in_network
from network_sandbox import new_namespace
from test_container_system import inside, is_up

# The same as in the integration target, so that it is built once for both.
PACKAGES = ["systemd-sysv", "dbus", "iproute2"]
KEPT = debian.CACHE.parent / "rootfs" / "cache"
pytestmark = pytest.mark.skipif(not programs.find("mmdebstrap"),
                                reason="mmdebstrap is not installed")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Sandbox]:
    monkeypatch.setattr(cache, "CACHE", str(KEPT))
    yield from container_sandbox.sandbox()


def make(path: pathlib.Path, **options: t.Any) -> pathlib.Path:
    spec = make_spec({"path": str(path), **options})
    apply(spec.path, plan_present(spec, observe.observe(spec)))
    return path


@pytest.fixture
def base(sandbox: Sandbox, suite: str) -> pathlib.Path:
    """A tree of packages: made before the test is in a network of its own, which leads nowhere."""
    packages = {"packages": PACKAGES, "cache_days": 365,
                **({} if suite == suite_of_the_host() else {"suite": suite})}
    return make(sandbox.folder / "base", debootstrap=packages)


NETWORK = "[Match]\nName=eth1\n[Network]\nDHCP=ipv4\nLinkLocalAddressing=no\n"
# As the guide has it: to run as a user behind a filter, systemd 257 wants CAP_SYS_ADMIN.
DROP_IN = """\
[Service]
AmbientCapabilities=
AmbientCapabilities=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_RAW
SystemCallFilter=
SystemCallArchitectures=
RestrictAddressFamilies=
RestrictNamespaces=no
RestrictRealtime=no
RestrictSUIDSGID=no
MemoryDenyWriteExecute=no
LockPersonality=no
ProtectClock=no
ProtectKernelLogs=no
ProtectKernelModules=no
"""
GUIDE = pathlib.Path(__file__).parents[2] / "docs/docsite/rst/guide_networking.rst"


@pytest.fixture
def bridges(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> t.Iterator[None]:
    """The test's network: br0, and br1 whose dnsmasq gives addresses."""
    monkeypatch.setattr(dnsmasq, "FOLDER", str(tmp_path))
    dhcp = {"first": "10.0.4.50", "last": "10.0.4.59", "lease_time": "1h", "domain": None,
            "dns": False}
    with new_namespace() as host, in_network(host), Netlink() as netlink:
        netlink.loopback_up()
        try:
            for options in ({"name": "br0", "addresses": ["10.0.3.1/24"]},
                            {"name": "br1", "addresses": ["10.0.4.1/24"], "dhcp": dhcp}):
                spec = bridge_spec.make_spec(options)
                found = bridge_observe.observe(netlink, spec)
                bridge_apply.apply(netlink, bridge_plan.plan_present(spec, found).operations, found)
            yield
        finally:
            dnsmasq.stop("br1")


def ask_for_an_address(tree: pathlib.Path) -> None:
    """Have a tree that has not been started yet bring up eth1 by DHCP."""
    system = tree / "etc/systemd/system"
    for folder in ("systemd-networkd.service.d", "multi-user.target.wants"):
        (system / folder).mkdir(parents=True, exist_ok=True)
    (tree / "etc/systemd/network/eth1.network").write_text(NETWORK)
    (system / "systemd-networkd.service.d/capabilities.conf").write_text(DROP_IN)
    (system / "multi-user.target.wants/systemd-networkd.service").symlink_to(
        "/lib/systemd/system/systemd-networkd.service")


def address_of(pid: int, link: str) -> str:
    shown = json.loads(inside(pid, "ip", "-j", "-4", "address", "show", "dev", link) or "[]")
    return str(shown[0]["addr_info"][0]["local"]) if shown and shown[0]["addr_info"] else ""


def answers(address: str) -> bool:
    return not subprocess.run(["ping", "-n", "-c1", "-W5", address], check=False,
                              stdout=subprocess.DEVNULL).returncode


@pytest.mark.parametrize("suite", debian.SUITES)
@pytest.mark.skipif(shutil.which("dnsmasq", path="/usr/sbin") is None, reason="needs dnsmasq")
def test_what_was_made_of_packages_boots_and_halts(sandbox: Sandbox, base: pathlib.Path,
                                                   bridges: None, suite: str) -> None:
    """A copy out of the cache for a privileged container; a clone of it for another.

    Each has an address that we give it, and one that its own networkd asks for.
    """
    assert all(line in GUIDE.read_text() for line in DROP_IN.splitlines())
    ask_for_an_address(base)
    clone = make(sandbox.folder / "clone", clone={"src": str(base)})
    plain = make(sandbox.folder / "plain", clone={"src": str(base), "method": "copy"})
    ids, leases = [], set()
    for name, path, privileged in (("plain", plain, True), ("clone", clone, False)):
        whole = sandbox.define(
            name, rootfs=str(path), command=[], privileged=privileged, cap_add=["net_admin"],
            networks=[{"type": "veth", "link": "br0", "addresses": ["10.0.3.2/24"]},
                      {"type": "veth", "link": "br1"}])
        pid = sandbox.start(whole)["pid"]
        assert wait_until(lambda pid=pid: is_up(pid)) == "running", inside(
            pid, "systemctl", "--failed")
        assert suite in inside(pid, "cat", "/etc/os-release")
        assert address_of(pid, "eth0") == "10.0.3.2" and answers("10.0.3.2")
        lease = wait_until(lambda pid=pid: address_of(pid, "eth1"))
        assert lease.startswith("10.0.4.5") and answers(lease)
        leases.add(lease)
        ids.append(inside(pid, "cat", "/etc/machine-id"))
        outcome = lifecycle.stop([whole])[whole]
        assert isinstance(outcome, dict), outcome
        assert (outcome["killed"], outcome["exit"]) == ("", {"signal": 2})
    assert len(set(ids)) == 2 and all(len(machine) == 32 for machine in ids)
    assert len(leases) == 2  # networkd tells dnsmasq who it is by its machine's id
    assert (base / "etc/machine-id").read_bytes() == b""
    assert (clone / "upper/etc/machine-id").stat().st_uid == 0


def suite_of_the_host() -> str:
    release = pathlib.Path("/etc/os-release").read_text()
    return next((suite for suite in debian.SUITES if suite in release), "")
