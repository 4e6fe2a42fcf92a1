# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows the host's stream of events for somebody else: lines of JSON on standard output.

The first line, and one after each silence, has the cursor alone, so that whoever reads can tell a
quiet host from a dead connection, and knows where to go on. It ends with standard input.
"""
from __future__ import annotations

import os
import time

from .._kernel.lean import json
from .event_stream import EventStream

SILENCE = 10.0  # seconds


def follow(since: str | None) -> None:
    """Write events until nobody listens any more.

    :param since: a cursor; None for what comes from now on
    """
    with EventStream(since) as stream:
        lost = stream.lost
        _say({"cursor": stream.cursor, "lost": lost})
        said = time.monotonic()
        while True:
            for event in stream.read():
                if stream.lost and not lost:
                    lost = True
                    _say({"cursor": event["cursor"], "lost": True})
                _say(event)
                said = time.monotonic()
            if time.monotonic() - said >= SILENCE:
                _say({"cursor": stream.cursor})
                said = time.monotonic()
            # Nobody writes to it: what is there to read is its end.
            if stream.wait(max(0.0, said + SILENCE - time.monotonic()), [0]):
                return


def _say(what: dict[str, object]) -> None:
    data = json.dumps(what, separators=(",", ":")).encode() + b"\n"
    while data:
        data = data[os.write(1, data):]
