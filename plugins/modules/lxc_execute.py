#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_execute
short_description: Runs a program in a container
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Runs a program in containers that are running, the job of C(lxc-attach), or as the one purpose
    of a container that lives as long as the program does, the job of C(lxc-execute).
  - The program gets what the container's init has, and no more, of namespaces, control groups,
    capabilities, seccomp filter and C(no_new_privs).
  - Its exit code, and standard output and error, each for itself and complete, are returned. The
    task ends when the program does, even if that has left something running in the background.
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: partial
    details:
      - The program does not run. With O(creates) or O(removes) the result says whether it would,
        without either the task is skipped.
  diff_mode:
    support: none
options:
  name:
    description:
      - Names of containers, and shell patterns such as V(web*), V(web?) and V(web[12]), which stand
        for every defined container that they match.
      - A name that is not defined is an error, but with O(container). A pattern that matches
        nothing is a warning.
    type: list
    elements: str
    required: true
  argv:
    description:
      - The program and its arguments. No shell is in between. A program without a slash is looked
        up by the C(PATH) of the container.
    type: list
    elements: str
  cmd:
    description:
      - The same as one string, split as a shell splits words, and not otherwise expanded.
    type: str
  method:
    description:
      - V(attach) runs the program in a container that is running.
      - V(execute) starts the container with this program instead of its C(command), and waits for
        its end. The container must not be running.
    type: str
    choices: [attach, execute]
    default: attach
  container:
    description:
      - A container for this task alone, with the options of M(fleet.lxc.lxc_container), of which
        C(rootfs) is needed. It is removed again; its root file system stays.
      - Only with O(method=execute). Without it the containers have to be defined.
    type: dict
  chdir:
    description:
      - The working directory, by default that of the definition.
    type: str
  creates:
    description:
      - A path inside the container. Where it exists the program does not run.
      - With O(method=execute) it is looked up in the root file system without the container's
        mounts.
    type: str
  removes:
    description:
      - A path inside the container. Where it does not exist the program does not run.
    type: str
  environment:
    description:
      - Variables of the program, beside those of the container's definition and C(HOME), C(SHELL),
        C(USER) and C(LOGNAME) of its user.
    type: dict
    default: {}
  keep_environment:
    description:
      - Hand on the variables that the task itself has on the host, among them those of the keyword
        C(environment) of the task.
    type: bool
    default: false
  user:
    description:
      - A user of the container, by name or number, by default the one of the definition's C(uid).
        Names are looked up in the container's own C(/etc/passwd).
      - A number that has no entry there gets the group of the same number.
    type: str
  group:
    description:
      - A group of the container, by name or number, instead of the user's own.
    type: str
  groups:
    description:
      - Other groups of the program, by name or number. By default those that list the O(user) in
        the container's C(/etc/group), none where no user is given.
    type: list
    elements: str
  stdin:
    description:
      - What the program can read. Without it there is nothing to read.
    type: str
  stdin_add_newline:
    description:
      - Append a newline to O(stdin).
    type: bool
    default: true
  strip_empty_ends:
    description:
      - Strip empty lines from the end of what is returned.
    type: bool
    default: true
  timeout:
    description:
      - How many seconds the program may take. Then it is killed, with everything that it has
        started, and the task fails. V(0) waits for ever.
    type: int
    default: 600
  parallel:
    description:
      - In how many containers the program runs at a time with O(method=attach).
    type: int
    default: 10
notes:
  - A program that ends with another code than 0 fails the task. One that is ended by a signal has
    128 and the number of that signal as its code.
  - The program never gets a terminal.
  - Names of users and groups of the host, and what the container has by NSS, are not known here.
seealso:
  - module: fleet.lxc.lxc_state
  - module: fleet.lxc.lxc_container
  - module: ansible.builtin.command
"""

EXAMPLES = r"""
- name: Run a program in a container
  fleet.lxc.lxc_execute:
    name: web1
    argv: [/bin/echo, hello]

- name: Run a script as another user in every container of a kind, once
  fleet.lxc.lxc_execute:
    name: web*
    argv: [/bin/sh, -c, 'id && date > stamp']
    chdir: /tmp
    creates: /tmp/stamp
    user: nobody
    timeout: 30
  register: scripts

- name: Show what each has said
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.stdout }}"
  loop: "{{ scripts.containers }}"
  loop_control:
    label: "{{ item.name }}"

- name: Run a job in a container of its own, with half the usual share of the processor
  fleet.lxc.lxc_execute:
    name: job
    method: execute
    argv: [/usr/bin/sha256sum]
    stdin: some text
    container:
      rootfs: /srv/lxc/job
      networks:
        - type: empty
      cgroup:
        cpu.shares: 512
"""

RETURN = r"""
containers:
  description:
    - Each container once, in the order in which O(name) first names or matches it.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    changed:
      description: Whether the program has run, or, in check mode, would with O(creates) or
        O(removes).
      type: bool
      returned: always
    cmd:
      description: The program and its arguments.
      type: list
      elements: str
      returned: always
    rc:
      description: The program's exit code, or 128 and the number of the signal that ended it.
      type: int
      returned: when there is no other error
    stdout:
      description: What it wrote to its standard output.
      type: str
      returned: when there is no other error
    stdout_lines:
      description: The same by lines.
      type: list
      elements: str
      returned: when there is no other error
    stdout_base64:
      description: The same byte by byte.
      type: str
      returned: when it is not UTF-8
    stderr:
      description: What it wrote to its standard error.
      type: str
      returned: when there is no other error
    stderr_lines:
      description: The same by lines.
      type: list
      elements: str
      returned: when there is no other error
    stderr_base64:
      description: The same byte by byte.
      type: str
      returned: when it is not UTF-8
    start:
      description: When it began, null where it did not run.
      type: str
      returned: when there is no other error
      sample: '2026-11-25 00:12:41.123456'
    end:
      description: When it ended.
      type: str
      returned: when there is no other error
      sample: '2026-11-25 00:12:41.126456'
    delta:
      description: How long it took.
      type: str
      returned: when there is no other error
      sample: '0:00:00.003000'
    skipped:
      description: That it did not run because of check mode.
      type: bool
      returned: in check mode without O(creates) and O(removes)
    msg:
      description: Why it did not run, or failed; else empty.
      type: str
      returned: always
    failed:
      description: That it failed.
      type: bool
      returned: when it failed
    error:
      description: What failed, C(doing), C(subject), C(errno), C(detail) and C(hint).
      type: dict
      returned: when the program could not be run
  sample:
    - name: web1
      changed: true
      cmd: [/bin/echo, hello]
      rc: 0
      stdout: hello
      stdout_lines: [hello]
      stderr: ''
      stderr_lines: []
      start: '2026-11-25 00:12:41.123456'
      end: '2026-11-25 00:12:41.126456'
      delta: '0:00:00.003000'
      msg: ''
rc:
  description: As in RV(containers), and with it everything else that is there.
  returned: when it is about one container
  type: int
  sample: 0
stdout:
  description: As in RV(containers).
  returned: when it is about one container
  type: str
  sample: hello
stdout_lines:
  description: As in RV(containers).
  returned: when it is about one container
  type: list
  elements: str
  sample: [hello]
stderr:
  description: As in RV(containers).
  returned: when it is about one container
  type: str
  sample: ''
stderr_lines:
  description: As in RV(containers).
  returned: when it is about one container
  type: list
  elements: str
  sample: []
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.execute import (  # noqa: E402
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle, mutually_exclusive=MUTUALLY_EXCLUSIVE,
        required_one_of=REQUIRED_ONE_OF)


if __name__ == "__main__":
    main()
