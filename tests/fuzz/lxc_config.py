# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The long run of what tests/runtime/test_lxc_oracle.py does briefly.

    .venv/bin/python tests/fuzz/lxc_config.py crash 1000000    in this process: LxcError, or nothing
    .venv/bin/python tests/fuzz/lxc_config.py oracle 100000    against liblxc

Prints a line for each finding and each reason; ends with 1 where there is an unlisted one.
"""
from __future__ import annotations

import argparse
import importlib
import pathlib
import sys
import time

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "oracle")]
importlib.import_module("conftest")  # makes the checkout the collection that it is

import compare  # noqa: E402
import generate  # noqa: E402
from ansible_collections.fleet.lxc.plugins.module_utils._container import (  # noqa: E402
    lxc_config_map,
    lxc_config_parse,
    lxc_config_write,
    spec,
)
from ansible_collections.fleet.lxc.plugins.module_utils._kernel.errors import (  # noqa: E402
    LxcError,
)

FILES = {"/a.conf": b"lxc.uts.name = a\n", "/b.conf": b"lxc.include = /b.conf\n",
         "/c.conf": b"\xff\nlxc.network.type = veth\n"}


def load(path: str) -> list[tuple[str, bytes]]:
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory")
    return [(path, FILES[path])]


def made(generator: generate.Generator, with_own: bool) -> str:
    """A file of one of several kinds; with the dialect of 2009 and our own lines, or without."""
    modern, legacy = generator.file()
    text = modern if not with_own or generator.random.random() < 0.5 else legacy
    kind = generator.random.random()
    if with_own and kind < 0.3:
        text = "\n".join([*(generator.own() for _number in range(2)), text])
    if kind > 0.8:
        return text
    return generator.mutated(text) if kind < 0.5 else generator.crossed(text)


def try_one(text: str) -> bool:
    """Whether it is a definition; one that is comes back from both of its forms."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        configuration = lxc_config_parse.parse("/web.conf", data, load)
        options, _warnings = lxc_config_map.to_options(configuration, "web1")
        definition = spec.make_definition("web1", {"rootfs": "/srv/a", **options}, None)
    except LxcError as error:
        if not str(error) or not error.hint:
            raise AssertionError("an error without a remedy: %s" % error) from error
        return False
    written = lxc_config_write.lxc_config(definition).encode()
    again, _warnings = lxc_config_map.to_options(
        lxc_config_parse.parse("/web.conf", written, load), "web1")
    typed = lxc_config_write.options_of(definition)
    for way in (again, typed):
        if spec.make_definition("web1", way, None) != definition:
            raise AssertionError("it does not come back: %r" % definition)
    return True


def crash(count: int, seed: int) -> int:
    generator = generate.Generator(seed, tuple(spec.OPTIONS))
    good = findings = 0
    for number in range(count):
        text = made(generator, True)
        try:
            good += try_one(text)
        except Exception as error:  # noqa: BLE001  (which is what this looks for)
            findings += 1
            say("%d: %s: %s: %r" % (number, type(error).__name__, error, text))
            if findings >= 20:
                break
    say("%d files, %d of them definitions, %d findings" % (count, good, findings))
    return findings


def oracle(count: int, seed: int) -> int:
    generator = generate.Generator(seed)
    liblxc = compare.Liblxc()
    found: dict[str, int] = {}
    good = 0
    for start in range(0, count, 1000):
        texts = []
        for _file in range(min(1000, count - start)):
            text = made(generator, False)
            if "include" not in text and "log.file" not in text and text.isprintable() \
                    or text.encode("utf-8", "replace").decode() == text and "\0" not in text:
                texts.append(text)
        good += sum(not compare.read(text).error for text in texts)
        for reason, cases in compare.compare(texts, liblxc).items():
            found[reason] = found.get(reason, 0) + len(cases)
            if not reason:
                for case in cases:
                    say("unlisted: %r" % case)
    for reason, cases in sorted(found.items(), key=lambda item: -item[1]):
        say("%7d %s" % (cases, reason or "UNLISTED"))
    say("%d files, %d of them definitions, liblxc crashed %d times" % (
        count, good, liblxc.crashes))
    return found.get("", 0)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["crash", "oracle"])
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    began = time.monotonic()
    run = {"crash": crash, "oracle": oracle}[arguments.what]
    findings = run(arguments.count, arguments.seed)
    say("%.0f s" % (time.monotonic() - began))
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
