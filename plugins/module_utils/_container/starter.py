# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The starter: a process that makes containers, one after the other, as the host's root.

What it stages, init can't change: a mount that was made outside of a user namespace is locked in
the copy that the namespace gets (mount_namespaces(7), "Restrictions").
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import errno
import os
import resource
import time

from .._kernel import cgroup_tree, descriptors, idmaps, mounts, processes, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import console_path, events, fault, hooks, init, namespaces, network, overlay, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_enabled: set[str] = set()  # folders whose controllers are handed on


def serve(link: _socket.socket, monitor: dict[str, Any], network_worker: _socket.socket,
          locks: list[int], processor: int) -> None:
    """Make one container after the other, until the launcher closes its end of the link.

    Each is asked for by its name, and answered with init's pid and the descriptors that a monitor
    needs, or with what went wrong.

    :param monitor: the launcher's identity, which becomes the monitor
    :param processor: where it stays from its second container on. Each page that a fork shares is
        taken from the mappings of all processors that its process has been on, by interrupts
    :param locks: the operation's. Starter and init keep them open as long as they may still make
        something: a launcher that is killed lets go of its own a moment before they die with it
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    staged = False
    while True:
        name = link.recv(descriptors.LARGEST).decode()
        if not name:
            return
        if staged:
            _stay_on(processor)
        made = _Made()
        fds: list[int] = []
        try:
            if not staged:
                _own_mount_namespace()
                staged = True
            plan = store.read_json(store.run_folder(name) + "/plan.json") or {}
            _start(plan, made, network_worker, locks)
            fault.point("starter:started")
            store.write_state(name, {
                "version": 1, "name": name, "state": "RUNNING",
                "init": processes.identity(made.pid), "monitor": monitor,
                "cgroups": plan["cgroups"]["all"], "links": plan["links"], "exit": None,
                "error": None, "started": time.time(), "namespaces": plan["namespaces"],
                "ids": plan["ids"], "hooks": plan["hooks"]})
            events.event(name, "RUNNING", pid=made.pid)
            fault.point("starter:recorded")
            fds = made.fds
            answer: dict[str, Any] = {"pid": made.pid, "helper": made.helper, "log": plan["log"],
                                      "console": plan["console"],
                                      "stop_hook": "stop" in (plan["hooks"].get("commands") or ()),
                                      "memory": cgroup_tree.counts_memory(plan["cgroups"]["all"])}
        except BaseException as error:
            if not isinstance(error, LxcError):
                error = LxcError("start container", name, detail=repr(error))
            answer = {"pid": made.pid, "helper": made.helper, "error": error.to_dict()}
        descriptors.send(link, json.dumps(answer).encode(), fds)
        made.let_go()
        # Also of what a failure has left.
        processes.close_all_but(link.fileno(), network_worker.fileno(), *locks)


def _stay_on(processor: int) -> None:
    try:
        os.sched_setaffinity(0, [processor])
    except OSError:
        pass  # it has gone, or a cpuset has changed: only slower


class _Made:
    """What there is of a container so far."""

    def __init__(self) -> None:
        self.pid = 0
        self.helper = 0  # that has made it, and is the monitor's to wait for
        self.fds: list[int] = []
        self.link: _socket.socket | None = None
        self.stage = ""

    def let_go(self) -> None:
        """Of what the launcher has got, or is about to end."""
        if self.link is not None:
            self.link.close()
        if self.stage:
            syscalls.umount2(self.stage, syscalls.MNT_DETACH)


def _own_mount_namespace() -> None:
    """The stage shows nowhere else; what the host mounts later still comes in."""
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    except OSError as error:
        raise LxcError.from_os("make a mount namespace for", "the starter", error) from error


def _start(plan: dict[str, Any], made: _Made, network_worker: _socket.socket,
           locks: list[int]) -> None:
    if plan["console"] not in (None, console_path.NONE):
        plan["console_size"] = console_path.size(plan["console"])
    hooks.run(plan["hooks"], "pre-start")
    _make_cgroups(plan["cgroups"])
    fault.point("starter:cgroups")
    if plan["seccomp"]:
        plan["seccomp"] = bytes.fromhex(plan["seccomp"])  # so that not each init has to
    made.link, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    if "user" in plan["shares"]:
        made.pid, pidfd = _clone_by_helper(plan, made)
    else:
        made.pid, pidfd = _clone(plan)
    if made.pid == 0:
        processes.close_all_but(theirs.fileno(), *locks)
        init.run(plan, theirs)  # does not return
    theirs.close()
    fault.point("starter:cloned")
    made.fds.append(pidfd)
    if "user" in plan["namespaces"]:
        _write_maps(made.pid, plan["ids"])
    if plan["cgroups"]["owner"]:
        # Not before: until its ids are mapped, init can't enter what belongs to them.
        for path in plan["cgroups"]["delegated"]:
            cgroup_tree.delegate(path, *plan["cgroups"]["owner"])
    asked = None
    if plan["networks"]:
        asked = network.ask(network_worker, plan["name"], plan["networks"], plan["stale"],
                            os.open("/proc/%d/ns/net" % made.pid, os.O_RDONLY | os.O_CLOEXEC))
    _stage(plan, made)
    fault.point("starter:staged")
    if asked is not None:
        network.answer(asked)
    _let_go(plan, made)


def _make_cgroups(groups: dict[str, Any]) -> None:
    for path in groups["all"]:
        if not cgroup_tree.make(path) and cgroup_tree.pids(path):
            raise LxcError("make control group", path, errno.EBUSY,
                           "End them, or choose another name for the container.",
                           "processes that are not the container's are in it")
    if groups["enable"]:
        enable(*groups["enable"])
    for path in groups["cpusets"]:
        cgroup_tree.inherit_cpuset(path)
    files: dict[str, list[str]] = {}
    for path, value in groups["files"]:
        files.setdefault(path, []).append(value)
    for path, values in files.items():
        cgroup_tree.write(path, *values)
    if groups["device_program"]:
        program = syscalls.bpf_load_device_program(bytes.fromhex(groups["device_program"]))
        folder = os.open(groups["v2"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            syscalls.bpf_attach_device_program(folder, program)
        finally:
            os.close(program)
            os.close(folder)


def enable(folders: list[str], controllers: list[str], needed: list[str]) -> None:
    """Hand controllers of v2 on to the folders below. Once for each: nobody takes them back.

    A group that has processes can't, but for the hierarchy's root (cgroups(7), "no internal
    processes"): in a container, whose namespace has another group as its root, whoever starts
    containers may well be in that one.

    :param folders: one below the other
    :param needed: those without which the start fails
    :raises LxcError: with how to get the processes out of the way
    """
    for folder in folders:
        if folder in _enabled:
            continue
        file = folder + "/cgroup.subtree_control"
        missing = set(controllers) - set((cgroup_tree.read(file) or "").split())
        try:
            # Those, too, that are there: the kernel shows them before it has made their files in
            # the groups below, for somebody else's write, and a write waits until it has.
            if controllers:
                cgroup_tree.write(file, " ".join("+" + name for name in sorted(controllers)))
        except LxcError as error:
            if missing and error.errno != errno.EBUSY:
                raise
            wanted = sorted(missing & set(needed))
            if wanted:
                raise LxcError(
                    "hand on the controllers %s of" % ", ".join(wanted), folder, errno.EBUSY,
                    "Move them into a group of their own first, as with: mkdir %s/init; while read "
                    "p; do echo $p > %s/init/cgroup.procs; done < %s/cgroup.procs"
                    % ((folder,) * 3), "processes are in that control group itself") from error
            if missing:
                return  # those below have none to hand on
        _enabled.add(folder)


def _clone(plan: dict[str, Any], come_back: bool = True) -> tuple[int, int]:
    flags = syscalls.CLONE_PARENT
    for name in plan["namespaces"]:
        flags |= namespaces.FLAGS.get(name, 0)
    v2 = plan["cgroups"]["v2"]
    folder = os.open(v2, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if v2 else None
    shared = namespaces.Shared(plan["shares"])
    shared.enter()
    pid = -1
    try:
        pid, pidfd = syscalls.clone(flags, folder)
        return pid, pidfd
    except OSError as error:
        hint = ""
        if error.errno == errno.ENOSPC:
            hint = "A limit of namespaces is reached: see /proc/sys/user."
        elif error.errno == errno.EAGAIN:
            hint = "A limit of processes is reached: see pids.max."
        raise LxcError.from_os("make the namespaces of", plan["name"], error, hint) from error
    finally:
        if pid and come_back:  # init stays where it was born
            shared.leave()
        if folder is not None:
            os.close(folder)


def _clone_by_helper(plan: dict[str, Any], made: _Made) -> tuple[int, int]:
    """Where init shares users: nobody comes back from a user namespace, so not the starter enters.

    The helper, like init, is a child of the monitor: init's own parent has to be that one.
    """
    from . import handover  # few containers share users
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    helper, pidfd = syscalls.clone(syscalls.CLONE_PARENT)
    if helper == 0:
        pid = -1
        try:
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
            pid, pidfd = _clone(plan, come_back=False)
            if pid == 0:
                return 0, -1
            handover.give(theirs, b"%d" % pid, pidfd)
        except LxcError as error:
            handover.refuse(theirs, error)
        finally:
            if pid != 0:
                os._exit(0)
    made.helper = helper
    os.close(pidfd)
    theirs.close()
    word, pidfd = handover.take(ours, "make the namespaces of", plan["name"])
    return int(word), pidfd


def _write_maps(pid: int, ids: dict[str, Any]) -> None:
    for kind in ("uid", "gid"):
        lines = ["%d %d %d" % tuple(entry) for entry in idmaps.ranges(ids, kind)]
        cgroup_tree.write("/proc/%d/%s_map" % (pid, kind), "\n".join(lines))


def _stage(plan: dict[str, Any], made: _Made) -> None:
    """The root file system with its binds, under their id maps, on a folder of this namespace."""
    users = (os.open("/proc/%d/ns/user" % made.pid, os.O_RDONLY | os.O_CLOEXEC)
             if plan["ids"] else None)
    path, stage = plan["rootfs"], plan["run"] + "/rootfs"
    layers = plan["overlay"]
    try:
        source = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        if layers:
            tree = overlay.mount(layers, stage, plan["ids"], users, plan["rootfs_options"])
        else:
            # Not recursive: the host's own root would have all its mounts. Nor under an id map:
            # root inside would be root in the host's files.
            hosts = os.path.samestat(os.fstat(source), os.stat("/"))
            tree = mounts.bind(source, "", plan["rootfs_options"], None if hosts else users,
                               recursive=False)
    except OSError as error:
        raise _bind_error("mount the root file system", path, error, users) from error
    mounts.attach(tree, os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    made.stage = stage
    root = os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # Targets are made on the disk itself, where they are the host's root's. Layers have no such,
    # and what is below another mount would not be seen there.
    shown = (root, overlay.Owner(plan["ids"]))
    ground = shown if layers else (source, overlay.Owner(None))
    for mount in plan["kernel"]:
        if mount.get("staged"):
            _stage_proc(mount, root, plan["shares"])
    before: list[str] = []
    for mount in plan["staged"]:
        covered = any(mount["target"].startswith(path + "/") for path in before)
        _stage_mount(mount, shown if covered else ground, root, users, plan["ids"])
        before.append(mount["target"])
    os.close(source)
    os.close(root)
    if users is not None:
        os.close(users)


def _stage_proc(mount: dict[str, Any], root: int, shares: dict[str, str]) -> None:
    """That of the host's processes, or of those that are shared, as only the host's root can."""
    try:
        target = mounts.open_in_root(root, mount["target"], follow_symlinks=False)
        tree = (_proc_of_others(mount, shares["pid"]) if "pid" in shares
                else mounts.new(mount["type"], mount["options"]))
        mounts.attach(tree, target)
    except OSError as error:
        raise _bind_error("mount proc on", mount["target"], error, None) from error


def _proc_of_others(mount: dict[str, Any], whose: str) -> int:
    """By a process in their PID namespace: proc shows that of who mounts it.

    :returns: a descriptor of the detached mount
    """
    from . import handover  # few containers share PIDs
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            namespaces.Shared({"pid": whose}).enter()  # which is for children
            inside = os.fork()
            if inside == 0:
                handover.give(theirs, b"proc", mounts.new(mount["type"], mount["options"]))
            else:
                os.waitpid(inside, 0)
        except (LxcError, OSError) as error:
            if isinstance(error, OSError):
                error = LxcError.from_os("mount", "proc", error)
            handover.refuse(theirs, error)
        finally:
            os._exit(0)
    theirs.close()
    try:
        return handover.take(ours, "mount", "proc")[1]
    finally:
        os.waitpid(child, 0)


def _stage_mount(mount: dict[str, Any], ground: tuple[int, overlay.Owner], root: int,
                 users: int | None, ids: dict[str, int] | None) -> None:
    target = mount["target"]
    subject = "%s on %s" % (mount["source"] or mount["type"], target)
    try:
        if mount["create"]:
            with ground[1]:
                mounts.make_target(ground[0], target, mount["create"])
        if mount["type"] == "tmpfs":
            owner = ["%s=%d" % (kind, idmaps.outside(idmaps.ranges(ids, kind), 0) or 0)
                     for kind in ("uid", "gid")] if ids else []
            tree = mounts.new("tmpfs", [*owner, *mount["options"]])
            for name in mount.get("folders") or []:
                os.mkdir(name, 0o755, dir_fd=tree)
        else:
            source = (mounts.open_in_root(root, mount["source"]) if mount["relative"] else
                      os.open(mount["source"], os.O_PATH | os.O_CLOEXEC))
            tree = mounts.bind(source, "", mount["options"],
                               users if mount["id_mapped"] else None)
            os.close(source)
        mounts.attach(tree, mounts.open_in_root(root, target))
    except OSError as error:
        if mount["optional"]:
            return
        raise _bind_error("mount", subject, error,
                          users if mount["id_mapped"] else None) from error


def _bind_error(doing: str, subject: str, error: OSError, users: int | None) -> LxcError:
    hint = ""
    if error.errno == errno.EINVAL and users is not None:
        hint = ("Its file system, or this kernel (older than 5.12), has no id-mapped mounts: use "
                "another file system such as ext4 or xfs, or write 'privileged: true'.")
    elif error.errno == errno.ENOENT:
        hint = "Make what is missing, or say 'create' or 'optional' for the mount."
    elif error.errno == errno.ENOTDIR:
        hint = "A folder goes on a folder, a file on a file."
    elif error.errno == errno.EROFS:
        hint = "Make its place on what is mounted there, or mount that without 'read_only'."
    return LxcError.from_os(doing, subject, error, hint)


def _let_go(plan: dict[str, Any], made: _Made) -> None:
    """Let init go on, and wait until it has become the container's program."""
    link = made.link
    if link is None:
        return
    link.send(b"go")
    last = b""
    while True:
        data, fds = descriptors.receive(link)
        made.fds += fds
        if data[:1] == b"E":
            raise LxcError.from_dict(json.loads(data[1:]))
        if data == b"start-host":
            hooks.run(plan["hooks"], "start-host", {"LXC_PID": str(made.pid)})
            link.send(b"go")
        if data == b"limits":
            _set_limits(made.pid, plan["rlimits"])
            link.send(b"go")
        if not data:  # its end was closed by exec, or by its death
            if last != b"exec":
                raise LxcError("start container", plan["name"],
                               detail="its first process was killed while it prepared",
                               hint="Its memory limit may be too low for a start: 16M do.")
            return
        last = data


def _set_limits(pid: int, limits: list[list[Any]]) -> None:
    for name, soft, hard in limits:
        try:
            resource.prlimit(pid, getattr(resource, "RLIMIT_" + name.upper()), (soft, hard))
        except (OSError, ValueError) as error:
            raise LxcError("set the limit %s to" % name, "%s:%s" % (soft, hard),
                           getattr(error, "errno", None) or errno.EINVAL,
                           "Above the host's own hard limit it needs CAP_SYS_RESOURCE."
                           ) from error
