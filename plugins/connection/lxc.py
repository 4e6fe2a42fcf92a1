# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Into a container, through whatever connection reaches its host."""
from __future__ import annotations

DOCUMENTATION = r"""
name: lxc
short_description: Run tasks in containers, wherever their hosts are
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Runs tasks inside of running containers of this collection. The container's host is reached by
    its own connection, whatever that is (SSH, local, another container), with the variables that
    it has in the inventory.
  - Nothing is needed in a container but what a task itself needs. Files go both ways with neither a
    shell nor Python in it. On the host Python 3.9 is needed, and root's rights.
  - A task with pipelining is one command on the host. Where that is the controller itself, reached
    by P(ansible.builtin.local#connection) as root, not even that, since Ansible's own process
    enters the container.
extends_documentation_fragment:
  - ansible.builtin.connection_pipelining
options:
  lxc_host:
    description:
      - The container's host, by its name in the inventory.
      - How it is reached is said by its own variables, such as C(ansible_connection),
        C(ansible_host), C(ansible_user) and C(ansible_become).
    type: str
    default: localhost
    vars:
      - name: ansible_lxc_host
  container:
    description:
      - The container's name on its host, by default its name in the inventory.
    type: str
    vars:
      - name: ansible_lxc_container
  inventory_name:
    description:
      - The container's name in the inventory; for this plugin's own use.
    type: str
    vars:
      - name: inventory_hostname
  remote_user:
    description:
      - The user inside of the container, by name or number. By default the one of the definition's
        C(uid), which is root unless it says otherwise; and root for a task that becomes root.
      - A user is entered as it is, without a password. So a task with C(become) that becomes root
        needs no C(sudo) inside, unless another user is named here.
    type: str
    keyword:
      - name: remote_user
    vars:
      - name: ansible_user
      - name: ansible_lxc_user
  host_become:
    description:
      - Whether the host's user has to become root to enter containers, by C(ansible_become_method)
        and its like of the host.
      - By default the host's own C(ansible_become).
    type: bool
    vars:
      - name: ansible_lxc_host_become
  host_python:
    description:
      - The interpreter of the host.
      - By default the host's own C(ansible_python_interpreter) where that is a path, else
        C(python3).
    type: str
    vars:
      - name: ansible_lxc_host_python
  executable:
    description:
      - The shell inside, for commands that need one.
    type: str
    default: /bin/sh
    vars:
      - name: ansible_executable
      - name: ansible_lxc_executable
notes:
  - Users of containers are looked up in the container's own C(/etc/passwd), as
    M(fleet.lxc.lxc_execute) does.
  - To become another user than root, the become method has to be there inside.
    P(ansible.builtin.su#become) is in nearly every system, sudo is not. Or name the user with
    C(ansible_lxc_user), which needs neither.
  - Where a container's host needs a password to become root, a task can not also become another
    user inside by a password.
seealso:
  - module: fleet.lxc.lxc_execute
"""

EXAMPLES = r"""
- name: Make the containers of a host known
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Add one, which runs on the host db1 of the inventory
      ansible.builtin.add_host:
        name: web1
        groups: [containers]
        ansible_connection: fleet.lxc.lxc
        ansible_lxc_host: db1

- name: Work in them
  hosts: containers
  tasks:
    - name: Write a file
      ansible.builtin.copy:
        content: "{{ ansible_facts.hostname }}\n"
        dest: /etc/motd
        mode: "0644"
"""

import fcntl  # noqa: E402
import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import shlex  # noqa: E402
import signal  # noqa: E402
import stat  # noqa: E402
import sys  # noqa: E402
import typing as t  # noqa: E402
import zlib  # noqa: E402

import ansible.constants as C  # noqa: E402
from ansible.errors import (  # noqa: E402
    AnsibleConnectionFailure,
    AnsibleError,
    AnsibleFileNotFound,
)
from ansible.module_utils.common.text.converters import to_bytes, to_text  # noqa: E402
from ansible.plugins.connection import ConnectionBase  # noqa: E402
from ansible.utils.display import Display  # noqa: E402

display = Display()

LOCAL = "ansible.builtin.local"
_PIECE = 32 << 20  # bytes of a file that go by one command: the host's connection keeps them whole
_FAILED = 125      # of fleet-lxc: it could not get into the container
_SAYS = b"fleet-lxc: "
_RUNTIME = "/var/lib/fleet-lxc/runtime"  # runtime_files.RUNTIME and INDEX, which Ansible would
_INDEX = "files.json"                    # compile anew for each task
_SUID_DUMPABLE = "/proc/sys/fs/suid_dumpable"


class Connection(ConnectionBase):  # type: ignore[misc]  # Ansible has no types
    """A container, by a connection to its host."""

    transport = "fleet.lxc.lxc"
    has_pipelining = True
    default_user = "root"

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self._connected: bool = False
        self._hostvars: t.Any = None
        self._host: t.Any = None          # the container's host, once something was asked of it
        self._delegate_to: str | None = None
        self._name, self._kind = "", ""   # of that host, and of the connection plugin
        self._variables: t.Mapping[str, t.Any] = {}  # of the host
        self._runtime: t.Any = None       # what the program does, where this process can do it

    # Variables of another host than the one that the task is about

    def _resolve_option_variables(self, variables: t.Any, templar: t.Any) -> t.Any:
        self._hostvars = variables.get("hostvars", self._hostvars)
        return super()._resolve_option_variables(variables, templar)

    def set_options(self, task_keys: t.Any = None, var_options: t.Any = None,
                    direct: t.Any = None) -> None:
        """Take the options, and with them, where they come with all variables, those of others.

        The inventory_hostname of a task that is delegated is the one of who delegates.
        """
        if task_keys:
            self._delegate_to = task_keys.get("delegate_to")
        if var_options and "hostvars" in var_options:
            self._hostvars = var_options["hostvars"]
        super().set_options(task_keys=task_keys, var_options=var_options, direct=direct)

    def _variables_of(self, host: str) -> t.Mapping[str, t.Any]:
        """The variables of the container's host, templated when they are looked up."""
        if self._hostvars is not None and host in self._hostvars:
            found: t.Mapping[str, t.Any] = self._hostvars[host]
            return found
        if host == "localhost":
            return {}
        raise AnsibleConnectionFailure(
            "The host %r of container %r is not in the inventory. Add it, or set the variable "
            "ansible_lxc_host to another one." % (host, self.container_name()))

    def get_option(self, option: str, hostvars: t.Any = None) -> t.Any:
        """The options, of which actions ask for remote_user: who becomes whom it is already does
        not need the become method.
        """
        value = super().get_option(option, hostvars)
        if option == "remote_user" and not value and self._becomes_root():
            return "root"
        return value

    def _becomes_root(self) -> bool:
        return self.become is not None and self.become.get_option("become_user") == "root"

    # The connection to the host

    def _connect(self) -> Connection:
        """Say which host it is; its own connection is made when there is something to ask of it."""
        if not self._connected:
            super()._connect()
            self._name = self.get_option("lxc_host")
            self._variables = self._variables_of(self._name)
            self._kind = self._variables.get("ansible_connection") or (
                LOCAL if self._name == "localhost" else C.DEFAULT_TRANSPORT)
            self._connected = True
        return self

    def has_to_become(self, is_root: bool) -> bool:
        """:param is_root: whether who comes to the host is root there"""
        wanted = self.get_option("host_become")
        if wanted is None:
            wanted = self._variables.get("ansible_become", False)
        if not wanted or str(wanted).lower() in ("false", "no", "0"):
            return False
        # Root does not become root, as in any other task: its host may have no sudo.
        return (not is_root or C.BECOME_ALLOW_SAME_USER
                or self._variables.get("ansible_become_user", "root") != "root")

    def container_name(self) -> str:
        """Its name on its host."""
        return str(self.get_option("container") or self._delegate_to
                   or self.get_option("inventory_name"))

    def _run(self, words: list[str], in_data: bytes | None, sudoable: bool
             ) -> tuple[int, bytes, bytes]:
        """One command on the host; the runtime's copy comes first where it is not there.

        :raises AnsibleConnectionFailure: where there is no way into the container
        """
        found = None
        if not sudoable and self._is_here():
            found = self._directly(words, in_data)
        code, stdout, stderr = found or self._by_program(words, in_data, sudoable)
        if code == _FAILED:
            told = [line for line in stderr.splitlines() if line.startswith(_SAYS)]
            if told:
                raise AnsibleConnectionFailure(to_text(told[-1][len(_SAYS):]))
        return code, stdout, stderr

    def _by_program(self, words: list[str], in_data: bytes | None, sudoable: bool
                    ) -> tuple[int, bytes, bytes]:
        if self._host is None:
            # A file of its own, since Ansible compiles a plugin anew for each task.
            from ansible_collections.fleet.lxc.plugins.plugin_utils._lxc_host import Host

            self._host = Host(self, self._name, self._kind, self._variables, self._hostvars)
        found: tuple[int, bytes, bytes] = self._host.run(words, in_data, sudoable)
        return found

    def _is_here(self) -> bool:
        """Whether this process can enter containers itself, and may.

        With another thread it must not fork without execve(2): that one may hold a lock, and is not
        there to let go of it. And its memory may have secrets, which nobody inside can read unless
        the host leaves processes open that change their ids (fs.suid_dumpable, proc_sys_fs(5)).
        """
        return (self._kind in (LOCAL, "local") and os.geteuid() == 0
                and not self.has_to_become(True) and len(os.listdir("/proc/self/task")) == 1
                and _read(_SUID_DUMPABLE) != b"1\n")

    def _directly(self, words: list[str], in_data: bytes | None) -> tuple[int, bytes, bytes] | None:
        if self._runtime is None:
            self._runtime = _same_runtime()
        return self._runtime.collect(words, in_data) if self._runtime else None

    def _user(self) -> list[str]:
        user = super().get_option("remote_user")
        if not user and self._becomes_root():
            user = 0  # by its number: there may be no passwd(5)
        return ["--user", str(user)] if user is not None else []

    # What Ansible asks of a connection

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True
                     ) -> tuple[int, bytes, bytes]:
        """Run a command in the container.

        :raises AnsibleConnectionFailure: where it is not running, or frozen
        """
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        text = to_text(cmd, errors="surrogate_or_strict")
        argv = self._argv(text)
        # Who is root already does not become it: then no prompt and no word of success comes.
        sudoable = bool(sudoable and self.become and self.become.success
                        and self.become.success in text)
        display.vvv("EXEC %s" % argv, host=self.container_name())
        prompts = sudoable and self.become is not None and self.become.expect_prompt()
        # Ansible's alarm makes it forget a task that takes too long, and is all that is known here
        # of the task's timeout; a moment later the host ends what the task has started.
        left = signal.getitimer(signal.ITIMER_REAL)[0]
        return self._run(["attach", "--no-tty", "--bound",
                          *(["--timeout", str(int(left) + 2)] if left else []),
                          *([] if in_data is not None or prompts else ["--no-stdin"]),
                          *self._user(), self.container_name(), "--", *argv], in_data, sudoable)

    def _argv(self, command: str) -> list[str]:
        """The shell with its command; without another shell around it where it has one already."""
        try:
            words = shlex.split(command)
        except ValueError:
            words = []
        if len(words) == 3 and words[1] == "-c" and words[0].startswith("/") \
                and command == "%s -c %s" % (words[0], shlex.quote(words[2])):
            return words
        return [str(self.get_option("executable")), "-c", command]

    def put_file(self, in_path: str, out_path: str) -> None:
        """A file of the controller into the container."""
        super().put_file(in_path, out_path)
        display.vvv("PUT %s TO %s" % (in_path, out_path), host=self.container_name())
        try:
            stream = open(to_bytes(in_path, errors="surrogate_or_strict"), "rb")
        except FileNotFoundError:
            raise AnsibleFileNotFound("There is no file %s." % in_path) from None
        with stream:
            status = os.fstat(stream.fileno())
            mode = "%o" % (stat.S_IMODE(status.st_mode) & 0o777)
            offset = 0
            while True:
                data = stream.read(_PIECE)
                if not data and offset:
                    return
                self._transfer(["put", "--offset", str(offset), "--size", str(len(data)),
                                "--mode", mode, *self._user(), self.container_name(), out_path],
                               data, "write", out_path)
                offset += len(data)
                if len(data) < _PIECE:
                    return

    def fetch_file(self, in_path: str, out_path: str) -> None:
        """A file of the container to the controller."""
        super().fetch_file(in_path, out_path)
        display.vvv("FETCH %s TO %s" % (in_path, out_path), host=self.container_name())
        offset = 0
        with open(to_bytes(out_path, errors="surrogate_or_strict"), "wb") as stream:
            while True:
                data = self._transfer(
                    ["fetch", "--offset", str(offset), "--size", str(_PIECE), *self._user(),
                     self.container_name(), in_path], None, "read", in_path)
                stream.write(data)
                offset += len(data)
                if len(data) < _PIECE:
                    return

    def _transfer(self, words: list[str], data: bytes | None, verb: str, path: str) -> bytes:
        code, stdout, stderr = self._run(words, data, False)
        if code:
            raise AnsibleError("Could not %s %s in container %s: %s" % (
                verb, path, self.container_name(), to_text(stderr).strip()))
        return stdout

    def reset(self) -> None:
        """Begin anew with the host's connection."""
        if self._host is not None:
            self._host.reset()
        self.close()

    def close(self) -> None:
        """Let go of the host's connection."""
        if self._host is not None:
            self._host.close()
        self._host, self._connected = None, False


def _same_runtime() -> t.Any:
    """What the host's program does for "attach", "put" and "fetch", out of its newest copy: with
    bytecode, which Ansible's own import of a collection does without.

    :returns: None where there is no copy, or it is of another version than this collection
    """
    utils = os.path.join(os.path.dirname(os.path.dirname(__file__)), "module_utils")
    try:
        folder = "%s/%s" % (_RUNTIME, os.readlink(_RUNTIME + "/current"))
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    keep, sys.dont_write_bytecode = sys.dont_write_bytecode, False  # as the program has it
    sys.path.insert(0, folder)
    found = None
    try:
        fcntl.flock(held, fcntl.LOCK_SH)  # so that it stays as long as this process runs
        with open("%s/%s" % (folder, _INDEX), "rb") as stream:
            index = json.load(stream)
        if all(os.stat("%s/%s" % (utils, path)).st_size == size
               for path, (_checksum, size) in index.items()):
            module = importlib.import_module("fleet_lxc._container.attach_command")
            # The text of those that do something here.
            loaded = ["/".join(name.split(".")[1:]) + ".py" for name in sys.modules
                      if name.startswith("fleet_lxc.") and name.count(".") == 2]
            if all(_mark("%s/%s" % (utils, path)) == index[path] for path in loaded):
                found = module
    except (ImportError, KeyError, OSError, ValueError):
        pass
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = keep
    if found is None:
        os.close(held)
    return found


def _mark(path: str) -> list[int]:
    """Checksum and length of a file, as the index has them."""
    data = _read(path)
    return [zlib.crc32(data), len(data)]


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as stream:
        return stream.read()
