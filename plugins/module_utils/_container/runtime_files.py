# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runtime's copy consists of, and where it is on every host.

Imports nothing of the collection: the connection plugin asks for it with each task, and Ansible
compiles anew whatever of a collection a plugin imports. The copy itself never needs hashlib and
pkgutil, which cost 9 ms, mostly for typing.
"""
from __future__ import annotations

RUNTIME = "/var/lib/fleet-lxc/runtime"  # below store.STATE
PROGRAM = "fleet-lxc"
INDEX = "files.json"  # of a copy: checksum (zlib.crc32) and length of each file, for _module
# A unit test holds these lists against the folders.
FILES = {
    "_kernel": (
        "__init__", "addresses", "capabilities", "cgroup_tree", "cgroups", "descriptors",
        "device_filter", "errors", "freezers", "idmaps", "lean", "mounts", "names", "netlink",
        "netlink_facts", "netlink_links", "netlink_messages", "netlink_socket", "oom_notices",
        "processes", "seccomp", "syscall_numbers", "syscalls"),
    "_container": (
        "__init__", "attach", "attach_command", "attacher", "autostart", "cgroup_throttle",
        "cgroup_values", "checks", "cleanup", "cli", "clocks", "console",
        "console_path", "console_server", "container_log", "defaults", "entry", "event_follow",
        "event_stream", "events", "exchange", "fault", "freezer", "fstab", "handover", "hooks",
        "host", "host_links", "init",
        "launch", "launcher", "lifecycle", "lost_state", "monitor", "namespaces", "network",
        "network_end", "network_links", "network_plan", "network_scripts", "networks",
        "observe", "operation", "overlay", "plan", "process_list", "program", "reaper",
        "runtime", "runtime_files", "seccomp_profile", "signals", "spec", "starter", "store",
        "system", "system_checks", "target", "transfer", "usage", "users", "wait"),
}
# Its first words keep the copy as long as this process, or one that it forks, runs (runtime.py).
# They take the folder's own name, since "current" may become another one's meanwhile.
PROGRAM_TEXT = """\
# The runtime of fleet.lxc; see "fleet-lxc help".
import fcntl
import os
import sys
here = os.path.dirname(os.path.realpath(__file__))
try:
    held = os.open(here, os.O_RDONLY | os.O_DIRECTORY)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.stat(here + "/fleet-lxc")
except FileNotFoundError:
    sys.stderr.write("can't open file '%s/fleet-lxc': it has just been removed\\n" % here)
    sys.exit(2)
sys.path.insert(0, here)
word = sys.argv[1] if len(sys.argv) > 1 else ""
if word in ("attach", "put", "fetch"):
    from fleet_lxc._container.attach_command import main
    main(sys.argv[1:])
elif word == "enter":
    from fleet_lxc._container.attach import enter
    enter()
elif word == "attacher":
    from fleet_lxc._container.attacher import serve
    serve()
elif word == "launch":
    from fleet_lxc._container.launcher import main
    main()
else:
    from fleet_lxc._container.cli import main
    main(sys.argv[1:])
"""


def sources() -> dict[str, bytes]:
    """The text of each file of the copy, by its path below the package."""
    import os

    paths = ["%s/%s.py" % (package, name) for package, names in FILES.items() for name in names]
    folder = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        return {path: _read("%s/%s" % (folder, path)) for path in paths}
    except NotADirectoryError:  # a module runs from an archive
        import pkgutil  # which imports both packages: 18 ms of Ansible's loader

        parent = __name__.rsplit(".", 2)[0]
        return {path: pkgutil.get_data(parent, path) or b"" for path in paths}


def _read(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()


def path_of(texts: dict[str, bytes]) -> str:
    """Where the program of the copy with these sources is, on every host."""
    import hashlib

    digest = hashlib.sha256()
    for path, data in sorted(texts.items()):
        digest.update(path.encode() + b"\0" + data)
    digest.update(PROGRAM_TEXT.encode())
    return "%s/%s/%s" % (RUNTIME, digest.hexdigest()[:16], PROGRAM)
