# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_container_info."""
from __future__ import annotations

import os
import time
import typing as t

from .._container import observe, store
from .._container.lxc_config_write import lxc_config, options_of
from .._container.process_list import ProcessList
from .._container.usage import usage
from .._kernel import processes
from .._kernel.errors import LxcError
from .._kernel.netlink_links import Links
from .selection import failure, select, warn_of_unmatched

if t.TYPE_CHECKING:
    from .runner import Request

ARGUMENT_SPEC: dict[str, t.Any] = {"name": {"type": "list", "elements": "str"}}


def handle(request: Request) -> dict[str, t.Any]:
    """Facts about the containers; failed when one that is named is not there."""
    wanted = request.params["name"]
    selection = select(["*"] if wanted is None else wanted)
    if wanted is not None:
        warn_of_unmatched(selection, request.warn)
    found, errors, problems = [], {}, {}
    listed = ProcessList()
    for name, definition in selection.containers.items():
        try:
            if isinstance(definition, LxcError):
                raise definition
            status = observe.status(name)
            facts = _facts(name, definition, status, listed)
        except LxcError as error:
            errors[name] = error
            continue
        try:
            facts["addresses"] = _addresses(status)
        except LxcError as error:
            facts["addresses"] = None
            problems[str(error)] = name  # the same one for all of them, most likely
        found.append(facts)
    for problem, name in problems.items():
        request.warn("The addresses of containers such as %s are not known: %s" % (name, problem))
    return {"changed": False, "containers": found, **failure(errors)}


def _facts(name: str, definition: dict[str, t.Any], status: dict[str, t.Any],
           listed: ProcessList) -> dict[str, t.Any]:
    recorded = status["recorded"]
    # What is recorded of the last run outlives it.
    running = recorded if status["pid"] else {}
    started = running.get("started")
    used = usage(running) if running else None
    return {
        "name": name, "state": status["state"], "pid": status["pid"],
        "monitor_pid": status["monitor_pid"], "rootfs": definition["rootfs"],
        "definition": definition, "options": options_of(definition),
        "lxc_config": lxc_config(definition), "exit": status["exit"], "error": status["error"],
        "started": started,
        "uptime": None if started is None else round(max(0.0, time.time() - started), 3),
        "cgroups": running.get("cgroups") or [], "links": running.get("links") or [],
        "processes": listed.of(running, definition["rootfs"]) if running else [],
        "memory": (used["memory"] or {}).get("current") if used else None, "usage": used,
        "log": store.console_log(definition)}


def _addresses(status: dict[str, t.Any]) -> list[dict[str, str]]:
    """Of every link of its own network but loopback, whoever gave them: 0.3 ms a container."""
    recorded = status["recorded"]
    if not status["pid"] or "net" not in (recorded.get("namespaces") or []):
        return []
    try:
        fd = os.open("/proc/%d/ns/net" % status["pid"], os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return []  # it has ended since
    try:
        if not processes.is_alive(recorded["init"]):
            return []  # the pid may have become another's before the open
        links = Links(fd)
        try:
            names = {link["index"]: link["name"] for link in links.links()}
            return [{"link": names[index], "address": address}
                    for index, address in links.addresses()
                    if names.get(index, "lo") != "lo"]  # it may remove its own links meanwhile
        finally:
            links.close()
    finally:
        os.close(fd)
