# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file systems of a host, and what uses each."""
from __future__ import annotations

import os
import typing as t

from . import cache
from .clone import layers_of
from .manifest import SUFFIX, Manifest, read_manifest
from .places import USUAL_PLACE, clones, users
from .remove import bytes_on_disk

_SHOWN = ("kind", "created", "source", "mounts", "command", "environment", "cwd", "uid", "gid")


def find() -> list[str]:
    """Those of the usual place and of the cache, by their manifests; sorted."""
    found = []
    for folder in (USUAL_PLACE, cache.CACHE):
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        found += ["%s/%s" % (folder, name[:-len(SUFFIX)]) for name in names
                  if name.endswith(SUFFIX)]
    return sorted(found)


def describe(path: str, sizes: bool) -> dict[str, t.Any]:
    """One of them.

    :raises LxcError: when its manifest can't be read
    """
    manifest = read_manifest(path)
    there = os.path.isdir(path) and not os.path.islink(path)
    containers = users(path)
    if not there:
        return {"path": path, "state": "absent", "containers": containers}
    known: Manifest = manifest or {}
    facts: dict[str, t.Any] = {key: known[key] for key in _SHOWN if key in known}
    facts.update(path=path, state="present", managed=manifest is not None, containers=containers,
                 clones=clones(path), layers=layers_of(path, manifest),
                 cached=os.path.dirname(path) == cache.CACHE)
    if sizes:  # of what is removed with it; what it shows of others is theirs
        facts["bytes"] = sum(bytes_on_disk(tree) for tree in [path, *known.get("layers", [])])
    return facts
