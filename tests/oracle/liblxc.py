# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What liblxc reads in configuration files, one JSON line for each. Runs with the system's Python.

    /usr/bin/python3 liblxc.py < list of configurations, a JSON string a line

A dump is {key: what get_config_item says}, null for a file that liblxc refuses. It is C: a file
that kills it ends this process, and whoever started it goes on after that file.
"""
from __future__ import annotations

import json
import os
import sys
import tempfile

import lxc

FAMILIES = ("lxc.cgroup", "lxc.cgroup2", "lxc.prlimit", "lxc.sysctl", "lxc.proc")
# Not of the file: the parser's own state, or needing a running container.
SKIPPED = ("lxc.include", "lxc.hook", "lxc.net", "lxc.rootfs.managed", *FAMILIES)
NETWORKS = 6


def text(container: lxc.Container, key: str) -> str:
    """As one text; a key that liblxc can't give has none."""
    try:
        value = container.get_config_item(key)
    except KeyError:
        return ""
    except UnicodeDecodeError:  # a link's name, cut after 15 bytes
        return "?"
    return "\n".join(value) if isinstance(value, (list, tuple)) else str(value)


def dump(path: str, keys: list[str]) -> dict[str, str] | None:
    container = lxc.Container("oracle", os.path.dirname(path))
    container.clear_config()
    if not container.load_config(path):
        return None
    found = {key: text(container, key) for key in keys}
    for family in FAMILIES:
        for line in text(container, family).split("\n"):
            if line:
                found.setdefault(family, "")
                found[family] += line + "\n"
    for number in range(NETWORKS):
        try:
            names = container.get_keys("lxc.net.%d" % number)
        except KeyError:
            continue
        for name in names:
            found["lxc.net.%d.%s" % (number, name)] = text(
                container, "lxc.net.%d.%s" % (number, name))
    return {key: value for key, value in found.items() if value}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = folder + "/config"
        keys = [key for key in lxc.Container("oracle", folder).get_keys() if key not in SKIPPED]
        for name in ("net", "ipc", "uts", "pid"):
            keys.append("lxc.namespace.share." + name)
        for line in sys.stdin:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(json.loads(line))
            sys.stdout.write(json.dumps(dump(path, keys)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
