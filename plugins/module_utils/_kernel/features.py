# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host can do for containers: evidence, and what follows from it.

The work of lxc-checkconfig. :func:`observe` reads; :func:`judge` is pure. What the kernel does
counts more than what its configuration says: a symbol may be a module that is not on the disk.
"""
from __future__ import annotations

import dataclasses
import errno
import os
import sys
import typing as t

from . import (
    cgroups,
    kconfig,
    mounts,
    netlink_kinds,
    netlink_links,
    netlink_messages,
    nftables,
    syscalls,
)
from .errors import LxcError

NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
OLDEST_KERNEL = (5, 10)


@dataclasses.dataclass
class Evidence:
    """Everything that could be known. None: could not be known (no rights, not readable)."""

    release: str = ""
    machine: str = ""
    config: dict[str, str] | None = None
    config_source: str = ""
    modules: set[str] | None = None
    namespaces: set[str] = dataclasses.field(default_factory=set)
    filesystems: set[str] = dataclasses.field(default_factory=set)
    hierarchies: list[cgroups.Hierarchy] = dataclasses.field(default_factory=list)
    v1_enabled: list[str] = dataclasses.field(default_factory=list)
    v2_controllers: list[str] = dataclasses.field(default_factory=list)
    v2_freezer: bool | None = None
    user_namespaces_max: int | None = None
    seccomp_filters: bool | None = None
    id_mapped_mounts: bool | None = None
    nf_tables: bool | None = None
    link_kinds: dict[str, bool] = dataclasses.field(default_factory=dict)  # what was tried
    ipv6: bool | None = None
    pyroute2: str | None = None
    pyroute2_problem: str = ""
    python: str = ""
    python_version: str = ""

    @property
    def version(self) -> tuple[int, int]:
        """Major and minor of the kernel."""
        parts = self.release.split(".")
        digits = ["".join(c for c in part[:4] if c.isdigit()) or "0" for part in [*parts, "0", "0"]]
        return int(digits[0]), int(digits[1])

    @property
    def controllers(self) -> set[str]:
        """Those of v1 that are mounted, and those of v2."""
        return {c for h in self.hierarchies for c in h.controllers} | set(self.v2_controllers)


def observe() -> Evidence:
    """Look at the running system; never fails, whoever asks."""
    uname = os.uname()
    config = kconfig.read_config()
    evidence = Evidence(
        release=uname.release, machine=uname.machine,
        config=config[0] if config else None, config_source=config[1] if config else "",
        modules=kconfig.read_modules(uname.release),
        namespaces={name for name in NAMESPACES if os.path.exists("/proc/self/ns/" + name)},
        filesystems={line.split()[-1] for line in _lines("/proc/filesystems")},
        hierarchies=cgroups.hierarchies(mounts.read_mountinfo()),
        v1_enabled=_enabled_controllers(),
        seccomp_filters=os.path.exists("/proc/sys/kernel/seccomp/actions_avail"),
        id_mapped_mounts=_has_mount_setattr(), ipv6=os.path.exists("/proc/net/if_inet6"),
        pyroute2=netlink_messages.pyroute2_version(),
        python=sys.executable, python_version=".".join(str(n) for n in sys.version_info[:3]))
    for hierarchy in evidence.hierarchies:
        if hierarchy.version == 2:
            evidence.v2_controllers = _text(hierarchy.path + "/cgroup.controllers").split()
    limit = _text("/proc/sys/user/max_user_namespaces").strip()
    if limit.isdigit():
        evidence.user_namespaces_max = int(limit)
    try:
        netlink_messages.load()
    except LxcError as error:
        evidence.pyroute2_problem = error.detail
    evidence.nf_tables = _has_nf_tables()
    if not all(_link_kind(kind)(evidence) for kind in netlink_links.MODULES):
        try:
            evidence.link_kinds = netlink_kinds.try_kinds()
        except LxcError:
            pass  # not root, or no pyroute2: then it is not known
    return evidence


def _has_mount_setattr() -> bool | None:
    try:
        syscalls.mount_setattr(-1, 0, recursive=False)
    except OSError as error:
        # EBADF for root, EPERM for others: the kernel has the call, and with it the mounts.
        return error.errno != errno.ENOSYS
    return None


def _has_nf_tables() -> bool | None:
    try:
        with nftables.Nftables() as tables:
            tables.masquerade("")
    except LxcError as error:
        return None if error.errno in (errno.EPERM, errno.EACCES) else False
    return True


def _enabled_controllers() -> list[str]:
    rows = [line.split() for line in _lines("/proc/cgroups") if not line.startswith("#")]
    return [row[0] for row in rows if len(row) == 4 and row[3] == "1"]


def _lines(path: str) -> list[str]:
    return _text(path).splitlines()


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


class Feature(t.NamedTuple):
    """Something the runtime uses.

    :param needed: without it no container starts as the defaults want it
    :param symbols: all of these make it, where nothing better is known
    :param probe: what the evidence says by itself; None where it says nothing
    """

    name: str
    why: str
    remedy: str
    needed: bool = False
    symbols: tuple[str, ...] = ()
    probe: t.Callable[[Evidence], bool | None] = lambda evidence: None


def _namespace(name: str) -> t.Callable[[Evidence], bool | None]:
    return lambda evidence: name in evidence.namespaces


def _filesystem(name: str) -> t.Callable[[Evidence], bool | None]:
    # A file system that is a module is not listed before its first use.
    return lambda evidence: True if name in evidence.filesystems else _module(name)(evidence)


def _module(name: str) -> t.Callable[[Evidence], bool | None]:
    return lambda evidence: True if name in (evidence.modules or ()) else None


def _link_kind(name: str) -> t.Callable[[Evidence], bool | None]:
    module = netlink_links.MODULES[name]
    symbol = "CONFIG_VLAN_8021Q" if name == "vlan" else "CONFIG_" + name.upper()

    def probe(evidence: Evidence) -> bool | None:
        if name in evidence.link_kinds:
            return evidence.link_kinds[name]
        if evidence.config is not None and evidence.config.get(symbol) == "y":
            return True
        if evidence.modules is not None:
            return module in evidence.modules
        return None
    return probe


def _controller(name: str) -> t.Callable[[Evidence], bool | None]:
    return lambda evidence: name in evidence.controllers


def _user_namespaces(evidence: Evidence) -> bool | None:
    return "user" in evidence.namespaces and evidence.user_namespaces_max != 0


def _freezer(evidence: Evidence) -> bool | None:
    return ("freezer" in evidence.controllers
            or (any(h.version == 2 for h in evidence.hierarchies) and evidence.version >= (5, 2)))


def _device_filter(evidence: Evidence) -> bool | None:
    if "devices" in evidence.controllers:
        return True
    return None if any(h.version == 2 for h in evidence.hierarchies) else False


_KERNEL = "Use a kernel built with %s; every distribution's is."
_CGROUP = "Apply the role fleet.lxc.host, which mounts what is missing, or boot without " \
          "cgroup_disable=%s."

FEATURES = [
    Feature("kernel", "The system calls that start a container are those of Linux 5.10.",
            "Upgrade the kernel to 5.10 or newer.", True,
            probe=lambda e: e.version >= OLDEST_KERNEL),
    *[Feature("%s_namespace" % name, why, _KERNEL % symbol, needed, (symbol,), _namespace(name))
      for name, symbol, needed, why in (
          ("mnt", "CONFIG_NAMESPACES", True, "A container has mounts of its own."),
          ("pid", "CONFIG_PID_NS", True, "A container sees only its own processes."),
          ("ipc", "CONFIG_IPC_NS", True, "A container has message queues of its own."),
          ("uts", "CONFIG_UTS_NS", True, "A container has a hostname of its own."),
          ("net", "CONFIG_NET_NS", True, "A container has a network of its own."),
          ("cgroup", "CONFIG_CGROUPS", True, "A container sees only its own control groups."),
          ("time", "CONFIG_TIME_NS", False, "A container may have clocks of its own."))],
    Feature("user_namespace", "A container's root is nobody on the host.",
            "Set the sysctl user.max_user_namespaces above 0, use a kernel with CONFIG_USER_NS, or "
            "write 'privileged: true' for containers that may be root on the host.", True,
            ("CONFIG_USER_NS",), _user_namespaces),
    Feature("id_mapped_mounts", "One root file system serves containers with different ids.",
            "Upgrade the kernel to 5.12 or newer.", False, (),
            lambda e: e.id_mapped_mounts if e.id_mapped_mounts is not None
            else e.version >= (5, 12)),
    Feature("cgroups", "A container's processes are counted, limited and ended as a group.",
            "Apply the role fleet.lxc.host, which mounts /sys/fs/cgroup.", True,
            ("CONFIG_CGROUPS",), lambda e: bool(e.hierarchies)),
    Feature("freezer", "Freezing, and ending a container at one stroke.", _CGROUP % "freezer",
            False, ("CONFIG_CGROUP_FREEZER",), _freezer),
    *[Feature(name, why, _CGROUP % name, False, (symbol,), _controller(name))
      for name, symbol, why in (
          ("cpu", "CONFIG_CGROUP_SCHED", "Shares and quotas of processor time."),
          ("cpuset", "CONFIG_CPUSETS", "Choosing the processors of a container."),
          ("memory", "CONFIG_MEMCG", "Limits of memory."),
          ("pids", "CONFIG_CGROUP_PIDS", "A limit to the number of processes."))],
    Feature("device_filter", "A privileged container reaches only the devices it may.",
            "Mount the v1 controller devices, or use a kernel with CONFIG_CGROUP_BPF.", False,
            ("CONFIG_BPF_SYSCALL", "CONFIG_CGROUP_BPF"), _device_filter),
    Feature("seccomp", "System calls that no container needs are refused.",
            _KERNEL % "CONFIG_SECCOMP_FILTER", True, ("CONFIG_SECCOMP_FILTER",),
            lambda e: e.seccomp_filters),
    Feature("overlay", "Copies of a root file system that share what is equal.",
            "Load the module overlay: 'modprobe overlay'.", False, ("CONFIG_OVERLAY_FS",),
            _filesystem("overlay")),
    Feature("devpts", "A container has terminals of its own.", _KERNEL % "CONFIG_UNIX98_PTYS",
            True, ("CONFIG_UNIX98_PTYS",), lambda e: "devpts" in e.filesystems),
    Feature("mqueue", "POSIX message queues.", _KERNEL % "CONFIG_POSIX_MQUEUE", False,
            ("CONFIG_POSIX_MQUEUE",), lambda e: "mqueue" in e.filesystems),
    Feature("veth", "A network of type veth.", "Load the module veth: 'modprobe veth'.", False,
            ("CONFIG_VETH",), _link_kind("veth")),
    *[Feature(kind, "A network of type %s." % kind,
              "Load the module %s: 'modprobe %s', or use networks of another type."
              % (netlink_links.MODULES[kind], netlink_links.MODULES[kind]), False, (symbol,),
              _link_kind(kind))
      for kind, symbol in (("macvlan", "CONFIG_MACVLAN"), ("ipvlan", "CONFIG_IPVLAN"),
                           ("vlan", "CONFIG_VLAN_8021Q"))],
    Feature("bridge", "What veth networks hang on.", "Load the module bridge: 'modprobe bridge'.",
            False, ("CONFIG_BRIDGE",), _link_kind("bridge")),
    Feature("masquerade", "Private networks reach the outside (option nat of lxc_bridge).",
            "Load the modules nf_tables and nft_masq.", False,
            ("CONFIG_NF_TABLES", "CONFIG_NF_TABLES_INET", "CONFIG_NFT_NAT", "CONFIG_NFT_MASQ"),
            lambda e: False if e.nf_tables is False else None),
    Feature("ipv6", "IPv6 addresses in containers.", "Boot without ipv6.disable=1.", False,
            ("CONFIG_IPV6",), lambda e: e.ipv6),
    Feature("pyroute2", "Making bridges and veths.",
            "Apply the role fleet.lxc.host, or install python3-pyroute2 for the interpreter that "
            "Ansible uses on this host.", False, (),
            lambda e: e.pyroute2 is not None and not e.pyroute2_problem),
]

SYMBOLS = sorted({symbol for feature in FEATURES for symbol in feature.symbols})


def judge(evidence: Evidence) -> dict[str, bool | None]:
    """Each feature: there, not there, or None where nobody can tell."""
    found = {}
    for feature in FEATURES:
        value = feature.probe(evidence)
        if value is None and feature.symbols and evidence.config is not None:
            value = all(evidence.config.get(s) in ("y", "m") for s in feature.symbols)
        found[feature.name] = value
    return found


def unmounted_controllers(evidence: Evidence) -> list[str]:
    """v1 controllers that the kernel has and no hierarchy carries."""
    return [name for name in evidence.v1_enabled if name not in evidence.controllers]
