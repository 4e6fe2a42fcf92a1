# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives, honest and hostile, one of each kind, unpacked for real; needs root."""
from __future__ import annotations

import errno
import functools
import grp
import hashlib
import http.server
import io
import os
import pathlib
import pwd
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import acls, archive, observe
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.manifest import read_manifest
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import plan_present
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.spec import make_spec

FILE, FOLDER, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
Member = tuple[str, bytes, dict[str, t.Any]]

# The tree of a small system, as "tar -C rootfs -c ." writes it.
HONEST: list[Member] = [
    ("./", FOLDER, {"mode": 0o755}),
    ("./usr", FOLDER, {"mode": 0o755}),
    ("./usr/bin", FOLDER, {"mode": 0o755, "mtime": 1000}),
    ("./usr/bin/su", FILE, {"mode": 0o4755, "content": b"program", "mtime": 2000}),
    ("./usr/bin/su2", HARD, {"linkname": "./usr/bin/su"}),
    ("./bin", LINK, {"linkname": "usr/bin"}),
    ("./etc/shadow", FILE, {"mode": 0o640, "gid": 42, "content": b"root:*:\n"}),
    ("./absolute", LINK, {"linkname": "/etc/shadow"}),
    ("./locked", FOLDER, {"mode": 0o500, "uid": 1000}),
    ("./locked/file", FILE, {"content": b"x" * 5000000, "uid": 1000, "gid": 1000}),
    ("./pipe", tarfile.FIFOTYPE, {"mode": 0o600}),
]


@pytest.fixture
def place() -> t.Iterator[pathlib.Path]:
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-rootfs-"))
    yield folder
    shutil.rmtree(folder)


def write_tar(path: pathlib.Path, members: list[Member], mode: str = "w") -> pathlib.Path:
    with tarfile.open(path, mode) as tar:
        for name, kind, facts in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o644
            content = facts.get("content", b"")
            for key, value in facts.items():
                if key != "content":
                    setattr(member, key, value)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def run(path: pathlib.Path, src: pathlib.Path, **options: t.Any) -> list[str]:
    """What the module does, and proof that a second run does nothing."""
    spec = make_spec({"path": str(path), "archive": {"src": str(src), **options}})
    made = plan_present(spec, observe.observe(spec))
    apply(spec.path, made)
    assert plan_present(spec, observe.observe(spec)) == []
    return [operation.describe() for operation in made]


def refused(place: pathlib.Path, src: pathlib.Path, **options: t.Any) -> LxcError:
    """The error; nothing was left under any name."""
    before = sorted(place.rglob("*"))
    with pytest.raises(LxcError) as caught:
        run(place / "web1", src, **options)
    assert sorted(place.rglob("*")) == before
    assert caught.value.subject == str(src)
    return caught.value


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_honest_archive_comes_out_as_it_was(place: pathlib.Path, mode) -> None:
    src = write_tar(place / "a.tar", HONEST, mode)
    path = place / "web1"
    digest = hashlib.sha256(src.read_bytes()).hexdigest()
    run(path, src, checksum="sha256:" + digest)
    program = (path / "usr/bin/su").stat()
    assert stat.S_IMODE(program.st_mode) == 0o4755 and program.st_nlink == 2
    assert (path / "usr/bin/su").read_bytes() == b"program"
    assert program.st_mtime == 2000 and (path / "usr/bin").stat().st_mtime == 1000
    assert os.readlink(path / "bin") == "usr/bin"
    assert os.readlink(path / "absolute") == "/etc/shadow"
    assert (path / "etc/shadow").stat().st_gid == 42
    assert stat.S_IMODE((path / "locked").stat().st_mode) == 0o500
    assert (path / "locked/file").stat().st_size == 5000000
    assert (path / "locked/file").stat().st_uid == 1000
    assert stat.S_ISFIFO((path / "pipe").stat().st_mode)
    manifest = observe.read_manifest(str(path))
    assert manifest is not None
    assert manifest["source"] == {"src": str(src), "sha256": digest}
    assert observe.facts(str(path), manifest)["kind"] == "archive"


@pytest.mark.parametrize("members, said", [
    ([("../x", FILE, {})], "'..'"),
    ([("a/../../x", FILE, {})], "'..'"),
    ([("/tmp/fleet-lxc-x", FILE, {})], "absolute"),
    ([("up", LINK, {"linkname": "/tmp"}), ("up/fleet-lxc-x", FILE, {})], "a link?"),
    ([("up", LINK, {"linkname": ".."}), ("up/x/y", FILE, {})], "a link?"),
    ([("d", FOLDER, {}), ("d", LINK, {"linkname": "/tmp"})], "replace a folder"),
    ([("l", LINK, {"linkname": "/etc/hostname"}), ("h", HARD, {"linkname": "l"})], "not a file"),
    ([("l", LINK, {"linkname": "/etc"}), ("h", HARD, {"linkname": "l/hostname"})],
     "through something"),
    ([("h", HARD, {"linkname": "/etc/hostname"})], "absolute"),
    ([("h", HARD, {"linkname": "../../etc/hostname"})], "'..'"),
    ([("h", HARD, {"linkname": "none"})], "not there"),
    ([("null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3})], "device node"),
    ([("sda", tarfile.BLKTYPE, {"devmajor": 8})], "device node"),
    ([("f", FILE, {"uid": 100000})], "100000"),
    ([("odd", b"Z", {})], "unknown type"),
])
def test_a_hostile_archive_is_refused_as_a_whole(place: pathlib.Path, members, said) -> None:
    error = refused(place, write_tar(place / "a.tar", [*HONEST[:4], *members]))
    assert said in error.detail
    assert not pathlib.Path("/tmp/fleet-lxc-x").exists()


def test_a_later_link_replaces_a_file_without_following_it(place: pathlib.Path) -> None:
    victim = place / "victim"
    victim.write_text("the host's")
    src = write_tar(place / "a.tar", [
        ("f", LINK, {"linkname": str(victim)}), ("f", FILE, {"content": b"new"})])
    run(place / "web1", src)
    assert (place / "web1/f").read_bytes() == b"new"
    assert victim.read_text() == "the host's"


def test_devices_come_only_when_asked_for(place: pathlib.Path) -> None:
    src = write_tar(place / "a.tar", [
        ("null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3, "mode": 0o666})])
    run(place / "web1", src, devices=True)
    status = (place / "web1/null").stat()
    assert status.st_rdev == os.makedev(1, 3) and stat.S_IMODE(status.st_mode) == 0o666


def test_python_of_the_archive_is_not_imported(place: pathlib.Path) -> None:
    mark = b"open('/imported', 'w')\n"
    names = [name.replace(".", "/") + end for name in (
        "pwd", "grp", "shutil", "copy", "encodings.idna", "decimal", "lzma", "bz2", "traceback")
        for end in (".py", "/__init__.py")]
    folders = ["", "usr/lib/python3/dist-packages/", *[p.strip("/") + "/" for p in sys.path if p]]
    src = write_tar(place / "a.tar", [(f + n, FILE, {"content": mark})
                                      for f in folders for n in names])
    run(place / "web1", src)
    assert not (place / "web1/imported").exists()


def test_the_unpacking_process_sees_nothing_but_the_tree(place: pathlib.Path,
                                                         monkeypatch: t.Any) -> None:
    src = write_tar(place / "a.tar", HONEST)

    def look(*_arguments: t.Any) -> None:
        with open("/proc/self/status", encoding="ascii") as status:
            raise LxcError("look", status.read())

    monkeypatch.setattr(archive, "extract_member", look)
    with pytest.raises(LxcError) as caught:
        run(place / "web1", src)
    assert caught.value.errno == errno.ENOENT  # there is no /proc in the tree


@pytest.mark.parametrize("damage, said", [
    (lambda data: b"no archive", "no tar file"),
    (lambda data: b"", "no tar file"),
    (lambda data: b"\x1f\x8b" + b"x" * 100, "no tar file"),
    (lambda data: data[:len(data) // 2], "damaged"),
    (lambda data: data[:2560] + b"\xff" * 512 + data[3072:], "damaged"),
    (lambda data: b"\0" * 10240, "empty"),
])
def test_what_is_no_whole_tar_file_is_refused(place: pathlib.Path, damage, said) -> None:
    src = write_tar(place / "a.tar", HONEST)
    src.write_bytes(damage(src.read_bytes()))
    assert said in refused(place, src).detail


def test_a_damaged_compressed_archive_is_refused(place: pathlib.Path) -> None:
    for mode in ("w:gz", "w:bz2", "w:xz"):
        src = write_tar(place / "a.tar", HONEST, mode)
        data = src.read_bytes()
        src.write_bytes(data[:len(data) * 2 // 3])
        assert "damaged" in refused(place, src).detail


@pytest.mark.parametrize("program", ["zstd", "xz", "gzip"])
def test_what_is_compressed_is_read(place: pathlib.Path, program: str) -> None:
    if not shutil.which(program):
        pytest.skip("there is no " + program)
    plain = write_tar(place / "a.tar", HONEST)
    src = place / "a.tar.compressed"
    src.write_bytes(subprocess.run([program, "-c", plain], check=True, capture_output=True).stdout)
    run(place / "web1", src)
    assert (place / "web1/locked/file").read_bytes() == b"x" * 5000000
    src.write_bytes(src.read_bytes()[:-100])  # it ends too early
    shutil.rmtree(place / "web1")
    os.unlink(str(place / "web1") + ".fleet-lxc.json")
    assert "damaged" in refused(place, src).detail


def test_zstd_without_the_program_is_named(place: pathlib.Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    src = place / "a.tar.zst"
    src.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 100)
    refused(place, src)
    if "zst" in tarfile.TarFile.OPEN_METH:
        pytest.skip("this Python can read it")
    monkeypatch.setattr(archive.programs, "find", lambda _name: None)
    error = refused(place, src)
    assert "can't read zst" in error.detail and "zstd" in error.hint


@pytest.mark.parametrize("options", [["--xattrs", "--xattrs-include=*", "--format=posix"]])
@pytest.mark.parametrize("compress", [False, True], ids=["plain", "zstd"])
def test_attributes_capabilities_and_holes_survive(place: pathlib.Path, options: list[str],
                                                   compress: bool) -> None:
    if compress and not shutil.which("zstd"):
        pytest.skip("there is no zstd")
    tree = place / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "ping").write_bytes(b"program")
    (tree / "ping").chmod(0o755)
    capability = bytes.fromhex("0100000200200000000000000000000000000000")
    os.setxattr(tree / "ping", "security.capability", capability)
    os.setxattr(tree / "ping", "user.binary", bytes(range(256)))
    os.setxattr(tree / "etc", "user.folder", b"x")
    os.setxattr(tree / "etc", "user.overlay.opaque", b"y")
    acl = bytes.fromhex("0200000001000700ffffffff02000700e803000004000500ffffffff"
                        "10000700ffffffff20000500ffffffff")
    os.setxattr(tree / "etc", "system.posix_acl_access", acl)
    with open(tree / "sparse", "wb") as file:
        file.seek(32 << 20)
        file.write(b"middle")
        file.truncate(64 << 20)
    src = place / "a.tar"
    subprocess.run(["tar", "-C", tree, "-S", *options, "-cf", src, "."], check=True)
    assert src.stat().st_size < 1 << 20
    if compress:
        subprocess.run(["zstd", "-q", "--rm", src], check=True)
        src = place / "a.tar.zst"
    run(place / "web1", src)
    made = place / "web1"
    assert os.getxattr(made / "ping", "security.capability") == capability
    assert os.getxattr(made / "ping", "user.binary") == bytes(range(256))
    assert os.getxattr(made / "etc", "system.posix_acl_access") == acl
    assert sorted(os.listxattr(made / "etc")) == ["system.posix_acl_access", "user.folder"]
    assert (made / "sparse").stat().st_size == 64 << 20
    assert (made / "sparse").stat().st_blocks * 512 < 1 << 20
    with open(made / "sparse", "rb") as file:
        file.seek(32 << 20)
        assert file.read(7) == b"middle\0"


def acl(*entries: tuple[int, int, int]) -> bytes:
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xffffffff
USER_OBJ, USER, GROUP_OBJ, GROUP, MASK, OTHER = 1, 2, 4, 8, 16, 32


def test_acls_of_gnu_tar_survive_with_the_ids_that_names_mean(place: pathlib.Path) -> None:
    """It writes names, those of the machine that packs: 1 and 2 have one everywhere."""
    tree = place / "tree"
    (tree / "etc").mkdir(parents=True)
    (tree / "etc/f").write_bytes(b"x")
    wanted = acl((USER_OBJ, 6, NOBODY), (USER, 4, 1), (USER, 7, 40001), (GROUP_OBJ, 4, NOBODY),
                 (GROUP, 2, 2), (MASK, 6, NOBODY), (OTHER, 0, NOBODY))
    default = acl((USER_OBJ, 7, NOBODY), (GROUP_OBJ, 5, NOBODY), (OTHER, 0, NOBODY))
    os.setxattr(tree / "etc/f", "system.posix_acl_access", wanted)
    os.setxattr(tree / "etc", "system.posix_acl_default", default)
    pack = ["tar", "-C", tree, "--acls", "--format=posix", "-cf", place / "a.tar", "."]
    subprocess.run(pack, check=True)
    name = pwd.getpwuid(1).pw_name
    assert ("user:%s:r--" % name).encode() in (place / "a.tar").read_bytes()
    error = refused(place, place / "a.tar")
    assert "is for the user %s" % name in error.detail and "--xattrs" in error.hint
    # By the owner of a member, and by the archive's own files.
    (tree / "hers").touch()
    os.chown(tree / "hers", 1, 0)
    (tree / "etc/group").write_text("%s:x:2:\n" % grp.getgrgid(2).gr_name)
    subprocess.run(pack, check=True)
    run(place / "web1", place / "a.tar")
    made = place / "web1"
    assert os.getxattr(made / "etc/f", "system.posix_acl_access") == wanted
    assert os.getxattr(made / "etc", "system.posix_acl_default") == default
    assert (made / "etc/f").stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("text, found", [
    # As star and bsdtar write them, with the id.
    ("user::rwx,user:lisa:r-x:502,group::r-x,mask::r-x,other::r--",
     acl((USER_OBJ, 7, NOBODY), (USER, 5, 502), (GROUP_OBJ, 5, NOBODY), (MASK, 5, NOBODY),
         (OTHER, 4, NOBODY))),
    ("u::rw-\ng::r--\ng:root:-w-\nm::rw-\no::---\n",
     acl((USER_OBJ, 6, NOBODY), (GROUP_OBJ, 4, NOBODY), (GROUP, 2, 0), (MASK, 6, NOBODY),
         (OTHER, 0, NOBODY))),
    ("user:x", None), ("user::rwz", None), ("owner::r--", None), ("user:70000:r--", None),
    ("other:me:r--", None), ("user::", None), ("mask:1:2:3:4", None),
])
def test_acls_in_every_notation(text: str, found: bytes | None) -> None:
    if found is None:
        with pytest.raises(ValueError):
            acls.Names().encode(text)
    else:
        assert acls.Names().encode(text) == found


@pytest.fixture
def server(place: pathlib.Path) -> t.Iterator[str]:
    """A web server on loopback, for what is in the folder."""
    handler = functools.partial(QuietHandler, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever, args=(0.01,))
        thread.start()
        yield "http://127.0.0.1:%d" % web.server_address[1]
        web.shutdown()
        thread.join()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: t.Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"x" * 10)
        else:
            super().do_GET()


def test_an_archive_is_fetched_and_checked(place: pathlib.Path, server: str) -> None:
    src = write_tar(place / "a.tar", HONEST)
    digest = hashlib.sha256(src.read_bytes()).hexdigest()
    address = t.cast(pathlib.Path, server + "/a.tar")
    assert "0" * 64 in refused(place, address, checksum="sha256:" + "0" * 64).detail
    run(place / "web1", address, checksum="sha256:" + digest)
    assert (place / "web1/locked/file").stat().st_size == 5000000
    manifest = read_manifest(str(place / "web1"))
    assert manifest and manifest["source"] == {"src": str(address), "sha256": digest}


def test_what_can_not_be_fetched_is_said(place: pathlib.Path, server: str) -> None:
    known = "sha256:" + "0" * 64
    for address, said in ((server + "/none", "404"), (server + "/short", "10 of 1000 bytes"),
                          ("http://127.0.0.1:1/x", "refused")):
        assert said in refused(place, t.cast(pathlib.Path, address), checksum=known).detail
    with pytest.raises(LxcError) as caught:  # nothing is fetched that is not known
        make_spec({"path": str(place / "web1"), "archive": {"src": server + "/none"}})
    assert "sha256" in caught.value.hint


def test_a_wrong_checksum_names_both(place: pathlib.Path) -> None:
    src = write_tar(place / "a.tar", HONEST)
    error = refused(place, src, checksum="sha256:" + "0" * 64)
    assert "0" * 64 in error.detail
    assert hashlib.sha256(src.read_bytes()).hexdigest() in error.detail


def test_a_missing_archive_and_one_that_is_no_file_are_refused(place: pathlib.Path) -> None:
    assert refused(place, place / "none.tar").errno == errno.ENOENT
    assert "not a file" in refused(place, place).detail
    os.mkfifo(place / "pipe")
    assert "not a file" in refused(place, place / "pipe").detail


def test_a_full_disk_is_seen_before_anything_is_written(place: pathlib.Path) -> None:
    src = write_tar(place / "a.tar", HONEST)
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=18m,mode=0700", "small", small],
                   check=True)
    try:
        with pytest.raises(LxcError) as caught:
            run(small / "web1", src)
        assert caught.value.errno == errno.ENOSPC
        assert "MiB are free" in caught.value.detail
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(place: pathlib.Path,
                                                       monkeypatch: t.Any) -> None:
    src = write_tar(place / "a.tar", HONEST)
    small = place / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "small", small], check=True)
    monkeypatch.setattr(archive, "check_room", lambda *_a: None)
    try:
        with pytest.raises(LxcError) as caught:
            run(small / "web1", src)
        assert caught.value.errno == errno.ENOSPC
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)
