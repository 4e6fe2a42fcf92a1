# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test may leave on the host: nothing. Everything of it that can be listed, as text lines.

Set FLEET_LXC_SHARED=1 on a machine where others start containers at the same time; what is left
is then said, but no failure.
"""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import time
import typing as t

FOLDERS = ("/var/lib/fleet-lxc", "/run/fleet-lxc")
# A host keeps these between two containers: the runtime's copy, and the stream of events.
KEPT = ("/var/lib/fleet-lxc/runtime", "/run/fleet-lxc/events", "/run/fleet-lxc/events.1")
MARKER = "FLEET_LXC_TEST_RUN"
ISOLATED = "isolated-"  # control groups of tests/isolated, where somebody else looks
SYSCTLS = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


def mark() -> None:
    """Make the processes that start from here on recognisable, also when they are detached."""
    os.environ[MARKER] = "%d-%d" % (os.getpid(), time.time_ns())


def snapshot() -> set[str]:
    """What there is now. 5 ms on a quiet host."""
    found = {"link " + name for name in os.listdir("/sys/class/net")}
    mounts = [line.split() for line in _read("/proc/self/mountinfo").splitlines()]
    # systemd mounts the latter for its own services, whenever one of them runs.
    found |= {"mount %s (%s)" % (m[4], m[m.index("-") + 1]) for m in mounts
              if not m[4].startswith("/run/credentials/")}
    for mount in mounts:
        if m_type(mount) in ("cgroup", "cgroup2"):
            found |= set(_cgroups(mount[4]))
    found |= set(_processes())
    for name in SYSCTLS:
        found.add("sysctl %s = %s" % (name, _read("/proc/sys/" + name).strip()))
    for folder in FOLDERS:
        found |= {"file " + path for path in _files(folder)}
    if os.path.isdir("/run/netns"):
        found |= {"network namespace " + name for name in os.listdir("/run/netns")}
    found |= {"file " + str(path) for path in pathlib.Path("/tmp").glob("*fleet-lxc*")}
    return found


def tables() -> set[str]:
    """The nf_tables tables of this network namespace; a process, so not for every test."""
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True)
    return set(listed.stdout.splitlines())


def difference(before: set[str], patience: float = 5,
               look: t.Callable[[], set[str]] = snapshot) -> list[str]:
    """What came and stayed, or went, since then. Empty when all is as it was.

    :param patience: seconds to wait for what ends by itself (links go after their namespace)
    """
    end = time.monotonic() + patience
    while True:
        now = look()
        if now == before or time.monotonic() > end:
            return (["left: " + line for line in sorted(now - before)]
                    + ["gone: " + line for line in sorted(before - now) if lasting(line)])
        time.sleep(0.05)


def complain(where: str, lines: list[str]) -> None:
    """Raise, or only say so where others work on the same machine."""
    if not lines:
        return
    message = "%s did not leave the host as it was:\n  %s" % (where, "\n  ".join(lines))
    if os.environ.get("FLEET_LXC_SHARED"):
        print(message)
    else:
        raise AssertionError(message)


def remove_kept(before: set[str]) -> None:
    """Remove what a host keeps between containers, where it was not there before.

    Not where others work on the same machine: they may be starting from it.
    """
    if os.environ.get("FLEET_LXC_SHARED"):
        return
    inside = [os.path.join(KEPT[0], name) for name in _names(KEPT[0])]
    for path in (*KEPT, *inside):
        if "file " + path not in before:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            elif os.path.lexists(path):
                os.unlink(path)
    for folder in FOLDERS:
        for name in ("containers", "rootfs", "cache", ""):
            path = os.path.join(folder, name)
            if "file " + path.rstrip("/") not in before and os.path.isdir(path):
                try:
                    os.rmdir(path)
                except OSError:
                    pass  # what is in there is what the check will name


def _names(folder: str) -> list[str]:
    return os.listdir(folder) if os.path.isdir(folder) else []


def essential(lines: set[str]) -> set[str]:
    """Without what a host keeps between containers: the measure after each single test."""
    kept = tuple("file " + path for path in KEPT)
    bare = {"file " + os.path.join(folder, name).rstrip("/")
            for folder in FOLDERS for name in ("containers", "rootfs", "cache", "")}
    return {line for line in lines if not line.startswith(kept) and line not in bare}


def lasting(line: str) -> bool:
    """Whether it is a loss when this goes; processes and files of others come and go."""
    return line.startswith(("link ", "mount ", "sysctl "))


def m_type(fields: list[str]) -> str:
    return fields[fields.index("-") + 1]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""


def _cgroups(top: str) -> t.Iterator[str]:
    for folder, names, _files_there in os.walk(top):
        names[:] = [name for name in names if not name.startswith(ISOLATED)]
        for name in names:
            if "fleet-lxc" in name or "fleet-lxc" in folder:
                yield "cgroup " + os.path.join(folder, name)


def _files(folder: str) -> t.Iterator[str]:
    """A folder and two levels of what is in it: enough to name what is left."""
    if not os.path.lexists(folder):
        return
    yield folder
    for path, names, files in os.walk(folder):
        for name in names + files:
            yield os.path.join(path, name)
        if path != folder:
            names.clear()


def _processes() -> t.Iterator[str]:
    """Ours by cgroup, by a path among the arguments, by the marker, or by descent."""
    marker = "%s=%s\0" % (MARKER, os.environ.get(MARKER, "-"))
    parents: dict[int, int] = {}
    ours: set[int] = set()
    named: dict[int, str] = {}
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        _command, _bracket, rest = _read("/proc/%d/stat" % pid).rpartition(") ")
        fields = rest.split()
        if not fields or fields[0] in "ZX":
            continue
        cgroup = _read("/proc/%d/cgroup" % pid)
        if ":/" + ISOLATED in cgroup:
            continue
        parents[pid] = int(fields[1])
        arguments = _read("/proc/%d/cmdline" % pid)
        named[pid] = "process %d (start %s) %s" % (
            pid, fields[19], arguments.replace("\0", " ").strip()[:100])
        if ("fleet-lxc" in cgroup
                or any(folder in arguments for folder in FOLDERS)
                or marker in _read("/proc/%d/environ" % pid)):
            ours.add(pid)
    me = os.getpid()
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor != me:
            ancestor = parents[ancestor]
        if ancestor == me:
            ours.add(pid)
    yield from (named[pid] for pid in ours - _ancestors(parents, me))


def _ancestors(parents: dict[int, int], pid: int) -> set[int]:
    found = set()
    while pid in parents and pid not in found:
        found.add(pid)
        pid = parents[pid]
    return found
