# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian with systemd as root file systems: built once by mmdebstrap, then unpacked from .cache."""
from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess

import pytest

CACHE = pathlib.Path(os.environ.get("FLEET_LXC_CACHE")
                     or pathlib.Path(__file__).parents[2] / ".cache") / "debian"
SUITES = ("bookworm", "trixie")


def unpack(suite: str, folder: pathlib.Path) -> None:
    """A new tree of the suite. Skips the test where it neither is there nor can be built."""
    archive = CACHE / (suite + ".tar")
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            _build(suite, archive)
    folder.mkdir()
    # What is in /dev would be the host's devices, and a system has a /dev of its own.
    subprocess.run(["tar", "-C", str(folder), "-xf", str(archive), "--exclude=./dev/*"],
                   check=True, timeout=60)


def _build(suite: str, archive: pathlib.Path) -> None:
    if not shutil.which("mmdebstrap"):
        pytest.skip("no %s, and no mmdebstrap to build it" % archive)
    made = archive.with_suffix(".new")
    # In mounts of its own: one that is killed leaves none of its mounts on the host.
    command = ["unshare", "--mount", "mmdebstrap", "--quiet", "--format=tar", "--variant=minbase",
               "--aptopt=Acquire::Languages \"none\"", "--include=systemd-sysv,dbus",
               *("--dpkgopt=path-exclude=/usr/share/%s/*" % name
                 for name in ("doc", "man", "locale")),
               suite, str(made), *_mirrors()]
    subprocess.run(command, check=True, timeout=600)
    made.rename(archive)


def _mirrors() -> list[str]:
    """The one that this host uses; mmdebstrap has a default of its own."""
    lines = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN) $(LABEL) $(REPO_URI)"],
        check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    return [line.split()[2] for line in lines if line.startswith("Debian Debian ")][:1]
