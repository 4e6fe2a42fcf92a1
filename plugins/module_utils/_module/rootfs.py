# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_rootfs."""
from __future__ import annotations

import contextlib
import typing as t

from .._container import store
from .._container.observe import status as container_status
from .._kernel.errors import LxcError
from .._rootfs.apply import apply
from .._rootfs.clone import METHODS
from .._rootfs.debootstrap import TOOLS, VARIANTS
from .._rootfs.manifest import read_manifest
from .._rootfs.observe import facts, host_keys, observe
from .._rootfs.places import users
from .._rootfs.plan import make_manifest, plan_absent, plan_present
from .._rootfs.remove import bytes_on_disk
from .._rootfs.spec import KEY_TYPES, KINDS, make_spec

if t.TYPE_CHECKING:
    from .._rootfs.spec import RootfsSpec
    from .runner import Request

__all__ = ["ARGUMENT_SPEC", "KINDS", "handle"]
_LOCK_SECONDS = 60  # to wait for an operation on a container that is to be cloned
_ACCOUNT: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int"},
    "home": {"type": "path"},
    "shell": {"type": "path", "default": "/bin/bash"},
    "password": {"type": "str", "no_log": True},
    "authorized_keys": {"type": "list", "elements": "str", "no_log": False},
}
_FOLDER: dict[str, t.Any] = {
    "path": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0755"},
    "uid": {"type": "int", "default": 0},
    "gid": {"type": "int", "default": 0},
}
ARGUMENT_SPEC: dict[str, t.Any] = {
    "path": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "host": {"type": "dict", "options": {
        "shared": {"type": "list", "elements": "str"},
        "programs": {"type": "list", "elements": "str", "default": []},
        "private": {"type": "list", "elements": "dict", "default": [], "options": _FOLDER},
        "hostname": {"type": "str"},
        "nameservers": {"type": "list", "elements": "str", "default": []},
        "accounts": {"type": "list", "elements": "dict", "default": [], "options": _ACCOUNT},
        "root_authorized_keys": {"type": "list", "elements": "str", "no_log": False},
        "ssh_host_keys": {"type": "list", "elements": "str", "default": ["ed25519"],
                          "choices": list(KEY_TYPES), "no_log": False},
        "ssh_port": {"type": "int", "default": 22},
        "command": {"type": "list", "elements": "str"},
    }},
    "debootstrap": {"type": "dict", "options": {
        "suite": {"type": "str"},
        "variant": {"type": "str", "choices": list(VARIANTS), "default": "minbase"},
        "mirror": {"type": "str"},
        "keyring": {"type": "path"},
        "packages": {"type": "list", "elements": "str", "default": []},
        "components": {"type": "list", "elements": "str", "default": ["main"]},
        "architecture": {"type": "str"},
        "tool": {"type": "str", "choices": list(TOOLS)},
        "cache_days": {"type": "float", "default": 7},
        "timeout": {"type": "float", "default": 1800},
    }},
    "image": {"type": "dict", "options": {
        "src": {"type": "str", "required": True},
        "method": {"type": "str", "choices": list(METHODS), "default": "overlay"},
        "tls_verify": {"type": "bool", "default": True},
        "authfile": {"type": "path"},
        "timeout": {"type": "float", "default": 1800},
    }},
    "clone": {"type": "dict", "options": {
        "src": {"type": "str"},
        "container": {"type": "str"},
        "method": {"type": "str", "choices": list(METHODS), "default": "overlay"},
        "new_identity": {"type": "bool", "default": True},
    }, "mutually_exclusive": [("src", "container")], "required_one_of": [("src", "container")]},
    "archive": {"type": "dict", "options": {
        "src": {"type": "str", "required": True},
        "checksum": {"type": "str"},
        "devices": {"type": "bool", "default": False},
    }},
}


def handle(request: Request) -> dict[str, t.Any]:
    """Make the root file system what the task says, or remove it."""
    absent = request.params["state"] == "absent"
    spec = make_spec(_resolved(request.params))
    with contextlib.ExitStack() as locks:
        if spec.clone is not None and not absent and not request.check_mode:
            for name in users(spec.clone.src):  # so that none of them is started meanwhile
                locks.callback(store.Lock(name, _LOCK_SECONDS).release)
        return _handle(request, spec, absent)


def purge(path: str, doomed: list[str], check_mode: bool) -> tuple[list[str], str]:
    """Remove a container's root file system, where it is its own: this module made it, and nobody
    else uses it.

    :param doomed: the containers that are about to be forgotten
    :returns: what was done, and why nothing was
    """
    try:
        spec = make_spec({"path": path})
    except LxcError as error:  # as for the host's own root
        return [], error.detail
    state = observe(spec, True, _state)
    state.users = [name for name in state.users if name not in doomed]
    try:
        operations = plan_absent(spec, state)
    except LxcError as error:
        return [], error.detail
    if operations and not check_mode:
        apply(spec.path, operations)
    return [operation.describe() for operation in operations], ""


def _resolved(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """The name of a container to clone as the path of its root file system."""
    clone = params.get("clone")
    if clone and clone.get("container"):
        definition = store.need_definition(clone["container"])
        clone = {**clone, "src": definition["rootfs"]}
    return {**params, "clone": clone}


def _state(name: str) -> str:
    return str(container_status(name)["state"])


def _handle(request: Request, spec: RootfsSpec, absent: bool) -> dict[str, t.Any]:
    state = observe(spec, absent, _state)
    operations = plan_absent(spec, state) if absent else plan_present(spec, state)
    before = facts(spec.path, state.manifest if state.kind else None)
    if not operations:
        after = before
    elif request.check_mode:
        after = facts(spec.path, None if absent else make_manifest(spec, state))
        if spec.archive is not None and not absent:
            after["source"] = {"src": spec.archive.src}
            if spec.archive.checksum:
                after["source"]["sha256"] = spec.archive.checksum
    else:
        apply(spec.path, operations)
        after = facts(spec.path, read_manifest(spec.path))
    steps = [operation.describe() for operation in operations]
    manifest = read_manifest(spec.path)
    return {"changed": bool(operations), "rootfs": after, "operations": steps,
            "bytes": bytes_on_disk(spec.path) if manifest else 0,
            "host_keys": host_keys(spec.path, manifest),
            "diff": {"before": before,
                     "after": {**after, "operations": steps} if steps else after}}
