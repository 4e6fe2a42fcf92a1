# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a root file system is asked to be."""
from __future__ import annotations

import os
import typing as t

from .._kernel.addresses import parse_address
from .._kernel.errors import LxcError
from .accounts import Account, check_account, check_unique, make_key_lines
from .clone import CloneSpec
from .debootstrap import DebootstrapSpec, make_debootstrap
from .fetch import is_address
from .image import ImageSpec, make_image

# Options that say what a tree is made of.
KINDS = ("host", "debootstrap", "archive", "clone", "image")
KEY_TYPES = ("ed25519", "ecdsa", "rsa")
DEFAULT_COMMAND = ["/usr/sbin/sshd", "-D", "-e"]
# What a program of /usr can't do without; each is left out where the host does not have it.
DEFAULT_SHARED = ("/usr", "/etc/alternatives", "/etc/ssl/certs")

_DOING = "use as option of a root file system:"
_NEVER_SHARED = ("/proc", "/sys", "/dev")  # the runtime mounts its own


class Folder(t.NamedTuple):
    """A folder that the container has to itself, empty at first."""

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


class HostSpec(t.NamedTuple):
    """A root file system of the host's own files."""

    shared: list[str] | None = None  # None: DEFAULT_SHARED
    private: list[Folder] = []
    hostname: str | None = None
    nameservers: list[str] = []
    accounts: list[Account] = []
    root_authorized_keys: list[str] | None = None
    ssh_host_keys: list[str] = []
    ssh_port: int = 22
    command: list[str] | None = None
    programs: list[str] = []


class ArchiveSpec(t.NamedTuple):
    """A root file system out of a tar file."""

    src: str
    checksum: str | None = None  # sha256, lower case hex digits
    devices: bool = False


class RootfsSpec(t.NamedTuple):
    """The options of lxc_rootfs, checked."""

    path: str
    host: HostSpec | None = None
    archive: ArchiveSpec | None = None
    debootstrap: DebootstrapSpec | None = None
    clone: CloneSpec | None = None
    image: ImageSpec | None = None

    @property
    def kind(self) -> str:
        """As the manifest has it: the name of the option that says what it is made of."""
        return next((kind for kind in KINDS if getattr(self, kind) is not None), "")


def make_spec(options: dict[str, t.Any]) -> RootfsSpec:
    """The options as a spec.

    :raises LxcError: naming the first value that can't be, and the remedy
    """
    path = check_path(options["path"], "path")
    if path.count("/") < 2:
        raise LxcError(_DOING, "path", detail="%s is a folder of the host itself" % path,
                       hint="The usual place is /var/lib/fleet-lxc/rootfs/<name>.")
    host, archive, packages, clone, image = (options.get(key) for key in (
        "host", "archive", "debootstrap", "clone", "image"))
    return RootfsSpec(path, None if host is None else _make_host(host, path),
                      None if archive is None else _make_archive(archive),
                      None if packages is None else make_debootstrap(packages),
                      None if clone is None else _make_clone(clone),
                      None if image is None else make_image(image))


def check_path(path: str, option: str) -> str:
    """An absolute path as one name: no "..", no doubled or trailing slash."""
    problem = ""
    if "\0" in path or "\n" in path:
        problem = "has a NUL or a line break"
    elif not path.startswith("/"):
        problem = "is not absolute"
    elif ".." in path.split("/"):
        problem = "contains '..'"
    if problem:
        raise LxcError(_DOING, option, detail="%r %s" % (path, problem),
                       hint="Give the whole path from / on.")
    return os.path.normpath("/" + path.lstrip("/"))


def _make_clone(options: dict[str, t.Any]) -> CloneSpec:
    src = check_path(options["src"], "clone.src")
    if src == "/":
        raise LxcError(_DOING, "clone.src", detail="/ is the host itself",
                       hint="Use 'host', which shares some of its folders and makes the others "
                            "anew, or name another tree.")
    return CloneSpec(src, options.get("method") or CloneSpec("").method,
                     options.get("new_identity", True))


def _make_host(options: dict[str, t.Any], path: str) -> HostSpec:
    shared = options.get("shared")
    if shared is not None:
        shared = [_check_shared(check_path(item, "shared"), path) for item in shared]
        check_unique(shared, "shared")
    accounts = [check_account(item) for item in options.get("accounts") or []]
    check_unique([a.name for a in accounts], "accounts")
    check_unique([str(a.uid) for a in accounts], "accounts")
    keys = options.get("ssh_host_keys")
    keys = ["ed25519"] if keys is None else list(keys)
    check_unique(keys, "ssh_host_keys")
    for kind in keys:
        if kind not in KEY_TYPES:
            raise LxcError(_DOING, "ssh_host_keys", detail="%r is no type of key" % kind,
                           hint="Types are: %s." % ", ".join(KEY_TYPES))
    port = options.get("ssh_port") or 22
    if not 0 < port < 65536:
        raise LxcError(_DOING, "ssh_port", detail="%d is out of range" % port,
                       hint="Ports are numbers from 1 to 65535, usually 22.")
    root_keys = options.get("root_authorized_keys")
    command = options.get("command")
    if command is None and keys:
        command = DEFAULT_COMMAND
    if command is not None:
        _check_command(command)
    return HostSpec(
        shared, [_make_folder(item) for item in options.get("private") or []],
        _check_hostname(options.get("hostname")),
        [_check_nameserver(item) for item in options.get("nameservers") or []],
        accounts, None if root_keys is None else make_key_lines(root_keys, "root_authorized_keys"),
        keys, port, command,
        [check_path(item, "programs") for item in options.get("programs") or []])


def _check_shared(item: str, path: str) -> str:
    problem = ""
    if item == "/" or path == item or path.startswith(item + "/"):
        problem = "%s contains the root file system itself" % item
    elif item.startswith(path + "/"):
        problem = "%s is in the root file system" % item
    elif any(item == top or item.startswith(top + "/") for top in _NEVER_SHARED):
        problem = "%s is the kernel's, and each container gets its own" % item
    if problem:
        raise LxcError(_DOING, "shared", detail=problem, hint="Take it from the list.")
    return item


def _make_folder(item: dict[str, t.Any]) -> Folder:
    path = check_path(item["path"], "private")
    mode = item.get("mode")
    try:
        bits = int(mode, 8) if mode is not None else 0o755
    except ValueError:
        bits = -1
    if not 0 <= bits <= 0o7777 or path == "/":
        raise LxcError(_DOING, "private", detail="%s can't have the mode %r" % (path, mode),
                       hint='Give a path below / and its mode in octal, as "0755".')
    for key in ("uid", "gid"):
        if not 0 <= (item.get(key) or 0) <= 65535:
            raise LxcError(_DOING, "private", detail="%s %d of %s is out of range"
                           % (key, item[key], path), hint="Containers have ids from 0 to 65535.")
    return Folder(path, bits, item.get("uid") or 0, item.get("gid") or 0)


def _check_hostname(name: str | None) -> str | None:
    if name is None:
        return None
    letters = name.replace("-", "").replace(".", "")
    if not (letters.isascii() and letters.isalnum() and len(name) <= 64 and name[0].isalnum()):
        raise LxcError(_DOING, "hostname", detail="%r is no host's name" % name,
                       hint="Use up to 64 letters, digits, '-' and '.', a letter or digit first.")
    return name


def _check_nameserver(text: str) -> str:
    """An address, with the link where it is a link-local one, as resolv.conf(5) has it."""
    address, _percent, link = text.partition("%")
    if any(c.isspace() or c == "\0" for c in link):
        address = text
    parse_address(address, "use as an address of nameservers")
    return text


def _check_command(command: list[str]) -> None:
    if not command or not command[0] or any("\0" in word for word in command):
        raise LxcError(_DOING, "command", detail="%r names no program" % (command,),
                       hint="Give the program and each argument as items of a list.")


def _make_archive(options: dict[str, t.Any]) -> ArchiveSpec:
    src, checksum = options["src"], options.get("checksum")
    if not is_address(src):
        src = check_path(src, "archive.src")
    elif not checksum or not src.isprintable() or " " in src:
        raise LxcError(_DOING, "archive.checksum", detail="%r has none" % src,
                       hint="What is fetched has to be known: give 'sha256:' and its digits.")
    if checksum is not None:
        kind, colon, digest = checksum.partition(":")
        digest = digest.lower()
        if kind != "sha256" or not colon or len(digest) != 64 \
                or any(c not in "0123456789abcdef" for c in digest):
            raise LxcError(_DOING, "archive.checksum", detail="%r is no SHA-256" % checksum,
                           hint='Write "sha256:" and the 64 digits that sha256sum prints.')
        checksum = digest
    return ArchiveSpec(src, checksum, bool(options.get("devices")))
