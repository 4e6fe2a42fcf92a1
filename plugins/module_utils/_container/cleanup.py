# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left of a container whose processes have ended, or have to."""
from __future__ import annotations

import os
import time

from .._kernel import cgroup_tree, cgroups, freezers, mounts
from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import container_log, events, fault, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any

TREE = "fleet-lxc"      # the folder of containers in each control group hierarchy
MONITORS = ".monitors"  # in it; no container's name begins with a dot
_TREE_PATIENCE = 2      # seconds
_PATIENCE = 10  # seconds until a process that was killed has to be gone
_HOOKS = ("stop", "post-stop")


def remove_cgroups(paths: list[str], patience: float = _PATIENCE) -> LxcError | None:
    """End what is in the folders and remove them, all of them even when one fails.

    :param patience: seconds until processes that were killed have to be gone
    :returns: the first problem
    """
    problem = None
    deadline = time.monotonic() + patience
    for path in reversed(paths):  # v2 first: its kill reaches frozen processes
        try:
            cgroup_tree.kill(path)
            freezers.thaw_all(path)
        except OSError as error:
            problem = problem or LxcError.from_os("end the processes in", path, error)
    for path in paths:
        try:
            cgroup_tree.remove(path, deadline)
        except LxcError as error:
            problem = problem or error
    return problem


def finish(name: str, recorded: dict[str, Any], exit_status: dict[str, int] | None,
           error: dict[str, Any] | None = None) -> LxcError | None:
    """Remove what is left, write down that it is stopped, and say so.

    Control groups that stay are still named in the state, for the next operation to try again.

    :param exit_status: code or signal, None where nobody knows
    :returns: what could not be removed
    """
    groups = recorded.get("cgroups") or []
    facts = announce(name, recorded, error)
    problem = remove_cgroups(groups)
    fault.point("cleanup:removed")
    left = groups if problem else []
    failed = run_programs(name, recorded, left, exit_status)
    return problem or record(name, recorded, left, exit_status, error, facts) or failed


def announce(name: str, recorded: dict[str, Any], error: dict[str, Any] | None = None
             ) -> dict[str, Any]:
    """Say that a container is about to be cleaned up.

    :param recorded: completed in place, where nothing was known any more
    :param error: why its start failed
    :returns: what is to be told with its end: aborted, where its start has failed, asked, where a
        stop has asked for it, and oom_kills, how many of its processes the kernel has killed for
        want of memory
    """
    if "cgroups" not in recorded:  # its state was lost while it ran
        from . import lost_state
        recorded.update(lost_state.find(name) or {})
    asked = (store.lock_holder(name) or {}).get("state") == "STOPPING"
    aborted = bool(error) or recorded.get("state") == "STARTING"
    if aborted:
        why = {"error": str(LxcError.from_dict(error))} if error else {}
        events.event(name, "ABORTING", **why)
    elif recorded.get("state") != "STOPPED" and not asked:
        events.event(name, "STOPPING")  # else the stop has said so
    kills = sum(cgroup_tree.oom_kills(path) for path in recorded.get("cgroups") or [])
    return {**({"aborted": True} if aborted else {}), **({"asked": True} if asked else {}),
            **({"oom_kills": kills} if kills else {})}


def has_programs(name: str, recorded: dict[str, Any], groups: list[str]) -> bool:
    """Whether run_programs() has something to run, which may take its time."""
    if recorded.get("state") != "STOPPED" \
            and any((recorded.get("hooks") or {}).get("commands", {}).get(k) for k in _HOOKS):
        return True
    if groups or not network_is_kept(name):
        return False
    from . import network_end  # few containers need it
    return network_end.has_scripts(name) > 0


def patience_with_programs(name: str, recorded: dict[str, Any]) -> float:
    """Seconds that they take at most."""
    from . import hooks
    commands = (recorded.get("hooks") or {}).get("commands") or {}
    seconds = hooks.TIMEOUT * sum(len(commands.get(kind) or ()) for kind in _HOOKS)
    if network_is_kept(name):
        from . import network_end, network_scripts
        seconds += network_scripts.TIMEOUT * network_end.has_scripts(name)
    return seconds


def run_programs(name: str, recorded: dict[str, Any], groups: list[str],
                 exit_status: dict[str, int] | None, held: dict[str, int] | None = None
                 ) -> LxcError | None:
    """The hooks for the end, then the scripts of the links, each though another has failed:
    nothing is undone by them.

    :param groups: the control groups that could not be removed
    :param held: descriptors of its namespaces, where somebody has kept them
    :returns: the first hook's problem; what fails is also said in the container's log
    """
    problem = None
    if recorded.get("hooks") and recorded.get("state") != "STOPPED":
        from . import hooks  # few containers have one
        rebooting = (exit_status or {}).get("signal") == signal.SIGHUP
        for kind in _HOOKS:
            try:
                hooks.run(recorded["hooks"], kind, {
                    "LXC_TARGET": "reboot" if rebooting else "stop"},
                    held=held if kind == "stop" else None)
            except LxcError as error:
                note(name, str(error))
                problem = problem or error
    if not groups and network_is_kept(name):
        from . import network_end  # few containers need it
        problem = network_end.run_scripts(name) or problem
    return problem


def note(name: str, text: str) -> None:
    """Write into the console's log, since nobody waits for the end of a container."""
    container_log.tell(name, "error", text)
    try:
        plan = store.read_json(store.run_folder(name) + "/plan.json") or {}
        fd = os.open(plan.get("log") or store.console_log({"name": name}), os.O_WRONLY
                     | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        os.write(fd, ("fleet-lxc: %s\n" % text).encode())
        os.close(fd)
    except (OSError, LxcError):
        pass


def record(name: str, recorded: dict[str, Any], groups: list[str],
           exit_status: dict[str, int] | None, error: dict[str, Any] | None = None,
           facts: dict[str, Any] | None = None) -> LxcError | None:
    """Bring back what its network had, write down that it is stopped, and say so.

    :param groups: the control groups that could not be removed
    :param facts: what announce() has returned
    :returns: what could not be done for its network
    """
    problem = None
    if not groups and network_is_kept(name):
        from . import network_end  # few containers need it
        problem = network_end.finish(name)
    store.write_state(name, {
        **recorded, "state": "STOPPED", "init": None, "monitor": None, "cgroups": groups,
        "exit": exit_status, "error": error})
    if recorded.get("state") != "STOPPED":  # else some control groups had stayed
        events.event(name, "STOPPED", **({"exit": exit_status} if exit_status else {}),
                     **(facts or {}))
    return problem


def network_is_kept(name: str) -> bool:
    """Whether there is something to do for a container's network when it has ended."""
    return os.path.lexists(store.run_folder(name) + "/network.json")


def trees() -> list[str]:
    """The folder of all containers in each hierarchy, whether it is there or not; v2's is last."""
    return ["%s/%s" % (hierarchy.path, TREE) for hierarchy in
            sorted(cgroups.hierarchies(mounts.read_mountinfo()), key=lambda one: one.version)]


def folders(name: str) -> list[str]:
    """The control groups that there are of a container, whatever is written down of it."""
    found = ["%s/%s" % (tree, name) for tree in trees()]
    return [path for path in found if os.path.isdir(path)]


def remove_empty_tree() -> None:
    """The folders that all containers share go with the last of them; what is in use stays.

    Where there is no container any more, a process among the monitors is about to end: the one
    that has just started a container again after a reboot, say. In a hierarchy that does not limit
    containers they have no folder, and are among the monitors themselves, and so is what containers
    inside of them have left there.
    """
    deadline = time.monotonic() + _TREE_PATIENCE
    left = trees()
    while True:
        left = [tree for tree in left if not _removed(tree)]
        if not left or any(map(_has_containers, left)) or time.monotonic() > deadline:
            return
        for tree in left:
            cgroup_tree.remove_below("%s/%s" % (tree, MONITORS))
        time.sleep(0.02)


def _removed(tree: str) -> bool:
    for path in ("%s/%s" % (tree, MONITORS), tree):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _has_containers(tree: str) -> bool:
    try:
        return any(entry.is_dir() and entry.name != MONITORS for entry in os.scandir(tree))
    except OSError:
        return False
