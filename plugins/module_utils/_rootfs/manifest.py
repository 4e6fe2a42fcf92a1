# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of a root file system, beside it so that the container can't change it."""
from __future__ import annotations

import json
import os
import typing as t

from .._kernel.errors import LxcError

SUFFIX = ".fleet-lxc.json"
VERSION = 1

Manifest = dict[str, t.Any]


def manifest_path(path: str) -> str:
    """Where the manifest of the tree at ``path`` lies."""
    return path + SUFFIX


def read_manifest(path: str) -> Manifest | None:
    """The manifest of the tree at ``path``, or None where there is none.

    :raises LxcError: for one that can't be read
    """
    name = manifest_path(path)
    try:
        with open(name, encoding="utf-8") as file:
            manifest = json.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LxcError.from_os("read manifest", name, error) from error
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
        raise LxcError("read manifest", name, detail="it is damaged or of a newer version",
                       hint="Restore it, or move it and the root file system away by hand.")
    return manifest


def write_manifest(path: str, manifest: Manifest | None) -> None:
    """Replace the manifest in one step, or remove it (None), and see that it is on the disk."""
    name = manifest_path(path)
    temporary = name + ".new"
    try:
        if manifest is None:
            if os.path.lexists(name):
                os.unlink(name)
        else:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(manifest, file, indent=1, sort_keys=True)
                file.write("\n")
                file.flush()
                os.fsync(fd)
            os.rename(temporary, name)
        folder = os.open(os.path.dirname(name), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        if os.path.lexists(temporary):
            os.unlink(temporary)
        raise LxcError.from_os("write manifest", name, error) from error
