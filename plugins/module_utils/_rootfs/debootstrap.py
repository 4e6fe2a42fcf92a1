# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian (or a kin of it) out of its packages: what is asked, and the program that makes it."""
from __future__ import annotations

import hashlib
import json
import os
import shlex
import typing as t

from .._kernel.errors import LxcError
from . import apt_sources, programs

TOOLS = ("mmdebstrap", "debootstrap")
VARIANTS = ("minbase", "standard", "buildd")
_DOING = "use as option of a root file system:"
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+.:~_/=")
# What a build takes at most, with the packages that are fetched for it.
_ROOM = {"minbase": 700 << 20, "standard": 1200 << 20, "buildd": 1500 << 20}
_ROOM_PER_PACKAGE = 20 << 20
# What each variant of mmdebstrap installs, as apt-patterns(7) say it.
_PATTERNS = {"minbase": ("?essential", "?priority(required)", "apt"),
             "standard": ("?essential", "?priority(required)", "?priority(important)", "apt"),
             "buildd": ("?essential", "?priority(required)", "apt", "build-essential")}
# mmdebstrap has apt fetch one package after the other, in two of its steps. This fetches them all
# before, over four connections; apt takes what is there. apt-helper compares each with what the
# signed list says of it: its SHA256, since apt-get names MD5 unless it is told otherwise. Nothing
# of this is an error: what fails here, mmdebstrap tries again, and says why. It would not ask for
# lists again once apt has a cache of them.
_FETCH = """\
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get update --error-on=any || { rm -f "$1"/var/cache/apt/*.bin; exit 0; }
mkdir -p "$1/var/cache/apt/archives" && cd "$1/var/cache/apt/archives" || exit 0
apt-get -o Acquire::ForceHash=SHA256 --print-uris --yes install %s |
sed -n "s/^'\\(http[^']*\\)' \\([^ ]*[.]deb\\) [0-9]* \\(SHA256:.*\\)/\\1 \\2 \\3/p" |
xargs -r -P 4 -n 72 /usr/lib/apt/apt-helper download-file
rm -f -- *.FAILED
"""
# Debian's names; dpkg is not asked, since debootstrap runs on hosts without it.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386",
                  "ppc64le": "ppc64el", "s390x": "s390x", "riscv64": "riscv64"}


class DebootstrapSpec(t.NamedTuple):
    """The options as they were given; None is the host's own."""

    suite: str | None = None
    variant: str = "minbase"
    mirror: str | None = None
    keyring: str | None = None
    packages: tuple[str, ...] = ()
    components: tuple[str, ...] = ("main",)
    architecture: str | None = None
    tool: str | None = None
    cache_days: float = 7
    timeout: float = 1800


class Recipe(t.NamedTuple):
    """Everything that a build depends on, decided."""

    tool: str
    suite: str
    variant: str
    mirror: str
    keyring: str
    packages: tuple[str, ...]
    components: tuple[str, ...]
    architecture: str

    @property
    def name(self) -> str:
        """Of the tree in the cache: the same for whatever would be built the same."""
        digest = hashlib.sha256(json.dumps(self).encode()).hexdigest()
        return "debootstrap-%s-%s-%s" % (self.suite.replace("/", "-"), self.variant, digest[:16])

    def source(self) -> dict[str, t.Any]:
        """For the manifest."""
        return {"suite": self.suite, "variant": self.variant, "mirror": self.mirror,
                "packages": list(self.packages), "components": list(self.components),
                "architecture": self.architecture, "tool": self.tool}

    def room(self) -> int:
        """Bytes that the build may take."""
        return _ROOM[self.variant] + _ROOM_PER_PACKAGE * len(self.packages)

    def argv(self, program: str, target: str) -> list[str]:
        """The command line. Both programs know the same variants, but for the name of one."""
        options = ["--variant=" + ("-" if self.tool == "mmdebstrap" and self.variant == "standard"
                                   else self.variant),
                   "--keyring=" + self.keyring]
        if self.tool == "mmdebstrap":
            options += ["--mode=root", "--format=directory",
                        "--architectures=" + self.architecture,
                        "--components=" + ",".join(self.components),
                        "--setup-hook=" + self._fetch()]
            if self.packages:
                options.append("--include=" + ",".join(self.packages))
            return [program, *options, self.suite, target, self.mirror]
        options.append("--arch=" + self.architecture)
        options.append("--components=" + ",".join(self.components))
        if self.packages:
            options.append("--include=" + ",".join(self.packages))
        options = [o for o in options if o != "--variant=standard"]  # it is debootstrap's default
        return [program, *options, self.suite, target, self.mirror]

    def _fetch(self) -> str:
        wanted = (*_PATTERNS[self.variant], *self.packages)
        return _FETCH % " ".join(map(shlex.quote, wanted))


class Host(t.NamedTuple):
    """What of the host a recipe depends on."""

    programs: dict[str, str]  # of TOOLS, those that are there
    sources: list[apt_sources.Source]
    distribution: str
    codename: str
    keyring: str | None
    machine: str


def make_debootstrap(options: dict[str, t.Any]) -> DebootstrapSpec:
    """The options, checked.

    :raises LxcError: naming the first that can't be
    """
    given = {key: value for key, value in options.items() if value is not None}
    spec = DebootstrapSpec(**{**given, "packages": tuple(given.get("packages") or ()),
                              "components": tuple(given.get("components") or ("main",))})
    words = {"suite": [spec.suite], "packages": spec.packages, "components": spec.components,
             "architecture": [spec.architecture]}
    for option, values in words.items():
        for value in values:
            # A leading "-" would be an option to the program, a comma another item.
            if value is not None and (not value or value[0] == "-" or not set(value) <= _WORD):
                raise LxcError(_DOING, "debootstrap.%s" % option, detail="%r is no name" % value,
                               hint="Give names as apt knows them, one an item.")
    name = _ARCHITECTURES.get(spec.architecture or "", spec.architecture)
    if name != spec.architecture:
        raise LxcError(_DOING, "debootstrap.architecture", detail="%r is what the kernel calls it"
                       % spec.architecture, hint="Debian's name is %s." % name)
    if spec.variant not in VARIANTS:
        raise LxcError(_DOING, "debootstrap.variant", detail="%r is none" % spec.variant,
                       hint="Variants are: %s." % ", ".join(VARIANTS))
    if spec.mirror is not None and (not spec.mirror.startswith(("http://", "https://", "file:///"))
                                    or not spec.mirror.isprintable() or " " in spec.mirror):
        raise LxcError(_DOING, "debootstrap.mirror", detail="%r is no address" % spec.mirror,
                       hint="Give one with http://, https:// or file:///.")
    if spec.keyring is not None and not spec.keyring.startswith("/"):
        raise LxcError(_DOING, "debootstrap.keyring", detail="%r is not absolute" % spec.keyring,
                       hint="Give the whole path from / on, on the managed host.")
    if spec.cache_days < 0 or spec.timeout <= 0:
        raise LxcError(_DOING, "debootstrap", detail="'cache_days' and 'timeout' are no negative "
                       "numbers", hint="0 for 'cache_days' builds anew each time.")
    return spec


def observe_host() -> Host:
    """Look at the host, as far as ``decide`` has to know it."""
    release = apt_sources.read_release()
    distribution = release.get("ID", "")
    return Host({name: path for name in TOOLS for path in [programs.find(name)] if path},
                apt_sources.read_sources(), distribution, release.get("VERSION_CODENAME", ""),
                apt_sources.find_keyring(distribution), os.uname().machine)


def decide(spec: DebootstrapSpec, host: Host) -> Recipe:
    """What exactly is built on this host. Pure.

    :raises LxcError: when the host says too little, or lacks the program
    """
    doing = "bootstrap"
    tool = spec.tool or next((name for name in TOOLS if name in host.programs), "")
    if tool not in host.programs:
        raise LxcError(doing, spec.suite or "", detail="the host has no %s"
                       % (spec.tool or "mmdebstrap and no debootstrap"),
                       hint="Install one of them: the role fleet.lxc.host does with "
                            "'host_rootfs_tools: [mmdebstrap]'.")
    suite = spec.suite or host.codename
    if not suite:
        raise LxcError(doing, "", detail="the host's /etc/os-release names no release",
                       hint="Say which in 'debootstrap.suite'.")
    source = apt_sources.choose(host.sources, suite, host.codename)
    mirror = spec.mirror or (source.uri if source else "")
    if not mirror:
        raise LxcError(doing, suite, detail="the host's apt has no archive of whole releases",
                       hint="Say where packages come from in 'debootstrap.mirror'.")
    keyring = spec.keyring or (source.keyring if source and not spec.mirror else None) \
        or host.keyring
    if not keyring:
        raise LxcError(doing, suite, detail="the host has no keys to check packages with",
                       hint="Install debian-archive-keyring (or the like), or name a file in "
                            "'debootstrap.keyring'.")
    architecture = spec.architecture or _ARCHITECTURES.get(host.machine, "")
    if not architecture:
        raise LxcError(doing, suite, detail="%s has no known name at Debian" % host.machine,
                       hint="Say it in 'debootstrap.architecture'.")
    return Recipe(tool, suite, spec.variant, mirror, keyring, tuple(sorted(set(spec.packages))),
                  spec.components, architecture)
