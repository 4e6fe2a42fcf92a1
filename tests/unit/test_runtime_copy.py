# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's copy on a host has every file that it needs, and AnsiballZ packs them."""
from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import store
from ansible_collections.fleet.lxc.plugins.module_utils._container.runtime_files import (
    FILES,
    RUNTIME,
)

UTILS = pathlib.Path(__file__).parents[2] / "plugins" / "module_utils"
# Of modules that run from the archive only.
ONLY_MODULES = {"_kernel": {"announce", "bridge_vlans", "features", "kconfig", "link_config",
                            "netlink_kinds", "nftables", "resources", "sysctls", "vxlan"},
                "_container": {"application", "cgroup_live", "cgroup_read", "clone_hooks",
                               "device_live", "device_rules", "health", "inside", "live",
                               "mount_live", "network_live",
                               "lxc_config_devices", "lxc_config_map", "lxc_config_mounts",
                               "lxc_config_networks", "lxc_config_parse", "lxc_config_values",
                               "lxc_config_write"}}


def imports(path: pathlib.Path) -> set[str]:
    """Files of these two floors that a file imports, at the top or in a function."""
    floor = path.parent.name
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom) or not node.level:
            continue
        module = (node.module or "").split(".")
        base = [floor] if node.level == 1 else []
        for parts in ([*base, *module] if node.module else [*base],):
            parts = [p for p in parts if p]
            if len(parts) > 1:
                found.add("/".join(parts[:2]))
            else:
                found |= {"%s/%s" % (parts[0], a.name) for a in node.names}
    return found


def test_the_copy_is_with_the_state() -> None:
    assert RUNTIME == store.STATE + "/runtime"


@pytest.mark.parametrize("floor", sorted(FILES))
def test_every_file_is_listed(floor: str) -> None:
    there = {path.stem for path in (UTILS / floor).glob("*.py")}
    assert set(FILES[floor]) == there - ONLY_MODULES[floor]


def test_nothing_that_is_listed_needs_what_is_not() -> None:
    listed = {"%s/%s" % (floor, name) for floor, names in FILES.items() for name in names}
    needed = {found for name in listed for found in imports(UTILS / (name + ".py"))}
    assert needed - listed == set()


def test_what_the_event_source_sends_needs_nothing_else() -> None:
    path = UTILS.parents[1] / "extensions/eda/plugins/event_source/lxc_events.py"
    parts, = (node.value for node in ast.parse(path.read_text()).body
              if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PARTS")
    sent = {"%s/%s" % (floor, name) for floor, names in ast.literal_eval(parts).items()
            for name in names}
    needed = {found for name in sent for found in imports(UTILS / (name + ".py"))}
    assert needed - sent == set()


def test_the_archive_of_a_module_has_them() -> None:
    """AnsiballZ packs what it finds by following imports from the module."""
    seen: set[str] = set()
    queue = ["_container/lifecycle"]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += imports(UTILS / (name + ".py"))
    listed = {"%s/%s" % (floor, name) for floor, names in FILES.items()
              for name in names if name != "__init__"}
    assert listed - seen == set()


@pytest.mark.parametrize("program", ["launcher", "attacher", "attach_command"])
def test_what_forks_has_little_loaded(program: str) -> None:
    """What these import is copied, and costs, with each container: see lean.py."""
    code = ("import sys; sys.path.insert(0, %r); sys.dont_write_bytecode = True\n"
            "import ansible_collections.fleet.lxc.plugins.module_utils._container.%s\n"
            "print(*sys.modules)" % (str(pathlib.Path(store.__file__ or "").parents[6]), program))
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, text=True,
                          capture_output=True)
    loaded = set(done.stdout.split())
    assert "ansible_collections.fleet.lxc.plugins.module_utils._kernel.lean" in loaded
    assert loaded & {"array", "collections", "enum", "json", "re", "signal", "socket",
                     "typing"} == set()
