# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of playbook report: nothing that a host says is markup, and it fetches nothing."""
from __future__ import annotations

import base64
import hashlib
import html.parser
import pathlib
import re
import typing as t

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core 2.18 trusts what it does not say
    from ansible.utils.unsafe_proxy import wrap_var
else:
    wrap_var = None

PLAYBOOKS = pathlib.Path(__file__).parents[2] / "playbooks"
EVIL = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>{{ 7 * 7 }}&amp;"
VOID = {"meta", "input", "br", "rect"}


def container(**others: t.Any) -> dict[str, t.Any]:
    return {"name": "web1", "state": "RUNNING", "pid": 7, "exit": None, "error": None,
            "started": 1767225600.25, "uptime": 93784.0, "memory": 3 << 20,
            "addresses": [{"link": "eth0", "address": "10.0.3.11/24"}], "processes": [{}, {}],
            "definition": {"hostname": "www", "group": ["web"], "networks": [{}]},
            "usage": {"cpu": {"total": 12.5}, "memory": {"limit": 4 << 20}}, **others}


STOPPED: dict[str, t.Any] = {"state": "STOPPED", "pid": 0, "started": None, "uptime": None,
                             "memory": None, "addresses": [], "processes": [], "usage": None}


def host(**others: t.Any) -> dict[str, t.Any]:
    return {"kernel": {"release": "6.1.0", "machine": "x86_64"}, "cgroups": {"layout": "v2"},
            "resources": {"processors": 2, "load": [0.5, 0.2, 0.1], "uptime": 90.0,
                          "memory": {"total": 1 << 30, "available": 1 << 29}},
            "missing": [{"feature": "vlan", "needed": False, "why": "a", "remedy": "b"}], **others}


def render(found: dict[str, dict[str, t.Any]], title: str = "Fleet report") -> str:
    # The lookup as the playbook has it needs Ansible's whole loader of plugins.
    source = re.sub(r"lookup\('ansible.builtin.file', '(.*)'\)", r"files['\1']",
                    (PLAYBOOKS / "templates" / "report.html.j2").read_text())
    files = {path.name: path.read_text().rstrip() for path in (PLAYBOOKS / "files").iterdir()}
    if wrap_var:
        found = wrap_var(found)
    templar = Templar(DataLoader(), {"ansible_play_hosts_all": list(found), "hostvars": found,
                                     "report_title": title, "files": files})
    return str(templar.template(source if wrap_var else trust_as_template(source)))


class Page(html.parser.HTMLParser):
    """Which elements there are, and the text of the cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text += data

    def count(self, tag: str) -> int:
        return [name for name, _attributes in self.tags].count(tag)

    def values(self, tag: str, attribute: str) -> list[str | None]:
        return [attributes[attribute] for name, attributes in self.tags
                if name == tag and attribute in attributes]


def everything(text: t.Callable[[str], str]) -> dict[str, dict[str, t.Any]]:
    """Hosts and containers, each string of theirs changed by ``text``."""
    def deep(value: t.Any) -> t.Any:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, list):
            return [deep(item) for item in value]
        return {key: deep(item) for key, item in value.items()} \
            if isinstance(value, dict) else value
    error = {"doing": "start", "subject": "web3", "errno": 2, "detail": "no such file"}
    containers = [container(), container(**STOPPED, exit={"signal": 9}),
                  container(**STOPPED, error=error)]
    return {text("h1"): {"ansible_host": text("192.0.2.1"), "report_host": {"host": deep(host())},
                         "report_containers": {"containers": deep(containers),
                                               "msg": text("one of them failed")}},
            text("h2"): {"report_host": {"unreachable": True, "msg": text("refused")},
                         "report_containers": {"skipped": True}},
            text("h3"): {"report_host": {"msg": text("no Python")},
                         "report_containers": {"msg": text("no Python")}}}


def test_no_text_of_a_host_becomes_markup() -> None:
    plain = Page(render(everything(str)))
    evil = Page(render(everything(EVIL.__add__), EVIL))
    assert [tag for tag, _attributes in evil.tags] == [tag for tag, _attributes in plain.tags]
    assert [set(attributes) for _tag, attributes in evil.tags] == \
        [set(attributes) for _tag, attributes in plain.tags]
    assert plain.open == evil.open == []
    # Each of them is there, as it was given.
    for text in ("web1", "www", "web", "h2", "h3", "refused", "no Python", "10.0.3.11/24", "6.1.0",
                 "192.0.2.1", "vlan", "one of them failed", "no such file"):
        assert text in plain.text
        assert EVIL + text in evil.text
    assert evil.text.count(EVIL) > 20


def test_the_page_s_own_script_runs_and_no_other() -> None:
    text = render({})
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    # After a change of report.js this is what belongs into templates/report.html.j2.
    policy, = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "script-src 'sha256-%s'" % digest in policy
    assert policy.startswith("default-src 'none'; ")


def test_nothing_is_fetched() -> None:
    page = Page(render(everything(str)))
    assert not {"link", "img", "iframe", "object", "a"} & {tag for tag, _attributes in page.tags}
    assert not {"src", "href", "style"} & {key for _tag, found in page.tags for key in found}
    for file in (PLAYBOOKS / "files").glob("report.*"):
        assert not re.search(r"url\(|@import|https?://(?!www.gnu.org)|fetch\(|</", file.read_text())


def test_each_host_and_container_has_a_row() -> None:
    page = Page(render(everything(str)))
    assert page.values("tr", "data-host") == ["h1", "h2", "h3", "h1", "h1", "h1"]
    assert page.values("tr", "data-state") == ["RUNNING", "STOPPED", "STOPPED"]
    for text in ("unreachable", "failed", "1 d 2 h", "12.50 s", "0.01 % on average", "3.0 MiB",
                 "of 4.0 MiB", "512.0 MiB", "ended with signal 9", "could not start web3"):
        assert text in page.text
    assert page.values("button", "data-state") == ["RUNNING", "STOPPED"]


def test_a_table_can_be_read_aloud() -> None:
    page = Page(render(everything(str)))
    heads = [found for tag, found in page.tags if tag == "th"]
    assert all(found.get("scope") in ("col", "row") for found in heads)
    assert page.values("th", "aria-sort") == ["ascending", "ascending"]
    ids = {found["id"] for _tag, found in page.tags if "id" in found}
    for attribute in ("aria-labelledby", "for"):
        assert {found[attribute] for _tag, found in page.tags if attribute in found} <= ids
    assert ("html", {"lang": "en"}) in page.tags


@pytest.mark.parametrize("change, expected", [
    ({"uptime": 93790.0, "memory": 1, "usage": None}, True),
    ({"usage": {"memory": {"limit": 4 << 20}, "cpu": {"total": 13.0}}, "memory": 1}, True),
    ({"started": 1767225601.0}, False),
    ({"state": "FROZEN"}, False),
    ({"addresses": []}, False),
    ({"usage": {"memory": {"limit": 5 << 20}}}, False),
])
def test_measurements_alone_are_no_change(change: dict[str, t.Any], expected: bool) -> None:
    def mark(one: dict[str, t.Any]) -> str:
        text = render({"h1": {"report_host": {"host": host()},
                              "report_containers": {"containers": [one]}}})
        return re.findall('<meta name="fleet" content="([0-9a-f]{64})">', text)[0]
    before = container(usage=None) if change.get("usage", 1) is None else container()
    assert (mark(before) == mark({**before, **change})) is expected
