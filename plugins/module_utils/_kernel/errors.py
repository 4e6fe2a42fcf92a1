# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error family of the collection."""
from __future__ import annotations

import errno as _errno
import os

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


class LxcError(Exception):
    """Something that could not be done, as facts rather than prose.

    :param doing: the step, as a verb phrase: "attach veth to bridge"
    :param subject: what it was done to: a path, a name, a key
    :param errno: the kernel's answer, where it was the kernel that refused
    :param hint: what the reader can do about it, a full sentence
    :param detail: the reason, where no errno says it
    """

    def __init__(self, doing: str, subject: str = "", errno: int | None = None,
                 hint: str = "", detail: str = "") -> None:
        super().__init__(doing, subject, errno, hint, detail)
        self.doing = doing
        self.subject = subject
        self.errno = errno
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        where = "%s %s" % (self.doing, self.subject) if self.subject else self.doing
        reasons = []
        if self.detail:
            reasons.append(self.detail)
        if self.errno:
            code = _errno.errorcode.get(self.errno, str(self.errno))
            reasons.append("%s (%s)" % (os.strerror(self.errno), code))
        text = "%s: %s" % (where, ", ".join(reasons)) if reasons else "%s failed" % where
        return "%s. %s" % (text, self.hint) if self.hint else text

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON, to cross from one process to another."""
        return {"doing": self.doing, "subject": self.subject, "errno": self.errno,
                "hint": self.hint, "detail": self.detail}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> LxcError:
        return cls(facts["doing"], facts.get("subject", ""), facts.get("errno"),
                   facts.get("hint", ""), facts.get("detail", ""))

    @classmethod
    def from_os(cls, doing: str, subject: str, error: OSError, hint: str = "") -> LxcError:
        """What an OSError means in terms of the step that met it."""
        detail = "" if error.errno else str(error)
        return cls(doing, subject, error.errno, hint, detail)
