# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container's host, as the connection plugin comes to it by that host's own connection."""
from __future__ import annotations

import base64
import copy
import json
import os
import shlex
import typing as t
import zlib

import ansible.constants as C
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.text.converters import to_text
from ansible.plugins.connection import ConnectionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.utils.display import Display

from ..module_utils._container import runtime_files

if t.TYPE_CHECKING:
    from ..connection.lxc import Connection

display = Display()

_MISSING = b"can't open file '%s/" % runtime_files.RUNTIME.encode()

# What runs on a host that does not have this version of the runtime yet: the files come by
# standard input, and the copy is written by themselves.
_INSTALL = """\
import base64, json, os, shutil, sys, tempfile, zlib
folder = tempfile.mkdtemp(prefix="fleet-lxc-")
try:
    texts = json.loads(zlib.decompress(base64.b64decode(sys.stdin.buffer.read())))
    for path, text in [*texts.items(), ["__init__.py", ""]]:
        name = os.path.join(folder, "fleet_lxc", path)
        os.makedirs(os.path.dirname(name), 0o700, exist_ok=True)
        with open(name, "w", encoding="utf-8") as stream:
            stream.write(text)
    sys.dont_write_bytecode = True
    sys.path.insert(0, folder)
    from fleet_lxc._container import runtime
    runtime.ensure()
finally:
    shutil.rmtree(folder)
"""


class Host:
    """The connection to it, made of its variables.

    :param name: in the inventory
    :param kind: its connection plugin
    :param variables: all that the inventory knows of it
    :raises AnsibleConnectionFailure: where there is no such plugin
    """

    def __init__(self, plugin: Connection, name: str, kind: str,
                 variables: t.Mapping[str, t.Any], hostvars: t.Any) -> None:
        self._plugin = plugin
        self._variables = variables
        context = copy.copy(plugin._play_context)
        context.remote_addr = variables.get("ansible_host", name)
        context.remote_user = variables.get("ansible_user")
        context.port = variables.get("ansible_port")
        context.password = None
        self._connection = connection_loader.get(kind, context, new_stdin=None)
        if self._connection is None:
            raise AnsibleConnectionFailure("There is no connection plugin %r, which the host %r of "
                                           "container %r asks for."
                                           % (kind, name, plugin.container_name()))
        if hasattr(self._connection, "_hostvars"):  # a container in a container
            self._connection._hostvars = hostvars
        self._connection.set_options(
            task_keys={"timeout": plugin._play_context.timeout},
            var_options={"inventory_hostname": name,
                         **_options("connection", self._connection._load_name, variables)})
        self._become = self._find_become()
        display.vvv("ESTABLISH LXC CONNECTION ON %s BY %s" % (name, self._connection.transport),
                    host=plugin.container_name())

    def _find_become(self) -> t.Any:
        variables = self._variables
        if self._connection.transport == "local":
            is_root = os.geteuid() == 0
        elif self._connection.transport == self._plugin.transport:  # which enters as root by itself
            is_root = self._connection.get_option("remote_user") in (None, "root")
        else:
            is_root = variables.get("ansible_user") == "root"
        if not self._plugin.has_to_become(is_root):
            return None
        method = variables.get("ansible_become_method", "sudo")
        become = become_loader.get(method)
        if become is None:
            raise AnsibleConnectionFailure("There is no become plugin %r, which the host of "
                                           "container %r asks for."
                                           % (method, self._plugin.container_name()))
        become.set_options(var_options=_options("become", become._load_name, variables))
        return become

    def run(self, words: list[str], in_data: bytes | None, sudoable: bool
            ) -> tuple[int, bytes, bytes]:
        """One command; the runtime's copy comes first where it is not there."""
        python = self._plugin.get_option("host_python") \
            or self._variables.get("ansible_python_interpreter", "")
        if "/" not in python:
            python = "python3"
        texts = runtime_files.sources()
        command = [python, "-I", "-S", runtime_files.path_of(texts), *words]
        code, stdout, stderr = self._on_host(command, in_data, sudoable)
        if code == 2 and _MISSING in stderr:
            self._install(python, texts)
            code, stdout, stderr = self._on_host(command, in_data, sudoable)
        return code, stdout, stderr

    def _on_host(self, words: list[str], in_data: bytes | None, sudoable: bool
                 ) -> tuple[int, bytes, bytes]:
        command = " ".join(shlex.quote(word) for word in words)
        # Prompts are answered by the host's connection: of the host's become, or else of the
        # container's, whose prompt comes by the same way.
        become = self._become or (self._plugin.become if sudoable else None)
        self._connection.set_become_plugin(become)
        if self._become is not None:
            command = self._become.build_become_command(command, self._connection._shell)
            if in_data is None:
                in_data = b"\n"  # else SSH takes a terminal, which would mix the outputs
        found: tuple[int, bytes, bytes] = self._connection.exec_command(
            command, in_data=in_data, sudoable=become is not None)
        return found

    def _install(self, python: str, sources: t.Mapping[str, bytes]) -> None:
        texts = {path: data.decode() for path, data in sources.items()}
        packed = base64.b64encode(zlib.compress(json.dumps(texts).encode()))
        display.vvv("INSTALL THE RUNTIME", host=self._plugin.container_name())
        code, _stdout, stderr = self._on_host([python, "-I", "-S", "-c", _INSTALL], packed, False)
        if code:
            raise AnsibleConnectionFailure(
                "The runtime could not be written to the host of container %r: %s"
                % (self._plugin.container_name(), to_text(stderr).strip()))

    def reset(self) -> None:
        """Begin anew, where its connection can."""
        if type(self._connection).reset is not ConnectionBase.reset:
            self._connection.reset()

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


def _options(kind: str, name: str, variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Those of a host's variables that are options of one of its plugins."""
    return {key: variables[key] for key in C.config.get_plugin_vars(kind, name)
            if key in variables}
