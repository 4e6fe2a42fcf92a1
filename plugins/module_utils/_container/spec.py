# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is: options in, the whole definition as plain JSON out. No look at the host."""
from __future__ import annotations

from collections import namedtuple

from .._kernel import capabilities, device_filter
from .._kernel.errors import LxcError
from .._kernel.names import check_name
from . import cgroup_values, checks, networks, system_checks
from .checks import DIGITS as _DIGITS
from .checks import LETTERS as _LETTERS
from .checks import bad as _bad
from .checks import fill as _fill
from .checks import once as _once
from .checks import path as _path
from .checks import place as _item
from .checks import text as _string

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NamedTuple

    class Option(NamedTuple):
        """One option: how Ansible reads it, what a new definition has, how it is normalised."""

        argument: dict[str, Any]
        default: Any
        check: Callable[[Any], Any]
        change: str = "restart"
else:
    Option = namedtuple("Option", "argument default check change", defaults=("restart",))

VERSION = 1
# What it takes for a changed option to hold: a start; a start, where live.py knows no way to change
# what runs; or nothing, since it is read when it is used. No option takes a container made anew.
RESTART, LIVE, STORED = "restart", "live", "stored"

MOUNT_TYPES = ("bind", "tmpfs", "proc", "sysfs", "mqueue", "devpts")
# getrlimit(2), in lower case and without RLIMIT_.
RLIMITS = ("as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
           "nproc", "rss", "rtprio", "rttime", "sigpending", "stack")
# Those that each IPC namespace has to itself: the kernel's ipc/ipc_sysctl.c.
IPC_SYSCTLS = frozenset("kernel." + name for name in (
    "auto_msgmni", "msg_next_id", "msgmax", "msgmnb", "msgmni", "sem", "sem_next_id",
    "shm_next_id", "shm_rmid_forced", "shmall", "shmmax", "shmmni"))

_MOUNT_FLAGS = ("idmap=container", "nodev", "noexec", "nosuid", "relative", "ro")
_UNLIMITED = ("unlimited", "-1")
_MAX_ID = 65535

_MOUNT: dict[str, dict[str, Any]] = {
    "source": {"type": "str"},
    "target": {"type": "str", "required": True},
    "type": {"type": "str", "choices": list(MOUNT_TYPES), "default": "bind"},
    "read_only": {"type": "bool", "default": False},
    "options": {"type": "list", "elements": "str", "default": []},
    "create": {"type": "str", "choices": ["dir", "file"]},
    "optional": {"type": "bool", "default": False},
}


def make_definition(name: str, options: dict[str, Any],
                    stored: dict[str, Any] | None) -> dict[str, Any]:
    """The whole definition: what is given, else what is stored, else the defaults.

    A list or dict that is given replaces the stored one in full. ``idmap`` is None where a range
    is still to be allocated (not privileged), or none is wanted (privileged).

    :param options: as OPTIONS has them; None is the same as missing
    :param stored: the definition as it was, None for a new one
    :raises LxcError: naming the first option that can't be, its value and the remedy
    """
    check_name(name)
    unknown = sorted(set(options) - set(OPTIONS) - {"name"})
    if unknown:
        raise _refused(name, unknown[0], "there is no option of that name",
                       "Options are: %s." % ", ".join(OPTIONS))
    definition: dict[str, Any] = {"version": VERSION, "name": name}
    for key, option in OPTIONS.items():
        value = options.get(key)
        if key == "idmap":
            value = [value] if isinstance(value, str) else value
            value = None if value == ["auto"] else value
        if value is None and stored is not None and key in stored:
            definition[key] = stored[key]
            continue
        value = option.default if value is None else value
        try:
            definition[key] = None if value is None else option.check(value)
        except LxcError as error:
            detail = "%s: %s" % (error.subject, error.detail) if error.subject else error.detail
            raise _refused(name, key, detail, error.hint) from None
    _check_together(name, definition, options)
    return definition


def complete(definition: dict[str, Any]) -> dict[str, Any]:
    """A stored definition, with what a new one would have for options that it is older than."""
    return {**{key: None if option.default is None else option.check(option.default)
               for key, option in OPTIONS.items() if key not in definition}, **definition}


def changes(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, list[Any]]:
    """What differs, key by key: [old, new]. Everything that is set, for a new definition."""
    # One that is older than an option has what a new one would have.
    old = {key: None if before is None else before.get(key, option.default)
           for key, option in OPTIONS.items()}
    return {key: [old[key], after.get(key)] for key in OPTIONS if old[key] != after.get(key)}


def not_stored(changed: dict[str, list[Any]]) -> list[str]:
    """Of the changed keys, those that a running container does not have by itself."""
    return [key for key, (old, new) in changed.items() if OPTIONS[key].change != STORED
            and not (key == "hooks" and _hooks_of_a_run(old) == _hooks_of_a_run(new))]


def _hooks_of_a_run(hooks: dict[str, Any]) -> dict[str, Any]:
    """Without those that are looked up in the definition when their time has come."""
    return {kind: commands for kind, commands in hooks.items() if kind not in ("clone", "destroy")}


def _refused(name: str, option: str, detail: str, hint: str) -> LxcError:
    return LxcError("use as option of container %s:" % name, option, detail=detail, hint=hint)


def _check_together(name: str, definition: dict[str, Any], options: dict[str, Any]) -> None:
    """What no option can know alone."""
    if definition["rootfs"] is None:
        raise _refused(name, "rootfs", "it is missing, and there is no definition yet",
                       "Name the root file system, as made by lxc_rootfs.")
    if definition["privileged"]:
        if options.get("idmap") is not None:
            raise _refused(name, "idmap", "%r, but a privileged container has the host's own ids"
                           % (options["idmap"],), "Leave out 'idmap', or set 'privileged: false'.")
        definition["idmap"] = None
    both = sorted(set(definition["cap_add"]) & set(definition["cap_drop"]))
    if both:
        raise _refused(name, "cap_add", "%s is in cap_drop as well" % both[0],
                       "Take it from one of the two lists.")
    _check_namespaces(name, definition)
    network = [key for key in definition["sysctls"] if key.startswith("net.")]
    if network and definition["networks"] is None and "net" not in definition["namespace_clone"]:
        raise _refused(name, "sysctls", "%s would be the host's: the container shares its network"
                       % network[0], "Give the container 'networks', or set it on the host.")


def _check_namespaces(name: str, definition: dict[str, Any]) -> None:
    """A namespace is the container's own, the host's, or another's, and not two of these."""
    places = {option: set(definition[option]) for option in
              ("namespace_keep", "namespace_clone", "namespace_share")}
    for option, others in (("namespace_keep", ("namespace_clone", "namespace_share")),
                           ("namespace_share", ("namespace_clone",))):
        for other in others:
            for both in sorted(places[option] & places[other]):
                raise _refused(name, option, "%s is in %s as well" % (both, other),
                               "Take it from one of the two.")
        for namespace, owner in (("net", "networks"), ("uts", "hostname")):
            if namespace in places[option] and definition[owner] is not None:
                raise _refused(name, option, "%s would be given to what is not the container's"
                               % owner, "Leave out '%s', or take %s from '%s'."
                               % (owner, namespace, option))
    if "user" in places["namespace_clone"] and definition["privileged"]:
        raise _refused(name, "namespace_clone", "a privileged container has the host's users",
                       "Take user from the list, or write 'privileged: false'.")
    if "user" in places["namespace_share"] and definition["privileged"]:
        raise _refused(name, "namespace_share", "a privileged container has the host's users",
                       "Take user from it, or write 'privileged: false'.")
    if "time" in places["namespace_share"] and (definition["time_offset_boot"]
                                                or definition["time_offset_monotonic"]):
        raise _refused(name, "namespace_share", "the clocks would be set of what is not the "
                       "container's", "Leave out the offsets, or take time from it.")
    if name in definition["namespace_share"].values():
        raise _refused(name, "namespace_share", "it names the container itself",
                       "Name another one.")


# Strings and numbers

def _id(value: int) -> int:
    if not 0 <= value <= _MAX_ID:
        raise _bad("", "%d is out of range" % value, "Containers have ids from 0 to %d." % _MAX_ID)
    return value


def _command(words: list[str]) -> list[str] | None:
    """An empty list goes back to the default."""
    if words and not words[0]:
        raise _bad("", "%r names no program" % (words,),
                   "Give the program and each argument as items of a list.")
    return [_string(word) for word in words] or None


def _hostname(value: str) -> str | None:
    """An empty one goes back to sharing the host's."""
    if not value:
        return None
    letters = value.replace("-", "").replace(".", "")
    if not (letters.isascii() and letters.isalnum() and value[0].isalnum() and len(value) <= 64):
        raise _bad("", "%r is no host's name" % value,
                   "Use up to 64 letters, digits, '-' and '.', a letter or digit first.")
    return value


def _environment(given: dict[str, Any]) -> dict[str, str]:
    made = {}
    for key, value in given.items():
        if not key or key[0] in _DIGITS or set(key) - _LETTERS - _DIGITS:
            raise _bad("", "%r is no variable's name" % key,
                       "Use letters, digits and '_', no digit first.")
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        made[key] = _string(value, key)
    return made


# Mounts

def _mounts(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    mounts = [_mount(item, _item(index)) for index, item in enumerate(items)]
    _once([mount["target"] for mount in mounts], "target")
    return mounts


def _mount(item: dict[str, Any], what: str) -> dict[str, Any]:
    mount = _fill(item, _MOUNT, what)
    mount["target"] = _path(mount["target"], what + ", target")
    if mount["target"] == "/":
        raise _bad(what, "the target / is the root file system", "Set it with 'rootfs'.")
    bind = mount["type"] == "bind"
    if bind:
        if mount["source"] is None:
            raise _bad(what, "source is missing", "Name the host's folder or file.")
        mount["source"] = _path(mount["source"], what + ", source")
    else:
        mount["source"] = _string(mount["source"] or mount["type"], what + ", source")
        if mount["create"] == "file":
            raise _bad(what, "%s can't be mounted on a file" % mount["type"],
                       "Use 'create: dir'.")
    for option in mount["options"]:
        _check_mount_option(option, bind, what)
    _once([option.partition("=")[0] for option in mount["options"]], what + ", options")
    if "relative" in mount["options"]:
        detail, _semicolon, hint = checks.relative(
            mount["type"], mount["source"], mount["target"], mount["options"]).partition("; ")
        if detail:
            raise _bad(what, detail, hint.capitalize() + ".")
    # One fact, one spelling, so that a second run finds nothing to change.
    mount["read_only"] = bool(mount["read_only"] or "ro" in mount["options"])
    rest = [option for option in mount["options"] if option != "ro"]
    mount["options"] = sorted(rest) if bind else rest
    mount["optional"] = bool(mount["optional"])
    return mount


def _check_mount_option(option: str, bind: bool, what: str) -> None:
    if bind and option not in _MOUNT_FLAGS:
        raise _bad(what, "%r is no option of a bind mount" % option,
                   "Options are: %s." % ", ".join(_MOUNT_FLAGS))
    key, _equals, value = option.partition("=")
    if not key or set(key) - _LETTERS - _DIGITS - {"-"} \
            or any(c == "," or c.isspace() or not c.isprintable() for c in value):
        raise _bad(what, "%r is no mount option" % option,
                   "Give each as an item of its own, like size=64m.")


# Kernel values

def _devices(rules: list[str]) -> list[str]:
    made = []
    for text in rules:
        kind, major, minor, access = device_filter.parse_rule(text)
        numbers = ":".join("*" if n is None else str(n) for n in (major, minor))
        letters = "".join(letter for letter in "rwm" if letter in access)
        made.append("a" if kind == "a" else "%s %s %s" % (kind, numbers, letters))
    return _once(made)


def _kept_capabilities(names: list[str]) -> list[str] | None:
    """"default" goes back to those that every container has; an empty list keeps none."""
    return None if names == ["default"] else _capabilities(names)


def _capabilities(names: list[str]) -> list[str]:
    return sorted({capabilities.NAMES[capabilities.number(name)] for name in names})


def _rlimits(given: dict[str, Any]) -> dict[str, list[int]]:
    made: dict[str, list[int]] = {}
    for key, value in given.items():
        name = key.lower()
        name = name[7:] if name.startswith("rlimit_") else name
        if name not in RLIMITS:
            raise _bad("", "%r is no resource" % key, "Resources are: %s." % ", ".join(RLIMITS))
        if name in made:
            raise _bad("", "%s is given twice" % name, "Give it once.")
        words = [] if isinstance(value, bool) else str(value).strip().split(":")
        numbers = [_rlimit(word) for word in words]
        if not 1 <= len(numbers) <= 2 or None in numbers:
            raise _bad(name, "%r is no limit" % (value,),
                       'Write "1024", "1024:2048" (soft and hard) or "unlimited", in quotes.')
        soft, hard = (n for n in (numbers[0], numbers[-1]) if n is not None)
        if hard != -1 and (soft == -1 or soft > hard):
            raise _bad(name, "the soft limit of %r is above the hard one" % (value,),
                       "Write the soft limit first.")
        made[name] = [soft, hard]
    return made


def _rlimit(word: str) -> int | None:
    """-1 for unlimited, None for what is no limit."""
    if word in _UNLIMITED:
        return -1
    if word and not set(word) - _DIGITS and int(word) < 1 << 63:
        return int(word)
    return None


def _sysctls(given: dict[str, Any]) -> dict[str, str]:
    made = {}
    for name, value in given.items():
        # A dot becomes a slash under /proc/sys, so no part may be empty or hold one itself.
        if any(not part or set(part) - _LETTERS - _DIGITS - {"-"} for part in name.split(".")):
            raise _bad("", "%r is no sysctl's name" % name, "Write it like net.ipv4.ip_forward.")
        if name == "kernel.hostname":
            raise _bad(name, "it has an option of its own", "Use 'hostname'.")
        if not name.startswith(("net.", "fs.mqueue.")) and name not in IPC_SYSCTLS:
            raise _bad(name, "it is the whole host's, not the container's",
                       "Set it on the host. Containers have their own net.*, fs.mqueue.*, "
                       "kernel.shm*, kernel.msg* and kernel.sem.")
        made[name] = cgroup_values.one_line(name, value)
    return made


def _list_of(elements: str, **more: Any) -> dict[str, Any]:
    return {"type": "list", "elements": elements, **more}


# Every option once: the argument spec, the defaults, the checks and the comparison come from here.
# Ansible gets no defaults, since what is left out keeps what is stored.
OPTIONS: dict[str, Option] = {
    "rootfs": Option({"type": "str"}, None, _path),
    "command": Option(_list_of("str"), None, _command),
    "environment": Option({"type": "dict"}, {}, _environment),
    "cwd": Option({"type": "str"}, "/", _path),
    "uid": Option({"type": "int"}, 0, _id),
    "gid": Option({"type": "int"}, 0, _id),
    "hostname": Option({"type": "str"}, None, _hostname, LIVE),
    "networks": Option(_list_of("dict", options=networks.NETWORK), None, networks.check, LIVE),
    "mounts": Option(_list_of("dict", options=_MOUNT), [], _mounts, LIVE),
    "cgroup": Option({"type": "dict"}, {}, cgroup_values.check, LIVE),
    "devices": Option(_list_of("str"), [], _devices, LIVE),
    "cap_keep": Option(_list_of("str"), None, _kept_capabilities),
    "cap_add": Option(_list_of("str"), [], _capabilities),
    "cap_drop": Option(_list_of("str"), [], _capabilities),
    "no_new_privs": Option({"type": "bool"}, False, bool),
    "seccomp": Option({"type": "str"}, "default", system_checks.seccomp),
    "rlimits": Option({"type": "dict"}, {}, _rlimits, LIVE),
    "sysctls": Option({"type": "dict"}, {}, _sysctls, LIVE),
    "privileged": Option({"type": "bool"}, False, bool),
    "idmap": Option(_list_of("str"), None, system_checks.idmap),
    "halt_signal": Option({"type": "str"}, None, checks.signal_name, STORED),
    "reboot_signal": Option({"type": "str"}, None, checks.signal_name, STORED),
    "stop_signal": Option({"type": "str"}, None, checks.signal_name, STORED),
    "init": Option({"type": "bool"}, False, bool),
    "init_groups": Option(_list_of("int"), [], system_checks.init_groups),
    "mount_auto": Option(_list_of("str"), None, system_checks.mount_auto),
    "mount_fstab": Option({"type": "str"}, None, checks.or_none(_path)),
    "rootfs_options": Option(_list_of("str"), [], system_checks.rootfs_options),
    "autodev": Option({"type": "bool"}, True, bool),
    "nesting": Option({"type": "bool"}, False, bool),
    "tty_max": Option({"type": "int"}, 0, checks.number(0, 63, "Terminals are from 0 to 63.")),
    "tty_dir": Option({"type": "str"}, None, system_checks.tty_dir),
    "pty_max": Option({"type": "int"}, 1024, checks.number(
        1, 1 << 20, "Pseudo terminals are from 1 to 1048576.")),
    "console_path": Option({"type": "str"}, None, system_checks.console_path),
    "console_logfile": Option({"type": "str"}, None, checks.or_none(_path)),
    "log_file": Option({"type": "str"}, None, checks.or_none(_path)),
    "log_level": Option({"type": "str"}, None, system_checks.log_level),
    "log_syslog": Option({"type": "str"}, None, system_checks.log_syslog),
    "namespace_keep": Option(_list_of("str"), [], system_checks.namespaces(
        system_checks.KEPT, "For the host's users write 'privileged: true'.")),
    "namespace_clone": Option(_list_of("str"), [], system_checks.namespaces(
        system_checks.CLONED, "These are the kernel's namespaces(7).")),
    "namespace_share": Option({"type": "dict"}, {}, system_checks.namespace_share),
    "hooks": Option({"type": "dict"}, {}, system_checks.hooks),
    "hook_version": Option({"type": "int", "choices": [0, 1]}, 0, checks.number(
        0, 1, "Versions are 0 and 1.")),
    "arch": Option({"type": "str"}, None, system_checks.arch),
    "apparmor_profile": Option({"type": "str"}, None, checks.or_none(_string)),
    "selinux_context": Option({"type": "str"}, None, checks.or_none(_string)),
    "keyring_session": Option({"type": "bool"}, True, bool),
    "time_offset_boot": Option({"type": "str"}, None, system_checks.time_offset),
    "time_offset_monotonic": Option({"type": "str"}, None, system_checks.time_offset),
    "start_auto": Option({"type": "bool"}, False, bool, STORED),
    "start_delay": Option({"type": "int"}, 0, checks.number(
        0, 86400, "It is a number of seconds, up to a day."), STORED),
    "start_order": Option({"type": "int"}, 0, checks.number(
        -(1 << 31), (1 << 31) - 1, "It is a number of 32 bits."), STORED),
    "group": Option(_list_of("str"), [], system_checks.groups, STORED),
}
