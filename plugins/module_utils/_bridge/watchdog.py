# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dead-man's switch: a change that is undone unless somebody who came anew says to keep it.

A process of its own makes the change and waits. It is a fork of the module: plan and code are in
its memory already, so that it needs no file of an archive that is gone by then, and there is
nothing to write down and read back. It begins when the module has ended, so that the answer "it
has begun" travels over the network as it was; a controller is never left waiting on a dead
connection.

What is said goes by names in a folder, since rename(2) lets one win: TOKEN is a change that
waits, TOKEN.keep and TOKEN.undo are the two answers, TOKEN.ended is a change that failed or was
undone, and tells why.
"""
from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
import typing as t

from .._kernel import cgroups, mounts
from .._kernel.errors import LxcError

FOLDER = "/run/fleet-lxc/.confirm"
_DELIVERY = 0.3  # seconds for the module's answer to reach the controller
_APPLY_WITHIN = 60  # seconds; it takes milliseconds
_OLD = 3600  # seconds that nobody asked for a change that has ended
_PAUSE = 0.05


class Change(t.NamedTuple):
    """What to do and how to take it back.

    :param apply: returns warnings, raises LxcError after it has undone what it did
    :param undo: returns what could not be undone, in words
    """

    bridge: str
    seconds: float
    apply: t.Callable[[], list[str]]
    undo: t.Callable[[], list[str]]


class UnknownChange(LxcError):
    """Neither waiting nor ended here: it was kept, had not begun, or was before a reboot."""


def check_token(token: str) -> str:
    """:raises LxcError: when it is not 32 hexadecimal digits; it becomes a file's name"""
    if not re.fullmatch("[0-9a-f]{32}", token):
        raise LxcError("use as a token", repr(token), detail="it is not 32 hexadecimal digits",
                       hint="Leave 'confirmation' out; the action plugin gives it.")
    return token


def begin(token: str, change: Change) -> None:
    """Start the process that makes the change once this one has ended.

    :raises LxcError: when a change of the same bridge waits already, or there can be no process
    """
    path = "%s/%s" % (FOLDER, check_token(token))
    try:
        os.makedirs(FOLDER, 0o700, exist_ok=True)
        os.chmod(os.path.dirname(FOLDER), 0o700)
        _sweep(change.bridge)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        _say(lock, {"state": "applying", "bridge": change.bridge, "network": _network()})
        alive, end = os.pipe()
        if os.fork():
            # The write end stays open until this process is gone.
            os.close(alive)
            os.close(lock)
            return
    except OSError as error:
        raise LxcError.from_os("start the watchdog of", change.bridge, error) from error
    code = 1
    try:
        os.close(end)
        _detach({alive, lock})
        _watch(path, alive, lock, change)
        code = 0
    finally:
        os._exit(code)


def await_change(token: str) -> None:
    """Wait until a change is made.

    Who asks may have come by a connection from before it, which can live on where no new one gets
    through: that is no confirmation, but whoever comes anew after this can give one.

    :raises LxcError: when it failed, was undone, or is not known here
    """
    path = "%s/%s" % (FOLDER, check_token(token))
    end = time.monotonic() + _APPLY_WITHIN
    while time.monotonic() < end:
        said = _read(path)
        if said is None:
            break
        if said["state"] == "applied":
            return
        time.sleep(_PAUSE)
    raise _ended(path)


def keep(token: str) -> list[str]:
    """Keep a change that is made; its warnings.

    :raises LxcError: when it is not made yet, failed, was undone, or is not known here
    """
    path = "%s/%s" % (FOLDER, check_token(token))
    said = _read(path)
    if said is not None and said["state"] == "applying":
        raise LxcError("confirm", said.get("bridge", path), detail="the change is not made yet",
                       hint="Wait for it first, then come by a new connection.")
    try:
        if said is None:
            raise FileNotFoundError
        os.rename(path, path + ".keep")
    except FileNotFoundError:
        raise _ended(path) from None
    _remove(path + ".keep")
    return [str(text) for text in said["warnings"]]


def revoke(token: str) -> LxcError:
    """Have a change undone at once, and say what became of it."""
    path = "%s/%s" % (FOLDER, check_token(token))
    try:
        os.rename(path, path + ".undo")
    except FileNotFoundError:
        pass
    return _ended(path)


def _ended(path: str) -> LxcError:
    """What a change that is not waiting any more ended with, once it has."""
    doing, end = "change the network by", time.monotonic() + _APPLY_WITHIN
    while time.monotonic() < end:
        said = _read(path + ".ended")
        if said is not None:
            _remove(path + ".ended")
            if said.get("error"):
                return LxcError.from_dict(said["error"])
            detail = "; ".join([said["reason"], *said["problems"]])
            hint = ("The old network is back." if not said["problems"]
                    else "Look at the host: not all of the old network is back.")
            return LxcError(doing, said["bridge"], detail=detail, hint=hint)
        if _read(path) is None and _read(path + ".undo") is None:
            time.sleep(_PAUSE)
            if not os.path.exists(path + ".ended"):
                return UnknownChange(doing, "the task", detail="this host knows of no such change",
                                     hint="It had not begun, and nothing was changed; or the host "
                                          "was restarted, and came up with the old network.")
        time.sleep(_PAUSE)
    return LxcError("wait for", path, detail="the change did not end within %d s" % _APPLY_WITHIN,
                    hint="Look for its process on the host: fuser -v %s." % path)


def _watch(path: str, alive: int, lock: int, change: Change) -> None:
    os.read(alive, 1)  # the end of file: the module has ended
    time.sleep(_DELIVERY)
    facts = {"bridge": change.bridge, "network": _network()}
    try:
        warnings = change.apply()
    except LxcError as error:
        _end(path, path, lock, {**facts, "error": error.to_dict()})
        return
    except BaseException as error:
        problems = change.undo()
        _end(path, path, lock, {**facts, "problems": problems, "reason": "it failed (%r) and was "
                                "undone" % error})
        return
    _say(lock, {**facts, "state": "applied", "warnings": warnings})
    reason = _wait(path, change.seconds)
    if reason:
        problems = change.undo()
        _end(path, path + ".undo", lock, {**facts, "problems": problems, "reason": reason})


def _wait(path: str, seconds: float) -> str:
    """Wait for an answer; why the change is to be undone, "" when it is to be kept."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not os.path.exists(path):
            return ("it was undone, since the task's connection broke while it was made"
                    if os.path.exists(path + ".undo") else "")
        time.sleep(_PAUSE)
    try:
        os.rename(path, path + ".undo")
    except FileNotFoundError:
        return _wait(path, 1) if not os.path.exists(path) else ""
    return ("it was undone, since nobody confirmed it over a new connection within %g s"
            % seconds)


def _end(path: str, name: str, lock: int, facts: dict[str, t.Any]) -> None:
    """Tell how it ended: the file is complete before it gets the name that says so."""
    _say(lock, {**facts, "state": "ended"})
    for there in (name, path + ".undo"):
        try:
            os.rename(there, path + ".ended")
            return
        except FileNotFoundError:
            continue


def _detach(keep_open: set[int]) -> None:
    """Out of the task's session, control group and descriptors, deaf to its end."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for text in os.listdir("/proc/self/fd"):
        if int(text) > 2 and int(text) not in keep_open:
            try:
                os.close(int(text))
            except OSError:
                pass
    os.chdir("/")
    try:
        _leave_session()
    except (OSError, LxcError):
        pass  # then systemd may end it with the session, where it is set to do that


def _leave_session() -> None:
    """systemd ends the processes of a session's scope with it where KillUserProcesses=yes."""
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        if ".scope" not in file.read():
            return
    for hierarchy in cgroups.hierarchies(mounts.read_mountinfo()):
        if hierarchy.version == 2 or "name=systemd" in hierarchy.controllers:
            name = "cgroup.procs" if hierarchy.version == 2 else "tasks"
            with open("%s/%s" % (hierarchy.path, name), "w", encoding="ascii") as file:
                file.write("0")


def _sweep(bridge: str) -> None:
    """Remove what nobody asked for any more, and refuse a second change of a bridge.

    :raises LxcError: when one waits
    """
    for name in os.listdir(FOLDER):
        path = "%s/%s" % (FOLDER, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            old = time.time() - os.fstat(fd).st_mtime > _OLD
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                said = _read(path) or {}
                if (said.get("bridge"), said.get("network")) == (bridge, _network()):
                    raise LxcError("change", bridge, detail="another change of it waits to be "
                                   "confirmed", hint="Try again in a minute.") from None
                continue
            if old or not name.endswith(".ended"):
                os.unlink(path)  # its process is gone
        finally:
            os.close(fd)


def _network() -> int:
    return os.stat("/proc/self/ns/net").st_ino


def _say(fd: int, facts: dict[str, t.Any]) -> None:
    data = json.dumps(facts).encode()
    os.pwrite(fd, data.ljust(os.fstat(fd).st_size), 0)


def _read(path: str) -> dict[str, t.Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.loads(file.read())
            return found if isinstance(found, dict) else None
    except FileNotFoundError:
        return None
    except ValueError:
        time.sleep(_PAUSE)  # it is being written
        return {"state": "applying"}


def _remove(path: str) -> None:
    """A file, and the folder with its last one."""
    try:
        os.unlink(path)
        os.rmdir(FOLDER)
    except OSError:
        pass
