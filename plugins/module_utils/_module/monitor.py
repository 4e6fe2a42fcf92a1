# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_monitor."""
from __future__ import annotations

import fnmatch
import time
import typing as t

from .._container import wait
from .._container.event_stream import EventStream
from .._kernel.errors import LxcError
from .selection import check_pattern

if t.TYPE_CHECKING:
    from .runner import Request

KINDS = {"state": "state", "priority": "priority", "oom": "oom_kills"}  # by the fact that tells
ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str", "default": ["*"]},
    "kinds": {"type": "list", "elements": "str", "choices": list(KINDS), "default": list(KINDS)},
    "states": {"type": "list", "elements": "str", "choices": list(wait.STATES)},
    "since": {"type": "str"},
    "count": {"type": "int"},
    "until": {"type": "list", "elements": "str", "choices": list(wait.STATES)},
    "timeout": {"type": "float", "default": 30},
}


def handle(request: Request) -> dict[str, t.Any]:
    """Collect what changes until there is enough, or the time is over."""
    params = request.params
    if params["timeout"] < 0 or (params["count"] is not None and params["count"] < 1):
        raise LxcError("collect events", detail="timeout is negative, or count is less than 1",
                       hint="Give seconds from 0 on, and a count from 1 on.")
    for word in params["name"]:
        check_pattern(word)
    found: list[dict[str, t.Any]] = []
    deadline = time.monotonic() + params["timeout"]
    with EventStream(params["since"]) as stream:
        cursor = stream.cursor
        while True:
            for event in stream.read():
                cursor = event["cursor"]
                if _wanted(event, params):
                    found.append(event)
                    if _enough(found, params):
                        return _result(request, found, cursor, True, stream.lost)
            cursor = stream.cursor
            left = deadline - time.monotonic()
            if left <= 0:
                return _result(request, found, cursor, False, stream.lost)
            stream.wait(left)


def _wanted(event: dict[str, t.Any], params: dict[str, t.Any]) -> bool:
    if not any(fnmatch.fnmatchcase(event["container"], word) for word in params["name"]):
        return False
    if not any(KINDS[kind] in event for kind in params["kinds"]):
        return False
    return params["states"] is None or event.get("state") in params["states"]


def _enough(found: list[dict[str, t.Any]], params: dict[str, t.Any]) -> bool:
    return (params["count"] is not None and len(found) >= params["count"]
            or params["until"] is not None and found[-1].get("state") in params["until"])


def _result(request: Request, found: list[dict[str, t.Any]], cursor: str, reached: bool,
            lost: bool) -> dict[str, t.Any]:
    """The cursor is behind the last event that was looked at: what came later is still there."""
    if lost:
        request.warn("Events from before %s are gone: the stream was full, or the host has been "
                     "started again since." % (found[0]["time"] if found else "now"))
    return {"changed": False, "events": found, "cursor": cursor, "reached": reached, "lost": lost}
