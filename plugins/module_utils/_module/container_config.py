# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions out of LXC configuration files, for any number of containers."""
from __future__ import annotations

import typing as t

from .._container.spec import OPTIONS, make_definition

if t.TYPE_CHECKING:
    from .._container.lxc_config_parse import Configuration

# Where a definition comes from; not a part of it.
CONFIG: dict[str, t.Any] = {"config_file": {"type": "str", "aliases": ["config"]},
                            "lxc_config": {"type": "str"}}


def choose(shared: dict[str, t.Any], item: dict[str, t.Any]) -> dict[str, t.Any]:
    """An item's options, those of the task where it has none; of the two forms of file one."""
    own = any(item.get(key) is not None for key in CONFIG)
    return {key: shared.get(key) if item.get(key) is None and not (own and key in CONFIG)
            else item.get(key) for key in (*CONFIG, *OPTIONS)}


def _of_image(rootfs: str | None) -> dict[str, t.Any]:
    """Where and as whom the image that a root file system was made of wants to run."""
    if not rootfs or not rootfs.startswith("/") or "\0" in rootfs:
        return {}
    from .._container.host import read_manifest

    manifest = read_manifest(rootfs.rstrip("/"))
    return {key: manifest[key] for key in ("cwd", "uid", "gid") if key in manifest}


class Files:
    """The files of a task, each read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, str | None], Configuration] = {}

    def definition(self, name: str, options: dict[str, t.Any], stored: dict[str, t.Any] | None
                   ) -> tuple[dict[str, t.Any], list[str]]:
        """The definition, and warnings about what the file says.

        A file is the whole definition: of what is stored only the range of ids stays.

        :param options: those of CONFIG and of OPTIONS; the latter win over the file
        :raises LxcError: about the file, or an option
        """
        typed = {key: value for key, value in options.items() if key not in CONFIG}
        path, text = options.get("config_file"), options.get("lxc_config")
        if path is None and text is None:
            if stored is None:  # what an image says is a default of a new definition
                typed = {**_of_image(typed.get("rootfs")),
                         **{key: value for key, value in typed.items() if value is not None}}
            return make_definition(name, typed, stored), []
        from .._container.lxc_config_map import to_options

        found, warnings = to_options(self._configuration(path, text), name, typed.get("rootfs"))
        given = {key: value for key, value in typed.items() if value is not None}
        for key, other in (("privileged", "idmap"), ("idmap", "privileged")):
            if given.get(key):  # which leaves no room for the other, where the file has it
                found.pop(other, None)
        found.update(given)
        kept = {key: stored[key] for key in ("idmap",) if stored is not None}
        return make_definition(name, found, kept), warnings

    def _configuration(self, path: str | None, text: str | None) -> Configuration:
        where = (path or "lxc_config", text)
        if where not in self._read:
            from .._container.lxc_config_parse import parse

            self._read[where] = parse(
                where[0], None if path is not None else (text or "").encode("utf-8", "replace"))
        return self._read[where]
