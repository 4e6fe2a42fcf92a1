# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection's reading of an LXC configuration file against liblxc's own.

A file goes to liblxc three times: as it is, as the settings that our parser made of it, and as the
file that our writer makes of the definition. liblxc has to see the same each time.
"""
from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys
import typing as t

from ansible_collections.fleet.lxc.plugins.module_utils._container import lxc_config_parse, spec
from ansible_collections.fleet.lxc.plugins.module_utils._container.lxc_config_map import to_options
from ansible_collections.fleet.lxc.plugins.module_utils._container.lxc_config_values import (
    split_words,
    unescape,
)
from ansible_collections.fleet.lxc.plugins.module_utils._container.lxc_config_write import (
    lxc_config,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import LxcError

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))

from disagreements import REASONS  # noqa: E402

if t.TYPE_CHECKING:
    Dump = t.Optional[dict[str, str]]

CRASHED = {"liblxc": "crashed"}


class Liblxc:
    """A process with liblxc in it, begun again when a file kills it."""

    def __init__(self) -> None:
        self.crashes = 0

    def dumps(self, texts: list[str]) -> list[Dump]:
        found: list[Dump] = []
        while len(found) < len(texts):
            lines = "".join(json.dumps(text) + "\n" for text in texts[len(found):])
            done = subprocess.run(["/usr/bin/python3", "-I", str(HERE / "liblxc.py")], input=lines,
                                  capture_output=True, text=True, check=False)
            found += [json.loads(line) for line in done.stdout.splitlines()]
            if len(found) < len(texts):
                if done.returncode >= 0:
                    raise RuntimeError(done.stderr)
                self.crashes += 1
                found.append(CRASHED)
        return found


class Case(t.NamedTuple):
    """A file as we read it. ``error`` says why not; the texts are for liblxc."""

    text: str
    error: str
    settings: str
    written: str


def read(text: str, path: str = "/oracle.conf") -> Case:
    """As lxc_container would, for a container that is not there yet."""
    try:
        configuration = lxc_config_parse.parse(path, text.encode())
        settings = "".join("lxc.%s = \"%s\"\n" % (s.key, s.value) for s in configuration.settings
                           if not s.key.startswith("fleet."))
    except LxcError as error:
        return Case(text, str(error), "", "")
    try:
        options, _warnings = to_options(configuration, "web1")
        definition = spec.make_definition("web1", {"rootfs": "/srv/a", **options}, None)
        written = lxc_config(definition)
        again, _warnings = to_options(lxc_config_parse.parse(path, written.encode()), "web1")
        if spec.make_definition("web1", again, None) != definition:
            raise AssertionError("the written file is another definition: %r" % text)
    except LxcError as error:
        return Case(text, str(error), settings, "")
    return Case(text, "", settings, written)


def compare(texts: list[str], liblxc: Liblxc) -> dict[str, list[str]]:
    """Reason -> the files where we and liblxc do not agree; "" for none that is listed."""
    cases = [read(text) for text in texts]
    dumps = liblxc.dumps([text for case in cases
                          for text in (case.text, case.settings, case.written)])
    found: dict[str, list[str]] = {}
    for number, case in enumerate(cases):
        for difference in differences(case, *dumps[number * 3:number * 3 + 3], liblxc):
            reason = next((r for r, pattern in REASONS if re.search(pattern, difference)), "")
            found.setdefault(reason, []).append("%s\n%s" % (difference, case.text))
    return found


def differences(case: Case, original: Dump, settings: Dump, written: Dump,
                liblxc: Liblxc) -> list[str]:
    if original is CRASHED:
        return ["liblxc crashed"]
    if original is None:
        return [] if case.error else [_culprit(case.text, liblxc)]
    if case.error:
        return ["only we refuse it: " + case.error]
    found: list[str] = []
    if case.settings:
        found += unequal("settings", case.text, original, settings)
    if case.written:
        found += unequal("written", case.text, plain(original), plain(written))
    return found


def _culprit(text: str, liblxc: Liblxc) -> str:
    """The first line with which liblxc refuses a file."""
    lines = re.split("[\r\n]+", text)
    dumps = liblxc.dumps(["\n".join(lines[:n + 1]) for n in range(len(lines))])
    line = next(line for line, dump in zip(lines, dumps) if dump is None).strip(" \t")
    alone = read(line).error
    return "only liblxc refuses the line%s: %s" % (
        ", which we overwrite" if alone and "is missing" not in alone else "", line)


def unequal(what: str, text: str, one: Dump, other: Dump) -> list[str]:
    if other is None:
        return ["liblxc refuses what we made of it: " + what]
    keys = sorted(key for key in set(one or {}) | set(other) if not key.endswith("hwaddr")
                  or "x" not in text.lower().partition("hwaddr")[2])  # it is random then
    return ["%s: %s: %r is %r" % (what, key, (one or {}).get(key), other.get(key))
            for key in keys if (one or {}).get(key) != other.get(key)]


# What a definition says in another way than the file, and means the same.

_ALWAYS = ("lxc.rootfs.mount", "lxc.rootfs.path", "lxc.pty.max")
_SETS = ("lxc.cap.drop", "lxc.cap.keep", "lxc.group", "lxc.namespace.keep", "lxc.namespace.clone",
         "lxc.rootfs.options", "lxc.init.groups", "lxc.idmap", "lxc.environment")


def plain(dump: Dump) -> Dump:
    found = {key: value for key, value in (dump or {}).items() if key not in _ALWAYS}
    for key in _SETS:
        if key in found:
            words = set(found[key].replace(",", "\n").split("\n")) - {"idmap=container", ""}
            if key == "lxc.environment":  # the last of a name counts
                lines = dict(line.partition("=")[::2] for line in found[key].split("\n"))
                words = {"=".join(item) for item in lines.items()}
            found[key] = "\n".join(sorted(words))
    for key in ("lxc.init.cmd", "lxc.execute.cmd"):
        if key in found:
            found[key] = repr(split_words(found[key]))
    if "lxc.mount.auto" in found:  # cgroup is cgroup:mixed, and with :force it is not shown at all
        found["lxc.mount.auto"] = " ".join(word for word in found["lxc.mount.auto"].split()
                                           if not word.startswith("cgroup"))
    if "lxc.mount.entry" in found:
        found["lxc.mount.entry"] = "\n".join(map(_mount, found["lxc.mount.entry"].split("\n")))
    for key in ("lxc.cgroup", "lxc.cgroup2"):
        values = dict(line.partition(" = ")[::2] for line in found.pop(key, "").split("\n")
                      if line and ".devices." not in line)
        found.update({name.replace("lxc.cgroup2", "lxc.cgroup"): _size(value)
                      for name, value in values.items()})
    if "lxc.prlimit" in found:
        found["lxc.prlimit"] = "\n".join(sorted(found["lxc.prlimit"].split("\n")))
    if "lxc.sysctl" in found:
        found["lxc.sysctl"] = "\n".join(sorted(
            " ".join(line.split()) for line in found["lxc.sysctl"].split("\n")))
    for key in found:
        if key.startswith("lxc.namespace.share."):
            found[key] = found[key].replace("//", "/")
        if key.startswith("lxc.hook."):
            found[key] = "\n".join(line.strip() for line in found[key].split("\n"))
    if found.get("lxc.init.cwd") == "/":
        del found["lxc.init.cwd"]
    if "lxc.tty.dir" in found:
        found["lxc.tty.dir"] = found["lxc.tty.dir"].strip("/")
    if not any(key.startswith("lxc.net.") for key in found):
        found["lxc.net.0.type"] = "none"  # what we make of it, and write down
    numbers = sorted({int(key.split(".")[2]) for key in found if key.startswith("lxc.net.")})
    for place, number in enumerate(numbers):
        for key in [k for k in found if k.startswith("lxc.net.%d." % number)]:
            found["net %d %s" % (place, key.split(".", 3)[3])] = found.pop(key)
    for place in range(len(numbers)):
        kind = found.get("net %d type" % place, "empty")
        if not found.get("net %d name" % place):
            found["net %d name" % place] = "eth%d" % place
        found["net %d flags" % place] = "up"
        if kind != "veth":
            for key in [k for k in found if k.startswith("net %d " % place)]:
                del found[key]
            found["net %d type" % place] = kind
    return {key: value for key, value in found.items() if value not in ("", "0")}


def _mount(line: str) -> str:
    source, target, kind, options = map(unescape, line.split()[:4])
    words = set(options.split(","))
    if words & {"bind", "rbind"}:
        kind = "none"
    words -= {"defaults", "bind", "rbind", ""}
    return " ".join((source, target, kind, *sorted(words)))


def _size(value: str) -> str:
    value = " ".join(value.split())
    if value in ("max", "-1"):
        return "max"
    shift = {"k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}.get(value[-1:].lower(), 0)
    return str(int(value[:-1]) << shift) if shift and value[:-1].isdecimal() else value
