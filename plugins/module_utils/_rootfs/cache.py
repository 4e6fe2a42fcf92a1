# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that are kept so that the next of the same kind is a copy.

An entry is a root file system like any other, with a manifest beside it, in a folder of its own.
"""
from __future__ import annotations

import errno
import fcntl
import os
import time
import typing as t

from .._kernel.errors import LxcError
from .manifest import Manifest, read_manifest, write_manifest
from .places import STATE_FOLDER, building_path, clones, leaving_path
from .programs import Log
from .remove import bytes_on_disk, remove_tree
from .site import Site

CACHE = STATE_FOLDER + "/cache"
_PAUSE = 0.5  # seconds between two tries for a lock; what is waited for takes many
_DAY = 86400


def entry_path(name: str) -> str:
    """Where the tree of that name is kept."""
    return "%s/%s" % (CACHE, name)


def usable(name: str, days: float) -> Manifest | None:
    """The entry's manifest, None where there is none that is young enough.

    :param days: how old it may be
    """
    path = entry_path(name)
    manifest = read_manifest(path)
    if manifest is None or not os.path.isdir(path):
        return None
    age = time.time() - manifest.get("created", 0)
    return manifest if 0 <= age < days * _DAY else None


def fill(name: str, days: float, build: t.Callable[[Site], Manifest], log: Log,
         timeout: float) -> None:
    """See that there is a usable entry: of several tasks that want it, one builds.

    :param build: fills the folder and returns the manifest
    :param timeout: seconds to wait for another task that builds the same
    :raises LxcError: what ``build`` raises; nothing of it stays
    """
    path = entry_path(name)
    try:
        os.makedirs(CACHE, 0o700, exist_ok=True)
    except OSError as error:
        raise LxcError.from_os("make folder", CACHE, error) from error
    site = _lock(name, days, log, timeout)
    if site is None:
        return
    with site:
        try:
            manifest = build(site)
            manifest["bytes"] = bytes_on_disk(site.path)
            _replace(path, manifest)
        except BaseException:
            remove_tree(site.path)
            raise
    remove_tree(leaving_path(path))


def _lock(name: str, days: float, log: Log, timeout: float) -> Site | None:
    """A new folder that only this task builds in; None where the entry has come meanwhile."""
    building = building_path(entry_path(name))
    deadline = time.monotonic() + timeout
    waiting = False
    while not usable(name, days):
        try:
            os.mkdir(building, 0o700)
            new = True
        except FileExistsError:
            new = False
        except OSError as error:
            raise LxcError.from_os("make folder", building, error) from error
        try:
            site = Site(building)
        except LxcError as error:
            if error.errno == errno.ENOENT:  # it has been finished, or given up, just now
                continue
            raise
        try:
            fcntl.flock(site.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(site.fd)
            if time.monotonic() > deadline:
                raise LxcError("wait %g s for" % timeout, building, errno.ETIMEDOUT,
                               "Another task builds it, see fuser(1); or set a longer 'timeout'."
                               ) from None
            if not waiting:
                log.say("another task builds it: waiting")
            waiting = True
            time.sleep(_PAUSE)
            continue
        if new and _is_at(site, building):
            os.fchmod(site.fd, 0o755)
            return site
        if _is_at(site, building):
            remove_tree(building)  # of a task that was killed
        os.close(site.fd)
    return None


def _is_at(site: Site, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(site.fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _replace(path: str, manifest: Manifest) -> None:
    """Give the finished tree its name, in place of one that has become too old."""
    try:
        if os.path.lexists(path):
            if clones(path):
                raise LxcError("replace", path, errno.EBUSY,
                               "Remove these first, or set 'cache_days: 0'.",
                               "it is part of %s" % ", ".join(clones(path)))
            remove_tree(leaving_path(path))
            os.rename(path, leaving_path(path))
        write_manifest(path, manifest)
        os.rename(building_path(path), path)
    except OSError as error:
        raise LxcError.from_os("give the finished tree its name", path, error) from error
