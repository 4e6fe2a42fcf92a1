# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of containers: orders the others, for one container or many at once.

Every operation takes the container's lock, begins by reconciling what the disk says with what the
kernel says, and reports each container by itself: one that fails neither hides nor stops others.
"""
from __future__ import annotations

import errno
import os
import shutil
import time

from .._kernel import cgroup_tree, freezers, processes
from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import (
    cleanup,
    container_log,
    events,
    fault,
    hooks,
    host,
    host_links,
    launch,
    namespaces,
    observe,
    operation,
    plan,
    spec,
    store,
)
from .operation import TIMEOUT, locked, reconcile, settle
from .signals import signal_name

NO_MONITOR = ("its monitor was killed: until a restart it has no console, no console.log, and how "
              "it ends will not be known")
NOBODY_SAW = ("its monitor had been killed: how it ended is not known, and what it has written on "
              "its console since then is lost")
_LAST_WORDS = 5  # seconds that an init has after its stop_signal

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .operation import Outcomes


def start(names: list[str], timeout: float = TIMEOUT,
          once: dict[str, dict[str, Any]] | None = None) -> Outcomes:
    """Start what is not running.

    :param once: by name: options that differ in this run alone, and "stdio", the paths of what
        the program has as its standard input, output and error instead of the console
    :returns: by name: {"changed": bool, "warnings": [...]} or the error
    """
    facts = host.Host()

    def run(locks: dict[str, store.Lock], outcomes: Outcomes) -> None:
        warnings = {}
        launched: launch.Launch | None = None
        for name, lock in locks.items():
            try:
                status = reconcile(name)
                if status["pid"]:
                    outcomes[name] = {"changed": False, "warnings": [] if status["monitor_pid"]
                                      else [NO_MONITOR]}
                    continue
                lock.show("STARTING")
                fault.point("start:locked")
                made = _prepare_start(name, facts, (once or {}).get(name, {}),
                                      status["recorded"])
                fault.point("start:planned")
                if launched is None:
                    launched = launch.Launch(plan.monitor_folders(facts),
                                             [one.fd for one in locks.values()], timeout)
                launched.add(name, bool(made["networks"]))
                fault.point("start:asked")
                warnings[name] = made["cgroups"]["warnings"]
            except LxcError as error:
                outcomes[name] = error
                _give_up(name, error)
        if launched is None:
            return
        for name, problem in launched.collect().items():
            outcomes[name] = problem or {"changed": True, "warnings": warnings[name]}
            if problem:
                _give_up(name, problem)

    return locked(names, run)


def _give_up(name: str, error: LxcError) -> None:
    """After a start that has failed; what can't be cleaned up now is left to the next operation.

    Nobody reads what a start says that a monitor has asked for: the state has why it failed.
    """
    try:
        status = reconcile(name, error)
        recorded, why = status["recorded"], error.to_dict()
        if recorded and not status["pid"] and recorded.get("error") != why:  # before its first step
            store.write_state(name, {**recorded, "error": why})
    except LxcError:
        pass


def _prepare_start(name: str, facts: host.Host, once: dict[str, Any],
                   recorded: dict[str, Any]) -> dict[str, Any]:
    """Plan it and write down, before the first side effect, what is going to be made.

    :param recorded: of the run before
    """
    definition = {**spec.complete(store.need_definition(name)), **once}
    stdio = definition.pop("stdio", None)
    manifest = host.check_rootfs(definition["rootfs"])
    host_links.check(definition)
    made = plan.make_plan({**definition, "idmap": namespaces.ids(definition)},
                          manifest, facts)
    made["definition"] = definition  # which a later task compares with the one that is stored
    made["stdio"] = stdio
    made["stale"] = [link for link in recorded.get("links") or [] if link in made["links"]]
    store.make_folder(store.run_folder(name) + "/rootfs")
    store.write_json(store.run_folder(name) + "/plan.json", made)
    container_log.prepare(name, container_log.wanted(
        definition, "%s/%s.log" % (store.folder(name), name)))
    store.write_state(name, {
        "version": 1, "name": name, "state": "STARTING", "init": None, "monitor": None,
        "cgroups": made["cgroups"]["all"], "links": made["links"], "exit": None, "error": None,
        "hooks": made["hooks"]})
    events.event(name, "STARTING")
    return made


def stop(names: list[str], timeout: float = TIMEOUT, kill: bool = False,
         to_restart: bool = False) -> Outcomes:
    """Ask init to end, and end it after ``timeout`` seconds, or at once with ``kill``.

    :param to_restart: ask with the definition's reboot_signal, where it has one
    :returns: by name: changed; killed and, where it was, why; seconds; exit (of init, None where
        nobody knows) and then warnings
    """
    def run(locks: dict[str, store.Lock], outcomes: Outcomes) -> None:
        waiting: dict[int, tuple[str, dict[str, Any]]] = {}
        began = time.monotonic()
        for name, lock in locks.items():
            try:
                if observe.recorded_state(name) is None:
                    store.need_definition(name)
                status = reconcile(name)
                pidfd = processes.open_pidfd(status["recorded"].get("init"))
                if pidfd is None:
                    outcomes[name] = {"changed": False}
                    continue
                lock.show("STOPPING")
                events.event(name, "STOPPING")
                fault.point("stop:said")
                outcome = {"changed": True, "killed": ""}
                outcomes[name] = outcome
                outcome["killed"] = "it was asked for" if kill else _ask_to_end(
                    name, status, to_restart)
                if outcome["killed"]:
                    _end(pidfd, status["recorded"])
                waiting[pidfd] = (name, status["recorded"])
                fault.point("stop:asked")
            except LxcError as error:
                outcomes[name] = error
        _wait_for_ends(waiting, outcomes, began, timeout)

    outcomes = locked(names, run)
    cleanup.remove_empty_tree()
    return outcomes


def _ask_to_end(name: str, status: dict[str, Any], to_restart: bool) -> str:
    """Send the signal that its init takes as the wish to halt, or to reboot. One that does reboot
    is not started again by its monitor, since an operation has asked for its end.

    :returns: why there is no point in waiting, "" where there is one
    """
    definition = store.read_definition(name) or {}
    pid = status["pid"]
    number = (processes.signal_number(definition["reboot_signal"])
              if to_restart and definition.get("reboot_signal") else halt_signal(definition, pid))
    if status["state"] in (freezers.FROZEN, freezers.FREEZING):
        return "it is frozen"
    if not processes.catches(pid, number):
        return "its init does not handle %s" % signal_name(number)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    return ""


def halt_signal(definition: dict[str, Any], pid: int) -> int:
    """What the definition says, else what the init that runs is known to take."""
    if definition.get("halt_signal"):
        return processes.signal_number(definition["halt_signal"])
    try:
        with open("/proc/%d/comm" % pid, encoding="utf-8", errors="replace") as stream:
            comm = stream.read().strip()
        with open("/proc/%d/cmdline" % pid, "rb") as stream:
            words = stream.read().split(b"\0")
    except OSError:
        return int(signal.SIGTERM)
    if comm == "systemd":
        return int(signal.SIGRTMIN) + 3
    # sysvinit's inittab: powerfail; busybox's init halts by itself, and SIGTERM would reboot it.
    if comm == "init" or (comm == "busybox" and words[1:2] == [b"init"]):
        return int(signal.SIGPWR)
    return int(signal.SIGTERM)


def _end(pidfd: int, recorded: dict[str, Any]) -> None:
    processes.send_signal(pidfd, signal.SIGKILL)
    for path in recorded.get("cgroups") or []:
        freezers.thaw_all(path)
        if os.path.exists(path + "/cgroup.kill"):
            cgroup_tree.kill(path)  # reaches what v2 has frozen


def _send_stop_signal(pidfd: int, whose: tuple[str, dict[str, Any]]) -> bool:
    """The definition's own, in place of SIGKILL.

    :returns: whether there is something to wait for
    """
    wanted = (store.read_definition(whose[0]) or {}).get("stop_signal")
    if not wanted or wanted == "SIGKILL":
        return False
    return processes.send_signal(pidfd, processes.signal_number(wanted))


def _wait_for_ends(waiting: dict[int, tuple[str, dict[str, Any]]], outcomes: Outcomes,
                   began: float, timeout: float) -> None:
    """Wait for each init, then for its monitor to have cleaned up; do that where there is none."""
    deadline = began + timeout
    killed = asked_last = False
    ended: dict[str, float] = {}  # after how many seconds: each has its own
    while waiting:
        gone = processes.wait_ended(list(waiting), deadline - time.monotonic())
        for pidfd in gone:
            name, _recorded = waiting.pop(pidfd)
            os.close(pidfd)
            ended[name] = round(time.monotonic() - began, 3)
        if gone:
            continue
        if killed:
            for pidfd, (name, _recorded) in waiting.items():
                os.close(pidfd)
                outcomes[name] = LxcError(
                    "stop container", name, errno.ETIMEDOUT, detail="it outlives SIGKILL",
                    hint="A process may hang in the kernel: see its /proc/PID/stack.")
            break
        for _pidfd, (name, _recorded) in waiting.items():
            outcome = outcomes[name]
            if isinstance(outcome, dict) and not outcome["killed"]:
                outcome["killed"] = "it did not end within %g s" % timeout
        if not asked_last:
            heard = [_send_stop_signal(*item) for item in waiting.items()]  # to each of them
            if any(heard):
                asked_last, deadline = True, time.monotonic() + _LAST_WORDS
                continue
        for pidfd, (_name, recorded) in waiting.items():
            _end(pidfd, recorded)
        killed, deadline = True, time.monotonic() + 10
    for name, seconds in ended.items():
        outcome = outcomes[name]
        fault.point("stop:ended")
        try:
            status = settle(name, time.monotonic() + operation.CLEAN_UP)
            if isinstance(outcome, dict):
                outcome["exit"] = status["exit"]
                if status["exit"] is None:
                    outcome["warnings"] = [NOBODY_SAW]
                outcome["seconds"] = seconds
        except LxcError as error:
            outcomes[name] = error


def restart(names: list[str], timeout: float = TIMEOUT, kill: bool = False) -> Outcomes:
    """Stop what runs, then start all. What could not start again goes on as it is."""
    facts = host.Host()
    stopped: Outcomes = {}
    for name in names:
        try:
            _check_restart(name, facts)
        except LxcError as error:
            stopped[name] = error
    stopped.update(stop([n for n in names if n not in stopped], timeout, kill, to_restart=True))
    # The patience with a stop may well be 0; no start is that fast.
    started = start([n for n in names if not isinstance(stopped[n], LxcError)],
                    max(timeout, TIMEOUT))
    outcomes: Outcomes = {}
    for name in names:
        before, after = stopped[name], started.get(name)
        if isinstance(before, LxcError) or isinstance(after, LxcError) or after is None:
            outcomes[name] = before if after is None else after
        else:
            outcomes[name] = {**before, **after, "changed": True, "warnings": [
                *before.get("warnings", []), *after["warnings"]]}
    return outcomes


def _check_restart(name: str, facts: host.Host) -> None:
    """What a start would stumble over, as far as that can be seen of a container that runs.

    :raises LxcError: saying that it goes on
    """
    if not observe.status(name)["pid"]:
        return
    try:
        definition = spec.complete(store.need_definition(name))
        manifest = host.check_rootfs(definition["rootfs"])
        # NICs that it has been given come back when it ends.
        launched = observe.started_with(name) or {"definition": {}}
        its = [(network["type"], network.get("link"))
               for network in launched["definition"].get("networks") or []]
        host_links.check({**definition, "networks": [
            network for network in definition["networks"] or []
            if network["type"] != "phys" or ("phys", network["link"]) not in its]})
        plan.make_plan({**definition, "idmap": namespaces.ids(definition)}, manifest, facts)
    except LxcError as error:
        error.hint = ("%s It was not stopped." % error.hint).lstrip()
        raise


def destroy(names: list[str], timeout: float = TIMEOUT,
            purge: Callable[[str], None] | None = None) -> Outcomes:
    """End and forget containers, with every leftover; the root file system stays.

    :param purge: called with each name, when nothing runs any more and before its definition goes
    :returns: by name: changed
    """
    def run(locks: dict[str, store.Lock], outcomes: Outcomes) -> None:
        for name in locks:
            try:
                there = store.exists(name) or observe.recorded_state(name) is not None
                recorded = reconcile(name)["recorded"]
                fault.point("destroy:stopped")
                if recorded.get("cgroups"):
                    problem = cleanup.finish(name, recorded, None)
                    if problem:
                        raise problem
                _run_destroy_hooks(name)
                if purge is not None:
                    purge(name)
                _remove_folders(name)
                outcomes[name] = {"changed": there}
            except LxcError as error:
                outcomes[name] = error

    for name in names:
        store.forget_damaged_state(name)
    running = [n for n in names if observe.recorded_state(n) is not None]
    stopped = stop(running, timeout, kill=True)
    failed: Outcomes = {n: o for n, o in stopped.items() if isinstance(o, LxcError)}
    outcomes = {**locked([n for n in names if n not in failed], run), **failed}
    cleanup.remove_empty_tree()
    return outcomes


def _run_destroy_hooks(name: str) -> None:
    try:
        definition = store.read_definition(name)
    except LxcError:
        return  # a damaged one goes all the same
    if definition is not None and (definition.get("hooks") or {}).get("destroy"):
        hooks.run(hooks.facts(definition, store.folder(name) + "/definition.json",
                              definition["rootfs"], store.console_log(definition)), "destroy")


def _remove_folders(name: str) -> None:
    for path in (store.folder(name), store.run_folder(name)):
        fault.point("destroy:" + path.split("/")[1])  # var, run
        if os.path.ismount(path + "/rootfs"):
            raise LxcError("remove", path, errno.EBUSY, "Unmount it first.",
                           "something is mounted on its rootfs")
        try:
            if path == store.folder(name) and _has_rootfs(path):
                _remove_all_but_rootfs(path)
            else:
                shutil.rmtree(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno == errno.ENOTEMPTY and path == store.run_folder(name):
                continue  # the next operation, which has waited for this one, has its lock there
            raise LxcError.from_os("remove", path, error) from error


def _has_rootfs(path: str) -> bool:
    return os.path.isdir(path) and any(map(store.is_rootfs, os.listdir(path)))


def _remove_all_but_rootfs(path: str) -> None:
    for entry in os.scandir(path):
        if store.is_rootfs(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
