# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of rtnetlink(7), as pyroute2 encodes and decodes them.

The only file that knows pyroute2, and it takes only pyroute2's message classes: they have been
the same from 0.7.2 to 0.9, while the sockets around them changed from blocking ones to asyncio.
"""
from __future__ import annotations

import errno
import socket
import sys

from .addresses import broadcast, parse_address, parse_cidr
from .errors import LxcError
from .netlink_facts import IFF_UP, USER_HZ
from .netlink_socket import ACK, CREATE, EXCL, REQUEST, Step

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
_IFA_F_NODAD = 0x02
_RTNH_F_ONLINK = 4
TABLE_MAIN, _RTPROT_BOOT, _RTPROT_STATIC = 254, 3, 4
_SCOPE_UNIVERSE, SCOPE_LINK, _SCOPE_HOST, UNICAST = 0, 253, 254, 1
CREATE_LINK, _ADD_ADDRESS, _ADD_ROUTE = "make link", "add address", "add route"
_BAD_GATEWAY = ("A gateway must lie in the network of one of the link's addresses, "
                "and must not be one of them.")
_HINTS = {
    CREATE_LINK: {
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


def encode(message: Any, kind: int, flags: int, doing: str, subject: str) -> Step:
    """One request: a message, what it does in words, and what to say where that fails."""
    message["header"]["type"] = kind
    message["header"]["flags"] = REQUEST | flags
    message.encode()
    return Step(bytearray(message.data), doing, subject, _HINTS.get(doing))


def decode(message_class: Any, data: bytes) -> Any:
    """What the kernel has sent, as a message."""
    message = message_class(data)
    message.decode()
    return message


def link_message(attributes: list[tuple[str, Any]], index: int = 0,
                 up: bool | None = None) -> Any:
    """A link, by its index where it is there already; up or down where that is to change."""
    message = load().link()
    message["index"] = index
    if up is not None:
        message["flags"] = IFF_UP if up else 0
        message["change"] = IFF_UP
    message["attrs"] = attributes
    return message


def bridge_info(forward_delay: float | None, stp: bool | None) -> tuple[str, Any]:
    """Options of a bridge, ``forward_delay`` in seconds, as an attribute of its link."""
    data: list[tuple[str, Any]] = []
    if forward_delay is not None:
        data.append(("IFLA_BR_FORWARD_DELAY", round(forward_delay * USER_HZ)))
    if stp is not None:
        data.append(("IFLA_BR_STP_STATE", int(stp)))
    info: list[tuple[str, Any]] = [("IFLA_INFO_KIND", "bridge")]
    if data:
        info.append(("IFLA_INFO_DATA", {"attrs": data}))
    return "IFLA_LINKINFO", {"attrs": info}


def address_step(kind: int, text: str, index: int, name: str) -> Step:
    """Add or remove an address of a link."""
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
        if wide and kind == NEWADDR:
            attributes.append(("IFA_BROADCAST", wide))
    message["attrs"] = attributes
    flags = ACK | (CREATE | EXCL if kind == NEWADDR else 0)
    doing = _ADD_ADDRESS if kind == NEWADDR else "remove address"
    return encode(message, kind, flags, doing, "%s on %s" % (text, name))


def route_step(kind: int, destination: str, gateway: str, index: int, name: str,
               metric: int = 0, family: int = 0, onlink: bool = False) -> Step:
    """Add or remove a route of the main table.

    :param onlink: the gateway is reached by the link whatever its addresses are
    """
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
    message["table"] = TABLE_MAIN
    message["type"] = UNICAST
    if kind == NEWROUTE:
        message["proto"] = _RTPROT_BOOT if destination == "default" else _RTPROT_STATIC
        message["scope"] = _SCOPE_UNIVERSE if gateway else SCOPE_LINK
    message["attrs"] = attributes
    flags = ACK | (CREATE | EXCL if kind == NEWROUTE else 0)
    doing = _ADD_ROUTE if kind == NEWROUTE else "remove route"
    subject = "to %s%s over %s" % (destination, " by %s" % gateway if gateway else "", name)
    return encode(message, kind, flags, doing, subject)
