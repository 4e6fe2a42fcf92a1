# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes through rtnetlink(7).

Messages that belong together travel in one send; the kernel answers each of them in turn, so a
container's whole network is two sends (rtnetlink(7), netlink(7) "multiple messages").
"""
from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from .addresses import MAX_LINK_NAME, check_link_name, check_mac
from .errors import LxcError
from .netlink_facts import link_facts
from .netlink_messages import (
    CREATE_LINK,
    DELADDR,
    DELLINK,
    DELROUTE,
    GETADDR,
    GETLINK,
    GETROUTE,
    NEWADDR,
    NEWLINK,
    NEWROUTE,
    SCOPE_LINK,
    TABLE_MAIN,
    UNICAST,
    address_step,
    bridge_info,
    decode,
    encode,
    link_message,
    load,
    route_step,
)
from .netlink_socket import ACK, CREATE, DUMP, EXCL, NetlinkSocket, Step

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from .netlink_facts import Link, Route

_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_SIOCGIFINDEX = 0x8933


class Netlink:
    """A socket of one network namespace.

    :param netns: a file descriptor of a network namespace, which stays the caller's; the calling
        thread enters it for the moment it takes to open the socket, so callers have one thread.
        None is the caller's own.
    :raises LxcError: like every method: with the errno, the link's name, and a hint
    """

    def __init__(self, netns: int | None = None) -> None:
        load()
        self._socket = NetlinkSocket(netns)

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None,
                 traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def exchange(self, steps: list[Step]) -> list[bytes]:
        """Encoded requests of a caller that knows more of rtnetlink than is here, in one send."""
        return self._socket.send(steps)

    def dump(self, step: Step) -> list[bytes]:
        """The same for a dump."""
        return self._socket.dump(step)

    # Links

    def links(self) -> list[Link]:
        """Every link of the namespace, in the order of the kernel's indexes."""
        message = load().link()
        message["attrs"] = [("IFLA_EXT_MASK", _SKIP_STATISTICS)]
        step = encode(message, GETLINK, DUMP, "list", "links")
        found = [link_facts(data) for data in self._socket.dump(step)]
        names = {link["index"]: link["name"] for link, _master in found}
        for link, master in found:
            link["master"] = names.get(master, "")
        return [link for link, _master in found]

    def link(self, name: str) -> Link | None:
        """One link, None when there is none of that name."""
        check_link_name(name)
        message = load().link()
        message["attrs"] = [("IFLA_IFNAME", name), ("IFLA_EXT_MASK", _SKIP_STATISTICS)]
        answer = self._get(message, name)
        if answer is None:
            return None
        link, master = link_facts(answer)
        if master:
            message = load().link()
            message["index"] = master
            found = self._get(message, name)
            link["master"] = link_facts(found)[0]["name"] if found else ""
        return link

    def index(self, name: str) -> int:
        """The kernel's number of a link, 0 when there is none of that name (netdevice(7))."""
        raw = os.fsencode(name)
        if len(raw) > MAX_LINK_NAME:
            return 0
        request = struct.pack("16s24x", raw)
        try:
            answer = fcntl.ioctl(self._socket, _SIOCGIFINDEX, request)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return 0
            raise LxcError.from_os("look up link", name, error) from error
        return int(struct.unpack_from("i", answer, 16)[0])

    def create_veth(self, host_name: str, peer_name: str, *, peer_netns_pid: int | None = None,
                    peer_netns_fd: int | None = None, master: str | None = None,
                    mtu: int | None = None, mac: str | None = None, up: bool = True) -> None:
        """A veth pair in one message: this end here, the other in another namespace at once.

        :param peer_netns_pid: a process in the peer's network namespace (seen from this PID
            namespace), or ``peer_netns_fd``: a descriptor of it; neither: this one
        :param master: the bridge that this end becomes a port of
        :param mtu: bytes, of both ends
        :param mac: the peer's hardware address; random when None
        :param up: whether this end comes up; the peer's turn is :meth:`configure`
        """
        check_link_name(host_name)
        check_link_name(peer_name)
        peer: list[tuple[str, Any]] = [("IFLA_IFNAME", peer_name)]
        attributes: list[tuple[str, Any]] = [("IFLA_IFNAME", host_name)]
        if mtu is not None:
            peer.append(("IFLA_MTU", mtu))
            attributes.append(("IFLA_MTU", mtu))
        if mac is not None:
            peer.append(("IFLA_ADDRESS", check_mac(mac)))
        if peer_netns_pid is not None:
            peer.append(("IFLA_NET_NS_PID", peer_netns_pid))
        elif peer_netns_fd is not None:
            peer.append(("IFLA_NET_NS_FD", peer_netns_fd))
        if master:
            attributes.append(("IFLA_MASTER", self._master_index(master, host_name)))
        attributes.append(("IFLA_LINKINFO", {"attrs": [
            ("IFLA_INFO_KIND", "veth"),
            ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": peer})]})]}))
        step = encode(link_message(attributes, up=up or None), NEWLINK,
                      ACK | CREATE | EXCL, CREATE_LINK, host_name)
        try:
            self._send([step])
        except LxcError as error:
            if error.errno == errno.EEXIST and not self.index(host_name):
                error = LxcError("name the container's end of the veth", peer_name, errno.EEXIST,
                                 "Choose another name inside; each is used once per container.")
            elif error.errno in (errno.EOPNOTSUPP, errno.EINVAL) and master:
                error = self._explain_master(error, master)
            raise error from None

    def create_bridge(self, name: str, *, mac: str | None = None, mtu: int | None = None,
                      forward_delay: float | None = None, stp: bool | None = None,
                      up: bool = False) -> None:
        """A bridge without ports.

        :param mac: keeps the bridge from taking on its ports' addresses as they come and go
        :param forward_delay: seconds
        """
        check_link_name(name)
        attributes: list[tuple[str, Any]] = [("IFLA_IFNAME", name)]
        if mac is not None:
            attributes.append(("IFLA_ADDRESS", check_mac(mac)))
        if mtu is not None:
            attributes.append(("IFLA_MTU", mtu))
        attributes.append(bridge_info(forward_delay, stp))
        self._send([encode(link_message(attributes, up=up or None), NEWLINK,
                           ACK | CREATE | EXCL, CREATE_LINK, name)])

    def set_bridge(self, name: str, *, forward_delay: float | None = None,
                   stp: bool | None = None) -> None:
        """Bridge options; seconds, and whether it speaks the spanning tree protocol."""
        message = link_message([bridge_info(forward_delay, stp)], self._need_index(name))
        self._send([encode(message, NEWLINK, ACK, "set bridge options of", name)])

    def set_link(self, name: str, *, mtu: int | None = None, mac: str | None = None,
                 up: bool | None = None, new_name: str | None = None) -> None:
        """Change what is given, in one message."""
        attributes: list[tuple[str, Any]] = []
        if new_name is not None:
            check_link_name(new_name)
            attributes.append(("IFLA_IFNAME", new_name))
        if mac is not None:
            attributes.append(("IFLA_ADDRESS", check_mac(mac)))
        if mtu is not None:
            attributes.append(("IFLA_MTU", mtu))
        message = link_message(attributes, self._need_index(name), up)
        self._send([encode(message, NEWLINK, ACK, "set link", name)])

    def set_master(self, name: str, master: str | None) -> None:
        """Make a link a port of a bridge, or of none."""
        number = self._master_index(master, name) if master else 0
        message = link_message([("IFLA_MASTER", number)], self._need_index(name))
        doing = "make a port of %s:" % master if master else "take from its bridge"
        try:
            self._send([encode(message, NEWLINK, ACK, doing, name)])
        except LxcError as error:
            raise (self._explain_master(error, master) if master else error) from None

    def delete_link(self, name: str) -> bool:
        """Remove a link; False when there was none of that name."""
        number = self.index(name)
        if not number:
            return False
        try:
            self._send([encode(link_message([], number), DELLINK, ACK, "remove link", name)])
        except LxcError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def loopback_up(self) -> None:
        """What every new network namespace needs first."""
        self._send([self._loopback_step()])

    def configure(self, name: str, addresses: list[str], *, up: bool = True,
                  gateways: list[str] | None = None, mtu: int | None = None,
                  mac: str | None = None, loopback: bool = False, onlink: bool = False,
                  device_routes: tuple[int, ...] = ()) -> None:
        """A link with its addresses and default routes, in one send.

        IPv6 addresses skip duplicate address detection: without that, a program that binds to
        its address in the first second fails (ipv6 addresses are "tentative" so long).

        :param addresses: CIDR, either family
        :param gateways: addresses of either family, the default routes
        :param loopback: bring up lo too
        :param onlink: the gateways are neighbours, whatever network they are in
        :param device_routes: families whose default route is the link itself, without a gateway
        """
        number = self._need_index(name)
        attributes: list[tuple[str, Any]] = []
        if mac is not None:
            attributes.append(("IFLA_ADDRESS", check_mac(mac)))
        if mtu is not None:
            attributes.append(("IFLA_MTU", mtu))
        steps = [self._loopback_step()] if loopback else []
        steps.append(encode(link_message(attributes, number, up or None), NEWLINK, ACK,
                            "set link", name))
        steps += [address_step(NEWADDR, text, number, name) for text in addresses]
        steps += [route_step(NEWROUTE, "default", gateway, number, name, onlink=onlink)
                  for gateway in gateways or ()]
        steps += [route_step(NEWROUTE, "default", "", number, name, family=family)
                  for family in device_routes]
        self._send(steps)

    # Addresses and routes

    def addresses(self, name: str) -> list[str]:
        """CIDRs in the order of the kernel, without the IPv6 link-local ones it makes itself."""
        number = self._need_index(name)
        found = []
        for message in self._dump_families(load().address, GETADDR):
            if message["index"] != number:
                continue
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if message["family"] == socket.AF_INET6 and message["scope"] == SCOPE_LINK:
                continue
            found.append("%s/%d" % (text, message["prefixlen"]))
        return found

    def add_address(self, name: str, address: str) -> None:
        """Give a link one more address (CIDR)."""
        self._send([address_step(NEWADDR, address, self._need_index(name), name)])

    def delete_address(self, name: str, address: str) -> bool:
        """Take an address (CIDR) away; False when the link did not have it."""
        try:
            self._send([address_step(DELADDR, address, self._need_index(name), name)])
        except LxcError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
        return True

    def routes(self) -> list[Route]:
        """The main table, both families."""
        names = {link["index"]: link["name"] for link in self.links()}
        found: list[Route] = []
        for message in self._dump_families(load().route, GETROUTE):
            if message["table"] != TABLE_MAIN or message["type"] != UNICAST:
                continue
            target = message.get_attr("RTA_DST")
            found.append({
                "family": message["family"],
                "destination": "%s/%d" % (target, message["dst_len"]) if target else "default",
                "gateway": message.get_attr("RTA_GATEWAY") or "",
                "link": names.get(message.get_attr("RTA_OIF") or 0, ""),
                "metric": message.get_attr("RTA_PRIORITY") or 0,
                "protocol": message["proto"]})
        return found

    def add_route(self, name: str, destination: str, gateway: str = "", metric: int = 0) -> None:
        """A route (CIDR, or "default" with a gateway) over a link."""
        self._send([route_step(NEWROUTE, destination, gateway, self._need_index(name), name,
                               metric)])

    def delete_route(self, name: str, destination: str, gateway: str = "",
                     family: int = 0) -> bool:
        """Take a route away; False when there was none.

        :param family: of a default route without a gateway
        """
        step = route_step(DELROUTE, destination, gateway, self._need_index(name), name,
                          family=family)
        try:
            self._send([step])
        except LxcError as error:
            if error.errno != errno.ESRCH:
                raise
            return False
        return True

    # What the rest is made of

    def _loopback_step(self) -> Step:
        return encode(link_message([], self._need_index("lo"), True), NEWLINK, ACK,
                      "set link", "lo")

    def _need_index(self, name: str) -> int:
        number = self.index(name)
        if not number:
            raise LxcError("find link", name, errno.ENODEV)
        return number

    def _master_index(self, master: str, port: str) -> int:
        number = self.index(master)
        if not number:
            raise LxcError("attach %s to bridge" % port, master, errno.ENODEV,
                           "Create it with fleet.lxc.lxc_bridge.")
        return number

    def _explain_master(self, error: LxcError, master: str) -> LxcError:
        found = self.link(master)
        if found is None or found["kind"] == "bridge":
            return error
        return LxcError("attach %s to bridge" % error.subject, master, error.errno,
                        "Name a bridge; fleet.lxc.lxc_bridge makes one.", "it is not a bridge")

    def _get(self, message: Any, name: str) -> bytes | None:
        try:
            answers = self._socket.send([encode(message, GETLINK, ACK, "look up link", name)])
        except LxcError as error:
            if error.errno != errno.ENODEV:
                raise
            return None
        return answers[0] if answers else None

    def _send(self, steps: list[Step]) -> None:
        self._socket.send(steps)

    def _dump_families(self, message_class: Any, kind: int) -> list[Any]:
        """One dump for each family: Linux 6.18 leaves IPv6 routes out of a dump of all."""
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            message = message_class()
            message["family"] = family
            # A kernel without IPv6 answers with all families.
            found += [m for m in self._dump(message, kind) if m["family"] == family]
        return found

    def _dump(self, message: Any, kind: int) -> list[Any]:
        step = encode(message, kind, DUMP, "list what the kernel has of", "the network")
        return [decode(type(message), data) for data in self._socket.dump(step)]
