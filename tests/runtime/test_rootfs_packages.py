# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a bootstrap, fetched before mmdebstrap asks for them, by a mirror on loopback."""
from __future__ import annotations

import hashlib
import http.server
import os
import pathlib
import subprocess
import threading
import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import debootstrap, programs

pytestmark = pytest.mark.skipif(not programs.find("apt-get"), reason="no apt on this host")
CONTROL = """\
Package: %s
Version: 1:2-3
Architecture: all
Essential: %s
Priority: %s
Maintainer: nobody <nobody@example.com>
Description: a package
"""


class Mirror(t.NamedTuple):
    """A folder that is served, and the names that were asked for."""

    folder: pathlib.Path
    address: str
    asked: list[str]


@pytest.fixture
def mirror(tmp_path: pathlib.Path) -> t.Iterator[Mirror]:
    """One of four packages: essential, required, apt, and one that only its name asks for."""
    folder, asked = tmp_path / "mirror", []
    folder.mkdir()
    listed = ""
    for name, essential, priority in (("base", "yes", "required"), ("shell", "no", "required"),
                                      ("apt", "no", "important"), ("asked-for", "no", "optional")):
        content = tmp_path / name / "DEBIAN"
        content.mkdir(parents=True)
        control = CONTROL % (name, essential, priority)
        (content / "control").write_text(control)
        file = folder / ("%s_2-3_all.deb" % name)
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "--build", tmp_path / name,
                        file], check=True, stdout=subprocess.DEVNULL)
        listed += "%sFilename: ./%s\nSize: %d\nSHA256: %s\n\n" % (
            control, file.name, file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest())
    (folder / "Packages").write_text(listed)
    (folder / "Release").write_text("Suite: here\nSHA256:\n %s %d Packages\n" % (
        hashlib.sha256(listed.encode()).hexdigest(), len(listed)))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: t.Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *_args: t.Any) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        serving = threading.Thread(target=web.serve_forever)
        serving.start()
        try:
            yield Mirror(folder, "http://127.0.0.1:%d" % web.server_address[1], asked)
        finally:
            web.shutdown()
            serving.join()


def fetch(root: pathlib.Path, address: str) -> tuple[list[str], str]:
    """Run what mmdebstrap is given as a hook, as it runs that.

    :returns: the archives that are there then, and what was said
    """
    for name in ("etc/apt/preferences.d", "etc/apt/apt.conf.d", "var/lib/dpkg",
                 "var/lib/apt/lists/partial", "var/cache/apt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "etc/apt/sources.list").write_text("deb [trusted=yes] %s ./\n" % address)
    (root / "var/lib/dpkg/status").touch()
    config = root / "apt.conf"
    config.write_text('Dir "%s";\nDir::Etc::Trusted "/nowhere";\nDir::State::Status '
                      '"%s/var/lib/dpkg/status";\nAPT::Sandbox::User "root";\n'
                      'Acquire::http::Proxy "DIRECT";\nAcquire::Retries "0";\n' % (root, root))
    argv = debootstrap.Recipe("mmdebstrap", "here", "minbase", address, "/k", ("asked-for",),
                              ("main",), "amd64").argv("mmdebstrap", str(root))
    hook = next(option for option in argv if option.startswith("--setup-hook="))
    done = subprocess.run(["sh", "-c", hook.partition("=")[2], "exec", str(root)], check=True,
                          env={**os.environ, "MMDEBSTRAP_APT_CONFIG": str(config)}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return sorted(file.name for file in root.glob("var/cache/apt/archives/*.*")), done.stdout


def test_all_that_a_bootstrap_takes_is_there_under_the_names_that_apt_looks_for(
        tmp_path: pathlib.Path, mirror: Mirror) -> None:
    names, said = fetch(tmp_path / "root", mirror.address)
    wanted = ["apt", "asked-for", "base", "shell"]
    assert names == ["%s_1%%3a2-3_all.deb" % name for name in wanted], said
    for name, served in zip(names, sorted(mirror.folder.glob("*.deb"))):
        assert (tmp_path / "root/var/cache/apt/archives" / name).read_bytes() == served.read_bytes()
    before = len(mirror.asked)
    config = {**os.environ, "APT_CONFIG": str(tmp_path / "root/apt.conf")}
    subprocess.run(["apt-get", "--yes", "--download-only", "install", *wanted], env=config,
                   check=True, stdout=subprocess.DEVNULL)
    assert mirror.asked[before:] == []


def test_what_is_not_what_the_list_says_does_not_stay(tmp_path: pathlib.Path,
                                                      mirror: Mirror) -> None:
    bad = mirror.folder / "shell_2-3_all.deb"
    bad.write_bytes(bad.read_bytes()[:-1] + b"?")  # apt would look at its size alone
    names, said = fetch(tmp_path / "root", mirror.address)
    assert names == ["%s_1%%3a2-3_all.deb" % name for name in ("apt", "asked-for", "base")], said
    assert "Hash Sum mismatch" in said


def test_without_lists_it_is_left_to_mmdebstrap(tmp_path: pathlib.Path, mirror: Mirror) -> None:
    (mirror.folder / "Packages").write_text("Package: of-another-day\n")
    names, said = fetch(tmp_path / "root", mirror.address)
    assert names == [] and not list((tmp_path / "root/var/cache/apt").glob("*.bin")), said
