# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC configuration files at random, each in both dialects. The same seed makes the same files."""
from __future__ import annotations

import random

# Key of today, key of 2009 where it had another name, values that liblxc takes, values to refuse.
KEYS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("uts.name", "utsname", ("web1", "web1.example.org", "b-1"), ("a b", "-x", "ü")),
    ("rootfs.path", "", ("dir:/srv/a", "/srv//b/", "overlay:/a:/b", "dir:/srv/a b"), ("x/y",)),
    ("rootfs.mount", "", ("/mnt/x",), ()),
    ("rootfs.options", "", ("ro", "nosuid,nodev", "idmap=container"), ("foo",)),
    ("mount.fstab", "mount", ("/etc/fstab.a", "/etc//f"), ()),
    ("mount.entry", "", ("/srv srv none bind,ro 0 0", "tmpfs t tmpfs size=1m,nosuid 0 0",
                         "/a\\040b c none rbind,optional,create=dir", "proc p proc defaults 0 0"),
     ("/srv", "/x y ext4 ro 0 0")),
    ("mount.auto", "", ("proc sys", "cgroup:mixed proc:mixed sys:mixed", "sys:rw", "proc:rw",
                        "sys:ro cgroup", "cgroup:ro:force"), ("foo", "cgroup-full:mixed")),
    ("tty.max", "tty", ("0", "4", "010", "0x10", "+5"), ("-1", "four", "")),
    ("tty.dir", "devttydir", ("lxc",), ("a/b",)),
    ("pty.max", "pts", ("1024", "1"), ("-1", "x")),
    ("console.path", "console", ("none", "/dev/tty8"), ()),
    ("log.level", "loglevel", ("1", "INFO", "debug", "5"), ()),
    ("log.syslog", "syslog", ("daemon", "local3"), ("nobody",)),
    ("console.logfile", "", ("/var/log/a.log",), ()),
    ("cap.drop", "", ("mac_admin sys_time", "sys_module"), ("foo", "CAP_CHOWN")),
    ("cap.keep", "", ("chown kill", "none", "setuid"), ("foo",)),
    ("init.cmd", "init_cmd", ("/sbin/init", "/bin/sh -c \"a b\"", "/bin/a 'b'"), ("'a",)),
    ("init.uid", "init_uid", ("0", "1000"), ("root", "-5")),
    ("init.gid", "init_gid", ("0", "1000"), ("root",)),
    ("init.cwd", "", ("/srv",), ()),
    ("init.groups", "", ("4,5", "10"), ("wheel",)),
    ("execute.cmd", "", ("/bin/a b",), ()),
    ("environment", "", ("A=1", "B=x y", "A=2", "C=", "LANG=C.UTF-8", "D='q'"), ("1A=2",)),
    ("arch", "", ("x86_64", "amd64", "i686"), ("z80",)),
    ("autodev", "", ("0", "1"), ("2", "yes")),
    ("no_new_privs", "", ("0", "1"), ("2", "no")),
    ("idmap", "id_map", ("u 0 100000 65536", "g 0 100000 65536"), ("x 0 1 2", "u 0 1", "u a b c")),
    ("signal.halt", "haltsignal", ("SIGPWR", "15", "SIGRTMIN+3"), ("SIGFOO",)),
    ("signal.reboot", "rebootsignal", ("SIGINT",), ("x",)),
    ("signal.stop", "stopsignal", ("SIGKILL", "9"), ("x",)),
    ("start.auto", "", ("0", "1"), ("2", "yes")),
    ("start.delay", "", ("0", "10"), ("-1", "x")),
    ("start.order", "", ("0", "-7", "50"), ("x",)),
    ("group", "", ("web", "web db", "a"), ()),
    ("prlimit.nofile", "limit.nofile", ("1024", "1024:2048", "10 : 20", "unlimited"),
     ("x", "1:2:3")),
    ("prlimit.core", "limit.core", ("0", "unlimited"), ("x",)),
    ("sysctl.net.ipv4.ip_forward", "", ("1", "0"), ()),
    ("sysctl.kernel.msgmax", "", ("8192",), ()),
    ("cgroup.cpu.shares", "", ("512", "1024"), ()),
    ("cgroup.memory.limit_in_bytes", "", ("512M", "1G"), ()),
    ("cgroup2.memory.max", "", ("1G", "max"), ()),
    ("cgroup2.cpu.weight", "", ("50",), ()),
    ("cgroup.devices.deny", "", ("a",), ()),
    ("cgroup.devices.allow", "", ("c 1:3 rwm", "c 10:229 rwm", "b *:* m"), ()),
    ("cgroup2.devices.deny", "", ("a",), ()),
    ("cgroup2.devices.allow", "", ("c 10:200 rw", "c *:* m"), ()),
    ("namespace.keep", "", ("ipc", "net uts"), ("foo",)),
    ("namespace.clone", "", ("net pid", "user"), ("foo",)),
    ("namespace.share.net", "", ("web2", "1", "/proc/1/ns/net"), ()),
    ("hook.pre-start", "", ("/bin/true", "/bin/a b"), ()),
    ("hook.start", "", ("/bin/true",), ()),
    ("hook.clone", "", ("/usr/share/lxc/hooks/clonehostname",), ()),
    ("hook.version", "", ("0", "1"), ("2",)),
    ("seccomp.profile", "seccomp", ("/etc/a.seccomp", "/etc//b"), ()),
    ("apparmor.profile", "aa_profile", ("unconfined", "generated"), ()),
    ("selinux.context", "se_context", ("system_u:system_r:lxc_t:s0",), ()),
    ("keyring.session", "", ("0", "1"), ("2",)),
    ("time.offset.boot", "", ("10s", "-5m"), ("x",)),
)
NETWORK_KEYS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("type", "type", ("veth", "empty", "none"), ("bond",)),
    ("link", "link", ("br0", "lxcbr0"), ()),
    ("name", "name", ("eth0", "lan1"), ()),
    ("flags", "flags", ("up",), ()),
    ("hwaddr", "hwaddr", ("00:16:3e:01:02:03", "02:00:00:00:00:aa"), ()),
    ("mtu", "mtu", ("1500", "9000"), ()),
    ("ipv4.address", "ipv4", ("10.0.3.5/24", "10.1.2.3", "192.168.1.2", "172.16.0.1/16"),
     ("10.0.3.5/33", "x", "10.0.3.500/24")),
    ("ipv6.address", "ipv6", ("fd00::5/64", "fd00:1::5"), ("fd00::/129", "y")),
    ("ipv4.gateway", "ipv4.gateway", ("10.0.3.1",), ("z", "192.168.1.1")),
    ("ipv6.gateway", "ipv6.gateway", ("fe80::1",), ("z", "fd01::1")),
    ("veth.pair", "veth.pair", ("vethweb1", "v2"), ()),
)
# Of other types than veth: what only they have.
OTHERS: dict[str, tuple[tuple[str, str], ...]] = {
    "macvlan": (("macvlan.mode", "bridge"), ("macvlan.mode", "private"), ("hwaddr",
                                                                          "02:00:00:00:01:0a")),
    "ipvlan": (("ipvlan.mode", "l2"), ("ipvlan.isolation", "private")),
    "vlan": (("vlan.id", "7"), ("mtu", "1400")),
    "phys": (("name", "lan7"), ("mtu", "1400")),
}
# For mutations: what parsers trip over.
ODD = ("\0", "\n", "\r", "\t", " ", "=", ".", "#", "'", '"', "\\", "/", ":", ",", "-", "x", "0",
       "1", "9" * 30, "\u00b2", "\u0663", "\u00a0", "\u2028", "\x0b", "\x7f", "\udcff", "lxc.",
       "lxc.network.", "lxc.net.", "fleet.", "lxc.include = /a.conf\n", "[", "{}", "null", "%s",
       "true", "..", "\\040", "unlimited", "none", "max", "*")
NOISE = ("", "# a comment = 1", "martian = 1", "\t", "# lxc.uts.name = no", "lx.c = 1")
UNKNOWN = ("lxc.nonsense = 1", "lxc.uts.name.x = 1", "lxc.net.x.type = veth", "lxc.uts.name",
           "lxc.net.0.nonsense = 1", "lxc.cgroupx.y = 1", "lxc. = 1")
CLEARED = ("cgroup", "cgroup2", "prlimit", "sysctl", "hook", "net", "net.0", "net.1")


class Generator:
    """Files of some lines, most of them good."""

    def __init__(self, seed: int, options: tuple[str, ...] = ("privileged",)) -> None:
        self.random = random.Random(seed)
        self.options = options

    def file(self) -> tuple[str, str]:
        """The same file with today's keys, and with those of 2009."""
        rng = self.random
        modern: list[str] = []
        legacy: list[str] = []
        bad = 0.01 if rng.random() < 0.3 else 0.0
        networks = 0
        for _line in range(rng.randint(1, 14)):
            what = rng.random()
            if what < 0.08:
                self.both(modern, legacy, rng.choice(NOISE))
            elif what < 0.08 + bad:
                self.both(modern, legacy, rng.choice(UNKNOWN))
            elif what < 0.13:
                key = rng.choice(CLEARED)
                name = "network" if key == "net" else key.replace("net.", "network.")
                modern.append(self.line("lxc." + key, ""))
                legacy.append(self.line("lxc." + ("limit" if key == "prlimit" else name), ""))
            elif what < 0.35:
                number = networks if networks < 4 else rng.randrange(4)
                networks += 1
                self.network(modern, legacy, number, bad)
            else:
                key, old, good, wrong = rng.choice(KEYS)
                value = self.value(good, wrong, bad)
                for text in good if key == "idmap" and value in good else (value,):
                    modern.append(self.line("lxc." + key, text))
                    legacy.append(self.line("lxc." + (old or key), text))
        end = rng.choice(("\n", "", "\r\n", "\n\n"))
        return "\n".join(modern) + end, "\n".join(legacy) + end

    def both(self, modern: list[str], legacy: list[str], line: str) -> None:
        modern.append(line)
        legacy.append(line)

    def network(self, modern: list[str], legacy: list[str], number: int, bad: float) -> None:
        rng = self.random
        kind = rng.choices(("veth", "empty", "none", *OTHERS), (40, 1, 1, 3, 3, 3, 3))[0]
        if kind in OTHERS:
            self.pair(modern, legacy, number, "type", "type", kind)
            self.pair(modern, legacy, number, "link", "link", "e%d" % number)
            first = OTHERS[kind][:1] if kind == "vlan" else ()
            for key, value in (*first, *rng.sample(OTHERS[kind], rng.randint(0, 2))):
                self.pair(modern, legacy, number, key, key, value)
            return
        chosen = rng.sample(NETWORK_KEYS[2:], rng.randint(0, 6))
        chosen = NETWORK_KEYS[:1 if rng.random() < 0.05 else 2] + tuple(chosen)
        for key, old, good, wrong in chosen:
            if kind != "veth" and key not in ("type", "flags", "name"):
                continue
            value = self.value(good, wrong, bad)
            if key == "type":
                value = kind
            elif key == "link" and not value:
                value = good[0]
            elif key.endswith("gateway") and number and value in good:
                continue
            elif key == "ipv4.gateway" and value == good[0]:
                self.pair(modern, legacy, number, "ipv4.address", "ipv4", "10.0.3.10/24")
            elif value in good and key in ("name", "hwaddr", "veth.pair"):
                value = value[:-1] + str(number)
            elif value in good and key.endswith("address"):
                value = value.replace("5", str(5 + number), 1)
            self.pair(modern, legacy, number, key, old, value)

    def pair(self, modern: list[str], legacy: list[str], number: int, key: str, old: str,
             value: str) -> None:
        modern.append(self.line("lxc.net.%d.%s" % (number, key), value))
        legacy.append(self.line("lxc.network.%d.%s" % (number, old), value))

    def value(self, good: tuple[str, ...], wrong: tuple[str, ...], bad: float) -> str:
        rng = self.random
        if wrong and rng.random() < bad * 5:
            return rng.choice(wrong)
        return "" if rng.random() < 0.06 else rng.choice(good)

    def line(self, key: str, value: str) -> str:
        rng = self.random
        if rng.random() < 0.1:
            quote = rng.choice("'\"")
            value = quote + value + quote
        space = rng.choice((" = ", "=", " =\t", "  =  "))
        return rng.choice(("", "", "", " ", "\t")) + key + space + value + rng.choice(
            ("", "", "", " ", "\t "))

    def mutated(self, text: str) -> str:
        """With some characters of it lost, doubled, moved or replaced."""
        rng = self.random
        for _change in range(rng.choice((1, 1, 1, 2, 3, 8))):
            start = rng.randrange(len(text) + 1)
            length = rng.choice((0, 0, 1, 1, 2, 5, 20))
            piece = rng.choice((rng.choice(ODD), "", text[start:start + length] * 2,
                                text[:rng.randrange(30)]))
            text = text[:start] + piece + text[start + length:]
        return text

    def crossed(self, text: str) -> str:
        """With the value of one key given to another."""
        rng = self.random
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        table = rng.choice((KEYS, NETWORK_KEYS))
        key, _old, good, _wrong = rng.choice(table)
        _key, _old, values, _wrong = rng.choice(KEYS + NETWORK_KEYS)
        name = key if table is KEYS else "net.%d.%s" % (rng.randrange(3), key)
        lines.insert(place, self.line("lxc." + name, rng.choice((*values, *good, '" "'))))
        return "\n".join(lines)

    def own(self) -> str:
        """A line of the collection's own."""
        rng = self.random
        value = rng.choice(("true", "null", "1", "-1", '"a"', "[]", "{}", '["net_admin"]', "[1]",
                            '{"a": "b"}', '{"a": 1.5}', '[{"type": "veth"}]', '[{"target": "/a"}]',
                            '{"nofile": "1:2"}', '{"start": ["/a"]}', "[[]]", '[{"target": 1}]',
                            '{"start": [1]}', '{"nofile": [1]}', '{"net": []}', "1e999", "NaN"))
        return "fleet.%s = %s" % (rng.choice(self.options), value)
