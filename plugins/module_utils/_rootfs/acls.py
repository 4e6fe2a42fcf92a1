# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACLs as GNU tar's and bsdtar's --acls write them, as the kernel takes them.

They are text, as acl(5) has it, that names users and groups by what they are called on the machine
that packed. Which ids that are is known from members that belong to them, or else from the passwd
and group of the archive itself.
"""
from __future__ import annotations

import struct
import typing as t

from .._kernel.errors import LxcError

if t.TYPE_CHECKING:
    import tarfile

# Of a pax header: which attribute it is.
KEYS = {"SCHILY.acl.access": "system.posix_acl_access",
        "SCHILY.acl.default": "system.posix_acl_default"}
# include/uapi/linux/posix_acl{,_xattr}.h: tags, without and with a name
_VERSION = 2
_TAGS = {"user": (0x01, 0x02), "group": (0x04, 0x08), "mask": (0x10, 0), "other": (0x20, 0)}
_SHORT = {"u": "user", "g": "group", "m": "mask", "o": "other"}
_NO_ID = 0xffffffff
_HIGHEST_ID = 65535
_MOST = 1 << 20  # bytes that are read of a passwd


class Names:
    """Who is called what, as far as an archive says it, and the ACLs that want to know."""

    def __init__(self) -> None:
        self._of_members: dict[str, dict[str, int]] = {"user": {"root": 0}, "group": {"root": 0}}
        self._of_files: dict[str, dict[str, int]] = {"user": {}, "group": {}}
        self._texts: dict[str, str] = {}  # and the first member that has it

    def learn(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        """Look at one member; ``path`` is its name without "./"."""
        for kind, name, number in (("user", member.uname, member.uid),
                                   ("group", member.gname, member.gid)):
            if name:
                self._of_members[kind].setdefault(name, number)
        for key in KEYS:
            if key in member.pax_headers:
                self._texts.setdefault(member.pax_headers[key], member.name)
        kind = {"etc/passwd": "user", "etc/group": "group"}.get(path, "")
        if kind and member.isreg() and member.size <= _MOST:
            file = tar.extractfile(member)
            for line in (file.read() if file else b"").decode("utf-8", "replace").splitlines():
                words = line.split(":")
                if len(words) > 2 and words[2].isdecimal():
                    self._of_files[kind].setdefault(words[0], int(words[2]))

    def check(self, src: str) -> None:
        """:raises LxcError: for the first ACL that can't be kept; nothing was unpacked yet"""
        for text, member in self._texts.items():
            try:
                self.encode(text)
            except ValueError as error:
                raise LxcError("unpack", src, detail="the ACL of its member %r %s"
                               % (member[:200], error),
                               hint="Make the archive with --xattrs --xattrs-include='*' instead "
                                    "of --acls, which keeps ids.") from error

    def encode(self, text: str) -> bytes:
        """The value of the attribute.

        :raises ValueError: when it is none, or names somebody unknown
        """
        entries = []
        for item in text.replace(",", "\n").split("\n"):
            words = [word.strip() for word in item.partition("#")[0].split(":")]
            if words == [""]:
                continue
            kind = _SHORT.get(words[0], words[0])
            # mask and other may come without the empty name.
            if kind not in _TAGS or not 2 + (kind in ("user", "group")) <= len(words) <= 4:
                raise ValueError("has the entry %r" % item)
            name = words[1] if len(words) > 2 else ""
            plain, named = _TAGS[kind]
            if name and not named:
                raise ValueError("has the entry %r" % item)
            entries.append((named if name else plain, _bits(words[2 if len(words) > 2 else 1]),
                            self._id(kind, name, words[3:]) if name else _NO_ID))
        return struct.pack("<I", _VERSION) + b"".join(
            struct.pack("<HHI", *entry) for entry in sorted(entries, key=_by_tag_and_id))

    def _id(self, kind: str, name: str, given: list[str]) -> int:
        """:param given: the id itself, which star and bsdtar write beside the name"""
        number = next((int(word) for word in [*given, name] if word.isdecimal()), None)
        if number is None:
            for known in (self._of_members, self._of_files):
                number = known[kind].get(name) if number is None else number
        if number is None:
            raise ValueError("is for the %s %s, of whom nothing in it says which id that is"
                             % (kind, name))
        if number > _HIGHEST_ID:
            raise ValueError("is for the id %d; containers have ids from 0 to %d"
                             % (number, _HIGHEST_ID))
        return number


def _by_tag_and_id(entry: tuple[int, int, int]) -> tuple[int, int]:
    return entry[0], entry[2]


def _bits(word: str) -> int:
    bits = sum({"r": 4, "w": 2, "x": 1}.get(letter, 0) for letter in set(word))
    if not word or not set(word) <= set("rwx-"):
        raise ValueError("has the permissions %r" % word)
    return bits
