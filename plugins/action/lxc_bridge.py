# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of lxc_bridge: it confirms over a new connection that the host answers.

The module answers before anything of the network changes; a process on the host makes the change
and undoes it unless this plugin reaches the host anew and says to keep it.
"""
from __future__ import annotations

import re
import secrets
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

_MODULE = "fleet.lxc.lxc_bridge"
_PAUSE = 1  # seconds between two attempts to connect
_ALIVE = "-o ServerAliveInterval=5 -o ServerAliveCountMax=4"  # the first of its kind counts
_GRACE = 60  # seconds beyond the timeout for the old network to be reached again

display = Display()


class ActionModule(ActionBase):  # type: ignore[misc]
    """Runs the module, and a second time to confirm what could have cut the host off."""

    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None
            ) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        del tmp
        if "confirmation" in self._task.args:
            raise AnsibleActionFail("The option 'confirmation' is for this plugin, not for tasks.")
        if self._task.check_mode:
            result.update(self._module(None, task_vars))
            return result
        if self._connection._shell.tmpdir is None:
            self._make_tmp_path()  # a host that can't be reached at all is told apart here
        self._notice_silence()
        token = secrets.token_hex(16)
        try:
            first = self._module("begin " + token, task_vars)
        except AnsibleError as error:
            first = {"failed": True, "broken": str(error)}
        if first.get("unconfirmed"):
            result.update(self._confirm(token, first, task_vars))
        elif not self._is_answer(first):
            result.update(self._take_back(token, first, task_vars))
        else:
            result.update(first)
        return result

    def _notice_silence(self) -> None:
        """ssh waits for ever for a host that was cut off while it was connected."""
        if getattr(self._connection, "transport", "") == "ssh":
            given = self._connection.get_option("ssh_common_args") or ""
            self._connection.set_option("ssh_common_args", ("%s %s" % (given, _ALIVE)).strip())

    def _module(self, confirmation: str | None, task_vars: dict[str, t.Any] | None
                ) -> dict[str, t.Any]:
        args = dict(self._task.args)
        if confirmation:
            args["confirmation"] = confirmation
        found: dict[str, t.Any] = self._execute_module(
            module_name=_MODULE, module_args=args, task_vars=task_vars)
        return found

    @staticmethod
    def _is_answer(found: dict[str, t.Any]) -> bool:
        """Whether the module itself has spoken: a result, or an error in its own words."""
        return ("broken" not in found and "module_stdout" not in found
                and not found.get("unreachable"))

    def _confirm(self, token: str, first: dict[str, t.Any], task_vars: dict[str, t.Any] | None
                 ) -> dict[str, t.Any]:
        seconds = int(self._task.args.get("confirm_timeout", 60))
        end = time.monotonic() + seconds + _GRACE
        # A connection that was opened before the change may live on where no new one gets through,
        # behind a firewall that names the NIC for example. So the one that confirms is opened when
        # the host has said that the change is made.
        answer, trouble = self._reach("await " + token, end, task_vars)
        if answer is not None and answer.get("made"):
            answer, trouble = self._reach("keep " + token, end, task_vars)
        if answer is None:
            return self._unknown(first, trouble, seconds)
        if answer.get("failed"):
            if trouble:
                answer["msg"] = "%s (Before that: %s)" % (answer.get("msg"), trouble)
            return answer
        answer["operations"] = first["operations"]
        answer["changed"] = True
        if "diff" in answer:
            answer["diff"] = {"before": first["diff"]["before"], "after": {
                **answer["bridge"], "operations": first["operations"]}}
        answer["warnings"] = [*first.get("warnings", []), *(
            text for text in answer.get("warnings", []) if text not in first.get("warnings", []))]
        return answer

    def _take_back(self, token: str, first: dict[str, t.Any], task_vars: dict[str, t.Any] | None
                   ) -> dict[str, t.Any]:
        """The connection broke while the module ran: nobody knows how far it came."""
        cause = first.get("broken") or first.get("msg") or "no answer"
        seconds = int(self._task.args.get("confirm_timeout", 60))
        answer, trouble = self._reach("undo " + token, time.monotonic() + seconds + _GRACE,
                                      task_vars)
        if answer is None:
            return self._unknown(first, trouble, seconds)
        answer["msg"] = "The connection broke: %s. %s" % (str(cause).strip().rstrip("."),
                                                          answer.get("msg"))
        return answer

    def _reach(self, confirmation: str, end: float, task_vars: dict[str, t.Any] | None
               ) -> tuple[dict[str, t.Any] | None, str]:
        """Run the module over a new connection, again and again until it speaks.

        :param end: when to give up, by the monotonic clock; one attempt is made in any case
        :returns: its answer, None for none in time; and why the last attempt before it failed
        """
        trouble = ""
        while True:
            try:
                self._renew()  # some connect anew at once
                found = self._module(confirmation, task_vars)
                if self._is_answer(found):
                    return found, trouble
                trouble = str(found.get("module_stderr") or found.get("msg")).strip()
            except AnsibleError as error:
                trouble = str(error).strip()
            # It may have kept the change before it was cut off, and knows of none any more then.
            confirmation = re.sub("^keep ", "again ", confirmation)
            display.vv("fleet.lxc.lxc_bridge: no answer over a new connection: %s" % trouble,
                       host=self._task_host(task_vars))
            if time.monotonic() > end:
                return None, trouble
            time.sleep(_PAUSE)

    def _renew(self) -> None:
        """Let go of the connection that there is: it may live on where a new one would not."""
        connection = self._connection
        if type(connection).reset is not ConnectionBase.reset:
            connection.reset()
        else:
            connection.close()

    @staticmethod
    def _task_host(task_vars: dict[str, t.Any] | None) -> str | None:
        return (task_vars or {}).get("inventory_hostname")

    @staticmethod
    def _unknown(first: dict[str, t.Any], trouble: str, seconds: int) -> dict[str, t.Any]:
        return {"failed": True, "changed": True, "operations": first.get("operations", []),
                "msg": "The host could not be reached over a new connection, neither before nor "
                       "after the %d s after which it undoes the change: %s. Look at its console."
                       % (seconds, trouble)}
