# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What everybody starts: the same rootfs, command, network and ids, and what is left of it."""
from __future__ import annotations

import os
import pathlib
import shutil
import sys
import tempfile
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREE = ROOT / ".cache" / "tree"  # of collections, with this one
sys.path.insert(0, str(TREE))

from ansible_collections.fleet.lxc.plugins.module_utils._kernel.netlink import (  # noqa: E402
    Netlink,
)

BRIDGE = "flxcbench0"
GATEWAY = "10.213.0.1"
COMMAND = ["/bin/busybox", "sleep", "100000"]
# Ids of the peers' containers: far from those that the collection hands out.
FIRST_ID, ID_COUNT = 0x68000000, 65536
CGROUPS = pathlib.Path("/sys/fs/cgroup")
# What peers leave behind on a host: removed where it was not there before.
_PEERS_CGROUPS = ("lxc.pivot", "flxcbench")
_PEERS_FOLDERS = ("/run/lxc", "/run/crun", "/run/runc", "/run/systemd/nspawn")


def names(count: int) -> list[str]:
    return ["flxcbench%d" % number for number in range(count)]


def number(name: str) -> int:
    return int(name[len("flxcbench"):])


def address(name: str) -> str:
    """An address in the bridge's network, prefix included."""
    high, low = divmod(number(name) + 16, 250)
    return "10.213.%d.%d/16" % (high, low + 1)


def first_id(name: str) -> int:
    return FIRST_ID + ID_COUNT * number(name)


class Workload:
    """A folder with the shared rootfs, and a bridge. Leaving it removes both."""

    def __init__(self) -> None:
        self.folder = pathlib.Path()
        self.rootfs = pathlib.Path()
        self._links: set[str] = set()
        self._cgroups: set[pathlib.Path] = set()
        self._folders: list[str] = []

    def __enter__(self) -> Workload:
        self._links = set(os.listdir("/sys/class/net"))
        self._cgroups = set(_peers_cgroups())
        self._folders = [path for path in _PEERS_FOLDERS if not os.path.lexists(path)]
        # Peers look a rootfs up as a container's root, so the way there is open to all.
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-bench-", dir="/var/tmp"))
        self.folder.chmod(0o755)
        self.rootfs = self.folder / "rootfs"
        # systemd-nspawn takes a tree with a /usr only.
        for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var/log"):
            (self.rootfs / name).mkdir(mode=0o755, parents=True)
        shutil.copy("/bin/busybox", self.rootfs / "bin" / "busybox")
        with Netlink() as netlink:
            netlink.delete_link(BRIDGE)
            netlink.create_bridge(BRIDGE, mac="02:f1:3c:00:00:01", forward_delay=0)
            netlink.configure(BRIDGE, [GATEWAY + "/16"])
        self._links.add(BRIDGE)
        return self

    def __exit__(self, *_error: object) -> None:
        with Netlink() as netlink:
            netlink.delete_link(BRIDGE)
        for path in set(_peers_cgroups()) - self._cgroups:
            try:
                path.rmdir()
            except OSError as error:
                print("could not remove %s: %s" % (path, error.strerror), file=sys.stderr)
        for name in self._folders:
            shutil.rmtree(name, ignore_errors=True)
        shutil.rmtree("/run/lxc/lock" + str(self.folder), ignore_errors=True)
        shutil.rmtree(self.folder)

    def settle(self) -> None:
        """Wait until the kernel has cleaned up after the last contender: it removes network
        namespaces and their veths in the background, and the next one would pay for it."""
        end = time.monotonic() + 20
        while (set(os.listdir("/sys/class/net")) - self._links or _busy()) \
                and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.3)

    def settle_briefly(self) -> None:
        """Between programs, which leave no network to be removed."""
        time.sleep(0.3)


def _peers_cgroups() -> t.Iterator[pathlib.Path]:
    for prefix in _PEERS_CGROUPS:
        yield from CGROUPS.glob(prefix + "*")
        yield from CGROUPS.glob("*/%s*" % prefix)


def _busy() -> bool:
    """Whether a container of the benchmark still has processes."""
    patterns = ("*flxcbench*", "*/*flxcbench*", "*/fleet-lxc/flxcbench*")
    return any(path for pattern in patterns for path in CGROUPS.glob(pattern))
