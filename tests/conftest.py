# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests import the checkout as the collection it is, wherever it lies."""
from __future__ import annotations

import atexit
import pathlib
import shutil
import sys
import tempfile

# Not by a name that leftovers.py looks for: other stages run at the same time.
_tree = pathlib.Path(tempfile.mkdtemp(prefix="collection-tree-"))
atexit.register(shutil.rmtree, _tree)
(_tree / "ansible_collections" / "fleet").mkdir(parents=True)
(_tree / "ansible_collections/fleet/lxc").symlink_to(pathlib.Path(__file__).parents[1])
sys.path.insert(0, str(_tree))
