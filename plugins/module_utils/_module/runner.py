# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where a module meets Ansible, and where an LxcError becomes fail_json."""
from __future__ import annotations

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule

from .._kernel.errors import LxcError


class Request(t.NamedTuple):
    """What a handler may know of the task."""

    params: dict[str, t.Any]
    check_mode: bool
    diff_mode: bool
    warn: t.Callable[[str], None]


Handler = t.Callable[[Request], "dict[str, t.Any]"]


def run(argument_spec: dict[str, t.Any], handler: Handler, needs_root: bool = True,
        **kwargs: t.Any) -> None:
    """Validate the task's arguments, let ``handler`` do the work, report.

    ``kwargs`` go to AnsibleModule (mutually_exclusive, required_if, ...).
    """
    module = AnsibleModule(argument_spec=argument_spec, supports_check_mode=True, **kwargs)
    request = Request(module.params, module.check_mode, module._diff, module.warn)
    try:
        if needs_root and os.geteuid() != 0:
            raise LxcError("manage containers", "as uid %d" % os.geteuid(),
                           detail="root rights are needed", hint="Set 'become: true' on the task.")
        result = handler(request)
    except LxcError as error:
        module.fail_json(msg=str(error), **error.to_dict())
    if not request.diff_mode:
        result.pop("diff", None)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
