# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions and state on a disk that is full, and locks whose file goes away."""
from __future__ import annotations

import errno
import os
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import store
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import syscalls
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

NAME = "fleet-lxc-test-store"


@pytest.fixture
def full_disk(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[pathlib.Path]:
    """A file system that has room for folders, and none for data."""
    syscalls.mount("none", str(tmp_path), "tmpfs", 0, "size=16k,mode=700")
    try:
        containers = tmp_path / "containers"
        containers.mkdir()
        with pytest.raises(OSError), open(tmp_path / "fill", "wb", buffering=0) as stream:
            while True:
                stream.write(b"x" * 4096)
        monkeypatch.setattr(store, "CONTAINERS", str(containers))
        yield containers
    finally:
        syscalls.umount2(str(tmp_path), syscalls.MNT_DETACH)


def test_a_definition_that_finds_no_room_leaves_nothing(full_disk: pathlib.Path) -> None:
    with pytest.raises(LxcError) as caught:
        store.write_definition(NAME, {"name": NAME, "rootfs": "/" + "x" * 5000})
    assert caught.value.errno == errno.ENOSPC
    assert "Make room" in caught.value.hint
    assert list(full_disk.iterdir()) == []


def test_a_definition_that_finds_no_room_keeps_the_old_one(full_disk: pathlib.Path) -> None:
    (full_disk.parent / "fill").unlink()
    store.write_definition(NAME, {"name": NAME})
    with pytest.raises(OSError), open(full_disk.parent / "fill", "wb", buffering=0) as stream:
        while True:
            stream.write(b"x" * 4096)
    with pytest.raises(LxcError):
        store.write_definition(NAME, {"name": NAME, "rootfs": "/" + "x" * 5000})
    assert store.read_definition(NAME) == {"name": NAME}
    assert os.listdir(full_disk / NAME) == ["definition.json"]


def test_a_damaged_file_is_named(tmp_path: pathlib.Path) -> None:
    (tmp_path / "state.json").write_text("[1, 2")
    with pytest.raises(LxcError, match="state.json.*damaged"):
        store.read_json(str(tmp_path / "state.json"))


def test_a_lock_whose_folder_went_away_is_a_new_lock() -> None:
    first = store.Lock(NAME, 1)
    try:
        with pytest.raises(LxcError) as caught:
            store.Lock(NAME, 0.1)
        assert "process %d" % os.getpid() in caught.value.hint
        os.unlink(first.path)
        second = store.Lock(NAME, 1)
        second.release()
    finally:
        first.release()
        os.unlink(store.run_folder(NAME) + "/lock")
        os.rmdir(store.run_folder(NAME))
