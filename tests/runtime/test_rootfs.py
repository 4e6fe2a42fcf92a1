# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root file systems on a disk: made, changed, undone, removed, and logged in to; needs root."""
from __future__ import annotations

import errno
import os
import pathlib
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import (
    keys,
    observe,
    operations,
    places,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.manifest import read_manifest
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import (
    plan_absent,
    plan_present,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.remove import remove_tree
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec

needs_sshd = pytest.mark.skipif(not os.access("/usr/sbin/sshd", os.X_OK),
                                reason="openssh-server is not installed")
QUIET = {"ssh_host_keys": [], "hostname": "web1"}


@pytest.fixture
def place() -> t.Iterator[pathlib.Path]:
    """A folder of root's alone; nothing may be left in it but what the test put there."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-rootfs-"))
    yield folder
    shutil.rmtree(folder)


def run(path: pathlib.Path, absent: bool = False, **options: t.Any) -> list[str]:
    """What the module does; the names of the steps, and proof that a second run has none."""
    spec = make_spec({"path": str(path), **options})

    def plan() -> t.Any:
        state = observe.observe(spec, absent)
        return plan_absent(spec, state) if absent else plan_present(spec, state)

    made = plan()
    apply(spec.path, made)
    assert plan() == []
    return [operation.describe() for operation in made]


def listing(folder: pathlib.Path) -> dict[str, t.Any]:
    """Everything below a folder, to compare before with after; times aside."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        what: t.Any = os.readlink(path) if path.is_symlink() else None
        if what is None and path.is_file():
            what = path.read_bytes()
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, what)
    return found


def test_a_tree_is_made_changed_and_removed_without_a_trace(place: pathlib.Path) -> None:
    path = place / "web1"
    run(path, host=QUIET)
    assert (path / "etc/hostname").read_text() == "web1\n"
    assert os.readlink(path / "bin") == "usr/bin"
    assert list((path / "usr").iterdir()) == []
    assert stat.S_IMODE(pathlib.Path(str(path) + ".fleet-lxc.json").stat().st_mode) == 0o600
    (path / "var/mine").write_text("the container's")
    steps = run(path, host={**QUIET, "hostname": "web2"})
    assert len(steps) == 2
    assert (path / "var/mine").read_text() == "the container's"
    run(path, absent=True)
    assert list(place.iterdir()) == []


def test_an_empty_folder_is_used(place: pathlib.Path) -> None:
    (place / "web1").mkdir()
    run(place / "web1", host=QUIET)


def test_a_killed_build_is_removed_by_the_next(place: pathlib.Path) -> None:
    (place / ".web1.fleet-lxc-new/etc/x").mkdir(parents=True)
    steps = run(place / "web1", host=QUIET)
    assert "an interrupted task left" in steps[0]
    assert not (place / ".web1.fleet-lxc-new").exists()


def test_a_build_that_goes_on_is_left_alone(place: pathlib.Path) -> None:
    building = place / ".web1.fleet-lxc-new"
    building.mkdir()
    with operations.Site(str(building)) as site:
        operations._lock(site.fd, str(building))
        with pytest.raises(LxcError) as caught:
            run(place / "web1", host=QUIET)
    assert caught.value.detail == "another task works on it"
    assert building.exists()


@pytest.mark.parametrize("options, before", [
    ({"host": QUIET}, None),
    ({"host": {**QUIET, "hostname": "web2", "private": [{"path": "/data/x", "mode": "0700"}]}},
     QUIET),
    ({"host": {"ssh_host_keys": []}}, QUIET),
])
def test_failing_at_any_step_leaves_what_was_before(place: pathlib.Path, monkeypatch: t.Any,
                                                    options, before) -> None:
    path = place / "web1"
    if before:
        run(path, host=before)
        (path / "tmp").chmod(0o700)
        (path / "etc/passwd").write_text("changed inside\n")
    found = listing(place)
    spec = make_spec({"path": str(path), **options})
    number = len(plan_present(spec, observe.observe(spec)))
    assert number > 2
    for failing in range(number):
        made = plan_present(spec, observe.observe(spec))
        kind = type(made[failing])
        execute = kind.execute

        def fail(self, workplace, wanted=made[failing], execute=execute):
            if self is wanted:
                raise LxcError("do", "it", errno.ENOSPC, detail="by the test")
            execute(self, workplace)

        with monkeypatch.context() as patch:
            patch.setattr(kind, "execute", fail)
            with pytest.raises(LxcError) as caught:
                apply(str(path), made)
        assert caught.value.detail == "by the test"
        assert listing(place) == found
    run(path, **options)


def test_a_host_key_that_can_not_be_made_leaves_nothing(place: pathlib.Path,
                                                        monkeypatch: t.Any) -> None:
    program = place / "ssh-keygen"
    program.write_text("#!/bin/sh\necho 'no entropy' >&2\nexit 3\n")
    program.chmod(0o700)
    for answer, said in ((str(program), "no entropy"), (None, "no ssh-keygen")):
        monkeypatch.setattr(keys, "find_keygen", lambda answer=answer: answer)
        monkeypatch.setattr(os, "access", lambda *_a, **_k: True)
        with pytest.raises(LxcError) as caught:
            run(place / "web1", host={})
        assert said in caught.value.detail
        assert "ssh_host_keys" in caught.value.hint
        assert list(place.iterdir()) == [program]


def test_a_full_disk_leaves_nothing(place: pathlib.Path) -> None:
    subprocess.run(
        ["unshare", "-m", sys.executable, "-c", _FULL_DISK, str(place), *sys.path], check=True)


_FULL_DISK = """
import errno, os, subprocess, sys
sys.path[:] = sys.argv[2:]
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import apply, observe, plan, spec
place = sys.argv[1]
for size in ("nr_inodes=20", "size=64k", "nr_inodes=46"):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0700," + size, "small", place], check=True)
    asked = spec.make_spec({"path": place + "/web1", "host": {"ssh_host_keys": []}})
    try:
        apply.apply(asked.path, plan.plan_present(asked, observe.observe(asked)))
    except LxcError as error:
        assert error.errno == errno.ENOSPC, error
    else:
        raise SystemExit("there was room with " + size)
    assert os.listdir(place) == [], os.listdir(place)
    subprocess.run(["umount", place], check=True)
"""


def test_links_that_the_container_left_are_never_followed(place: pathlib.Path) -> None:
    path, victim = place / "web1", place / "victim"
    run(path, host=QUIET)
    victim.mkdir(mode=0o755)
    (victim / "passwd").write_text("the host's\n")
    (path / "etc/passwd").unlink()
    (path / "etc/passwd").symlink_to(victim / "passwd")
    run(path, host=QUIET)
    assert (victim / "passwd").read_text() == "the host's\n"
    assert (path / "etc/passwd").read_text().startswith("root:")
    shutil.rmtree(path / "etc")
    (path / "etc").symlink_to(victim)
    with pytest.raises(LxcError) as caught:
        run(path, host=QUIET)
    assert "not a folder" in str(caught.value)
    assert [p.name for p in victim.iterdir()] == ["passwd"]
    run(path, absent=True)
    assert (victim / "passwd").exists()


def test_a_pipe_in_place_of_a_file_does_not_hang(place: pathlib.Path) -> None:
    path = place / "web1"
    run(path, host=QUIET)
    (path / "etc/group").unlink()
    os.mkfifo(path / "etc/group")
    run(path, host=QUIET)
    assert (path / "etc/group").is_file()


def test_a_deep_tree_is_removed(place: pathlib.Path) -> None:
    (place / "deep").mkdir()
    fd = os.open(place / "deep", os.O_RDONLY)
    for _depth in range(3000):
        os.mkdir("x", dir_fd=fd)
        below = os.open("x", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    remove_tree(str(place / "deep"))
    assert list(place.iterdir()) == []


def test_what_is_mounted_is_never_deleted(place: pathlib.Path) -> None:
    path, victim = place / "web1", place / "victim"
    run(path, host=QUIET)
    victim.mkdir()
    (victim / "precious").write_text("x")
    subprocess.run(["mount", "--bind", victim, path / "mnt"], check=True)
    try:
        with pytest.raises(LxcError) as caught:
            run(path, absent=True)
        assert str(path / "mnt") in caught.value.detail
        with pytest.raises(LxcError) as caught:  # the deletion itself would stop there too
            remove_tree(str(path))
        assert caught.value.errno == errno.EBUSY
    finally:
        subprocess.run(["umount", path / "mnt"], check=True)
    assert (victim / "precious").exists()


def test_a_tree_that_a_container_is_defined_on_stays(place: pathlib.Path,
                                                     monkeypatch: t.Any) -> None:
    run(place / "web1", host=QUIET)
    monkeypatch.setattr(places, "CONTAINERS", str(place / "containers"))
    (place / "containers/c1").mkdir(parents=True)
    (place / "containers/c1/definition.json").write_text('{"rootfs": "%s/web1"}' % place)
    with pytest.raises(LxcError) as caught:
        run(place / "web1", absent=True)
    assert "c1" in caught.value.detail
    assert (place / "web1/etc").is_dir()


@pytest.mark.parametrize("make, said", [
    (lambda path: path.write_text("x"), "not a folder"),
    (lambda path: (path / "x").mkdir(parents=True), "not made by"),
    (lambda path: path.parent.chmod(0o755), "every user"),
    (lambda path: path.parent.chmod(0o777), "others than root"),
])
def test_a_place_that_can_not_be_is_refused(place: pathlib.Path, make, said) -> None:
    make(place / "web1")
    found = listing(place)
    with pytest.raises(LxcError) as caught:
        run(place / "web1", host=QUIET)
    assert said in caught.value.detail
    assert listing(place) == found


def test_a_missing_parent_or_one_behind_a_link_is_refused(place: pathlib.Path) -> None:
    (place / "link").symlink_to("/tmp")
    for path in (place / "none/web1", place / "link/web1"):
        with pytest.raises(LxcError):
            run(path, host=QUIET)


@needs_sshd
def test_sshd_of_the_tree_lets_its_keys_in(place: pathlib.Path) -> None:
    key = place / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    public = pathlib.Path(str(key) + ".pub").read_text().strip()
    path = place / "web1"
    run(path, host={"root_authorized_keys": [public], "ssh_port": 2222,
                    "ssh_host_keys": ["ed25519", "ecdsa", "rsa"], "accounts": [
                        {"name": "ann", "uid": 1000, "authorized_keys": [public]}]})
    manifest = read_manifest(str(path))
    assert manifest is not None
    found = observe.host_keys(str(path), manifest)
    assert sorted(found) == ["ecdsa", "ed25519", "rsa"]
    (place / "known").write_text("".join("[127.0.0.1]:2222 %s\n" % k for k in found.values()))
    daemon = subprocess.Popen(
        ["unshare", "-m", "-n", sys.executable, "-c", _SSHD, str(path), *manifest["command"]],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert daemon.stdout is not None
        lines: list[str] = []
        while not any("listening on" in line for line in lines):
            lines.append(daemon.stdout.readline())
            assert lines[-1], lines
        with open("/proc/%d/ns/net" % daemon.pid, "rb") as namespace:
            for user, uid in (("root", "0"), ("ann", "1000")):
                answer = subprocess.run(
                    ["nsenter", "--net=/proc/self/fd/%d" % namespace.fileno(), "ssh", "-i", key,
                     "-p", "2222", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o",
                     "UserKnownHostsFile=%s" % (place / "known"), "%s@127.0.0.1" % user,
                     "id -u; ls /; touch /usr/x"], pass_fds=[namespace.fileno()],
                    capture_output=True, text=True, timeout=60, check=False)
                assert answer.stdout.splitlines()[0] == uid, answer
                assert "Read-only" in answer.stderr or "denied" in answer.stderr
            answer = subprocess.run(
                ["nsenter", "--net=/proc/self/fd/%d" % namespace.fileno(), "ssh", "-i",
                 "/dev/null", "-p", "2222", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile=%s"
                 % (place / "known"), "root@127.0.0.1", "true"], pass_fds=[namespace.fileno()],
                capture_output=True, text=True, timeout=60, check=False)
            assert "Permission denied (publickey)" in answer.stderr
    finally:
        daemon.kill()
        daemon.wait()
    run(path, absent=True)


# What the runtime does with a manifest, without it: binds, /dev and /proc, chroot.
_SSHD = """
import json, os, subprocess, sys
root, command = sys.argv[1], sys.argv[2:]
mount = lambda *a: subprocess.run(["mount", *a], check=True)
mount("--make-rprivate", "/")
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for m in json.load(open(root + ".fleet-lxc.json"))["mounts"]:
    mount("--bind", "-o", "ro", m["source"], root + m["target"])
mount("--rbind", "/dev", root + "/dev")
mount("-t", "proc", "proc", root + "/proc")
os.chroot(root)
os.chdir("/")
subprocess.run([command[0], "-t"], check=True)
os.execv(command[0], command)
"""


def test_a_socket_and_a_device_are_no_obstacle_to_removal(place: pathlib.Path) -> None:
    run(place / "web1", host=QUIET)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place / "web1/run/s"))
        os.mknod(place / "web1/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
        run(place / "web1", absent=True)
    assert not (place / "web1").exists()


def test_a_program_is_shared_with_what_it_needs_and_nothing_else(place: pathlib.Path) -> None:
    """It runs on the files that were found, in their places, and on no other."""
    path = place / "web1"
    script = place / "script"
    script.write_text("#!/bin/bash\necho $((6 * 7))\n")
    script.chmod(0o755)
    run(path, host={**QUIET, "programs": ["/usr/bin/sort", str(script)]})
    manifest = read_manifest(str(path))
    assert manifest is not None
    sources = [mount["source"] for mount in manifest["mounts"]]
    assert {"/usr/bin/sort", "/usr/bin/bash", str(script)} <= set(sources)
    assert "/usr" not in sources and len(sources) < 20
    for mount in manifest["mounts"]:
        assert (path / mount["target"].lstrip("/")).is_file()
        shutil.copyfile(mount["source"], path / mount["target"].lstrip("/"))
        (path / mount["target"].lstrip("/")).chmod(0o755)
    said = subprocess.run(["chroot", path, "/usr/bin/sort"], input="b\na\n", text=True, check=True,
                          capture_output=True)
    assert said.stdout == "a\nb\n"
    said = subprocess.run(["chroot", path, str(script)], text=True, check=True,
                          capture_output=True)
    assert said.stdout == "42\n"
    for wrong in ("/etc/passwd", "/usr/bin/none", "/usr"):
        refused(place / "web2", host={**QUIET, "programs": [wrong]})


def refused(path: pathlib.Path, **options: t.Any) -> None:
    with pytest.raises(LxcError) as caught:
        run(path, **options)
    assert caught.value.hint
    assert not path.exists()
