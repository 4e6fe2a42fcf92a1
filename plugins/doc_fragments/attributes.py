# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module says of itself; a module that names no platform of its own has these."""
from __future__ import annotations


class ModuleDocFragment:
    """The attributes of fleet.lxc's modules."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying
      target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in
      C(check_mode)), when in diff mode.
    support: full
  platform:
    description: Target OS/families that can be operated against.
    platforms: linux
    support: full
    details:
      - Linux 5.10 or newer on x86-64 or aarch64, Python 3.9 or newer.
"""

    # For modules that are in the action group, so that module_defaults reach them.
    ACTION_GROUP = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/fleet.lxc.lxc) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - fleet.lxc.lxc
"""
