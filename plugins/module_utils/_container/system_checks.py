# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of the options that lxc.container.conf(5) has for whole systems and for experts.

Kernel file systems, terminals, namespaces, hooks, ids, clocks; each named after its LXC key.
"""
from __future__ import annotations

from .._kernel import idmaps
from .checks import DIGITS, bad, once, path, text
from .clocks import UNITS, offset_ns
from .container_log import FACILITIES, LEVELS

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

# lxc.mount.auto. What the whole cgroup tree of the host would show is nobody's business inside.
AUTO_MODES = {"proc": ("mixed", "rw"), "sys": ("mixed", "ro", "rw"),
              "cgroup": ("mixed", "ro", "rw")}
SHARED = ("net", "ipc", "uts", "pid", "user", "time")  # lxc.namespace.share.*
KEPT = ("net", "ipc", "uts", "cgroup", "pid")  # lxc.namespace.keep
CLONED = ("net", "ipc", "uts", "cgroup", "pid", "mnt", "user", "time")  # lxc.namespace.clone
_NOT_SHARED = {
    "mnt": "mnt can't be shared, since each container has a root file system of its own; a start by"
           " LXC fails. The same folders in both are 'mounts'",
    "cgroup": "cgroup can't be shared, since each container has control groups of its own; LXC"
              " takes it and shares none",
}
# In the order in which they run.
HOOKS = ("pre-start", "pre-mount", "mount", "autodev", "start-host", "start", "stop", "post-stop",
         "clone", "destroy")
# personality(2): PER_LINUX or PER_LINUX32, by the names that lxc.arch takes.
ARCHITECTURES = {
    "x86_64": ("x86_64", "x86-64", "amd64"), "i686": ("i686", "x86", "i386", "i486", "i586"),
    "aarch64": ("aarch64", "arm64"),
    "armhf": ("armhf", "arm", "armel", "armv7l", "armv6l", "armv7", "armv8l"),
}
ROOTFS_OPTIONS = ("nodev", "noexec", "nosuid", "ro")
_MAX_ID = 65535


def mount_auto(items: list[str]) -> list[str]:
    """One item for each of proc, sys and cgroup, with its mode written out.

    ``force`` says nothing here: control groups are always mounted in their own namespace.
    """
    made = []
    for item in items:
        name, _colon, rest = item.partition(":")
        words = [word for word in rest.split(":") if word]
        if name == "cgroup" and words and words[-1] == "force":
            words.pop()
        modes = AUTO_MODES.get(name)
        if modes is None or len(words) > 1 or (words and words[0] not in modes):
            raise bad("", "%r can't be mounted" % item, "Choose from %s." % ", ".join(
                "%s:%s" % (n, mode) for n, all_modes in AUTO_MODES.items() for mode in all_modes))
        # Without a mode LXC's man page has rw for proc and sys, mixed for cgroup.
        made.append((name, words[0] if words else "mixed" if name == "cgroup" else "rw"))
    once([name for name, _mode in made])
    return ["%s:%s" % pair for pair in sorted(made)]


def tty_dir(value: str) -> str | None:
    """A folder below /dev. An empty one goes back to /dev itself."""
    name = value.strip("/")
    if not name:
        return None
    if "/" in name or name in (".", "..") or not name.isprintable() or name in ("pts", "shm"):
        raise bad("", "%r is no folder for terminals" % value, "Give one name, like lxc.")
    return name


def console_path(value: str) -> str | None:
    """none, or a device or file of the host. An empty one goes back to neither."""
    return value if value == "none" else path(value) if value else None


def log_level(value: str) -> str | None:
    """A name, or LXC's number of it. An empty one goes back to none."""
    word = value.lower()
    if word.isascii() and word.isdigit() and int(word) < len(LEVELS):
        word = LEVELS[int(word)]
    word = {"warning": "warn", "emerg": "fatal"}.get(word, word)
    if word and word not in LEVELS:
        raise bad("", "%r is no level" % value, "Choose one of %s." % ", ".join(LEVELS))
    return word or None


def log_syslog(value: str) -> str | None:
    """The name of a facility of syslog(3). An empty one goes back to none."""
    if value and value not in FACILITIES:
        raise bad("", "%r is no facility of syslog" % value,
                  "Choose one of %s." % ", ".join(filter(None, FACILITIES)))
    return value or None


def namespaces(allowed: tuple[str, ...], remedy: str) -> Any:
    def check(names: list[str]) -> list[str]:
        for name in names:
            if name not in allowed:
                raise bad("", "%r is none of %s" % (name, ", ".join(allowed)), remedy)
        return sorted(once(names))
    return check


def namespace_share(given: dict[str, Any]) -> dict[str, str]:
    """Namespace -> the name of a container, a process id, or the path of a namespace file."""
    made = {}
    for key, value in given.items():
        if key not in SHARED:
            raise bad("", _NOT_SHARED.get(key, "there is no namespace %r" % key),
                      "Choose from %s." % ", ".join(SHARED))
        found = text(str(value), key)
        if not found or isinstance(value, bool):
            raise bad(key, "%r names nothing" % (value,),
                      "Name a container, a process id, or a file like /proc/1/ns/net.")
        made[key] = path(found, key) if found.startswith("/") else found
    return made


def hooks(given: dict[str, Any]) -> dict[str, list[str]]:
    """Hook -> commands, in the order in which they run."""
    for key in given:
        if key not in HOOKS:
            raise bad("", "there is no hook %r" % key, "Hooks are: %s." % ", ".join(HOOKS))
    made = {}
    for key in HOOKS:
        value = given.get(key)
        commands = [value] if isinstance(value, str) else list(value or [])
        for command in commands:
            if not text(command, key).strip() or "\n" in command:
                raise bad(key, "%r is no command" % command,
                          "Give a program of the host with its arguments, on one line.")
        if commands:
            made[key] = [command.strip() for command in commands]
    return made


def arch(value: str) -> str | None:
    """uname(1)'s name of it. An empty one goes back to the host's."""
    if not value:
        return None
    for name, spellings in ARCHITECTURES.items():
        if value in spellings:
            return name
    raise bad("", "%r is no architecture" % value,
              "Choose one of %s." % ", ".join(ARCHITECTURES))


def rootfs_options(items: list[str]) -> list[str]:
    for item in items:
        if item not in ROOTFS_OPTIONS:
            raise bad("", "%r is no option of a root file system" % item,
                      "Options are: %s." % ", ".join(ROOTFS_OPTIONS))
    return sorted(once(items))


def time_offset(value: str) -> str | None:
    """A number with h, m, s, ms, us or ns, in the largest unit that holds it whole."""
    if value.strip() in ("", "0"):
        return None
    try:
        nanoseconds = offset_ns(value)
    except ValueError:
        raise bad("", "%r is no offset" % value,
                  "Write it like 10h, -300s or 1500ms, in quotes.") from None
    unit, size = next(pair for pair in UNITS if nanoseconds % pair[1] == 0)
    return "%d%s" % (nanoseconds // size, unit) if nanoseconds else None


def groups(names: list[str]) -> list[str]:
    for name in names:
        if not name or set(name) & set(", \t\n\0"):
            raise bad("", "%r is no group's name" % name, "Use a word without spaces and commas.")
    return sorted(set(names))


def init_groups(ids: list[int]) -> list[int]:
    for number in ids:
        if not 0 <= number <= _MAX_ID:
            raise bad("", "%d is out of range" % number,
                      "Containers have ids from 0 to %d." % _MAX_ID)
    return sorted(set(ids))


def seccomp(value: str) -> str:
    """The name of a profile of ours, or the path of a file in LXC's format."""
    if value in ("default", "unconfined"):
        return value
    if not value.startswith("/"):
        raise bad("", "%r is no profile" % value,
                  "Choose default or unconfined, or name a file in LXC's format, from / on.")
    return path(value)


def idmap(items: list[str]) -> dict[str, Any]:
    """The ranges, one "FIRST[:SIZE]" or several as lxc.idmap has them: "u 0 1073741824 65536".

    :returns: first and size; with several ranges also uid and gid: [inside, outside, count] each
    """
    if len(items) == 1 and " " not in str(items[0]).strip():
        return _one_range(str(items[0]))
    found: dict[str, list[list[int]]] = {"uid": [], "gid": []}
    for item in items:
        words = str(item).split()
        kinds = {"u": ("uid",), "g": ("gid",), "b": ("uid", "gid")}.get(words[0] if words else "")
        if kinds is None or len(words) != 4 or any(set(word) - DIGITS for word in words[1:]):
            raise bad("", "%r is no range of ids" % item,
                      'Write "u INSIDE OUTSIDE COUNT", u for users, g for groups, b for both.')
        for kind in kinds:
            found[kind].append([int(word) for word in words[1:]])
    for kind, ranges in found.items():
        ranges.sort()
        _check_ranges(kind, ranges)
    if found["uid"] == found["gid"] and len(found["uid"]) == 1:
        inside, outside, count = found["uid"][0]
        return _one_range("%d:%d" % (outside, count))
    return {"first": idmaps.outside(found["uid"], 0), "size": idmaps.SIZE, **found}


def _check_ranges(kind: str, ranges: list[list[int]]) -> None:
    """What the kernel would refuse (user_namespaces(7)), and what would give the host away."""
    for inside, outside, count in ranges:
        shown = "%d %d %d" % (inside, outside, count)
        if not count or max(inside, outside) + count > 0xFFFFFFFF:
            raise bad(kind, "%s is empty or goes past the last id" % shown,
                      "Ids end at 4294967294.")
        if outside == 0:
            raise bad(kind, "%s maps the host's root" % shown,
                      "Map another id of the host's, or write 'privileged: true'.")
    for place in (0, 1):
        ordered = sorted(ranges, key=lambda entry: entry[place])
        for before, after in zip(ordered, ordered[1:]):
            if before[place] + before[2] > after[place]:
                raise bad(kind, "%s and %s overlap" % (
                    " ".join(map(str, before)), " ".join(map(str, after))), "Take them apart.")
    if idmaps.outside(ranges, 0) is None:
        raise bad(kind, "nobody is root inside", "Map id 0 as well.")
    if len(ranges) > 340:
        raise bad(kind, "there are %d ranges" % len(ranges), "The kernel takes 340.")


def _one_range(value: str) -> dict[str, Any]:
    first, colon, size = value.strip().partition(":")
    numbers = (first, size if colon else str(idmaps.SIZE))
    if any(not n or set(n) - DIGITS for n in numbers):
        raise bad("", "%r is no range of ids" % value,
                  'Write "auto", "FIRST" or "FIRST:SIZE", like "1073741824:65536".')
    start, count = int(numbers[0]), int(numbers[1])
    if start <= _MAX_ID:
        raise bad("", "%d is an id of the host's own accounts" % start,
                  "Begin at %d or above." % (_MAX_ID + 1))
    if count <= _MAX_ID:
        raise bad("", "%d ids are too few" % count,
                  "A root file system has owners from 0 to %d." % _MAX_ID)
    if start + count > 0xFFFFFFFF:  # the last one is (uid_t)-1, which is nobody's
        raise bad("", "%r goes past the last id, 4294967294" % value, "Begin lower.")
    return {"first": start, "size": count}
