# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A definition and a host's facts to a launch plan: plain JSON, everything decided. Pure.

What follows is only carried out: the starter makes control groups, stages the root file system and
its binds as the host's root, and init does the rest from inside its namespaces (architecture.md).
"""
from __future__ import annotations

from .._kernel import capabilities, device_filter, idmaps, seccomp
from .._kernel.errors import LxcError
from . import (
    cgroup_values,
    checks,
    clocks,
    defaults,
    hooks,
    namespaces,
    network_plan,
    store,
    system,
)
from .cleanup import MONITORS, TREE

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

    from .host import Host

DEFAULT_COMMAND = ["/sbin/init"]
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ALWAYS = ("memory", "pids", "cpu", "devices")  # limits, or at least an account, for everyone
_WITHOUT_V2 = ("freezer", "cpuacct")            # what v2 has in every folder
_KERNEL_TYPES = ("proc", "sysfs", "mqueue", "devpts")
_default_filters: dict[str, str] = {}  # by machine: the same for each container of a task


def make_plan(definition: dict[str, Any], manifest: dict[str, Any], host: Host) -> dict[str, Any]:
    """Everything that a start does, in the order of its parts.

    :param manifest: what lxc_rootfs wrote beside the root file system, {} where it did not
    :raises LxcError: where this host lacks what the definition asks for
    """
    name = definition["name"]
    own = namespaces.own(definition)
    own_network = "net" in own
    for namespace in own:
        if namespace not in host.namespaces:
            raise LxcError("plan the start of", name, detail="this kernel has no %s namespaces"
                           % namespace, hint="lxc_host_info says what is missing, and the remedy.")
    argv = definition["command"] or manifest.get("command") or DEFAULT_COMMAND
    whole = system.is_system(argv) and not definition["init"]
    modes = system.auto_modes(definition, whole)
    groups = _plan_cgroups(definition, host)
    groups["delegated"] = system.delegated(groups, modes.get("cgroup", ""),
                                           definition["privileged"], host)
    groups["owner"] = ([idmaps.outside(idmaps.ranges(definition["idmap"], kind), 0)
                        for kind in ("uid", "gid")] if definition["idmap"] else None)
    staged, late = _plan_mounts(definition, manifest, host)
    if whole:
        staged = system.folders_in_memory({m["target"] for m in [*staged, *late]}) + staged
    plan: dict[str, Any] = {
        "version": 1, "name": name, "namespaces": own,
        "shares": definition["namespace_share"],
        "run": store.run_folder(name),
        "log": store.console_log(definition),
        "console": definition["console_path"],
        "ids": definition["idmap"],
        "cgroups": groups,
        "rootfs": definition["rootfs"],
        "overlay": manifest.get("overlay"),
        # Device nodes of the tree itself would be the host's devices.
        "rootfs_options": sorted({*definition["rootfs_options"],
                                  *([] if definition["privileged"] else ["nodev"])}),
        "staged": staged,
        "kernel": _kernel_mounts(definition, own, groups, modes, host),
        "late": late,
        "nodes": list(defaults.DEVICE_NODES),
        "autodev": definition["autodev"],
        "nesting": _nesting(definition, own),
        "ttys": {"count": definition["tty_max"], "folder": definition["tty_dir"]},
        "masked": list(defaults.MASKED),
        "read_only": [] if modes["proc"] == "rw" else list(defaults.READ_ONLY),
        "writable": _writable(modes, own_network),
        "networks": network_plan.make(definition, host.machine_id),
        "loopback": own_network,
        "hostname": definition["hostname"],
        "time_offsets": [clocks.offset_ns(definition["time_offset_" + clock])
                         for clock in ("boot", "monotonic")],
        "keyring": definition["keyring_session"],
        "personality": _personality(definition, host),
        "label": _label(definition, host),
        "sysctls": sorted(definition["sysctls"].items()),
        "rlimits": sorted((name, *pair) for name, pair in definition["rlimits"].items()),
        "capabilities": _capabilities(definition),
        "no_new_privs": definition["no_new_privs"],
        "seccomp": _seccomp(definition, host),
        "argv": argv,
        "environment": {"PATH": DEFAULT_PATH, "container": "lxc", "TERM": "linux",
                        **(_system_environment(definition, host) if whole else {}),
                        **(manifest.get("environment") or {}), **definition["environment"]},
        "cwd": definition["cwd"], "uid": definition["uid"], "gid": definition["gid"],
        "groups": definition["init_groups"], "init": definition["init"],
    }
    plan["hooks"] = hooks.facts(definition, store.folder(name) + "/definition.json",
                                plan["run"] + "/rootfs", plan["log"])
    plan["links"] = [n["host_name"] for n in plan["networks"] if n["type"] == "veth"]
    return plan


def _plan_cgroups(definition: dict[str, Any], host: Host) -> dict[str, Any]:
    """Folders to make and to be born in, values to write, and the rules for devices."""
    name = definition["name"]
    values, warnings = cgroup_values.resolve(definition["cgroup"], host.v1, host.v2)
    wanted = {controller for controller, _file, _value in values} | set(_ALWAYS)
    unified = host.unified()
    if unified is None:
        wanted |= set(_WITHOUT_V2)
    folders: dict[str, str] = {}
    v1, cpusets = [], []
    for hierarchy in host.hierarchies:
        named = any(c.startswith("name=") for c in hierarchy.controllers)
        if hierarchy.version == 1 and (named or wanted & set(hierarchy.controllers)):
            path = "%s/%s/%s" % (hierarchy.path, TREE, name)
            v1.append(path)
            folders.update({controller: path for controller in hierarchy.controllers})
            if "cpuset" in hierarchy.controllers:
                cpusets.append(path)
    v2 = "%s/%s/%s" % (unified, TREE, name) if unified else None
    if v2:
        folders.update({controller: v2 for controller in host.v2 if controller not in folders})
    rules = [*defaults.DEFAULT_DEVICES, *definition["devices"]]
    device_files, program = [], None
    if "devices" in host.v1:
        path = folders["devices"]
        device_files = [[path + "/devices.deny", "a"],
                        *[[path + "/devices.allow", rule] for rule in rules]]
    elif v2:
        program = device_filter.program([device_filter.parse_rule(r) for r in rules]).hex()
    return {
        "v1": v1, "v2": v2, "all": v1 + ([v2] if v2 else []), "cpusets": cpusets,
        "enable": [[unified, "%s/%s" % (unified, TREE)], sorted(host.v2), sorted(
            {c for c, _file, _value in values} & set(host.v2))] if v2 and host.v2 else [],
        "files": [["%s/%s" % (folders[c], file), value] for c, file, value in values]
        + device_files,
        "device_program": program, "device_rules": list(definition["devices"]),
        "warnings": warnings,
    }


def monitor_folders(host: Host) -> list[str]:
    """Where monitors live, in every hierarchy: out of the session that started them."""
    return ["%s/%s/%s" % (h.path, TREE, MONITORS) for h in host.hierarchies]


def _plan_mounts(definition: dict[str, Any], manifest: dict[str, Any], host: Host
                 ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What is staged by the host's root, and what init mounts after the kernel's own."""
    staged = [{"type": "bind", "source": m["source"], "target": m["target"], "id_mapped": True,
               "options": ["ro"] if m.get("read_only", True) else [], "create": None,
               "optional": False, "relative": False} for m in manifest.get("mounts") or []]
    late: list[dict[str, Any]] = []
    listed: list[dict[str, Any]] = []
    if definition["mount_fstab"]:
        from . import fstab  # few containers have one
        path = definition["mount_fstab"]
        listed = fstab.read(path, host.read_file(path), definition["rootfs"])
    for mount in [*listed, *definition["mounts"]]:
        (staged if is_staged(mount) else late).append(mount_of(mount))
    return staged, late


def is_staged(mount: dict[str, Any]) -> bool:
    """Whether the host's root can mount it; the others need what init has mounted before."""
    return not (mount["type"] in _KERNEL_TYPES
                or checks.below(mount["target"], checks.KERNEL_FOLDERS))


def mount_of(mount: dict[str, Any]) -> dict[str, Any]:
    """A definition's mount as plans have it."""
    options = [o for o in mount["options"] if o not in ("idmap=container", "relative")]
    if mount["read_only"]:
        options.append("ro")
    return {"type": mount["type"], "source": mount["source"], "target": mount["target"],
            "id_mapped": "idmap=container" in mount["options"], "options": options,
            "create": mount["create"], "optional": mount["optional"],
            "relative": "relative" in mount["options"]}


def _kernel_mounts(definition: dict[str, Any], own: list[str], groups: dict[str, Any],
                   modes: dict[str, str], host: Host) -> list[dict[str, Any]]:
    """proc, sysfs and what goes on /dev, in order; init knows what is in /dev.

    One with "seal" becomes read-only when everything below it is mounted.
    """
    safe = system.SAFE
    # proc shows a PID namespace, and mounting it asks for the rights of that one's owner.
    found: list[dict[str, Any]] = [{
        "type": "proc", "target": "/proc", "options": safe,
        "staged": "pid" not in own and not definition["privileged"]}]
    if "net" in own or definition["privileged"]:
        found.append({"type": "sysfs", "target": "/sys", "seal": modes["sys"] == "mixed",
                      "options": [*safe, *(["ro"] if modes["sys"] == "ro" else [])]})
    else:  # sysfs shows a network namespace, and this one is not the container's to show
        found.append({"type": "bind", "source": "/sys", "target": "/sys",
                      "options": [*safe, "ro"]})
    if "cgroup" in modes:
        found += system.cgroup_mounts(groups, modes["cgroup"], host, "cgroup" in own)
    if definition["autodev"]:
        found.append({"type": "tmpfs", "target": "/dev",
                      "options": ["nosuid", "noexec", "mode=0755", "size=512k"]})
    found.append({"type": "devpts", "target": "/dev/pts",
                  "options": ["nosuid", "noexec", "ptmxmode=0666", "mode=0620", "gid=5",
                              "max=%d" % definition["pty_max"]]})
    if definition["autodev"]:
        found.append({"type": "tmpfs", "target": "/dev/shm", "options": [*safe, "mode=1777"]})
        # What shows an IPC namespace is mounted by whose it is.
        if host.has_mqueue and ("ipc" in own or definition["privileged"]):
            found.append({"type": "mqueue", "target": "/dev/mqueue", "options": safe})
    return found


def _nesting(definition: dict[str, Any], own: list[str]) -> list[dict[str, Any]]:
    """What /dev/.lxc shows whole: whatever of these is the container's own to mount."""
    if not definition["nesting"]:
        return []
    return [{"type": kind, "name": name, "options": system.SAFE}
            for kind, name, namespace in (("proc", "proc", "pid"), ("sysfs", "sys", "net"))
            if namespace in own or definition["privileged"]]


def _writable(modes: dict[str, str], own_network: bool) -> list[str]:
    """What stays writable below a read-only folder: what the container's own network has there."""
    if not own_network:
        return []
    return [path for name, path in (("proc", "/proc/sys/net"), ("sys", "/sys/devices/virtual/net"))
            if modes[name] == "mixed"]


def _system_environment(definition: dict[str, Any], host: Host) -> dict[str, str]:
    """systemd's container interface. The console is the first pseudo terminal, 0."""
    found = {"container_uuid": system.uuid(definition["name"], host.machine_id)}
    if definition["tty_max"]:
        found["container_ttys"] = " ".join("pts/%d" % (n + 1)
                                           for n in range(definition["tty_max"]))
    return found


def _label(definition: dict[str, Any], host: Host) -> list[str] | None:
    """What is written to which file of /proc/self/attr before the program runs, or None.

    :raises LxcError: where the host does not have the security module
    """
    for option, module in (("apparmor_profile", "apparmor"), ("selinux_context", "selinux")):
        if definition[option] and module not in host.security_modules:
            raise LxcError("plan the start of", definition["name"],
                           detail="it has %s, and this host has no %s" % (option, module),
                           hint="Enable it on the host's kernel command line, or leave out '%s'."
                           % option)
    if definition["apparmor_profile"] and definition["apparmor_profile"] != "unchanged":
        return ["apparmor/exec", "exec " + definition["apparmor_profile"]]
    if definition["selinux_context"]:
        return ["exec", definition["selinux_context"]]
    return None


def _personality(definition: dict[str, Any], host: Host) -> int | None:
    """PER_LINUX or PER_LINUX32, None where the host's is right.

    :raises LxcError: for an architecture that this machine can't run
    """
    if definition["arch"] is None:
        return None
    known = {"x86_64": ("x86_64", "i686"), "aarch64": ("aarch64", "armhf")}[host.machine]
    if definition["arch"] not in known:
        raise LxcError("plan the start of", definition["name"],
                       detail="its arch is %s, this machine is %s" % (definition["arch"],
                                                                      host.machine),
                       hint="Choose one of %s." % ", ".join(known))
    return 8 if definition["arch"] == known[1] else 0


def _capabilities(definition: dict[str, Any]) -> int:
    keep = definition["cap_keep"]
    names = set(defaults.DEFAULT_CAPABILITIES if keep is None else keep)
    names |= set(definition["cap_add"])
    return capabilities.mask(sorted(names - set(definition["cap_drop"])))


def _seccomp(definition: dict[str, Any], host: Host) -> str | None:
    if definition["seccomp"] == "unconfined":
        return None
    if definition["seccomp"] != "default":
        from . import seccomp_profile  # few containers have one
        path = definition["seccomp"]
        return seccomp_profile.compile_profile(path, host.read_file(path), host.machine).hex()
    if host.machine not in _default_filters:
        refused = {abi: dict.fromkeys(defaults.refused_numbers(abi), 1)  # EPERM
                   for abi in (host.machine, seccomp.COMPAT[host.machine])}
        _default_filters[host.machine] = seccomp.program(
            refused, defaults.NEWEST_SYSCALL, host.machine).hex()
    return _default_filters[host.machine]
