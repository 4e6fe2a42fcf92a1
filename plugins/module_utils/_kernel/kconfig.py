# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the running kernel was built with, where it says so."""
from __future__ import annotations

import gzip
import os
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def config_paths(release: str) -> list[str]:
    """Where distributions keep the configuration of a kernel, the running kernel's own first."""
    return [
        "/proc/config.gz",  # CONFIG_IKCONFIG_PROC
        "/boot/config-%s" % release,
        "/usr/lib/modules/%s/config" % release,
        "/lib/modules/%s/config" % release,
        "/usr/lib/ostree-boot/config-%s" % release,
        "/lib/modules/%s/build/.config" % release,
    ]


def read_config(paths: list[str] | None = None) -> tuple[dict[str, str], str] | None:
    """The configuration and the path it came from; None when there is none to read."""
    for path in paths or config_paths(os.uname().release):
        try:
            with open(path, "rb") as file:
                data = file.read()
            if path.endswith(".gz"):
                data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error):
            continue
        return parse_config(data.decode("utf-8", "replace").splitlines()), path
    return None


def parse_config(lines: Iterable[str]) -> dict[str, str]:
    """``CONFIG_X=y`` as {"CONFIG_X": "y"}; what "is not set" as "n"; text without its quotes."""
    found = {}
    for line in lines:
        line = line.strip()
        if line.startswith("# CONFIG_") and line.endswith(" is not set"):
            found[line[2:-len(" is not set")]] = "n"
        elif line.startswith("CONFIG_"):
            symbol, equals, value = line.partition("=")
            if equals:
                found[symbol] = value.strip('"')
    return found


def read_modules(release: str) -> set[str] | None:
    """The names of all modules that are built in or lie on disk, with ``-`` as ``_``.

    None when the kernel's module folder is not there, as in containers and on kernels without
    modules.
    """
    found: set[str] = set()
    known = False
    for name in ("modules.builtin", "modules.dep"):
        try:
            with open("/lib/modules/%s/%s" % (release, name), encoding="utf-8") as file:
                known = True
                for line in file:
                    base = line.split(":")[0].strip().rsplit("/", 1)[-1]
                    found.add(base.split(".ko")[0].replace("-", "_"))
        except OSError:
            continue
    return found if known else None
