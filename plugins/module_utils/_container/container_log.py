# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens to a container, in a log of its own: lxc.log.file, lxc.log.level, lxc.log.syslog.

What is wanted is written beside the plan at a start, so that nobody has to look at definitions to
see that there is nothing to write.
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import os
import time

from .._kernel.lean import json

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

LEVELS = ("trace", "debug", "info", "notice", "warn", "error", "crit", "alert", "fatal")
FACILITIES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron",
              "authpriv", "ftp", *[""] * 4, *("local%d" % number for number in range(8)))
DEFAULT_LEVEL = "error"  # LXC's
_SEVERITIES = (7, 7, 6, 5, 4, 3, 2, 1, 0)  # syslog(3), in the order of LEVELS
_SOCKET = "/dev/log"


def _settings(name: str) -> str:
    return "/run/fleet-lxc/%s/log.json" % name


def wanted(definition: dict[str, Any], default: str) -> dict[str, Any] | None:
    """None for a container without a log. Pure.

    :param default: the file for one that has only a level
    """
    file, level = definition["log_file"], definition["log_level"]
    facility = definition["log_syslog"]
    if not (file or level or facility):
        return None
    return {"file": file or (default if level else None), "level": level or DEFAULT_LEVEL,
            "facility": facility}


def prepare(name: str, settings: dict[str, Any] | None) -> None:
    """For the run that begins. What can't be written is no reason not to start."""
    path = _settings(name)
    try:
        if settings is None:
            os.unlink(path)
        else:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
                         | os.O_CLOEXEC, 0o600)
            os.write(fd, json.dumps(settings).encode())
            os.close(fd)
    except OSError:
        pass


def _wanted_by(name: str) -> dict[str, Any] | None:
    try:
        fd = os.open(_settings(name), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = json.loads(os.read(fd, 8192))
        return found if isinstance(found, dict) else None
    except (OSError, ValueError):
        return None
    finally:
        os.close(fd)


def tell(name: str, level: str, what: str) -> None:
    """A line of LXC's form, if the container has a log and that level is for it."""
    settings = _wanted_by(name)
    if settings is not None:
        _tell(settings, name, level, what)


def _tell(settings: dict[str, Any], name: str, level: str, what: str) -> None:
    place = LEVELS.index(level)
    if place < LEVELS.index(settings["level"]):
        return
    for write in (_to_file, _to_syslog):
        try:
            write(settings, name, place, what)
        except OSError:
            pass  # a log must not keep a container from its start or its end


def _to_file(settings: dict[str, Any], name: str, place: int, what: str) -> None:
    path = settings["file"]
    if not path:
        return
    now = time.time()
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(now)) + ".%03d" % (now % 1 * 1000)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NOCTTY
                 | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, ("lxc %s %s %-8s %s\n" % (
            name, stamp, LEVELS[place].upper(), what)).encode())
    finally:
        os.close(fd)


def _to_syslog(settings: dict[str, Any], name: str, place: int, what: str) -> None:
    if not settings["facility"]:
        return
    priority = FACILITIES.index(settings["facility"]) * 8 + _SEVERITIES[place]
    opened = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK
                            | _socket.SOCK_CLOEXEC, 0)
    try:
        opened.sendto(("<%d>lxc[%d]: %s %s" % (priority, os.getpid(), name, what)).encode(),
                      _SOCKET)
    finally:
        opened.close()


def tell_event(name: str, facts: dict[str, Any]) -> None:
    """A line of the host's stream of events, in words."""
    settings = _wanted_by(name)
    if settings is None:
        return
    said = dict(facts)
    state, error = said.pop("state", ""), said.pop("error", None)
    level = "error" if error else "warn" if said.get("oom_kills") else "info"
    _tell(settings, name, level, " ".join(
        (["changed state to " + state] if state else [])
        + ["%s %s" % (key.replace("_", " "), value if isinstance(value, (str, int))
                      else json.dumps(value)) for key, value in sorted(said.items())]
        + ([str(error)] if error else [])))
