# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts of a container that runs: attached and detached without a path resolved twice.

A mount that goes into a user namespace is first copied into a mount namespace of that one, which
locks its flags as those of a start's stage are (mount_namespaces(7)): else the container's root
could make a read-only one writable.
"""
from __future__ import annotations

import errno
import os
import stat

from .._kernel import idmaps, mounts, syscalls
from .._kernel.errors import LxcError
from . import checks, inside

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


def attach(namespaces: inside.Namespaces, mount: dict[str, Any], plan: dict[str, Any]) -> int:
    """Mount it in the container.

    :param mount: as a launch plan has what is staged
    :param plan: the one that the container was started with
    :returns: the mount's id, as proc_pid_mountinfo(5) counts them; 0 for an optional one whose
        source is missing
    """
    subject = "%s on %s" % (mount["source"] or mount["type"], mount["target"])
    # In layers there is no folder of the host to make it in, nor in a /dev in memory.
    make_inside = plan.get("overlay") or checks.below(mount["target"], checks.KERNEL_FOLDERS)
    try:
        if mount["create"] and not make_inside:
            root = os.open(plan["rootfs"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                mounts.make_target(root, mount["target"], mount["create"])
            finally:
                os.close(root)
        tree = _tree(namespaces, mount, plan)
    except OSError as error:
        if mount["optional"] and error.errno == errno.ENOENT:
            return 0
        raise _error("mount", subject, error, mount) from error
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def work() -> int:
        moved = _locked_copy(tree, namespaces, plan["run"] + "/rootfs")
        namespaces.enter("mnt")
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if mount["create"] and make_inside:
                _make_inside(namespaces, root, mount)
            syscalls.move_mount(moved, mounts.open_in_root(root, mount["target"]))
        except OSError as error:
            raise _error("mount", subject, error, mount) from error
        return _mount_id(proc, moved)

    try:
        found: int = inside.run("mount", subject, work)
        return found
    finally:
        os.close(tree)
        os.close(proc)


def _make_inside(namespaces: inside.Namespaces, root: int, mount: dict[str, Any]) -> None:
    """As the container's root: the host's may not be mapped."""
    if "user" in namespaces.fds:
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    mounts.make_target(root, mount["target"], mount["create"])


def _tree(namespaces: inside.Namespaces, mount: dict[str, Any], plan: dict[str, Any]) -> int:
    """A detached mount with its options."""
    if mount["type"] == "tmpfs":
        owner = ["%s=%d" % (kind, idmaps.outside(idmaps.ranges(plan["ids"], kind), 0) or 0)
                 for kind in ("uid", "gid")] if plan["ids"] else []
        return mounts.new("tmpfs", [*owner, *mount["options"]])
    source = os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
    try:
        return mounts.bind(source, "", mount["options"],
                           namespaces.fds.get("user") if mount["id_mapped"] else None)
    finally:
        os.close(source)


def _locked_copy(tree: int, namespaces: inside.Namespaces, stage: str) -> int:
    """The same for a container with users of its own, with flags that its root can't change.

    This process is in the container's user namespace afterwards.
    """
    if "user" not in namespaces.fds:
        return tree
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    mounts.attach(mounts.new("tmpfs", ["mode=0755", "size=64k"]),
                  os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    os.chdir(stage)  # a relative name needs no right to the folders above it
    if stat.S_ISDIR(os.fstat(tree).st_mode):
        os.mkdir("it", 0o755)
    else:
        os.close(os.open("it", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
    target = os.open("it", os.O_PATH | os.O_CLOEXEC)
    syscalls.move_mount(tree, target)
    namespaces.enter("user")
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.unshare(syscalls.CLONE_NEWNS)  # of the user namespace: all in it is locked
    return syscalls.open_tree(syscalls.AT_FDCWD, "it")


def _mount_id(proc: int, fd: int) -> int:
    """:param proc: the host's /proc; self is whoever looks it up"""
    info = os.open("self/fdinfo/%d" % fd, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        for line in os.read(info, 4096).decode().splitlines():
            key, _colon, value = line.partition(":")
            if key == "mnt_id":
                return int(value)
    finally:
        os.close(info)
    return 0


def _is_mounted(proc: int, mount_id: int) -> bool:
    info = os.open("self/mountinfo", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(info, "rb") as stream:
        return any(int(line.split(b" ", 1)[0]) == mount_id for line in stream)


def detach(namespaces: inside.Namespaces, mount: dict[str, Any], mount_id: int) -> None:
    """Take it out of the container; what is open on it stays open.

    :param mount_id: what attach() returned, 0 for a bind of the start
    :raises LxcError: where something else is mounted there by now
    """
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        source = os.stat(mount["source"]) if mount["type"] == "bind" else None
    except OSError:
        source = None

    def work() -> None:
        namespaces.enter("mnt")
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        target = mounts.open_in_root(root, mount["target"])
        status = os.fstat(target)
        if mount_id:
            ours = _mount_id(proc, target) == mount_id
            if not ours and not _is_mounted(proc, mount_id):
                return  # somebody inside has unmounted it
        else:
            ours = source is not None and (status.st_dev, status.st_ino) == (
                source.st_dev, source.st_ino)
        if not ours:
            raise LxcError("unmount", mount["target"], errno.EBUSY,
                           "Unmount that first, or restart the container.",
                           "something else is mounted there")
        # The descriptor, not its path; the container's /proc knows nothing of this process.
        os.fchdir(proc)
        try:
            syscalls.umount2("self/fd/%d" % target, syscalls.MNT_DETACH)
        except OSError as error:
            raise LxcError.from_os("unmount", mount["target"], error,
                                   "Restart the container." if error.errno == errno.EINVAL else ""
                                   ) from error

    try:
        inside.run("unmount", mount["target"], work)
    finally:
        os.close(proc)


def _error(doing: str, subject: str, error: OSError, mount: dict[str, Any]) -> LxcError:
    hint = ""
    if error.errno == errno.EINVAL and mount["id_mapped"]:
        hint = "Its file system has no id-mapped mounts: use another such as ext4 or xfs."
    elif error.errno == errno.ENOENT:
        hint = "Make what is missing, or say 'create' or 'optional' for the mount."
    elif error.errno == errno.ENOTDIR:
        hint = "A folder goes on a folder, a file on a file."
    return LxcError.from_os(doing, subject, error, hint)
