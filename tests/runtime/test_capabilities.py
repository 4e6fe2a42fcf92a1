# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Capabilities are asked back from the kernel, in a process of their own; needs root."""
from __future__ import annotations

import os

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import capabilities
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError


def test_only_what_is_kept_stays_in_any_set() -> None:
    keep = capabilities.mask(["CAP_KILL", "chown"])
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            capabilities.limit_bounding_set(keep)
            capabilities.limit(keep)
            with open("/proc/self/status", "rb") as status:
                os.write(writer, status.read())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as stream:
        lines = dict(line.split(":", 1) for line in stream)
    os.waitpid(pid, 0)
    sets = {key: int(lines[key], 16) for key in ("CapInh", "CapPrm", "CapEff", "CapBnd")}
    assert sets == {"CapInh": 0, "CapPrm": 0b100001, "CapEff": 0b100001, "CapBnd": 0b100001}


def test_the_names_are_the_kernels() -> None:
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as stream:
        assert len(capabilities.NAMES) <= int(stream.read()) + 1
    assert capabilities.number("CAP_SYS_ADMIN") == 21
    assert capabilities.number("checkpoint_restore") == 40


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(LxcError, match="'cap_nope'"):
        capabilities.mask(["chown", "cap_nope"])
