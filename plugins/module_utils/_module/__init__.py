# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of each module.

A module comes as an archive of sources, which Python compiles anew for each task. Where the host's
copy of the runtime has the same files, those come from there, with bytecode.
"""
from __future__ import annotations

import fcntl
import json
import os
import typing as t
import zipimport

from .. import _container, _kernel
from .._container.runtime_files import INDEX, RUNTIME

_SIZE, _CRC = 3, 7  # of an entry of zipimport


def _prefer_the_copy() -> None:
    # What zipimport knows of archives and their files; Python 3.13 no longer has it in the loader.
    archives: dict[str, t.Any] = zipimport._zip_directory_cache  # type: ignore[attr-defined]
    archive = archives.get(getattr(__spec__.loader, "archive", ""))
    if archive is None:
        return
    parent = os.path.dirname(__name__.replace(".", "/"))
    held = -1
    try:
        folder = "%s/%s" % (RUNTIME, os.readlink(RUNTIME + "/current"))
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(held, fcntl.LOCK_SH)  # so that it stays as long as this process runs
        with open("%s/%s" % (folder, INDEX), encoding="utf-8") as stream:
            copied: dict[str, list[int]] = json.load(stream)
    except (OSError, ValueError):  # there is none, or this user may not look
        copied = {}
    entries = {path: archive.get("%s/%s" % (parent, path)) for path in copied}
    if not copied or any(entry and [entry[_CRC], entry[_SIZE]] != copied[path]
                         for path, entry in entries.items()):
        if held >= 0:
            os.close(held)
        return
    for package in (_container, _kernel):
        name = package.__name__.rpartition(".")[2]
        package.__path__.insert(0, "%s/fleet_lxc/%s" % (folder, name))


_prefer_the_copy()
