# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stream of pings loses while a bridge takes over the NIC that they come by.

Host, gateway and client are network namespaces on a switch (tests/runtime/lan.py). Three streams,
two packets a millisecond each: a client of the same network to the host, one behind the gateway
to the host, and the host to the one behind the gateway.
"""
from __future__ import annotations

import importlib
import re
import statistics
import subprocess
import sys
import time
import typing as t

import workload
from measure import BenchError, Row

sys.path.insert(0, str(workload.ROOT / "tests" / "runtime"))

_PACKAGE = "ansible_collections.fleet.lxc.plugins.module_utils."
# The article's brctl, ifconfig and route, as ip(8) has them today.
_ARTICLE = """\
ip link add br0 type bridge forward_delay 0
ip address add 192.0.2.10/24 dev br0
ip link set br0 promisc on up
ip link set eth0 master br0
ip address flush dev eth0
ip link set eth0 up
ip route add default via 192.0.2.1 dev br0
"""
_HOST = """\
link set eth0 address %(mac)s up
address add 192.0.2.10/24 broadcast + dev eth0
route add default via 192.0.2.1 dev eth0
"""
_SETTLED = 0.1  # seconds until the streams run
_COUNT = 500


def lost(rounds: int) -> list[Row]:
    """The mean of the rounds, in pings of all three streams."""
    counts: dict[str, list[int]] = {"ours": [], "peer": []}
    for number in range(2 * rounds):
        name, change = (("ours", _ours), ("peer", _by_hand))[number % 2]
        counts[name].append(_one(change))
    return [Row("takeover-lost", statistics.mean(counts["ours"]), statistics.mean(counts["peer"]),
                "the article's commands, by ip", "pings")]


def _one(change: t.Callable[[], None]) -> int:
    sandbox = importlib.import_module("network_sandbox")
    testbed = importlib.import_module("lan")
    with sandbox.new_namespace() as host, sandbox.inside(host), testbed.lan(_HOST) as lan:
        streams = []
        for place, target, options in ((lan.client, testbed.HOST, []),
                                       (lan.gateway, testbed.HOST, ["-I", testbed.FAR]),
                                       (host, testbed.FAR, [])):
            with sandbox.inside(place):
                streams += [subprocess.Popen(
                    ["ping", "-q", "-n", "-i", "0.001", "-c", str(_COUNT), "-W", "1", *options,
                     target], stdout=subprocess.PIPE, text=True) for _number in range(2)]
        time.sleep(_SETTLED)
        change()
        if any(stream.poll() is not None for stream in streams):
            raise BenchError("the pings ended before the takeover did")
        found = [_lost(stream) for stream in streams]
        if not lan.answers(testbed.HOST):
            raise BenchError("the host does not answer after the takeover")
        return sum(found)


def _lost(stream: subprocess.Popen[str]) -> int:
    said = stream.communicate(timeout=60)[0]
    numbers = re.search(r"(\d+) packets transmitted, (\d+) received", said)
    if not numbers or int(numbers[1]) != _COUNT or not int(numbers[2]):
        raise BenchError("ping: %s" % said)
    return int(numbers[1]) - int(numbers[2])


def _ours() -> None:
    names = ("_bridge.spec", "_bridge.observe", "_bridge.plan", "_bridge.apply", "_kernel.netlink")
    spec, observe, plan, apply, netlink = (
        t.cast(t.Any, importlib.import_module(_PACKAGE + name)) for name in names)
    asked = spec.make_spec({"name": "br0", "takeover": "eth0", "promiscuous": True})
    with netlink.Netlink() as opened:
        found = observe.observe(opened, asked)
        apply.apply(opened, plan.plan_present(asked, found).operations, found)


def _by_hand() -> None:
    subprocess.run(["/bin/dash", "-e", "-c", _ARTICLE], check=True)
