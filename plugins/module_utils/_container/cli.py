# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime's command line, for who is on the host without Ansible: fleet-lxc WORD ...

Nothing of it is loaded by the launcher and its monitors.
"""
from __future__ import annotations

import os
import sys

from .._kernel.errors import LxcError
from .._kernel.lean import json
from . import autostart, freezer, lifecycle, observe, operation, store, usage
from .signals import signal_name

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

USAGE = """\
usage: fleet-lxc WORD [option]... [NAME]...
  list                        every container and its state
  info NAME...                state, processes and use; --json
  start NAME...               start what is not running
  stop NAME...                stop what runs; --kill, --timeout SECONDS
  restart NAME...             both; --kill, --timeout SECONDS
  freeze NAME...              stop every process where it is; --timeout SECONDS
  thaw NAME...                let them go on; --timeout SECONDS
  console NAME                the caller's terminal on the container's; --tty NUMBER,
                              --escape LETTER (detach with Ctrl and it, then q)
  attach NAME [COMMAND]...    a program in a running container; fleet-lxc attach --help
  events                      what changes, a line of JSON each; --all for what is still known
                              from before, --count NUMBER, --timeout SECONDS
  autostart                   start what is marked so, in order; --group NAME[,NAME]...
                              ("" is for those in no group; default: onboot,""), --all, --list
  shutdown                    stop everything in the reverse order; --timeout SECONDS
Ends with 1 when a container failed, 2 when the command line is wrong.
"""
_SWITCHES = {"--json", "--kill", "--all", "--list"}
_VALUES = {"--timeout": float, "--tty": int, "--escape": str, "--count": int, "--group": str}
_OF = {"list": (), "info": ("--json",), "start": ("--timeout",),
       "stop": ("--kill", "--timeout"), "restart": ("--kill", "--timeout"),
       "freeze": ("--timeout",), "thaw": ("--timeout",),
       "console": ("--tty", "--escape"), "events": ("--all", "--count", "--timeout"),
       "autostart": ("--group", "--all", "--list", "--timeout"), "shutdown": ("--timeout",)}
_ALONE = ("list", "events", "autostart", "shutdown")  # which take no name
# What LXC's commands and others call it.
_TRY = {"ls": "list", "status": "info", "ps": "info", "top": "info", "monitor": "events",
        "exec": "attach", "execute": "attach", "enter": "attach", "shell": "attach",
        "kill": "stop --kill", "reboot": "restart", "unfreeze": "thaw"}
_MODULES = {"signal": "lxc_state", "wait": "lxc_state", "create": "lxc_container",
            "destroy": "lxc_container", "cgroup": "lxc_cgroup", "device": "lxc_cgroup",
            "copy": "lxc_rootfs", "clone": "lxc_rootfs", "snapshot": "lxc_rootfs"}
_HELP = ("--help", "-h")


def main(arguments: list[str]) -> None:
    """Carry it out, and end the process."""
    raise SystemExit(run(arguments))


def run(arguments: list[str]) -> int:
    """:returns: what the process is to end with"""
    if not arguments or arguments[0] == "help" or set(_HELP) & set(arguments):
        sys.stdout.write(USAGE)
        return 0 if arguments else 2
    try:
        options, names = _parse(arguments[0], arguments[1:])
    except ValueError as error:
        sys.stderr.write("fleet-lxc: %s; see fleet-lxc help\n" % error)
        return 2
    try:
        if os.geteuid() != 0:
            raise LxcError("manage containers", "as uid %d" % os.geteuid(),
                           detail="root rights are needed", hint="Use sudo or su.")
        return _WORDS[arguments[0]](names, options)
    except LxcError as error:
        sys.stderr.write("fleet-lxc: %s\n" % error)
        return 1
    except BrokenPipeError:
        os._exit(0)  # whoever reads has enough
    except KeyboardInterrupt:
        return 130


def _parse(word: str, rest: list[str]) -> tuple[dict[str, Any], list[str]]:
    """
    :raises ValueError: saying what is wrong
    """
    if word not in _OF:
        raise ValueError("there is no word %r%s" % (word, _instead(word)))
    options: dict[str, Any] = {}
    names: list[str] = []
    rest = list(rest)
    while rest:
        item = rest.pop(0)
        if not item.startswith("-"):
            names.append(item)
            continue
        key, equals, value = item.partition("=")
        if key not in _OF[word]:
            raise ValueError("%s has no option %s" % (word, key))
        if key in _SWITCHES:
            if equals:
                raise ValueError("%s takes no value" % key)
            options[key[2:]] = True
            continue
        if not equals:
            if not rest:
                raise ValueError("%s needs a value" % key)
            value = rest.pop(0)
        try:
            options[key[2:]] = _VALUES[key](value)
        except ValueError:
            raise ValueError("%s takes a number, not %r" % (key, value)) from None
        if key != "--group" and key != "--escape" and not 0 <= options[key[2:]] < 1 << 31:
            raise ValueError("%s takes a number from 0 on, not %r" % (key, value))
    if bool(names) == (word in _ALONE) or word == "console" and len(names) > 1:
        raise ValueError("%s %s" % (word, "takes no name" if word in _ALONE else
                                    "takes one name" if word == "console" else
                                    "needs the names of containers"))
    if len(options.get("escape", "a")) != 1 or not options.get("escape", "a").isalpha():
        raise ValueError("--escape takes a letter")
    return options, names


def _instead(word: str) -> str:
    """What may be meant by a word that there is not."""
    if word in _MODULES:
        return ", Ansible's module %s does that" % _MODULES[word]
    import difflib

    close = difflib.get_close_matches(word, [*_OF, "attach"], 1)
    found = _TRY.get(word) or (close[0] if close else "")
    return ", try %s" % found if found else ""


def _list(_names: list[str], _options: dict[str, Any]) -> int:
    rows = []
    for name in store.names():
        definition = store.read_definition(name) or {}
        status = observe.status(name)
        rows.append((name, status["state"], str(status["pid"] or "-"),
                     "yes" if definition.get("start_auto") else "no",
                     ",".join(definition.get("group") or []) or "-"))
    table = [("NAME", "STATE", "PID", "AUTOSTART", "GROUPS"), *rows]
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for row in table:
        sys.stdout.write("  ".join(word.ljust(width) for word, width in zip(row, widths))
                         .rstrip() + "\n")
    return 0


def _info(names: list[str], options: dict[str, Any]) -> int:
    code = 0
    for name in names:
        try:
            definition = store.need_definition(name)
            status = observe.status(name)
        except LxcError as error:
            sys.stderr.write("%s: %s\n" % (name, error))
            code = 1
            continue
        running = status["recorded"] if status["pid"] else {}
        facts = {"name": name, "state": status["state"], "pid": status["pid"],
                 "monitor_pid": status["monitor_pid"], "rootfs": definition["rootfs"],
                 "pids": observe.container_pids(running), "exit": status["exit"],
                 "error": str(LxcError.from_dict(status["error"])) if status["error"] else None,
                 "usage": usage.usage(running) if running else None}
        if options.get("json"):
            sys.stdout.write(json.dumps(facts) + "\n")
            continue
        if running and not status["monitor_pid"]:
            facts["warning"] = lifecycle.NO_MONITOR
        facts["exit"] = _ended(status)
        for key, value in facts.items():
            if key == "usage" and value:
                memory, cpu = value["memory"] or {}, value["cpu"] or {}
                sys.stdout.write("memory: %s\ncpu: %s s\n" % (
                    memory.get("current", "-"), cpu.get("total", "-")))
            elif value not in (None, [], 0, ""):
                sys.stdout.write("%s: %s\n" % (key, " ".join(map(str, value))
                                               if isinstance(value, list) else value))
    return code


def _ended(status: dict[str, Any]) -> str:
    """How its last run ended, "" where there was none, or it still goes on."""
    how = status["exit"]
    if how:
        return "code %d" % how["code"] if "code" in how else signal_name(how["signal"])
    if status["pid"] or status["error"] or not status["recorded"]:
        return ""
    return "not known, its monitor was killed"


def _say(outcomes: operation.Outcomes) -> int:
    code = 0
    for name, outcome in outcomes.items():
        if isinstance(outcome, LxcError):
            sys.stderr.write("%s: %s\n" % (name, outcome))
            code = 1
        else:
            for warning in outcome.get("warnings") or []:
                sys.stderr.write("%s: warning: %s\n" % (name, warning))
            if outcome.get("killed"):
                sys.stderr.write("%s: killed: %s\n" % (name, outcome["killed"]))
    return code


def _start(names: list[str], options: dict[str, Any]) -> int:
    return _say(lifecycle.start(names, options.get("timeout", operation.TIMEOUT)))


def _stop(names: list[str], options: dict[str, Any]) -> int:
    return _say(lifecycle.stop(names, options.get("timeout", operation.TIMEOUT),
                               options.get("kill", False)))


def _restart(names: list[str], options: dict[str, Any]) -> int:
    return _say(lifecycle.restart(names, options.get("timeout", operation.TIMEOUT),
                                  options.get("kill", False)))


def _freeze(names: list[str], options: dict[str, Any]) -> int:
    return _say(freezer.freeze(names, options.get("timeout", operation.TIMEOUT)))


def _thaw(names: list[str], options: dict[str, Any]) -> int:
    return _say(freezer.thaw(names, options.get("timeout", operation.TIMEOUT)))


def _console(names: list[str], options: dict[str, Any]) -> int:
    from . import console
    console.connect(names[0], options.get("tty", 0), options.get("escape", "a"))
    return 0


def _events(_names: list[str], options: dict[str, Any]) -> int:
    import time

    from .event_stream import EventStream
    left = options.get("count", -1)
    deadline = time.monotonic() + options["timeout"] if "timeout" in options else None
    with EventStream("" if options.get("all") else None) as stream:
        while left:
            for event in stream.read()[:left if left > 0 else None]:
                sys.stdout.write(json.dumps(event) + "\n")
                left -= 1
            sys.stdout.flush()
            patience = 3600.0 if deadline is None else deadline - time.monotonic()
            if not left or patience <= 0:
                break
            stream.wait(patience)
    return 0


def _autostart(_names: list[str], options: dict[str, Any]) -> int:
    groups = list(autostart.AT_BOOT)
    if "group" in options:
        groups = options["group"].split(",")
    problems: operation.Outcomes = {}
    batches = autostart.batches(autostart.marked(None if options.get("all") else groups, problems))
    code = _say(problems)
    if "group" in options and not batches:
        sys.stderr.write("fleet-lxc: nothing in %r is marked with start_auto\n" % options["group"])
    if options.get("list"):
        for batch in batches:
            sys.stdout.write("%s%s\n" % (" ".join(batch.names), ", then %d s" % batch.delay
                                         if batch.delay else ""))
        return code
    return _say(autostart.start(batches, options.get("timeout", operation.TIMEOUT))) or code


def _shutdown(_names: list[str], options: dict[str, Any]) -> int:
    return _say(autostart.stop(options.get("timeout", operation.TIMEOUT)))


_WORDS: dict[str, Callable[[list[str], dict[str, Any]], int]] = {
    "list": _list, "info": _info, "start": _start, "stop": _stop, "restart": _restart,
    "freeze": _freeze, "thaw": _thaw, "console": _console, "events": _events,
    "autostart": _autostart, "shutdown": _shutdown}
