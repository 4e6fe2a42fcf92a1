# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides show tasks that there are: modules, roles, options, choices, and LXC's commands."""
from __future__ import annotations

import ast
import errno
import os
import pathlib
import re
import textwrap
import typing as t

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
GUIDES = sorted((ROOT / "docs" / "docsite" / "rst").glob("*.rst"))
BLOCK = re.compile(r"^\.\. code-block:: yaml\n\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)
# The commands of LXC 5.0.2's man pages, and those of LXC 0.6 that are gone.
COMMANDS = """attach autostart cgroup checkconfig checkpoint config console copy create destroy
    device execute freeze info ls monitor snapshot start stop top unfreeze unpriv-attach
    unpriv-start unshare update-config user-nic usernsexec wait
    kill netstat priority ps setcap setuid version""".split()
# Of LXC 5.0.2, by --help and by the man pages, but for those of all commands.
OPTIONS = {
    "attach": "-a --arch -e --elevated-privileges -s --namespaces -R --remount-sys-proc "
              "--clear-env --keep-env -L --pty-log -v --set-var --keep-var -u --uid -g --gid "
              "-c --context",
    "autostart": "-k --kill -L --list -r --reboot -s --shutdown -a --all -A --ignore-auto -g "
                 "--groups -t --timeout",
    "checkpoint": "-r -D -v -A -s -p --predump-dir -d -F",
    "config": "-l",
    "console": "-t --tty -e --escape",
    "copy": "-N --newname -p --newpath -R --rename -s --snapshot -a --allowrunning -F --foreground "
            "-d --daemon -e --ephemeral -m --mount -B --backingstorage -t --tmpfs -L --fssize -D "
            "--keepdata -K --keepname -M --keepmac",
    "create": "-f --config -t --template -B --bdev --dir --lvname --vgname --thinpool --rbdname "
              "--rbdpool --zfsroot --fstype --fssize",
    "destroy": "-s --snapshots -f --force",
    "execute": "-d --daemon -s --define -u --uid -g --gid",
    "info": "-c --config -i --ips -p --pid -S --stats -H --no-humanize -s --state",
    "ls": "-1 --line -f --fancy -F --fancy-format --active --running --frozen --stopped --defined "
          "--nesting --filter -g --groups",
    "monitor": "-Q --quit",
    "snapshot": "-L --list -r --restore -N --newname -d --destroy -c --comment -C --showcomments",
    "start": "-d --daemon -F --foreground -p --pidfile -c --console -L --console-log -C "
             "--close-all-fds -s --define --share-net --share-ipc --share-uts --share-pid",
    "stop": "-r --reboot -W --nowait -t --timeout -k --kill --nolock --nokill",
    "top": "-d --delay -b --batch -s --sort -r --reverse",
    "unshare": "-s --namespaces -u --user -H --hostname -i --ifname -d --daemon -M --remount",
    "update-config": "-c",
    "usernsexec": "-m",
    "wait": "-s --state -t --timeout",
}


def blocks(guide: pathlib.Path) -> list[t.Any]:
    return [yaml.safe_load(textwrap.dedent(text)) for text in BLOCK.findall(guide.read_text())]


def documented(name: str) -> dict[str, t.Any]:
    """Options of a module or an event source."""
    places = (ROOT / "plugins" / "modules",
              ROOT / "extensions" / "eda" / "plugins" / "event_source")
    file = next(found for place in places for found in place.glob(name + ".py"))
    found = documentation(file.read_text())
    options: dict[str, t.Any] = dict(found["options"])
    for fragment in found.get("extends_documentation_fragment", []):
        file = ROOT / "plugins" / "doc_fragments" / (fragment.split(".")[2] + ".py")
        options.update(documentation(file.read_text())["options"])
    return options


def documentation(text: str) -> dict[str, t.Any]:
    """What a file of Python has as DOCUMENTATION, of a module or of a fragment's class."""
    found: dict[str, t.Any] = next(
        yaml.safe_load(node.value.value) for node in ast.walk(ast.parse(text))  # type: ignore[attr-defined]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "DOCUMENTATION")
    return found


def role_options(role: str) -> dict[str, t.Any]:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text())
    options: dict[str, t.Any] = specs["argument_specs"]["main"]["options"]
    return options


def wrong(given: t.Any, options: dict[str, t.Any], where: str) -> list[str]:
    """What a task says that there is not."""
    if not isinstance(given, dict):
        return []
    known = {name for key, option in options.items() for name in [key, *option.get("aliases", [])]}
    found = ["%s.%s" % (where, name) for name in given if name not in known]
    for name, value in given.items():
        option = options.get(name, {})
        values = value if isinstance(value, list) else [value]
        if "choices" in option:
            choices = [str(choice) for choice in option["choices"]]
            found += ["%s.%s=%s" % (where, name, one) for one in values
                      if "{{" not in str(one)
                      and str(one) not in choices and str(one).lower() not in choices]
        for one in values:
            inner = option.get("suboptions") or option.get("options")
            if inner:
                found += wrong(one, inner, "%s.%s" % (where, name))
    return found


def mistakes(node: t.Any) -> list[str]:
    """All of them in a block, wherever its tasks are."""
    if isinstance(node, list):
        return [one for item in node for one in mistakes(item)]
    if not isinstance(node, dict):
        return []
    found = []
    for key, value in node.items():
        module = re.fullmatch(r"fleet\.lxc\.(\w+)", str(key))
        if module:
            found += wrong(value, documented(module.group(1)), module.group(1))
    if str(node.get("role", "")).startswith("fleet.lxc."):
        found += wrong(node.get("vars", {}), role_options(node["role"].split(".")[2]), node["role"])
    return found + [one for value in node.values() for one in mistakes(value)]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.stem))
def test_what_tasks_say_is_there(guide: pathlib.Path) -> None:
    assert [one for block in blocks(guide) for one in mistakes(block)] == []


def test_mistakes_are_found() -> None:
    task = [{"fleet.lxc.lxc_state": {"nmae": "web1", "state": "running"}},
            {"role": "fleet.lxc.ssh", "vars": {"ssh_nmae": "web1"}},
            {"fleet.lxc.lxc_container": {"networks": [{"type": "vteh", "lnik": "br0"}]}}]
    assert mistakes(task) == [
        "lxc_state.nmae", "lxc_state.state=running", "fleet.lxc.ssh.ssh_nmae",
        "lxc_container.networks.lnik", "lxc_container.networks.type=vteh"]


def test_every_guide_is_in_the_table_of_contents() -> None:
    extra = yaml.safe_load((ROOT / "docs" / "docsite" / "extra-docs.yml").read_text())
    listed = [page for section in extra["sections"] for page in section["toctree"]]
    assert sorted(listed) == [guide.stem for guide in GUIDES]


def test_every_command_of_lxc_is_mapped() -> None:
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_lxc_tools.rst").read_text()
    assert [name for name in COMMANDS if "``lxc-%s``" % name not in page] == []


@pytest.mark.parametrize("command", sorted(OPTIONS))
def test_every_option_of_lxc_is_mapped(command: str) -> None:
    """In the section of its command, or where those are that nothing corresponds to."""
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_lxc_tools.rst").read_text()
    parts = re.split(r"^(.+)\n[~-]{4,}$", page, flags=re.MULTILINE)
    section, = (text for title, text in zip(parts[1::2], parts[2::2])
                if "lxc-" + command in title.split(", ") or title == "What there is nothing for"
                and "``lxc-%s``" % command in text)
    assert [option for option in OPTIONS[command].split()
            if not re.search(r"(?<![\w-])%s(?![\w-])" % option, section)] == []


def test_messages_of_troubleshooting_are_messages() -> None:
    said = {node.value for path in (ROOT / "plugins" / "module_utils").rglob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    said |= {os.strerror(number) for number in errno.errorcode}
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_troubleshooting.rst").read_text()
    terms = re.findall(r"^(``.*)\n {4}\S", page, re.MULTILINE)
    pieces = {piece.strip() for term in terms for message in re.findall("``(.+?)``", term)
              for piece in re.split(r"…|: | \(E[A-Z]+\)", message) if piece.strip()}
    assert len(pieces) > 40
    assert sorted(piece for piece in pieces
                  if not any(piece in text.replace("%s", "") for text in said)) == []
