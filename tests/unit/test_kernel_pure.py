# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.lean import json as lean_json
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.mounts import (
    parse_mountinfo_line,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.names import check_name
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.processes import signal_number


@pytest.mark.parametrize("name", ["a", "web1", "A.b-c_d", "0", "x" * 64])
def test_allowed_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "..", ".a", "-a", "a/b", "a\n", "a\0b", "x" * 65, "ä", "a b"])
def test_refused_names(name: str) -> None:
    with pytest.raises(LxcError) as caught:
        check_name(name)
    assert repr(name) in str(caught.value)


def test_an_error_says_step_subject_errno_and_hint() -> None:
    error = LxcError("attach veth to bridge", "br0", errno.ENODEV, "Create it with lxc_bridge.")
    assert str(error) == ("attach veth to bridge br0: No such device (ENODEV). "
                          "Create it with lxc_bridge.")
    assert str(LxcError.from_dict(error.to_dict())) == str(error)


VALUES: list[t.Any] = [
    {}, [], "", "\u00e4\U0001f600\\\"\n", 0, -1, 1.5, 1e300, 2 ** 70, True, None,
    {"b": [1, {"a": None}], "a": "x"}]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_the_lean_json_is_json(value: t.Any) -> None:
    assert lean_json.dumps(value) == json.dumps(value)
    assert lean_json.dumps(value, separators=(",", ":"), sort_keys=True) == json.dumps(
        value, separators=(",", ":"), sort_keys=True)
    text = json.dumps(value, indent=1, ensure_ascii=False)
    assert lean_json.loads(text) == lean_json.loads((" %s\n" % text).encode()) == value


@pytest.mark.parametrize("text", ["", " ", "[1", "1 2", "nul", "{'a': 1}", '{"a" 1}', b"\xff"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        lean_json.loads(text)


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        lean_json.dumps({"a": object()})


@pytest.mark.parametrize("text, number", [
    ("SIGTERM", 15), ("term", 15), (15, 15), ("RTMIN+3", 37), ("SIGPWR", 30)])
def test_signals_by_name_or_number(text: str, number: int) -> None:
    assert signal_number(text) == number


@pytest.mark.parametrize("text", ["", "SIGNOPE", "_IGN", "0", "65", "RTMIN+x", "-1"])
def test_what_is_no_signal_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        signal_number(text)


def test_mountinfo_is_unescaped() -> None:
    line = r"36 35 98:0 /a /mnt/with\040space rw,noatime master:1 - ext3 /dev/root rw,errors=x"
    assert parse_mountinfo_line(line) == {
        "root": "/a", "target": "/mnt/with space", "options": "rw,noatime", "fstype": "ext3",
        "source": "/dev/root", "super_options": "rw,errors=x"}
