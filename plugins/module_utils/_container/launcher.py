# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher: carries out launch plans, several at a time, and ends when all are up or failed.

It decides nothing. It has few modules loaded, since each monitor is a fork of it and shares its
memory; what a monitor changes becomes its own.
"""
from __future__ import annotations

import _socket  # socket's own socketpair makes enums, in pages that each monitor would keep
import errno
import gc
import json
import os
import select
import signal
import socket
import sys

from .._kernel import cgroup_tree
from .._kernel.errors import LxcError
from . import monitor, network, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

_LARGEST = 1 << 16  # bytes of a report
_BATCH = 200        # monitors that are forked at a time: each is a descriptor here, of 1024


def main(arguments: list[str]) -> None:
    """Read a request from standard input, answer with a line of JSON for each container.

    :param arguments: none; or "start" and names, to start containers as they are defined
    """
    if arguments:
        from . import lifecycle
        for name, outcome in lifecycle.start(arguments[1:]).items():
            if isinstance(outcome, LxcError):
                sys.stderr.write("%s: %s\n" % (name, outcome))
        return
    with open(0, "rb", closefd=False) as stream:
        request = json.loads(stream.read())
    with open("/proc/self/comm", "w", encoding="ascii") as stream:
        stream.write("lxc-monitor")  # which its forks keep
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # whoever asked may be gone
    store.make_folder(store.RUN)
    for path in request["monitor_folders"]:
        _enter(path)
    worker = None
    if any(plan["networks"] for plan in request["plans"]):
        worker = network.start_worker(request["pyroute2"])
    gc.freeze()  # the collector's marks would be written into every monitor's memory
    gc.disable()
    _launch_all(request["plans"], worker)
    if worker is not None:
        worker.close()
    os._exit(0)


def _enter(path: str) -> None:
    """Move into a control group, which an operation that ends may just be removing."""
    for attempt in range(10):
        cgroup_tree.make(path)
        try:
            version1 = os.path.exists(path + "/tasks")
            if version1 and os.path.exists(path + "/cpuset.cpus"):
                cgroup_tree.inherit_cpuset(path)
            # "0" is the writer; with v1's cgroup.procs it takes 10 ms.
            cgroup_tree.write(path + ("/tasks" if version1 else "/cgroup.procs"), "0")
            return
        except LxcError as error:
            if error.errno not in (errno.ENOENT, errno.ENODEV) or attempt == 9:
                raise


def _launch_all(plans: list[dict[str, Any]], worker: socket.socket | None) -> None:
    while plans:
        _launch_batch(plans[:_BATCH], worker)
        plans = plans[_BATCH:]


def _launch_batch(plans: list[dict[str, Any]], worker: socket.socket | None) -> None:
    """Fork every monitor first, then let a few at a time go on.

    What this process writes between two forks, the monitors before do not share any more.
    """
    waiting = []
    for plan in plans:
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            monitor.run(plan, theirs, worker)  # does not return
        theirs.close()
        waiting.append((plan["name"], ours))
    waiting.reverse()
    limit = (os.cpu_count() or 1) + 1
    running: dict[int, tuple[str, _socket.socket]] = {}
    poller = select.poll()
    while waiting or running:
        while waiting and len(running) < limit:
            name, ours = waiting.pop()
            try:
                ours.send(b"go")
            except OSError:
                pass  # it was killed: its end of file is read below
            running[ours.fileno()] = (name, ours)
            poller.register(ours, select.POLLIN)
        for fd, _event in poller.poll():
            name, ours = running.pop(fd)
            poller.unregister(fd)
            report = ours.recv(_LARGEST)
            ours.close()
            _answer(report or json.dumps({"name": name, "error": LxcError(
                "start container", name, detail="its monitor was killed").to_dict()}).encode())


def _answer(report: bytes) -> None:
    try:
        os.write(1, report + b"\n")
    except BrokenPipeError:
        pass  # nobody reads any more; the containers come up all the same
