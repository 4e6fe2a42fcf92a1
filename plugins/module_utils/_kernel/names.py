# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which names may become a folder, a cgroup and a hostname."""
from __future__ import annotations

from .errors import LxcError

_FIRST = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
_REST = _FIRST | frozenset("_.-")
MAX_NAME = 64


def check_name(name: str) -> None:
    """Refuse what is not ``[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`` in full.

    Plain sets instead of a regular expression: ``$`` would let a trailing newline pass.

    :raises LxcError: naming the first thing that is wrong with it
    """
    if not name:
        problem = "the name is empty"
    elif len(name) > MAX_NAME:
        problem = "the name has %d characters, at most %d are allowed" % (len(name), MAX_NAME)
    elif name[0] not in _FIRST:
        problem = "the name begins with %r, not with a letter or digit" % name[0]
    else:
        bad = [c for c in name if c not in _REST]
        if not bad:
            return
        problem = "the name contains %r" % bad[0]
    raise LxcError("use as a container's name", repr(name), detail=problem,
                   hint='Use letters, digits, "_", ".", "-"; begin with a letter or digit.')
