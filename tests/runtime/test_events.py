# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stream of events: order, many writers and readers, renamed files, killed writers, cursors."""
from __future__ import annotations

import os
import pathlib
import signal
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    event_stream,
    events,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.event_stream import EventStream
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


@pytest.fixture(autouse=True)
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A stream of the test's own, a file of which is full after a few events."""
    monkeypatch.setattr(store, "RUN", str(tmp_path))
    monkeypatch.setattr(events, "FILE", str(tmp_path / "events"))
    monkeypatch.setattr(events, "PREVIOUS", str(tmp_path / "events.1"))
    monkeypatch.setattr(events, "LIMIT", 2000)
    return tmp_path


def say(count: int, first: int = 0, name: str = "web") -> None:
    for number in range(first, first + count):
        events.event(name, "RUNNING", number=number)


def numbers(found: list[dict[str, t.Any]]) -> list[int]:
    return [event["number"] for event in found]


def test_what_comes_after_the_beginning_is_seen_and_nothing_before() -> None:
    say(3)
    with EventStream() as stream:
        assert stream.read() == []
        say(2, first=3)
        found = stream.read()
    assert numbers(found) == [3, 4] and not stream.lost
    assert {key: found[0][key] for key in ("container", "state")} == {
        "container": "web", "state": "RUNNING"}


def test_a_reader_before_the_first_event() -> None:
    with EventStream() as stream:
        cursor = stream.cursor
        assert stream.read() == []
        say(2)
        assert numbers(stream.read()) == [0, 1]
    with EventStream(cursor) as stream:
        assert numbers(stream.read()) == [0, 1] and not stream.lost


def test_a_reader_keeps_up_with_files_that_are_renamed(folder: pathlib.Path) -> None:
    with EventStream() as stream:
        seen: list[int] = []
        for number in range(100):
            say(1, first=number)
            seen += numbers(stream.read())
    assert seen == list(range(100)) and not stream.lost
    assert (folder / "events.1").stat().st_size >= 2000
    assert sorted(os.listdir(folder)) == ["events", "events.1"]


def test_a_cursor_finds_its_place_in_the_file_that_was_renamed() -> None:
    say(2)
    with EventStream("") as stream:
        cursor = stream.read()[0]["cursor"]
    say(30, first=2)  # 70 bytes each
    assert os.path.exists(events.PREVIOUS)
    with EventStream(cursor) as stream:
        assert numbers(stream.read()) == list(range(1, 32)) and not stream.lost


def test_what_is_gone_is_said_to_be_lost() -> None:
    say(1)
    with EventStream() as stream:
        say(100, first=1)
        found = numbers(stream.read())
    assert stream.lost
    gaps = [number for number, after in zip(found, found[1:]) if after != number + 1]
    assert found[0] == 1 and found[-1] == 100 and len(gaps) == 1


def test_a_cursor_of_another_boot_gets_everything() -> None:
    say(3)
    with EventStream("abc:100000") as stream:
        assert numbers(stream.read()) == [0, 1, 2] and stream.lost


def test_a_file_that_has_nothing_yet(folder: pathlib.Path) -> None:
    """Whoever writes the first event makes the file just before."""
    (folder / "events").touch()
    with EventStream() as stream, EventStream("") as other:
        assert stream.read() == other.read() == []
        say(1)
        assert numbers(stream.read()) == numbers(other.read()) == [0]
        assert stream.cursor == other.cursor and not stream.cursor.startswith("unknown")


@pytest.mark.parametrize("text", ["x", "a:b", "a:-1", ":5", "../x:1", "a:1\n"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(LxcError, match="cursor"):
        EventStream(text)


def test_a_line_that_a_killed_writer_left(folder: pathlib.Path) -> None:
    say(1)
    with EventStream("") as stream:
        with open(folder / "events", "a") as file:
            file.write('{"container":"web","num')
        assert numbers(stream.read()) == [0]
        say(2, first=1)
        assert numbers(stream.read()) == [1, 2]


def test_a_writer_that_was_stopped_holds_nobody_up(folder: pathlib.Path) -> None:
    say(1)
    child = os.fork()
    if child == 0:
        events._open_locked()
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    try:
        with EventStream() as stream:
            say(1, first=1)
            assert numbers(stream.read()) == [1]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_many_writers_and_readers_agree_on_one_order() -> None:
    """Every reader sees every event once, each writer's in order."""
    readers, writers = 8, 6
    pipes = []
    for _reader in range(readers):
        out, into = os.pipe()
        ready, tell = os.pipe()
        if os.fork() == 0:
            try:
                with EventStream() as stream:
                    os.write(tell, b"1")
                    seen: list[dict[str, t.Any]] = []
                    while len(seen) < writers * 60:
                        stream.wait(20)
                        seen += stream.read()
                    assert not stream.lost
                    os.write(into, " ".join("%s-%d" % (e["container"], e["number"])
                                            for e in seen).encode())
            finally:
                os._exit(0)
        os.close(into)
        os.read(ready, 1)
        os.close(ready)
        os.close(tell)
        pipes.append(out)
    for writer in range(writers):
        if os.fork() == 0:
            # One of the two files is full after two thirds, and no reader can come too late.
            events.LIMIT = 18000
            say(60, name="w%d" % writer)
            os._exit(0)
    orders = set()
    for out in pipes:
        with open(out) as file:
            orders.add(file.read())
    for _child in range(readers + writers):
        os.wait()
    assert len(orders) == 1
    order = orders.pop().split()
    for writer in range(writers):
        mine = [word for word in order if word.startswith("w%d-" % writer)]
        assert mine == ["w%d-%d" % (writer, number) for number in range(60)]


def test_waiting_ends_with_an_event() -> None:
    """Not before: a wait that always ends at once would be a loop that burns."""
    with EventStream() as stream:
        child = os.fork()
        if child == 0:
            say(1)
            os._exit(0)
        waits = 0
        while not stream.read():
            stream.wait(20)
            waits += 1
        os.waitpid(child, 0)
        assert waits <= 3
        stream.wait(0)
        reader, writer = os.pipe()
        os.write(writer, b"x")
        assert stream.wait(20, [reader]) == [reader]
        os.close(reader)
        os.close(writer)


def test_a_host_whose_inotify_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(24, "Too many open files")
    monkeypatch.setattr(event_stream.syscalls, "inotify_init", refuse)
    with EventStream() as stream:
        say(1)
        stream.wait(20)
        assert numbers(stream.read()) == [0]


def test_a_stream_that_cannot_be_written_fails_nothing(folder: pathlib.Path) -> None:
    (folder / "events").symlink_to("/etc/passwd")
    before = pathlib.Path("/etc/passwd").read_bytes()
    say(1)
    assert pathlib.Path("/etc/passwd").read_bytes() == before
