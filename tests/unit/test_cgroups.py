# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pathlib

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import starter
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.cgroups import hierarchies, layout
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


def mount(fstype: str, target: str, super_options: str = "rw") -> dict[str, str]:
    return {"fstype": fstype, "target": target, "super_options": super_options}


V2 = mount("cgroup2", "/sys/fs/cgroup/unified")
CPU = mount("cgroup", "/cg/cpu", "rw,cpu,cpuacct")
NAMED = mount("cgroup", "/cg/systemd", "rw,xattr,name=systemd")


@pytest.mark.parametrize("mounts, expected", [
    ([], "none"), ([mount("tmpfs", "/sys/fs/cgroup")], "none"), ([V2], "v2"),
    ([CPU, NAMED], "v1"), ([CPU, V2], "hybrid")])
def test_layout(mounts: list[dict[str, str]], expected: str) -> None:
    assert layout(hierarchies(mounts)) == expected


def test_each_hierarchy_once_at_its_first_mount() -> None:
    again = mount("cgroup", "/elsewhere", "rw,cpu,cpuacct")
    found = hierarchies([CPU, again, NAMED, V2])
    assert [(h.version, h.path, h.controllers) for h in found] == [
        (1, "/cg/cpu", ("cpu", "cpuacct")), (1, "/cg/systemd", ("name=systemd",)),
        (2, "/sys/fs/cgroup/unified", ())]


def test_controllers_that_seem_to_be_handed_on_are_asked_for(tmp_path: pathlib.Path) -> None:
    """The kernel shows them before their files are there; only a write waits for those. Seen where
    one starter was about to write memory.max while another one's write was not done."""
    file = tmp_path / "cgroup.subtree_control"
    file.write_text("memory pids")
    starter.enable([str(tmp_path)], ["pids", "memory"], ["memory"])
    assert file.read_text().startswith("+memory +pids")


def test_controllers_that_are_handed_on_may_be_somebody_elses(tmp_path: pathlib.Path) -> None:
    """Such as the host's, to a container that can't change the file."""
    file = tmp_path / "cgroup.subtree_control"
    file.symlink_to("/proc/version")  # whose words can be read, but not be written by anybody
    starter.enable([str(tmp_path)], ["version"], ["version"])
    with pytest.raises(LxcError):
        starter.enable([str(tmp_path) + "/."], ["none"], ["none"])
