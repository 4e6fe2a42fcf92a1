# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps that bring an OCI image into the cache, unpacked."""
from __future__ import annotations

import dataclasses
import math
import os
import secrets
import stat
import time
import typing as t

from .._kernel.errors import LxcError
from . import cache, programs
from .builds import check_room
from .clone import inherited
from .image import Image, ImageSpec, access
from .manifest import VERSION, Manifest, read_manifest
from .operations import Operation, Workplace
from .remove import remove_tree
from .tree_copy import copy_attributes

if t.TYPE_CHECKING:
    from .site import Site

_GROWS = 4  # what is unpacked takes at most so much more than what was fetched
_FOLDERS = ("proc", "sys", "dev")  # which the runtime mounts on; images may lack them
_ROOT_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def resolve_user(site: Site, user: str) -> tuple[int, int]:
    """The ids of ``user[:group]``, by names of the tree or as numbers: 0, 0 for none.

    :raises LxcError: for a name that the tree does not have
    """
    name, _colon, group = user.partition(":")
    uid = gid = 0
    if name:
        line = _line(site, "/etc/passwd", name)
        if line is None and not name.isdigit():
            raise LxcError("use image", user, detail="its user is not in its /etc/passwd",
                           hint="Correct the image.")
        uid = int(line[2]) if line else int(name)
        gid = int(line[3]) if line else 0
    if group:
        line = _line(site, "/etc/group", group)
        if line is None and not group.isdigit():
            raise LxcError("use image", user, detail="its group is not in its /etc/group",
                           hint="Correct the image.")
        gid = int(line[2]) if line else int(group)
    return uid, gid


def _line(site: Site, path: str, name: str) -> list[str] | None:
    """The line with that name or number."""
    for line in site.look(path).content.decode("utf-8", "replace").splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and name in (fields[0], fields[2]) \
                and fields[2].isdigit() and (path == "/etc/group" or fields[3].isdigit()):
            return fields
    return None


def _unpack(spec: ImageSpec, image: Image, site: Site, log: programs.Log) -> Manifest:
    """Fill the tree; what is fetched lies beside it meanwhile, and goes."""
    check_room("fetch image", spec.src, site.path, image.size * (1 + _GROWS))
    work = "%s/.fleet-lxc-%s" % (site.path, secrets.token_hex(8))
    os.mkdir(work, 0o700)
    skopeo, umoci = image.tools
    policy = [] if os.path.exists("/etc/containers/policy.json") else ["--insecure-policy"]
    options = [option.replace("--tls", "--src-tls").replace("--authfile", "--src-authfile")
               for option in access(spec)]
    programs.run("fetch image", spec.src, [
        skopeo, *policy, "copy", *options, _pinned(spec.src, image.digest),
        "oci:%s/layout:image" % work], log, spec.timeout, keep=[site.fd],
        hint="See whether the host reaches it, and has room.")
    fetched = sum(os.stat(os.path.join(folder, name)).st_size
                  for folder, _folders, names in os.walk(work) for name in names)
    check_room("unpack image", spec.src, site.path, fetched * _GROWS)
    programs.run("unpack image", spec.src, [
        umoci, "unpack", "--image", "%s/layout:image" % work, work + "/bundle"], log,
        spec.timeout, keep=[site.fd])
    _take_over(site, work + "/bundle/rootfs")
    remove_tree(work)
    uid, gid = resolve_user(site, image.user)
    return {"version": VERSION, "kind": "image", "mounts": [], "files": [],
            "source": {"src": spec.src, "digest": image.digest}, "created": int(time.time()),
            "uid": uid, "gid": gid, **image.manifest()}


def _pinned(src: str, digest: str) -> str:
    """By its digest, so that a tag that moves in between does no harm."""
    if not src.startswith("docker://") or "@" in src:
        return src
    host, slash, path = src[len("docker://"):].partition("/")
    return "docker://%s%s%s@%s" % (host, slash, path.partition(":")[0], digest)


def _take_over(site: Site, rootfs: str) -> None:
    """What was unpacked becomes the tree: its top folders move, and its root's owner and mode."""
    old = os.open(rootfs, _ROOT_FOLDER)
    try:
        for name in os.listdir(old):
            os.rename(name, name, src_dir_fd=old, dst_dir_fd=site.fd)
        status = os.fstat(old)
        os.fchown(site.fd, status.st_uid, status.st_gid)
        os.fchmod(site.fd, stat.S_IMODE(status.st_mode))
        copy_attributes(old, site.fd)
    except OSError as error:
        raise LxcError.from_os("unpack image", rootfs, error) from error
    finally:
        os.close(old)
    for name in _FOLDERS:
        if not site.look("/" + name).kind:
            site.mkdir("/" + name, 0o755, 0, 0)


@dataclasses.dataclass(frozen=True)
class FillImage(Operation):
    """Fetch and unpack into the cache. There is nothing to undo: what is in the cache is whole."""

    spec: ImageSpec
    image: Image

    def describe(self) -> str:
        return "fetch %s (%s) by skopeo and unpack it by umoci into %s" % (
            self.spec.src, self.image.digest, self.path)

    def execute(self, place: Workplace) -> None:
        cache.fill(self.image.name, math.inf,
                   lambda site: _unpack(self.spec, self.image, site, place.log), place.log,
                   self.spec.timeout)


@dataclasses.dataclass(frozen=True)
class Inherit(Operation):
    """What the entry of the cache says of how a container is run on it."""

    entry: str

    def describe(self) -> str:
        return "take over what the image says of its command"

    def execute(self, place: Workplace) -> None:
        place.found.update(inherited(read_manifest(self.entry)))
