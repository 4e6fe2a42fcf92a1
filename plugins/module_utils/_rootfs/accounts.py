# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of a container: /etc/passwd, /etc/group, /etc/shadow and authorized keys. Pure."""
from __future__ import annotations

import typing as t

from .._kernel.errors import LxcError

_DOING = "use as option of a root file system:"
_FIRST = frozenset("abcdefghijklmnopqrstuvwxyz_")
_REST = _FIRST | frozenset("0123456789-.")
# "*" lets nobody in by password; "!" would be a locked account, whose keys sshd refuses as well.
NO_PASSWORD = "*"
_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")


class Account(t.NamedTuple):
    """One line of /etc/passwd, and what belongs to it."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str = NO_PASSWORD  # crypt(5)
    authorized_keys: list[str] | None = None


_NOLOGIN = "/usr/sbin/nologin"
# What each container has; the ids are Debian's fixed ones, and 74 is sshd's at Fedora.
SYSTEM_ACCOUNTS = (
    Account("root", 0, 0, "/root", "/bin/bash"),
    Account("daemon", 1, 1, "/usr/sbin", _NOLOGIN),
    Account("sshd", 74, 65534, "/run/sshd", _NOLOGIN),
    Account("nobody", 65534, 65534, "/nonexistent", _NOLOGIN),
)
SYSTEM_GROUPS = (("root", 0), ("daemon", 1), ("tty", 5), ("disk", 6), ("mail", 8), ("shadow", 42),
                 ("utmp", 43), ("staff", 50), ("users", 100), ("nogroup", 65534))


def check_account(item: dict[str, t.Any]) -> Account:
    """An item of the option as an account.

    :raises LxcError: for what would break a line of /etc/passwd, or that no container has
    """
    name = item["name"]
    if not name or len(name) > 32 or name[0] not in _FIRST or any(c not in _REST for c in name):
        raise LxcError(_DOING, "accounts", detail="%r is no account's name" % name,
                       hint="Use lower case letters, digits, '_', '-', '.', a letter first.")
    uid = item["uid"]
    gid = uid if item.get("gid") is None else item["gid"]
    for number in (uid, gid):
        if not 0 < number < 65534:
            raise LxcError(_DOING, "accounts", detail="%s can't have the id %d" % (name, number),
                           hint="Ids of accounts are from 1 to 65533, usually from 1000 on; "
                                "root's keys are given in 'root_authorized_keys'.")
    for other in SYSTEM_ACCOUNTS:
        if name == other.name or uid == other.uid:
            raise LxcError(_DOING, "accounts", detail="%s is %s, which each container has"
                           % (name, other.name), hint="Choose another name and uid.")
    home = item.get("home") or "/home/%s" % name
    shell = item.get("shell") or "/bin/bash"
    password = item.get("password") or NO_PASSWORD
    for field, value in (("home", home), ("shell", shell), ("password", password)):
        if any(c in value for c in ":\n\0"):
            raise LxcError(_DOING, "accounts", detail="%s of %s has a colon or a line break"
                           % (field, name), hint="No field of /etc/passwd can have one.")
    if password != NO_PASSWORD and password[0] not in "$!*_":
        raise LxcError(_DOING, "accounts", detail="the password of %s is not hashed" % name,
                       hint="Give a hash, as ansible.builtin.password_hash makes it.")
    if not home.startswith("/") or not shell.startswith("/") or ".." in home.split("/") \
            or home.rstrip("/") in ("", "/etc", "/usr", "/home", "/root", "/var", "/run", "/tmp"):
        raise LxcError(_DOING, "accounts", detail="%s can't have the home %s and the shell %s"
                       % (name, home, shell), hint="Give absolute paths, and a home of its own.")
    keys = item.get("authorized_keys")
    return Account(name, uid, gid, home.rstrip("/"), shell, password,
                   None if keys is None else make_key_lines(keys, "accounts"))


def make_key_lines(keys: list[str], option: str) -> list[str]:
    """The lines of an authorized_keys file (sshd(8)), each looked at so far as to catch a slip."""
    lines = [key.strip() for key in keys]
    for line in lines:
        words = line.split()
        known = [i for i, word in enumerate(words[:-1]) if word.startswith(_KEY_TYPES)]
        if "\n" in line or "\0" in line or not known or not words[known[0] + 1].startswith("AAAA"):
            shown = "a private key" if "PRIVATE KEY" in line else repr(line[:40])
            raise LxcError(_DOING, option, detail="%s is no public key" % shown,
                           hint="Give one line of an authorized_keys file an item, as "
                                "'ssh-ed25519 AAAA... comment'.")
    return lines


def check_unique(values: list[str], option: str) -> None:
    """Refuse a value that is listed twice."""
    for position, value in enumerate(values):
        if value in values[:position]:
            raise LxcError(_DOING, option, detail="%s is listed twice" % value,
                           hint="List it once.")


def passwd(accounts: list[Account]) -> str:
    """/etc/passwd, see passwd(5)."""
    return "".join("%s:x:%d:%d::%s:%s\n" % (a.name, a.uid, a.gid, a.home, a.shell)
                   for a in [*SYSTEM_ACCOUNTS, *accounts])


def group(accounts: list[Account]) -> str:
    """/etc/group, see group(5); an account whose gid no group has gets a group of its name."""
    groups = list(SYSTEM_GROUPS)
    for account in accounts:
        if account.gid not in [gid for _name, gid in groups]:
            groups.append((account.name, account.gid))
    return "".join("%s:x:%d:\n" % pair for pair in groups)


def shadow(accounts: list[Account]) -> str:
    """/etc/shadow, see shadow(5): passwords that never expire."""
    return "".join("%s:%s::0:99999:7:::\n" % (a.name, a.password)
                   for a in [*SYSTEM_ACCOUNTS, *accounts])
