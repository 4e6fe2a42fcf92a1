# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links of a container that runs: added, removed and given other addresses.

Its link's name inside tells one item of networks from the others. Nothing of the container runs
here, and it may be frozen meanwhile.
"""
from __future__ import annotations

import contextlib
import os

from .._kernel import processes
from .._kernel.errors import LxcError
from .._kernel.netlink import Netlink
from .._kernel.netlink_links import Links
from . import host_links, network_end, network_links, network_plan, network_scripts

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Optional

    Networks = Optional[list[dict[str, Any]]]

_IN_PLACE = {"addresses", "gateway4", "gateway6"}


def difference(old: Networks, new: Networks
               ) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]],
                          list[dict[str, Any]]] | None:
    """What is to be removed, what is to be changed in place ([old, new] each), what is to be added,
    in this order. Pure.

    :returns: None where it takes a restart: a network of its own is there from the start, or never
    """
    if old is None or new is None:
        return None
    before, after = ({n["name"]: n for n in networks if n["type"] != "empty"}
                     for networks in (old, new))
    changed = [[before[name], after[name]] for name in before
               if name in after and before[name] != after[name]]
    in_place = [pair for pair in changed if _is_in_place(*pair)]
    anew = [pair for pair in changed if pair not in in_place]
    return ([n for name, n in before.items() if name not in after] + [pair[0] for pair in anew],
            in_place,
            [pair[1] for pair in anew] + [n for name, n in after.items() if name not in before])


def _is_in_place(old: dict[str, Any], new: dict[str, Any]) -> bool:
    differ = {key for key in {*old, *new} if old.get(key) != new.get(key)}
    return differ <= _IN_PLACE and new.get("mode") != "router" and new["up"]


def add_network(launched: dict[str, Any], network: dict[str, Any], recorded: dict[str, Any],
                host_id: str) -> None:
    """Make a link for a container that runs.

    :param launched: the plan it was started with, which gets the link; the caller keeps it
    :param network: an item of the option networks
    :param recorded: the container's state
    :param host_id: as for network_plan.make
    :raises LxcError: after what was made is removed again
    """
    name = launched["name"]
    host_links.check({"name": name, "networks": [network]})
    planned = network_plan.make_one(launched["definition"], network, host_id)
    with _sockets(name, recorded) as sockets:
        try:
            network_links.connect(name, [planned], sockets, loopback=False)
        except LxcError:
            with contextlib.suppress(LxcError):  # the first one counts
                _remove(name, planned, sockets, script=False)
            raise
    launched["networks"] = [*launched["networks"], planned]
    if network["type"] == "veth":
        launched["links"] = [*launched["links"], planned["host_name"]]


def remove_network(launched: dict[str, Any], network: dict[str, Any],
                   recorded: dict[str, Any]) -> None:
    """Take a link from a container that runs; a NIC comes back to the host.

    A link that the container's root has removed or renamed counts as gone.
    """
    planned = _planned(launched, network)
    with _sockets(launched["name"], recorded) as sockets:
        _remove(launched["name"], planned, sockets, script=True)
    launched["networks"] = [n for n in launched["networks"] if n["name"] != network["name"]]
    launched["links"] = [link for link in launched["links"] if link != planned.get("host_name")]


def change_network(launched: dict[str, Any], old: dict[str, Any], new: dict[str, Any],
                   recorded: dict[str, Any], host_id: str) -> None:
    """Other addresses and gateways for a link that stays."""
    name, link = launched["name"], new["name"]
    planned = network_plan.make_one(launched["definition"], new, host_id)
    with _sockets(name, recorded) as sockets:
        inside = sockets.inside
        for address in old["addresses"]:
            if address not in new["addresses"]:
                inside.delete_address(link, address)
        # The kernel may have taken more with it: addresses of the same network, and routes.
        there = inside.addresses(link)
        wanted = [address for address in new["addresses"] if address not in there]
        # What stays as it was is not to be added again.
        planned["gateway4"], planned["gateway6"] = (
            _route(key, old, new, sockets) for key in ("gateway4", "gateway6"))
        network_links.configure({**planned, "addresses": wanted}, sockets, loopback=False)
    planned.update(gateway4=new["gateway4"], gateway6=new["gateway6"])
    launched["networks"] = [planned if n["name"] == link else n for n in launched["networks"]]


def _route(key: str, old: dict[str, Any], new: dict[str, Any],
           sockets: network_links.Sockets) -> str | None:
    """Take the default route away that is not wanted any more.

    :returns: the gateway that is to be added, None for none
    """
    family = network_links.FAMILIES[key]
    there = [route for route in sockets.inside.routes()
             if route["destination"] == "default" and route["family"] == family
             and route["link"] == new["name"]]
    if there and old[key] == new[key]:
        return None
    for route in there:
        sockets.inside.delete_route(new["name"], "default", route["gateway"], family)
    wanted: str | None = new[key]
    return wanted


def _planned(launched: dict[str, Any], network: dict[str, Any]) -> dict[str, Any]:
    for planned in launched["networks"]:
        if planned["name"] == network["name"]:
            return dict(planned)
    return dict(network)


def _remove(name: str, planned: dict[str, Any], sockets: network_links.Sockets,
            script: bool) -> None:
    if script and planned.get("script_down"):
        network_scripts.run("down", planned)
    if planned["type"] == "phys":
        problem = network_end.return_nic(name, planned["link"])
        if problem:
            raise problem
    elif planned["type"] == "veth":
        sockets.host.delete_link(planned["host_name"])
    else:
        sockets.inside.delete_link(planned["name"])
    network_end.forget(name, planned)


@contextlib.contextmanager
def _sockets(name: str, recorded: dict[str, Any]) -> Iterator[network_links.Sockets]:
    init = recorded.get("init") or {}
    try:
        namespace = os.open("/proc/%d/ns/net" % init.get("pid", 0), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _ended(name) from error
    try:
        if not processes.is_alive(init):  # the pid may have become another's before the open
            raise _ended(name)
        links = Links()
        try:
            with Netlink() as host, Netlink(namespace) as inside:
                yield network_links.Sockets(host, links, inside, namespace)
        finally:
            links.close()
    finally:
        os.close(namespace)


def _ended(name: str) -> LxcError:
    return LxcError("change the links of", name, detail="it does not run any more")
