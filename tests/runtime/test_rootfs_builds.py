# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees that a program builds, the cache, and copies of trees, on a disk; needs root."""
from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import (
    builds,
    cache,
    debootstrap,
    observe,
    programs,
    tree_copy,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.manifest import read_manifest
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import (
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec

RECIPE = debootstrap.Recipe("mmdebstrap", "testing", "minbase", "file:///nowhere",
                            "/usr/share/keyrings", (), ("main",), "amd64")
# Stands for mmdebstrap: the target is the argument before the last.
BUILD = """#!/bin/sh
while [ $# -gt 2 ]; do shift; done
echo I build $1
umask > $1/umask
mkdir -p $1/etc/ssh
echo thehost > $1/etc/hostname
echo 1234 > $1/etc/machine-id
echo secret > $1/etc/ssh/ssh_host_rsa_key
echo nameserver 192.0.2.1 > $1/etc/resolv.conf
chmod 755 $1/etc/resolv.conf
echo built >> %(count)s
%(more)s
"""


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[pathlib.Path]:
    """A folder of root's alone, with a cache of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-builds-", dir="/var/tmp"))
    monkeypatch.setattr(cache, "CACHE", str(folder / "cache"))
    monkeypatch.setattr(debootstrap.Recipe, "room", lambda _self: 0)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def log(place: pathlib.Path) -> t.Iterator[programs.Log]:
    made = programs.Log(str(place / "log"))
    yield made
    made.remove()


def builder(place: pathlib.Path, more: str = "") -> str:
    program = place / "builder"
    program.write_text(BUILD % {"count": place / "count", "more": more})
    program.chmod(0o700)
    return str(program)


def built(place: pathlib.Path) -> int:
    count = place / "count"
    return len(count.read_text().splitlines()) if count.exists() else 0


def make(place: pathlib.Path, name: str, program: str, days: float = 7,
         timeout: float = 20, recipe: debootstrap.Recipe = RECIPE) -> list[str]:
    """What the module does with debootstrap:, by another program; the names of the steps."""
    asked = make_spec({"path": str(place / name), "debootstrap": {
        "cache_days": days, "timeout": timeout}})
    state = observe.RootfsState(recipe=recipe, program=program, cached=cache.usable(
        recipe.name, days))
    made = plan_present(asked, state)
    apply(asked.path, made)
    return [operation.describe() for operation in made]


def remove(path: str) -> None:
    asked = make_spec({"path": path})
    apply(path, plan_absent(asked, observe.observe(asked, True)))


def test_the_second_of_a_kind_is_a_copy_and_both_are_impersonal(place: pathlib.Path) -> None:
    program = builder(place)
    make(place, "one", program)
    make(place, "two", program)
    assert built(place) == 1
    for name in ("one", "two"):
        tree = place / name
        assert (tree / "umask").read_text() == "0022\n"
        assert not (tree / "etc/hostname").exists()
        assert (tree / "etc/machine-id").read_bytes() == b""
        assert not (tree / "etc/ssh/ssh_host_rsa_key").exists()
        assert stat.S_IMODE((tree / "etc/resolv.conf").stat().st_mode) == 0o644
        manifest = read_manifest(str(tree))
        assert manifest and manifest["source"]["suite"] == "testing"
    (place / "one/etc/machine-id").write_text("changed")
    assert (place / "two/etc/machine-id").read_bytes() == b""
    entry = cache.entry_path(RECIPE.name)
    manifest = read_manifest(entry)
    assert manifest and manifest["bytes"] > 4096
    remove(entry)
    assert os.listdir(cache.CACHE) == []
    assert sorted(os.listdir(place)) == ["builder", "cache", "count", "one", "one.fleet-lxc.json",
                                         "two", "two.fleet-lxc.json"]


def test_what_is_too_old_is_built_anew_and_without_a_cache_nothing_is_kept(
        place: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = builder(place)
    make(place, "one", program)
    now = time.time()
    monkeypatch.setattr(cache.time, "time", lambda: now + 2 * 86400)  # type: ignore[attr-defined]
    make(place, "two", program, days=3)
    assert built(place) == 1
    make(place, "three", program, days=1)
    assert built(place) == 2
    assert sorted(os.listdir(cache.CACHE)) == [RECIPE.name, RECIPE.name + ".fleet-lxc.json"]
    shutil.rmtree(cache.CACHE)
    make(place, "four", program, days=0)
    assert built(place) == 3
    assert not os.path.exists(cache.CACHE)


@pytest.mark.parametrize("days", [7, 0])
def test_a_build_that_fails_leaves_nothing_and_says_the_last_words(place: pathlib.Path,
                                                                   days: float) -> None:
    with pytest.raises(LxcError) as caught:
        make(place, "one", builder(place, "echo E: no such suite; exit 3"), days)
    assert "status 3" in caught.value.detail and "E: no such suite" in caught.value.detail
    assert "mirror" in caught.value.hint
    assert sorted(path.name for path in place.iterdir() if path.name != "cache") == [
        "builder", "count"]
    assert not days or os.listdir(cache.CACHE) == []


@pytest.mark.parametrize("said, hint", [
    ("E: Unable to locate package vmi", "debootstrap.packages"),
    ("E: Couldn't find these debs: vmi", "debootstrap.packages"),
    ("E: install arch-test for foreign architecture support", "qemu-user-static"),
    ("W: GPG error: http://x NO_PUBKEY 123", "debootstrap.keyring"),
])
def test_the_hint_is_for_what_the_program_says(place: pathlib.Path, said: str, hint: str) -> None:
    with pytest.raises(LxcError) as caught:
        make(place, "one", builder(place, 'echo "%s"; exit 25' % said))
    assert hint in caught.value.hint


@pytest.mark.parametrize("content, said", [(None, "ENOENT"), (b"", "no OpenPGP"),
                                           (b"vm\n", "no OpenPGP")])
def test_a_keyring_without_keys_is_refused(place: pathlib.Path, content: bytes | None,
                                           said: str) -> None:
    keyring = place / "keys"
    if content is not None:
        keyring.write_bytes(content)
    with pytest.raises(LxcError) as caught:
        make(place, "one", builder(place), recipe=RECIPE._replace(keyring=str(keyring)))
    assert said in str(caught.value) and "debootstrap.keyring" in caught.value.hint
    assert built(place) == 0


def test_a_build_that_takes_too_long_is_ended_with_all_that_it_started(place: pathlib.Path) -> None:
    program = builder(place, "setsid sleep 1000 & echo $! > %s; sleep 1000" % (place / "pid"))
    with pytest.raises(LxcError) as caught:
        make(place, "one", program, timeout=0.5)
    assert "more than 0.5 s" in caught.value.detail
    assert os.listdir(cache.CACHE) == []
    left = subprocess.run(["pgrep", "-f", "^sleep 1000$"], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_killed_task_takes_its_build_with_it_and_the_next_clears_up(place: pathlib.Path) -> None:
    ready = place / "ready"
    program = builder(place, "mkdir $1/mnt; mount -t tmpfs none $1/mnt; touch %s; sleep 1001"
                      % ready)
    task = os.fork()
    if not task:
        try:
            make(place, "one", program)
        finally:
            os._exit(1)
    while not ready.exists():
        time.sleep(0.01)
    log = (place / "one.fleet-lxc.log").read_text()  # what people can follow while it runs
    os.kill(task, signal.SIGKILL)
    os.waitpid(task, 0)
    assert "I build" in log
    assert not (place / "one").exists()
    # Its processes go with it; then nobody holds the lock any more.
    site = os.open(observe.building_path(cache.entry_path(RECIPE.name)), os.O_RDONLY)
    deadline = time.monotonic() + 10
    while True:
        try:
            fcntl.flock(site, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    os.close(site)
    assert str(place) not in pathlib.Path("/proc/self/mounts").read_text()
    asked = make_spec({"path": str(place / "one"), "debootstrap": {"mirror": "http://x"}})
    state = observe.observe(make_spec({"path": asked.path}), absent=True)
    state.recipe, state.program = RECIPE, builder(place)
    steps = plan_present(asked, state)
    assert "interrupted" in steps[0].describe()
    apply(asked.path, steps)
    assert sorted(os.listdir(cache.CACHE)) == [RECIPE.name, RECIPE.name + ".fleet-lxc.json"]
    assert not (place / "one.fleet-lxc.log").exists()


def test_two_tasks_that_want_the_same_build_it_once(place: pathlib.Path) -> None:
    program = builder(place, "sleep 0.3")
    task = os.fork()
    if not task:
        status = 1
        try:
            make(place, "one", program)
            status = 0
        finally:
            os._exit(status)
    make(place, "two", program)
    assert os.waitpid(task, 0)[1] == 0
    assert built(place) == 1
    assert (place / "one/umask").exists() and (place / "two/umask").exists()


def test_a_disk_without_room_is_told_before(place: pathlib.Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debootstrap.Recipe, "room", lambda _self: 1 << 60)
    with pytest.raises(LxcError) as caught:
        make(place, "one", builder(place))
    assert caught.value.errno == errno.ENOSPC and "MiB are free" in caught.value.detail
    assert built(place) == 0


def test_a_missing_program_is_said(log: programs.Log) -> None:
    with pytest.raises(LxcError) as caught:
        programs.run("try", "it", ["/no/such/program"], log, 5)
    assert "/no/such/program: No such file" in caught.value.detail


def test_nothing_of_this_process_but_what_is_named_is_inherited(place: pathlib.Path,
                                                                log: programs.Log) -> None:
    secret = os.open(place / "x", os.O_CREAT | os.O_RDWR)
    programs.run("list", "descriptors", ["/bin/ls", "-l", "/proc/self/fd"], log, 5)
    os.close(secret)
    assert str(place / "x") not in log.tail(30)


def copy(source: pathlib.Path, target: pathlib.Path, reflink: bool | None = None) -> tree_copy.Copy:
    target.mkdir()
    old, new = (os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target))
    made = tree_copy.Copy(str(source), reflink)
    try:
        made.into(old, new)
    finally:
        os.close(old)
        os.close(new)
    return made


def test_a_copy_has_all_that_files_have(place: pathlib.Path) -> None:
    source = place / "source"
    (source / "a/b").mkdir(parents=True)
    (source / "a").chmod(0o3770)
    (source / "a/file").write_text("content")
    os.link(source / "a/file", source / "a/b/same")
    os.symlink("/etc/shadow", source / "link")
    os.chown(source / "link", 7, 8, follow_symlinks=False)
    os.mkfifo(source / "pipe", 0o620)
    os.mknod(source / "node", stat.S_IFCHR | 0o604, os.makedev(1, 3))
    (source / "su").write_bytes(b"x")
    os.chown(source / "su", 1, 2)
    (source / "su").chmod(0o6755)
    os.setxattr(source / "su", "user.note", b"a\0b")
    os.setxattr(source / "su", "security.capability",
                bytes.fromhex("0100000200040000000000000000000000000000"))
    os.setxattr(source / "a", "user.overlay.opaque", b"y")
    with open(source / "sparse", "wb") as file:
        file.seek(64 << 20)
        file.write(b"end")
        file.truncate(80 << 20)
    for name in ("link", "a/file", "a", "."):
        os.utime(source / name, ns=(10**18 + 1, 10**18 + 2), follow_symlinks=False)
    mask = os.umask(0o077)
    copy(source, place / "target")
    assert os.umask(mask) == 0o077
    target = place / "target"
    for path in [source, *source.rglob("*")]:
        old, new = path.lstat(), (target / path.relative_to(source)).lstat()
        for field in ("st_mode", "st_uid", "st_gid", "st_size", "st_nlink", "st_rdev",
                      "st_mtime_ns"):
            if field != "st_size" or not stat.S_ISDIR(old.st_mode):
                assert getattr(old, field) == getattr(new, field), (path, field)
    assert os.readlink(target / "link") == "/etc/shadow"
    assert (target / "a/file").stat().st_ino == (target / "a/b/same").stat().st_ino
    assert os.getxattr(target / "su", "user.note") == b"a\0b"
    assert os.getxattr(target / "su", "security.capability") == os.getxattr(
        source / "su", "security.capability")
    assert os.listxattr(target / "a") == []
    sparse = (target / "sparse").stat()
    assert sparse.st_blocks * 512 < 1 << 20
    with open(target / "sparse", "rb") as file:
        file.seek(64 << 20)
        assert file.read(4) == b"end\0"


def test_shared_blocks_are_demanded_in_vain_where_there_are_none(place: pathlib.Path) -> None:
    (place / "source").mkdir()
    (place / "source/file").write_text("content")
    tried = copy(place / "source", place / "target")
    if tried.shares_blocks:
        pytest.skip("this file system can")
    with pytest.raises(LxcError) as caught:
        copy(place / "source", place / "again", reflink=True)
    assert "xfs" in caught.value.hint and "/source/file" in caught.value.subject


def test_a_source_that_is_read_is_not_removed(place: pathlib.Path) -> None:
    program = builder(place)
    make(place, "one", program)
    with observe.Site(str(place / "one")) as site:
        builds.lock_source(site)
        with pytest.raises(LxcError) as caught:
            remove(str(place / "one"))
    assert caught.value.detail == "another task works on it"
    assert (place / "one/umask").exists()
