# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian with systemd, as lxc_rootfs makes it of packages and clones it, from start to halt."""
from __future__ import annotations

import pathlib
import typing as t

import container_sandbox
import debian
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import lifecycle
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import cache, observe, programs
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import plan_present
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec
from container_sandbox import Sandbox, wait_until
from test_container_system import inside, is_up

# The same as in the integration target, so that it is built once for both.
PACKAGES = ["systemd-sysv", "dbus", "iproute2"]
KEPT = debian.CACHE.parent / "rootfs" / "cache"
pytestmark = pytest.mark.skipif(not programs.find("mmdebstrap"),
                                reason="mmdebstrap is not installed")


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Sandbox]:
    monkeypatch.setattr(cache, "CACHE", str(KEPT))
    yield from container_sandbox.sandbox()


def make(path: pathlib.Path, **options: t.Any) -> pathlib.Path:
    spec = make_spec({"path": str(path), **options})
    apply(spec.path, plan_present(spec, observe.observe(spec)))
    return path


@pytest.mark.parametrize("suite", debian.SUITES)
def test_what_was_made_of_packages_boots_and_halts(sandbox: Sandbox, suite: str) -> None:
    """A copy out of the cache for a privileged container; a clone of it for another."""
    packages = {"packages": PACKAGES, "cache_days": 365,
                **({} if suite == suite_of_the_host() else {"suite": suite})}
    base = make(sandbox.folder / "base", debootstrap=packages)
    clone = make(sandbox.folder / "clone", clone={"src": str(base)})
    plain = make(sandbox.folder / "plain", clone={"src": str(base), "method": "copy"})
    ids = []
    for name, path, privileged in (("plain", plain, True), ("clone", clone, False)):
        whole = sandbox.define(name, rootfs=str(path), command=[], privileged=privileged)
        pid = sandbox.start(whole)["pid"]
        assert wait_until(lambda pid=pid: is_up(pid)) == "running", inside(
            pid, "systemctl", "--failed")
        assert suite in inside(pid, "cat", "/etc/os-release")
        ids.append(inside(pid, "cat", "/etc/machine-id"))
        outcome = lifecycle.stop([whole])[whole]
        assert isinstance(outcome, dict), outcome
        assert (outcome["killed"], outcome["exit"]) == ("", {"signal": 2})
    assert len(set(ids)) == 2 and all(len(machine) == 32 for machine in ids)
    assert (base / "etc/machine-id").read_bytes() == b""
    assert (clone / "upper/etc/machine-id").stat().st_uid == 0


def suite_of_the_host() -> str:
    release = pathlib.Path("/etc/os-release").read_text()
    return next((suite for suite in debian.SUITES if suite in release), "")
