# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things lie, and who uses a tree."""
from __future__ import annotations

import json
import os

from .manifest import read_manifest

STATE_FOLDER = "/var/lib/fleet-lxc"
CONTAINERS = STATE_FOLDER + "/containers"
USUAL_PLACE = STATE_FOLDER + "/rootfs"
_LAYER = ".fleet-lxc-layer-"


def building_path(path: str) -> str:
    """Where a new tree grows, before it gets its name."""
    folder, name = os.path.split(path)
    return "%s/.%s.fleet-lxc-new" % (folder, name)


def leaving_path(path: str) -> str:
    """Where a tree is while it is being removed."""
    folder, name = os.path.split(path)
    return "%s/.%s.fleet-lxc-old" % (folder, name)


def layer_path(path: str, number: int) -> str:
    """Where what a tree was is, since it was taken apart into layers."""
    folder, name = os.path.split(path)
    return "%s/.%s%s%d" % (folder, name, _LAYER, number)


def owner_of(layer: str) -> str:
    """The tree that a layer belongs to, and with which it is removed."""
    if layer.endswith("/upper"):
        layer = layer[:-len("/upper")]
    folder, name = os.path.split(layer)
    start, mark, number = name.rpartition(_LAYER)
    return "%s/%s" % (folder, start[1:]) if mark and number.isdigit() else layer


def log_path(path: str) -> str:
    """What a task says while it works on a tree; it goes with the task."""
    return path + ".fleet-lxc.log"


def users(path: str) -> list[str]:
    """The containers whose definition names the tree, or something in it."""
    found = []
    try:
        names = sorted(os.listdir(CONTAINERS))
    except FileNotFoundError:
        return []
    for name in names:
        try:
            with open("%s/%s/definition.json" % (CONTAINERS, name), encoding="utf-8") as file:
                definition = json.load(file)
        except (OSError, ValueError):
            continue
        rootfs = definition.get("rootfs") if isinstance(definition, dict) else None
        if isinstance(rootfs, dict):
            rootfs = rootfs.get("path")
        if isinstance(rootfs, str) and (os.path.realpath(rootfs) + "/").startswith(path + "/"):
            found.append(name)
    return found


def clones(path: str) -> list[str]:
    """The overlays that show the tree, or one of its layers.

    The tree's manifest lists them. One that is gone, or is another by now, counts no more.
    """
    manifest = read_manifest(path) or {}
    found = []
    for clone in manifest.get("clones", []):
        overlay = (read_manifest(clone) or {}).get("overlay") or {}
        if path in map(owner_of, overlay.get("lower", [])):
            found.append(clone)
    return found
