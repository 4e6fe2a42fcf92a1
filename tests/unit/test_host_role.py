# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's bridge has the module's options: none forgotten, none with another type."""
from __future__ import annotations

import pathlib

import yaml
from ansible_collections.fleet.lxc.plugins.module_utils._module.bridge import ARGUMENT_SPEC

INTERNAL = "confirmation"  # between the action plugin and the module
ROLE = pathlib.Path(__file__).parents[2] / "roles" / "host"


def test_the_roles_bridge_has_the_modules_options() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    options = specs["argument_specs"]["main"]["options"]["host_bridge"]["options"]
    nested = [one for option in options.values() for one in option.get("options", {}).values()]
    for option in [*options.values(), *nested]:
        del option["description"]
    assert options == {n: o for n, o in ARGUMENT_SPEC.items() if n != INTERNAL}


def test_each_of_them_reaches_the_module() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/main.yml").read_text())
    given = next(t["fleet.lxc.lxc_bridge"] for t in tasks if "fleet.lxc.lxc_bridge" in t)
    assert set(given) == set(ARGUMENT_SPEC) - {INTERNAL}
    assert all("host_bridge.%s " % name in value for name, value in given.items())
