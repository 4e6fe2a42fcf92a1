# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private part of a root file system that shares the host's files, entry by entry. Pure."""
from __future__ import annotations

import dataclasses
import os
import posixpath
import typing as t

from .._kernel.errors import LxcError
from .accounts import Account, group, passwd, shadow
from .closure import closure
from .keys import find_keygen
from .spec import DEFAULT_SHARED

if t.TYPE_CHECKING:
    from .spec import HostSpec

# Folders that lie in / as links to /usr where /usr is merged, and as folders elsewhere.
TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Small files of the host that programs of its /usr expect, and that say nothing of the host.
COPIED = ("ld.so.cache", "login.defs", "services", "protocols", "shells", "debian_version",
          "bash.bashrc", "inputrc")
# A cache for many libraries is about 200 KB; anything much larger is not what it should be.
LARGEST_COPY = 8 << 20
_FOLDERS = {
    "/dev": 0o755, "/etc": 0o755, "/home": 0o755, "/media": 0o755, "/mnt": 0o755, "/opt": 0o755,
    "/proc": 0o555, "/root": 0o700, "/run": 0o755, "/run/lock": 0o1777, "/srv": 0o755,
    "/sys": 0o555, "/tmp": 0o1777, "/var": 0o755, "/var/cache": 0o755, "/var/lib": 0o755,
    "/var/log": 0o755, "/var/spool": 0o755, "/var/tmp": 0o1777, "/etc/pam.d": 0o755,
}
_LINKS = {"/etc/mtab": "../proc/self/mounts", "/etc/os-release": "../usr/lib/os-release",
          "/var/run": "/run", "/var/lock": "/run/lock"}
_NSSWITCH = """passwd: files
group: files
shadow: files
hosts: files dns
services: files
protocols: files
"""
_PAM_OTHER = """auth required pam_unix.so
account required pam_unix.so
password required pam_unix.so
session required pam_unix.so
"""
_PROFILE = """PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
"""
# sshd asks the name of each client's address by default, and waits where no server answers.
_SSHD_CONFIG = """Port %(port)d
%(host_keys)s
PidFile none
UseDNS no
UsePAM no
PermitRootLogin prohibit-password
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile .ssh/authorized_keys
X11Forwarding no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""


class HostFacts(t.NamedTuple):
    """What of the host goes into the tree."""

    top_links: dict[str, str]  # bin -> usr/bin
    top_folders: list[str]  # those of TOP_FOLDERS that are folders
    kinds: dict[str, str]  # "folder", "file" or "" of what may be shared
    copies: dict[str, bytes]
    localtime: str | None
    has_sshd: bool
    has_keygen: bool
    closure: tuple[str, ...] = ()  # the files that the programs need


@dataclasses.dataclass(frozen=True)
class Entry:
    """One thing that the tree has: a folder, a file, a symbolic link or a host key's pair."""

    kind: str  # "folder", "file", "link", "key"
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    content: bytes = b""
    target: str = ""  # of a link; the type of a key


class Tree(t.NamedTuple):
    """What the module writes, in order, and what is mounted over it."""

    entries: dict[str, Entry]
    mounts: list[dict[str, t.Any]]


def host_tree(spec: HostSpec, facts: HostFacts) -> Tree:
    """The whole private tree; a folder comes before what is in it.

    :raises LxcError: when the host lacks what the spec asks for
    """
    shared = _shared(spec, facts)
    entries: dict[str, Entry] = {}
    for path, mode in _FOLDERS.items():
        entries[path] = Entry("folder", mode)
    for folder in spec.private:
        _refuse_shared(folder.path, shared, "private")
        _parents(folder.path, entries)
        entries[folder.path] = Entry("folder", folder.mode, folder.uid, folder.gid)
    for name, target in facts.top_links.items():
        if "/" + name not in shared:
            entries["/" + name] = Entry("link", target=target)
    for path in shared:
        if any(path != other and path.startswith(other + "/") for other in shared):
            continue  # its mount point is the host's own folder
        _parents(path, entries)
        entries[path] = (Entry("file", 0o644) if facts.kinds.get(path) == "file"
                         else Entry("folder", 0o755))
    etc = _etc(spec, facts)
    etc.update({path: Entry("link", target=target) for path, target in _LINKS.items()})
    for path, entry in etc.items():
        if not _inside(path, shared):
            _parents(path, entries)
            entries[path] = entry
    root = Account("root", 0, 0, "/root", "", authorized_keys=spec.root_authorized_keys)
    for account in [root, *spec.accounts]:
        _home(account, entries, shared, {folder.path for folder in spec.private})
    if spec.ssh_host_keys:
        _sshd(spec, facts, entries, shared)
    mounts = [{"source": path, "target": path, "read_only": True} for path in shared]
    return Tree(entries, mounts)


def _shared(spec: HostSpec, facts: HostFacts) -> list[str]:
    if spec.programs:
        shared = sorted({*(spec.shared or []), *facts.closure})
    elif spec.shared is None:
        shared = [path for path in DEFAULT_SHARED if facts.kinds.get(path)]
    else:
        shared = list(spec.shared)
    for path in shared:
        if not facts.kinds.get(path):
            raise LxcError("share with the container", path, detail="the host has no such "
                           "folder or file", hint="Correct 'shared', or make it first.")
    if "/usr" in shared:
        shared += ["/" + name for name in facts.top_folders if "/" + name not in shared]
    return sorted(shared)  # what holds another comes first, as it has to be mounted first


def _inside(path: str, shared: list[str]) -> str:
    return next((s for s in shared if path == s or path.startswith(s + "/")), "")


def _refuse_shared(path: str, shared: list[str], option: str) -> None:
    other = _inside(path, shared)
    if other:
        raise LxcError("make folder", path, detail="it lies in %s, which is shared with the host "
                       "and read-only" % other, hint="Correct '%s' or 'shared'." % option)


def _parents(path: str, entries: dict[str, Entry]) -> None:
    parent = posixpath.dirname(path)
    if parent != "/" and parent not in entries:
        _parents(parent, entries)
        entries[parent] = Entry("folder", 0o755)


def _text(text: str, mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    return Entry("file", mode, uid, gid, text.encode())


def _etc(spec: HostSpec, facts: HostFacts) -> dict[str, Entry]:
    hosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    files = {"/etc/%s" % name: Entry("file", content=content)
             for name, content in facts.copies.items()}
    if spec.hostname:
        hosts += "127.0.1.1 %s\n" % spec.hostname
        files["/etc/hostname"] = _text(spec.hostname + "\n")
    if spec.nameservers:
        files["/etc/resolv.conf"] = _text("".join("nameserver %s\n" % s for s in spec.nameservers))
    if facts.localtime:
        files["/etc/localtime"] = Entry("link", target=facts.localtime)
    files.update({
        "/etc/passwd": _text(passwd(spec.accounts)),
        "/etc/group": _text(group(spec.accounts)),
        "/etc/shadow": _text(shadow(spec.accounts), 0o640, gid=42),
        "/etc/nsswitch.conf": _text(_NSSWITCH),
        "/etc/hosts": _text(hosts),
        "/etc/profile": _text(_PROFILE),
        "/etc/pam.d/other": _text(_PAM_OTHER),
        "/etc/pam.d/su": _text("auth sufficient pam_rootok.so\n" + _PAM_OTHER),
    })
    return files


def _home(account: Account, entries: dict[str, Entry], shared: list[str],
          private: set[str]) -> None:
    _refuse_shared(account.home, shared, "accounts")
    _parents(account.home, entries)
    uid, gid = account.uid, account.gid
    # What is there as the parent of a private folder is the account's all the same.
    parent = entries.get(account.home) == Entry("folder", 0o755) and account.home not in _FOLDERS
    if account.home not in entries or parent and account.home not in private:
        entries[account.home] = Entry("folder", 0o700, uid, gid)
    if account.authorized_keys is not None:
        entries[account.home + "/.ssh"] = Entry("folder", 0o700, uid, gid)
        entries[account.home + "/.ssh/authorized_keys"] = _text(
            "".join(key + "\n" for key in account.authorized_keys), 0o600, uid, gid)


def _sshd(spec: HostSpec, facts: HostFacts, entries: dict[str, Entry],
          shared: list[str]) -> None:
    _refuse_shared("/etc/ssh", shared, "ssh_host_keys")
    if not facts.has_sshd:
        raise LxcError("share with the container", "/usr/sbin/sshd",
                       detail="the host has no such program",
                       hint="Install openssh-server (the role fleet.lxc.ssh does), or set "
                            "'ssh_host_keys: []' for a container without sshd.")
    entries["/run/sshd"] = Entry("folder", 0o755)
    entries["/etc/ssh"] = Entry("folder", 0o755)
    lines = []
    for kind in spec.ssh_host_keys:
        path = "/etc/ssh/ssh_host_%s_key" % kind
        entries[path] = Entry("key", 0o600, target=kind)
        lines.append("HostKey %s" % path)
    entries["/etc/ssh/sshd_config"] = _text(
        _SSHD_CONFIG % {"port": spec.ssh_port, "host_keys": "\n".join(lines)})


def needs(spec: HostSpec) -> list[str]:
    """The paths of the host whose kind the tree depends on."""
    if spec.shared is None and not spec.programs:
        return list(DEFAULT_SHARED)
    return list(spec.shared or [])


def observe_host(spec: HostSpec) -> HostFacts:
    """Look at the host, as far as ``host_tree`` has to know it."""
    links, folders = {}, []
    for name in TOP_FOLDERS:
        if os.path.islink("/" + name):
            links[name] = os.readlink("/" + name)
        elif os.path.isdir("/" + name):
            folders.append(name)
    needed = closure(spec.programs)
    kinds = {path: "folder" if os.path.isdir(path) else "file" if os.path.exists(path) else ""
             for path in [*needs(spec), *needed]}
    copies = {}
    for name in COPIED:
        try:
            with open("/etc/" + name, "rb") as file:
                copies[name] = file.read(LARGEST_COPY)
        except OSError:
            continue
    localtime = os.readlink("/etc/localtime") if os.path.islink("/etc/localtime") else None
    return HostFacts(links, folders, kinds, copies, localtime,
                     os.access("/usr/sbin/sshd", os.X_OK),
                     find_keygen() is not None, tuple(needed))
