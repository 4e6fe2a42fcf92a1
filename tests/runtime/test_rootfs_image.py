# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OCI images from a folder, an archive and a registry on loopback, and containers on them."""
from __future__ import annotations

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._module.container_config import Files
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import cache, observe, programs
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.manifest import read_manifest
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import (
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec
from container_sandbox import Sandbox

REGISTRY = pathlib.Path(__file__).resolve().parents[2] / ".cache/registry/usr/bin/docker-registry"
pytestmark = pytest.mark.skipif(not (programs.find("skopeo") and programs.find("umoci")),
                                reason="skopeo and umoci are not installed")
SCRIPT = "id -u; id -g; pwd; echo $GREETING; stat -c '%u:%g %n' *"


def tool(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def layout() -> t.Iterator[pathlib.Path]:
    """A folder with the image "app" of two layers; the second removes a file of the first."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-image-", dir="/var/tmp"))
    image, bundle = "%s/layout:app" % folder, folder / "bundle"
    rootfs = bundle / "rootfs"
    tool("umoci", "init", "--layout", str(folder / "layout"))
    tool("umoci", "new", "--image", image)
    tool("umoci", "unpack", "--image", image, str(bundle))
    for name in ("bin", "etc", "data", "proc"):
        (rootfs / name).mkdir()
    shutil.copy("/bin/busybox", rootfs / "bin/busybox")
    (rootfs / "bin/sh").symlink_to("busybox")
    (rootfs / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\napp:x:1000:1001::/data:/bin/sh\n")
    (rootfs / "etc/group").write_text("app:x:1001:\nother:x:7:\n")
    (rootfs / "data/gone").write_text("x")
    (rootfs / "data/kept").write_text("x")
    os.chown(rootfs / "data/kept", 1000, 7)
    tool("umoci", "repack", "--refresh-bundle", "--image", image, str(bundle))
    (rootfs / "data/gone").unlink()
    tool("umoci", "repack", "--image", image, str(bundle))
    tool("umoci", "config", "--image", image, "--config.entrypoint", "/bin/sh", "--config.cmd",
         "-c", "--config.cmd", SCRIPT, "--config.env", "GREETING=hello", "--config.user", "app",
         "--config.workingdir", "/data")
    shutil.rmtree(bundle)
    yield folder / "layout"
    shutil.rmtree(folder)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Sandbox]:
    for box in container_sandbox.sandbox():
        monkeypatch.setattr(cache, "CACHE", str(box.folder / "cache"))
        yield box


@pytest.fixture
def registry(layout: pathlib.Path, sandbox: Sandbox) -> t.Iterator[str]:
    """Debian's registry on loopback, which has the image."""
    if not REGISTRY.exists():
        pytest.skip("there is no registry in .cache")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = sandbox.folder / "registry.yml"
    config.write_text("version: 0.1\nstorage: {filesystem: {rootdirectory: %s/registry}}\n"
                      "http: {addr: '127.0.0.1:%d'}\nlog: {level: error}\n"
                      % (sandbox.folder, port))
    with (sandbox.folder / "registry.log").open("w") as log:
        server = subprocess.Popen([REGISTRY, "serve", config], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert time.monotonic() < deadline, (sandbox.folder / "registry.log").read_text()
            time.sleep(0.02)
        name = "docker://127.0.0.1:%d/app:1" % port
        tool("skopeo", "copy", "--dest-tls-verify=false", "oci:%s:app" % layout, name)
        yield name
    finally:
        server.terminate()
        server.wait(10)


def make(sandbox: Sandbox, name: str, src: str, **options: t.Any) -> pathlib.Path:
    """What the module does; proof that a second time does nothing."""
    path = sandbox.folder / name
    spec = make_spec({"path": str(path), "image": {"src": src, **options}})
    apply(spec.path, plan_present(spec, observe.observe(spec)))
    assert plan_present(spec, observe.observe(spec)) == []
    return path


def remove(path: str) -> None:
    spec = make_spec({"path": path})
    apply(spec.path, plan_absent(spec, observe.observe(spec, True)))


def entries() -> list[str]:
    return sorted(n for n in os.listdir(cache.CACHE) if not n.endswith(".json"))


def check(sandbox: Sandbox, path: pathlib.Path, name: str) -> None:
    """A container of it, as lxc_container defines it, runs what the image says."""
    definition, _warnings = Files().definition(name, {"rootfs": str(path)}, None)
    assert (definition["uid"], definition["gid"], definition["cwd"]) == (1000, 1001, "/data")
    said = sandbox.run(name, rootfs=str(path), command=None, uid=definition["uid"],
                       gid=definition["gid"], cwd=definition["cwd"])
    lines = said.splitlines()
    assert lines[:4] == ["1000", "1001", "/data", "hello"]
    assert len(lines) == 5 and lines[4] == "1000:7 kept"


def test_a_folder_is_unpacked_once_and_containers_run_what_it_says(
        sandbox: Sandbox, layout: pathlib.Path) -> None:
    src = "oci:%s:app" % layout
    one = make(sandbox, "one", src)
    check(sandbox, one, "one")
    assert sorted(os.listdir(one)) == ["upper", "work"]
    (entry,) = entries()
    assert sorted(os.listdir(cache.CACHE + "/" + entry)) == ["bin", "data", "dev", "etc", "proc",
                                                             "sys"]
    stamp = os.stat(cache.CACHE + "/" + entry).st_ino
    two = make(sandbox, "two", src, method="copy")
    check(sandbox, two, "two")
    assert os.stat(cache.CACHE + "/" + entry).st_ino == stamp
    with pytest.raises(LxcError) as caught:
        remove(cache.CACHE + "/" + entry)
    assert str(one) in caught.value.detail and str(two) not in caught.value.detail
    manifest = read_manifest(str(two))
    assert manifest and manifest["source"]["src"] == src
    assert manifest["source"]["digest"].startswith("sha256:")


def test_an_archive(sandbox: Sandbox, layout: pathlib.Path) -> None:
    archive = sandbox.folder / "app.tar"
    tool("skopeo", "copy", "oci:%s:app" % layout, "oci-archive:%s:app" % archive)
    check(sandbox, make(sandbox, "one", "oci-archive:%s:app" % archive), "one")
    check(sandbox, make(sandbox, "two", "oci:%s:app" % layout), "two")
    assert len(entries()) == 1  # it is the same by its digest


def test_a_registry_and_a_digest(sandbox: Sandbox, registry: str) -> None:
    path = make(sandbox, "one", registry, tls_verify=False)
    check(sandbox, path, "one")
    digest = (read_manifest(str(path)) or {})["source"]["digest"]
    pinned = "%s@%s" % (registry.rpartition(":")[0], digest)
    make(sandbox, "two", pinned, tls_verify=False)
    other = pinned[:-1] + ("1" if pinned.endswith("0") else "0")
    spec = make_spec({"path": str(path), "image": {"src": other}})
    with pytest.raises(LxcError) as caught:
        plan_present(spec, observe.observe(spec))
    assert digest in caught.value.detail


def test_what_is_not_there_is_said(sandbox: Sandbox, layout: pathlib.Path, registry: str) -> None:
    for src, options in (("oci:%s:none" % layout, {}), ("oci:/none:app", {}),
                         (registry + "x", {"tls_verify": False}), (registry, {})):
        with pytest.raises(LxcError) as caught:
            make(sandbox, "one", src, **options)
        assert caught.value.detail and caught.value.hint
    assert not os.path.exists(cache.CACHE)


def test_a_host_without_the_programs_is_told_what_to_install(
        sandbox: Sandbox, layout: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find", lambda name: None if name == "umoci" else "/bin/true")
    with pytest.raises(LxcError) as caught:
        make(sandbox, "one", "oci:%s:app" % layout)
    assert "no umoci" in caught.value.detail and "host_rootfs_tools" in caught.value.hint


def test_an_image_that_can_not_be_unpacked_leaves_nothing(sandbox: Sandbox,
                                                          layout: pathlib.Path) -> None:
    broken = sandbox.folder / "broken"
    shutil.copytree(layout, broken)
    blobs = sorted((broken / "blobs/sha256").iterdir(), key=lambda p: -p.stat().st_size)
    blobs[0].write_bytes(blobs[0].read_bytes()[:-100])
    with pytest.raises(LxcError) as caught:
        make(sandbox, "one", "oci:%s:app" % broken)
    assert "ended with status" in caught.value.detail
    assert os.listdir(cache.CACHE) == []
    assert not (sandbox.folder / "one").exists()
