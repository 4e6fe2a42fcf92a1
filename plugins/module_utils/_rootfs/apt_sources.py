# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mirror and which keys this host's own apt trusts, so that no task needs to name one."""
from __future__ import annotations

import glob
import os
import typing as t

FOLDER = "/etc/apt"
KEYRINGS = "/usr/share/keyrings"
# Suites of these endings are parts of a release, never all of it.
_PARTS = ("-security", "-updates", "-backports", "-proposed-updates", "-backports-sloppy",
          "/updates", "-proposed")


class Source(t.NamedTuple):
    """One archive of packages, as sources.list(5) describes it."""

    uri: str
    suites: list[str]
    components: list[str]
    keyring: str | None = None  # a file; keys within the source itself are not used


def parse_list(text: str) -> list[Source]:
    """One-line style, sources.list(5). Pure."""
    found = []
    for line in text.splitlines():
        words = line.split("#")[0].split()
        if len(words) < 3 or words[0] != "deb":
            continue
        keyring = None
        if words[1].startswith("["):
            options = []
            while len(words) > 1:
                word = words.pop(1)
                options += word.strip("[]").split()
                if word.endswith("]"):
                    break
            for option in options:
                key, _equals, value = option.partition("=")
                if key.lower() == "signed-by" and value.startswith("/"):
                    keyring = value.split(",")[0]
        if len(words) >= 3:
            found.append(Source(words[1], [words[2]], words[3:], keyring))
    return found


def parse_deb822(text: str) -> list[Source]:
    """deb822 style, sources.list(5). Pure."""
    found = []
    for paragraph in _paragraphs(text):
        if "deb" not in paragraph.get("types", "").split() \
                or paragraph.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        keyring = paragraph.get("signed-by", "").split()
        for uri in paragraph.get("uris", "").split():
            found.append(Source(uri, paragraph.get("suites", "").split(),
                                paragraph.get("components", "").split(),
                                keyring[0] if keyring and keyring[0].startswith("/") else None))
    return found


def _paragraphs(text: str) -> t.Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    key = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, key = {}, ""
        elif line[0].isspace():
            if key:
                fields[key] += " " + line.strip()
        else:
            key, _colon, value = line.partition(":")
            key = key.strip().lower()
            fields[key] = value.strip()


def choose(sources: list[Source], suite: str, codename: str) -> Source | None:
    """The archive for a suite: one that the host takes this suite from, or else the one that it
    takes its own release from, since an archive has several. Pure.

    :param codename: of the host's release
    """
    whole = [s for s in sources if s.uri.startswith(("http://", "https://", "file:", "copy:"))
             and any(c == "main" for c in s.components)
             and any(name and not name.endswith(_PARTS) for name in s.suites)]
    for wanted in (suite, codename):
        for source in whole:
            if wanted in source.suites:
                return source
    return None


def read_sources(folder: str = FOLDER) -> list[Source]:
    """What this host's apt is told to use, in the order in which apt reads it."""
    found = []
    for name in [folder + "/sources.list", *sorted(glob.glob(folder + "/sources.list.d/*"))]:
        parse = (parse_list if name.endswith(".list")
                 else parse_deb822 if name.endswith(".sources") else None)
        if parse is None:
            continue
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                found += parse(file.read())
        except OSError:
            continue
    return found


def read_release() -> dict[str, str]:
    """os-release(5) of this host: ID, VERSION_CODENAME and so on."""
    found: dict[str, str] = {}
    for name in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(name, encoding="utf-8", errors="replace") as file:
                for line in file:
                    key, _equals, value = line.strip().partition("=")
                    found.setdefault(key, value.strip("\"'"))
        except OSError:
            continue
    return found


def find_keyring(distribution: str) -> str | None:
    """The file with a distribution's archive keys, None where this host has none."""
    for name in ("%s/%s-archive-keyring.%s" % (KEYRINGS, distribution, ending)
                 for ending in ("gpg", "pgp")):
        if os.path.exists(name):
            return name
    return None
