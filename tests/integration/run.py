# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs integration targets on this host, one playbook each, and proves that they leave nothing.

A target is a role, as ansible-test has them: targets/<name>/tasks/main.yml. Modules run with the
inventory's interpreter, never with one of an extra variable, which a target could not override.
"""
from __future__ import annotations

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import leftovers  # noqa: E402

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inventory", required=True)
    parser.add_argument("targets", nargs="*", help="names of targets; none: all")
    arguments = parser.parse_args()
    names = sorted(path.name for path in (HERE / "targets").iterdir() if path.is_dir())
    unknown = set(arguments.targets) - set(names)
    if unknown:
        parser.error("no such target: %s" % ", ".join(sorted(unknown)))

    leftovers.mark()
    LOGS.mkdir(parents=True, exist_ok=True)
    before, failed = leftovers.snapshot(), []
    for target in arguments.targets or names:
        print("%-22s" % target, end="", flush=True)
        began = time.monotonic()
        wrong = run_target(target, arguments.inventory)
        print(", %.0f s: %s" % (time.monotonic() - began, "FAILED" if wrong else "passed"))
        if wrong:
            failed.append(target)
            lines = (LOGS / (target + ".log")).read_text().splitlines()
            print("\n".join(lines[-60:]), "\n  " + wrong, flush=True)
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
