# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of trees that containers run on: what each sees, and what is removed when."""
from __future__ import annotations

import os
import pathlib
import shutil
import signal
import stat
import subprocess
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    clone_hooks,
    freezer,
    lifecycle,
    store,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container import observe as containers
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import syscalls
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import layers, observe, operations
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.manifest import (
    read_manifest,
    write_manifest,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import (
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec
from container_sandbox import Sandbox


@pytest.fixture
def sandbox() -> t.Iterator[Sandbox]:
    """Its own tree is one that lxc_rootfs made."""
    made = container_sandbox.sandbox()
    for box in made:
        write_manifest(str(box.rootfs), {"version": 1, "kind": "archive", "mounts": [],
                                         "files": [], "command": ["/bin/busybox", "true"]})
        yield box


def state_of(name: str) -> str:
    return str(containers.status(name)["state"])


def clone(sandbox: Sandbox, name: str, src: pathlib.Path | None = None,
          method: str = "overlay", **options: t.Any) -> pathlib.Path:
    """What the module does; proof that a second time does nothing."""
    path = sandbox.folder / name
    spec = make_spec({"path": str(path), "clone": {"src": str(src or sandbox.rootfs),
                                                   "method": method, **options}})
    apply(spec.path, plan_present(spec, observe.observe(spec, False, state_of)))
    assert plan_present(spec, observe.observe(spec, False, state_of)) == []
    return path


def remove(path: pathlib.Path) -> None:
    spec = make_spec({"path": str(path)})
    apply(spec.path, plan_absent(spec, observe.observe(spec, True)))


def refused(call: t.Callable[..., object], *arguments: t.Any) -> LxcError:
    with pytest.raises(LxcError) as caught:
        call(*arguments)
    assert caught.value.hint
    return caught.value


def undefine(sandbox: Sandbox, name: str) -> None:
    lifecycle.destroy([container_sandbox.PREFIX + name])


def test_clones_of_a_template_have_their_own_and_share_the_rest(sandbox: Sandbox) -> None:
    (sandbox.rootfs / "etc/motd").write_text("base\n")
    one, two = clone(sandbox, "one"), clone(sandbox, "two")
    assert sorted(os.listdir(one)) == ["upper", "work"]
    assert sandbox.run("one", "cat /etc/motd; echo one > /etc/motd", rootfs=str(one)) == "base\n"
    assert sandbox.run("two", "cat /etc/motd", rootfs=str(two)) == "base\n"
    assert (one / "upper/etc/motd").read_text() == "one\n"
    manifest = read_manifest(str(one))
    assert manifest and manifest["kind"] == "clone"
    assert manifest["command"] == ["/bin/busybox", "true"]
    assert manifest["source"] == {"path": str(sandbox.rootfs), "method": "overlay"}
    # Nothing that a clone shows is removed, or written to by a container.
    error = refused(remove, sandbox.rootfs)
    assert str(one) in error.detail and str(two) in error.detail
    assert "shows its files" in str(sandbox.refused("base"))
    undefine(sandbox, "one")
    remove(one)
    assert str(one) not in refused(remove, sandbox.rootfs).detail
    undefine(sandbox, "two")
    remove(two)
    assert sandbox.run("base", "cat /etc/motd") == "base\n"


def test_a_snapshot_of_a_containers_tree_keeps_what_was_then(sandbox: Sandbox) -> None:
    origin = sandbox.rootfs
    origin.chmod(0o711)
    sandbox.run("origin", "echo 1 > /data")
    first = clone(sandbox, "first")
    assert sorted(os.listdir(origin)) == ["upper", "work"]
    assert stat.S_IMODE((origin / "upper").stat().st_mode) == 0o711
    sandbox.run("origin2", "echo 2 >> /data", rootfs=str(origin))
    second, third = clone(sandbox, "second"), clone(sandbox, "third")
    sandbox.run("origin3", "echo 3 >> /data; rm /etc/x", rootfs=str(origin))
    seen = [sandbox.run(name, "cat /data; stat -c %a /", rootfs=str(path)).split()
            for name, path in (("a", first), ("b", second), ("c", third), ("d", origin))]
    assert seen == [["1", "711"], ["1", "2", "711"], ["1", "2", "711"], ["1", "2", "3", "711"]]
    # Nothing was written between the second and the third: they share the same layers.
    assert len((read_manifest(str(origin)) or {})["layers"]) == 2
    for name in ("origin", "origin2", "origin3"):
        undefine(sandbox, name)
    undefine(sandbox, "d")
    assert "third" in refused(remove, origin).detail
    for name, path in (("a", first), ("b", second), ("c", third)):
        undefine(sandbox, name)
        remove(path)
    remove(origin)
    assert os.listdir(sandbox.folder) == []
    origin.mkdir()  # the sandbox removes it


def test_a_clone_of_a_clone_keeps_all_that_it_shows(sandbox: Sandbox) -> None:
    first = clone(sandbox, "first")
    second = clone(sandbox, "second", first)
    # The first has nothing of its own: the second needs only the base.
    overlay = (read_manifest(str(second)) or {})["overlay"]
    assert overlay["lower"] == [str(sandbox.rootfs)]
    remove(first)
    assert "second" in refused(remove, sandbox.rootfs).detail
    assert sandbox.run("second", "echo up", rootfs=str(second)) == "up\n"


def test_a_running_container_is_not_cloned_and_a_frozen_one_only_copied(sandbox: Sandbox) -> None:
    name = sandbox.define("busy", "echo now > /data; exec sleep 1000")
    sandbox.start(name)
    container_sandbox.wait_until((sandbox.rootfs / "data").exists)
    for method in ("overlay", "copy"):
        error = refused(clone, sandbox, "clone", None, method)
        assert "is RUNNING" in error.detail and name in error.detail
    freezer.freeze([name])
    assert "is a single one" in refused(clone, sandbox, "clone", None, "overlay").detail
    path = clone(sandbox, "clone", method="copy")
    lifecycle.stop([name], kill=True)
    assert (path / "data").read_text() == "now\n"
    assert sandbox.run("copy", "cat /data; echo more >> /data", rootfs=str(path)) == "now\n"
    assert (sandbox.rootfs / "data").read_text() == "now\n"


def test_a_frozen_container_on_layers_goes_on_apart_from_its_clone(sandbox: Sandbox) -> None:
    base = sandbox.rootfs
    (base / "etc/gone").write_text("x")
    (base / "etc/dir").mkdir()
    (base / "etc/dir/x").write_text("x")
    layered = clone(sandbox, "layered")
    name = sandbox.define(
        "busy", "trap 'echo later > /data' USR1; rm /etc/gone; rm -r /etc/dir; "
        "mkdir /etc/dir; echo now > /data; while :; do busybox sleep 0.02; done",
        rootfs=str(layered))
    pid = sandbox.start(name)["pid"]
    container_sandbox.wait_until(lambda: (layered / "upper/data").exists()
                                 and (layered / "upper/data").read_text())
    freezer.freeze([name])
    path = clone(sandbox, "clone", layered)
    assert (read_manifest(str(path)) or {})["overlay"]["lower"] == [str(base)]
    freezer.thaw([name])
    os.kill(pid, signal.SIGUSR1)
    container_sandbox.wait_until(lambda: (layered / "upper/data").read_text() == "later\n")
    said = sandbox.run("seen", "cat /data; ls -1 /etc /etc/dir; echo mine > /data",
                       rootfs=str(path))
    assert said.split() == ["now", "/etc:", "dir", "/etc/dir:"]
    lifecycle.stop([name], kill=True)
    assert (layered / "upper/data").read_text() == "later\n"


def identity(sandbox: Sandbox, name: str, rootfs: pathlib.Path) -> list[str]:
    return sandbox.run(name, "cat /etc/machine-id /etc/ssh/*.pub; busybox stat -c '%a %u:%g' "
                       "/etc/ssh/*_key; ls -1 /etc /etc/ssh", rootfs=str(rootfs)).splitlines()


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs ssh-keygen")
@pytest.mark.parametrize("method", ["overlay", "copy"])
def test_a_clone_is_another_machine_unless_it_shall_be_the_same(sandbox: Sandbox, method: str
                                                                ) -> None:
    etc = sandbox.rootfs / "etc"
    (etc / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (etc / "hostname").write_text("origin\n")
    (etc / "ssh").mkdir()
    key = etc / "ssh/ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    os.chmod(key, 0o640)
    os.chown(key, 0, 42)
    public = pathlib.Path(str(key) + ".pub").read_text().split()[1]
    origin = clone(sandbox, "origin", new_identity=False)  # so that there is more than one layer
    same = identity(sandbox, "same", origin)
    assert same[0].startswith("0123") and public in same[1] and "hostname" in same
    both = [clone(sandbox, name, origin, method) for name in ("one", "two")]
    keys = {public}
    for name, path in zip("ab", both):
        public_key, rights, *files = identity(sandbox, name, path)
        assert (rights, files) == ("640 0:42", [
            "/etc:", "machine-id", "ssh", "", "/etc/ssh:", "ssh_host_ed25519_key",
            "ssh_host_ed25519_key.pub"])
        keys.add(public_key.split()[1])
        assert observe.host_keys(str(path), read_manifest(str(path))) == {
            "ed25519": " ".join(public_key.split()[:2])}
    assert len(keys) == 3
    assert (etc / "hostname").exists() and public in pathlib.Path(str(key) + ".pub").read_text()


def test_keys_that_the_host_can_not_make_are_refused_first(sandbox: Sandbox,
                                                           monkeypatch: pytest.MonkeyPatch
                                                           ) -> None:
    (sandbox.rootfs / "etc/ssh").mkdir()
    (sandbox.rootfs / "etc/ssh/ssh_host_rsa_key").touch()
    monkeypatch.setattr("%s.find_keygen" % observe.clone.__name__, lambda: None)
    assert "no ssh-keygen" in refused(clone, sandbox, "one").detail
    assert sorted(os.listdir(sandbox.folder)) == ["rootfs", "rootfs.fleet-lxc.json"]
    clone(sandbox, "one", new_identity=False)


def test_a_copy_of_layers_is_what_they_show(sandbox: Sandbox) -> None:
    base = sandbox.rootfs
    (base / "etc/gone").write_text("x")
    (base / "etc/dir").mkdir()
    (base / "etc/dir/x").write_text("x")
    layered = clone(sandbox, "layered")
    sandbox.run("layered", "rm /etc/gone; rm -r /etc/dir; mkdir /etc/dir; echo new > /etc/new; "
                "chown 5:6 /etc/new", rootfs=str(layered))
    path = clone(sandbox, "copy", layered, "copy")
    assert sorted(os.listdir(path / "etc")) == ["dir", "new"]
    assert os.listdir(path / "etc/dir") == [] and os.listxattr(path / "etc/dir") == []
    assert (path / "etc/new").stat().st_uid == 5
    assert (path / "bin/busybox").read_bytes() == (base / "bin/busybox").read_bytes()
    assert "overlay" not in (read_manifest(str(path)) or {})
    assert "overlay" not in pathlib.Path("/proc/self/mounts").read_text()


@pytest.mark.parametrize("failing", ["_new_layer", "rename_exchange", "StackLayer", "FinishBuild"])
def test_failing_at_any_step_loses_nothing(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch,
                                           failing: str) -> None:
    sandbox.run("origin", "echo 1 > /data")

    def fail(*_arguments: object) -> None:
        if failing in ("_new_layer", "rename_exchange"):
            raise OSError(28, "no space left")
        raise LxcError("fail", "on purpose")

    with monkeypatch.context() as patched:
        if failing == "_new_layer":
            patched.setattr(layers, failing, fail)
        elif failing == "rename_exchange":
            patched.setattr(syscalls, failing, fail)
        elif failing == "StackLayer":
            patched.setattr(layers.StackLayer, "execute", fail)
        else:
            patched.setattr(operations.FinishBuild, "execute", fail)
        with pytest.raises(LxcError):
            clone(sandbox, "clone")
    split = failing in ("StackLayer", "FinishBuild")
    assert sorted(os.listdir(sandbox.folder)) == [
        *([".rootfs.fleet-lxc-layer-1"] if split else []), "rootfs", "rootfs.fleet-lxc.json"]
    assert sandbox.run("again", "cat /data", rootfs=str(sandbox.rootfs)) == "1\n"
    path = clone(sandbox, "clone")
    assert sandbox.run("clone", "cat /data", rootfs=str(path)) == "1\n"


def test_a_task_killed_between_two_steps_loses_nothing(sandbox: Sandbox,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.run("origin", "echo 1 > /data")

    def die(*_arguments: object) -> None:
        os._exit(9)

    task = os.fork()
    if not task:
        try:
            monkeypatch.setattr(syscalls, "rename_exchange", die)
            clone(sandbox, "clone")
        finally:
            os._exit(1)
    assert os.waitpid(task, 0)[1] == 9 << 8
    assert sandbox.run("again", "cat /data", rootfs=str(sandbox.rootfs)) == "1\n"
    path = clone(sandbox, "clone")
    assert sandbox.run("clone", "cat /data", rootfs=str(path)) == "1\n"
    for name in ("origin", "again", "clone"):
        undefine(sandbox, name)
    remove(path)
    remove(sandbox.rootfs)
    assert os.listdir(sandbox.folder) == []
    sandbox.rootfs.mkdir()


def test_several_tasks_clone_the_same_tree_at_once(sandbox: Sandbox) -> None:
    sandbox.run("origin", "echo 1 > /data")
    tasks = []
    for number in range(5):
        task = os.fork()
        if not task:
            status = 1
            try:
                clone(sandbox, "clone%d" % number)
                status = 0
            finally:
                os._exit(status)
        tasks.append(task)
    assert [os.waitpid(task, 0)[1] for task in tasks] == [0] * 5
    undefine(sandbox, "origin")
    said = refused(remove, sandbox.rootfs).detail
    assert all("clone%d" % number in said for number in range(5))
    assert sandbox.run("last", "cat /data", rootfs=str(sandbox.folder / "clone4")) == "1\n"


def test_what_is_no_tree_is_refused(sandbox: Sandbox) -> None:
    assert "no such folder" in refused(clone, sandbox, "x", sandbox.folder / "none").detail
    assert "within" in refused(clone, sandbox, "rootfs/x", sandbox.rootfs).detail
    assert "'host'" in refused(clone, sandbox, "x", pathlib.Path("/")).hint
    os.unlink(str(sandbox.rootfs) + ".fleet-lxc.json")
    sandbox.define("origin")
    error = refused(clone, sandbox, "x")
    assert "not made by lxc_rootfs" in error.detail
    clone(sandbox, "x", method="copy")


@pytest.mark.parametrize("method", ["overlay", "copy"])
def test_hooks_of_a_copy_see_its_tree_and_the_name_of_the_original(sandbox: Sandbox,
                                                                   method: str) -> None:
    """lxc-copy(1): LXC_ROOTFS_MOUNT has what the new container will see, ids as on the disk."""
    hook = ("echo $LXC_NAME $LXC_SRC_NAME $LXC_HOOK_TYPE $LXC_ROOTFS_PATH $LXC_CONFIG_FILE "
            "> $LXC_ROOTFS_MOUNT/etc/hook; cat $LXC_ROOTFS_MOUNT/etc/origin > %s/seen; echo"
            % sandbox.folder)
    whose = sandbox.define("first", hooks={"clone": hook})
    sandbox.define("another")
    (sandbox.rootfs / "etc/origin").write_text("of the first")
    path = clone(sandbox, "copied", method=method)
    name = sandbox.define("second", "cat /etc/hook; busybox stat -c %u /etc/hook",
                          rootfs=str(path), hooks={"clone": hook})
    definition = store.need_definition(name)
    assert clone_hooks.origin(definition) == whose
    assert clone_hooks.origin(store.need_definition(whose)) is None
    clone_hooks.run(definition, whose)
    assert (sandbox.folder / "seen").read_text() == "of the first"
    assert not (sandbox.rootfs / "etc/hook").exists()
    sandbox.start(name)
    sandbox.ended(name)
    assert container_sandbox.console(name).split() == [
        name, whose, "clone", str(path), store.folder(name) + "/definition.json", "0"]
    with pytest.raises(LxcError, match="status 3"):
        clone_hooks.run({**definition, "hooks": {"clone": ["exit 3; :"]}}, whose)
    assert str(sandbox.folder) not in pathlib.Path("/proc/self/mountinfo").read_text()
    lifecycle.destroy([name])
    remove(path)


@pytest.fixture
def btrfs(sandbox: Sandbox) -> t.Iterator[pathlib.Path]:
    """A folder on a file system whose files can share blocks."""
    image, place = sandbox.folder / "image", sandbox.folder / "btrfs"
    with open(image, "wb") as file:
        file.truncate(128 << 20)
    place.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", image], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", image, place], check=False,
                             capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip("no btrfs here: " + mounted.stderr)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)
        image.unlink()
        place.rmdir()


def shares_blocks(file: pathlib.Path) -> bool:
    shown = subprocess.run(["filefrag", "-sv", file], check=True, capture_output=True, text=True)
    extents = shown.stdout.splitlines()[3:-1]
    return bool(extents) and all("shared" in line for line in extents)


@pytest.mark.skipif(not shutil.which("mkfs.btrfs"), reason="needs mkfs.btrfs")
@pytest.mark.parametrize("method", ["reflink", "copy"])
def test_a_copy_shares_blocks_where_the_file_system_can(sandbox: Sandbox, btrfs: pathlib.Path,
                                                        method: str) -> None:
    shutil.copytree(sandbox.rootfs, btrfs / "base", symlinks=True)
    write_manifest(str(btrfs / "base"), {"version": 1, "kind": "archive", "mounts": [],
                                         "files": []})
    (btrfs / "base/data").write_bytes(os.urandom(5 << 20))
    with open(btrfs / "base/sparse", "wb") as file:
        file.truncate(20 << 20)
        file.seek(10 << 20)
        file.write(b"x" * 8192)
    path = clone(sandbox, "btrfs/clone", btrfs / "base", method)
    os.sync()
    for name in ("data", "sparse", "bin/busybox"):
        assert shares_blocks(path / name)
        assert (path / name).read_bytes() == (btrfs / "base" / name).read_bytes()
    with open(path / "data", "r+b") as file:  # one no more than the other
        file.write(b"mine")
    assert (btrfs / "base/data").read_bytes()[:4] != b"mine"
    # Elsewhere there are no blocks to share.
    if method == "reflink":
        error = refused(clone, sandbox, "elsewhere", btrfs / "base", method)
        assert "use 'method: copy' elsewhere" in error.hint
        assert not (sandbox.folder / "elsewhere").exists()
    else:
        there = clone(sandbox, "elsewhere", btrfs / "base", method)
        assert not shares_blocks(there / "data")
        assert (there / "data").read_bytes() == (btrfs / "base/data").read_bytes()
