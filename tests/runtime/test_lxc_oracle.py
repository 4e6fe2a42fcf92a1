# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our reading of LXC configuration files against liblxc's, which has the last word but for what
tests/oracle/disagreements.py lists. The long run is tests/fuzz/lxc_config.py."""
from __future__ import annotations

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle"))

import compare  # noqa: E402
import disagreements  # noqa: E402
import generate  # noqa: E402

LIBLXC = pathlib.Path("/usr/lib/python3/dist-packages/lxc/__init__.py")
pytestmark = pytest.mark.skipif(not LIBLXC.exists(), reason="there is no python3-lxc, which "
                                "./dev test installs")
SHIPPED = sorted(pathlib.Path("/usr/share/lxc/config").glob("*.conf"))


def unlisted(texts: list[str]) -> list[str]:
    return compare.compare(texts, compare.Liblxc()).get("", [])


def test_what_debian_ships() -> None:
    assert len(SHIPPED) >= 4
    texts = [path.read_text() for path in SHIPPED]
    texts += ["lxc.include = %s\n" % path for path in SHIPPED]
    # /etc/lxc/default.conf of the package lxc, which is not needed here
    texts.append("lxc.net.0.type = veth\nlxc.net.0.link = lxcbr0\nlxc.net.0.flags = up\n\n"
                 "lxc.apparmor.profile = generated\nlxc.apparmor.allow_nesting = 1\n")
    texts.append("lxc.include = /usr/share/lxc/config/common.conf\n"
                 "lxc.include = /usr/share/lxc/config/userns.conf\n"
                 "lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n")
    assert [compare.read(text).error for text in texts] == [""] * len(texts)
    assert unlisted(texts) == []


def test_files_at_random() -> None:
    generator = generate.Generator(2009)
    pairs = [generator.file() for _number in range(400)]
    assert unlisted([modern for modern, _legacy in pairs]) == []
    cases = [(compare.read(modern), compare.read(legacy)) for modern, legacy in pairs]
    assert sum(not modern.error for modern, _legacy in cases) > 200
    for modern, legacy in cases:  # both dialects are one meaning
        assert (modern.settings, modern.written, bool(modern.error)) == (
            legacy.settings, legacy.written, bool(legacy.error)), legacy.text


@pytest.mark.parametrize("ours, theirs", [
    ("lxc.uts.name = a\n", "lxc.uts.name = b\n"),
    ("lxc.cap.drop = chown\n", "lxc.cap.drop = chown\nlxc.cap.drop = kill\n"),
    ("lxc.net.0.type = veth\nlxc.net.0.link = a\n", "lxc.net.0.type = empty\n"),
])
def test_the_oracle_sees_a_difference(ours: str, theirs: str) -> None:
    case = compare.read(ours)
    liblxc = compare.Liblxc()
    original, settings, written = liblxc.dumps([theirs, case.settings, case.written])
    assert len(compare.differences(case, original, settings, written, liblxc)) >= 2


def test_every_disagreement_has_its_reason_once() -> None:
    reasons = [reason for reason, _pattern in disagreements.REASONS]
    assert len(set(reasons)) == len(reasons)
