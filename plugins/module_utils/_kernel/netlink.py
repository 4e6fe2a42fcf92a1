# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links, addresses and routes through rtnetlink(7).

The only file that knows pyroute2, and it takes only pyroute2's message classes: they have been
the same from 0.7.2 to 0.9, while the sockets around them changed from blocking ones to asyncio.
Messages that belong together travel in one send; the kernel answers each of them in turn, so a
container's whole network is two sends (rtnetlink(7), netlink(7) "multiple messages").
"""
from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys

from . import syscalls
from .addresses import (
    MAX_LINK_NAME,
    broadcast,
    check_link_name,
    check_mac,
    parse_address,
    parse_cidr,
)
from .errors import LxcError
from .netlink_facts import IFF_UP, USER_HZ, link_facts
from .netlink_links import Links, link_kind
from .netlink_socket import ACK, CREATE, DUMP, EXCL, REQUEST, NetlinkSocket, Step

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from .netlink_facts import Link, Route

_RTM_NEWLINK, _RTM_DELLINK, _RTM_GETLINK = 16, 17, 18
_RTM_NEWADDR, _RTM_DELADDR, _RTM_GETADDR = 20, 21, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
_IFA_F_NODAD = 0x02
_RTNH_F_ONLINK = 4
_RT_TABLE_MAIN, _RTPROT_BOOT, _RTPROT_STATIC = 254, 3, 4
_SCOPE_UNIVERSE, _SCOPE_LINK, _SCOPE_HOST, _RTN_UNICAST = 0, 253, 254, 1
_SIOCGIFINDEX = 0x8933
_CREATE_LINK, _ADD_ADDRESS, _ADD_ROUTE = "make link", "add address", "add route"
_BAD_GATEWAY = ("A gateway must lie in the network of one of the link's addresses, "
                "and must not be one of them.")
_HINTS = {
    _CREATE_LINK: {
        errno.EEXIST: "A link of that name is there already: remove it, or choose another name.",
        errno.EINVAL: "The kernel refuses one of its attributes; an MTU is 68 to 65535 bytes.",
        errno.EOPNOTSUPP: "This kernel has no links of that kind; "
                          "fleet.lxc.lxc_host_info says what it has.",
        errno.ESRCH: "The process whose network namespace was to get the other end is gone.",
    },
    _ADD_ADDRESS: {
        errno.EEXIST: "The link has this address already.",
        errno.EADDRINUSE: "The address is in use.",
        errno.EACCES: "IPv6 is switched off there: see the sysctl "
                      "net.ipv6.conf.all.disable_ipv6.",
        errno.EOPNOTSUPP: "This kernel has no IPv6, or it is switched off.",
    },
    _ADD_ROUTE: {
        errno.EEXIST: "There is another route to that destination.",
        errno.ENETUNREACH: _BAD_GATEWAY,
        errno.EHOSTUNREACH: _BAD_GATEWAY,
        errno.EINVAL: _BAD_GATEWAY,
    },
}


class _Messages:
    """pyroute2's message classes."""

    def __init__(self) -> None:
        import importlib

        package = "pyroute2.netlink.rtnl."
        self.link: Any = importlib.import_module(package + "ifinfmsg").ifinfmsg
        self.address: Any = importlib.import_module(package + "ifaddrmsg").ifaddrmsg
        self.route: Any = importlib.import_module(package + "rtmsg").rtmsg


_messages: list[_Messages] = []


def load() -> _Messages:
    """Import what is needed of pyroute2: 30 ms, so callers choose when.

    pyroute2's own ``__init__`` loads everything it has, 100 ms and 20 MB more. An empty package
    in its place, taken away afterwards, keeps the rest unloaded; should a version not stand
    that, it is loaded whole.

    :raises LxcError: when it is missing or too old
    """
    if _messages:
        return _messages[0]
    import importlib.util

    spec = importlib.util.find_spec("pyroute2")
    if spec is None or spec.submodule_search_locations is None:
        raise LxcError("load pyroute2", "for %s" % sys.executable, detail="it is not installed",
                       hint="Install the package python3-pyroute2, or pyroute2>=0.7.2 with this "
                            "interpreter's pip; the role fleet.lxc.host does it.")
    if "pyroute2" not in sys.modules:
        stub = type(sys)("pyroute2")
        stub.__path__ = list(spec.submodule_search_locations)
        sys.modules["pyroute2"] = stub
        try:
            _messages.append(_Messages())
            return _messages[0]
        except (ImportError, AttributeError):
            for name in [n for n in sys.modules if n.startswith("pyroute2.")]:
                del sys.modules[name]
        finally:
            del sys.modules["pyroute2"]
    try:
        _messages.append(_Messages())
    except (ImportError, AttributeError) as error:
        raise LxcError("load pyroute2", "for %s" % sys.executable, detail=str(error),
                       hint="Versions 0.7.2 to 0.9 are known to work.") from error
    return _messages[0]


def pyroute2_version() -> str | None:
    """The version of pyroute2 that this interpreter would use, None when it has none."""
    import importlib.metadata
    import importlib.util

    if importlib.util.find_spec("pyroute2") is None:
        return None
    try:
        return importlib.metadata.version("pyroute2")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def try_kinds() -> dict[str, bool]:
    """Whether the kernel makes links of each kind, tried in a namespace that is gone afterwards.

    A kernel with modules loads them for that.

    :raises LxcError: without root rights or pyroute2
    """
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
        except OSError as error:
            raise LxcError.from_os("make a network namespace", "", error) from error
        try:
            with Netlink() as netlink:
                found = {"bridge": _makes(netlink.create_bridge, "probe0"),
                         "veth": _makes(netlink.create_veth, "probe1", "probe2")}
            if found["veth"]:
                found.update(_try_on("probe1", "macvlan", "vlan"))
                found.update(_try_on("probe2", "ipvlan"))  # a macvlan's parent can't be its own
            return found
        finally:
            syscalls.setns(home, syscalls.CLONE_NEWNET)
    finally:
        os.close(home)


def _try_on(parent: str, *kinds: str) -> dict[str, bool]:
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    links = Links()
    try:
        return {kind: _makes(links.create, kind, "p-" + kind, socket.if_nametoindex(parent),
                             parent, link_kind(kind, vlan=1), here) for kind in kinds}
    finally:
        links.close()
        os.close(here)


def _makes(create: Callable[..., None], *names: Any) -> bool:
    try:
        create(*names)
    except LxcError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        return False
    return True


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
        step = _step(message, _RTM_GETLINK, DUMP, "list", "links")
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
        step = _step(_link_message(attributes, up=up or None), _RTM_NEWLINK,
                     ACK | CREATE | EXCL, _CREATE_LINK, host_name)
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
        attributes.append(_bridge_info(forward_delay, stp))
        self._send([_step(_link_message(attributes, up=up or None), _RTM_NEWLINK,
                          ACK | CREATE | EXCL, _CREATE_LINK, name)])

    def set_bridge(self, name: str, *, forward_delay: float | None = None,
                   stp: bool | None = None) -> None:
        """Bridge options; seconds, and whether it speaks the spanning tree protocol."""
        message = _link_message([_bridge_info(forward_delay, stp)], self._need_index(name))
        self._send([_step(message, _RTM_NEWLINK, ACK, "set bridge options of", name)])

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
        message = _link_message(attributes, self._need_index(name), up)
        self._send([_step(message, _RTM_NEWLINK, ACK, "set link", name)])

    def set_master(self, name: str, master: str | None) -> None:
        """Make a link a port of a bridge, or of none."""
        number = self._master_index(master, name) if master else 0
        message = _link_message([("IFLA_MASTER", number)], self._need_index(name))
        doing = "make a port of %s:" % master if master else "take from its bridge"
        try:
            self._send([_step(message, _RTM_NEWLINK, ACK, doing, name)])
        except LxcError as error:
            raise (self._explain_master(error, master) if master else error) from None

    def delete_link(self, name: str) -> bool:
        """Remove a link; False when there was none of that name."""
        number = self.index(name)
        if not number:
            return False
        try:
            self._send([_step(_link_message([], number), _RTM_DELLINK, ACK, "remove link", name)])
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
        steps.append(_step(_link_message(attributes, number, up or None), _RTM_NEWLINK, ACK,
                           "set link", name))
        steps += [_address_step(_RTM_NEWADDR, text, number, name) for text in addresses]
        steps += [_route_step(_RTM_NEWROUTE, "default", gateway, number, name, onlink=onlink)
                  for gateway in gateways or ()]
        steps += [_route_step(_RTM_NEWROUTE, "default", "", number, name, family=family)
                  for family in device_routes]
        self._send(steps)

    # Addresses and routes

    def addresses(self, name: str) -> list[str]:
        """CIDRs in the order of the kernel, without the IPv6 link-local ones it makes itself."""
        number = self._need_index(name)
        found = []
        for message in self._dump_families(load().address, _RTM_GETADDR):
            if message["index"] != number:
                continue
            text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
            if message["family"] == socket.AF_INET6 and message["scope"] == _SCOPE_LINK:
                continue
            found.append("%s/%d" % (text, message["prefixlen"]))
        return found

    def add_address(self, name: str, address: str) -> None:
        """Give a link one more address (CIDR)."""
        self._send([_address_step(_RTM_NEWADDR, address, self._need_index(name), name)])

    def delete_address(self, name: str, address: str) -> bool:
        """Take an address (CIDR) away; False when the link did not have it."""
        try:
            self._send([_address_step(_RTM_DELADDR, address, self._need_index(name), name)])
        except LxcError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise
            return False
        return True

    def routes(self) -> list[Route]:
        """The main table, both families."""
        names = {link["index"]: link["name"] for link in self.links()}
        found: list[Route] = []
        for message in self._dump_families(load().route, _RTM_GETROUTE):
            if message["table"] != _RT_TABLE_MAIN or message["type"] != _RTN_UNICAST:
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
        self._send([_route_step(_RTM_NEWROUTE, destination, gateway, self._need_index(name), name,
                                metric)])

    def delete_route(self, name: str, destination: str, gateway: str = "",
                     family: int = 0) -> bool:
        """Take a route away; False when there was none.

        :param family: of a default route without a gateway
        """
        step = _route_step(_RTM_DELROUTE, destination, gateway, self._need_index(name), name,
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
        return _step(_link_message([], self._need_index("lo"), True), _RTM_NEWLINK, ACK,
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
            answers = self._socket.send([_step(message, _RTM_GETLINK, ACK, "look up link", name)])
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
        step = _step(message, kind, DUMP, "list what the kernel has of", "the network")
        return [_decode(type(message), data) for data in self._socket.dump(step)]


def _step(message: Any, kind: int, flags: int, doing: str, subject: str) -> Step:
    message["header"]["type"] = kind
    message["header"]["flags"] = REQUEST | flags
    message.encode()
    return Step(bytearray(message.data), doing, subject, _HINTS.get(doing))


def _decode(message_class: Any, data: bytes) -> Any:
    message = message_class(data)
    message.decode()
    return message


def _link_message(attributes: list[tuple[str, Any]], index: int = 0,
                  up: bool | None = None) -> Any:
    message = load().link()
    message["index"] = index
    if up is not None:
        message["flags"] = IFF_UP if up else 0
        message["change"] = IFF_UP
    message["attrs"] = attributes
    return message


def _bridge_info(forward_delay: float | None, stp: bool | None) -> tuple[str, Any]:
    data: list[tuple[str, Any]] = []
    if forward_delay is not None:
        data.append(("IFLA_BR_FORWARD_DELAY", round(forward_delay * USER_HZ)))
    if stp is not None:
        data.append(("IFLA_BR_STP_STATE", int(stp)))
    info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", "bridge")]
    if data:
        info.append(("IFLA_INFO_DATA", {"attrs": data}))
    return "IFLA_LINKINFO", {"attrs": info}


def _address_step(kind: int, text: str, index: int, name: str) -> Step:
    cidr = parse_cidr(text)
    message = load().address()
    message["family"] = cidr.family
    message["prefixlen"] = cidr.prefix
    message["index"] = index
    attributes: list[tuple[str, Any]] = [("IFA_LOCAL", cidr.address), ("IFA_ADDRESS", cidr.address)]
    if cidr.family == socket.AF_INET6:
        message["flags"] = _IFA_F_NODAD
    else:
        message["scope"] = _SCOPE_HOST if cidr.address.startswith("127.") else _SCOPE_UNIVERSE
        wide = broadcast(cidr)
        if wide and kind == _RTM_NEWADDR:
            attributes.append(("IFA_BROADCAST", wide))
    message["attrs"] = attributes
    flags = ACK | (CREATE | EXCL if kind == _RTM_NEWADDR else 0)
    doing = _ADD_ADDRESS if kind == _RTM_NEWADDR else "remove address"
    return _step(message, kind, flags, doing, "%s on %s" % (text, name))


def _route_step(kind: int, destination: str, gateway: str, index: int, name: str,
                metric: int = 0, family: int = 0, onlink: bool = False) -> Step:
    message = load().route()
    message["family"] = family
    attributes: list[tuple[str, Any]] = [("RTA_OIF", index)]
    if destination != "default":
        cidr = parse_cidr(destination, "read destination")
        message["family"] = cidr.family
        message["dst_len"] = cidr.prefix
        attributes.append(("RTA_DST", cidr.address))
    if gateway:
        message["family"], gateway = parse_address(gateway, "read gateway")
        attributes.append(("RTA_GATEWAY", gateway))
        message["flags"] = _RTNH_F_ONLINK if onlink else 0
    if metric:
        attributes.append(("RTA_PRIORITY", metric))
    message["table"] = _RT_TABLE_MAIN
    message["type"] = _RTN_UNICAST
    if kind == _RTM_NEWROUTE:
        message["proto"] = _RTPROT_BOOT if destination == "default" else _RTPROT_STATIC
        message["scope"] = _SCOPE_UNIVERSE if gateway else _SCOPE_LINK
    message["attrs"] = attributes
    flags = ACK | (CREATE | EXCL if kind == _RTM_NEWROUTE else 0)
    doing = _ADD_ROUTE if kind == _RTM_NEWROUTE else "remove route"
    subject = "to %s%s over %s" % (destination, " by %s" % gateway if gateway else "", name)
    return _step(message, kind, flags, doing, subject)
