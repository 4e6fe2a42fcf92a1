# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DHCP and DNS for a bridge's containers, by a dnsmasq(8) of its own."""
from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import typing as t

from .._kernel import processes
from .._kernel.addresses import parse_address
from .._kernel.errors import LxcError

FOLDER = "/var/lib/fleet-lxc/bridges"
_DOING = "use as option of a bridge:"
_ENDS_WITHIN = 5  # seconds


class Dhcp(t.NamedTuple):
    """The option ``dhcp``: first and last address, dnsmasq's lease time, domain, DNS or not."""

    first: str
    last: str
    lease_time: str
    domain: str | None
    dns: bool


def make_dhcp(option: dict[str, t.Any]) -> Dhcp:
    """:raises LxcError: when an address is none, or a word would be more than a word"""
    first, last = (parse_address(option[key], "read dhcp.%s" % key) for key in ("first", "last"))
    if first[0] != last[0] or socket.inet_pton(*last) < socket.inet_pton(*first):
        raise LxcError(_DOING, "dhcp.last", detail="%s comes before %s, or is of the other family"
                       % (last[1], first[1]), hint="Name the lowest address first.")
    for key in ("lease_time", "domain"):
        value = option[key] or "x"
        if not all(c.isalnum() or c in ".-" for c in value):
            raise LxcError(_DOING, "dhcp." + key, detail="%r has other than letters, digits, '.' "
                           "and '-'" % value, hint="Write it like 12h, or example.org.")
    return Dhcp(*(option[field] for field in Dhcp._fields))


def read(name: str) -> Dhcp | None:
    """What runs for the bridge; None where nothing does."""
    try:
        with open(_path(name, "conf"), encoding="utf-8") as file:
            found = Dhcp(**json.loads(file.readline()[1:]))
    except (OSError, ValueError, TypeError):
        return None
    return found if _pid(name) else None


def has_files(name: str) -> bool:
    """Whether there is something of it to remove, though it may have been killed."""
    return os.path.isdir("%s/%s" % (FOLDER, name))


def start(name: str, dhcp: Dhcp) -> None:
    """Run it, instead of one that runs.

    :raises LxcError: in dnsmasq's own words when it does not start
    """
    stop(name)
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
    if program is None:
        raise LxcError("start dnsmasq for", name, detail="it is not installed",
                       hint="Install the package dnsmasq-base, or leave 'dhcp' out.")
    try:
        os.makedirs(os.path.dirname(_path(name, "conf")), 0o755, exist_ok=True)
        with open(_path(name, "conf"), "w", encoding="utf-8") as file:
            file.write(_text(name, dhcp))
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [program, "--conf-file=" + _path(name, "conf")], check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LxcError("start dnsmasq for", name, detail=str(error)) from error
    if done.returncode:
        remove(name)
        raise LxcError("start dnsmasq for", name, detail=done.stderr.strip()[-300:],
                       hint="Something else may serve that address: ss -lunp lists who does.")


def stop(name: str) -> None:
    """End it; its leases are kept."""
    pid = _pid(name)
    if not pid:
        return
    end = time.monotonic() + _ENDS_WITHIN
    who = processes.identity(pid)
    os.kill(pid, signal.SIGTERM)
    # The file with its number goes before it ends, and its memory before its port is free.
    while processes.is_alive(who):
        if time.monotonic() > end + _ENDS_WITHIN:
            raise LxcError("end dnsmasq of", name, errno.ETIMEDOUT,
                           "It is process %d: see its /proc/PID/stack." % pid)
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def remove(name: str) -> None:
    """End it, and forget its leases."""
    stop(name)
    shutil.rmtree("%s/%s" % (FOLDER, name), ignore_errors=True)
    try:
        os.rmdir(FOLDER)
    except OSError:
        pass


def describe(dhcp: Dhcp) -> str:
    return "addresses %s to %s for %s%s" % (
        dhcp.first, dhcp.last, dhcp.lease_time, ", DNS" if dhcp.dns else "")


def _text(name: str, dhcp: Dhcp) -> str:
    lines = ["#" + json.dumps(dhcp._asdict()), "interface=" + name, "bind-interfaces",
             "except-interface=lo", "no-hosts", "dhcp-authoritative",
             "dhcp-range=%s,%s,%s" % (dhcp.first, dhcp.last, dhcp.lease_time),
             "dhcp-leasefile=" + _path(name, "leases"), "pid-file=" + _path(name, "pid")]
    if dhcp.domain:
        lines += ["domain=" + dhcp.domain, "local=/%s/" % dhcp.domain]
    if not dhcp.dns:
        lines.append("port=0")
    return "\n".join(lines) + "\n"


def _path(name: str, kind: str) -> str:
    return "%s/%s/dnsmasq.%s" % (FOLDER, name, kind)


def _pid(name: str) -> int:
    """Its process, 0 when it does not run: a number alone may be another's by now."""
    try:
        with open(_path(name, "pid"), encoding="ascii") as file:
            pid = int(file.read())
        with open("/proc/%d/cmdline" % pid, "rb") as raw:
            command = raw.read().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if b"--conf-file=" + os.fsencode(_path(name, "conf")) in command else 0
