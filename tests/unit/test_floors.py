# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports go down only, and each special import has one room (DESIGN.md, "The floors")."""
from __future__ import annotations

import ast
import pathlib

import pytest

UTILS = pathlib.Path(__file__).parents[2] / "plugins" / "module_utils"
BELOW = {
    "_kernel": {"_kernel"},
    "_container": {"_container", "_kernel"},
    "_rootfs": {"_rootfs", "_kernel"},
    "_bridge": {"_bridge", "_kernel"},
    "_module": {"_module", "_container", "_rootfs", "_bridge", "_kernel"},
}
ROOMS = {"ctypes": "_kernel/syscalls.py", "pyroute2": "_kernel/netlink_messages.py"}


def violations(path: str, source: str) -> list[str]:
    """What ``source``, lying at ``path`` under module_utils, imports that it may not."""
    floor = path.split("/")[0]
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            targets = [node.module] if node.module else [a.name for a in node.names]
            found += [t for t in targets if t.split(".")[0] not in BELOW[floor]]
        elif isinstance(node, (ast.Import, ast.ImportFrom)) and not getattr(node, "level", 0):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            for name in (n.split(".")[0] for n in names):
                if ROOMS.get(name, path) != path:
                    found.append(name)
                if name.startswith("ansible") and floor != "_module":
                    found.append(name)
    return found


@pytest.mark.parametrize("file", sorted(UTILS.glob("_*/*.py")), ids=lambda f: f.name)
def test_imports_go_down_only(file: pathlib.Path) -> None:
    assert violations(str(file.relative_to(UTILS)), file.read_text()) == []


@pytest.mark.parametrize("path, source", [
    ("_kernel/mounts.py", "import ctypes"),
    ("_kernel/mounts.py", "from ctypes import CDLL"),
    ("_bridge/plan.py", "import pyroute2"),
    ("_kernel/mounts.py", "from .._container import spec"),
    ("_container/spec.py", "from .._rootfs.plan import x"),
    ("_container/spec.py", "from ansible.module_utils.basic import AnsibleModule"),
])
def test_a_wrong_import_is_found(path: str, source: str) -> None:
    assert violations(path, source)
