# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's keys, each in a file of LXC's format, held against a container that was started with it.

What the options behind them do is tested beside them; here is whether the key gets there.
"""
from __future__ import annotations

import os
import pathlib
import socket
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    autostart,
    host,
    lifecycle,
    lxc_config_map,
    lxc_config_parse,
    observe,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import (
    capabilities,
    cgroup_tree,
    mounts,
    netlink_kinds,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import Netlink
from container_sandbox import Sandbox, console, sandbox, status_lines, wait_until
from network_sandbox import inside, new_namespace

box = pytest.fixture(sandbox)
FALLBACKS = {"tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0",
             "ip6gre0"}  # what some kernels have in each network namespace
# Those that have to be honoured, but for what only a host with that security module could show.
MUST = """
uts.name rootfs.path rootfs.mount rootfs.options mount.fstab mount.entry mount.auto pty.max
tty.max tty.dir console.path console.logfile cap.drop cap.keep cgroup.pids.max cgroup2.memory.max
init.cmd init.uid init.gid init.cwd execute.cmd include autodev net.0.type net.0.link net.0.name
net.0.flags net.0.hwaddr net.0.mtu net.0.ipv4.address net.0.ipv4.gateway net.0.ipv6.address
net.0.ipv6.gateway net.0.veth.pair net.0.macvlan.mode net.0.vlan.id net.0.script.up
net.0.script.down idmap namespace.clone namespace.keep namespace.share.uts environment arch
signal.halt signal.reboot signal.stop start.auto start.delay start.order group prlimit.nofile
sysctl.net.ipv4.ip_default_ttl no_new_privs seccomp.profile apparmor.profile
apparmor.allow_incomplete hook.version hook.start log.file log.level log.syslog
""".split()
STAYS = "lxc.init.cmd = /bin/busybox sleep 1000\n"


def define(box: Sandbox, name: str, text: str, **more: t.Any) -> str:
    """From a file, as lxc_container reads it."""
    path = box.folder / (name + ".conf")
    path.write_text(text)
    options, _warnings = lxc_config_map.to_options(lxc_config_parse.parse(str(path)), name)
    made = {"networks": [{"type": "empty"}], **options, **more}
    if "networks" in options:
        made["networks"] = options["networks"]
    return box.define(name, **made)


def start_error(name: str) -> LxcError:
    outcome = lifecycle.start([name])[name]
    assert isinstance(outcome, LxcError)
    return outcome


def test_none_is_left_out() -> None:
    text = pathlib.Path(__file__).read_text().partition('""".split()')[2]
    assert [key for key in MUST if "lxc.%s =" % key not in text] == ["execute.cmd"]
    assert '"execute.cmd"' in text


def test_a_program_and_what_it_finds(box: Sandbox) -> None:
    (box.folder / "more.conf").write_text("lxc.environment = OF=include\n")
    (box.folder / "fstab").write_text("tmpfs mnt tmpfs size=64k,create=dir 0 0\n")
    (box.folder / "profile").write_text("2\ndenylist\nmkdir errno 95\nmkdirat errno 95\n")
    (box.folder / "shared").mkdir()
    (box.rootfs / "etc/show").write_text("""
        busybox hostname; busybox uname -m; busybox id -u; busybox id -g; pwd
        echo $OF $MINE; ulimit -Sn; ulimit -Hn
        busybox cat /proc/sys/net/ipv4/ip_default_ttl
        busybox mkdir /tmp/no 2>&1; busybox touch /no 2>&1; ls -d /etc/shared
        busybox sleep 1000
        """)
    name = define(box, "program", """
        lxc.rootfs.path = dir:%(rootfs)s
        lxc.rootfs.mount = /usr/lib/lxc/rootfs
        lxc.rootfs.options = ro
        lxc.include = %(folder)s/more.conf
        lxc.uts.name = of-the-file
        lxc.arch = i686
        lxc.init.cmd = /bin/sh -c ". /etc/show"
        lxc.init.uid = 7
        lxc.init.gid = 8
        lxc.init.cwd = /etc
        lxc.environment = MINE=too
        lxc.prlimit.nofile = 100:200
        lxc.sysctl.net.ipv4.ip_default_ttl = 44
        lxc.no_new_privs = 1
        lxc.seccomp.profile = %(folder)s/profile
        lxc.cap.drop = chown setuid
        lxc.mount.fstab = %(folder)s/fstab
        lxc.mount.entry = %(folder)s/shared etc/shared none bind,create=dir 0 0
        lxc.mount.auto = proc:mixed sys:ro cgroup:ro
        lxc.autodev = 1
        lxc.pty.max = 9
        lxc.tty.max = 2
        lxc.tty.dir = lxc
        lxc.console.path = %(folder)s/console
        lxc.console.logfile = %(folder)s/log
        lxc.cgroup.pids.max = 55
        lxc.cgroup2.memory.max = 64M
        lxc.idmap = u 0 1100000000 65536
        lxc.idmap = g 0 1200000000 65536
        """.replace("        lxc.", "lxc.") % {"rootfs": box.rootfs, "folder": box.folder})
    pid = box.start(name)["pid"]
    log = box.folder / "log"
    wait_until(lambda: log.exists() and "shared" in log.read_text())
    said = log.read_text().replace("\r", "").splitlines()
    assert said[:9] == ["of-the-file", "i686", "7", "8", "/etc", "include too", "100", "200", "44"]
    assert "not supported" in said[9] and "Read-only" in said[10] and said[11] == "/etc/shared"
    assert (box.folder / "console").read_bytes() == log.read_bytes()
    lines = status_lines(pid)
    assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")
    assert not int(lines["CapBnd"], 16) & capabilities.mask(["chown", "setuid"])
    assert int(lines["CapBnd"], 16) & capabilities.mask(["setgid"])
    assert lines["Uid"].split()[0] == "1100000007" and lines["Gid"].split()[0] == "1200000008"
    mounted = {m["target"]: m for m in mounts.read_mountinfo("/proc/%d/mountinfo" % pid)}
    assert mounted["/mnt"]["fstype"] == "tmpfs" and "/etc/shared" in mounted
    assert "ro" in mounted["/sys"]["options"].split(",") and "/proc/sys" in mounted
    assert any("cgroup" in m["fstype"] for t, m in mounted.items() if t.startswith("/sys/fs/"))
    assert "max=9" in mounted["/dev/pts"]["super_options"].split(",")
    assert mounted["/dev"]["fstype"] == "tmpfs" and "/dev/lxc/tty2" in mounted
    recorded = observe.status(name)["recorded"]
    values = {file: cgroup_tree.read(path + "/" + file) for path in recorded["cgroups"]
              for file in ("pids.max", "memory.max", "memory.limit_in_bytes")
              if os.path.exists(path + "/" + file)}
    assert values.pop("pids.max") == "55" and set(values.values()) == {str(64 << 20)}


def test_capabilities_that_are_kept_and_a_dev_of_the_trees_own(box: Sandbox) -> None:
    error = start_error(define(box, "nodev", STAYS + "lxc.autodev = 0\n"))
    assert error.subject == "/dev/pts" and "Make that folder" in error.hint
    (box.rootfs / "dev/null").touch()
    (box.rootfs / "dev/pts").mkdir()
    name = define(box, "keep", STAYS.replace("init.cmd", "execute.cmd")
                  + "lxc.cap.keep = kill\nlxc.autodev = 0\n")
    pid = box.start(name)["pid"]
    assert pathlib.Path("/proc/%d/comm" % pid).read_text() == "lxc-init\n"  # as lxc-execute has it
    assert int(status_lines(pid)["CapBnd"], 16) == capabilities.mask(["kill"])
    assert "/dev" not in {m["target"] for m in mounts.read_mountinfo("/proc/%d/mountinfo" % pid)}


def test_namespaces(box: Sandbox) -> None:
    first = box.start(define(box, "first", STAYS + "lxc.uts.name = one\n"))["pid"]
    second = box.start(define(box, "second", STAYS + """
lxc.namespace.keep = ipc
lxc.namespace.clone = net
lxc.namespace.share.uts = %s
""" % box.names[0], networks=[{"type": "none"}], hostname=""))["pid"]

    def namespace(pid: int | str, kind: str) -> str:
        return os.readlink("/proc/%s/ns/%s" % (pid, kind))

    assert namespace(second, "ipc") == namespace("self", "ipc")
    assert namespace(second, "net") not in (namespace("self", "net"), namespace(first, "net"))
    assert namespace(second, "uts") == namespace(first, "uts")


def test_signals_and_what_is_read_at_a_boot(box: Sandbox) -> None:
    text = """
lxc.init.cmd = /bin/sh -c "%s echo up; while :; do sleep 1000 & wait; done"
lxc.signal.halt = SIGUSR1
lxc.signal.reboot = 12
lxc.signal.stop = HUP
lxc.start.auto = 1
lxc.start.delay = 3
lxc.start.order = %d
lxc.group = onboot,web
"""
    traps = " ".join("trap 'echo %s; exit' %s;" % (s, s) for s in ("USR1", "USR2", "HUP"))
    ends = define(box, "ends", text % (traps, 9))
    stays = define(box, "stays", text % (traps.replace("echo USR1; exit", ":"), 8))
    assert all(isinstance(o, dict) for o in lifecycle.start([ends, stays]).values())
    wait_until(lambda: all("up" in console(name) for name in (ends, stays)))
    lifecycle.restart([ends])
    wait_until(lambda: console(ends).split() == ["up", "USR2", "up"])
    lifecycle.stop([ends])
    assert console(ends).split()[3:] == ["USR1"]
    lifecycle.stop([stays], timeout=0)
    assert console(stays).split() == ["up", "HUP"]
    assert autostart.batches(autostart.marked(["web"])) == [
        autostart.Batch([stays], 3), autostart.Batch([ends], 3)]
    assert autostart.marked(["others"]) == []


def test_hooks(box: Sandbox) -> None:
    box.folder.chmod(0o755)
    (box.folder / "log").touch()
    (box.folder / "log").chmod(0o666)
    (box.rootfs / "bin/hook").write_text("#!/bin/sh\necho start > /tmp/said\n")
    (box.rootfs / "bin/hook").chmod(0o755)
    kinds = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "stop", "post-stop",
             "destroy")
    name = define(box, "hooks", STAYS + "lxc.hook.version = 1\nlxc.hook.start = /bin/hook\n"
                  + "".join("lxc.hook.%s = echo $LXC_HOOK_TYPE $LXC_ROOTFS_PATH >> %s/log\n"
                            % (kind, box.folder) for kind in kinds))
    box.start(name)
    assert (box.rootfs / "tmp/said").read_text() == "start\n"
    lifecycle.destroy([name])
    assert (box.folder / "log").read_text() == "".join(
        "%s %s\n" % (kind, box.rootfs) for kind in kinds)


def test_logs(box: Sandbox) -> None:
    file = box.folder / "log"
    syslog = pathlib.Path("/dev/log")
    listener = None
    if not syslog.exists():  # nobody listens on this host
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind(str(syslog))
        listener.settimeout(10)
    try:
        name = define(box, "log", "lxc.init.cmd = /bin/busybox false\nlxc.hook.stop = exit 3; :\n"
                      "lxc.log.file = %s\nlxc.log.level = INFO\nlxc.log.syslog = local3\n" % file)
        box.start(name)
        box.ended(name)
        lines = [line.split(None, 4) for line in file.read_text().splitlines()]
        assert {line[0] for line in lines} == {"lxc"} and {line[1] for line in lines} == {name}
        said = [(line[3], line[4]) for line in lines]
        assert ("INFO", "changed state to STARTING") in said
        assert any(level == "ERROR" and "run the stop hook" in text for level, text in said)
        assert said[-1] == ("INFO", 'changed state to STOPPED exit {"code": 1}')
        if listener is not None:  # local3.info
            assert listener.recv(999).decode().startswith("<158>lxc[")
        errors = define(box, "errors", "lxc.init.cmd = /bin/nobody\nlxc.log.level = 5\n")
        start_error(errors)
        text = pathlib.Path(store.folder(errors), errors + ".log").read_text()
        assert "no such program" in text and "STARTING" not in text
    finally:
        if listener is not None:
            listener.close()
            syslog.unlink()


def test_security_modules_that_the_host_lacks(box: Sandbox) -> None:
    for number, (module, line) in enumerate((("apparmor", "lxc.apparmor.profile = lxc-default"),
                                             ("selinux", "lxc.selinux.context = a:b:c:d"))):
        if module not in host.Host().security_modules:
            error = start_error(define(box, "lsm%d" % number, STAYS + line))
            assert "no %s" % module in error.detail
    assert box.start(define(box, "any", STAYS + "lxc.apparmor.allow_incomplete = 1\n"))["pid"]


# Networks

@pytest.fixture
def up0() -> t.Iterator[int]:
    """A host with a NIC, up0, whose cable leads to far0, and a bridge with an address."""
    with new_namespace() as far, new_namespace() as here:
        with inside(here), Netlink() as mine, Netlink(far) as its:
            mine.create_veth("up0", "far0", peer_netns_fd=far)
            its.configure("far0", ["10.9.8.1/24"], loopback=True)
            mine.configure("up0", [], loopback=True)
            mine.create_bridge("br0", up=True)
            mine.configure("br0", ["10.9.6.1/24", "fd00:6::1/64"])
            yield far


def links(pid: int) -> dict[str, t.Any]:
    fd = os.open("/proc/%d/ns/net" % pid, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink(fd) as there:
            return {"links": {link["name"]: link for link in there.links()},
                    "addresses": there.addresses("lan0") if there.link("lan0") else [],
                    "gateways": sorted(r["gateway"] for r in there.routes()
                                       if r["destination"] == "default")}
    finally:
        os.close(fd)


def test_a_veth(box: Sandbox, up0: int) -> None:
    name = define(box, "veth", STAYS + """
lxc.net.0.type = veth
lxc.net.0.link = br0
lxc.net.0.flags = up
lxc.net.0.name = lan0
lxc.net.0.hwaddr = 02:00:00:00:12:34
lxc.net.0.mtu = 1400
lxc.net.0.veth.pair = myveth
lxc.net.0.ipv4.address = 10.9.6.2/24 10.9.6.255
lxc.net.0.ipv4.gateway = auto
lxc.net.0.ipv6.address = fd00:6::2/64
lxc.net.0.ipv6.gateway = fd00:6::1
lxc.net.0.script.up = %(folder)s/script
lxc.net.0.script.down = %(folder)s/script
""" % {"folder": box.folder})
    script = box.folder / "script"
    script.write_text("#!/bin/sh\necho $3 $LXC_NET_PEER >> %s/log\n" % box.folder)
    script.chmod(0o755)
    found = links(box.start(name)["pid"])
    lan0 = found["links"]["lan0"]
    assert (lan0["mac"], lan0["mtu"], lan0["up"]) == ("02:00:00:00:12:34", 1400, True)
    assert set(found["addresses"]) == {"10.9.6.2/24", "fd00:6::2/64"}
    assert found["gateways"] == ["10.9.6.1", "fd00:6::1"]
    with Netlink() as mine:
        port = mine.link("myveth")
    assert port and port["master"] == "br0"
    lifecycle.stop([name], kill=True)
    assert (box.folder / "log").read_text() == "up myveth\ndown myveth\n"


@pytest.mark.parametrize("kind, lines, name", [
    ("macvlan", "lxc.net.0.macvlan.mode = bridge\n", "lan0"),
    ("ipvlan", "lxc.net.0.ipvlan.mode = l2\nlxc.net.0.ipvlan.isolation = private\n", "lan0"),
    ("vlan", "lxc.net.0.vlan.id = 7\n", "lan0"), ("phys", "", "lan0"),
])
def test_other_types(box: Sandbox, up0: int, kind: str, lines: str, name: str) -> None:
    if not {**netlink_kinds.try_kinds(), "phys": True}[kind]:
        pytest.skip("this kernel has no links of type %s" % kind)
    container = define(box, kind, STAYS + """
lxc.net.0.type = %s
lxc.net.0.link = up0
lxc.net.0.name = %s
lxc.net.0.flags = up
lxc.net.0.ipv4.address = 10.9.8.7/24
%s""" % (kind, name, lines))
    found = links(box.start(container)["pid"])
    assert found["links"][name]["kind"] == ("veth" if kind == "phys" else kind)
    assert found["links"][name]["up"] and found["addresses"] == ["10.9.8.7/24"]
    lifecycle.stop([container], kill=True)
    with Netlink() as mine:
        assert mine.link("up0")


def test_no_network_and_the_hosts(box: Sandbox, up0: int) -> None:
    empty = box.start(define(box, "empty", STAYS + "lxc.net.0.type = empty\n"))["pid"]
    assert set(links(empty)["links"]) - {"lo"} <= FALLBACKS
    none = box.start(define(box, "none", STAYS + "lxc.net.0.type = none\n"))["pid"]
    assert os.readlink("/proc/%d/ns/net" % none) == os.readlink("/proc/thread-self/ns/net")
