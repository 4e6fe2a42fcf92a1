# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From clone to exec, inside the container's namespaces (RUNTIME.md, section 1).

Nothing of the container's root file system may run here: it is Python with the host's root rights
until the very end. So nothing is imported after pivot_root, and no path is resolved twice.
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import errno
import fcntl
import os
import stat
import struct
import termios

from .._kernel import capabilities, descriptors, mounts, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import clocks, console_path, fault, hooks, program, reaper, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

_DEV_LINKS = (("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
              ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
              ("ptmx", "pts/ptmx"))
_SIOCSIFFLAGS = 0x8914
_LOOPBACK_UP = struct.pack("16sh14x", b"lo", 0x1)  # netdevice(7): IFF_UP; what it is beside stays
_TIOCSPTLCK, _TIOCGPTN = 0x40045431, 0x80045430  # ioctl_tty(2); termios has them from 3.13 on


def run(plan: dict[str, Any], link: _socket.socket) -> NoReturn:
    """Become the container's program, or tell the starter why not. Ends the process."""
    step = ["prepare", plan["name"]]
    try:
        _become(plan, link, step)
    except LxcError as error:
        _tell(link, error)
    except OSError as error:
        _tell(link, LxcError.from_os(step[0], step[1], error, _hint(plan, step[0], error)))
    except BaseException as error:
        _tell(link, LxcError(step[0], step[1], detail=repr(error)))
    finally:
        os._exit(127)


def _tell(link: _socket.socket, error: LxcError) -> None:
    link.send(b"E" + json.dumps(error.to_dict()).encode())


def _hint(plan: dict[str, Any], doing: str, error: OSError) -> str:
    """The kernel says no more than EPERM (mount_too_revealing)."""
    if plan["ids"] and error.errno == errno.EPERM and doing in ("mount proc on", "mount sysfs on"):
        return ("Where this host is a container itself, start that one with 'nesting: true' (LXC"
                " includes nesting.conf, Incus has security.nesting), or write 'privileged: true'.")
    return ""


def _become(plan: dict[str, Any], link: _socket.socket, step: list[str]) -> None:
    """:param step: kept up to date with what is being done, to which thing"""
    _die_with_the_monitor()
    syscalls.unblock_signals()
    if plan["init"]:
        reaper.show_name()
    for path in plan["cgroups"]["v1"]:
        step[:] = "enter control group", path
        # "0" is the writer; through cgroup.procs this takes 10 ms.
        fd = os.open(path + "/tasks", os.O_WRONLY | os.O_CLOEXEC)
        os.write(fd, b"0")
        os.close(fd)
    fault.point("init:grouped")
    if "cgroup" in plan["namespaces"]:
        step[:] = "make a control group namespace for", plan["name"]
        syscalls.unshare(syscalls.CLONE_NEWCGROUP)
    step[:] = "wait for the starter of", plan["name"]
    if link.recv(16) != b"go":
        raise LxcError("start container", plan["name"], detail="its starter was killed")
    if "time" in plan["namespaces"]:
        step[:] = "make a time namespace for", plan["name"]
        clocks.enter(*plan["time_offsets"])
    root = _own_mounts(plan, step)
    inside = any(kind in hooks.INSIDE for kind in plan["hooks"].get("commands") or ())
    # Opened as long as the host's id 0 gets through.
    cover = os.open(store.RUN, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) if inside else -1
    stdio = [program.open_stdio(number, path, step)
             for number, path in enumerate(plan.get("stdio") or ())]
    if plan["ids"]:
        step[:] = "become root of the user namespace of", plan["name"]
        syscalls.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        _die_with_the_monitor()  # set*id has cleared it
    if plan["keyring"]:
        step[:] = "make a session keyring for", plan["name"]
        syscalls.new_session_keyring()
    if plan["loopback"]:
        step[:] = "bring up", "lo"
        _loopback_up()
    if inside:
        step[:] = "show the root file system to hooks of", plan["name"]
        _show_to_hooks(plan["run"] + "/rootfs", root, cover)
    hooks.run(plan["hooks"], "pre-mount")
    console = _build(plan, root, link, step)
    hooks.run(plan["hooks"], "mount")
    hooks.run(plan["hooks"], "autodev")
    fault.point("init:mounted")
    step[:] = "enter", "the root file system"
    program.forget_imports()
    syscalls.pivot_root(".", ".")
    syscalls.umount2(".", syscalls.MNT_DETACH)
    os.chdir("/")
    fault.point("init:entered")
    if plan["hostname"] is not None:
        step[:] = "set the hostname", plan["hostname"]
        syscalls.sethostname(plan["hostname"])
    if "start-host" in (plan["hooks"].get("commands") or ()):
        link.send(b"start-host")
        if link.recv(16) != b"go":
            os._exit(127)
    if plan["rlimits"]:
        link.send(b"limits")
        if link.recv(16) != b"go":
            os._exit(127)
    step[:] = "take the console as terminal of", plan["name"]
    program.all_processors()
    os.setsid()
    if plan["console"] == console_path.NONE:
        console = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    else:
        fcntl.ioctl(console, termios.TIOCSCTTY, 0)
    if plan["init"]:
        _fork_program(plan, console, step)
    for fd, source in enumerate(stdio or (console, console, console)):
        os.dup2(source, fd)
    program.change_into(plan["cwd"])
    # As root, with the rights that the container has.
    hooks.run(plan["hooks"], "start", {"LXC_ROOTFS_MOUNT": "/"}, lambda: _give_up_rights(
        {**plan, "uid": 0, "gid": 0, "groups": []}, step))
    path = program.find(plan["argv"][0], plan["environment"].get("PATH", ""))
    syscalls.close_range(3, cloexec=True)
    program.default_signals()
    if plan["personality"] is not None:
        step[:] = "set the personality of", plan["name"]
        syscalls.personality(plan["personality"])
    if plan["label"]:
        _set_label(plan["label"][0], plan["label"][1], step)
    _give_up_rights(plan, step)
    step[:] = "run", path
    fault.point("init:ready")
    link.send(b"exec")
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, 0)  # it outlives a monitor that is killed
    program.execute(path, plan["argv"], plan["environment"])


def _set_label(file: str, label: str, step: list[str]) -> None:
    """proc_pid_attr(5): holds for the program, not for Python."""
    step[:] = "set the security label", label
    root = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    # An AppArmor before Linux 5.8 has no folder of its own.
    for name in (file, file.rpartition("/")[2]):
        try:
            fd = mounts.open_in_root(root, "%d/attr/%s" % (os.getpid(), name), os.O_WRONLY)
        except FileNotFoundError:
            continue
        os.write(fd, label.encode())
        os.close(fd)
        break
    else:
        raise LxcError(step[0], label, errno.ENOENT, detail="this kernel has no file for it")
    os.close(root)


def _fork_program(plan: dict[str, Any], console: int, step: list[str]) -> None:
    """Stay process 1 and the session's leader, and go on in a child in the foreground.

    The leader gets SIGHUP when the terminal ends, as with a monitor that is killed, and would die
    of it, were it not process 1.
    """
    step[:] = "make a small init for", plan["name"]
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    child = os.fork()
    if child:
        program.default_signals()
        # The bounding set stays the program's, for whoever attaches.
        _give_up_rights({**plan, "uid": 0, "gid": 0, "groups": [],
                         "capabilities": plan["capabilities"] | reaper.KILL}, step)
        reaper.watch(child)
    os.setpgid(0, 0)
    if plan["console"] != console_path.NONE:
        os.tcsetpgrp(console, os.getpid())  # with SIGTTOU blocked, which would stop it
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)  # a fork does not inherit it


def _die_with_the_monitor() -> None:
    """No half-made container stays; and nobody of the container may look into this process."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)


def _loopback_up() -> None:
    """A message for this one bit would need pyroute2, and socket's own class costs a forked process
    40 pages."""
    opened = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(opened, _SIOCSIFFLAGS, _LOOPBACK_UP)
    finally:
        opened.close()


def _own_mounts(plan: dict[str, Any], step: list[str]) -> int:
    """A mount namespace whose stage can be pivoted into; still with the host's id 0, which alone
    can reach the stage.

    :returns: the root file system
    """
    step[:] = "make a mount namespace for", plan["name"]
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_SLAVE)
    stage = plan["run"] + "/rootfs"
    step[:] = "copy the mounts of", plan["rootfs"]
    # The copy's root is not locked, as the stage's own is here; pivot_root demands that.
    root = syscalls.open_tree(syscalls.AT_FDCWD, stage, recursive=True)
    target = os.open(stage, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    syscalls.move_mount(root, target)
    os.close(target)
    return root


def _show_to_hooks(stage: str, root: int, cover: int) -> None:
    """Move it where root of the container, which is nobody on the host, can reach it by a path.

    :param cover: a folder above the stage that lets nobody but the host's root through
    """
    tree = mounts.new("tmpfs", ["mode=0755"])
    below = stage[len(store.RUN) + 1:]
    mounts.make_target(tree, below, "dir")
    target = mounts.open_in_root(tree, below)
    mounts.attach(tree, cover)
    syscalls.move_mount(root, target)
    os.close(target)


def _build(plan: dict[str, Any], root: int, link: _socket.socket, step: list[str]) -> int:
    """The whole tree of mounts, with this process in its root.

    :returns: the console's inner end
    """
    made: dict[str, int] = {}
    for mount in plan["kernel"]:
        step[:] = "mount %s on" % mount["type"], mount["target"]
        made[mount["target"]] = _mount_kernel(root, mount)
        if mount["target"] == "/dev":
            _fill_dev(made["/dev"], plan["nodes"], step)
    if not plan["autodev"]:
        made["/dev"] = mounts.open_in_root(root, "/dev", os.O_RDONLY | os.O_DIRECTORY, False)
        _bind_nodes(made["/dev"], plan["nodes"], step)
    step[:] = "make", "the console"
    console = _make_terminals(made["/dev"], made["/dev/pts"], plan, link, step)
    for key, value in plan["sysctls"]:
        step[:] = "set sysctl %s to" % key, value
        fd = os.open("sys/" + key.replace(".", "/"), os.O_WRONLY | os.O_CLOEXEC,
                     dir_fd=made["/proc"])
        os.write(fd, value.encode())
        os.close(fd)
    for mount in plan["late"]:
        step[:] = "mount %s on" % (mount["source"] or mount["type"]), mount["target"]
        _mount_late(root, mount)
    if plan["nesting"]:
        _show_whole(made["/dev"], plan["nesting"], step)
    _hide(plan, root, made, step)
    for fd in made.values():
        os.close(fd)
    os.fchdir(root)
    return console


def _mount_kernel(root: int, mount: dict[str, Any]) -> int:
    """:returns: a descriptor of the new mount's root"""
    if mount.get("staged"):
        return mounts.open_in_root(root, mount["target"], follow_symlinks=False)
    if mount["type"] == "bind":
        source = os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
        tree = mounts.bind(source, "", mount["options"])
        os.close(source)
    else:
        tree = mounts.new(mount["type"], mount["options"])
    try:
        target = mounts.open_in_root(root, mount["target"], follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LxcError("mount %s on" % mount["type"], mount["target"], errno.ELOOP,
                           "Replace it by a folder.",
                           "in this root file system it is a symbolic link") from None
        if error.errno == errno.ENOENT:
            raise LxcError("mount %s on" % mount["type"], mount["target"], errno.ENOENT,
                           "Make that folder in the root file system.") from None
        raise
    for name in mount.get("folders") or []:
        os.mkdir(name, 0o755, dir_fd=tree)
    for name, points_to in mount.get("links") or []:
        os.symlink(points_to, name, dir_fd=tree)
    syscalls.move_mount(tree, target)
    os.close(target)
    return tree


def _fill_dev(dev: int, nodes: list[str], step: list[str]) -> None:
    """Nodes are binds of the host's: mknod fails in a user namespace."""
    mask = os.umask(0)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(name, 0o755, dir_fd=dev)
    for name, target in _DEV_LINKS:
        os.symlink(target, name, dir_fd=dev)
    for name in nodes:
        step[:] = "bind", "/dev/" + name
        _bind_on_new(syscalls.AT_FDCWD, "/dev/" + name, dev, name, 0o666)
    os.umask(mask)


def _show_whole(dev: int, nesting: list[dict[str, Any]], step: list[str]) -> None:
    """A second proc and sysfs with nothing over them, at the places of LXC's nesting.conf.

    A user namespace may mount either only while one is there that has nothing over it and is not
    read-only (the kernel's mount_too_revealing), and it does not matter whether its path can be
    reached: only root of the container gets into the folder.
    """
    folder = _folder(dev, ".lxc", 0o700)
    for mount in nesting:
        step[:] = "mount %s on" % mount["type"], "/dev/.lxc/" + mount["name"]
        target = _folder(folder, mount["name"], 0o755)
        mounts.attach(mounts.new(mount["type"], mount["options"]), target)
    os.close(folder)


def _folder(parent: int, name: str, mode: int) -> int:
    """Without a /dev of the container's own, it is there from the start before."""
    try:
        os.mkdir(name, mode, dir_fd=parent)
    except FileExistsError:
        pass
    return os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)


def _bind_nodes(dev: int, nodes: list[str], step: list[str]) -> None:
    """As far as there is something to bind them on."""
    for name in nodes:
        step[:] = "bind", "/dev/" + name
        _bind_on(syscalls.AT_FDCWD, "/dev/" + name, dev, name)


def _bind_on_new(source: int, path: str, dev: int, name: str, mode: int) -> None:
    """Bind a node on a file of /dev that is made for it."""
    target = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode, dir_fd=dev)
    mounts.attach(syscalls.open_tree(source, path, recursive=False), target)


def _bind_on(source: int, path: str, dev: int, name: str) -> None:
    """Bind a node on a file of /dev, if it is there."""
    try:
        target = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dev)
    except FileNotFoundError:
        return
    mounts.attach(syscalls.open_tree(source, path, recursive=False), target)


def _make_terminals(dev: int, pts: int, plan: dict[str, Any], link: _socket.socket,
                    step: list[str]) -> int:
    """Ptys of the container's own devpts: the outer ends go to the monitor.

    :returns: the console's inner end
    """
    master, slave, number = _open_pty(pts, plan.get("console_size"))
    folder = plan["ttys"]["folder"]
    if folder and plan["autodev"]:
        os.mkdir(folder, 0o755, dir_fd=dev)
    if plan["console"] != console_path.NONE:
        _place_terminal(dev, pts, number, "console", plan["autodev"])
        if folder:
            _place_terminal(dev, pts, number, folder + "/console", plan["autodev"])
    passed = [master, slave]
    for index in range(1, plan["ttys"]["count"] + 1):
        name = "tty%d" % index
        step[:] = "make", "/dev/" + name
        outer, inner, number = _open_pty(pts)
        os.close(inner)
        passed.append(outer)
        if folder and plan["autodev"]:
            os.symlink("%s/%s" % (folder, name), name, dir_fd=dev)
            name = "%s/%s" % (folder, name)
        _place_terminal(dev, pts, number, name, plan["autodev"])
    if not plan["autodev"]:
        _bind_on(pts, "ptmx", dev, "ptmx")
    descriptors.send(link, b"console", passed)
    for fd in passed:
        if fd != slave:
            os.close(fd)
    return slave


def _open_pty(pts: int, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """:param size: rows and columns
    :returns: its outer and its inner end, and its number"""
    master = os.open("ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=pts)
    fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
    number = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, b"\0" * 4))[0]
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", *(size or (24, 80)), 0, 0))
    slave = os.open(str(number), os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=pts)
    return master, slave, number


def _place_terminal(dev: int, pts: int, number: int, name: str, create: bool) -> None:
    if create:
        _bind_on_new(pts, str(number), dev, name, 0o600)
    else:
        _bind_on(pts, str(number), dev, name)


def _mount_late(root: int, mount: dict[str, Any]) -> None:
    """What the definition mounts on or below the kernel's own file systems."""
    try:
        if mount["create"]:
            mounts.make_target(root, mount["target"], mount["create"])
        if mount["type"] == "bind":
            source = os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
            tree = mounts.bind(source, "", mount["options"])
            os.close(source)
        else:
            tree = mounts.new(mount["type"], mount["options"])
        mounts.attach(tree, mounts.open_in_root(root, mount["target"]))
    except OSError:
        if not mount["optional"]:
            raise


def _hide(plan: dict[str, Any], root: int, made: dict[str, int], step: list[str]) -> None:
    """Read-only and masked paths, as far as this kernel has them."""
    writable = {}
    for path in plan["writable"]:
        step[:] = "keep writable", path
        target = mounts.open_if_there(root, path)
        if target >= 0:
            writable[path] = mounts.bind(target)
            os.close(target)
    for mount in plan["kernel"]:
        if mount.get("seal"):
            step[:] = "make read-only", mount["target"]
            syscalls.mount_setattr(made[mount["target"]], syscalls.MOUNT_ATTR_RDONLY,
                                   recursive=False)
    for path in plan["read_only"]:
        step[:] = "make read-only", path
        target = mounts.open_if_there(root, path)
        if target >= 0:
            mounts.attach(mounts.bind(target, "", ["ro"]), target)
    for path, tree in writable.items():
        mounts.attach(tree, mounts.open_in_root(root, path, follow_symlinks=False))
    null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
    mounts.check_null_device(null)
    empty = -1  # one file system for all folders
    for path in plan["masked"]:
        step[:] = "mask", path
        target = mounts.open_if_there(root, path)
        if target < 0:
            continue
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            mounts.attach(syscalls.open_tree(null, "", recursive=False), target)
        elif empty < 0:
            empty = mounts.new("tmpfs", ["ro", "size=0"])
            syscalls.move_mount(empty, target)
            os.close(target)
        else:
            mounts.attach(syscalls.open_tree(empty, "", recursive=False), target)
    os.close(null)
    if empty >= 0:
        os.close(empty)


def _give_up_rights(plan: dict[str, Any], step: list[str]) -> None:
    """Seccomp comes first where no_new_privs is off: it needs CAP_SYS_ADMIN then."""
    seccomp = plan["seccomp"]
    if plan["no_new_privs"]:
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    elif seccomp:
        step[:] = "set", "the seccomp filter"
        syscalls.seccomp_set_filter(seccomp)
    step[:] = "limit capabilities of", plan["name"]
    capabilities.limit_bounding_set(plan["capabilities"])
    if plan["uid"] or plan["gid"] or plan["groups"]:
        step[:] = "become", "%d:%d" % (plan["uid"], plan["gid"])
        syscalls.setgroups(plan["groups"])
        os.setresgid(plan["gid"], plan["gid"], plan["gid"])
        os.setresuid(plan["uid"], plan["uid"], plan["uid"])
    capabilities.limit(plan["capabilities"])
    if plan["no_new_privs"] and seccomp:
        step[:] = "set", "the seccomp filter"
        syscalls.seccomp_set_filter(seccomp)
