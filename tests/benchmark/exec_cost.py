# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a connection itself costs a task: made anew, and one command with a module's worth of input.

A program of its own, since each contender's Ansible is in an environment of its own. Reads
{"repeat": 9, "hosts": {name: variables}} from standard input, writes {name: [milliseconds]}.
"""
from __future__ import annotations

import json
import os
import sys
import time
import traceback
import typing as t

from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import connection_loader, init_plugin_loader

_COMMAND = "/bin/sh -c 'echo done'"


def once(variables: dict[str, t.Any]) -> float:
    """Milliseconds. Each task has a process of its own, and so a connection that is new."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            began = time.perf_counter()
            context = PlayContext()
            context.remote_addr = variables.get("ansible_host")
            plugin = connection_loader.get(variables["ansible_connection"], context, new_stdin=None)
            plugin.set_options(var_options=variables)
            rc, stdout, stderr = plugin.exec_command(_COMMAND, sudoable=False)
            seconds = time.perf_counter() - began
            if rc or stdout != b"done\n":
                raise RuntimeError("%d: %r, %r" % (rc, stdout, stderr))
            os.write(writing, b"%f" % (1000 * seconds))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as stream:
        found = stream.read()
    os.waitpid(pid, 0)
    if not found:
        sys.exit("%s failed" % variables["ansible_connection"])
    return float(found)


def main() -> None:
    asked = json.load(sys.stdin)
    init_plugin_loader([])
    times: dict[str, list[float]] = {name: [] for name in asked["hosts"]}
    for number in range(asked["repeat"]):
        for name, variables in asked["hosts"].items():
            milliseconds = once(variables)
            if number:  # the first one fills caches
                times[name].append(milliseconds)
    print(json.dumps(times))


main()
