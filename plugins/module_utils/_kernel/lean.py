# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the standard library in C, without the Python around them.

json comes with re, and signal, socket, array and functools with enum or collections: nearly half of
what an interpreter has loaded then. That is 5 ms once, and memory that each of its forks copies the
mappings of and lets go of again. A start is a fork.
"""
from __future__ import annotations

import _json

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    import json
    import signal
    from functools import partial
    from typing import Any
else:
    import _signal as signal
    from _functools import partial

__all__ = ("json", "partial", "signal")


class _Reading:
    """What the scanner asks of a JSONDecoder."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    parse_constant = float
    memo: dict[str, str] = {}


class _Json:
    """json.loads and json.dumps, with their core and nothing else."""

    def __init__(self) -> None:
        self._scan = _json.make_scanner(_Reading)  # type: ignore[arg-type]

    def loads(self, text: str | bytes) -> Any:
        """:raises ValueError: where it is no JSON"""
        whole = (text if isinstance(text, str) else text.decode()).strip(" \t\n\r")
        try:
            found, end = self._scan(whole, 0)
            if end == len(whole):
                return found
        except (StopIteration, ValueError, SystemError):
            pass
        import json  # which says what is wrong
        return json.loads(whole)

    def dumps(self, value: Any, separators: tuple[str, str] = (", ", ": "),
              sort_keys: bool = False) -> str:
        """:raises TypeError: for what JSON does not have"""
        encode = _json.make_encoder(None, _refuse, _json.encode_basestring_ascii, None,
                                    separators[1], separators[0], sort_keys, False, True)
        return "".join(encode(value, 0))


def _refuse(value: Any) -> Any:
    raise TypeError("JSON has no %s" % type(value).__name__)


if not TYPE_CHECKING:
    json = _Json()
