# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC configuration files: both dialects, includes, errors, options, and the way back."""
from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    lxc_config_map,
    lxc_config_parse,
    lxc_config_write,
    spec,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.networks import NETWORK
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from test_container_spec import NORMAL

FILE = "/etc/lxc/web.conf"


def parsed(text: str, **others: str) -> lxc_config_parse.Configuration:
    """The file, and others by their names with _ for / and no .conf."""
    files = {"/" + name.replace("_", "/") + ".conf": data for name, data in others.items()}

    def load(path: str) -> list[tuple[str, bytes]]:
        if path.endswith("/"):
            return [(name, data.encode()) for name, data in sorted(files.items())
                    if name.startswith(path)]
        if path not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return [(path, files[path].encode())]
    return lxc_config_parse.parse(FILE, text.encode(), load)


def settings(text: str, **others: str) -> list[tuple[str, str]]:
    return [(s.key, s.value) for s in parsed(text, **others).settings]


def options(text: str, **others: str) -> dict[str, t.Any]:
    return lxc_config_map.to_options(parsed(text, **others), "web1")[0]


def warnings(text: str) -> list[str]:
    return lxc_config_map.to_options(parsed(text), "web1")[1]


def refused(text: str, **others: str) -> str:
    """The error, which names the file, the line, and has a remedy."""
    with pytest.raises(LxcError) as caught:
        options(text, **others)
    error = caught.value
    assert error.hint
    assert error.doing == "read the LXC configuration"
    assert ".conf:" in error.subject
    return str(error)


@pytest.mark.parametrize("text, found", [
    ("lxc.uts.name = web1", [("uts.name", "web1")]),
    ("\t lxc.uts.name\t=\tweb1 \t", [("uts.name", "web1")]),
    ("lxc.uts.name=web1\r\nlxc.tty.max=1\rlxc.pty.max=2",
     [("uts.name", "web1"), ("tty.max", "1"), ("pty.max", "2")]),
    ("# lxc.uts.name = a\nsomething else\n\n  ; x\nLXC.uts.name = b\nlxcuts.name = c", []),
    ("lxc.uts.name = a # b", [("uts.name", "a # b")]),
    ("lxc.environment = A=b=c", [("environment", "A=b=c")]),
    ("lxc.uts.name = 'a'", [("uts.name", "a")]),
    ("lxc.uts.name = \"'a'\"", [("uts.name", "'a'")]),
    ("lxc.uts.name = \"a'", [("uts.name", "\"a'")]),
    ("lxc.uts.name = \"", [("uts.name", "\"")]),
    ("lxc.uts.name = a\nlxc.uts.name = b", [("uts.name", "b")]),
    ("lxc.uts.name = a\nlxc.uts.name =", []),
    ("lxc.cap.drop = a\nlxc.cap.drop = b c", [("cap.drop", "a"), ("cap.drop", "b c")]),
    ("lxc.cap.drop = a\nlxc.cap.drop =\nlxc.cap.drop = b", [("cap.drop", "b")]),
    ("lxc.cap.drop = a\nlxc.cap.drop = ''", []),
    ("lxc.cgroup.pids.max = 1\nlxc.cgroup2.pids.max = 2\nlxc.cgroup =",
     [("cgroup2.pids.max", "2")]),
    ("lxc.cgroup.a.b = 1\nlxc.cgroup.a.b = 2", [("cgroup.a.b", "1"), ("cgroup.a.b", "2")]),
    ("lxc.prlimit.core = 1\nlxc.prlimit.core = 2", [("prlimit.core", "2")]),
    ("lxc.prlimit.core = 1\nlxc.prlimit =", []),
    ("lxc.hook.start = /a\nlxc.hook.version = 1\nlxc.hook =", [("hook.version", "1")]),
    ("lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net.0.type = phys\nlxc.net.0.mtu = 9",
     [("net.0.type", "phys"), ("net.0.mtu", "9")]),
    ("lxc.net.0.link = a\nlxc.net.0.type =", []),
    ("lxc.tty.max = 1\nlxc.uts.name = a\nlxc.tty.max = 2", [("tty.max", "2"), ("uts.name", "a")]),
    ("lxc.net.0.type = veth\nlxc.net.1.type = veth\nlxc.net.0 =", [("net.1.type", "veth")]),
    ("lxc.net.0.type = veth\nlxc.net =", []),
    ("lxc.net.0.ipv4.address = 1\nlxc.net.0.ipv4.address = 2\nlxc.net.0.ipv4.address =\n"
     "lxc.net.0.ipv4.address = 3", [("net.0.ipv4.address", "3")]),
    ("lxc.net.007.link = a", [("net.7.link", "a")]),
])
def test_lines(text: str, found: list[tuple[str, str]]) -> None:
    assert settings(text) == found


# The table of both dialects, row by row.
@pytest.mark.parametrize("legacy, modern", [
    ("utsname = a", "uts.name = a"),
    ("rootfs = /srv/a", "rootfs.path = dir:/srv/a"),
    ("rootfs = /srv/a\nrootfs.backend = overlay", "rootfs.path = overlay:/srv/a"),
    ("rootfs.backend = lvm\nrootfs = /dev/a/b", "rootfs.path = lvm:/dev/a/b"),
    ("rootfs = overlayfs:/a:/b", "rootfs.path = overlayfs:/a:/b"),
    ("mount = /etc/fstab.a", "mount.fstab = /etc/fstab.a"),
    ("pts = 1024", "pty.max = 1024"),
    ("tty = 4", "tty.max = 4"),
    ("devttydir = lxc", "tty.dir = lxc"),
    ("console = none", "console.path = none"),
    ("id_map = u 0 1 2", "idmap = u 0 1 2"),
    ("init_cmd = /bin/a", "init.cmd = /bin/a"),
    ("init_uid = 1\ninit_gid = 2", "init.uid = 1\ninit.gid = 2"),
    ("aa_profile = a\naa_allow_incomplete = 1",
     "apparmor.profile = a\napparmor.allow_incomplete = 1"),
    ("se_context = a\nseccomp = /b", "selinux.context = a\nseccomp.profile = /b"),
    ("haltsignal = A\nrebootsignal = B\nstopsignal = C",
     "signal.halt = A\nsignal.reboot = B\nsignal.stop = C"),
    ("logfile = /a\nloglevel = 1\nsyslog = daemon",
     "log.file = /a\nlog.level = 1\nlog.syslog = daemon"),
    ("limit.nofile = 1\nlimit.core = 2", "prlimit.nofile = 1\nprlimit.core = 2"),
    ("limit.nofile = 1\nlimit =", ""),
    ("pivotdir = a\nkmsg = 0", ""),
    ("network.type = veth\nnetwork.link = a\nnetwork.type = phys\nnetwork.link = b",
     "net.0.type = veth\nnet.0.link = a\nnet.1.type = phys\nnet.1.link = b"),
    ("network.3.type = veth\nnetwork.type = empty\nnetwork.name = c",
     "net.3.type = veth\nnet.4.type = empty\nnet.4.name = c"),
    ("network.type = veth\nnetwork.ipv4 = 10.0.0.1/8\nnetwork.ipv6 = fd00::1/64\n"
     "network.ipv4.gateway = 10.0.0.2\nnetwork.0.ipv4 = 10.0.0.3/8",
     "net.0.type = veth\nnet.0.ipv4.address = 10.0.0.1/8\nnet.0.ipv6.address = fd00::1/64\n"
     "net.0.ipv4.gateway = 10.0.0.2\nnet.0.ipv4.address = 10.0.0.3/8"),
    ("network.type = veth\nnetwork.hwaddr = a\nnetwork.veth.pair = b\nnetwork.script.up = c",
     "net.0.type = veth\nnet.0.hwaddr = a\nnet.0.veth.pair = b\nnet.0.script.up = c"),
    ("network.type = veth\nnetwork =\nnetwork.type = empty", "net.0.type = empty"),
    ("network.type = veth\nnetwork.type =\nnetwork.type = empty", "net.0.type = empty"),
    ("cap.drop = a\ncap.keep = b\ncgroup.cpu.shares = 1\nmount.entry = x",
     "cap.drop = a\ncap.keep = b\ncgroup.cpu.shares = 1\nmount.entry = x"),
    ("utsname = a\nuts.name = b", "uts.name = b"),
])
def test_dialects(legacy: str, modern: str) -> None:
    def lines(text: str) -> str:
        return "\n".join("lxc." + line for line in text.split("\n") if line)
    assert settings(lines(legacy)) == settings(lines(modern))


def test_includes() -> None:
    assert settings(
        "lxc.uts.name = a\nlxc.include = /b.conf\nlxc.tty.max = 1\nlxc.include = /d/\n"
        "lxc.include = /b.conf\nlxc.include =\nlxc.include = /none/\nlxc.include = rel.conf",
        b="lxc.uts.name = b\nlxc.cap.drop = b", d_2="lxc.cap.drop = d2", d_1="lxc.cap.drop = d1",
        etc_lxc_rel="lxc.cap.drop = rel") == [
            ("uts.name", "b"), ("cap.drop", "b"), ("tty.max", "1"), ("cap.drop", "d1"),
            ("cap.drop", "d2"), ("cap.drop", "b"), ("cap.drop", "rel")]


def test_a_network_of_2009_goes_on_in_an_included_file() -> None:
    assert settings("lxc.network.type = veth\nlxc.include = /b.conf", b="lxc.network.link = a") \
        == [("net.0.type", "veth"), ("net.0.link", "a")]


def test_files_on_disk(tmp_path: t.Any) -> None:
    folder = tmp_path / "d"
    folder.mkdir()
    (folder / "b.conf").write_text("lxc.cap.drop = b\n")
    (folder / "a.conf").write_text("lxc.cap.drop = a\n")
    (folder / "README").write_text("lxc.nonsense = a\n")
    (folder / ".conf").write_text("lxc.nonsense = a\n")
    (tmp_path / "f.conf").write_text("lxc.include = d\nlxc.include = %s/none/\n" % tmp_path)
    found = lxc_config_parse.parse(str(tmp_path / "f.conf")).settings
    assert [(s.value, s.file, s.line) for s in found] == [
        ("a", str(folder / "a.conf"), 1), ("b", str(folder / "b.conf"), 1)]
    (tmp_path / "loop.conf").symlink_to("f.conf")
    (folder / "b.conf").write_text("lxc.include = ../loop.conf")
    with pytest.raises(LxcError, match="includes itself"):
        lxc_config_parse.parse(str(tmp_path / "f.conf"))
    for path in (tmp_path / "none", "/dev/zero", "/dev/null", "/x\0y"):
        with pytest.raises(LxcError) as caught:
            lxc_config_parse.parse(str(path))
        assert caught.value.hint


@pytest.mark.parametrize("text, words", [
    ("lxc.foo = 1", "web.conf:1: lxc.foo: LXC has no such key"),
    ("\n\nlxc.uts.nam = 1", "web.conf:3: lxc.uts.nam: LXC has no such key. Take the line out, or "
     "write lxc.uts.name"),
    ("lxc.uts.name", "there is no '='"),
    ("lxc.foo =", "LXC has no such key"),
    ("lxc.namespace.share.foo =", "LXC has no such key"),
    ("lxc. = 1", "LXC has no such key"),
    ("lxc.cgroup. = 1", "LXC has no such key"),
    ("lxc.cgroup = 1", "takes no value"),
    ("lxc.net = veth", "takes no value"),
    ("lxc.net.0 = veth", "takes no value"),
    ("lxc.net.link = br0", "number is missing"),
    ("lxc.net.0.foo = br0", "LXC has no such key"),
    ("lxc.network.link = br0", "no lxc.network.type comes before it"),
    ("lxc.network.type = veth\nlxc.network =\nlxc.network.link = br0", "conf:3: lxc.network.link"),
    ("lxc.network.type = veth\nlxc.network.foo = br0", "conf:2: lxc.network.foo"),
    ("lxc.include = /none.conf", "No such file"),
    ("lxc.uts.name = \0", "NUL"),
    ("lxc.ephemeral = 1", "it is not supported"),
    ("lxc.cgroup.dir = a", "fleet-lxc/NAME"),
    ("lxc.rootfs.path = lvm:/dev/a/b", "'lvm'"),
    ("lxc.rootfs = relative", "not absolute"),
    ("lxc.uts.name = a b", "no host's name"),
    ("lxc.init.uid = root", "no whole number"),
    ("lxc.init.uid = 65536", "out of range"),
    ("lxc.no_new_privs = 2", "neither 0 nor 1"),
    ("lxc.init.cmd = 'a", "not closed"),
    ("lxc.init.cmd = a\nlxc.execute.cmd = b", "conf:2: lxc.execute.cmd"),
    ("lxc.environment = HOME", "HOME has no value"),
    ("lxc.environment = A=1\nlxc.environment = 1A=1\nlxc.environment = B=1", "conf:2"),
    ("lxc.cap.drop = kill\nlxc.cap.drop = foo", "conf:2: lxc.cap.drop"),
    ("lxc.prlimit.foo = 1", "no resource"),
    ("lxc.prlimit.core = 2 1", "no limit"),
    ("lxc.prlimit.core = 2:1", "above the hard one"),
    ("lxc.sysctl.vm.swappiness = 1", "whole host's"),
    ("lxc.cgroup.memory.limit_in_bytes = much", "no size"),
    ("lxc.cgroup2.cgroup.freeze = 1", "lxc_state"),
    ("lxc.cgroup.devices.allow = c 1 rwm", "malformed"),
    ("lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 10:* rwm\n"
     "lxc.cgroup.devices.deny = c 10:5 rwm", "conf:3: lxc.cgroup.devices.deny: it takes something"),
    ("lxc.cgroup.devices.deny = c 1:3 w", "from 'c 1:3 rwm'"),
    ("lxc.idmap = u 0 100000 65536", "nobody is root"),
    ("lxc.mount.entry = /srv srv none", "3 fields"),
    ("lxc.mount.entry = /srv srv none ro 0 0", "without bind mounts nothing"),
    ("lxc.mount.entry = /srv srv ext4 ro 0 0", "'ext4'"),
    ("lxc.mount.entry = dev/null proc/kcore none bind,relative 0 0", "without 'relative'"),
    ("lxc.mount.entry = tmpfs srv tmpfs relative 0 0", "has no source in the container"),
    ("lxc.mount.entry = srv srv none bind 0 0", "not absolute"),
    ("lxc.mount.entry = /srv srv none bind,create=dir,create=file 0 0", "twice"),
    ("lxc.rootfs = /srv/a\nlxc.mount.entry = /srv /srv/ab none bind 0 0", "not in the root file"),
    ("lxc.mount.entry = /a a none bind 0 0\nlxc.mount.entry = /b a/ none bind 0 0",
     "conf:2: lxc.mount.entry: /a is a target already: lxc.mount.entry (/etc/lxc/web.conf:1)"),
    ("lxc.mount.auto = cgroup-full:rw", "can't be mounted"),
    ("lxc.net.0.type = bond", "'bond'"),
    ("lxc.net.0.type = veth", "link is missing"),
    ("lxc.net.0.type = veth\nlxc.net.0.macvlan.mode = bridge", "of type veth"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.flags = down", "'down'"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.mtu = big", "no whole number"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.address = 10.0.0.1/8 10.0.0.9",
     "broadcast address of 10.0.0.1/8 is 10.255.255.255"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.address = ' '", "is no address"),
    ("lxc.net.0.type = empty\nlxc.net.0.link = br0", "conf:2: lxc.net.0.link: network 0: link"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = br0\nlxc.net.0.ipv4.address = 10.0.0.300/24\n"
     "lxc.net.0.flags = up", "conf:3: lxc.net.0.ipv4.address: network 0: '10.0.0.300'"),
    ("lxc.net.0.type = veth\nlxc.net.0.mtu = 1\nlxc.net.0.name = eth0", "conf:1: lxc.net.0.type"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = a\nlxc.net.1.type = veth\nlxc.net.1.link = b\n"
     "lxc.net.1.name = eth0\nlxc.net.1.mtu = 1500", "conf:5: lxc.net.1.name"),
    ("lxc.init.groups = 4,5  4,5", "'5  4' is no whole number"),
    ("lxc.namespace.share.mnt = 1", "root file system"),
    ("lxc.namespace.share.cgroup = 1", "LXC takes it and shares none"),
    ("fleet.foo = 1", "no option of that name"),
    ("fleet.privileged = yes", "no JSON"),
    ("fleet.privileged = 1", "no bool"),
    ("fleet.cap_add = [1]", "no list"),
    ("fleet.networks = [{\"link\": 1}]", "no list"),
    ("fleet.networks = [{\"foo\": \"1\"}]", "no list"),
    ("fleet.command = " + "[" * 100000, "no JSON"),
    ("lxc.uts.name = a\nlxc.include = /b.conf", "/b.conf:2: lxc.init.uid"),
])
def test_refusals(text: str, words: str) -> None:
    assert words in refused(text, b="\nlxc.init.uid = x")


def test_bytes_that_are_no_utf_8_are_refused_in_keys_and_fine_in_comments() -> None:
    assert lxc_config_parse.parse(FILE, b"# M\xfcller\nlxc.uts.name = a").settings
    with pytest.raises(LxcError, match="UTF-8"):
        lxc_config_parse.parse(FILE, b"lxc.uts.name = M\xfcller")


def test_a_file_that_includes_itself_is_refused() -> None:
    assert "includes itself: /etc/lxc/web.conf -> /b.conf -> /etc/lxc/web.conf" in refused(
        "lxc.include = /b.conf", b="lxc.include = /etc/lxc/web.conf",
        etc_lxc_web="lxc.include = /b.conf")


def test_settings_without_end_are_refused() -> None:
    assert "conf:10001: lxc.cap.drop: there are more than 10000" in refused(
        "lxc.cap.drop = kill\n" * 10001)


def test_includes_that_multiply_are_refused() -> None:
    line = "lxc.include = /x%d.conf\n"
    files = {"x%d" % number: 2 * line % (number + 1, number + 1) for number in range(40)}
    assert "more than 1000 files" in refused("lxc.include = /x0.conf", x40="", **files)


VETH = "lxc.net.0.type = veth\nlxc.net.0.link = br0\n"


@pytest.mark.parametrize("text, found", [
    ("lxc.rootfs.path = /srv/a", {"rootfs": "/srv/a"}),
    ("lxc.rootfs.path = dir:/srv/a\nlxc.rootfs.mount = /mnt", {"rootfs": "/srv/a"}),
    ("lxc.rootfs.options = idmap=container,ro", {"rootfs_options": ["ro"]}),
    ("lxc.uts.name = a", {"hostname": "a"}),
    ("lxc.init.cmd = /bin/sh -c \"a b\" ''",
     {"command": ["/bin/sh", "-c", "a b", ""], "init": False}),
    ("lxc.execute.cmd = /bin/a", {"command": ["/bin/a"], "init": True}),
    ("lxc.signal.halt = 017\nlxc.signal.stop = SIGKILL\nlxc.no_new_privs = 01",
     {"halt_signal": "15", "stop_signal": "SIGKILL", "no_new_privs": True}),
    ("lxc.tty.max = 0x10\nlxc.init.uid = 010", {"tty_max": 16, "uid": 8}),
    ("lxc.init.uid = 7\nlxc.init.gid = 8\nlxc.init.cwd = /srv",
     {"uid": 7, "gid": 8, "cwd": "/srv"}),
    ("lxc.init.groups = 4,5", {"init_groups": [4, 5]}),
    ("lxc.environment = A=1\nlxc.environment = B=\nlxc.environment = A=x y",
     {"environment": {"A": "x y", "B": ""}}),
    ("lxc.cap.drop = kill chown\nlxc.cap.drop = mknod", {"cap_drop": ["kill", "chown", "mknod"]}),
    ("lxc.cap.drop = 0 kill", {"cap_drop": ["chown", "kill"]}),
    ("lxc.cap.keep = kill\nlxc.cap.keep = none", {"cap_keep": []}),
    ("lxc.prlimit.nofile = 1024 : 2048\nlxc.limit.core = unlimited",
     {"rlimits": {"nofile": "1024:2048", "core": "unlimited"}}),
    ("lxc.sysctl.net.ipv4.ip_forward = 1", {"sysctls": {"net.ipv4.ip_forward": "1"}}),
    ("lxc.cgroup.cpu.shares = 512\nlxc.cgroup2.memory.max = 1G",
     {"cgroup": {"cpu.shares": "512", "memory.max": "1G"}}),
    ("lxc.cgroup.cpu.shares = 512\nlxc.cgroup.cpu.shares = 256", {"cgroup": {"cpu.shares": "256"}}),
    ("lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536",
     {"idmap": ["u 0 100000 65536", "g 0 100000 65536"]}),
    ("lxc.mount.entry = /srv/my\\040files srv none bind,ro,create=dir,optional 0 0",
     {"mounts": [{"source": "/srv/my files", "target": "/srv", "type": "bind", "read_only": True,
                  "optional": True, "create": "dir", "options": []}]}),
    ("lxc.mount.entry = opt/a /srv none bind,relative,ro 0 0\nlxc.rootfs.path = /",
     {"rootfs": "/", "mounts": [{
         "source": "/opt/a", "target": "/srv", "type": "bind", "read_only": True,
         "optional": False, "options": ["relative"]}]}),
    ("lxc.mount.entry = tmpfs tmp tmpfs size=1m,nosuid",
     {"mounts": [{"source": "tmpfs", "target": "/tmp", "type": "tmpfs", "read_only": False,
                  "optional": False, "options": ["size=1m", "nosuid"]}]}),
    ("lxc.rootfs = /srv/a\nlxc.mount.entry = /bin /srv/a/bin none ro,bind 0 0",
     {"rootfs": "/srv/a", "mounts": [{
         "source": "/bin", "target": "/bin", "type": "bind", "read_only": True,
         "optional": False, "options": []}]}),
    ("lxc.mount.auto = proc sys:ro\nlxc.mount.auto = sys:rw cgroup",
     {"mount_auto": ["proc:mixed", "sys:rw", "cgroup"]}),
    ("lxc.namespace.keep = ipc uts\nlxc.namespace.share.net = web2",
     {"namespace_keep": ["ipc", "uts"], "namespace_share": {"net": "web2"}}),
    ("lxc.hook.start = /bin/a b\nlxc.hook.pre-start = /c\nlxc.hook.start = /d",
     {"hooks": {"start": ["/bin/a b", "/d"], "pre-start": ["/c"]}}),
    ("lxc.start.auto = 1\nlxc.start.order = -3\nlxc.start.delay = 5\nlxc.group = a b\n"
     "lxc.group = b,c", {"start_auto": True, "start_order": -3, "start_delay": 5,
                         "group": ["a", "b", "c"]}),
    (VETH + "lxc.net.0.flags = up\nlxc.net.0.ipv4.address = 10.0.0.1\n"
     "lxc.net.0.ipv4.address = 192.168.1.1/24 192.168.1.255\nlxc.net.0.ipv6.address = fd00::1\n"
     "lxc.net.0.ipv4.gateway = 10.0.0.2\nlxc.net.0.hwaddr = 02:00:00:00:00:01\n"
     "lxc.net.0.mtu = 1400\nlxc.net.0.name = lan0\nlxc.net.0.veth.pair = web1",
     {"networks": [{"type": "veth", "link": "br0", "addresses": [
         "10.0.0.1/8", "192.168.1.1/24", "fd00::1/64"], "gateway4": "10.0.0.2",
         "mac": "02:00:00:00:00:01", "mtu": 1400, "name": "lan0", "host_name": "web1",
         "up": True}]}),
    ("lxc.net.5.type = veth\nlxc.net.5.link = b\nlxc.net.1.type = veth\nlxc.net.1.link = a",
     {"networks": [{"type": "veth", "link": "a", "up": False},
                   {"type": "veth", "link": "b", "up": False}]}),
    ("lxc.net.0.type = macvlan\nlxc.net.0.link = e\nlxc.net.0.macvlan.mode = bridge\n"
     "lxc.net.0.flags = up\nlxc.net.0.ipv4.gateway = auto\nlxc.net.0.ipv6.gateway = dev\n"
     "lxc.net.0.hwaddr = 02:xx:xx:xx:xx:xx\nlxc.net.0.script.up = /up a",
     {"networks": [{"type": "macvlan", "link": "e", "mode": "bridge", "up": True,
                    "gateway4": "auto", "gateway6": "dev", "mac": "02:xx:xx:xx:xx:xx",
                    "script_up": "/up a"}]}),
    ("lxc.net.0.type = ipvlan\nlxc.net.0.link = e\nlxc.net.0.ipvlan.mode = l2\n"
     "lxc.net.0.ipvlan.isolation = vepa\nlxc.net.1.type = vlan\nlxc.net.1.link = e\n"
     "lxc.net.1.vlan.id = 5\nlxc.net.2.type = phys\nlxc.net.2.link = e7",
     {"networks": [{"type": "ipvlan", "link": "e", "mode": "l2", "isolation": "vepa",
                    "up": False},
                   {"type": "vlan", "link": "e", "vlan": 5, "up": False},
                   {"type": "phys", "link": "e7", "up": False}]}),
    (VETH + "lxc.net.0.veth.vlan.id = none\nlxc.net.0.veth.vlan.tagged.id = 5\n"
     "lxc.net.0.veth.vlan.tagged.id = 6\nlxc.net.0.veth.mode = bridge",
     {"networks": [{"type": "veth", "link": "br0", "vlan": 0, "tagged_vlans": [5, 6],
                    "mode": "bridge", "up": False}]}),
    ("lxc.net.0.type = empty\nlxc.net.0.flags = up", {"networks": [{"type": "empty"}]}),
    ("lxc.net.0.type = none", {"networks": [{"type": "none"}]}),
    ("fleet.cap_add = [\"net_admin\"]\nfleet.privileged = true",
     {"cap_add": ["net_admin"], "privileged": True}),
    ("lxc.cgroup.devices.deny = a\nlxc.cgroup.devices.allow = c 1:3 rwm\n"
     "lxc.cgroup.devices.allow = c 10:229 rwm\nlxc.cgroup2.devices.allow = c 10:200 rw\n"
     "lxc.cgroup2.devices.deny = a\nlxc.cgroup2.devices.allow = c 10:229 wrm",
     {"devices": ["c 10:229 rwm"]}),
    ("lxc.cgroup.devices.allow = c 10:1 rwm\nlxc.cgroup.devices.allow = c 10:2 rwm\n"
     "lxc.cgroup.devices.deny = c 10:2 rwm\nlxc.cgroup.devices.deny = b 8:0 rwm",
     {"devices": ["c 10:1 rwm"]}),
])
def test_options(text: str, found: dict[str, t.Any]) -> None:
    assert options(text) == found


def test_values_for_both_versions_are_one() -> None:
    text = "lxc.cgroup.%s = %s\nlxc.cgroup2.%s = %s"
    assert options(text % ("cpu.shares", "512", "cpu.weight", "50")) == {
        "cgroup": {"cpu.weight": "50"}}
    assert "lxc.cgroup.cpu.shares" in warnings(text % ("cpu.shares", "512", "cpu.weight", "50"))[0]
    assert warnings(text % ("pids.max", "5", "pids.max", "5")) == []


def test_a_type_that_is_given_twice_is_a_warning() -> None:
    text = VETH + "lxc.net.0.type = empty"
    assert options(text) == {"networks": [{"type": "empty"}]}
    assert "web.conf:3) begins network 0 anew" in warnings(text)[0]
    assert "lxc.net.0.link" in warnings(text)[0]


def test_debian_s_default_and_keys_that_say_nothing() -> None:
    text = VETH + "lxc.apparmor.profile = generated\nlxc.apparmor.allow_nesting = 1\n"
    assert set(options(text)) == {"networks"}
    assert "apparmor.profile (/etc/lxc/web.conf:3)" in warnings(text)[0]
    assert len(warnings(text)) == 1
    assert options("lxc.apparmor.profile = web") == {"apparmor_profile": "web"}
    assert options("lxc.aa_profile = unconfined") == {"apparmor_profile": "unconfined"}
    assert "no whole number" in refused("lxc.aa_allow_incomplete = yes")


def test_every_option_is_written_or_has_a_reason() -> None:
    used = {option for row in lxc_config_map.ROWS for option in row.options}
    assert set(spec.OPTIONS) - used == set(lxc_config_map.OWN_OPTIONS)
    fields = {field.name for field in lxc_config_map.networks.FIELDS.values()}
    assert set(NETWORK) - fields == {"up"}  # flags


def test_the_page_has_every_key() -> None:
    guides = pathlib.Path(__file__).parents[2] / "docs" / "docsite" / "rst"
    page = (guides / "guide_lxc_config.rst").read_text()
    known = {key for key in lxc_config_parse.KEYS - {"include"}
             if key not in {"hook." + name for name in lxc_config_parse.HOOKS}}
    known |= {family + ".*" for family in lxc_config_parse.FAMILIES}
    known |= set(lxc_config_parse.HOOKS) | lxc_config_parse.NETWORK_KEYS - {"flags"}
    words = set(re.findall(r"`([\w.*-]+)`", page.replace("`net.N.", "`")))
    assert known - words == set()
    for row in lxc_config_map.ROWS:
        for option in set(row.options) & set(spec.OPTIONS):
            assert "`%s`" % option in page, option


# What LXC's keys can't say, among the values of the options' own tests.
BEYOND_LXC = [("command", [""]), ("mount_auto", [])]


@pytest.mark.parametrize("option, given, _defined", NORMAL)
def test_two_roads_lead_back(option: str, given: t.Any, _defined: t.Any) -> None:
    basis = {"rootfs": "/srv/web1"}
    if option == "sysctls":
        basis["networks"] = [{"type": "empty"}]  # type: ignore[assignment]
    definition = spec.make_definition("web1", {**basis, option: given}, None)
    again = spec.make_definition("web1", lxc_config_write.options_of(definition), None)
    assert again == definition
    text = lxc_config_write.lxc_config(definition)
    found, told = lxc_config_map.to_options(parsed(text), "web1")
    assert spec.make_definition("web1", found, None) == definition
    assert told == []
    if (option, given) not in BEYOND_LXC:
        assert lxc_config_write.unwritten(definition) == []


@pytest.mark.parametrize("item", [
    {"type": "macvlan", "link": "e", "mode": "vepa", "gateway4": "dev"},
    {"type": "ipvlan", "link": "e", "mode": "l2", "isolation": "private", "up": False},
    {"type": "vlan", "link": "e", "vlan": 0}, {"type": "phys", "link": "e", "name": "lan0"},
    {"link": "br0", "vlan": 0, "tagged_vlans": [1, 9], "mac": "xx:00:00:00:00:01"},
    {"mode": "router", "addresses": ["10.0.0.1/32", "fd00::1/128"], "gateway4": "10.0.0.2",
     "script_up": "/up a", "script_down": "/down"},
])
def test_networks_lead_back(item: dict[str, t.Any]) -> None:
    definition = spec.make_definition("web1", {"rootfs": "/r", "networks": [item]}, None)
    found, told = lxc_config_map.to_options(
        parsed(lxc_config_write.lxc_config(definition)), "web1")
    assert (spec.make_definition("web1", found, None), told) == (definition, [])
    assert lxc_config_write.unwritten(definition) == []


def test_what_lxc_can_not_say_survives() -> None:
    definition = spec.make_definition("web1", {
        "rootfs": "/srv/web 1", "command": ["/bin/sh", "-c", "echo 'a' \"b\"\n"],
        "environment": {"A": " x ", "B": "'q'", "C": "a\nb", "D": ""}, "privileged": True,
        "cap_add": ["net_admin"], "devices": ["c 1:3 rwm", "a"],
        "mounts": [{"target": "/t", "type": "tmpfs", "options": ["bind=1", "size=1m"]},
                   {"target": "/a b\\c", "source": "/x\ty"}]}, None)
    found, told = lxc_config_map.to_options(
        parsed(lxc_config_write.lxc_config(definition)), "web1")
    assert (spec.make_definition("web1", found, None), told) == (definition, [])
    assert lxc_config_write.unwritten(definition) == ["command", "environment", "devices"]


def test_the_written_file() -> None:
    definition = spec.make_definition("web1", {
        "rootfs": "/srv/web1", "networks": [{"link": "br0", "addresses": ["10.0.3.5/24"]}],
        "rlimits": {"nofile": "1:2"}, "cgroup": {"cpu.shares": 5, "pids.max": 9},
        "environment": {"A": " x "}, "cap_keep": [], "idmap": "100000"}, None)
    assert lxc_config_write.lxc_config(definition) == """\
# Container web1 of the collection fleet.lxc
lxc.rootfs.path = dir:/srv/web1
lxc.environment = A= x
lxc.net.0.type = veth
lxc.net.0.link = br0
lxc.net.0.name = eth0
lxc.net.0.ipv4.address = 10.0.3.5/24
lxc.net.0.flags = up
lxc.cgroup.cpu.shares = 5
lxc.cgroup.pids.max = 9
lxc.cgroup2.pids.max = 9
lxc.cap.keep = none
lxc.prlimit.nofile = 1:2
lxc.idmap = u 0 100000 65536
lxc.idmap = g 0 100000 65536
""".replace("A= x", '"A= x "')
