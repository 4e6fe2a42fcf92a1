# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine, or its first boot, makes its own, and a copy of it must not have as well.

The list is that of systemd's "Safely Building Images" and of virt-sysprep, less what no container
has: the name, machine-id(5), systemd's random seed and credential secret, SSH host keys.
"""
from __future__ import annotations

import typing as t

from .._kernel.errors import LxcError
from .keys import make_key

if t.TYPE_CHECKING:
    from .site import Site

MACHINE_ID = "/etc/machine-id"
_REMOVED = ("/etc/hostname", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed",
            "/var/lib/systemd/credential.secret")
KEY_TYPES = ("rsa", "ecdsa", "ed25519", "dsa")
_MADE = KEY_TYPES[:3]  # ssh-keygen makes no dsa any more


def key_path(kind: str) -> str:
    """Where the private host key of that type is."""
    return "/etc/ssh/ssh_host_%s_key" % kind


def key_types(site: Site) -> list[str]:
    """The types of host keys that the tree has."""
    return [kind for kind in KEY_TYPES if site.look(key_path(kind)).kind == "file"]


def has_identity(site: Site) -> bool:
    """Whether there is anything that ``forget`` would take out."""
    return (site.look(MACHINE_ID).content.strip() not in (b"", b"uninitialized")
            or any(site.look(path).kind == "file" for path in _REMOVED) or bool(key_types(site)))


def forget(site: Site) -> list[str]:
    """Take out names, ids and keys.

    :returns: the types of the host keys that it had
    """
    for path in _REMOVED:
        if site.look(path).kind == "file":
            site.unlink(path)
    found = site.look(MACHINE_ID)
    if found.kind == "file" and found.content:  # machine-id(5): the first boot fills it
        site.write(MACHINE_ID, b"", 0o444, 0, 0)
    types = key_types(site)
    for kind in types:
        for name in (key_path(kind), key_path(kind) + ".pub"):
            if site.look(name).kind == "file":
                site.unlink(name)
    return types


def renew(site: Site, name: str) -> None:
    """Make the tree another machine: a machine id to come, and host keys of the same types.

    The keys are made by the host's ssh-keygen: the tree's own may be a container's work.

    :param name: what the keys' comments say
    :raises LxcError: when ssh-keygen is missing or fails
    """
    owners = {kind: site.look(key_path(kind)) for kind in key_types(site)}
    for kind in forget(site):
        if kind in _MADE:
            private, public = make_key(kind, name)
            before = owners[kind]
            site.write(key_path(kind), private, before.mode, before.uid, before.gid)
            site.write(key_path(kind) + ".pub", public, 0o644, 0, 0)


def check_keygen(subject: str, keygen: str | None) -> None:
    """:raises LxcError: when keys would have to be made and the host can't"""
    if keygen is None:
        raise LxcError("clone", subject, detail="it has SSH host keys, and this host has no "
                       "ssh-keygen to make others for the clone",
                       hint="Install openssh-client, or set 'clone.new_identity: false', after "
                            "which both have the same keys and the same machine id.")
