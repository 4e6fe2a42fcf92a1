# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on layers: what they see, what they write, and where that lands on the disk."""
from __future__ import annotations

import errno
import json
import os
import pathlib
import shutil
import stat
import typing as t

import container_sandbox
import pytest
from container_sandbox import Sandbox

both = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


@pytest.fixture
def sandbox() -> t.Iterator[Sandbox]:
    yield from container_sandbox.sandbox()


def layered(sandbox: Sandbox, *further: pathlib.Path) -> pathlib.Path:
    """A root file system over the sandbox's own tree, as lxc_rootfs describes it."""
    path = sandbox.folder / "clone"
    (path / "upper").mkdir(parents=True)
    (path / "work").mkdir()
    write_manifest(path, [*further, sandbox.rootfs])
    return path


def write_manifest(path: pathlib.Path, lower: t.Sequence[pathlib.Path]) -> None:
    pathlib.Path(str(path) + ".fleet-lxc.json").write_text(json.dumps({
        "version": 1, "mounts": [], "overlay": {
            "lower": [str(p) for p in lower], "upper": str(path / "upper"),
            "work": str(path / "work")}}))


@both
def test_what_is_written_lands_in_the_upper_layer_with_the_ids_of_inside(
        sandbox: Sandbox, privileged: bool) -> None:
    base, path = sandbox.rootfs, layered(sandbox)
    (base / "etc/old").write_text("old")
    (base / "etc/private").write_text("for its owner\n")
    os.chown(base / "etc/private", 7, 7)
    (base / "etc/private").chmod(0o600)
    (base / "usr/lib/a").mkdir(parents=True)
    before = sorted(str(p) for p in base.rglob("*"))
    said = sandbox.run("layers", """
        cat /etc/old /etc/private; rm /etc/old; echo changed > /etc/private
        mkdir /made; chown 5:6 /made; rm -r /usr/lib/a; mkdir /usr/lib/a; ls /usr/lib/a
        stat -c '%u %n' /etc/private / /made""", rootfs=str(path), privileged=privileged)
    assert said.split() == ["oldfor", "its", "owner", "7", "/etc/private", "0", "/", "5", "/made"]
    assert sorted(str(p) for p in base.rglob("*")) == before
    assert (base / "etc/old").read_text() == "old"
    assert (base / "etc/private").read_text() == "for its owner\n"
    upper = path / "upper"
    whiteout = (upper / "etc/old").lstat()
    assert stat.S_ISCHR(whiteout.st_mode) and whiteout.st_rdev == 0
    assert (upper / "etc/private").read_text() == "changed\n"
    assert (upper / "etc/private").stat().st_uid == 7
    assert ((upper / "made").stat().st_uid, (upper / "made").stat().st_gid) == (5, 6)
    assert (upper / "etc").stat().st_uid == 0
    said = sandbox.run("again", "ls /etc; cat /etc/private", rootfs=str(path),
                       privileged=privileged)
    assert said == "private\nchanged\n"


@both
def test_binds_and_memory_go_over_the_layers(sandbox: Sandbox, privileged: bool) -> None:
    (sandbox.folder / "data").mkdir()
    (sandbox.folder / "data/file").write_text("of the host")
    path = layered(sandbox)
    mounts = [
        {"source": str(sandbox.folder / "data"), "target": "/srv/x", "create": "dir",
         "read_only": True},
        {"type": "tmpfs", "target": "/mem", "create": "dir"},
        {"source": "/usr", "target": "/usr", "read_only": True}]
    said = sandbox.run("binds", "cat /srv/x/file; touch /mem/y; touch /srv/x/no; ls /usr/bin/env",
                       rootfs=str(path), privileged=privileged, mounts=mounts)
    assert said.startswith("of the hosttouch: /srv/x/no: Read-only file system")
    assert said.endswith("/usr/bin/env\n")
    assert os.listdir(path / "upper/mem") == []
    assert (path / "upper/srv/x").stat().st_uid == 0
    assert not (sandbox.rootfs / "srv").exists()


def test_a_higher_layer_hides_a_lower_one(sandbox: Sandbox) -> None:
    higher = sandbox.folder / "higher"
    (higher / "etc").mkdir(parents=True)
    (higher / "etc/motd").write_text("higher")
    (sandbox.rootfs / "etc/motd").write_text("lower")
    assert sandbox.run("order", "cat /etc/motd", rootfs=str(layered(sandbox, higher))) == "higher"


def test_no_layer_can_be_written_to_around_the_overlay(sandbox: Sandbox) -> None:
    path = layered(sandbox)
    said = sandbox.run("around", "grep -c overlay /proc/self/mountinfo; "
                       "grep -c fleet-lxc-test /proc/self/mountinfo; mknod /x c 1 3; ls /0 /up",
                       rootfs=str(path))
    assert said.split()[:2] == ["1", "0"]
    assert "Operation not permitted" in said and "/up: No such file" in said


def test_a_tree_that_is_not_in_layers_yet_is_the_plain_one(sandbox: Sandbox) -> None:
    write_manifest(sandbox.rootfs, [sandbox.folder / "not-yet"])
    (sandbox.rootfs / "upper").mkdir()
    assert sandbox.run("plain", "ls -d /upper") == "/upper\n"


def test_a_missing_layer_is_named(sandbox: Sandbox) -> None:
    error = sandbox.refused("lost", rootfs=str(layered(sandbox, sandbox.folder / "lost")))
    assert error.errno == errno.ENOENT and "/lost" in error.detail


def test_a_layer_of_another_is_not_started_on(sandbox: Sandbox) -> None:
    path = layered(sandbox)
    pathlib.Path(str(sandbox.rootfs) + ".fleet-lxc.json").write_text(json.dumps(
        {"version": 1, "clones": [str(path)]}))
    error = sandbox.refused("base")
    assert error.errno == errno.EBUSY and str(path) in error.detail
    shutil.rmtree(path)
    pathlib.Path(str(path) + ".fleet-lxc.json").unlink()
    assert sandbox.run("base", "echo up") == "up\n"


def test_a_hostile_upper_layer_leads_nowhere(sandbox: Sandbox) -> None:
    path = layered(sandbox)
    os.symlink("/mnt", path / "upper/proc")
    error = sandbox.refused("hostile", rootfs=str(path))
    assert "/proc" in str(error)
    assert os.listdir(sandbox.rootfs / "mnt") == []
