# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs integration targets on this host, one playbook each, and proves that they leave nothing.

A target is a role, as ansible-test has them: targets/<name>/tasks/main.yml. Modules run with the
inventory's interpreter, never with one of an extra variable, which a target could not override.
As many run at a time as there are processors: most in a machine of their own (tests/isolated),
those that need a network or the whole host one after the other beside them.
"""
from __future__ import annotations

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import leftovers  # noqa: E402

# They fetch packages, or answer for the whole host.
ON_HOST = ("lxc_rootfs", "playbooks_fleet", "role_console", "role_ssh")
LOGS = HERE.parent / "output" / "integration"
RECAP = re.compile(r"^localhost\s+: ok=(\d+) .*failed=(\d+)\s+skipped=(\d+)", re.MULTILINE)
PLAYBOOK = """- name: Target %(target)s
  hosts: localhost
  gather_facts: true
  roles: [%(target)s]
"""


def look() -> set[str]:
    return leftovers.essential(leftovers.snapshot()) | leftovers.tables()


def run_target(target: str, inventory: str) -> str:
    """Run it with its output in a log; returns what is wrong with it, if anything."""
    leftovers.mark()
    before = look()
    log = LOGS / (target + ".log")
    with tempfile.TemporaryDirectory(prefix="integration-") as folder, log.open("w") as output:
        playbook = pathlib.Path(folder) / (target + ".yml")
        playbook.write_text(PLAYBOOK % {"target": target})
        code = subprocess.call(
            [str(pathlib.Path(sys.executable).parent / "ansible-playbook"), "-i", inventory,
             str(playbook)], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, "ANSIBLE_ROLES_PATH": str(HERE / "targets"),
                 "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_HOME": folder})
    wrong = []
    recap = RECAP.search(log.read_text())
    counted = [int(number) for number in recap.groups()] if recap else [0, 0, 0]
    if code:
        wrong.append("ansible-playbook ended with %d" % code)
    elif counted[0] < 2:
        wrong.append("no task of it ran")
    left = leftovers.difference(before, look=look)
    if os.environ.get("FLEET_LXC_SHARED"):
        print("\n  ".join(["", *left]))
    else:
        wrong += left
    print("  %d tasks, %d skipped" % (counted[0], counted[2]), end="")
    return "\n  ".join(wrong)


def one(target: str, inventory: str) -> int:
    """Run this target here, and say how it ended."""
    print("%-22s" % target, end="", flush=True)
    began = time.monotonic()
    wrong = run_target(target, inventory)
    print(", %.0f s: %s" % (time.monotonic() - began, "FAILED" if wrong else "passed"))
    if wrong:
        lines = (LOGS / (target + ".log")).read_text().splitlines()
        print("\n".join(lines[-60:]), "\n  " + wrong, flush=True)
    return 1 if wrong else 0


def run_all(names: list[str], inventory: str, jobs: int) -> list[str]:
    """Run each in a process of its own; returns those that failed."""
    on_host = collections.deque(name for name in names if name in ON_HOST)
    isolated = collections.deque(name for name in names if name not in ON_HOST)
    failed: list[str] = []

    def work(queues: list[collections.deque[str]]) -> None:
        for queue in queues:
            while True:
                try:
                    name = queue.popleft()
                except IndexError:
                    break
                command = [sys.executable, str(HERE / "run.py"), "--inventory", inventory,
                           "--here", name]
                if queue is isolated:
                    command.insert(0, str(HERE.parent / "isolated"))
                ended = subprocess.run(command, check=False, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
                print(ended.stdout, end="", flush=True)
                if ended.returncode:
                    failed.append(name)

    workers = [threading.Thread(target=work, args=([on_host, isolated] if number == 0
                                                   else [isolated],)) for number in range(jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("--jobs", metavar="N", type=int, default=os.cpu_count() or 1,
                        help="how many at a time; the number of processors")
    parser.add_argument("--here", action="store_true", help="one target, in this very process")
    parser.add_argument("targets", nargs="*", help="names of targets; none: all")
    arguments = parser.parse_args()
    names = sorted(path.name for path in (HERE / "targets").iterdir() if path.is_dir())
    unknown = set(arguments.targets) - set(names)
    if unknown:
        parser.error("no such target: %s" % ", ".join(sorted(unknown)))
    LOGS.mkdir(parents=True, exist_ok=True)
    if arguments.here:
        return max(one(name, arguments.inventory) for name in arguments.targets)

    leftovers.mark()
    before = leftovers.snapshot()
    failed = run_all(arguments.targets or names, arguments.inventory, arguments.jobs)
    leftovers.remove_kept(before)
    try:
        leftovers.complain("The run", leftovers.difference(before))
    except AssertionError as error:
        print(error)
        failed.append("the check of what is left")
    if failed:
        print("Failed: %s. The whole output is in %s" % (", ".join(failed), LOGS))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
