# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's command line, its detach keys, and the order in which containers start."""
from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import autostart, cli, store
from ansible_collections.fleet.lxc.plugins.module_utils._container.console import Keys
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


@pytest.mark.parametrize("arguments, options, names", [
    (["list"], {}, []),
    (["stop", "a", "--kill", "b", "--timeout=5"], {"kill": True, "timeout": 5.0}, ["a", "b"]),
    (["console", "--tty", "2", "a"], {"tty": 2}, ["a"]),
    (["autostart", "--group", "x,"], {"group": "x,"}, []),
    (["events", "--count", "3"], {"count": 3}, []),
])
def test_what_the_command_line_says(arguments, options, names) -> None:
    assert cli._parse(arguments[0], arguments[1:]) == (options, names)


@pytest.mark.parametrize("arguments, said", [
    (["frob"], "no word"), (["list", "a"], "no name"), (["start"], "names"),
    (["console", "a", "b"], "one name"), (["start", "--kill", "a"], "no option --kill"),
    (["stop", "a", "--timeout"], "needs a value"), (["stop", "a", "--timeout", "x"], "a number"),
    (["stop", "a", "--timeout", "-1"], "from 0 on"), (["stop", "a", "--timeout=nan"], "from 0 on"),
    (["events", "--count=-2"], "from 0 on"), (["console", "a", "--tty=-1"], "from 0 on"),
    (["lst"], "try list;"), (["ls"], "try list;"), (["attch", "a"], "try attach;"),
    (["destroy", "a"], "Ansible's module lxc_container does that;"),
    (["stop", "--kill=1", "a"], "takes no value"), (["console", "a", "--escape", "ab"], "letter"),
])
def test_a_wrong_command_line_is_explained(arguments, said, capsys) -> None:
    assert cli.run(arguments) == 2
    assert said in capsys.readouterr().err


def test_help(capsys) -> None:
    assert cli.run(["help"]) == 0 and cli.run([]) == 2
    shown = capsys.readouterr().out
    assert all(word in shown for word in cli._WORDS) and set(cli._WORDS) == set(cli._OF)
    assert cli.run(["stop", "--help"]) == 0 and capsys.readouterr().out == cli.USAGE
    assert not set(cli._WORDS) & (set(cli._TRY) | set(cli._MODULES))


@pytest.mark.parametrize("name, like", [
    ("wbe1", "Is web1 meant?"), ("WEB-1", "Is web1 meant?"), ("dbs", "Is Db meant?"),
    ("web3", None), ("other", None)])
def test_a_misspelt_name_is_told_from_one_that_is_not_there(
        name: str, like: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "names", lambda: ["Db", "web1", "web2"])
    monkeypatch.setattr(store, "read_definition", lambda _name: None)
    with pytest.raises(LxcError, match="fleet-lxc list on the host, shows what there is") as caught:
        store.need_definition(name)
    assert (like in str(caught.value)) if like else "meant" not in str(caught.value)


@pytest.mark.parametrize("typed, sent, detached", [
    ([b"ls\r"], b"ls\r", False),
    ([b"\x01q"], b"", True),
    ([b"ab\x01", b"qcd"], b"ab", True),
    ([b"\x01\x01"], b"\x01", False),
    ([b"\x01x"], b"\x01x", False),
    ([b"q\x01", b"\x01q"], b"q\x01q", False),
])
def test_keys(typed: list[bytes], sent: bytes, detached: bool) -> None:
    keys = Keys()
    assert b"".join(map(keys.take, typed)) == sent
    assert keys.detach is detached


def test_another_escape_key() -> None:
    keys = Keys("B")
    assert keys.take(b"\x01q\x02q") == b"\x01q" and keys.detach


@pytest.fixture
def defined(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, dict[str, t.Any]] = {
        "a": {"start_order": 5}, "b": {}, "c": {"start_delay": 2}, "d": {"start_order": -1},
        "e": {"group": ["onboot"]}, "f": {"group": ["other"]}, "g": {"start_auto": False},
        "h": {"start_order": 5, "group": ["onboot", "other"]}, "i": {}}
    for name, definition in found.items():
        definition.setdefault("start_auto", True)
        definition["name"] = name
    monkeypatch.setattr(store, "names", lambda: sorted(found))
    monkeypatch.setattr(store, "read_definition", found.__getitem__)


@pytest.mark.parametrize("groups, expected", [
    (["onboot", ""], [(["e"], 0), (["h"], 0), (["d"], 0), (["b", "c"], 2), (["i"], 0),
                      (["a"], 0)]),
    (["other"], [(["f"], 0), (["h"], 0)]),
    (["none"], []),
    (None, [(["d"], 0), (["b", "c"], 2), (["e", "f", "i"], 0), (["a", "h"], 0)]),
])
def test_the_order_of_a_start(defined: None, groups, expected) -> None:
    assert [tuple(batch) for batch in autostart.batches(autostart.marked(groups))] == expected


def test_the_order_of_the_end_is_that_of_the_start_reversed(defined: None) -> None:
    """First what was started by somebody else, in whatever order that was."""
    definitions = [store.read_definition(name) for name in store.names()]
    assert autostart.ends([d for d in definitions if d]) == [
        ["f", "g"], ["a"], ["b", "c", "i"], ["d"], ["h"], ["e"]]


def test_a_damaged_definition_is_said_and_keeps_no_other_back(
        defined: None, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def read(name: str) -> dict[str, t.Any]:
        if name == "d":
            raise LxcError("read", "definition.json", detail="it is damaged")
        return {"name": name, "start_auto": True}

    monkeypatch.setattr(store, "read_definition", read)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.run(["autostart", "--list"]) == 1
    said = capsys.readouterr()
    assert said.out == "a b c e f g h i\n" and "d: read definition.json: it is damaged" in said.err
