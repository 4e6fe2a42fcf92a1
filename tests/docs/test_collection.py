# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pages say is what is there: links, tables, the action group, every role's papers."""
from __future__ import annotations

import pathlib
import re
import subprocess
import urllib.parse

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("lxc_*.py"))
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
PAGES = sorted(path for path in ROOT.rglob("*.md")
               if not set(path.relative_to(ROOT).parts) & {".venv", ".cache", "output"})
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: pathlib.Path) -> str:
    """A page without its code blocks, in which brackets are no links."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: pathlib.Path) -> set[str]:
    """The fragments that a page's headings make, as the usual renderers name them."""
    headings = re.findall(r"^#+ (.*)", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: pathlib.Path) -> None:
    broken = []
    for link in (plain or image for plain, image in LINK.findall(prose(page))):
        parts = urllib.parse.urlsplit(link)
        if parts.scheme:
            continue
        target = page.parent / urllib.parse.unquote(parts.path) if parts.path else page
        if not target.exists() or (parts.fragment and target.suffix == ".md"
                                   and parts.fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_lists_what_there_is() -> None:
    rows = re.findall(r"^\| \[?`(\w+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(MODULES + ROLES)


def test_the_readme_lists_every_plugin() -> None:
    rows = re.findall(r"^\| ([a-z ]+) `fleet\.lxc\.(\w+)`", (ROOT / "README.md").read_text(),
                      re.MULTILINE)
    folders = {kind: ROOT / "plugins" / kind for kind in ("callback", "connection", "inventory")}
    folders["event source"] = ROOT / "extensions" / "eda" / "plugins" / "event_source"
    assert sorted(rows) == sorted((kind, path.stem) for kind, folder in folders.items()
                                  for path in folder.glob("[a-z]*.py"))


def test_the_action_group_has_every_module() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["action_groups"]["lxc"] == MODULES


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_its_papers(role: str) -> None:
    folder = ROOT / "roles" / role
    specs = yaml.safe_load((folder / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text()) or {}
    readme = (folder / "README.md").read_text()
    options = specs["main"]["options"]
    assert [name for name in options if "`%s`" % name not in readme] == []
    assert [name for name in defaults if name not in options] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_heeds_check_mode_whoever_asks_for_it(role: str) -> None:
    """ansible_check_mode is the command line's alone, not a task's or a play's."""
    for path in (ROOT / "roles" / role / "tasks").glob("*.yml"):
        assert not re.search("^[^#]*ansible_check_mode", path.read_text(), re.MULTILINE), path


@pytest.mark.parametrize("name", MODULES)
def test_a_module_has_an_integration_target(name: str) -> None:
    assert (ROOT / "tests" / "integration" / "targets" / name / "tasks" / "main.yml").exists()


def test_the_ignore_files_of_the_sanity_tests_are_empty() -> None:
    assert [path.name for path in (ROOT / "tests" / "sanity").iterdir() if path.read_text()] == []


def test_no_registry_is_named() -> None:
    """Registries are a matter of each machine's configuration."""
    files = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\0")
    hosts = re.compile("(pypi|pythonhosted|debian|galaxy.ansible|quay|docker)[.](org|com|io)")
    assert [name for name in files if name and (ROOT / name).is_file()
            and hosts.search((ROOT / name).read_text(errors="replace"))] == []
