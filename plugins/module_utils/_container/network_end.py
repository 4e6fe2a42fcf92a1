# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done for a container's network when the container has ended.

A network namespace ends with its last process: links made by software end with it, and a NIC falls
back to the host under the name that it had inside. So a namespace that got a link of the host is
kept by a mount of it in the container's folder of /run, as ip-netns(8) keeps its own, and whoever
cleans up after the container, its monitor or a later operation, brings the link back first.
"""
from __future__ import annotations

import errno
import os

from .._kernel import syscalls
from .._kernel.errors import LxcError
from .._kernel.netlink_links import Links
from . import cleanup, network_scripts, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any


def kept_namespace(name: str) -> str:
    """The file that keeps a container's network namespace; only those that need it have one."""
    return store.run_folder(name) + "/net"


def _record(name: str) -> str:
    return store.run_folder(name) + "/network.json"


def prepare(name: str, networks: list[dict[str, Any]], namespace: int) -> None:
    """Before the first link: keep the namespace, and write down what to bring back.

    :raises LxcError: also for a NIC that is not there
    """
    wanted = [n for n in networks if n["type"] == "phys" or n.get("script_down")]
    if not wanted:
        return
    host = Links()
    try:
        there = {link["name"]: link for link in host.links()}
    finally:
        host.close()
    recorded = store.read_json(_record(name)) or {"nics": [], "down": []}
    for network in wanted:
        if network["type"] == "phys":
            link = there.get(network["link"])
            if link is None:
                raise LxcError("move link", network["link"], errno.ENODEV,
                               "Name a link of the host, see 'ip link'; another container may "
                               "have it.")
            recorded["nics"].append({
                "link": network["link"], "inside": network["name"], "index": link["index"],
                "mac": link["mac"], "mtu": link["mtu"], "up": link["up"], "kind": link["kind"],
                "permanent": link["permanent"]})
        if network.get("script_down"):
            recorded["down"].append(network)
    store.write_json(_record(name), recorded)  # before the first side effect
    path = kept_namespace(name)
    if not _is_namespace(path):
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            syscalls.mount("/proc/self/fd/%d" % namespace, path, None, syscalls.MS_BIND)
        except OSError as error:
            raise LxcError.from_os("keep the network namespace of", name, error) from error


def _is_namespace(path: str) -> bool:
    """A file of nsfs is on another device than the folder that it is mounted in."""
    try:
        return os.stat(path).st_dev != os.stat(os.path.dirname(path)).st_dev
    except OSError:
        return False


def has_scripts(name: str) -> int:
    """How many scripts are to be run for the end."""
    return len((store.read_json(_record(name)) or {"down": []})["down"])


def run_scripts(name: str) -> LxcError | None:
    """After the last process, with the links still there: run the scripts for the end, each once.

    :returns: why it can't be written down that they have been run; their own problems are in the
        container's log
    """
    try:
        recorded = store.read_json(_record(name)) or {"nics": [], "down": []}
        for network in recorded["down"]:
            try:
                network_scripts.run("down", network)
            except LxcError as error:
                cleanup.note(name, str(error))
        if recorded["down"]:
            store.write_json(_record(name), {**recorded, "down": []})
    except LxcError as error:
        return error
    return None


def finish(name: str) -> LxcError | None:
    """After the scripts: bring NICs back, and let the namespace go.

    :returns: the first problem; what is still to do is done by the next operation
    """
    problem = None
    try:
        recorded = store.read_json(_record(name)) or {"nics": []}
        if recorded["nics"]:
            problem = give_back(name, recorded["nics"])
        if problem is None:
            _let_go(name)
    except LxcError as error:
        problem = error
    return problem


def moved(name: str, nic: str, index: int) -> None:
    """Write down the index that a NIC has inside, once it is there."""
    recorded = store.read_json(_record(name)) or {"nics": [], "down": []}
    for one in recorded["nics"]:
        if one["link"] == nic:
            one["index_inside"] = index
    store.write_json(_record(name), recorded)


def return_nic(name: str, link: str) -> LxcError | None:
    """Bring one NIC back from a container that goes on."""
    recorded = store.read_json(_record(name)) or {"nics": [], "down": []}
    return give_back(name, [nic for nic in recorded["nics"] if nic["link"] == link])


def forget(name: str, network: dict[str, Any]) -> None:
    """After a link has gone while its container goes on: nothing is to be done for it any more."""
    recorded = store.read_json(_record(name))
    if recorded is None:
        return
    recorded["down"] = [one for one in recorded["down"] if one["name"] != network["name"]]
    if network["type"] == "phys":
        recorded["nics"] = [one for one in recorded["nics"] if one["link"] != network["link"]]
    store.write_json(_record(name), recorded)
    if not recorded["nics"] and not recorded["down"]:
        _let_go(name)


def _let_go(name: str) -> None:
    path = kept_namespace(name)
    try:
        if _is_namespace(path):
            syscalls.umount2(path, syscalls.MNT_DETACH)
        for file in (path, _record(name)):
            if os.path.lexists(file):
                os.unlink(file)
    except OSError as error:
        raise LxcError.from_os("let go of the network namespace of", name, error) from error


def give_back(name: str, nics: list[dict[str, Any]]) -> LxcError | None:
    """Bring NICs back to this network namespace, with their names and settings.

    :returns: the first problem
    """
    problem = None
    path = kept_namespace(name)
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    kept = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if _is_namespace(path) else -1
    host, inside = Links(), None
    try:
        inside = Links(kept) if kept >= 0 else None
        for nic in nics:
            try:
                now = _give_back_one(nic, host, inside, here)
                if now != nic["link"]:
                    cleanup.note(name, "link %s %s" % (
                        nic["link"], "came back as %s: another has its name" % now if now
                        else "is gone"))
            except LxcError as error:
                problem = problem or error
    finally:
        host.close()
        if inside is not None:
            inside.close()
            os.close(kept)
        os.close(here)
    return problem


def _give_back_one(nic: dict[str, Any], host: Links, inside: Links | None, here: int) -> str:
    """:returns: the name that it has now; "" where it is gone"""
    index = None
    at_home = any(link["index"] == nic["index"] and link["name"] == nic["link"]
                  for link in host.links())
    if inside is not None and not at_home:
        index = _find_inside(nic, inside.links())
        if index is not None:
            taken = any(link["name"] == nic["link"] for link in host.links())
            # What the kernel itself falls back on is the second.
            inside.move(index, nic["link"], here, "dev%d" if taken else nic["link"])
    found = _find_here(nic, index, host.links())
    if found is None:
        return ""  # unplugged, or removed by the container's root
    name = _free_name(nic["link"], found, host)
    if name != found["name"] and found["up"]:  # before Linux 6.2 only what is down is renamed
        host.set(found["index"], found["name"], up=False)
        found["up"] = False
    host.set(found["index"], nic["link"], mtu=nic["mtu"] if nic["mtu"] != found["mtu"] else None,
             mac=nic["mac"] if nic["mac"] != found["mac"] else None,
             up=nic["up"] if nic["up"] != found["up"] else None,
             new_name=name if name != found["name"] else None)
    return name


def _find_inside(nic: dict[str, Any], links: list[dict[str, Any]]) -> int | None:
    """Its index there, which nobody inside can change."""
    for link in links:
        if link["kind"] == nic["kind"] and (
                link["index"] == nic["index_inside"] if "index_inside" in nic
                else link["name"] in (nic["inside"], nic["link"]) and link["mac"] == nic["mac"]):
            return int(link["index"])
    return None


def _find_here(nic: dict[str, Any], index: int | None, links: list[dict[str, Any]]
               ) -> dict[str, Any] | None:
    """The link that it is now, whatever its name: hardware by the address that was built into it,
    the rest by its name or index, which a move keeps unless another has it."""
    if nic["permanent"] and not nic["kind"]:
        return next((link for link in links if not link["kind"]
                     and link["permanent"] == nic["permanent"]), None)
    same = [link for link in links if link["kind"] == nic["kind"]]
    for link in same:
        if link["name"] == nic["link"]:
            return link
    return next((link for link in same if index is not None and link["index"] == index
                 and link["name"].startswith("dev")), None)


def _free_name(name: str, found: dict[str, Any], host: Links) -> str:
    """The name that it had, unless another link of the host has taken that meanwhile."""
    if any(link["name"] == name and link["index"] != found["index"] for link in host.links()):
        return str(found["name"])
    return name
