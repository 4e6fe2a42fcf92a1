# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that make layers, and that copy what layers show."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from .._kernel import mounts, syscalls
from .._kernel.errors import LxcError
from . import child
from .builds import check_room
from .clone import layers_of, live_clones
from .identity import has_identity, renew
from .manifest import Manifest, read_manifest, write_manifest
from .operations import Operation, Workplace
from .places import clones, layer_path, log_path, owner_of
from .programs import Log
from .remove import remove_tree
from .site import Site
from .tree_copy import Copy, copy_attributes

_PATIENCE = 30  # seconds to wait for another task that clones the same tree: that takes a moment
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _new_layer(folder: str, shown: str) -> None:
    """An empty upper layer and what overlayfs works with, for what is shown above ``shown``."""
    os.mkdir(folder + "/upper", 0o700)
    os.mkdir(folder + "/work", 0o700)
    old, new = os.open(shown, _FOLDER), os.open(folder + "/upper", _FOLDER)
    try:  # the root folder's owner and mode are those of the topmost layer
        status = os.fstat(old)
        os.fchown(new, status.st_uid, status.st_gid)
        os.fchmod(new, stat.S_IMODE(status.st_mode))
        copy_attributes(old, new)
    finally:
        os.close(old)
        os.close(new)


def _overlay(path: str, lower: list[str]) -> Manifest:
    return {"lower": lower, "upper": path + "/upper", "work": path + "/work"}


@dataclasses.dataclass(frozen=True)
class Split(Operation):
    """Take a tree apart: what it is becomes a layer, beside it and out of its containers' reach.

    The manifest comes first. Until the folders have changed places, it is not in effect for a
    plain tree (layers_of), and shows the same as before for one that has layers.
    """

    def describe(self) -> str:
        return "make what %s is now a layer, over which it is written from now on" % self.path

    def execute(self, place: Workplace) -> None:
        with _locked(self.path):
            manifest = read_manifest(self.path)
            if manifest is None:
                raise LxcError("make layers of", self.path, detail="its manifest is gone",
                               hint="Run the task again.")
            layers = layers_of(self.path, manifest)
            if layers and not os.listdir(layers[0]):
                return  # another task has just done it
            if live_clones(self.path, manifest):
                return  # it is written to no more
            number = 1
            while os.path.lexists(layer_path(self.path, number)):
                number += 1
            beside = layer_path(self.path, number)
            lower = [beside + "/upper", *layers[1:]] if layers else [beside]
            try:
                os.mkdir(beside, 0o755)
                _new_layer(beside, layers[0] if layers else self.path)
                write_manifest(self.path, {
                    **manifest, "overlay": _overlay(self.path, lower),
                    "layers": [*manifest.get("layers", []), beside]})
            except BaseException as error:
                self._give_up(manifest, beside)
                if isinstance(error, OSError):
                    raise LxcError.from_os("make layers of", self.path, error) from error
                raise
            try:
                syscalls.rename_exchange(self.path, beside)
            except OSError as error:  # nothing else: once it was done, what is beside is the data
                self._give_up(manifest, beside)
                raise LxcError.from_os("make layers of", self.path, error) from error

    def _give_up(self, manifest: Manifest, beside: str) -> None:
        write_manifest(self.path, manifest)
        remove_tree(beside)


@dataclasses.dataclass(frozen=True)
class StackLayer(Operation):
    """Fill the new tree with a layer over its origin's, an empty one.

    :param copy_top: begin with a copy of the origin's top layer, over the others. Whoever runs on
        the origin goes on writing there.
    """

    origin: str
    copy_top: bool = False
    room: int = 0

    def describe(self) -> str:
        if self.copy_top:
            return "copy the top layer of %s, over the others" % self.origin
        return "put a layer over %s" % self.origin

    def execute(self, place: Workplace) -> None:
        lower = self._lower()
        if self.copy_top:
            check_room("copy", self.origin, place.tree.path, self.room)
        owners = sorted({self.origin, *map(owner_of, lower)})
        for owner in owners:  # until the clone is there, nobody removes what it shows
            place.held.enter_context(_locked(owner))
        lower = self._lower()
        if not {*map(owner_of, lower)} <= {*owners}:
            raise LxcError("put a layer over", self.origin, detail="it has changed meanwhile",
                           hint="Run the task again.")
        for owner in owners:
            manifest = read_manifest(owner)
            if manifest is not None:
                known = [path for path in clones(owner) if path != self.path]
                write_manifest(owner, {**manifest, "clones": sorted([*known, self.path])})
        try:
            _new_layer(place.tree.path, lower[0])
            if self.copy_top:
                self._copy_top(place)
        except OSError as error:
            raise LxcError.from_os("put a layer over", self.origin, error) from error
        place.found["overlay"] = _overlay(self.path, lower)

    def _lower(self) -> list[str]:
        layers = layers_of(self.origin, read_manifest(self.origin))
        if layers and (self.copy_top or not os.listdir(layers[0])):
            return layers[1:]
        return layers or [self.origin]

    def _copy_top(self, place: Workplace) -> None:
        top = layers_of(self.origin, read_manifest(self.origin))[0]
        source, target = os.open(top, _FOLDER), os.open(place.tree.path + "/upper", _FOLDER)
        try:
            Copy(top, None, place.log.say, layer=True).into(source, target)
        finally:
            os.close(source)
            os.close(target)


@dataclasses.dataclass(frozen=True)
class CopyLayers(Operation):
    """Fill the new tree with what layers show together.

    :param layers: the topmost first
    """

    layers: tuple[str, ...]
    reflink: bool | None
    room: int

    def describe(self) -> str:
        return "copy what the layers of %s show" % os.path.dirname(self.layers[0])

    def execute(self, place: Workplace) -> None:
        check_room("copy", self.layers[0], place.tree.path, self.room)
        place.log.say(self.describe())
        _among_own_mounts("copy", os.path.dirname(self.layers[0]), lambda: self._copy(place))

    def _copy(self, place: Workplace) -> None:
        Copy(os.path.dirname(self.layers[0]), self.reflink, place.log.say).into(
            _mount_overlay(self.layers), place.tree.fd)


@dataclasses.dataclass(frozen=True)
class NewIdentity(Operation):
    """What one machine has to itself, the new tree gets anew."""

    def describe(self) -> str:
        return "give it a machine id and host keys of its own, where it has any"

    def execute(self, place: Workplace) -> None:
        name = os.path.basename(self.path)
        overlay = place.found.get("overlay")
        if not overlay:
            renew(place.tree, name)
            return
        top = place.tree.path
        layers = [top + "/upper", *overlay["lower"]]
        if not any(map(_has_identity, layers)):
            return  # so that it stays without anything of its own
        _among_own_mounts("change", self.path, lambda: renew(Site(self.path, _mount_overlay(
            layers, top + "/work")), name))


def _has_identity(layer: str) -> bool:
    with Site(layer) as site:
        return has_identity(site)


def _mount_overlay(layers: t.Sequence[str], work: str = "") -> int:
    """What layers show together, as an open folder of a mount that has no place.

    :param work: the folder that overlayfs works with; "" for a read-only mount
    """
    opened = ["/proc/self/fd/%d" % os.open(layer, _FOLDER) for layer in layers]
    options = ["userxattr"]
    if work:
        options += ["upperdir=" + opened.pop(0), "workdir=" + work]
    else:
        options.append("ro")
    tree = mounts.new("overlay", [*options, "lowerdir=" + ":".join(opened)])
    return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree)


def _among_own_mounts(doing: str, subject: str, work: t.Callable[[], None]) -> None:
    """Run it in a process with a mount namespace of its own: what it mounts ends with that.

    :raises LxcError: what ``work`` raised
    """
    def run() -> None:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        work()
    child.run(doing, subject, run)


@contextlib.contextmanager
def _locked(path: str) -> t.Iterator[None]:
    """Nobody else makes layers of the tree meanwhile, or removes it."""
    log = Log(log_path(path))
    log.open(_PATIENCE)
    try:
        yield
    finally:
        log.remove()
