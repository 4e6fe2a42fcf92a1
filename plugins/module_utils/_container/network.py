# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network worker: loads pyroute2 once and serves every container of a launch.

A request comes as one datagram that carries two descriptors: the network namespace, and a socket
for the answer. So many starters share one socket, and nobody has to route.
"""
from __future__ import annotations

import _socket  # socket's own functions make enums
import errno
import os
import sys

from .._kernel import descriptors, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import json, signal
from . import fault

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .._kernel.netlink import Netlink

PYROUTE2 = "FLEET_LXC_PYROUTE2"  # in the environment of a start: the folder that has pyroute2
_TIMEOUT = 60       # seconds for an answer


def ask(worker: _socket.socket, name: str, networks: list[dict[str, Any]], stale: list[str],
        namespace: int) -> _socket.socket:
    """Ask for a container's links; the answer is read later with :func:`answer`.

    :raises LxcError: where nobody is there to be asked
    """
    ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    request = {"name": name, "networks": networks, "stale": stale}
    try:
        descriptors.send(worker, json.dumps(request).encode(), [namespace, theirs.fileno()])
    except OSError:
        raise _killed() from None
    theirs.close()
    return ours


def answer(asked: _socket.socket) -> None:
    """Wait for the worker's answer.

    :raises LxcError: what it met, or that it is gone
    """
    asked.settimeout(_TIMEOUT)
    try:
        data = asked.recv(descriptors.LARGEST)
    except _socket.timeout:
        raise LxcError("wait %d s for" % _TIMEOUT, "the network worker",
                       errno.ETIMEDOUT) from None
    asked.close()
    if not data:
        raise _killed()
    error = json.loads(data).get("error")
    if error:
        raise LxcError.from_dict(error)


def _killed() -> LxcError:
    return LxcError("make links", "by the network worker", detail="it was killed",
                    hint="Start the container again. The worker takes 32 MB: see the kernel's log.")


def serve(requests: _socket.socket, pyroute2: str | None) -> None:
    """Answer each request in its turn, until nobody has the socket's other end.

    :param pyroute2: the folder that has it
    """
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
    if pyroute2:
        sys.path.append(pyroute2)
    netlink: Netlink | None = None
    problem: LxcError | None = None
    try:
        from .._kernel.netlink import Netlink
        netlink = Netlink()
    except LxcError as error:
        problem = error
    while True:
        data, fds = descriptors.receive(requests)
        if not data:
            return
        namespace, reply = fds
        reply_to = _socket.socket(fileno=reply)
        fault.point("network:asked")
        request = json.loads(data)
        if any(link.get("script_up") for link in request["networks"]):
            _fork(request, namespace, reply_to, problem)
        else:
            _handle(netlink, problem, request, namespace, reply_to)
        os.close(namespace)
        reply_to.close()


def _fork(request: dict[str, Any], namespace: int, reply_to: _socket.socket,
          problem: LxcError | None) -> None:
    """A script may take its time, and other containers shall not wait for it."""
    while True:  # those before
        try:
            if not os.waitpid(-1, os.WNOHANG)[0]:
                break
        except ChildProcessError:
            break
    if os.fork() == 0:
        try:
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
            netlink = None
            if problem is None:
                from .._kernel.netlink import Netlink
                netlink = Netlink()  # answers would go to whoever reads first
            _handle(netlink, problem, request, namespace, reply_to)
        finally:
            os._exit(0)


def _handle(netlink: Netlink | None, problem: LxcError | None, request: dict[str, Any],
            namespace: int, reply_to: _socket.socket) -> None:
    """:param problem: why there is no netlink"""
    try:
        if netlink is None:
            raise problem or LxcError("load pyroute2")
        _connect(netlink, request, namespace)
        fault.point("network:made")
        result: dict[str, Any] = {}
    except LxcError as error:
        result = {"error": error.to_dict()}
    except Exception as error:
        result = {"error": LxcError("make links", "", detail=repr(error)).to_dict()}
    try:
        reply_to.send(json.dumps(result).encode())
    except OSError:
        pass  # its starter was killed


def _connect(host: Netlink, request: dict[str, Any], namespace: int) -> None:
    from .._kernel.netlink import Netlink
    from .._kernel.netlink_links import Links
    from . import network_links

    for link in request["stale"]:
        host.delete_link(link)  # of a run before this one
    links = Links()
    try:
        with Netlink(namespace) as inside:
            network_links.connect(request["name"], request["networks"],
                                  network_links.Sockets(host, links, inside, namespace))
    finally:
        links.close()
