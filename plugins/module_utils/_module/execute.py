# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible side of lxc_execute."""
from __future__ import annotations

import base64
import datetime
import os
import shlex
import typing as t

from .._container import application, exchange, host, host_links, lifecycle, spec, store
from .._container.entry import Command
from .._container.target import Target
from .._kernel import mounts
from .._kernel.errors import LxcError
from .selection import failure, select, warn_of_unmatched

if t.TYPE_CHECKING:
    from .runner import Request

ATTACH, EXECUTE = "attach", "execute"
ARGUMENT_SPEC: dict[str, t.Any] = {
    "name": {"type": "list", "elements": "str", "required": True},
    "argv": {"type": "list", "elements": "str"},
    "cmd": {"type": "str"},
    "method": {"type": "str", "choices": [ATTACH, EXECUTE], "default": ATTACH},
    "container": {"type": "dict"},
    "chdir": {"type": "str"},
    "creates": {"type": "str"},
    "removes": {"type": "str"},
    "environment": {"type": "dict", "default": {}},
    "keep_environment": {"type": "bool", "default": False},
    "user": {"type": "str"},
    "group": {"type": "str"},
    "groups": {"type": "list", "elements": "str"},
    "stdin": {"type": "str"},
    "stdin_add_newline": {"type": "bool", "default": True},
    "strip_empty_ends": {"type": "bool", "default": True},
    "timeout": {"type": "int", "default": 600},
    "parallel": {"type": "int", "default": 10},
}
MUTUALLY_EXCLUSIVE = [("argv", "cmd")]
REQUIRED_ONE_OF = [("argv", "cmd")]


def handle(request: Request) -> dict[str, t.Any]:
    """Run the program in each container that needs it, and report each by itself."""
    params = request.params
    argv = _argv(params)
    for option, least in (("timeout", 0), ("parallel", 1)):
        if params[option] < least:
            raise LxcError("use as %s" % option, str(params[option]), detail="it is too small",
                           hint="Give %d or more." % least)
    if params["container"] is not None and params["method"] != EXECUTE:
        raise LxcError("use as option", "container", detail="method is %s" % params["method"],
                       hint="Set 'method: execute'.")
    made: list[str] = []
    errors: dict[str, LxcError] = {}
    try:
        names = _select(request, made, errors)
        skipped: dict[str, str] = {}
        todo: list[str] = []
        for name in names:
            try:
                reason = "" if name in errors else _reason_to_skip(name, request)
                if reason:
                    skipped[name] = reason
                elif name not in errors:
                    todo.append(name)
            except LxcError as error:
                errors[name] = error
        outcomes: exchange.Outcomes = {}
        if not request.check_mode:
            outcomes = _run(todo, argv, params)
        errors.update({name: outcome for name, outcome in outcomes.items()
                       if isinstance(outcome, LxcError)})
    finally:
        problems = lifecycle.destroy(made) if made else {}
    errors.update({name: outcome for name, outcome in problems.items()
                   if isinstance(outcome, LxcError) and name not in errors})
    results = []
    for name in names:
        result: dict[str, t.Any] = {"name": name, "cmd": argv, "changed": False}
        if name in errors:
            result.update(failed=True, msg=str(errors[name]), error=errors[name].to_dict())
        elif name in skipped:
            result.update(_nothing(skipped[name]))
        elif request.check_mode:
            result.update(_nothing("The program would have run if not in check mode."))
            # As ansible.builtin.command has it: only these say what would be.
            foreseen = bool(params["creates"] or params["removes"])
            result.update({"changed": True} if foreseen else {"skipped": True})
        else:
            outcome = outcomes[name]
            if isinstance(outcome, exchange.Result):
                result.update(_result(outcome, params))
        results.append(result)
    return _report(results, errors)


def _report(results: list[dict[str, t.Any]], errors: dict[str, LxcError]) -> dict[str, t.Any]:
    found: dict[str, t.Any] = {"changed": any(r["changed"] for r in results),
                               "containers": results}
    if results and all(r.get("skipped") for r in results):
        found["skipped"] = True
    if len(results) == 1:  # as ansible.builtin.command returns it: Ansible splits it into lines
        found.update({key: value for key, value in results[0].items()
                      if key not in ("name", "error", "stdout_lines", "stderr_lines")})
    ordered = {r["name"]: errors[r["name"]] for r in results if r["name"] in errors}
    found.update(failure(ordered))
    failed = [r for r in results if r.get("failed") and r["name"] not in errors]
    if failed:
        found["failed"] = True
        texts = ["%s: %s" % (r["name"], r["msg"]) for r in failed]
        found["msg"] = "; ".join([found["msg"], *texts] if errors else texts)
    return found


def _argv(params: dict[str, t.Any]) -> list[str]:
    """:raises LxcError: where there is no program"""
    try:
        argv = params["argv"] if params["cmd"] is None else shlex.split(params["cmd"])
    except ValueError as error:
        raise LxcError("read the command", params["cmd"], detail=str(error),
                       hint="Close the quotes, or use 'argv'.") from None
    if not argv or not argv[0]:
        raise LxcError("read the command", str(argv), detail="it names no program",
                       hint="Give the program and its arguments in 'argv'.")
    for word in (*argv, params["chdir"] or "", *map(str, params["environment"].values())):
        if "\0" in word:
            raise LxcError("read the command", repr(word), detail="it has a NUL",
                           hint="Take it out; 'stdin' may have one.")
    for name in params["environment"]:
        if not name or "=" in name or "\0" in name:
            raise LxcError("use as environment variable", repr(name), detail="it is no name",
                           hint="Write the name as the key, and the value after it.")
    return list(argv)


def _select(request: Request, made: list[str], errors: dict[str, LxcError]) -> list[str]:
    """The containers that are meant.

    :param made: gets the names of those that are defined for this task alone
    """
    params = request.params
    if params["container"] is not None:
        for name in params["name"]:
            try:
                if _define(name, params["container"], request.check_mode):
                    made.append(name)
            except LxcError as error:
                errors[name] = error
        return list(dict.fromkeys(params["name"]))
    selection = select(params["name"])
    warn_of_unmatched(selection, request.warn)
    errors.update({name: found for name, found in selection.containers.items()
                   if isinstance(found, LxcError)})
    return list(selection.containers)


def _define(name: str, options: dict[str, t.Any], check_mode: bool) -> bool:
    """A container for the time of this task.

    :returns: whether it is to be removed again
    :raises LxcError: for one that is there already: its definition is not this task's to change
    """
    with store.HostLock():
        if store.read_definition(name) is not None:
            raise LxcError("define for this task alone the container", name,
                           detail="it is defined already",
                           hint="Leave out 'container', or choose another name.")
        definition = spec.make_definition(name, options, None)
        host.check_rootfs(definition["rootfs"])
        host_links.check(definition)
        others = [d for d in map(store.read_definition, store.names()) if d is not None]
        host_links.check_addresses(definition, others)
        if not definition["privileged"] and not definition["idmap"]:
            definition["idmap"] = host.allocate_ids(others)
        if not check_mode:
            store.write_definition(name, definition)
    return not check_mode


def _reason_to_skip(name: str, request: Request) -> str:
    """Why the program need not run, "" where it has to.

    :raises LxcError: where it can't
    """
    params = request.params
    root, needed = -1, params["creates"] or params["removes"]
    if params["method"] == ATTACH:
        try:
            target = Target(name)
        except LxcError as error:
            if not request.check_mode:
                raise
            request.warn(str(error))  # an earlier task may start it when it is not --check
            return ""
        root = target.root() if needed else -1
        target.close()
    elif needed:
        definition = store.read_definition(name)
        rootfs = definition["rootfs"] if definition else params["container"]["rootfs"]
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    if root < 0:
        return ""
    try:
        if params["creates"] and _exists(root, params["creates"], params["chdir"]):
            return "Did not run the program since '%s' exists." % params["creates"]
        if params["removes"] and not _exists(root, params["removes"], params["chdir"]):
            return "Did not run the program since '%s' does not exist." % params["removes"]
    finally:
        os.close(root)
    return ""


def _exists(root: int, path: str, chdir: str | None) -> bool:
    """Inside; a link that leads nowhere is there, too."""
    try:
        parent, _slash, last = os.path.join(chdir or "/", path).rstrip("/").rpartition("/")
        folder = mounts.open_in_root(root, parent or "/")
    except OSError:
        return False
    try:
        os.stat(last or ".", dir_fd=folder, follow_symlinks=False)
        return True
    except OSError:
        return False
    finally:
        os.close(folder)


def _run(names: list[str], argv: list[str], params: dict[str, t.Any]) -> exchange.Outcomes:
    stdin = params["stdin"]
    if stdin is not None and params["stdin_add_newline"]:
        stdin += "\n"
    data = None if stdin is None else stdin.encode("utf-8", "surrogateescape")
    timeout = params["timeout"] or None
    environment = {key: str(value) for key, value in params["environment"].items()}
    jobs = {name: Command(
        argv, environment, dict(os.environ) if params["keep_environment"] else None,
        params["chdir"], params["user"], params["group"], params["groups"]) for name in names}
    if params["method"] == EXECUTE:
        return application.run(jobs, data, timeout)
    return exchange.run(jobs, data, timeout, params["parallel"])


def _nothing(message: str) -> dict[str, t.Any]:
    return {"msg": message, "rc": 0, "stdout": "", "stderr": "", "stdout_lines": [],
            "stderr_lines": [], "start": None, "end": None, "delta": None}


def _result(outcome: exchange.Result, params: dict[str, t.Any]) -> dict[str, t.Any]:
    began, ended = (datetime.datetime.fromtimestamp(moment)
                    for moment in (outcome.began, outcome.ended))
    result: dict[str, t.Any] = {
        "changed": True, "rc": outcome.rc, "start": str(began), "end": str(ended),
        "delta": str(ended - began), "msg": ""}
    for key in ("stdout", "stderr"):
        data: bytes = getattr(outcome, key)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:  # which Ansible refuses to take
            text = data.decode("utf-8", "replace")
            result[key + "_base64"] = base64.b64encode(data).decode()
        result[key] = text.rstrip("\r\n") if params["strip_empty_ends"] else text
        result[key + "_lines"] = result[key].splitlines()
    if outcome.timed_out:
        result.update(failed=True, msg="it did not end within %d s and was killed"
                      % params["timeout"])
    elif outcome.rc:
        result.update(failed=True, msg="non-zero return code")
    return result
