# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is at the path to what shall be: a list of operations. Pure."""
from __future__ import annotations

import posixpath
import typing as t

from .._kernel.errors import LxcError
from .builds import CopyTree, plan_bootstrap
from .cache import entry_path
from .clone import check_origin, inherited, needs_split, running_on
from .image_builds import FillImage, Inherit
from .layers import CopyLayers, NewIdentity, Split, StackLayer
from .manifest import VERSION, Manifest
from .operations import (
    FinishBuild,
    MakeFolder,
    MakeHostKey,
    MakeParent,
    Operation,
    RemoveFile,
    RemoveLeftover,
    RemoveParent,
    RemoveRootfs,
    StartBuild,
    Unpack,
    WriteFile,
    WriteManifest,
)
from .places import USUAL_PLACE
from .site import NOTHING, Found

if t.TYPE_CHECKING:
    from .clone import CloneSpec, Origin
    from .debootstrap import DebootstrapSpec
    from .host_tree import Entry
    from .image import Image, ImageSpec
    from .observe import RootfsState
    from .spec import RootfsSpec


def plan_present(spec: RootfsSpec, state: RootfsState) -> list[Operation]:
    """Make the tree, or change one of the same kind into what the spec says.

    :raises LxcError: when the path is not such that it could be done
    """
    _check_place(spec, state)
    operations: list[Operation] = [RemoveLeftover(path) for path in state.leftovers]
    manifest = make_manifest(spec, state)
    if state.manifest is None or not state.kind:
        operations += [MakeParent(path) for path in state.missing_parents]
        before, filling = _plan_new(spec, state)
        return [*operations, *before, StartBuild(spec.path), *filling,
                FinishBuild(spec.path, manifest)]
    if state.manifest.get("kind") != spec.kind:
        raise LxcError("make root file system", spec.path,
                       detail="there is one already, made by '%s:'" % state.manifest.get("kind"),
                       hint="Remove that first with 'state: absent', or choose another path.")
    if spec.archive is not None:
        _check_archive(spec, state.manifest)
        return operations
    if spec.debootstrap is not None:
        _check_packages(spec.path, spec.debootstrap, state.manifest)
        return operations
    if spec.image is not None:
        _check_image(spec.path, spec.image, state.manifest)
        return operations
    if spec.clone is not None:
        _check_clone(spec.path, spec.clone, state.manifest)
        return operations
    operations += _plan_entries(spec, state)
    for path in state.manifest.get("files", []):
        found = state.found.get(path, NOTHING)
        if path not in manifest["files"] and found.kind not in ("", "folder"):
            operations.append(RemoveFile(path, spec.path, found))
    if manifest != state.manifest:
        operations.append(WriteManifest(spec.path, manifest, state.manifest))
    return operations


def _plan_new(spec: RootfsSpec, state: RootfsState) -> tuple[list[Operation], list[Operation]]:
    """:returns: the steps before the new tree is begun, and those that fill it"""
    if spec.archive is not None:
        return [], [Unpack(spec.path, spec.archive)]
    if spec.debootstrap is not None and state.recipe is not None:
        return plan_bootstrap(spec.path, state.recipe, state.program, spec.debootstrap.cache_days,
                              spec.debootstrap.timeout, state.cached)
    if spec.image is not None and state.image is not None:
        return _plan_image(spec.path, spec.image, state.image)
    if spec.clone is not None and state.origin is not None:
        return _plan_clone(spec.path, spec.clone, state.origin)
    return [], _plan_entries(spec, state)


def _plan_image(path: str, spec: ImageSpec, image: Image
                ) -> tuple[list[Operation], list[Operation]]:
    entry = entry_path(image.name)
    fill: list[Operation] = [] if image.cached else [FillImage(entry, spec, image)]
    shown: Operation = (StackLayer(path, entry) if spec.method == "overlay"
                        else CopyTree(path, entry, True if spec.method == "reflink" else None))
    return fill, [shown, Inherit(path, entry)]


def _plan_clone(path: str, spec: CloneSpec, origin: Origin
                ) -> tuple[list[Operation], list[Operation]]:
    check_origin(path, spec, origin)
    own: list[Operation] = [NewIdentity(path)] if spec.new_identity else []
    if spec.method == "overlay":
        shown = StackLayer(path, spec.src, running_on(origin) and origin.written, origin.bytes)
        return [Split(spec.src)] if needs_split(origin) else [], [shown, *own]
    reflink = True if spec.method == "reflink" else None
    if origin.layers:
        return [], [CopyLayers(path, tuple(origin.layers), reflink, origin.bytes), *own]
    return [], [CopyTree(path, spec.src, reflink, origin.bytes), *own]


def plan_absent(spec: RootfsSpec, state: RootfsState) -> list[Operation]:
    """Remove what the module made.

    :raises LxcError: when it is in use, or not the module's
    """
    operations: list[Operation] = [RemoveLeftover(path) for path in state.leftovers]
    if state.kind and state.manifest is None:
        raise LxcError("remove root file system", spec.path,
                       detail="it was not made by lxc_rootfs: it has no manifest",
                       hint="Remove it by hand if nothing needs it.")
    if state.manifest is not None:
        if state.kind == "file":
            raise LxcError("remove root file system", spec.path, detail="it is not a folder",
                           hint="Remove it by hand.")
        if state.users:
            raise LxcError("remove root file system", spec.path,
                           detail="it is the root file system of %s" % ", ".join(state.users),
                           hint="Remove the container first, with lxc_container "
                                "'state: absent'.")
        if state.clones:
            raise LxcError("remove root file system", spec.path,
                           detail="it is part of %s" % ", ".join(state.clones),
                           hint="Remove these first: they show its files.")
        if state.mounted:
            raise LxcError("remove root file system", spec.path,
                           detail="something is mounted on %s" % state.mounted[0],
                           hint="Unmount it first.")
        operations.append(RemoveRootfs(spec.path, bool(state.kind), tuple(
            state.manifest.get("layers", []))))
    if operations and posixpath.dirname(spec.path) == USUAL_PLACE:
        operations.append(RemoveParent(USUAL_PLACE))
    return operations


def make_manifest(spec: RootfsSpec, state: RootfsState) -> Manifest:
    """The manifest of the finished tree."""
    manifest: Manifest = {"version": VERSION, "kind": spec.kind, "mounts": [], "files": []}
    if spec.host is not None and state.tree is not None:
        manifest["mounts"] = state.tree.mounts
        for path, entry in state.tree.entries.items():
            if entry.kind == "key":
                manifest["files"] += [path, path + ".pub"]
            elif entry.kind != "folder":
                manifest["files"].append(path)
        if spec.host.command is not None:
            manifest["command"] = spec.host.command
    if state.recipe is not None:
        manifest["source"] = state.recipe.source()
    if spec.image is not None and state.image is not None:
        manifest.update(state.image.manifest())
        manifest["source"] = {"src": spec.image.src, "digest": state.image.digest}
    if spec.clone is not None:
        if state.origin is not None:
            manifest.update(inherited(state.origin.manifest))
        manifest["source"] = {"path": spec.clone.src, "method": spec.clone.method}
    for key in ("created", "clones", "layers", "source"):  # what this task says nothing about
        if state.manifest is not None and state.kind and key in state.manifest:
            manifest[key] = state.manifest[key]
    return manifest


def _check_place(spec: RootfsSpec, state: RootfsState) -> None:
    doing = "make root file system"
    usual = spec.path.startswith(USUAL_PLACE + "/")
    if state.kind == "file":
        raise LxcError(doing, spec.path, detail="there is something that is not a folder",
                       hint="Choose another path, or remove it.")
    if state.kind == "folder" and state.manifest is None:
        raise LxcError(doing, spec.path,
                       detail="there is a folder that is not empty and not made by lxc_rootfs",
                       hint="Choose another path, or move it away.")
    if state.parent_problem:
        raise LxcError(doing, spec.path, detail=state.parent_problem,
                       hint="Choose a path whose parents are folders of root's alone, as %s."
                            % USUAL_PLACE)
    if state.missing_parents and not usual:
        raise LxcError(doing, spec.path,
                       detail="the folder %s is missing" % posixpath.dirname(spec.path),
                       hint='Make it first, with the mode "0700".')
    if state.open_to_all:
        raise LxcError(doing, spec.path, detail="every user of the host could reach it, and run "
                       "set-user-ID programs that the container's root puts there",
                       hint="Choose a path below %s, or in a folder of its own with the mode 0700."
                            % USUAL_PLACE)
    if state.mounted and state.manifest is None:
        raise LxcError(doing, spec.path, detail="something is mounted on %s" % state.mounted[0],
                       hint="Unmount it, or choose another path.")


def _check_archive(spec: RootfsSpec, manifest: Manifest) -> None:
    made_of = manifest.get("source", {}).get("sha256", "")
    wanted = spec.archive.checksum if spec.archive is not None else None
    if wanted is not None and wanted != made_of:
        raise LxcError("make root file system", spec.path,
                       detail="it was made of another archive, sha256:%s" % made_of,
                       hint="What the container has written would be lost. Remove it first with "
                            "'state: absent', or choose another path.")


def _check_image(path: str, spec: ImageSpec, manifest: Manifest) -> None:
    """A tag that has moved since then is no difference; another digest that is named is."""
    made_of = manifest.get("source", {})
    digest = spec.src.partition("@")[2]
    if digest and digest == made_of.get("digest"):
        return
    if digest or spec.src != made_of.get("src"):
        raise LxcError("make root file system", path, detail="it was made of %s (%s)" % (
            made_of.get("src"), made_of.get("digest")),
            hint="What the container has written would be lost. Remove it first with "
                 "'state: absent', or choose another path.")


def _check_clone(path: str, spec: CloneSpec, manifest: Manifest) -> None:
    made_of = manifest.get("source", {})
    if (made_of.get("path"), made_of.get("method")) != (spec.src, spec.method):
        raise LxcError("make root file system", path,
                       detail="it is a clone of %s by '%s'" % (made_of.get("path"),
                                                               made_of.get("method")),
                       hint="What the container has written would be lost. Remove it first with "
                            "'state: absent', or choose another path.")


def _check_packages(path: str, spec: DebootstrapSpec, manifest: Manifest) -> None:
    """Packages that were added since then are no difference: that is what apt in the tree is for.
    """
    made_of = manifest.get("source", {})
    wanted = {"suite": spec.suite, "variant": spec.variant, "mirror": spec.mirror,
              "architecture": spec.architecture, "components": list(spec.components)}
    for option, value in wanted.items():
        if value is not None and value != made_of.get(option):
            raise LxcError("make root file system", path,
                           detail="it was made with %s %s" % (option, made_of.get(option)),
                           hint="What the container has written would be lost. Remove it first "
                                "with 'state: absent', or choose another path.")
    missing = sorted(set(spec.packages) - set(made_of.get("packages", [])))
    if missing:
        raise LxcError("make root file system", path,
                       detail="it was made without %s" % ", ".join(missing),
                       hint="Install it with ansible.builtin.apt in the container, or make the "
                            "root file system anew after 'state: absent'.")


def _plan_entries(spec: RootfsSpec, state: RootfsState) -> list[Operation]:
    operations: list[Operation] = []
    if state.tree is None:
        return operations
    for path, entry in state.tree.entries.items():
        found = state.found.get(path, NOTHING)
        if found.kind == "folder" and entry.kind != "folder" or entry.kind == "folder" \
                and found.kind not in ("", "folder"):
            raise LxcError("change root file system", spec.path + path,
                           detail="it is not the %s that it should be" % entry.kind,
                           hint="The container has replaced it; move it away by hand.")
        if entry.kind == "key":
            public = state.found.get(path + ".pub", NOTHING)
            if found.kind != "file" or public.kind != "file":
                operations.append(MakeHostKey(path, spec.path, entry.target))
        elif not _same(entry, found):
            step = MakeFolder if entry.kind == "folder" else WriteFile
            operations.append(step(path, spec.path, entry, found))
    return operations


def _same(entry: Entry, found: Found) -> bool:
    if entry.kind != found.kind:
        return False
    if entry.kind == "link":
        return entry.target == found.target
    owner = (entry.mode, entry.uid, entry.gid) == (found.mode, found.uid, found.gid)
    return owner and (entry.kind == "folder" or entry.content == found.content)
