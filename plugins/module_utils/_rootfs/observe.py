# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is at a root file system's path, and around it."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import typing as t

from .._kernel.errors import LxcError
from .._kernel.mounts import read_mountinfo
from . import cache, clone, debootstrap, image
from .host_tree import Tree, host_tree, observe_host
from .identity import KEY_TYPES, key_path
from .manifest import Manifest, read_manifest
from .places import building_path, clones, leaving_path, log_path, users
from .site import Found, Site

if t.TYPE_CHECKING:
    from .spec import RootfsSpec


@dataclasses.dataclass
class RootfsState:
    """Everything that a plan has to know."""

    kind: str = ""  # of what is at the path: "", "empty", "folder", "file"
    manifest: Manifest | None = None
    missing_parents: list[str] = dataclasses.field(default_factory=list)
    parent_problem: str = ""
    open_to_all: bool = False  # whether any user of the host can reach the path
    leftovers: list[str] = dataclasses.field(default_factory=list)
    tree: Tree | None = None  # what host: shall be on this host
    found: dict[str, Found] = dataclasses.field(default_factory=dict)
    recipe: debootstrap.Recipe | None = None  # what debootstrap: means on this host
    program: str = ""  # that makes it
    cached: Manifest | None = None  # of what the cache has of it
    origin: clone.Origin | None = None  # what clone: names
    image: image.Image | None = None  # what image: names
    users: list[str] = dataclasses.field(default_factory=list)  # containers defined on it
    clones: list[str] = dataclasses.field(default_factory=list)  # overlays that it is a layer of
    mounted: list[str] = dataclasses.field(default_factory=list)  # at or below it


def _stopped(_name: str) -> str:
    return "STOPPED"


def observe(spec: RootfsSpec, absent: bool = False,
            state_of: t.Callable[[str], str] = _stopped) -> RootfsState:
    """Look at the path, its parents, its manifest and the containers that use it.

    :param state_of: the state of a container, by its name
    :raises LxcError: when the host lacks what a tree of its files needs
    """
    state = RootfsState(kind=_kind(spec.path), manifest=read_manifest(spec.path))
    _observe_parents(spec.path, state)
    # The log first: a task that still works here holds its lock.
    state.leftovers = [p for p in (log_path(spec.path), building_path(spec.path),
                                   leaving_path(spec.path)) if os.path.lexists(p)]
    state.users = users(spec.path)
    state.clones = clones(spec.path)
    state.mounted = [m["target"] for m in read_mountinfo()
                     if m["target"] == spec.path or m["target"].startswith(spec.path + "/")]
    there = state.manifest is not None and bool(state.kind)
    if spec.debootstrap is not None and not absent and not there:
        host = debootstrap.observe_host()
        state.recipe = debootstrap.decide(spec.debootstrap, host)
        state.program = host.programs[state.recipe.tool]
        state.cached = cache.usable(state.recipe.name, spec.debootstrap.cache_days)
    if spec.image is not None and not absent and not there:
        state.image = image.observe_image(spec.image)
    if spec.clone is not None and not absent and not there:
        state.origin = clone.observe_origin(spec.clone, state_of)
    if spec.host is not None and not absent:
        state.tree = host_tree(spec.host, observe_host(spec.host))
        if state.manifest is not None and state.kind in ("folder", "empty"):
            with Site(spec.path) as site:
                state.found = {path: site.look(path, max(len(entry.content), 1 << 16))
                               for path, entry in state.tree.entries.items()}
                for path in state.manifest.get("files", []):
                    if path not in state.found:
                        state.found[path] = site.look(path)
                for path, entry in state.tree.entries.items():
                    if entry.kind == "key":
                        state.found[path + ".pub"] = site.look(path + ".pub")
    return state


def _kind(path: str) -> str:
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise LxcError.from_os("look at", path, error) from error
    if not stat.S_ISDIR(status.st_mode):
        return "file"
    with os.scandir(path) as entries:
        return "folder" if next(entries, None) else "empty"


def _observe_parents(path: str, state: RootfsState) -> None:
    parent = os.path.dirname(path)
    above = parent
    while not os.path.lexists(above):
        state.missing_parents.insert(0, above)
        above = os.path.dirname(above)
    if os.path.realpath(above) != above:
        state.parent_problem = "%s is, or lies below, a symbolic link" % above
    elif not os.path.isdir(above):
        state.parent_problem = "%s is not a folder" % above
    else:
        state.open_to_all = not state.missing_parents
        while above != "/":
            status = os.stat(above)
            if status.st_uid != 0 or status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
                state.parent_problem = "others than root can write to %s" % above
            if not status.st_mode & 0o001:
                state.open_to_all = False
            above = os.path.dirname(above)


def facts(path: str, manifest: Manifest | None) -> dict[str, t.Any]:
    """The tree as the user sees it: the result, and both sides of the diff."""
    if manifest is None:
        return {"path": path, "state": "absent"}
    shown: dict[str, t.Any] = {key: manifest[key] for key in (
        "kind", "mounts", "command", "environment", "cwd", "source") if key in manifest}
    return {"path": path, "state": "present", **shown}


def host_keys(path: str, manifest: Manifest | None) -> dict[str, str]:
    """The public host keys by type, as lines of the form "ssh-ed25519 AAAA..."."""
    keys: dict[str, str] = {}
    if manifest is None or _kind(path) != "folder":
        return keys
    # Of layers the top one has them: a clone's are its own (identity).
    top = (clone.layers_of(path, manifest) or [path])[0]
    with Site(top) as site, contextlib.suppress(LxcError):  # a container may have made /etc a link
        for kind in KEY_TYPES:
            words = site.look(key_path(kind) + ".pub").content.decode("ascii", "replace").split()
            if len(words) >= 2:
                keys[kind] = " ".join(words[:2])
    return keys
