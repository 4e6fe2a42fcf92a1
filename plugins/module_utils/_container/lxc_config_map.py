# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC's keys and this collection's options: one table, read in both directions.

An LXC file says what a container has beside the defaults of this collection, not beside LXC's:
without lxc.idmap a container has ids of its own, without lxc.cap.keep the default capabilities.
"""
from __future__ import annotations

import json
from collections import namedtuple

from .._kernel.capabilities import NAMES
from . import lxc_config_devices as devices
from . import lxc_config_mounts as mounts
from . import lxc_config_networks as networks
from . import lxc_config_parse as parse
from .lxc_config_parse import OWN, place, problem
from .lxc_config_values import (
    Reading,
    check,
    fields,
    join_words,
    split_words,
    switch,
    whole_number,
)
from .spec import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    from .lxc_config_parse import Configuration, Setting
    from .lxc_config_values import Lines

    class Row(NamedTuple):
        """Some keys and the options that they make. A key that ends in * is a family."""

        keys: tuple[str, ...]
        options: tuple[str, ...]
        read: Callable[[list[Setting], Reading], dict[str, Any]]
        write: Callable[[dict[str, Any]], Lines]
else:
    Row = namedtuple("Row", "keys options read write")

# Options that LXC has no key for. Any other option is written in the same way where LXC's key
# can't say it: a command with both kinds of quotes, a line break in a variable.
OWN_OPTIONS = {
    "cap_add": "LXC has no default capabilities to add to",
    "nesting": "LXC has a file to include, whose mounts are the same",
    "privileged": "it is what LXC does without lxc.idmap, and too much to be said by silence",
}
# v1's name of a value, v2's.
_COUNTERPARTS = {
    "cpu.shares": "cpu.weight", "cpu.cfs_quota_us": "cpu.max", "cpu.cfs_period_us": "cpu.max",
    "memory.limit_in_bytes": "memory.max", "memory.memsw.limit_in_bytes": "memory.swap.max",
    "memory.soft_limit_in_bytes": "memory.low", "blkio.weight": "io.weight",
}
_V1_NAMES = frozenset((
    "memory.swappiness", "memory.oom_control", "memory.use_hierarchy",
    "memory.move_charge_at_immigrate", "cpu.cfs_burst_us", "cpu.rt_period_us",
    "cpu.rt_runtime_us", "cpuset.cpu_exclusive", "cpuset.mem_exclusive", "cpuset.mem_hardwall",
    "cpuset.memory_migrate", "cpuset.memory_spread_page", "cpuset.memory_spread_slab",
    "cpuset.sched_load_balance", "cpuset.sched_relax_domain_level", *_COUNTERPARTS))
_BOTH_NAMES = ("pids.max", "cpuset.cpus", "cpuset.mems")


def to_options(configuration: Configuration, name: str,
               rootfs: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """The options that the settings make, as lxc_container takes them, and warnings.

    :param name: of the container; what LXC would choose at random comes from it
    :param rootfs: where the task names one in place of the file's
    :raises LxcError: for a key that has no option, or a value that can't be; never drops one
    """
    roots = [s.value.partition(":")[2] if ":" in s.value else s.value
             for s in configuration.settings if s.key in ("rootfs.path", "rootfs.mount")]
    reading = Reading(name, roots + ([rootfs] if rootfs else []), list(configuration.warnings))
    found: dict[int, list[Setting]] = {}
    options: dict[str, Any] = {}
    for setting in configuration.settings:
        if setting.key.startswith(OWN + "."):
            options.update(_read_own(setting))
        else:
            found.setdefault(_row(setting), []).append(setting)
    for number, settings in found.items():
        made = ROWS[number].read(settings, reading)
        for option, value in made.items():
            check(option, value, settings[-1])
            options.setdefault(option, value)
    return options, reading.warnings


def _row(setting: Setting) -> int:
    key = setting.key
    number = _EXACT.get(key)
    if number is None and key not in parse.KEYS:
        number = next((n for family, n in _FAMILIES.items() if key.startswith(family)), None)
    if number is None:
        raise problem(setting, "it is not supported", UNSUPPORTED.get(
            key, "Take the line out; the container is then as without it."))
    return number


def _read_own(setting: Setting) -> dict[str, Any]:
    option = setting.key[len(OWN) + 1:]
    if option not in OPTIONS:
        raise problem(setting, "there is no option of that name",
                      "Take the line out. Options are: %s." % ", ".join(OPTIONS))
    try:
        value = json.loads(setting.value)
    except (ValueError, RecursionError):
        raise problem(setting, "the value is no JSON",
                      'Write it like %s.cap_add = ["net_admin"].' % OWN) from None
    if not fits(value, OPTIONS[option].argument):
        raise problem(setting, "the value is no %s" % OPTIONS[option].argument["type"],
                      "See the option %s of lxc_container." % option)
    check(option, value, setting)
    return {option: value}


def fits(value: Any, argument: dict[str, Any]) -> bool:
    """Whether a value is what an argument spec asks for, where no Ansible has looked at it."""
    kinds: dict[str, type] = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
    kind = kinds[argument["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return False
    if isinstance(value, list):
        element = {"type": argument["elements"], "options": argument.get("options")}
        return all(fits(item, element) for item in value)
    if isinstance(value, dict) and argument.get("options"):
        return all(key in argument["options"] and (
            item is None or fits(item, argument["options"][key])) for key, item in value.items())
    return True


def is_default(option: str, definition: dict[str, Any]) -> bool:
    """Whether nothing has to be said of an option."""
    return bool(definition.get(option) == OPTIONS[option].default)


# Readers and writers of one key that is one option

def _words(text: str) -> list[str]:
    return fields(text.replace(",", " "))


def _one(key: str, option: str, read: Callable[[Setting], Any],
         write: Callable[[Any], str]) -> Row:
    def reader(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
        return {option: read(settings[-1])}

    def writer(definition: dict[str, Any]) -> Lines:
        value = definition.get(option)
        return [] if value is None else [(key, write(value))]
    return Row((key,), (option,), reader, writer)


def _text(key: str, option: str) -> Row:
    return _one(key, option, lambda setting: setting.value, str)


def _number(key: str, option: str) -> Row:
    return _one(key, option, whole_number, str)


def _switch(key: str, option: str) -> Row:
    return _one(key, option, switch, lambda value: str(int(value)))


def _signal(setting: Setting) -> str:
    return str(whole_number(setting)) if setting.value[0].isdigit() else setting.value


def _list(key: str, option: str, separator: str = " ") -> Row:
    def reader(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
        found: list[str] = []
        for setting in settings:
            words = [word for word in _words(setting.value) if word not in found]
            check(option, words, setting)
            found += words
        return {option: found}
    return Row((key,), (option,), reader,
               lambda definition: [(key, separator.join(definition[option]))])


def _family(prefix: str, option: str, write: Callable[[Any], str]) -> Row:
    """lxc.PREFIX.NAME = VALUE for each item of a dictionary."""
    def reader(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
        made = {}
        for setting in settings:
            name = setting.key[len(prefix) + 1:]
            check(option, {name: setting.value}, setting)
            made[name] = setting.value
        return {option: made}
    return Row((prefix + ".*",), (option,), reader, lambda definition: [
        ("%s.%s" % (prefix, name), write(value)) for name, value in definition[option].items()])


# Those with something of their own

def _read_rootfs(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    """rootfs.mount is where LXC assembles the tree; here no process ever sees that place."""
    for setting in settings:
        if setting.key == "rootfs.path":
            kind, colon, path = setting.value.partition(":")
            if colon and kind != "dir":
                raise problem(setting, "root file systems of type %r are not supported" % kind,
                              "Make a folder of it with lxc_rootfs, and name that.")
            path = path if colon else setting.value
            check("rootfs", path, setting)
            return {"rootfs": path}
    return {}


def _read_rootfs_options(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    """An idmapped mount is what every unprivileged container has anyway."""
    return {"rootfs_options": [word for word in _words(settings[-1].value)
                               if word not in ("idmap=container", "rw", "defaults")]}


def _read_command(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    keys = [setting.key for setting in settings]
    if len(set(keys)) > 1:
        raise problem(settings[-1], "the file has lxc.init.cmd as well",
                      "Keep one of the two: a container has one command.")
    words = split_words(settings[-1].value)
    if words is None:
        raise problem(settings[-1], "a quote is not closed", "Close it.")
    return {"command": words, "init": keys[-1] == "execute.cmd"}


def _write_command(definition: dict[str, Any]) -> Lines:
    key = "execute.cmd" if definition["init"] else "init.cmd"
    return [(key, join_words(definition["command"] or []))]


def _read_environment(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    made = {}
    for setting in settings:
        name, equals, value = setting.value.partition("=")
        if not equals:
            raise problem(setting, "%s has no value, and the host's is not handed in" % name,
                          "Write it like lxc.environment = LANG=C.UTF-8.")
        check("environment", {name: value}, setting)
        made[name] = value
    return {"environment": made}


def _read_groups(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    """With commas alone between them: blanks may only be before a number."""
    return {"init_groups": [whole_number(setting._replace(value=word.lstrip()))
                            for setting in settings for word in setting.value.split(",") if word]}


def _read_mount_auto(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    """The last word about each of proc, sys and cgroup counts. proc and sys alone are mixed."""
    made: dict[str, str] = {}
    for setting in settings:
        for word in _words(setting.value):
            word = word + ":mixed" if word in ("proc", "sys") else word
            check("mount_auto", [word], setting)
            made[word.partition(":")[0]] = word
    return {"mount_auto": list(made.values())}


def _capabilities(key: str, option: str) -> Row:
    def reader(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
        found: list[str] = []
        for setting in settings:
            words = setting.value.split()
            if key == "cap.keep" and "none" in words:
                found, words = [], words[words.index("none") + 1:]
            words = [NAMES[int(w)] if w.isascii() and w.isdigit() and len(w) < 4
                     and int(w) < len(NAMES) else w for w in words]
            check(option, words, setting)
            found += words
        return {option: found}
    return Row((key,), (option,), reader, lambda definition: [
        (key, " ".join(definition[option]) or "none")])


def _read_hooks(settings: list[Setting], _reading: Reading) -> dict[str, Any]:
    made: dict[str, list[str]] = {}
    for setting in settings:
        name = setting.key[len("hook."):]
        check("hooks", {name: [setting.value]}, setting)
        made.setdefault(name, []).append(setting.value)
    return {"hooks": made}


def _read_apparmor(settings: list[Setting], reading: Reading) -> dict[str, Any]:
    """What LXC would generate is no profile that the host has."""
    if settings[-1].value != "generated":
        return {"apparmor_profile": settings[-1].value}
    reading.warnings.append("%s = generated makes no profile here. Without the line, or with a "
                            "profile that the host has, this is not said" % place(settings[-1]))
    return {}


def _nothing(keys: tuple[str, ...], why: str = "",
             read: Callable[[Setting], Any] = str) -> Row:
    """Keys that say nothing about a container, with a warning where that has to be known."""
    def reader(settings: list[Setting], reading: Reading) -> dict[str, Any]:
        for setting in settings:
            read(setting)
            if why:
                reading.warnings.append("%s %s" % (place(setting), why))
        return {}
    return Row(keys, (), reader, lambda _definition: [])


def _read_cgroup(settings: list[Setting], reading: Reading) -> dict[str, Any]:
    """cgroup.* and cgroup2.*. Where both say the same value, v2's is kept; v1 is told from it."""
    old: dict[str, Setting] = {}
    new: dict[str, Setting] = {}
    for setting in settings:
        version, _dot, name = setting.key.partition(".")
        check("cgroup", {name: setting.value}, setting)
        (new if version == "cgroup2" else old)[name] = setting
    made = {}
    for name, setting in old.items():
        other = new.get(name) or new.get(_COUNTERPARTS.get(name, name))
        if other is None:
            made[name] = setting.value
        elif other.value != setting.value:
            reading.warnings.append("%s gives way to %s, which is translated on hosts with v1"
                                    % (place(setting), place(other)))
    made.update({name: setting.value for name, setting in new.items()})
    return {"cgroup": made}


def _write_cgroup(definition: dict[str, Any]) -> Lines:
    lines = []
    for name, value in definition["cgroup"].items():
        old = name in _V1_NAMES or name.startswith(("blkio.", "cpuacct.", "net_"))
        if old or name in _BOTH_NAMES:
            lines.append(("cgroup." + name, value))
        if not old:
            lines.append(("cgroup2." + name, value))
    return lines


def _write_idmap(definition: dict[str, Any]) -> Lines:
    idmap = definition["idmap"]
    if not idmap:
        return []
    one = [[0, idmap["first"], idmap["size"]]]
    return [("idmap", "%s %d %d %d" % (letter, *entry)) for letter, kind in (
        ("u", "uid"), ("g", "gid")) for entry in idmap.get(kind) or one]


def _limit(pair: list[int]) -> str:
    soft, hard = ("unlimited" if n == -1 else str(n) for n in pair)
    return soft if soft == hard else "%s:%s" % (soft, hard)


def _limits(row: Row) -> Row:
    """LXC takes "1024 : 2048" as well."""
    return row._replace(read=lambda settings, reading: row.read([s._replace(value=":".join(
        part.strip() for part in s.value.split(":"))) for s in settings], reading))


# In the order in which they are written.
ROWS: tuple[Row, ...] = (
    Row(("rootfs.path", "rootfs.mount"), ("rootfs",), _read_rootfs,
        lambda definition: [("rootfs.path", "dir:" + definition["rootfs"])]),
    Row(("rootfs.options",), ("rootfs_options",), _read_rootfs_options,
        lambda definition: [("rootfs.options", ",".join(definition["rootfs_options"]))]),
    _text("uts.name", "hostname"),
    _text("arch", "arch"),
    Row(("init.cmd", "execute.cmd"), ("command", "init"), _read_command, _write_command),
    _text("init.cwd", "cwd"),
    _number("init.uid", "uid"),
    _number("init.gid", "gid"),
    Row(("init.groups",), ("init_groups",), _read_groups, lambda definition: [
        ("init.groups", ",".join(map(str, definition["init_groups"])))]),
    Row(("environment",), ("environment",), _read_environment, lambda definition: [
        ("environment", "%s=%s" % item) for item in definition["environment"].items()]),
    Row(("net.*",), ("networks",), networks.read, networks.write),
    Row(("mount.auto",), ("mount_auto",), _read_mount_auto, lambda definition: [
        ("mount.auto", " ".join(definition["mount_auto"]))]),
    _text("mount.fstab", "mount_fstab"),
    Row(("mount.entry",), ("mounts",), mounts.read, mounts.write),
    _switch("autodev", "autodev"),
    _number("tty.max", "tty_max"),
    _text("tty.dir", "tty_dir"),
    _number("pty.max", "pty_max"),
    _text("console.path", "console_path"),
    _text("console.logfile", "console_logfile"),
    Row(("cgroup.*", "cgroup2.*"), ("cgroup",), _read_cgroup, _write_cgroup),
    Row(devices.KEYS, ("devices",), devices.read, devices.write),
    _capabilities("cap.keep", "cap_keep"),
    _capabilities("cap.drop", "cap_drop"),
    _switch("no_new_privs", "no_new_privs"),
    _text("seccomp.profile", "seccomp"),
    Row(("apparmor.profile",), ("apparmor_profile",), _read_apparmor, lambda definition: [
        ("apparmor.profile", definition["apparmor_profile"])]),
    # About what LXC generates; and about features of a kernel, which are not asked for here.
    _nothing(("apparmor.allow_incomplete", "apparmor.allow_nesting"), read=switch),
    _text("selinux.context", "selinux_context"),
    _switch("keyring.session", "keyring_session"),
    _limits(_family("prlimit", "rlimits", _limit)),
    _family("sysctl", "sysctls", str),
    Row(("idmap",), ("idmap",), lambda settings, _reading: {
        "idmap": [setting.value for setting in settings]}, _write_idmap),
    _list("namespace.keep", "namespace_keep"),
    _list("namespace.clone", "namespace_clone"),
    _family("namespace.share", "namespace_share", str),
    _text("time.offset.boot", "time_offset_boot"),
    _text("time.offset.monotonic", "time_offset_monotonic"),
    Row(tuple("hook." + name for name in parse.HOOKS), ("hooks",), _read_hooks,
        lambda definition: [("hook." + name, command) for name, commands in
                            definition["hooks"].items() for command in commands]),
    _number("hook.version", "hook_version"),
    _one("signal.halt", "halt_signal", _signal, str),
    _one("signal.reboot", "reboot_signal", _signal, str),
    _one("signal.stop", "stop_signal", _signal, str),
    _switch("start.auto", "start_auto"),
    _number("start.delay", "start_delay"),
    _number("start.order", "start_order"),
    _list("group", "group"),
    _text("log.file", "log_file"),
    _text("log.level", "log_level"),
    _text("log.syslog", "log_syslog"),
)
# A row counts once all of its options are there.
_USED = [(number, row) for number, row in enumerate(ROWS) if set(row.options) <= set(OPTIONS)]
_EXACT = {key: number for number, row in _USED for key in row.keys if not key.endswith("*")}
_FAMILIES = {key[:-1]: number for number, row in _USED for key in row.keys if key.endswith("*")}
# What to do in place of some keys that LXC has.
UNSUPPORTED = {
    **dict.fromkeys(("cgroup.dir", "cgroup.dir.container", "cgroup.dir.container.inner",
                     "cgroup.dir.monitor", "cgroup.dir.monitor.pivot", "cgroup.relative"),
                    "Take the line out: control groups are named fleet-lxc/NAME."),
    **dict.fromkeys(("environment.runtime", "environment.hooks"), "Use lxc.environment."),
    "autodev.tmpfs.size": "Take the line out: /dev has 512 KiB, for nodes and links.",
    "console.buffer.size": "Use lxc.console.logfile; console.log is kept anyway.",
    "ephemeral": "Remove the container with state 'absent'.",
    "rootfs.managed": "Take the line out: a root file system is never removed unless it is the "
                      "container's own.",
}
