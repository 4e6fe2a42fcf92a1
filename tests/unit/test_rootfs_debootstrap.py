# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What debootstrap: means on a host, and which values are refused. No I/O."""
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import (
    apt_sources,
    debootstrap,
    observe,
    plan,
    spec,
)

Source = apt_sources.Source
MIRROR, OTHER = "http://mirror.example.com/debian", "http://other.example.com/apt"
HOST = debootstrap.Host(
    {"mmdebstrap": "/usr/bin/mmdebstrap", "debootstrap": "/usr/sbin/debootstrap"},
    [Source(OTHER, ["stable"], ["contrib"]), Source(MIRROR + "-security", ["bookworm-security"],
                                                    ["main"]),
     Source(MIRROR, ["bookworm", "bookworm-updates"], ["main", "contrib"], "/keys/debian.gpg")],
    "debian", "bookworm", "/usr/share/keyrings/debian-archive-keyring.gpg", "x86_64")
PATH = "/var/lib/fleet-lxc/rootfs/db1"


def recipe(host: debootstrap.Host = HOST, **options: t.Any) -> debootstrap.Recipe:
    return debootstrap.decide(debootstrap.make_debootstrap(options), host)


def test_one_line_sources() -> None:
    text = """# deb http://commented.example.com/ x main
deb [arch=amd64 signed-by=/keys/a.gpg] http://a.example.com/debian bookworm main contrib # why
deb [ arch=amd64 ] http://b.example.com/debian bookworm main
deb-src http://a.example.com/debian bookworm main
deb http://flat.example.com/ ./
"""
    assert apt_sources.parse_list(text) == [
        Source("http://a.example.com/debian", ["bookworm"], ["main", "contrib"], "/keys/a.gpg"),
        Source("http://b.example.com/debian", ["bookworm"], ["main"]),
        Source("http://flat.example.com/", ["./"], [])]


def test_deb822_sources() -> None:
    text = """Types: deb deb-src
# a comment
URIs: http://a.example.com/debian
 http://b.example.com/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /keys/a.gpg

Types: deb
Enabled: no
URIs: http://off.example.com/debian
Suites: trixie
Components: main

Types: deb
URIs: http://c.example.com/
Suites: trixie
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
"""
    found = apt_sources.parse_deb822(text)
    assert [(s.uri, s.keyring) for s in found] == [
        ("http://a.example.com/debian", "/keys/a.gpg"),
        ("http://b.example.com/debian", "/keys/a.gpg"), ("http://c.example.com/", None)]
    assert found[0].suites == ["trixie", "trixie-updates"]


def test_the_mirror_is_the_hosts_for_this_suite_or_else_for_its_own_release() -> None:
    own = Source("http://new.example.com/", ["trixie"], ["main"])
    assert apt_sources.choose(HOST.sources, "trixie", "bookworm") == HOST.sources[2]
    assert apt_sources.choose([*HOST.sources, own], "trixie", "bookworm") == own
    assert apt_sources.choose(HOST.sources[:2], "trixie", "bookworm") is None


def test_everything_left_out_is_the_hosts() -> None:
    made = recipe()
    assert made == debootstrap.Recipe("mmdebstrap", "bookworm", "minbase", MIRROR,
                                      "/keys/debian.gpg", (), ("main",), "amd64")
    *options, hook, suite, target, mirror = made.argv("/usr/bin/mmdebstrap", "/x")
    assert options == [
        "/usr/bin/mmdebstrap", "--variant=minbase", "--keyring=/keys/debian.gpg", "--mode=root",
        "--format=directory", "--architectures=amd64", "--components=main"]
    assert hook.startswith("--setup-hook=")
    assert [suite, target, mirror] == ["bookworm", "/x", MIRROR]


@pytest.mark.parametrize("variant, patterns", [
    ("minbase", "'?essential' '?priority(required)' apt"),
    ("standard", "'?essential' '?priority(required)' '?priority(important)' apt"),
    ("buildd", "'?essential' '?priority(required)' apt build-essential"),
])
def test_what_is_asked_for_is_fetched_before(variant: str, patterns: str) -> None:
    argv = recipe(variant=variant, packages=["vim", "~nless"]).argv("/usr/bin/mmdebstrap", "/x")
    hook = next(option for option in argv if option.startswith("--setup-hook="))
    assert " install %s vim '~nless' |\n" % patterns in hook


def test_keys_of_the_hosts_mirror_are_not_taken_for_another() -> None:
    assert recipe(mirror=OTHER).keyring == HOST.keyring
    assert recipe(mirror=OTHER, keyring="/keys/mine.gpg").keyring == "/keys/mine.gpg"


def test_debootstrap_is_taken_where_it_is_asked_for_or_alone() -> None:
    made = recipe(tool="debootstrap", variant="standard", packages=["vim", "less"])
    assert made.argv("debootstrap", "/x") == [
        "debootstrap", "--keyring=/keys/debian.gpg", "--arch=amd64", "--components=main",
        "--include=less,vim", "bookworm", "/x", MIRROR]
    alone = HOST._replace(programs={"debootstrap": "/usr/sbin/debootstrap"})
    assert recipe(alone).tool == "debootstrap"


def test_the_order_of_packages_makes_no_other_tree() -> None:
    assert recipe(packages=["a", "b", "b"]).name == recipe(packages=["b", "a"]).name
    assert recipe(packages=["a"]).name != recipe(packages=["b"]).name
    assert recipe(suite="trixie").name.startswith("debootstrap-trixie-minbase-")


@pytest.mark.parametrize("host, options, said", [
    (HOST._replace(programs={}), {}, "no mmdebstrap and no debootstrap"),
    (HOST._replace(programs={"debootstrap": "/x"}), {"tool": "mmdebstrap"}, "no mmdebstrap"),
    (HOST._replace(codename=""), {}, "names no release"),
    (HOST._replace(sources=[]), {}, "no archive"),
    (HOST._replace(sources=[], keyring=None), {"mirror": MIRROR}, "no keys"),
    (HOST._replace(machine="vax"), {}, "no known name"),
])
def test_a_host_that_says_too_little_is_named(host: debootstrap.Host, options: dict[str, t.Any],
                                              said: str) -> None:
    with pytest.raises(LxcError) as caught:
        recipe(host, **options)
    assert said in str(caught.value) and caught.value.hint


@pytest.mark.parametrize("options, said", [
    ({"suite": "-o"}, "suite"),
    ({"suite": "a b"}, "suite"),
    ({"packages": ["a,b"]}, "packages"),
    ({"packages": [""]}, "packages"),
    ({"packages": ["--hook"]}, "packages"),
    ({"components": ["main\n"]}, "components"),
    ({"architecture": "amd64;"}, "architecture"),
    ({"architecture": "x86_64"}, "amd64"),
    ({"architecture": "aarch64"}, "arm64"),
    ({"variant": "huge"}, "variant"),
    ({"mirror": "deb http://x/ y main"}, "mirror"),
    ({"mirror": "http://x/\n"}, "mirror"),
    ({"mirror": "-"}, "mirror"),
    ({"keyring": "keys.gpg"}, "keyring"),
    ({"cache_days": -1}, "cache_days"),
    ({"timeout": 0}, "timeout"),
])
def test_values_that_can_not_be_are_refused(options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(LxcError) as caught:
        debootstrap.make_debootstrap(options)
    assert said in str(caught.value) and caught.value.hint


def steps(cached: bool, **options: t.Any) -> list[str]:
    asked = spec.make_spec({"path": PATH, "debootstrap": options})
    state = observe.RootfsState(recipe=recipe(**options), program="/usr/bin/mmdebstrap",
                                cached={} if cached else None)
    return [o.describe().split()[0] for o in plan.plan_present(asked, state)]


def test_the_second_is_a_copy() -> None:
    assert steps(False) == ["bootstrap", "make", "copy", "make", "give"]
    assert steps(True) == ["make", "copy", "make", "give"]
    assert steps(False, cache_days=0) == ["make", "bootstrap", "make", "give"]


def there(**options: t.Any) -> observe.RootfsState:
    asked = spec.make_spec({"path": PATH, "debootstrap": options})
    made = plan.make_manifest(asked, observe.RootfsState(recipe=recipe(**options)))
    return observe.RootfsState(kind="folder", manifest=made)


def test_what_is_there_is_left_as_it_is() -> None:
    asked = spec.make_spec({"path": PATH, "debootstrap": {"packages": ["vim"]}})
    assert plan.plan_present(asked, there(packages=["less", "vim"])) == []


@pytest.mark.parametrize("options, said", [
    ({"suite": "trixie"}, "suite bookworm"), ({"variant": "buildd"}, "variant minbase"),
    ({"mirror": OTHER}, "mirror"), ({"packages": ["vim"]}, "without vim"),
    ({"components": ["main", "contrib"]}, "components"),
])
def test_another_tree_is_refused_not_replaced(options: dict[str, t.Any], said: str) -> None:
    with pytest.raises(LxcError) as caught:
        plan.plan_present(spec.make_spec({"path": PATH, "debootstrap": options}), there())
    assert said in caught.value.detail and "state: absent" in caught.value.hint


def test_a_layer_of_another_is_not_removed() -> None:
    state = there()
    state.clones = ["/var/lib/fleet-lxc/rootfs/web1"]
    with pytest.raises(LxcError) as caught:
        plan.plan_absent(spec.make_spec({"path": PATH}), state)
    assert "web1" in caught.value.detail
