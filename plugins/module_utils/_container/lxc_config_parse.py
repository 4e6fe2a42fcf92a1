# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC configuration files of both dialects to settings under today's names; what they mean is
lxc_config_map's. Sources: lxc.container.conf(5) of LXC 5 and of LXC 1."""
from __future__ import annotations

import os
from collections import namedtuple

from .._kernel.errors import LxcError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NamedTuple

    # A path to the files that it stands for and their contents: one for a file, all *.conf for a
    # folder.
    Load = Callable[[str], list[tuple[str, bytes]]]

    class Setting(NamedTuple):
        """A key's value and where it is from. ``key`` is today's name without "lxc."."""

        key: str
        value: str
        file: str
        line: int
        spelled: str

    class Configuration(NamedTuple):
        """What holds when all is read: nothing that was cleared or overwritten."""

        settings: list[Setting]
        warnings: list[str]
else:
    Setting = namedtuple("Setting", "key value file line spelled")
    Configuration = namedtuple("Configuration", "settings warnings")

MAX_FILES = 1000
MAX_SIZE = 1 << 20
MAX_SETTINGS = 10000

# 2009's name, today's name.
LEGACY = {
    "utsname": "uts.name", "rootfs": "rootfs.path", "mount": "mount.fstab", "pts": "pty.max",
    "tty": "tty.max", "devttydir": "tty.dir", "console": "console.path", "id_map": "idmap",
    "init_cmd": "init.cmd", "init_uid": "init.uid", "init_gid": "init.gid",
    "aa_profile": "apparmor.profile", "aa_allow_incomplete": "apparmor.allow_incomplete",
    "se_context": "selinux.context", "seccomp": "seccomp.profile", "haltsignal": "signal.halt",
    "rebootsignal": "signal.reboot", "stopsignal": "signal.stop", "logfile": "log.file",
    "loglevel": "log.level", "syslog": "log.syslog", "limit": "prlimit",
}
_LEGACY_NETWORK = {"ipv4": "ipv4.address", "ipv6": "ipv6.address"}
_BACKEND = "rootfs.backend"
_OBSOLETE = ("pivotdir", "kmsg")  # LXC itself took them for years and did nothing

HOOKS = ("autodev", "clone", "destroy", "mount", "post-stop", "pre-mount", "pre-start", "start",
         "start-host", "stop")
# Repeated, they add up; all others have the last value.
_LISTS = frozenset((
    "apparmor.raw", "cap.drop", "cap.keep", "environment", "environment.hooks",
    "environment.runtime", "group", "idmap", "init.groups", "mount.auto", "mount.entry",
    "namespace.clone", "namespace.keep", *("hook." + name for name in HOOKS)))
NETWORK_LISTS = frozenset(("ipv4.address", "ipv6.address", "veth.ipv4.route", "veth.ipv6.route",
                           "veth.vlan.tagged.id"))
NETWORK_KEYS = NETWORK_LISTS | frozenset((
    "flags", "hwaddr", "ipv4.gateway", "ipv6.gateway", "ipvlan.isolation", "ipvlan.mode",
    "l2proxy", "link", "macvlan.mode", "mtu", "name", "script.down", "script.up", "type",
    "veth.mode", "veth.n_rxqueues", "veth.n_txqueues", "veth.pair", "veth.vlan.id", "vlan.id"))
KEYS = _LISTS | frozenset((
    "apparmor.allow_incomplete", "apparmor.allow_nesting", "apparmor.profile", "arch",
    "autodev", "autodev.tmpfs.size", "cgroup.dir", "cgroup.dir.container",
    "cgroup.dir.container.inner", "cgroup.dir.monitor", "cgroup.dir.monitor.pivot",
    "cgroup.relative", "console.buffer.size", "console.logfile", "console.path",
    "console.rotate", "console.size", "ephemeral", "execute.cmd", "hook.version", "include",
    "init.cmd", "init.cwd", "init.gid", "init.uid", "keyring.session", "log.file", "log.level",
    "log.syslog", "monitor.signal.pdeath", "monitor.unshare", "mount.fstab", "no_new_privs",
    "pty.max", "rootfs.managed", "rootfs.mount", "rootfs.options", "rootfs.path", "sched.core",
    "seccomp.allow_nesting", "seccomp.notify.cookie", "seccomp.notify.proxy", "seccomp.profile",
    "selinux.context", "selinux.context.keyring", "signal.halt", "signal.reboot", "signal.stop",
    "start.auto", "start.delay", "start.order", "time.offset.boot", "time.offset.monotonic",
    "tty.dir", "tty.max", "uts.name"))
# The rest of the key is a name of its own; the family alone, without a value, is cleared.
FAMILIES = ("cgroup", "cgroup2", "namespace.share", "prlimit", "proc", "sysctl")
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_CLEARED = FAMILIES + ("hook", "net")
# This collection's options that LXC has no key for. LXC itself passes over these lines.
OWN = "fleet"


def parse(path: str, text: bytes | None = None, load: Load | None = None) -> Configuration:
    """The settings of a file and of all that it includes.

    :param path: shown in errors, and read when there is no text; relative includes start from it
    :param load: for tests that have no disk
    :raises LxcError: with file, line, key and remedy
    """
    parser = _Parser(load or load_from_disk)
    if text is None:
        parser.file(path, None)
    else:
        parser.text(path, text)
    return parser.result()


def load_from_disk(path: str) -> list[tuple[str, bytes]]:
    """A file, or the *.conf of a folder by name. A folder that is not there has none.

    :raises OSError: as the kernel says
    :raises LxcError: for a file that is no regular one, or large
    """
    if os.path.isdir(path):
        return [_read(os.path.join(path, name)) for name in sorted(os.listdir(path))
                if name.endswith(".conf") and name != ".conf"]
    if path.endswith("/") and not os.path.lexists(path.rstrip("/")):
        return []
    return [_read(path)]


def _read(path: str) -> tuple[str, bytes]:
    if os.path.exists(path) and not os.path.isfile(path):
        raise LxcError("read the LXC configuration", path, detail="it is no regular file",
                       hint="Name a file, or a folder of *.conf.")
    with open(path, "rb") as stream:
        data = stream.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise LxcError("read the LXC configuration", path, detail="it has more than %d bytes"
                       % MAX_SIZE, hint="Name a configuration file.")
    return path, data


def problem(setting: Setting, detail: str, hint: str) -> LxcError:
    """What is wrong with a line: file, line, key as written, reason and remedy."""
    return LxcError("read the LXC configuration", "%s:%d" % (setting.file, setting.line),
                    detail="%s: %s" % (setting.spelled, detail), hint=hint)


def place(setting: Setting) -> str:
    """For warnings."""
    return "%s (%s:%d)" % (setting.spelled, setting.file, setting.line)


def strip_quotes(value: str) -> str:
    """Without one matching pair."""
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        return value[1:-1]
    return value


class _Parser:
    def __init__(self, load: Load) -> None:
        self.load = load
        self.settings: list[Setting] = []
        self.warnings: list[str] = []
        self.open: list[str] = []  # files that are being read, from the first to the innermost
        self.files = 0
        self.network: int | None = None  # of the legacy dialect: the stanza that is open

    def result(self) -> Configuration:
        """With rootfs.backend put before the path that it is about."""
        backend = next((s for s in self.settings if s.key == _BACKEND), None)
        found = []
        for setting in self.settings:
            if setting.key == "rootfs.path" and setting.spelled == "lxc.rootfs" \
                    and not setting.value.partition(":")[0].isalnum():
                setting = setting._replace(
                    value="%s:%s" % (backend.value if backend else "dir", setting.value))
            if setting is not backend:
                found.append(setting)
        return Configuration(found, self.warnings)

    def file(self, path: str, by: Setting | None) -> None:
        try:
            files = self.load(path)
        except OSError as error:
            if by is None:
                raise LxcError.from_os("read the LXC configuration", path, error,
                                       "Give the path of a file on the managed host.") from error
            raise problem(by, "%s can't be read: %s" % (path, error.strerror or error),
                          "Correct the path, or take the line out.") from error
        except LxcError as error:
            raise (problem(by, "%s: %s" % (error.subject, error.detail), error.hint)
                   if by else error) from None
        except ValueError as error:  # a NUL in the path
            raise LxcError("read the LXC configuration", repr(path), detail=str(error),
                           hint="Give the path of a file on the managed host.") from error
        for name, data in files:
            self.files += 1
            if by is not None and self.files > MAX_FILES:
                raise problem(by, "more than %d files are included" % MAX_FILES,
                              "Include each file once.")
            self.text(name, data, by)

    def text(self, path: str, data: bytes, by: Setting | None = None) -> None:
        identity = os.path.realpath(path)
        if by is not None and identity in self.open:
            raise problem(by, "%s includes itself: %s" % (path, " -> ".join(
                [*self.open[self.open.index(identity):], identity])), "Take one of the lines out.")
        self.open.append(identity)
        lines = data.decode("utf-8", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")
        for number, line in enumerate(lines.split("\n"), 1):
            self.line(line.strip(" \t"), path, number)
        self.open.pop()

    def line(self, line: str, file: str, number: int) -> None:
        if not line.startswith(("lxc.", OWN + ".")):
            return
        spelled, equals, value = line.partition("=")
        setting = Setting("", strip_quotes(value.strip(" \t")), file, number,
                          spelled.rstrip(" \t"))
        if not equals:
            raise problem(setting._replace(spelled=repr(line)), "there is no '=' in it",
                          "Write it like lxc.uts.name = web1.")
        if "\0" in line or not line.isascii() and any(
                "\ud800" <= letter <= "\udfff" for letter in line):
            raise problem(setting._replace(spelled=ascii(setting.spelled)),
                          "the line has a NUL, or bytes that are no UTF-8",
                          "Write the file as UTF-8 text.")
        if setting.spelled.startswith(OWN + "."):
            self.store(setting._replace(key=setting.spelled), False)
            return
        key = self.translate(setting, setting.spelled[4:])
        if key is None:
            return
        setting = setting._replace(key=key)
        if key == "include":
            if setting.value:
                self.file(os.path.join(os.path.dirname(file), setting.value), setting)
        elif key in _CLEARED:
            if setting.value:
                raise problem(setting, "it takes no value",
                              "Write lxc.%s.NAME = VALUE, or leave the value out to clear all."
                              % key)
            self.clear(key + ".")
        else:
            self.store(setting, _is_list(key))

    def store(self, setting: Setting, is_list: bool) -> None:
        """A list grows; anything else is replaced in its place. Without a value both are cleared.

        The type of a network begins it anew, as liblxc has it; what was said of it before is lost.
        """
        key, value = setting.key, setting.value
        if key.startswith("net.") and key.endswith(".type"):
            prefix = key[:-len("type")]
            lost = [s.spelled for s in self.settings if s.key.startswith(prefix)]
            if lost and value:
                self.warnings.append("%s begins network %s anew, without what was said before: %s"
                                     % (place(setting), key.split(".")[1], ", ".join(lost)))
            self.clear(prefix)
        if not value:
            self.settings = [s for s in self.settings if s.key != key]
            return
        for number, other in enumerate(() if is_list else self.settings):
            if other.key == key:
                self.settings[number] = setting
                return
        if len(self.settings) == MAX_SETTINGS:
            raise problem(setting, "there are more than %d settings" % MAX_SETTINGS,
                          "Divide them among containers.")
        self.settings.append(setting)

    def clear(self, prefix: str) -> None:
        if prefix == "net.":
            self.network = None
        self.settings = [s for s in self.settings
                         if not s.key.startswith(prefix) or s.key == "hook.version"]

    def translate(self, setting: Setting, name: str) -> str | None:
        """Today's name of a key; None for what is obsolete.

        :raises LxcError: for one that LXC does not have
        """
        if name in _OBSOLETE:
            return None
        if name in KEYS or name == _BACKEND or name in _CLEARED:
            return name
        if name == "network":
            return "net"
        if name in LEGACY:
            return LEGACY[name]
        if name.startswith("limit."):
            name = "prlimit." + name[len("limit."):]
        family = next((f for f in FAMILIES if name.startswith(f + ".")), None)
        rest = name[len(family) + 1:] if family else ""
        if rest and (family != "namespace.share" or rest in _NAMESPACES):
            return name
        if name.startswith(("net.", "network.")):
            return self.translate_network(setting, name)
        raise problem(setting, "LXC has no such key", suggestion(name))

    def translate_network(self, setting: Setting, name: str) -> str | None:
        legacy, _dot, rest = name.partition(".")
        index, dot, key = rest.partition(".")
        indexed = index.isascii() and index.isdigit() and len(index) < 10
        if legacy == "net" and not indexed:
            raise problem(setting, "the network's number is missing",
                          "Write it like lxc.net.0.link.")
        if indexed:
            number = int(index)
            if not dot:
                if setting.value:
                    raise problem(setting, "it takes no value",
                                  "Write it like lxc.net.0.link, or leave the value out to clear "
                                  "all of this network.")
                self.clear("net.%d." % number)
                return None
        else:
            key = rest
        if legacy == "network":
            key = _LEGACY_NETWORK.get(key, key)
        if key not in NETWORK_KEYS:
            raise problem(setting, "LXC has no such key", suggestion("net.0." + key))
        if not indexed:
            if key == "type":
                if not setting.value:  # as LXC 1 and 2 did
                    self.clear("net.")
                    return None
                used = [int(s.key.split(".")[1]) for s in self.settings
                        if s.key.startswith("net.")]
                self.network = max(used) + 1 if used else 0
            if self.network is None:
                raise problem(setting, "no lxc.network.type comes before it",
                              "Begin each network with its lxc.network.type.")
            number = self.network
        return "net.%d.%s" % (number, key)


def _is_list(key: str) -> bool:
    if key.startswith("net."):
        return key.split(".", 2)[2] in NETWORK_LISTS
    return key in _LISTS or (key.startswith(("cgroup.", "cgroup2.")) and key not in KEYS)


def suggestion(name: str) -> str:
    """The remedy for an unknown key: the one that was meant, most likely."""
    import difflib  # costs 5 ms, and is needed for errors only
    known = sorted(KEYS) + sorted(LEGACY) + ["net.0." + key for key in sorted(NETWORK_KEYS)]
    close = difflib.get_close_matches(name[:100], known, 1)
    if not close:
        return "Take the line out; lxc.container.conf(5) lists what there is."
    return "Take the line out, or write lxc.%s, if that is what is meant." % close[0]
