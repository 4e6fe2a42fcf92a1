# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's own copy on the host: what starts from an AnsiballZ archive can't stay in it."""
from __future__ import annotations

import hashlib
import os
import pkgutil
import sys
import tempfile

from .._kernel import mounts
from .._kernel.errors import LxcError
from . import store

TYPE_CHECKING = False
if TYPE_CHECKING:
    # So that AnsiballZ packs them, with all that they import.
    from . import (  # noqa: F401
        attach_command,
        cli,
        event_follow,
        freezer,
        launcher,
        process_list,
        wait,
    )

RUNTIME = store.STATE + "/runtime"
PROGRAM = "fleet-lxc"
# A unit test holds these lists against the folders.
FILES = {
    "_kernel": (
        "__init__", "addresses", "capabilities", "cgroup_tree", "cgroups", "device_filter",
        "errors", "freezers", "idmaps", "mounts", "names", "netlink", "netlink_facts",
        "netlink_links", "netlink_messages", "netlink_socket", "processes", "seccomp",
        "syscall_numbers", "syscalls"),
    "_container": (
        "__init__", "attach", "attach_command", "autostart", "cgroup_throttle",
        "cgroup_values", "checks", "cleanup", "cli", "clocks", "console",
        "console_server", "defaults", "entry", "event_follow", "event_stream", "events",
        "exchange", "fault", "freezer", "fstab", "hooks", "host", "host_links", "init",
        "launch", "launcher", "lifecycle", "monitor", "namespaces", "network",
        "network_end", "network_links", "network_plan", "network_scripts", "networks",
        "observe", "operation", "overlay", "plan", "process_list", "program", "reaper",
        "runtime", "seccomp_profile", "signals", "spec", "starter", "store", "system",
        "system_checks", "target", "transfer", "usage", "users", "wait"),
}
_PROGRAM_TEXT = """\
# The runtime of fleet.lxc; see "fleet-lxc help".
import sys
sys.path.insert(0, __file__.rpartition("/")[0])
word = sys.argv[1] if len(sys.argv) > 1 else ""
if word in ("attach", "put", "fetch"):
    from fleet_lxc._container.attach_command import main
    main(sys.argv[1:])
elif word == "enter":
    from fleet_lxc._container.attach import enter
    enter()
elif word:
    from fleet_lxc._container.cli import main
    main(sys.argv[1:])
else:
    from fleet_lxc._container.launcher import main
    main()
"""


def ensure() -> str:
    """The program of this version's copy; written where it is not there yet.

    :raises LxcError: when it can't be written
    """
    here = os.path.abspath(__file__)
    if here.startswith(RUNTIME + "/"):
        return "/".join((RUNTIME, here[len(RUNTIME) + 1:].split("/")[0], PROGRAM))
    texts = sources()
    found = path_of(texts)
    if not os.path.exists(found):
        _write(os.path.dirname(found), texts)
    return found


def sources() -> dict[str, bytes]:
    """The text of each file of the copy, by its path below the package."""
    parent = __name__.rsplit(".", 2)[0]
    return {"%s/%s.py" % (package, name):
            pkgutil.get_data("%s.%s" % (parent, package), name + ".py") or b""
            for package, names in FILES.items() for name in names}


def path_of(texts: dict[str, bytes]) -> str:
    """Where the program of the copy with these sources is, on every host."""
    digest = hashlib.sha256()
    for path, data in sorted(texts.items()):
        digest.update(path.encode() + b"\0" + data)
    digest.update(_PROGRAM_TEXT.encode())
    return "%s/%s/%s" % (RUNTIME, digest.hexdigest()[:16], PROGRAM)


def read_only_interpreter() -> int:
    """This interpreter on a read-only mount of its own, to be run as /proc/self/fd/N.

    A privileged container's root could write to the interpreter through /proc/PID/exe of whoever
    enters the container (CVE-2019-5736); through this mount it can't.
    """
    fd = os.open("/proc/self/exe", os.O_PATH | os.O_CLOEXEC)
    try:
        return mounts.bind(fd, "", ["ro"], recursive=False)
    except OSError as error:
        raise LxcError.from_os("bind read-only", os.readlink("/proc/self/exe"), error) from error
    finally:
        os.close(fd)


def _write(folder: str, texts: dict[str, bytes]) -> None:
    """Make the folder under another name first: a copy is there as a whole, or not."""
    store.make_folder(RUNTIME)
    try:
        made = tempfile.mkdtemp(prefix=".new-", dir=RUNTIME)
        # No -S: what is run by hand may need pyroute2, as the host's Python has it.
        first = b"#!%s -I\n" % os.fsencode(sys.executable)
        for path, data in {PROGRAM: first + _PROGRAM_TEXT.encode(),
                           **{"fleet_lxc/" + p: d for p, d in texts.items()},
                           "fleet_lxc/__init__.py": b""}.items():
            name = "%s/%s" % (made, path)
            os.makedirs(os.path.dirname(name), 0o700, exist_ok=True)
            with open(name, "wb") as stream:
                stream.write(data)
        os.chmod("%s/%s" % (made, PROGRAM), 0o700)
        try:
            os.rename(made, folder)
        except OSError:
            if not os.path.exists(folder):
                raise
        link = RUNTIME + "/.current"
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(os.path.basename(folder), link)
        os.rename(link, RUNTIME + "/current")
    except OSError as error:
        raise LxcError.from_os("write the runtime's copy to", folder, error) from error
