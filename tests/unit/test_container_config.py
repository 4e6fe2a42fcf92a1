# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Definitions from a file and options beside it: which of them wins, and what stays."""
from __future__ import annotations

import pathlib
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._module import container, container_config

TEXT = "lxc.rootfs = /srv/a\nlxc.utsname = a\nlxc.environment = A=1\n"


def define(stored: dict[str, t.Any] | None = None, **options: t.Any) -> dict[str, t.Any]:
    return container_config.Files().definition("web1", options, stored)[0]


def test_options_win_over_the_file() -> None:
    made = define(lxc_config=TEXT, hostname="b", command=["/bin/b"])
    assert (made["rootfs"], made["hostname"], made["command"]) == ("/srv/a", "b", ["/bin/b"])
    assert made["environment"] == {"A": "1"}
    mapped = TEXT + "lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n"
    assert define(lxc_config=mapped)["idmap"] == {"first": 100000, "size": 65536}
    assert define(lxc_config=mapped, privileged=True)["idmap"] is None
    both = define(lxc_config=TEXT + "fleet.privileged = true", idmap=["200000"])
    assert (both["privileged"], both["idmap"]["first"]) == (False, 200000)


def test_the_file_is_the_whole_definition_but_for_the_ids() -> None:
    stored = {**define(lxc_config=TEXT, cwd="/srv"), "idmap": {"first": 1 << 30, "size": 65536}}
    again = define(stored, lxc_config="lxc.rootfs = /srv/a")
    assert (again["cwd"], again["hostname"], again["environment"]) == ("/", None, {})
    assert again["idmap"] == stored["idmap"]
    assert define(stored, hostname="c")["cwd"] == "/srv"  # without a file, what is stored stays


def test_a_mount_s_target_may_have_the_root_that_the_task_names() -> None:
    text = "lxc.mount.entry = /bin /srv/b/bin none bind 0 0"
    assert define(lxc_config=text, rootfs="/srv/b")["mounts"][0]["target"] == "/bin"


def test_a_file_is_read_once_for_all(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "web.conf"
    path.write_text(TEXT)
    files = container_config.Files()
    first = files.definition("web1", {"config_file": str(path)}, None)[0]
    path.write_text("nothing = 1")
    assert files.definition("web2", {"config_file": str(path)}, None)[0] == {
        **first, "name": "web2"}


def test_an_item_s_file_is_in_place_of_the_task_s() -> None:
    found = dict(container.requested({"containers": [
        {"name": "a"}, {"name": "b", "lxc_config": "x"}, {"name": "c", "cwd": "/c"}],
        "config_file": "/f", "cwd": "/t"}))
    assert [(o["config_file"], o["lxc_config"], o["cwd"]) for o in found.values()] == [
        ("/f", None, "/t"), (None, "x", "/t"), ("/f", None, "/c")]


def test_errors_in_a_text_name_its_option() -> None:
    with pytest.raises(LxcError, match="lxc_config:4: lxc.nonsense"):
        define(lxc_config=TEXT + "lxc.nonsense = 1")
