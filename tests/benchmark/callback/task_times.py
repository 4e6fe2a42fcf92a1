# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what each task took, one JSON line each, to the file that BENCH_TASK_TIMES names."""
from __future__ import annotations

import json
import os
import time
import typing as t

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "task_times"
    CALLBACK_NEEDS_ENABLED = True

    _began = 0.0

    def v2_playbook_on_task_start(self, task: t.Any, is_conditional: bool) -> None:
        self._began = time.perf_counter()

    def v2_runner_on_ok(self, result: t.Any) -> None:
        self._write(result)

    def v2_runner_on_failed(self, result: t.Any, ignore_errors: bool = False) -> None:
        self._write(result)

    def _write(self, result: t.Any) -> None:
        """The result comes once a task, also when it loops."""
        seconds = time.perf_counter() - self._began
        # Its members are properties from ansible-core 2.19 on.
        task = getattr(result, "task", None) or result._task
        facts = getattr(result, "result", None) or result._result
        line = {"task": task.get_name(), "seconds": seconds,
                "changed": bool(facts.get("changed")), "failed": bool(facts.get("failed")),
                "msg": str(facts.get("msg", ""))}
        with open(os.environ["BENCH_TASK_TIMES"], "a") as stream:
            stream.write(json.dumps(line) + "\n")
