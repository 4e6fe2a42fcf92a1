# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event source of Event-Driven Ansible: what happens to the containers of a fleet.

Follows the stream of events of each host, over ssh or on this machine, with nothing on the hosts
but Python: what reads there is sent along, and kept in memory only. When a connection breaks it is
made again, and goes on where the last event was, so that none is lost and none comes twice.
"""
from __future__ import annotations

import asyncio
import base64
import contextlib
import fnmatch
import io
import json
import logging
import os
import pathlib
import shlex
import signal
import tempfile
import zipfile
from typing import Any

DOCUMENTATION = r"""
short_description: What happens to the containers of a fleet
description:
  - State changes, priority changes, exit codes and out-of-memory kills of the containers of one or
    several hosts, as they happen, in the order of each host.
  - A connection that breaks is made again, and goes on after the last event that was handed on.
options:
  hosts:
    description:
      - Hosts as ssh knows them, such as V(web1) or V(root@10.0.0.7), or V(localhost) for this
        machine.
      - A host may be a dictionary, with C(name) for the name in events, C(ssh) for where to
        connect, and C(become) and C(python) of its own.
    type: list
    elements: raw
    default: [localhost]
  containers:
    description: Names of containers, and shell patterns. Events of others are dropped.
    type: list
    elements: str
    default: ['*']
  states:
    description: Only changes to one of these states. Left out, every event.
    type: list
    elements: str
  since:
    description:
      - V(now), or V(beginning) for all that the hosts still have, where O(state_file) knows nothing
        of a host.
    type: str
    default: now
  state_file:
    description:
      - A file that keeps how far each host has been read, so that a rulebook that is started again
        misses nothing.
    type: path
  become:
    description: Whether to read as root by C(sudo -n). The stream is root's.
    type: bool
    default: false
  python:
    description: The interpreter on the hosts, 3.9 or newer.
    type: str
    default: python3
  ssh_arguments:
    description: More arguments for ssh, such as V(-p 2222) as two of them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- fleet.lxc.lxc_events:
    hosts: [root@host1, root@host2]
    containers: ['web*']
    states: [STOPPED]
    state_file: /var/lib/rulebook/lxc_events.json
"""

_PARTS = {"_kernel": ("errors", "lean", "names", "processes", "syscalls"),
          "_container": ("container_log", "event_follow", "event_stream", "events", "store")}
# Standard input stays open: its end is what ends the other side. The archive stays in memory.
_REMOTE = (
    "import os,sys,base64;"
    "f=os.memfd_create('fleet-lxc');"
    "os.write(f,base64.b64decode(sys.stdin.readline()));"
    "sys.path.insert(0,'/proc/self/fd/%d'%f);"
    "from fleet_lxc._container.event_follow import follow;"
    "follow(sys.argv[1] or None if sys.argv[1]!='beginning' else '')")
_OPTIONS = ("hosts", "containers", "states", "since", "state_file", "become", "python",
            "ssh_arguments")
_OF_A_HOST = ("name", "ssh", "become", "python")
_STATES = ("STOPPED", "STARTING", "RUNNING", "STOPPING", "ABORTING", "FREEZING", "FROZEN", "THAWED")
_PATIENCE = 45          # seconds without a line, after which a connection is dead
_PAUSES = (1.0, 30.0)   # seconds between two tries: first, longest
_LINE = 1 << 20         # bytes

logger = logging.getLogger(__name__)


def archive() -> bytes:
    """What reads on a host, as a line: the collection's own modules in a zip file."""
    utils = pathlib.Path(__file__).resolve().parents[4] / "plugins" / "module_utils"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("fleet_lxc/__init__.py", "")
        for package, names in _PARTS.items():
            file.writestr("fleet_lxc/%s/__init__.py" % package, "")
            for name in names:
                file.write(utils / package / (name + ".py"),
                           "fleet_lxc/%s/%s.py" % (package, name))
    return base64.b64encode(made.getvalue()) + b"\n"


def check(args: dict[str, Any]) -> None:
    """Refuse what would be no error later on, but a source that is silent, or says too much.

    A text in the place of a list would be taken letter by letter.

    :raises ValueError: that says which option, and why
    """
    for name in args:
        if name not in _OPTIONS and name != "eda_feedback_queue":  # ansible-rulebook's own
            raise ValueError("there is no option %s; there are %s" % (name, ", ".join(_OPTIONS)))
    for name in ("hosts", "containers", "states", "ssh_arguments"):
        if args.get(name) is not None and not isinstance(args[name], list):
            raise ValueError("%s is %r, and no list" % (name, args[name]))
    for word in args.get("containers") or []:
        if not isinstance(word, str):
            raise ValueError("containers has %r, which is no text" % (word,))
    for word in args.get("states") or []:
        if word not in _STATES:
            raise ValueError("states has %r, which is none of %s" % (word, ", ".join(_STATES)))
    if (args.get("since") or "now") not in ("now", "beginning"):
        raise ValueError("since is %r, and neither 'now' nor 'beginning'" % (args["since"],))
    for entry in args.get("hosts") or []:
        if not isinstance(entry, (str, dict)):
            raise ValueError("hosts has %r, which is neither text nor a dictionary" % (entry,))
        others = [str(key) for key in entry if key not in _OF_A_HOST] \
            if isinstance(entry, dict) else []
        if others:
            raise ValueError("hosts has %r, with %s besides %s"
                             % (entry, ", ".join(others), ", ".join(_OF_A_HOST)))
        if isinstance(entry, dict) and not (entry.get("name") or entry.get("ssh")):
            raise ValueError("hosts has %r, with neither name nor ssh" % (entry,))


class Cursors:
    """How far each host has been read, also after a restart where there is a file."""

    def __init__(self, path: str | None) -> None:
        self._path = pathlib.Path(path) if path else None
        self._known: dict[str, str] = {}
        if self._path is None:
            return
        if not self._path.parent.is_dir():
            raise ValueError("state_file is %r, and there is no folder %s"
                             % (path, self._path.parent))
        if self._path.exists():
            self._known = self._read(self._path)

    @staticmethod
    def _read(path: pathlib.Path) -> dict[str, str]:
        with contextlib.suppress(ValueError):
            known = json.loads(path.read_text())
            if isinstance(known, dict) and all(isinstance(one, str) for one in known.values()):
                return known
        raise ValueError("state_file is %r, which is no state file of lxc_events: remove it, or "
                         "name another" % str(path))

    def get(self, host: str) -> str | None:
        return self._known.get(host)

    def set(self, host: str, cursor: str) -> None:
        if self._known.get(host) == cursor:
            return
        self._known[host] = cursor
        if self._path is not None:
            fd, name = tempfile.mkstemp(prefix=self._path.name, dir=self._path.parent)
            with os.fdopen(fd, "w") as file:
                json.dump(self._known, file)
            os.replace(name, self._path)


class Host:
    """One host, whose stream is followed for ever."""

    def __init__(self, entry: str | dict[str, Any], args: dict[str, Any]) -> None:
        given = entry if isinstance(entry, dict) else {"name": entry}
        self.name: str = given.get("name") or given["ssh"]
        self._ssh: str = given.get("ssh") or self.name
        self._become = bool(given.get("become", args.get("become", False)))
        self._python: str = given.get("python") or args.get("python") or "python3"
        self._arguments = [str(word) for word in args.get("ssh_arguments") or []]
        self._containers = args.get("containers") or ["*"]
        self._states = args.get("states")

    def command(self, since: str) -> list[str]:
        """What is run on this machine."""
        words = [*(["sudo", "-n"] if self._become else []), self._python, "-I", "-c", _REMOTE,
                 since]
        if self._ssh == "localhost":
            return words
        return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
                "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3", *self._arguments,
                "--", self._ssh, shlex.join(words)]

    async def follow(self, queue: asyncio.Queue[Any], cursors: Cursors, begin: str,
                     program: bytes) -> None:
        pause = _PAUSES[0]
        while True:
            since = cursors.get(self.name) or begin
            try:
                if await self._connection(queue, cursors, since, program):
                    pause = _PAUSES[0]
            except (OSError, ValueError) as error:
                logger.warning("lxc_events: %s: %s", self.name, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _PAUSES[1])

    async def _connection(self, queue: asyncio.Queue[Any], cursors: Cursors, since: str,
                          program: bytes) -> bool:
        """Read until it breaks. Whether anything came."""
        process = await asyncio.create_subprocess_exec(
            *self.command(since), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=_LINE)
        assert process.stdin and process.stdout and process.stderr
        said = asyncio.create_task(process.stderr.read(4000))
        heard = False
        try:
            # What ends before it has read all of it, such as ssh without a connection, says why.
            with contextlib.suppress(ConnectionError):
                process.stdin.write(program)
                await process.stdin.drain()
            while True:
                # Not wait_for: before Python 3.12 a cancellation may get lost in it.
                reading = asyncio.ensure_future(process.stdout.readline())
                try:
                    await asyncio.wait({reading}, timeout=_PATIENCE)
                finally:
                    if not reading.done():
                        reading.cancel()
                if reading.cancelled() or not reading.done():
                    logger.warning("lxc_events: %s has said nothing for %d s", self.name,
                                   _PATIENCE)
                    break
                line = reading.result()
                if not line.endswith(b"\n"):
                    break
                heard = True
                await self._hand_on(json.loads(line), queue, cursors)
        finally:
            # Not process.kill(), which reaps what has ended: asyncio, which waits for it as well,
            # would say "Unknown child process".
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            # Whom sudo has started outlives it, but not its standard input.
            process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await process.stdin.wait_closed()
            await process.wait()
            text = (await said).decode(errors="replace").strip()
        logger.warning("lxc_events: the connection to %s has ended: %s", self.name,
                       text[-500:] or "without a word")
        return heard

    async def _hand_on(self, event: dict[str, Any], queue: asyncio.Queue[Any],
                       cursors: Cursors) -> None:
        if event.get("lost"):
            await queue.put({"host": self.name, "lost": True})
        if "container" in event and self._wanted(event):
            await queue.put({"host": self.name, **event})
        cursors.set(self.name, event["cursor"])

    def _wanted(self, event: dict[str, Any]) -> bool:
        if not any(fnmatch.fnmatchcase(event["container"], word) for word in self._containers):
            return False
        return not self._states or event.get("state") in self._states


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """Called by ansible-rulebook."""
    check(args)
    hosts = [Host(entry, args) for entry in args.get("hosts") or ["localhost"]]
    # How far a host has been read is kept by its name.
    names = [host.name for host in hosts]
    for name in names:
        if names.count(name) > 1:
            raise ValueError("hosts has %s twice" % name)
    cursors = Cursors(args.get("state_file"))
    begin = args.get("since") or "now"
    program = archive()
    following = [asyncio.ensure_future(
        host.follow(queue, cursors, "" if begin == "now" else begin, program)) for host in hosts]
    try:
        await asyncio.gather(*following)
    except Exception:
        for task in following:
            task.cancel()
        raise
    finally:
        # gather ends with the first that does; the others still end what they have started.
        await asyncio.wait(following)


if __name__ == "__main__":
    class _Printer:
        """For a look without ansible-rulebook: python lxc_events.py HOST..."""

        async def put(self, event: dict[str, Any]) -> None:
            print(json.dumps(event), flush=True)

    import sys
    asyncio.run(main(_Printer(), {"hosts": sys.argv[1:]}))  # type: ignore[arg-type]
