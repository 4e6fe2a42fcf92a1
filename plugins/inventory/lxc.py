# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of a group of hosts, as hosts."""
from __future__ import annotations

DOCUMENTATION = r"""
name: lxc
short_description: The containers of hosts, as hosts
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Asks hosts of the same inventory for their containers, all at once and through the connection
    that each host has, and adds the containers as hosts that the connection plugin
    P(fleet.lxc.lxc#connection) reaches.
  - A host that can not be reached, or that has an error, is a warning.
  - Its configuration is a YAML file whose name ends in C(lxc.yml) or C(lxc.yaml).
  - Groups of its own are C(lxc_containers), C(lxc_host_NAME) for each host, C(lxc_running) and the
    like for each state, and C(lxc_group_NAME) for each of a container's C(group), the option of
    M(fleet.lxc.lxc_container). Letters that groups can't have become C(_).
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
options:
  plugin:
    description: The name of this plugin.
    type: str
    required: true
    choices: [fleet.lxc.lxc]
  hosts:
    description:
      - The hosts that are asked, as patterns, such as names of hosts and groups.
      - They have to be in another source of the same inventory, such as a file in the same folder.
    type: list
    elements: str
    required: true
  states:
    description: Only containers in one of these states.
    type: list
    elements: str
    choices: [STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN, THAWED]
  filters:
    description:
      - Conditions that are tried in order, each a dictionary of one key, C(include) or C(exclude),
        and a Jinja expression without braces that may use the container's variables. The first that
        is true decides. A container for which none is true is included.
    type: list
    elements: dict
    default: []
  hostname:
    description:
      - The name of a container as a host, a Jinja expression without braces that may use the
        container's variables.
      - Two containers of one name are an error. Where several hosts have containers of one name,
        choose something like V(lxc_name ~ '.' ~ lxc_host).
    type: str
    default: lxc_name
  forks:
    description:
      - How many hosts are asked at a time, which is meant to be all of them. Where C(forks) of
        Ansible's configuration are more, these count.
    type: int
    default: 50
    version_added: 0.1.0
  timeout:
    description: Seconds that all hosts together may take to answer.
    type: int
    default: 120
  strict:
    version_added: 0.1.0
  compose:
    version_added: 0.1.0
  groups:
    version_added: 0.1.0
  keyed_groups:
    version_added: 0.1.0
  use_extra_vars:
    version_added: 0.1.0
  leading_separator:
    version_added: 0.1.0
notes:
  - Variables of each container are C(lxc_name), C(lxc_host), C(lxc_state), C(lxc_pid),
    C(lxc_addresses), C(lxc_groups) and C(lxc_definition), and what the connection plugin needs.
  - The hosts are asked by a run of C(ansible-playbook) of its own, with the same inventory and
    vault, so each answers as fast as a task.
"""

EXAMPLES = r"""
# inventory/containers.lxc.yml, beside inventory/hosts.yml, which has the group container_hosts.
plugin: fleet.lxc.lxc
hosts: [container_hosts]

# May be left out: only what runs and is no test, in groups by what the names begin with.
states: [RUNNING]
filters:
  - exclude: lxc_name is match('test-')
hostname: lxc_name ~ '.' ~ lxc_host
keyed_groups:
  - key: lxc_name.split('-') | first
    prefix: role
compose:
  first_address: (lxc_addresses | first).split('/') | first
"""

import difflib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import typing as t  # noqa: E402

from ansible import constants as C  # noqa: E402
from ansible import context  # noqa: E402
from ansible.errors import AnsibleError, AnsibleParserError  # noqa: E402
from ansible.module_utils.parsing.convert_bool import boolean  # noqa: E402
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable  # noqa: E402

# Set for the run that asks: this plugin reads the same inventory there, without asking again.
_NESTED = "FLEET_LXC_INVENTORY_ASKS"


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]
    """Asks, then adds."""

    NAME = "fleet.lxc.lxc"

    def verify_file(self, path: str) -> bool:
        """Whether the file may be this plugin's, by its name."""
        return bool(super().verify_file(path)) and path.endswith(("lxc.yml", "lxc.yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add every container of the hosts that answer.

        :raises AnsibleParserError: for a configuration that can't be
        """
        super().parse(inventory, loader, path, cache=cache)
        self._check(self._read_config_data(path))
        if os.environ.get(_NESTED):
            return
        for host, containers in sorted(self._answers(path, cache).items()):
            for container in containers:
                self._add(host, container)

    def _check(self, given: dict[str, t.Any]) -> None:
        """Ansible drops what it does not know without a word: "state" would list everything."""
        known = set(C.config.get_configuration_definitions("inventory", self._load_name))
        unknown = sorted(set(given) - known)
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, 1)
            raise AnsibleParserError("there is no option %r%s; options are %s" % (
                unknown[0], ", is it %r?" % near[0] if near else "", ", ".join(sorted(known))))
        if self.get_option("forks") < 1:
            raise AnsibleParserError("forks is at least 1, not %d" % self.get_option("forks"))

    def _answers(self, path: str, cache: bool) -> dict[str, list[dict[str, t.Any]]]:
        """What each host says, from the cache where it is asked for and there."""
        key = self.get_cache_key(path)
        wanted = self.get_option("cache")
        if wanted and cache:
            try:
                return dict(self._cache[key])
            except KeyError:
                pass
        found = self._ask()
        if wanted:
            self._cache[key] = found
        return found

    def _ask(self) -> dict[str, list[dict[str, t.Any]]]:
        with tempfile.TemporaryDirectory(prefix="fleet-lxc-inventory-") as folder:
            playbook, results = (os.path.join(folder, name) for name in ("ask.yml", "results"))
            task = {"name": "Ask", "fleet.lxc.lxc_container_info": {}}
            with open(playbook, "w", encoding="utf-8") as stream:
                json.dump([{"name": "Ask for containers", "gather_facts": False,
                            "hosts": ":".join(self.get_option("hosts")), "tasks": [task]}], stream)
            environment = {**os.environ, _NESTED: "1", "FLEET_LXC_RESULTS_PATH": results,
                           "ANSIBLE_STDOUT_CALLBACK": "fleet.lxc.results",
                           "ANSIBLE_RETRY_FILES_ENABLED": "0"}
            try:
                ended = subprocess.run(
                    [sys.executable, "-m", "ansible", "playbook", "--forks",
                     str(max(self.get_option("forks"), C.DEFAULT_FORKS)), *self._arguments(),
                     playbook],
                    env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                    timeout=self.get_option("timeout"), check=False)
                said = ended.stderr.strip()
            except subprocess.TimeoutExpired:
                said = "it took longer than %d s" % self.get_option("timeout")
            if not os.path.exists(results):
                raise AnsibleParserError(
                    "could not ask %s for containers; are these hosts in another source of the "
                    "inventory? %s" % (", ".join(self.get_option("hosts")), said[-1000:]))
            with open(results, encoding="utf-8") as stream:
                return self._read([json.loads(line) for line in stream])

    @staticmethod
    def _arguments() -> list[str]:
        """The inventory and the vault's secrets, as this run has got them."""
        found = []
        for source in context.CLIARGS.get("inventory") or ():
            found += ["-i", source]
        for secret in context.CLIARGS.get("vault_ids") or ():
            found += ["--vault-id", secret]
        for file in context.CLIARGS.get("vault_password_files") or ():
            found += ["--vault-password-file", file]
        return found

    def _read(self, lines: list[dict[str, t.Any]]) -> dict[str, list[dict[str, t.Any]]]:
        found = {}
        for line in lines:
            if line["status"] == "ok":
                found[line["host"]] = line["result"]["containers"]
            elif line["status"] != "skipped":
                why = [line["result"].get(key, "").strip() for key in ("msg", "module_stderr")]
                self.display.warning("no containers of %s, it is %s: %s" % (
                    line["host"], line["status"], " ".join(filter(None, why))))
        return found

    def _add(self, host: str, container: dict[str, t.Any]) -> None:
        states = self.get_option("states")
        if states and container["state"] not in states:
            return
        definition = container["definition"]
        labels = definition.get("group") or []
        variables = {
            "lxc_name": container["name"], "lxc_host": host, "lxc_state": container["state"],
            "lxc_pid": container["pid"], "lxc_groups": labels, "lxc_definition": definition,
            "lxc_addresses": [item["address"] for item in container["addresses"] or []],
            "ansible_connection": "fleet.lxc.lxc", "ansible_lxc_host": host,
            "ansible_lxc_container": container["name"],
        }
        if not self._included(variables):
            return
        name = str(self._compose(self.get_option("hostname"), variables))
        if name in self.inventory.hosts:
            raise AnsibleParserError(
                "container %s of %s would be a second host %r: set 'hostname', for instance to "
                "lxc_name ~ '.' ~ lxc_host" % (container["name"], host, name))
        self.inventory.add_host(name)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        groups = ["containers", "host_" + host, container["state"].lower()]
        for group in groups + ["group_" + label for label in labels]:
            self.inventory.add_host(name, self.inventory.add_group(
                self._sanitize_group_name("lxc_" + group)))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict)

    def _included(self, variables: dict[str, t.Any]) -> bool:
        for item in self.get_option("filters"):
            (kind, condition), = item.items() if len(item) == 1 else [("", "")]
            if kind not in ("include", "exclude"):
                raise AnsibleParserError("a filter is a dictionary of one key, include or exclude, "
                                         "not %r" % (item,))
            try:
                matches = boolean(self._compose(condition, variables))
            except (AnsibleError, TypeError) as error:
                raise AnsibleParserError("filter %r of container %s: %s" % (
                    condition, variables["lxc_name"], error)) from error
            if matches:
                return bool(kind == "include")
        return True
