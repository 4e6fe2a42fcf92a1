# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that make, change and remove a root file system. Each can describe itself and run.

A new tree grows under another name and gets its own at the end, so undoing its steps is removing
that tree (StartBuild). A step that changes a tree in use keeps what it replaces, and puts it back.
"""
from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import os
import time
import typing as t

from .._kernel.errors import LxcError
from .archive import unpack
from .keys import make_key
from .manifest import Manifest, write_manifest
from .places import building_path, clones, leaving_path, log_path
from .programs import Log
from .remove import remove_tree
from .site import Found, Site

if t.TYPE_CHECKING:
    from .host_tree import Entry
    from .spec import ArchiveSpec


class Workplace:
    """What the steps of one plan share: the open tree that they work on, and its lock."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.site: Site | None = None
        self.log = Log(log_path(path))
        self.found: Manifest = {}  # what of the manifest is known only while the steps run
        self.held = contextlib.ExitStack()  # what is let go when all is done, or undone

    def open(self, path: str) -> Site:
        """Open the tree that the steps to come work on."""
        self.close()
        self.site = Site(path)
        return self.site

    @property
    def tree(self) -> Site:
        """The open tree; the one that has its name already, unless a build was started."""
        return self.site if self.site is not None else self.open(self.path)

    def close(self) -> None:
        """Let go of the tree, and with it of its lock."""
        if self.site is not None:
            os.close(self.site.fd)
            self.site = None


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step of a plan, on ``path``."""

    path: str

    def describe(self) -> str:
        """One line for people."""
        raise NotImplementedError

    def execute(self, place: Workplace) -> None:
        """Do it; raises LxcError, and has changed nothing then."""
        raise NotImplementedError

    def undo(self, place: Workplace) -> None:
        """Take it back after it was done."""


@dataclasses.dataclass(frozen=True)
class MakeParent(Operation):
    def describe(self) -> str:
        return "make folder %s for root alone" % self.path

    def execute(self, place: Workplace) -> None:
        try:
            os.mkdir(self.path, 0o700)
        except FileExistsError:
            return
        except OSError as error:
            raise LxcError.from_os("make folder", self.path, error) from error

    def undo(self, place: Workplace) -> None:
        _rmdir_if_empty(self.path)


@dataclasses.dataclass(frozen=True)
class RemoveParent(Operation):
    """A folder of the usual place goes with the last that was in it."""

    def describe(self) -> str:
        return "remove folder %s if it is empty" % self.path

    def execute(self, place: Workplace) -> None:
        _rmdir_if_empty(self.path)


def _rmdir_if_empty(path: str) -> None:
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
            raise LxcError.from_os("remove folder", path, error) from error


@dataclasses.dataclass(frozen=True)
class RemoveLeftover(Operation):
    """What a task left that was killed; one that still works on it holds its lock."""

    def describe(self) -> str:
        return "remove %s, which an interrupted task left" % self.path

    def execute(self, place: Workplace) -> None:
        if not os.path.isdir(self.path) or os.path.islink(self.path):
            _remove_log(self.path)
            return
        with Site(self.path) as site:
            _lock(site.fd, self.path)
            remove_tree(self.path)


def _remove_log(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LxcError.from_os("remove", path, error) from error
    try:
        _lock(fd, path)
        os.unlink(path)
    except FileNotFoundError:
        pass
    finally:
        os.close(fd)


def _lock(fd: int, path: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise LxcError("lock", path, error.errno, detail="another task works on it",
                       hint="Run the task again when that one has ended.") from error


@dataclasses.dataclass(frozen=True)
class StartBuild(Operation):
    def describe(self) -> str:
        return "make folder %s" % self.path

    def execute(self, place: Workplace) -> None:
        building = building_path(self.path)
        try:
            os.mkdir(building, 0o700)
        except OSError as error:
            raise LxcError.from_os("make folder", building, error) from error
        site = place.open(building)
        _lock(site.fd, building)
        os.fchmod(site.fd, 0o755)

    def undo(self, place: Workplace) -> None:
        remove_tree(building_path(self.path))
        place.close()


@dataclasses.dataclass(frozen=True)
class FinishBuild(Operation):
    """Give the finished tree its name. The manifest comes first: without it nobody could tell
    whose the tree is; without the tree a manifest says that there is one to be made."""

    manifest: Manifest

    def describe(self) -> str:
        return "give the finished tree its name and its manifest"

    def execute(self, place: Workplace) -> None:
        manifest = {"created": int(time.time()), **self.manifest, **place.found}
        write_manifest(self.path, manifest)
        try:
            os.rename(building_path(self.path), self.path)
        except OSError as error:
            write_manifest(self.path, None)
            raise LxcError.from_os("give the finished tree its name", self.path, error) from error


@dataclasses.dataclass(frozen=True)
class MakeFolder(Operation):
    root: str
    entry: Entry
    before: Found

    def describe(self) -> str:
        return "%s folder %s (mode %04o, owner %d:%d)" % (
            "set owner and mode of" if self.before.kind else "make", self.root + self.path,
            self.entry.mode, self.entry.uid, self.entry.gid)

    def execute(self, place: Workplace) -> None:
        make = place.tree.set_folder if self.before.kind else place.tree.mkdir
        make(self.path, self.entry.mode, self.entry.uid, self.entry.gid)

    def undo(self, place: Workplace) -> None:
        if self.before.kind:
            place.tree.set_folder(self.path, self.before.mode, self.before.uid, self.before.gid)
        else:
            place.tree.rmdir(self.path)


@dataclasses.dataclass(frozen=True)
class WriteFile(Operation):
    """A file or a symbolic link."""

    root: str
    entry: Entry
    before: Found

    def describe(self) -> str:
        if self.entry.kind == "link":
            return "link %s to %s" % (self.root + self.path, self.entry.target)
        return "%s %s (%d bytes, mode %04o, owner %d:%d)" % (
            "replace" if self.before.kind else "write", self.root + self.path,
            len(self.entry.content), self.entry.mode, self.entry.uid, self.entry.gid)

    def execute(self, place: Workplace) -> None:
        entry = self.entry
        if entry.kind == "link":
            place.tree.symlink(self.path, entry.target)
        else:
            place.tree.write(self.path, entry.content, entry.mode, entry.uid, entry.gid)

    def undo(self, place: Workplace) -> None:
        _put_back(place.tree, self.path, self.before)


@dataclasses.dataclass(frozen=True)
class RemoveFile(Operation):
    root: str
    before: Found

    def describe(self) -> str:
        return "remove %s, which is not asked for any more" % (self.root + self.path)

    def execute(self, place: Workplace) -> None:
        place.tree.unlink(self.path)

    def undo(self, place: Workplace) -> None:
        _put_back(place.tree, self.path, self.before)


def _put_back(tree: Site, path: str, before: Found) -> None:
    if before.kind == "link":
        tree.symlink(path, before.target)
    elif before.kind == "file":
        tree.write(path, before.content, before.mode, before.uid, before.gid)
    else:
        tree.unlink(path)


@dataclasses.dataclass(frozen=True)
class MakeHostKey(Operation):
    root: str
    kind: str

    def describe(self) -> str:
        return "make a host key of type %s: %s" % (self.kind, self.root + self.path)

    def execute(self, place: Workplace) -> None:
        private, public = make_key(self.kind, os.path.basename(self.root))
        place.tree.write(self.path, private, 0o600, 0, 0)
        try:
            place.tree.write(self.path + ".pub", public, 0o644, 0, 0)
        except LxcError:
            place.tree.unlink(self.path)
            raise

    def undo(self, place: Workplace) -> None:
        place.tree.unlink(self.path + ".pub")
        place.tree.unlink(self.path)


@dataclasses.dataclass(frozen=True)
class Unpack(Operation):
    archive: ArchiveSpec

    def describe(self) -> str:
        return "unpack %s" % self.archive.src

    def execute(self, place: Workplace) -> None:
        place.found["source"] = unpack(self.archive, place.tree, place.log)


@dataclasses.dataclass(frozen=True)
class WriteManifest(Operation):
    manifest: Manifest
    before: Manifest

    def describe(self) -> str:
        return "write the manifest of %s" % self.path

    def execute(self, place: Workplace) -> None:
        write_manifest(self.path, self.manifest)

    def undo(self, place: Workplace) -> None:
        write_manifest(self.path, self.before)


@dataclasses.dataclass(frozen=True)
class RemoveRootfs(Operation):
    """The name goes first, in one step; what has the other name is removed by the next task
    if this one is killed."""

    there: bool
    layers: tuple[str, ...] = ()

    def describe(self) -> str:
        return "remove %s and its manifest" % self.path

    def execute(self, place: Workplace) -> None:
        place.log.open()  # who makes clones of it has the log's lock
        if self.there:
            with Site(self.path) as site:
                _lock(site.fd, self.path)  # who copies it has it too
                self._remove()
        for layer in self.layers:
            remove_tree(layer)
        write_manifest(self.path, None)

    def _remove(self) -> None:
        users = clones(self.path)
        if users:
            raise LxcError("remove root file system", self.path,
                           detail="it has become part of %s" % ", ".join(users),
                           hint="Remove these first: they show its files.")
        leaving = leaving_path(self.path)
        try:
            os.rename(self.path, leaving)
        except OSError as error:
            raise LxcError.from_os("remove", self.path, error) from error
        try:
            remove_tree(leaving)
        except LxcError:
            os.rename(leaving, self.path)  # the manifest is there still: so it can be retried
            raise
