# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clone: what it is made from, and whether that can be.

An overlay shows the layers of its origin and has one of its own for what is written. The layers
below must not change any more. So an origin that containers run on is taken apart first: what it
is becomes a layer, and it writes to a new one from then on, like its clones. That is two renames,
at any size. An origin that no container runs on (a template) stays as it is.
"""
from __future__ import annotations

import dataclasses
import os
import typing as t

from .._kernel.errors import LxcError
from .._kernel.mounts import read_mountinfo
from .identity import check_keygen, key_types
from .keys import find_keygen
from .manifest import Manifest, read_manifest
from .places import clones, users
from .remove import bytes_on_disk
from .site import Site

METHODS = ("overlay", "reflink", "copy")
_DOING = "clone"
MOST_LAYERS = 60  # their names, as they are handed to the kernel, have to fit into 256 bytes


class CloneSpec(t.NamedTuple):
    """The options, checked."""

    src: str
    method: str = "overlay"
    new_identity: bool = True


@dataclasses.dataclass
class Origin:
    """What there is to clone."""

    path: str
    there: bool = True
    manifest: Manifest | None = None
    layers: list[str] = dataclasses.field(default_factory=list)  # top first; [] for a plain tree
    written: bool = True  # whether the top layer has anything
    has_keys: bool = False  # of an SSH server
    keygen: str | None = None  # the host's ssh-keygen
    sealed: bool = False  # whether clones show it already, so that no container starts on it
    states: dict[str, str] = dataclasses.field(default_factory=dict)  # of its containers
    mounted: list[str] = dataclasses.field(default_factory=list)
    bytes: int = 0  # for a copy


def layers_of(path: str, manifest: Manifest | None) -> list[str]:
    """The tree's layers, the one that is written to first; [] for a plain tree.

    A manifest is written before its tree is taken apart: until then the tree is the plain one.
    """
    overlay = (manifest or {}).get("overlay")
    if overlay and os.path.isdir(overlay["upper"]) and not os.path.lexists(path + "/proc"):
        return [overlay["upper"], *overlay["lower"]]
    return []


def observe_origin(spec: CloneSpec, state_of: t.Callable[[str], str]) -> Origin:
    """Look at it.

    :param state_of: the state of a container, by its name
    """
    found = Origin(spec.src, os.path.isdir(spec.src) and not os.path.islink(spec.src))
    if not found.there:
        return found
    found.manifest = read_manifest(spec.src)
    found.layers = layers_of(spec.src, found.manifest)
    if found.layers:
        found.written = bool(os.listdir(found.layers[0]))
    if spec.new_identity:
        found.has_keys = any(_has_keys(tree) for tree in found.layers or [spec.src])
        found.keygen = find_keygen()
    found.sealed = bool(live_clones(spec.src, found.manifest))
    found.states = {name: state_of(name) for name in users(spec.src)}
    found.mounted = [m["target"] for m in read_mountinfo()
                     if m["target"] == spec.src or m["target"].startswith(spec.src + "/")]
    if spec.method == "overlay" and running_on(found):
        found.bytes = bytes_on_disk(found.layers[0]) if found.layers else 0
    if spec.method == "copy":  # blocks that are shared need no room
        found.bytes = sum(bytes_on_disk(tree) for tree in found.layers or [spec.src])
    return found


def check_origin(path: str, spec: CloneSpec, origin: Origin) -> None:
    """Pure.

    :raises LxcError: when it can't be cloned, or not now
    """
    if not origin.there:
        raise LxcError(_DOING, spec.src, detail="there is no such folder",
                       hint="Name a root file system of this host, or a container in "
                            "'clone.container'.")
    if (path + "/").startswith(spec.src + "/") or (spec.src + "/").startswith(path + "/"):
        raise LxcError(_DOING, spec.src, detail="%s is within it, or it within that" % path,
                       hint="Choose a path beside it.")
    if origin.mounted:
        raise LxcError(_DOING, spec.src, detail="something is mounted on %s" % origin.mounted[0],
                       hint="Unmount it first.")
    for name, state in sorted(origin.states.items()):
        if state not in ("STOPPED", "FROZEN"):
            raise LxcError(_DOING, spec.src, detail="container %s is %s" % (name, state),
                           hint="Stop it first, or freeze it, with lxc_state.")
        if state == "FROZEN" and spec.method == "overlay" and not origin.layers:
            raise LxcError(_DOING, spec.src, detail="container %s is FROZEN, and its tree is a "
                           "single one" % name,
                           hint="Stop it, or use 'method: copy': it has the tree mounted, which "
                                "so can't become a layer.")
    if origin.has_keys:
        check_keygen(spec.src, origin.keygen)
    if spec.method != "overlay":
        return
    if len(origin.layers) >= MOST_LAYERS:
        raise LxcError(_DOING, spec.src, detail="it has %d layers" % len(origin.layers),
                       hint="Use 'method: copy', whose result has one again.")
    if origin.states and origin.manifest is None:
        raise LxcError(_DOING, spec.src, detail="it was not made by lxc_rootfs, and container %s "
                       "writes to it" % sorted(origin.states)[0],
                       hint="Use 'method: copy', which leaves it as it is.")


def running_on(origin: Origin) -> bool:
    """Whether a container has it mounted; it is frozen then."""
    return any(state != "STOPPED" for state in origin.states.values())


def needs_split(origin: Origin) -> bool:
    """Whether somebody may go on writing to what becomes a layer.

    Who has it mounted writes to the same folder whatever name that gets: its top layer is copied
    instead (StackLayer).
    """
    return bool(origin.states) and origin.written and not origin.sealed and not running_on(origin)


def _has_keys(tree: str) -> bool:
    with Site(tree) as site:
        return bool(key_types(site))


def inherited(manifest: Manifest | None) -> Manifest:
    """What a clone's manifest has from its origin's: how a container is run on it."""
    return {key: value for key, value in (manifest or {}).items()
            if key in ("mounts", "command", "environment", "cwd", "uid", "gid")}


def live_clones(path: str, manifest: Manifest | None) -> list[str]:
    """The clones that show what a container on the tree would write to."""
    top = (layers_of(path, manifest) or [path])[0]
    return [clone for clone in clones(path)
            if top in ((read_manifest(clone) or {}).get("overlay") or {}).get("lower", [])]
