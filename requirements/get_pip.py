# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for get-pip in ansible-test's cache: the same arguments, but pip out of Python itself.

ensurepip runs as a process of its own, since it changes sys.path and the loaded modules.
"""
from __future__ import annotations

import subprocess
import sys

# ansible-test runs this with its own options of get-pip among those of pip.
arguments = [a for a in sys.argv[1:] if a not in ("--no-setuptools", "--no-wheel")]
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"])
packages = [a for a in arguments if not a.startswith("-")]
if packages:
    subprocess.check_call([sys.executable, "-m", "pip", "install", *arguments])
