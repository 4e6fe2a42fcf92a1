# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's copies on a host: those that nobody runs from go when another one is written."""
from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import typing as t
import zipfile
import zlib

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    observe,
    runtime,
    runtime_files,
    store,
)
from container_sandbox import Sandbox, wait_until

box = pytest.fixture(container_sandbox.sandbox)
FOLDER = pathlib.Path(runtime_files.RUNTIME)
# What a module of another version of the collection does.
OTHER = """
import sys
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    lifecycle, runtime, runtime_files)
sources = runtime_files.sources
runtime_files.sources = lambda: {
    **sources(), "_kernel/names.py": sources()["_kernel/names.py"] + b"# " + sys.argv[1].encode()}
print(runtime.ensure(), flush=True)
for name in sys.stdin.read().split():
    print(lifecycle.start([name])[name]["changed"])
"""


@pytest.fixture(autouse=True)
def _only_ours() -> t.Iterator[None]:
    """As on a host that had no copy; afterwards it has this version's."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    yield
    shutil.rmtree(FOLDER)
    runtime.ensure()


class Module(subprocess.Popen):  # type: ignore[type-arg]
    """One that has made sure of its copy, and goes on when it is told which containers to start."""

    def __init__(self, version: str) -> None:
        super().__init__([sys.executable, "-c", OTHER, version], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True,
                         env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        assert self.stdout
        self.program = pathlib.Path(self.stdout.readline().strip())
        self.copy = self.program.parent

    def finish(self, *names: str) -> str:
        said, _nothing = self.communicate(" ".join(names), timeout=60)
        assert self.returncode == 0
        return said


def ensure(version: str) -> Module:
    module = Module(version)
    module.finish()
    return module


def there() -> set[str]:
    return set(os.listdir(FOLDER))


def test_a_copy_that_nobody_runs_from_goes() -> None:
    first = ensure("1")
    assert there() == {first.copy.name, "current"}
    second = ensure("2")
    assert there() == {second.copy.name, "current"}
    assert os.readlink(FOLDER / "current") == second.copy.name
    assert ensure("2").copy == second.copy


def test_what_a_killed_writer_has_left_goes_after_an_hour() -> None:
    (FOLDER / ".new-old/fleet_lxc").mkdir(parents=True)
    os.utime(FOLDER / ".new-old", (0, 0))
    (FOLDER / ".new-young").mkdir()
    made = ensure("1")
    assert there() == {made.copy.name, ".new-young", "current"}


def test_a_monitor_keeps_its_copy_and_reboots_with_it(box: Sandbox) -> None:
    name = box.define("reboot", "trap 'exec busybox reboot -f' USR1; trap 'exit 0' TERM; echo up; "
                                "while :; do busybox sleep 0.1; done", reboot_signal="USR1")
    first = ensure("1")
    subprocess.run([first.program, "start", name], check=True, stdin=subprocess.DEVNULL)
    old = observe.status(name)["pid"]
    second = ensure("2")
    assert there() == {first.copy.name, second.copy.name, "current"}
    log = pathlib.Path(store.folder(name), "console.log")
    wait_until(lambda: "up" in log.read_text())
    os.kill(old, 10)
    wait_until(lambda: observe.status(name)["pid"] not in (0, old))
    monitor = observe.status(name)["monitor_pid"]
    assert str(first.program) in pathlib.Path("/proc/%d/cmdline" % monitor).read_text()
    subprocess.run([first.program, "stop", name], check=True, stdin=subprocess.DEVNULL)
    box.ended(name)
    third = ensure("3")
    assert there() == {third.copy.name, "current"}


def test_a_module_keeps_the_copy_that_it_is_about_to_start_with(box: Sandbox) -> None:
    name = box.define("late")
    late = Module("1")
    ensure("2")
    assert late.copy.name in there()
    assert late.finish(name).strip() == "True"
    ensure("3")
    assert late.copy.name in there()  # now it is the monitor's


def test_who_came_by_way_of_the_newest_stays_with_that_one(box: Sandbox) -> None:
    """As the units do at boot; a newer one may come meanwhile."""
    name = box.define("boot", start_auto=True)
    first = ensure("1")
    subprocess.run([FOLDER / "current/fleet-lxc", "autostart"], check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert observe.status(name)["state"] == "RUNNING"
    ensure("2")
    monitor = observe.status(name)["monitor_pid"]
    assert str(first.program) in pathlib.Path("/proc/%d/cmdline" % monitor).read_text()
    assert first.copy.name in there()


def taken_from(archive: pathlib.Path, *names: str) -> list[str]:
    """Where a module that comes as this archive has modules of the floors below it from."""
    parent = "ansible_collections.fleet.lxc.plugins.module_utils"
    script = ("import importlib, sys; sys.path.insert(0, sys.argv[1]); import %s._module; "
              "print(*(importlib.import_module('%s.' + n).__file__ for n in sys.argv[2:]))"
              % (parent, parent))
    done = subprocess.run([sys.executable, "-I", "-c", script, str(archive), *names], check=True,
                          text=True, capture_output=True)
    return done.stdout.split()


def pack(archive: pathlib.Path, leave: str = "", change: str = "") -> pathlib.Path:
    """As AnsiballZ does it, less a file, or with one that has changed."""
    utils = pathlib.Path(runtime.__file__).parents[1]
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        top = "ansible_collections/fleet/lxc/plugins/module_utils"
        for parent in [top, *map(str, pathlib.PurePath(top).parents)][:-1]:
            packed.writestr(parent + "/__init__.py", "")
        for file in sorted(utils.glob("_*/*.py")):
            name = "%s/%s" % (file.parent.name, file.name)
            if name != leave:
                packed.writestr("%s/%s" % (top, name),
                                file.read_text() + ("#" if name == change else ""))
    return archive


def test_a_module_takes_what_the_host_has_a_copy_of(tmp_path: pathlib.Path) -> None:
    names = "_container.store", "_kernel.errors", "_kernel.features"
    whole = pack(tmp_path / "whole.zip")
    packed = [str(whole / "ansible_collections/fleet/lxc/plugins/module_utils"
                  / (name.replace(".", "/") + ".py")) for name in names]
    assert taken_from(whole, *names) == packed  # there is no copy yet
    copy = pathlib.Path(runtime.ensure()).parent
    copied = ["%s/fleet_lxc/%s.py" % (copy, name.replace(".", "/")) for name in names[:2]]
    assert taken_from(whole, *names) == [*copied, packed[2]]  # the copy has no use for the last
    part = pack(tmp_path / "part.zip", leave="_container/launcher.py")
    assert taken_from(part, *names[:2]) == copied
    other = pack(tmp_path / "other.zip", change="_kernel/names.py")
    assert str(other) in taken_from(other, *names[:1])[0]
    (copy / runtime_files.INDEX).unlink()  # as of a version before there was one
    assert taken_from(whole, *names) == packed


def test_a_copy_that_a_module_takes_from_stays(tmp_path: pathlib.Path) -> None:
    whole = pack(tmp_path / "whole.zip")
    copy = pathlib.Path(runtime.ensure()).parent
    script = "import sys; sys.path.insert(0, sys.argv[1]); " \
        "import ansible_collections.fleet.lxc.plugins.module_utils._module; print(flush=True); " \
        "sys.stdin.read()"
    reader = subprocess.Popen([sys.executable, "-I", "-c", script, whole], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    assert reader.stdout and reader.stdout.readline() == b"\n"
    os.close(runtime._held.pop(str(copy)))  # this process is not meant
    ensure("1")
    assert copy.name in there()
    reader.communicate()
    ensure("2")
    assert copy.name not in there()


@pytest.mark.skipif(importlib.util.find_spec("ansible.plugins") is None,
                    reason="./dev test vm brings of Ansible what modules need")
def test_the_connection_plugin_takes_it_from_there_as_well() -> None:
    """Else it runs the program, with the same results: only this says which."""
    script = ("from ansible_collections.fleet.lxc.plugins.connection import lxc; "
              "print(getattr(lxc._same_runtime(), '__file__', None))")

    def taken() -> str:
        return subprocess.run([sys.executable, "-c", script], check=True, text=True,
                              capture_output=True, env={
                                  **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
                              ).stdout.strip()

    assert taken() == "None"
    copy = pathlib.Path(runtime.ensure()).parent
    assert taken() == "%s/fleet_lxc/_container/attach_command.py" % copy
    path, index = copy / "fleet_lxc" / "_container" / "attach.py", copy / "files.json"
    text, marks = path.read_bytes(), index.read_text()
    other = text.replace(b"running", b"RUNNING", 1)  # of the same length
    path.write_bytes(other)
    found = json.loads(marks)
    found["_container/attach.py"] = [zlib.crc32(other), len(other)]
    index.write_text(json.dumps(found))
    assert taken() == "None"
    path.write_bytes(text)
    index.write_text(marks)
    assert taken() != "None"
    ensure("1")  # of another version, and now the newest
    assert taken() == "None"


def test_a_copy_that_has_just_gone_is_named_as_missing(tmp_path: pathlib.Path) -> None:
    """The connection plugin writes it anew then. Here its folder is another one than was opened."""
    program = ensure("1").program
    text = program.read_text().partition("\n")[2]
    (tmp_path / "fleet-lxc").write_text(text.replace(
        "fcntl.flock(", "os.rename(here, here + '.old'), fcntl.flock(", 1))
    done = subprocess.run([sys.executable, "-I", "-S", tmp_path / "fleet-lxc", "list"],
                          check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "can't open file '%s/fleet-lxc'" % tmp_path in done.stderr
