# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks for a container that is a copy of another one: lxc.hook.clone, lxc-copy(1).

A copy is made here by two tasks: lxc_rootfs clones what the container has on the disk, and
lxc_container defines another one on it. The hooks run when the second has the definition.
"""
from __future__ import annotations

import json
import os
import signal
import typing as t

from .._kernel import mounts, syscalls
from .._kernel.errors import LxcError
from . import hooks, host, overlay, store


def origin(definition: dict[str, t.Any]) -> str | None:
    """The container that one with clone hooks is a copy of, None for what is no copy.

    Where several have the root file system that was cloned, it is one with the same hooks.
    """
    commands = (definition["hooks"] or {}).get("clone")
    if not commands:
        return None
    manifest = store.read_json(definition["rootfs"] + host.MANIFEST_SUFFIX) or {}
    cloned = (manifest.get("source") or {}).get("path") if manifest.get("kind") == "clone" else None
    found = {}
    for name in store.names():
        other = store.read_definition(name)
        if cloned and other and other["rootfs"] == cloned and name != definition["name"]:
            found[name] = (other.get("hooks") or {}).get("clone") == commands
    return min(found, key=lambda name: (not found[name], name)) if found else None


def run(definition: dict[str, t.Any], whose: str) -> None:
    """Run them as the host's root, in a mount namespace that has the new root file system on a
    folder of its own, since one of layers shows nowhere else.

    :param whose: as origin() has it
    :raises LxcError: for the first that fails
    """
    name = definition["name"]
    stage = store.run_folder(name) + "/rootfs"
    store.make_folder(stage)
    said = os.memfd_create("clone hooks")
    pid = os.fork()
    if pid == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            _run(definition, whose, stage)
        except LxcError as error:
            os.write(said, json.dumps(error.to_dict()).encode())
        except BaseException as error:
            os.write(said, json.dumps(LxcError("run the clone hooks of", name,
                                               detail=repr(error)).to_dict()).encode())
        finally:
            os._exit(0)
    status = os.waitpid(pid, 0)[1]
    text = os.pread(said, 1 << 16, 0)
    os.close(said)
    if text:
        raise LxcError.from_dict(json.loads(text))
    if status:
        raise LxcError("run the clone hooks of", name, detail="the process for them was killed")


def _run(definition: dict[str, t.Any], whose: str, stage: str) -> None:
    path = definition["rootfs"]
    layers = host.read_manifest(path)["overlay"]
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
        if layers:
            tree = overlay.mount(layers, stage, None, None, [])
        else:
            source = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            tree = mounts.bind(source, "", [], None, recursive=False)
        mounts.attach(tree, os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise LxcError.from_os("mount the root file system", path, error) from error
    config = store.folder(definition["name"]) + "/definition.json"
    found = hooks.facts(definition, config, stage, store.console_log(definition))
    hooks.run(found, "clone", {"LXC_SRC_NAME": whose})
