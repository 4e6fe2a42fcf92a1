# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot makes the same bridge from, in each network manager's own words. Pure.

Texts are of the running state, so that a manager that reads them while it runs finds nothing to
change. Name servers, which the kernel does not know, come from what the manager had for the NIC.
"""
from __future__ import annotations

import dataclasses
import re
import socket
import typing as t
import uuid

from .._kernel.addresses import parse_cidr
from .belongings import MARK

if t.TYPE_CHECKING:
    from .._kernel.link_config import Route

MANAGERS = ("systemd-networkd", "ifupdown", "NetworkManager")
_HEADER = "# Written by fleet.lxc.lxc_bridge for %s; it removes this with the bridge.\n"
INTERFACES = "etc/network/interfaces"
_IFUPDOWN_FOLDER = INTERFACES + ".d"
_KEYWORDS = ("iface", "auto", "mapping", "source", "source-directory", "no-auto-down",
             "no-scripts", "template", "rename")
_NETWORKD_KEPT = ("DNS", "Domains", "NTP", "DNSSEC", "DNSOverTLS", "LLMNR", "MulticastDNS")
_NM_KEPT = ("dns", "dns-search", "dns-options", "dns-priority")
_MAIN = 254


@dataclasses.dataclass
class Wanted:
    """A bridge as it is to be after a boot. Texts of ``addresses`` are CIDRs.

    :param mark: that it has taken the NIC's place (belongings.write_mark), "" where it has not
    :param dhcp: whether IPv4 comes from a lease, which is not written down
    :param advertised: whether some IPv6 comes from router advertisements
    :param metrics: of the routes that come with either, by family
    """

    name: str
    nic: str
    mark: str
    ports: list[str]
    mac: str
    mtu: int
    stp: bool
    forward_delay: float
    addresses: list[str]
    routes: list[Route]
    dhcp: bool
    advertised: bool
    metrics: dict[int, int] = dataclasses.field(default_factory=dict)

    def of(self, family: int) -> list[str]:
        return [a for a in self.addresses if parse_cidr(a).family == family]


Files = dict[str, str]  # by path, without the slash at the beginning


def render(manager: str, wanted: Wanted, present: Files) -> Files:
    """What the files shall be: those of ``present`` that change, and new ones.

    :param present: the manager's files, as they are
    """
    return {"systemd-networkd": _networkd, "ifupdown": _ifupdown,
            "NetworkManager": _network_manager}[manager](wanted, present)


def remove(name: str, present: Files) -> dict[str, str | None]:
    """What undoes :func:`render`, of every manager: texts, and None for a file to remove."""
    found: dict[str, str | None] = {path: None for path in present if _is_ours(path, name)}
    for path, text in present.items():
        if path not in found:
            restored = _restore(name, text)
            if restored != text:
                found[path] = restored
    return found


def ours(name: str, files: Files) -> Files:
    """Those that are written for the bridge, or have something put aside for it."""
    return {path: files[path] for path in remove(name, files)}


def mark_in(name: str, files: Files) -> str:
    """The mark of a bridge that has come back with a boot, which forgets aliases; "" for none."""
    for text in ours(name, files).values():
        for line in text.splitlines():
            if line.startswith("# " + MARK):
                return line[2:]
    return ""


def _header(wanted: Wanted) -> str:
    return _HEADER % wanted.name + ("# %s\n" % wanted.mark if wanted.mark else "")


def _is_ours(path: str, name: str) -> bool:
    file = path.rpartition("/")[2]
    return bool(re.fullmatch(r"(00-)?fleet-lxc-%s(\+.*)?(\.netdev|\.network|\.nmconnection)?"
                             % re.escape(name), file))


# systemd.netdev(5), systemd.network(5)

def _networkd(wanted: Wanted, present: Files) -> Files:
    base = "etc/systemd/network/00-fleet-lxc-" + wanted.name
    header = _HEADER % wanted.name
    lines = ["[Match]", "Name=" + wanted.name, "", "[Link]", "MTUBytes=%d" % wanted.mtu]
    alone = not (wanted.nic or wanted.ports)
    if alone:
        # It has no carrier before a container runs, and containers wait for the network.
        lines.append("RequiredForOnline=no")
    lines += ["", "[Network]"]
    if wanted.dhcp:
        lines.append("DHCP=ipv4")
    lines.append("IPv6AcceptRA=" + ("yes" if wanted.advertised else "no"))
    # What is there when networkd starts again is not torn down first.
    lines.append("KeepConfiguration=" + ("yes" if wanted.dhcp else "static"))
    if alone or (not wanted.addresses and not wanted.dhcp):
        lines.append("ConfigureWithoutCarrier=yes")
    lines += _networkd_kept(wanted.nic, present)
    for address in wanted.addresses:
        lines += ["", "[Address]", "Address=" + address]
        if ":" in address:
            lines.append("DuplicateAddressDetection=none")
    for route in wanted.routes:
        lines += ["", "[Route]"]
        if not route.is_default:
            lines.append("Destination=" + _destination(route))
        if route.gateway:
            lines.append("Gateway=" + route.gateway)
        elif route.family == socket.AF_INET:
            lines.append("Scope=link")
        if route.metric:
            lines.append("Metric=%d" % route.metric)
        if route.table != _MAIN:
            lines.append("Table=%d" % route.table)
        if route.source:
            lines.append("PreferredSource=" + route.source)
    files = {
        base + ".netdev": header + "\n".join([
            "[NetDev]", "Name=" + wanted.name, "Kind=bridge", "MACAddress=" + wanted.mac,
            "MTUBytes=%d" % wanted.mtu, "", "[Bridge]",
            "ForwardDelaySec=%g" % wanted.forward_delay,
            "STP=" + ("yes" if wanted.stp else "no")]) + "\n",
        base + ".network": _header(wanted) + "\n".join(lines) + "\n"}
    for port in _ports(wanted):
        files["%s+%s.network" % (base, port)] = header + "\n".join([
            "[Match]", "Name=" + port, "", "[Network]", "Bridge=" + wanted.name,
            "LinkLocalAddressing=no", "IPv6AcceptRA=no"]) + "\n"
    return files


def _networkd_kept(nic: str, present: Files) -> list[str]:
    """Name servers and the like of the file that the NIC has now."""
    kept: list[str] = []
    for path, text in sorted(present.items()):
        if not path.endswith(".network") or "fleet-lxc" in path or not _matches(text, nic):
            continue
        section = ""
        for line in text.splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Network]" and line.partition("=")[0].strip() in _NETWORKD_KEPT:
                kept.append(line)
        break
    return kept


def _matches(text: str, nic: str) -> bool:
    found = re.search(r"^\[Match\]\s*$(.*?)(^\[|\Z)", text, re.MULTILINE | re.DOTALL)
    names = re.search(r"^Name=(.*)$", found[1] if found else "", re.MULTILINE)
    return bool(names) and any(
        re.fullmatch(re.escape(word).replace(r"\*", ".*").replace(r"\?", "."), nic)
        for word in (names[1] if names else "").split())


# interfaces(5)

def _ifupdown(wanted: Wanted, present: Files) -> Files:
    """The bridge in a file of its own; what the NIC had is put behind a mark, to be put back."""
    mark = _mark(wanted.name)
    path = "%s/fleet-lxc-%s" % (_IFUPDOWN_FOLDER, wanted.name)
    files: Files = {}
    kept: list[str] = []
    for file, text in present.items():
        if not file.startswith(INTERFACES) or _is_ours(file, wanted.name):
            continue
        text = _restore(wanted.name, text)
        for port in _ports(wanted):
            text, options = _without_link(port, text, mark)
            if port == wanted.nic:
                kept += [o for o in options if o.startswith("dns-") and o not in kept]
        files[file] = text
    main = files.get(INTERFACES, "")
    if not _sources(main, path):
        files[INTERFACES] = "%s%s+\nsource /%s\n" % (main, mark, path)
    files[path] = _header(wanted) + _stanzas(wanted, kept)
    return files


def _stanzas(wanted: Wanted, kept: list[str]) -> str:
    name = wanted.name
    make = ["pre-up ip link show dev %s > /dev/null 2>&1 || ip link add %s type bridge"
            % (name, name),
            "pre-up ip link set dev %s address %s mtu %d type bridge forward_delay %d "
            "stp_state %d" % (name, wanted.mac, wanted.mtu, round(wanted.forward_delay * 100),
                              wanted.stp)]
    for port in _ports(wanted):
        # First, or coming up gives the port a link-local address of its own.
        make.append("pre-up sysctl -q -w net/ipv6/conf/%s/addr_gen_mode=1 || true" % port)
        make.append("pre-up ip link set dev %s master %s up" % (port, name))
    four, six = wanted.of(socket.AF_INET), wanted.of(socket.AF_INET6)
    lines = ["auto " + name]
    method = "dhcp" if wanted.dhcp else "static" if four else "manual"
    lines += ["iface %s inet %s" % (name, method), *("    " + line for line in make)]
    if method == "static":
        lines.append("    address " + four.pop(0))
    lines += ["    up ip address add %s broadcast + dev %s" % (a, name) for a in four]
    lines += ["    up ip route replace %s" % line for line in _ip_routes(wanted, socket.AF_INET)]
    lines += ["    " + line for line in kept]
    lines.append("    post-down ip link delete dev %s || true" % name)
    if six or wanted.advertised:
        lines += ["iface %s inet6 %s" % (name, "auto" if wanted.advertised else "manual")]
        lines += ["    up ip -6 address add %s dev %s nodad" % (a, name) for a in six]
        lines += ["    up ip -6 route replace %s" % line
                  for line in _ip_routes(wanted, socket.AF_INET6)]
    return "\n".join(lines) + "\n"


def _ip_routes(wanted: Wanted, family: int) -> t.Iterator[str]:
    for route in wanted.routes:
        if route.family == family:
            words = ["default" if route.is_default else _destination(route)]
            words += ["via", route.gateway] if route.gateway else []
            words += ["dev", wanted.name]
            words += ["src", route.source] if route.source else []
            words += ["metric", str(route.metric)] if route.metric else []
            words += ["table", str(route.table)] if route.table != _MAIN else []
            yield " ".join(words)


def _mark(name: str) -> str:
    return "#fleet-lxc %s# " % name


def _without_link(link: str, text: str, mark: str) -> tuple[str, list[str]]:
    """The text with the link's stanzas behind the mark, and the options that they had."""
    lines: list[str] = []
    options: list[str] = []
    inside = False
    for line in text.splitlines():
        words = line.split()
        keyword = words[0] if words else ""
        if keyword in _KEYWORDS or keyword.startswith("allow-"):
            inside = keyword == "iface" and len(words) > 1 and words[1] == link
            if keyword == "auto" or keyword.startswith("allow-"):
                if link in words[1:]:
                    lines.append(mark + line)
                    others = [w for w in words[1:] if w != link]
                    if others:
                        lines += [mark + "+", " ".join([keyword, *others])]
                    continue
        if inside and words:
            if keyword != "iface" and not keyword.startswith("#"):
                options.append(" ".join(words))
            line = mark + line
        lines.append(line)
    return "".join(line + "\n" for line in lines), options


def _restore(name: str, text: str) -> str:
    """Without the mark, and without the lines that were added below a mark with a plus."""
    mark = _mark(name)
    if mark.rstrip() not in text:
        return text
    lines: list[str] = []
    skip = False
    for line in text.splitlines():
        if skip:
            skip = False
        elif line.rstrip() == mark + "+":
            skip = True
        else:
            lines.append(line[len(mark):] if line.startswith(mark) else line)
    return "".join(line + "\n" for line in lines)


def _sources(text: str, path: str) -> bool:
    """Whether interfaces(5) reads the file by a "source" or "source-directory" line."""
    folder = "/" + path.rpartition("/")[0]
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] in ("source", "source-directory"):
            target = words[1] if words[1].startswith("/") else "/etc/network/" + words[1]
            if target.rstrip("/") in (folder, folder + "/*", "/" + path):
                return True
    return False


# nm-settings-keyfile(5)

def _network_manager(wanted: Wanted, present: Files) -> Files:
    base = "etc/NetworkManager/system-connections/fleet-lxc-" + wanted.name
    header = _HEADER % wanted.name
    kept = _nm_kept(wanted.nic, present)
    lines = ["[connection]", *_nm_connection(wanted.name, "bridge", wanted.name), "",
             "[ethernet]", "mtu=%d" % wanted.mtu, "", "[bridge]", "mac-address=" + wanted.mac,
             "stp=" + ("true" if wanted.stp else "false")]
    if wanted.stp:
        lines.append("forward-delay=%d" % round(wanted.forward_delay))
    for family, section in ((socket.AF_INET, "ipv4"), (socket.AF_INET6, "ipv6")):
        addresses = wanted.of(family)
        automatic = wanted.dhcp if section == "ipv4" else wanted.advertised
        nothing = "disabled" if section == "ipv4" else "link-local"
        lines += ["", "[%s]" % section, "method=" + (
            "auto" if automatic else "manual" if addresses else nothing)]
        if automatic and family in wanted.metrics:  # a bridge's own is higher than any NIC's
            lines.append("route-metric=%d" % wanted.metrics[family])
        lines += ["address%d=%s" % (n, a) for n, a in enumerate(addresses, 1)]
        routes = [r for r in wanted.routes if r.family == family]
        for number, route in enumerate(routes, 1):
            target = _destination(route) if not route.is_default else (
                "0.0.0.0/0" if section == "ipv4" else "::/0")
            parts = [target, route.gateway or ("0.0.0.0" if section == "ipv4" else "::")]
            lines.append("route%d=%s" % (number, ",".join(
                [*parts, *([str(route.metric)] if route.metric else [])])))
            options = ["table=%d" % route.table] if route.table != _MAIN else []
            options += ["src=" + route.source] if route.source else []
            if options:
                lines.append("route%d_options=%s" % (number, ",".join(options)))
        lines += kept.get(section, [])
    files = {base + ".nmconnection": _header(wanted) + "\n".join(lines) + "\n"}
    for port in _ports(wanted):
        files["%s+%s.nmconnection" % (base, port)] = header + "\n".join([
            "[connection]", *_nm_connection("%s+%s" % (wanted.name, port), "ethernet", port),
            "master=" + wanted.name, "slave-type=bridge"]) + "\n"
    return files


def _nm_connection(name: str, kind: str, link: str) -> list[str]:
    return ["id=fleet-lxc-" + name, "uuid=%s" % uuid.uuid5(uuid.NAMESPACE_DNS, name + ".fleet-lxc"),
            "type=" + kind, "interface-name=" + link, "autoconnect-priority=100"]


def _nm_kept(nic: str, present: Files) -> dict[str, list[str]]:
    """Name servers of the profile that the NIC has now."""
    for path, text in sorted(present.items()):
        if not path.endswith(".nmconnection") or "fleet-lxc" in path:
            continue
        if nic and not re.search(r"^interface-name=%s$" % re.escape(nic), text, re.MULTILINE):
            continue
        kept: dict[str, list[str]] = {}
        section = ""
        for line in text.splitlines():
            if line.startswith("["):
                section = line.strip("[] ")
            elif line.partition("=")[0].strip() in _NM_KEPT:
                kept.setdefault(section, []).append(line)
        return kept
    return {}


def _ports(wanted: Wanted) -> list[str]:
    return [*([wanted.nic] if wanted.nic else []), *wanted.ports]


def _destination(route: Route) -> str:
    return "%s/%d" % (socket.inet_ntop(route.family, route.destination), route.lengths[0])
