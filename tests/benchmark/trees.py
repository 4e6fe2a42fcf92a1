# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of root file systems: from packages, out of the cache, and as a clone."""
from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import statistics
import tempfile
import time
import typing as t

from ansible_collections.fleet.lxc.plugins.module_utils._rootfs import (
    cache,
    debootstrap,
    observe,
    spec,
)
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.apply import apply
from ansible_collections.fleet.lxc.plugins.module_utils._rootfs.plan import plan_present
from measure import BenchError, Row, run

DEBOOTSTRAP = "/usr/sbin/debootstrap"


@contextlib.contextmanager
def _place() -> t.Iterator[pathlib.Path]:
    """A folder with a cache of its own."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-lxc-bench-trees-", dir="/var/tmp"))
    place, cache.CACHE = cache.CACHE, str(folder / "cache")
    try:
        yield folder
    finally:
        cache.CACHE = place
        shutil.rmtree(folder)
        shutil.rmtree("/run/lxc/lock%s" % folder, ignore_errors=True)


def _make(path: pathlib.Path, **options: t.Any) -> float:
    """Seconds that the module's work takes, without the module around it."""
    asked = spec.make_spec({"path": str(path), **options})
    began = time.perf_counter()
    apply(asked.path, plan_present(asked, observe.observe(asked)))
    return time.perf_counter() - began


def packages(rounds: int) -> list[Row]:
    """A minbase of the host's own release. A build takes long and is bound by the mirror: at most
    three rounds."""
    recipe = debootstrap.decide(debootstrap.DebootstrapSpec(), debootstrap.observe_host())
    if not os.path.exists(DEBOOTSTRAP):
        raise BenchError("there is no %s" % DEBOOTSTRAP)
    theirs, fresh, cached = [], [], []
    with contextlib.ExitStack() as places:
        # All are removed at the end: where much was removed a moment ago ext4 takes longer to make
        # files, since it leaves those inodes alone for a minute.
        for _round in range(min(rounds, 3)):
            folder = places.enter_context(_place())
            target = str(folder / "theirs")
            theirs.append(run(recipe._replace(tool="debootstrap").argv(DEBOOTSTRAP, target)))
            fresh.append(_make(folder / "fresh", debootstrap={}))
            cached.append(_make(folder / "cached", debootstrap={}))
    peer = statistics.median(theirs)
    return [Row("debootstrap-fresh", statistics.median(fresh), peer, "debootstrap", "s"),
            Row("debootstrap-cached", statistics.median(cached), peer, "debootstrap", "s")]


def clones(rounds: int) -> list[Row]:
    """A clone that can be written to, of a whole Debian, beside copies of it."""
    ours, copies, theirs = [], [], []
    with _place() as folder:
        base, container = folder / "base", folder / "lxc" / "base"
        _make(base, debootstrap={})
        container.mkdir(parents=True)
        (container / "config").write_text("lxc.rootfs.path = dir:%s/rootfs\nlxc.uts.name = base\n"
                                          % container)
        run(["cp", "-a", str(base), str(container / "rootfs")])
        for number in range(rounds + 1):
            ours.append(_make(folder / ("clone%d" % number), clone={"src": str(base)}))
            copies.append(run(["cp", "-a", str(base), str(folder / "copy")]))
            shutil.rmtree(folder / "copy")
            theirs.append(run(["lxc-copy", "-P", str(folder / "lxc"), "-n", "base", "-N", "copy"]))
            shutil.rmtree(folder / "lxc" / "copy")
    # The first of each warms up what all of them need.
    mine, copy, peer = (1000 * statistics.median(times[1:]) for times in (ours, copies, theirs))
    return [Row("clone", mine, copy, "cp -a", "ms"),
            Row("clone-lxc-copy", mine, peer, "lxc-copy", "ms")]
