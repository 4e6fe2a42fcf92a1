# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the disk: definitions, state and locks (DESIGN.md).

Root only, and each file replaced as a whole. State lies under /run, which is empty after a boot.
"""
from __future__ import annotations

import errno
import fcntl
import os
import time

from .._kernel import processes, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json
from .._kernel.names import check_name

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

STATE = "/var/lib/fleet-lxc"
CONTAINERS = STATE + "/containers"
RUN = "/run/fleet-lxc"
_PAUSE = 0.02  # seconds between two tries for a lock
_LOCK_SIZE = 256  # bytes, always: a truncation costs more than the write


def folder(name: str) -> str:
    """Where the definition and the console's log are."""
    return "%s/%s" % (CONTAINERS, name)


def run_folder(name: str) -> str:
    """Where state, plan and locks are while this boot lasts."""
    return "%s/%s" % (RUN, name)


def console_log(definition: dict[str, Any]) -> str:
    """The file with what a container's console shows."""
    return definition.get("console_logfile") or folder(definition["name"]) + "/console.log"


def is_rootfs(entry: str) -> bool:
    """Whether that entry of a container's folder is a root file system or what lxc_rootfs keeps
    beside one, such as its manifest and its layers."""
    return entry.split(".")[0] == "rootfs" or entry.startswith(".rootfs.")


def exists(name: str) -> bool:
    """Whether something of the container is on the disk, be it damaged; a root file system is none
    of it."""
    try:
        return not all(map(is_rootfs, os.listdir(folder(name))))
    except NotADirectoryError:
        return True
    except FileNotFoundError:
        return False


def names() -> list[str]:
    """Every defined container, sorted."""
    try:
        found = os.listdir(CONTAINERS)
    except FileNotFoundError:
        return []
    return sorted(n for n in found if os.path.exists("%s/%s/definition.json" % (CONTAINERS, n)))


def make_folder(path: str) -> None:
    """A folder for root alone, and those above it."""
    while True:
        try:
            os.makedirs(path, 0o700, exist_ok=True)
            return
        except OSError as error:
            if isinstance(error, FileExistsError) and (
                    os.path.isdir(path) or not os.path.lexists(path)):
                continue  # it was removed in between, as by an operation that destroys
            raise LxcError.from_os("make folder", path, error, _space_hint(error)) from error


def _read(path: str) -> str:
    """A stream's layers would cost more than the read: a start reads five files."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        found = b""
        while True:
            data = os.read(fd, 1 << 16)
            if not data:
                return found.decode("utf-8")
            found += data
    finally:
        os.close(fd)


def read_json(path: str) -> dict[str, Any] | None:
    """The file as a dict, None where there is none.

    :raises LxcError: for one that can't be read, or is no JSON object
    """
    for attempt in range(4):
        try:
            found = json.loads(_read(path))
            break
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LxcError.from_os("read", path, error) from error
        except ValueError:  # or it was exchanged twice since the open: see _exchange
            found = None
            time.sleep(0.001 * attempt)
    if not isinstance(found, dict):
        raise LxcError("read", path, detail="it is damaged: not a JSON object",
                       hint="Remove the file, or restore it from a backup.")
    return found


def write_json(path: str, data: dict[str, Any]) -> None:
    """Replace the file in one step, and see that it is on the disk, but for what /run keeps.

    :raises LxcError: when it can't be; the old file is still there then
    """
    temporary = path + ".new"
    text = json.dumps(data, separators=(",", ":"), sort_keys=True).encode()
    try:
        if path.startswith(RUN + "/"):  # that is empty after a boot
            _exchange(temporary, path, text)
        else:
            _replace(temporary, path, text)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise LxcError.from_os("write", path, error, _space_hint(error)) from error


def _replace(temporary: str, path: str, text: bytes) -> None:
    _write(temporary, text, sync=True)
    os.rename(temporary, path)
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _exchange(temporary: str, path: str, text: bytes) -> None:
    """The file before stays as the next one's temporary: where /run is on a disk, each new file
    would cost 0.5 ms."""
    _write(temporary, text)
    try:
        syscalls.rename_exchange(temporary, path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EINVAL):  # the first; not with every kind
            raise
        os.rename(temporary, path)


def _write(path: str, text: bytes, sync: bool = False) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        left = text
        while left:
            left = left[os.write(fd, left):]
        if os.fstat(fd).st_size > len(text):
            os.ftruncate(fd, len(text))
        if sync:
            os.fsync(fd)
    finally:
        os.close(fd)


def _space_hint(error: OSError) -> str:
    full = (errno.ENOSPC, errno.EDQUOT)
    return "Make room on the file system of %s: see df(1)." % STATE if error.errno in full else ""


def read_definition(name: str) -> dict[str, Any] | None:
    """The definition, None where no container has that name."""
    check_name(name)
    return read_json(folder(name) + "/definition.json")


def need_definition(name: str) -> dict[str, Any]:
    """The definition.

    :raises LxcError: where no container has that name
    """
    definition = read_definition(name)
    if definition is None:
        like = _like(name)
        raise LxcError("find container", name, errno.ENOENT,
                       "%sDefine it with lxc_container; lxc_container_info, or fleet-lxc list on "
                       "the host, shows what there is." % ("Is %s meant? " % like if like else ""),
                       "it is not defined")
    return definition


def _like(name: str) -> str:
    """The defined container whose name that may be, misspelt; "" where there is none.

    Not another number: of web3, web1 is no misspelling.
    """
    import difflib

    def digits(text: str) -> str:
        return "".join(filter(str.isdigit, text))

    found = {other.lower(): other for other in names() if digits(other) == digits(name)}
    close = difflib.get_close_matches(name.lower(), found, 1)
    return found[close[0]] if close else ""


def write_definition(name: str, definition: dict[str, Any]) -> None:
    """Keep the definition; where that fails, a new container leaves no folder."""
    make_folder(folder(name))
    try:
        write_json(folder(name) + "/definition.json", definition)
    except LxcError:
        try:
            os.rmdir(folder(name))
        except OSError:
            pass  # it is not new: there is something in it
        raise


def read_state(name: str) -> dict[str, Any] | None:
    """What was last written of the container's life, None where it had none in this boot.

    Of one that runs it may be lost: see observe.recorded_state().
    """
    return read_json(run_folder(name) + "/state.json")


def forget_damaged_state(name: str) -> None:
    """Of a container that is to be destroyed: the kernel knows what there is of it."""
    try:
        check_name(name)
        read_state(name)
    except LxcError:
        try:
            os.unlink(run_folder(name) + "/state.json")
        except OSError:
            pass


def write_state(name: str, state: dict[str, Any]) -> None:
    """Keep what is known of the container's life."""
    write_json(run_folder(name) + "/state.json", state)


def monitor_is_alive(name: str) -> bool:
    """Whether a process holds the lock of the folder, as a monitor does (monitor.lock)."""
    try:
        fd = os.open(run_folder(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


class HostLock:
    """Held while definitions are written: two tasks must not choose the same range of ids."""

    def __enter__(self) -> HostLock:
        make_folder(CONTAINERS)
        self._fd = os.open(CONTAINERS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        deadline = time.monotonic() + 60
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(self._fd)
                    raise LxcError("wait 60 s for the lock of", CONTAINERS, errno.ETIMEDOUT,
                                   "Another task defines containers: see fuser(1).") from None
            time.sleep(_PAUSE)

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        os.close(self._fd)


class Lock:
    """One operation on one container at a time; says meanwhile what it is about.

    :param state: what observers see as the container's state while it is held, "" for none
    :param timeout: seconds
    :raises LxcError: naming the process that holds it, after ``timeout``
    """

    def __init__(self, name: str, timeout: float, state: str = "") -> None:
        check_name(name)
        self.name = name
        self.path = run_folder(name) + "/lock"
        self.fd = self._acquire(time.monotonic() + timeout, timeout)
        self.show(state)

    def show(self, state: str) -> None:
        """What observers see from now on as the container's state, "" for what it is."""
        self._say(json.dumps({"state": state, "by": processes.own_identity()}))

    def _say(self, text: str) -> None:
        os.pwrite(self.fd, text.ljust(_LOCK_SIZE).encode(), 0)

    def _acquire(self, deadline: float, timeout: float) -> int:
        while True:
            make_folder(os.path.dirname(self.path))
            try:
                fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:  # the folder was removed in between
                continue
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it may have removed the file, and with it what others lock.
                if self.in_place(fd):
                    return fd
                os.close(fd)
                continue
            except BlockingIOError:
                os.close(fd)
            if time.monotonic() > deadline:
                holder = (lock_holder(self.name) or {}).get("by") or {}
                raise LxcError("wait %g s for the lock of" % timeout, self.name, errno.ETIMEDOUT,
                               "Another operation on it is running: process %s."
                               % holder.get("pid", "unknown"))
            time.sleep(_PAUSE)

    def in_place(self, fd: int = -1) -> bool:
        """Whether its file is the one that others find."""
        try:
            return os.stat(self.path).st_ino == os.fstat(self.fd if fd < 0 else fd).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let go; a second time does nothing."""
        if self.fd >= 0:
            try:
                self._say("{}")
            except OSError:
                pass
            os.close(self.fd)
            self.fd = -1


def lock_holder(name: str) -> dict[str, Any] | None:
    """What the operation that holds the container's lock says of itself, None where none does."""
    try:
        found = json.loads(_read(run_folder(name) + "/lock"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict):
        return None
    by = found.get("by")
    return found if by == processes.own_identity() or processes.is_alive(by) else None
