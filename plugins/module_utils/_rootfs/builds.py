# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that fill a new tree: with packages, or with a copy of another tree."""
from __future__ import annotations

import dataclasses
import errno
import fcntl
import os
import time

from .._kernel.errors import LxcError
from . import cache, programs
from .debootstrap import Recipe
from .identity import forget
from .manifest import VERSION, Manifest
from .operations import Operation, Workplace
from .site import Site
from .tree_copy import Copy

_KEYGEN_SECONDS = 120
_ROOM_LEFT = 16 << 20  # bytes that stay free on the file system


def check_room(doing: str, subject: str, folder: str, needed: int) -> None:
    """Refuse what the file system has no room for.

    :param folder: one on the file system, or one to be made there
    """
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if needed + _ROOM_LEFT > free:
        raise LxcError(doing, subject, errno.ENOSPC,
                       detail="it needs %d MiB at %s and %d MiB are free" % (
                           needed >> 20, folder, free >> 20),
                       hint="Make room, or choose a path on another file system.")


_PACKAGES_HINT = ("Correct 'debootstrap.packages', or name the component that has it in "
                  "'debootstrap.components'.")
# By what mmdebstrap, debootstrap and apt say.
_BOOTSTRAP_HINTS = {
    "Unable to locate package": _PACKAGES_HINT,
    "has no installation candidate": _PACKAGES_HINT,
    "Couldn't find these debs": _PACKAGES_HINT,
    "install arch-test": "Install arch-test and qemu-user-static on the host to build for another "
                         "architecture than its own.",
    "NO_PUBKEY": "Name a file with the keys of that mirror in 'debootstrap.keyring'.",
}


def bootstrap(recipe: Recipe, program: str, timeout: float, site: Site, log: programs.Log) -> None:
    """Fill the tree with packages, and take out what would be the same in every copy."""
    check_room("bootstrap", recipe.suite, site.path, recipe.room())
    _check_keyring(recipe)
    programs.run("bootstrap", recipe.suite, recipe.argv(program, site.path), log, timeout,
                 keep=[site.fd], hint="See whether the mirror %s has this suite, and whether the "
                 "host reaches it." % recipe.mirror, hints=_BOOTSTRAP_HINTS)
    _make_impersonal(site)


def _check_keyring(recipe: Recipe) -> None:
    """mmdebstrap passes over a file without keys, and takes those that the host trusts."""
    if os.path.isdir(recipe.keyring):
        return
    hint = "Name a file of OpenPGP keys in 'debootstrap.keyring', or leave it out."
    try:
        with open(recipe.keyring, "rb") as file:
            begin = file.read(64)
    except OSError as error:
        raise LxcError.from_os("read keyring", recipe.keyring, error, hint) from error
    # A packet's first bit is set (RFC 9580, 4.2); the other form is text.
    if not begin.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK") and not begin[:1] >= b"\x80":
        raise LxcError("read keyring", recipe.keyring, detail="it has no OpenPGP keys", hint=hint)


def _make_impersonal(site: Site) -> None:
    """What a host or its first boot makes its own, and the rights of the host's resolv.conf."""
    forget(site)
    resolver = site.look("/etc/resolv.conf")
    if resolver.kind == "file":  # the host's, with the host's mode
        site.write("/etc/resolv.conf", resolver.content, 0o644, 0, 0)


@dataclasses.dataclass(frozen=True)
class Bootstrap(Operation):
    """Into the tree itself, without the cache."""

    recipe: Recipe
    program: str
    timeout: float

    def describe(self) -> str:
        return "bootstrap %s (%s) by %s from %s" % (
            self.recipe.suite, self.recipe.variant, self.recipe.tool, self.recipe.mirror)

    def execute(self, place: Workplace) -> None:
        bootstrap(self.recipe, self.program, self.timeout, place.tree, place.log)
        place.found["source"] = self.recipe.source()


@dataclasses.dataclass(frozen=True)
class FillCache(Operation):
    """Into the cache. There is nothing to undo: what has come into the cache is whole."""

    recipe: Recipe
    program: str
    days: float
    timeout: float

    def describe(self) -> str:
        return "bootstrap %s (%s) by %s from %s into %s" % (
            self.recipe.suite, self.recipe.variant, self.recipe.tool, self.recipe.mirror,
            self.path)

    def execute(self, place: Workplace) -> None:
        def build(site: Site) -> Manifest:
            bootstrap(self.recipe, self.program, self.timeout, site, place.log)
            return {"version": VERSION, "kind": "debootstrap", "mounts": [], "files": [],
                    "source": self.recipe.source(), "created": int(time.time())}

        cache.fill(self.recipe.name, self.days, build, place.log, self.timeout)


@dataclasses.dataclass(frozen=True)
class CopyTree(Operation):
    """Fill the new tree with a copy of another, which nobody removes meanwhile.

    :param reflink: see tree_copy.Copy
    """

    source: str
    reflink: bool | None = None
    room: int = 0

    def describe(self) -> str:
        return "copy %s" % self.source

    def execute(self, place: Workplace) -> None:
        check_room("copy", self.source, place.tree.path, self.room)
        with Site(self.source) as site:
            lock_source(site)
            place.log.say(self.describe())
            Copy(self.source, self.reflink, place.log.say).into(site.fd, place.tree.fd)


def lock_source(site: Site) -> None:
    """Keep a tree from being removed while it is read; several may read it at once."""
    try:
        fcntl.flock(site.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        raise LxcError("read", site.path, error.errno, detail="another task changes it",
                       hint="Run the task again when that one has ended.") from error


@dataclasses.dataclass(frozen=True)
class MakeHostKeys(Operation):
    """Each copy of a tree with sshd has host keys of its own, made by the tree's ssh-keygen."""

    def describe(self) -> str:
        return "make host keys of its own where it has sshd"

    def execute(self, place: Workplace) -> None:
        tree = place.tree
        if tree.look("/etc/ssh/sshd_config").kind == "file" \
                and tree.look("/usr/bin/ssh-keygen").kind == "file":
            programs.run("make host keys in", tree.path, ["/usr/bin/ssh-keygen", "-A"], place.log,
                         _KEYGEN_SECONDS, root=tree.path)


def plan_bootstrap(path: str, recipe: Recipe, program: str, days: float, timeout: float,
                   cached: Manifest | None) -> tuple[list[Operation], list[Operation]]:
    """:returns: the steps before the new tree is begun, and those that fill it"""
    fill: list[Operation] = []
    if not days:
        steps: list[Operation] = [Bootstrap(path, recipe, program, timeout)]
    else:
        entry = cache.entry_path(recipe.name)
        if cached is None:
            fill.append(FillCache(entry, recipe, program, days, timeout))
        steps = [CopyTree(path, entry, room=(cached or {}).get("bytes", 0))]
    return fill, [*steps, MakeHostKeys(path)]
