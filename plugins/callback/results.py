# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as lines of JSON, for programs that run a playbook."""
from __future__ import annotations

DOCUMENTATION = r"""
name: results
type: stdout
short_description: Each result as a line of JSON
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Writes a line of JSON for each result of a task, for programs that run a playbook and read what
    came of it. The inventory plugin P(fleet.lxc.lxc#inventory) is one.
  - A line has C(host), C(task), C(status), one of C(ok), C(failed), C(unreachable) and C(skipped),
    and C(result).
options:
  path:
    description: File to write to. Standard output where it is not given.
    type: path
    env:
      - name: FLEET_LXC_RESULTS_PATH
requirements:
  - set as stdout callback, for one run, by C(ANSIBLE_STDOUT_CALLBACK=fleet.lxc.results)
"""

import json  # noqa: E402
import sys  # noqa: E402
import typing as t  # noqa: E402

from ansible.plugins.callback import CallbackBase  # noqa: E402


class CallbackModule(CallbackBase):  # type: ignore[misc]  # ansible has no types for it
    """One line each."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "fleet.lxc.results"

    def _write(self, status: str, result: t.Any) -> None:
        # The result's attributes have a public face from ansible-core 2.19 on.
        host = getattr(result, "host", None) or result._host
        task = getattr(result, "task", None) or result._task
        found = json.loads(self._dump_results(getattr(result, "result", None) or result._result,
                                              indent=None))
        line = json.dumps({"host": host.get_name(), "task": task.get_name(), "status": status,
                           "result": found}) + "\n"
        path = self.get_option("path")
        if path:
            with open(path, "a", encoding="utf-8") as stream:
                stream.write(line)
        else:
            sys.stdout.write(line)

    def v2_runner_on_ok(self, result: t.Any) -> None:
        """A task's success on a host."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        """A task's failure on a host."""
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: t.Any) -> None:
        """A host that could not be reached."""
        self._write("unreachable", result)

    def v2_runner_on_skipped(self, result: t.Any) -> None:
        """A task that was not run on a host."""
        self._write("skipped", result)
