# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where this collection and liblxc 5 do not agree, and why. The first pattern that fits counts.

The patterns are for what compare.py says of a difference. "Stricter" is refused here, with a
remedy, and taken by liblxc, which then fails at the start, or does something else than was meant.
"""
from __future__ import annotations

from ansible_collections.fleet.lxc.plugins.module_utils._container.lxc_config_parse import LEGACY

# Reason, pattern of the difference.
REASONS: tuple[tuple[str, str], ...] = (
    # Refused here
    ("stricter: networks are checked as a whole before anything is made",
     r"only we refuse it: .*: (network \d+|name|mac|host_name|addresses|gateway[46]): "),
    ("stricter: what can't be together is refused before anything is made",
     r"only we refuse it: use as option of container"),
    ("stricter: only folders are root file systems; lxc_rootfs makes one of the rest",
     r"only we refuse it: .*root file systems of type"),
    ("stricter: paths are absolute",
     r"only we refuse it: .*is not absolute"),
    ("stricter: one command, while LXC has one for lxc-start and one for lxc-execute",
     r"only we refuse it: .*Keep one of the two"),
    ("stricter: a quote in a command is closed", r"only we refuse it: .*a quote is not closed"),
    ("stricter: id maps are checked as the kernel would at the start",
     r"only we refuse it: .*lxc.id(map|_map): "),
    ("stricter: names of hosts, variables and folders are checked",
     r"only we refuse it: .*(is no host's name|is no variable's name|is no folder for terminals)"),
    ("stricter: numbers are numbers, and within what the kernel has",
     r"only we refuse it: .*(is no whole number|is out of range|is above the hard one)"),
    ("stricter: mounts are read when the file is, not at the start",
     r"only we refuse it: .*lxc.mount.entry: "),
    ("stricter: LXC keeps the options of the root file system as text until the start",
     r"only we refuse it: .*lxc.rootfs.options: "),
    ("stricter: the numbers of capabilities are written in tens, without a sign",
     r"only we refuse it: .*lxc.cap.(keep|drop): '(\+|0|\d{3})"),
    ("the numbers of control group values are in tens", r"written: lxc.cgroup\.\S+: '0\d+' is"),
    ("ours: lines that begin with fleet. are this collection's",
     r"only we refuse it: .*: ['\"]?fleet\."),
    ("stricter: what lxc.mount.auto would show of the host's control groups is not mounted",
     r"only we refuse it: .*'cgroup-full:.*can't be mounted"),
    ("stricter: lxc.arch is one of the architectures that this collection runs on",
     r"only we refuse it: .*is no architecture"),
    ("stricter: what liblxc keeps as text until the start is checked when the file is read",
     r"only we refuse it: .*: lxc\.(cgroup2?\.|sysctl\.|prlimit\.|limit\.|seccomp|signal\.|hook\.|"
     r"mount\.|namespace\.|group|console\.|execute\.|init\.|tty\.|environment|uts\.|rootfs\.|"
     r"net\.\d+\.)"),
    # Taken here
    ("wider: the dialect of 2009, which liblxc gave up with version 3",
     r"only liblxc refuses the line(, which we overwrite)?: lxc\.(%s)\b" % "|".join(
         (*LEGACY, "network", "limit", "pivotdir", "kmsg", "rootfs.backend"))),
    ("wider: keep, less drop, is a set of capabilities; CAP_ may stand before a name",
     r"only liblxc refuses the line: lxc.cap.(keep|drop)\b"),
    ("wider: namespaces may be kept and cloned in one file",
     r"only liblxc refuses the line: lxc.namespace.(keep|clone)\b"),
    ("wider: a bad value is forgotten when a later line overwrites or clears it",
     r"only liblxc refuses the line, which we overwrite: "),
    ("wider: without a value these keys are cleared, like any other",
     r"only liblxc refuses the line: lxc.(arch|mount.fstab)\s*=\s*(''|\"\")?$"),
    ("wider: a key of a network that does not have it may be cleared",
     r"only liblxc refuses the line: lxc.net.\d+.\S+?\s*=\s*(''|\"\")?$"),
    ("wider: a time offset of 0 needs no unit",
     r"only liblxc refuses the line: lxc.time.offset.*=\s*['\"]?0['\"]?$"),
    ("wider: SIGRTMIN is a signal, also without a number",
     r"only liblxc refuses the line: lxc.signal.\w+\s*=\s*['\"]?(SIG)?RTMIN['\"]?$"),
    ("wider: blanks that are no ASCII around a signal or limit, or vertical tabs",
     r"only liblxc refuses the line: lxc.(signal|prlimit|time.offset).\w+\s*=.*[^\x20-\x7e\t]"),
    ("liblxc 5 refuses negative minutes of a time offset",
     r"only liblxc refuses the line: lxc.time.offset.*-5m"),
    ("wider: blanks in quotes are no command, no option and no time",
     r"only liblxc refuses the line: lxc.time.offset.\w+\s*=\s*\" \"$|"
     r"written: lxc.(execute.cmd|init.cmd|rootfs.options): '(\[\]| )' is None"),
    # Read in another way
    ("liblxc 5 takes the class of an address without prefix from its last byte",
     r"written: net \d ipv4.address: .*/8"),
    ("lxc.keyring.session: liblxc 5 does the opposite of what its man page says, which we do",
     r"lxc.keyring.session"),
    ("lxc.apparmor: what LXC generates is not made here, with a warning",
     r"written: lxc.apparmor.(profile: 'generated'|allow_)"),
    ("without a value a key goes back to its default, in liblxc to 0 or nothing",
     r"settings: lxc.net.\d+.(macvlan|ipvlan|veth).\w+: '\(invalid\)' is|"
     r"lxc.autodev: ('0'|None) is '1'|lxc.rootfs.mount: None is"),
    ("lxc.cap.drop and lxc.cap.keep are cleared each for itself, as the man page has it",
     r"(settings|written): lxc.cap.(drop|keep): "),
    ("where both versions of control groups have a value, v2's is kept and translated on v1",
     r"written: lxc.cgroup\.[a-z_.]+: '\d+' is None"),
)
