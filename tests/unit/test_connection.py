# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection plugin over a connection to the host that only writes down what it is asked."""
from __future__ import annotations

import os
import pathlib
import signal
import threading
import types
import typing as t

import ansible.constants as C
import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.playbook.play_context import PlayContext
from ansible.plugins.loader import become_loader, connection_loader
from ansible_collections.fleet.lxc.plugins.connection import lxc
from ansible_collections.fleet.lxc.plugins.module_utils._container import runtime_files
from ansible_collections.fleet.lxc.plugins.plugin_utils import _lxc_host

Answer = tuple[int, bytes, bytes]
PROGRAM = runtime_files.path_of(runtime_files.sources())
FRONT = "python3 -I -S %s " % PROGRAM


class Host:
    """Stands for ansible.builtin.ssh and its like."""

    transport = "ssh"
    _load_name = "ssh"
    _shell = None

    def __init__(self, answers: list[Answer]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, bytes | None, bool]] = []
        self.options: dict[str, t.Any] = {}
        self.become: t.Any = None
        self.calls: list[str] = []

    def set_options(self, task_keys: t.Any, var_options: dict[str, t.Any]) -> None:
        self.options = var_options

    def set_become_plugin(self, plugin: t.Any) -> None:
        self.become = plugin

    def exec_command(self, command: str, in_data: bytes | None, sudoable: bool) -> Answer:
        self.asked.append((command, in_data, sudoable))
        return self.answers.pop(0)

    def reset(self) -> None:
        self.calls.append("reset")

    def close(self) -> None:
        self.calls.append("close")


class Built(t.NamedTuple):
    plugin: t.Any
    host: Host
    kinds: list[str]


Build = t.Callable[..., Built]
# What the plugin loader does with a plugin's documentation; pipelining is in a fragment.
C.config.initialize_plugin_configuration_definitions(
    "connection", lxc.Connection.transport, yaml.safe_load(lxc.DOCUMENTATION)["options"])
connection_loader.get("ssh", PlayContext(), new_stdin=None)  # so that its options are known


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    def make(*answers: Answer, delegate_to: str | None = None,
             hostvars: dict[str, dict[str, t.Any]] | None = None, **variables: t.Any) -> Built:
        plugin = lxc.Connection(PlayContext(), new_stdin=None)
        plugin._load_name = plugin.transport
        host = Host(list(answers) or [(0, b"", b"")])
        kinds: list[str] = []

        def get(kind: str, _context: object, new_stdin: object) -> Host:
            kinds.append(kind)
            return host

        monkeypatch.setattr(_lxc_host.connection_loader, "get", get)
        monkeypatch.setattr(lxc, "_same_runtime", lambda: None)  # whatever this host has
        plugin.set_options(task_keys={"delegate_to": delegate_to}, var_options={
            "inventory_hostname": "web", "hostvars": hostvars or {}, **variables})
        return Built(plugin, host, kinds)
    return make


def test_a_command_is_one_command_on_the_host(build: Build) -> None:
    made = build((3, b"out", b"err"))
    assert made.plugin.exec_command("/bin/sh -c 'echo a'", in_data=b"x") == (3, b"out", b"err")
    asked = FRONT + "attach --no-tty --bound web -- /bin/sh -c 'echo a'"
    assert made.host.asked == [(asked, b"x", False)]
    assert made.kinds == ["ansible.builtin.local"]


def test_a_tasks_timeout_is_the_hosts_too(build: Build) -> None:
    """Which is Ansible's alarm. What it hands over as "timeout" is the one of a connection."""
    made = build((0, b"", b""), (0, b"", b""))
    made.plugin.set_options(task_keys={"timeout": 10})
    made.plugin.exec_command("id", in_data=b"x")
    signal.alarm(100)
    try:
        made.plugin.exec_command("id", in_data=b"x")
    finally:
        signal.alarm(0)
    words = [command.partition(" -- ")[0].split() for command, _data, _sudoable in made.host.asked]
    assert "--timeout" not in words[0]
    assert 90 < int(words[1][words[1].index("--timeout") + 1]) <= 102


@pytest.mark.parametrize(("command", "words"), [
    ("/bin/sh -c 'a b'", ["/bin/sh", "-c", "a b"]),
    ("/bin/sh -c a", ["/bin/sh", "-c", "a"]),
    ("/bin/sh -c 'a' > x", ["/bin/sh", "-c", "/bin/sh -c 'a' > x"]),
    ("/bin/sh -c $a", ["/bin/sh", "-c", "/bin/sh -c $a"]),
    ("echo 'open", ["/bin/sh", "-c", "echo 'open"]),
    ("sh -c a", ["/bin/sh", "-c", "sh -c a"]),
])
def test_no_shell_around_a_shell(build: Build, command: str, words: list[str]) -> None:
    assert build().plugin._argv(command) == words


def test_the_host_is_reached_by_its_own_variables(build: Build) -> None:
    made = build(hostvars={"db": {"ansible_connection": "ansible.builtin.ssh", "ansible_port": 2,
                                  "ansible_user": "joe", "ansible_host": "10.0.0.1", "other": 1,
                                  "ansible_python_interpreter": "/opt/python"}},
                 ansible_lxc_host="db", ansible_lxc_container="w1", ansible_lxc_user="nobody")
    made.plugin.exec_command("id")
    assert made.kinds == ["ansible.builtin.ssh"]
    assert made.host.options == {"ansible_port": 2, "ansible_user": "joe",
                                 "ansible_host": "10.0.0.1", "inventory_hostname": "db"}
    assert made.host.asked[0][0] == ("/opt/python -I -S %s attach --no-tty --bound --no-stdin "
                                     "--user nobody w1 -- /bin/sh -c id" % PROGRAM)


def test_a_host_without_a_connection_of_its_own(build: Build) -> None:
    made = build(hostvars={"db": {"ansible_python_interpreter": "auto_silent"}},
                 ansible_lxc_host="db")
    made.plugin.exec_command("id")
    assert made.kinds == ["ssh"] and made.host.asked[0][0].startswith("python3 -I -S ")


def test_an_unknown_host(build: Build) -> None:
    with pytest.raises(AnsibleConnectionFailure, match="'nobody' of container 'web' is not in"):
        build(ansible_lxc_host="nobody").plugin.exec_command("id")


def test_a_delegated_task_is_for_whom_it_is_delegated_to(build: Build) -> None:
    made = build(delegate_to="job")
    made.plugin.exec_command("id")
    assert " job -- " in made.host.asked[0][0]


def test_a_container_in_a_container_knows_the_same_hosts(build: Build) -> None:
    variables = {"outer": {"ansible_connection": "fleet.lxc.lxc", "ansible_lxc_host": "db"}}
    made = build(hostvars=variables, ansible_lxc_host="outer")
    made.host._hostvars = None  # type: ignore[attr-defined]
    made.plugin.exec_command("id")
    assert made.kinds == ["fleet.lxc.lxc"]
    assert made.host._hostvars is made.plugin._hostvars  # type: ignore[attr-defined]


def test_root_on_the_host_is_become_by_the_hosts_way(build: Build) -> None:
    made = build(hostvars={"db": {"ansible_become": True, "ansible_become_method": "sudo",
                                  "ansible_become_user": "root", "ansible_become_password": "p"}},
                 ansible_lxc_host="db")
    made.plugin.exec_command("id")
    command, data, sudoable = made.host.asked[0]
    assert command.startswith("sudo ") and FRONT in command and sudoable
    assert data == b"\n"  # so that SSH takes no terminal
    assert made.host.become.get_option("become_pass") == "p"
    made = build(hostvars={"db": {"ansible_become": True}}, ansible_lxc_host="db",
                 ansible_lxc_host_become=False)
    made.plugin.exec_command("id")
    assert made.host.asked[0][0].startswith(FRONT)


def test_who_is_root_on_the_host_does_not_become_it(build: Build) -> None:
    """Such a host may have no sudo."""
    variables = {"ansible_become": True, "ansible_user": "root"}
    made = build(hostvars={"db": variables}, ansible_lxc_host="db")
    made.plugin.exec_command("id")
    assert made.host.asked[0][0].startswith(FRONT)
    other = build(hostvars={"db": {**variables, "ansible_become_user": "lxc"}},
                  ansible_lxc_host="db")
    other.plugin.exec_command("id")
    assert other.host.asked[0][0].startswith("sudo ")


def become_to(made: Built, user: str | None) -> None:
    """As the task's executor does for one with become: true."""
    become = become_loader.get("sudo")
    become.set_options(direct={"become_user": user} if user else {})
    made.plugin.set_become_plugin(become)


def test_who_is_root_inside_does_not_become_it(build: Build) -> None:
    """Ansible leaves sudo out where both users are the same: it may not be there."""
    made = build((0, b"", b""), (0, b"", b""))
    assert made.plugin.get_option("remote_user") is None
    become_to(made, None)
    assert made.plugin.get_option("remote_user") == "root"
    made.plugin.exec_command("id")
    # By its number, also where the definition's uid is another one, or there is no passwd(5).
    assert "--user 0 web " in made.host.asked[0][0]
    assert not made.host.asked[0][2]  # no word of success is waited for
    become_to(made, "nobody")
    assert made.plugin.get_option("remote_user") is None
    made.plugin.exec_command("id")
    assert "--user" not in made.host.asked[1][0]


def test_another_user_inside_becomes_root_by_its_method(build: Build) -> None:
    made = build(ansible_user="admin")
    become_to(made, None)
    assert made.plugin.get_option("remote_user") == "admin"
    made.plugin.exec_command("id")
    assert "--user admin web " in made.host.asked[0][0]


def test_root_of_a_container_that_is_a_host_is_root_already(build: Build) -> None:
    variables = {"outer": {"ansible_connection": "fleet.lxc.lxc", "ansible_become": True}}
    made = build(hostvars=variables, ansible_lxc_host="outer")
    made.host.transport = "fleet.lxc.lxc"
    made.host.get_option = {"remote_user": None}.get  # type: ignore[attr-defined]
    made.plugin.exec_command("id")
    assert made.host.asked[0][0].startswith(FRONT)


def test_prompts_of_become_inside_are_the_hosts_connections_to_answer(build: Build) -> None:
    made = build()
    become = become_loader.get("sudo")
    become.set_options(direct={"become_pass": "p", "become_user": "u"})
    made.plugin.set_become_plugin(become)
    made.plugin.exec_command(become.build_become_command("id", made.plugin._shell))
    assert made.host.become is become
    assert made.host.asked[0][2] and "--no-stdin" not in made.host.asked[0][0]


@pytest.mark.parametrize("code, told, fails", [
    (125, b"banner\nfleet-lxc: attach to container web: it is frozen\n", "it is frozen"),
    (125, b"its own words\n", ""), (1, b"fleet-lxc: x\n", ""),
])
def test_failures_of_the_way_in(build: Build, code: int, told: bytes, fails: str) -> None:
    plugin = build((code, b"", told)).plugin
    if fails:
        with pytest.raises(AnsibleConnectionFailure, match="^attach.*" + fails):
            plugin.exec_command("id")
    else:
        assert plugin.exec_command("id") == (code, b"", told)


def test_who_is_on_the_host_needs_no_command(build: Build, monkeypatch: pytest.MonkeyPatch,
                                             tmp_path: pathlib.Path) -> None:
    asked: list[tuple[list[str], bytes | None]] = []

    def collect(words: list[str], data: bytes | None) -> Answer:
        asked.append((words, data))
        return 3, b"out", b"err"

    made = build()
    made.host.transport = "local"
    made.plugin._runtime = types.SimpleNamespace(collect=collect)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert made.plugin.exec_command("id", in_data=b"x") == (3, b"out", b"err")
    assert asked == [(["attach", "--no-tty", "--bound", "web", "--", "/bin/sh", "-c", "id"], b"x")]
    assert made.host.asked == []
    # Not who can't, and not what has to answer prompts, must not be forked, or can be looked into.
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    made.plugin.exec_command("id")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    made.host.answers = [(0, b"", b"")] * 3
    made.plugin.exec_command("id")
    ended.set()
    thread.join()
    (tmp_path / "dumpable").write_text("1\n")
    with monkeypatch.context() as patched:
        patched.setattr(lxc, "_SUID_DUMPABLE", str(tmp_path / "dumpable"))
        made.plugin.exec_command("id")
    become = become_loader.get("sudo")
    become.set_options(direct={"become_user": "u"})
    made.plugin.set_become_plugin(become)
    made.plugin.exec_command(become.build_become_command("id", made.plugin._shell))
    assert len(made.host.asked) == 4 and len(asked) == 1


def test_the_runtime_is_written_where_it_is_missing(build: Build) -> None:
    missing = b"python3: can't open file '%s': [Errno 2]\n" % PROGRAM.encode()
    made = build((2, b"", missing), (0, b"", b""), (0, b"done", b""))
    assert made.plugin.exec_command("id", in_data=b"x") == (0, b"done", b"")
    first, install, again = made.host.asked
    assert first == again and install[0].startswith("python3 -I -S -c ") and install[1]
    failing = build((2, b"", missing), (1, b"", b"no space")).plugin
    with pytest.raises(AnsibleConnectionFailure, match="no space"):
        failing.exec_command("id")


def test_what_is_sent_writes_the_same_copy(build: Build, tmp_path: pathlib.Path,
                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """The installer, run for real, with another place for the copy."""
    import subprocess
    import sys

    missing = b"python3: can't open file '%s': [Errno 2]\n" % PROGRAM.encode()
    made = build((2, b"", missing), (0, b"", b""), (0, b"", b""))
    made.plugin.exec_command("id")
    text = _lxc_host._INSTALL.replace(
        "    runtime.ensure()",
        "    runtime.runtime_files.RUNTIME = %r\n    runtime.ensure()" % str(tmp_path))
    subprocess.run([sys.executable, "-I", "-S", "-c", text], input=made.host.asked[1][1],
                   check=True)
    assert (tmp_path / PROGRAM.split("/")[-2] / "fleet-lxc").exists()


def test_files_go_in_pieces(build: Build, tmp_path: pathlib.Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lxc, "_PIECE", 4)
    source = tmp_path / "a ' b"
    source.write_bytes(b"0123456789")
    source.chmod(0o4751)
    made = build(*[(0, b"", b"")] * 3)
    made.plugin.put_file(str(source), "/tmp/o 'x")
    assert [data for _command, data, _s in made.host.asked] == [b"0123", b"4567", b"89"]
    assert made.host.asked[1][0] == (FRONT + "put --offset 4 --size 4 --mode 751 web "
                                     "'/tmp/o '\"'\"'x'")
    made = build((0, b"0123", b""), (0, b"45", b""))
    made.plugin.fetch_file("/x", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == b"012345"
    assert made.host.asked[1][:2] == (FRONT + "fetch --offset 4 --size 4 web /x", None)


@pytest.mark.parametrize("size", [0, 4, 8])
def test_files_of_whole_pieces_and_none(build: Build, tmp_path: pathlib.Path, size: int,
                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lxc, "_PIECE", 4)
    source = tmp_path / "in"
    source.write_bytes(os.urandom(size))
    made = build(*[(0, b"", b"")] * 3)
    made.plugin.put_file(str(source), "/x")
    assert b"".join(data or b"" for _c, data, _s in made.host.asked) == source.read_bytes()
    assert len(made.host.asked) == max(1, size // 4)


def test_files_that_can_not_go(build: Build, tmp_path: pathlib.Path) -> None:
    with pytest.raises(AnsibleFileNotFound):
        build().plugin.put_file(str(tmp_path / "none"), "/x")
    (tmp_path / "in").touch()
    with pytest.raises(AnsibleError, match="write /x in container web: fleet-lxc: .*EROFS"):
        build((126, b"", b"fleet-lxc: write the file /x: EROFS\n")).plugin.put_file(
            str(tmp_path / "in"), "/x")


def test_reset_and_close(build: Build) -> None:
    made = build((0, b"", b""), (0, b"", b""))
    made.plugin.reset()  # of one that was never used
    made.plugin.exec_command("id")
    made.plugin.reset()
    assert made.host.calls == ["reset", "close"] and not made.plugin.connected
    made.plugin.exec_command("id")
    assert made.kinds == ["ansible.builtin.local"] * 2
