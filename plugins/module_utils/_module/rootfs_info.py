# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_rootfs_info."""
from __future__ import annotations

import typing as t

from .._rootfs.spec import check_path
from .._rootfs.survey import describe, find

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "list", "elements": "str"},
    "sizes": {"type": "bool", "default": True},
}


def handle(request: Request) -> dict[str, t.Any]:
    """Facts about root file systems."""
    wanted = request.params["path"]
    paths = find() if wanted is None else [check_path(path, "path") for path in wanted]
    return {"changed": False, "rootfs": [describe(path, request.params["sizes"])
                                         for path in dict.fromkeys(paths)]}
