# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of an LXC configuration file: words, quotes, numbers, fstab(5)'s escapes."""
from __future__ import annotations

from collections import namedtuple

from .._kernel.errors import LxcError
from .lxc_config_parse import problem
from .spec import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NamedTuple

    from .lxc_config_parse import Setting

    Lines = list[tuple[str, str]]  # keys without "lxc.", and values

    class Reading(NamedTuple):
        """What a reader has to know beside the settings."""

        name: str
        roots: list[str]  # what targets of mounts may begin with
        warnings: list[str]
else:
    Reading = namedtuple("Reading", "name roots warnings")

_ESCAPES = {"\\": "\\134", " ": "\\040", "\t": "\\011", "\n": "\\012"}


def split_words(text: str) -> list[str] | None:
    """A command line by LXC's rule: a word that begins with a quote ends with the next such one.

    :returns: None where a quote is not closed
    """
    words = []
    rest = text.strip(" \t")
    while rest:
        if rest[0] in "'\"":
            end = rest.find(rest[0], 1)
            if end < 0:
                return None
            words.append(rest[1:end])
            rest = rest[end + 1:]
        else:
            end = next((i for i, letter in enumerate(rest) if letter in " \t"), len(rest))
            words.append(rest[:end])
            rest = rest[end:]
        rest = rest.lstrip(" \t")
    return words


def join_words(words: list[str]) -> str:
    """The way back; not for a word that needs quotes and holds both kinds."""
    made = []
    for word in words:
        if not word or word[0] in "'\"" or any(letter in " \t" for letter in word):
            quote = "'" if '"' in word else '"'
            word = quote + word + quote
        made.append(word)
    return " ".join(made)


def escape(field: str) -> str:
    """A field of a line of fstab."""
    return "".join(_ESCAPES.get(letter, letter) for letter in field)


def unescape(field: str) -> str:
    """As getmntent(3) does: one pass, these escapes only."""
    made, position = [], 0
    codes = {code: letter for letter, code in _ESCAPES.items()}
    while position < len(field):
        code = field[position:position + 4]
        if code in codes:
            made.append(codes[code])
            position += 4
        else:
            made.append(field[position])
            position += 1
    return "".join(made)


def fields(line: str) -> list[str]:
    """What blanks and tabs hold apart."""
    return [field for field in line.replace("\t", " ").split(" ") if field]


def check(option: str, value: Any, setting: Setting) -> Any:
    """As a definition has it. Refused now, while its line is known."""
    try:
        return OPTIONS[option].check(value)
    except LxcError as error:
        detail = "%s: %s" % (error.subject, error.detail) if error.subject else error.detail
        raise problem(setting, detail, error.hint) from None


def whole_number(setting: Setting) -> int:
    """In tens, or in eights after 0, or in sixteens after 0x: strtol(3)'s base 0, as LXC has it."""
    text = setting.value
    digits = text[1:] if text[:1] in ("-", "+") else text
    base = 16 if digits[:2].lower() == "0x" else 8 if len(digits) > 1 and digits[0] == "0" else 10
    try:
        if not digits.isalnum() or not digits.isascii() or len(digits) > 18:
            raise ValueError
        return int(text, base)
    except ValueError:
        raise problem(setting, "%r is no whole number" % text, "Write it in digits.") from None


def switch(setting: Setting) -> bool:
    number = whole_number(setting)
    if number not in (0, 1):
        raise problem(setting, "%r is neither 0 nor 1" % setting.value,
                      "Write 1 for yes, 0 for no.")
    return number == 1
