#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_state
short_description: Starts, stops, freezes and signals containers, and waits for them
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Brings containers that are defined to a state, all of them at once. The job of C(lxc-start),
    C(lxc-stop), C(lxc-freeze), C(lxc-unfreeze), C(lxc-kill), C(lxc-wait) and C(lxc-autostart).
  - A stop asks the container's init to end, waits, and then kills. The result says which
    containers were killed, and why.
  - One container that fails neither hides nor stops the others. The task fails in the end, and
    names each that did.
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
    details:
      - A container that an earlier task would only define is not defined yet, and so an error. One
        that an earlier task would only start can't be frozen or signalled, which is a warning.
      - Nobody waits for the states of O(wait_for), since nothing happens, and nobody asks what
        O(healthy) says.
  diff_mode:
    support: full
options:
  name:
    description:
      - Names of containers, and shell patterns such as V(web*), V(web?) and V(web[12]), which stand
        for every defined container that they match.
      - A name that is not defined is an error. A pattern that matches nothing is a warning.
    type: list
    elements: str
    required: true
  state:
    description:
      - V(started) starts what is not running. A frozen container counts as running.
      - V(stopped) stops what is running.
      - V(restarted) stops what is running and starts all of them, with their definitions as they
        are now. It is always a change. What could not start again, for want of its bridge for
        instance, is an error and goes on as it is.
      - V(frozen) stops every process where it is, until V(thawed) lets it go on. The task ends when
        the kernel says that all of them have stopped. A process that can't be stopped within
        O(timeout), such as one that waits for a dead NFS server, is an error, and the container
        goes on.
      - V(thawed) lets a frozen container go on, but for processes that it has frozen itself.
      - A container that does not run can be neither V(frozen) nor V(thawed).
      - One of O(state), O(signal), O(wait_for) and O(healthy) is needed.
    type: str
    choices: [started, stopped, restarted, frozen, thawed]
  signal:
    description:
      - Sends a signal to containers that run, by name, with or without C(SIG), or by number, such
        as V(HUP), V(SIGTERM), V(RTMIN+3) or V(9). It is a change when a process got it.
      - A frozen container gets it when it is thawed, but for V(KILL), which ends it at once where
        cgroup v2 has frozen it.
      - A signal that the container's init does not handle never reaches it, which is a warning;
        only V(KILL) and V(STOP) always do.
    type: str
  signal_to:
    description:
      - Which processes get it, the container's V(init) or V(all) of them, each once.
    type: str
    choices: [init, all]
    default: init
  wait_for:
    description:
      - Waits until each of the containers is in one of these states, or was in one since the task
        began, however short. Returns at once when it already is.
      - With O(state) or O(signal) the wait begins before they are carried out.
      - What runs is V(THAWED), and what was thawed is V(RUNNING).
    type: list
    elements: str
    choices: [STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN, THAWED]
  timeout:
    description:
      - How many seconds a stop waits for the container's init to end before it is killed.
      - A start has as long too, and 30 seconds at least.
      - How many seconds a freeze has until the last process has stopped.
      - How many seconds O(wait_for) waits after what O(state) or O(signal) asks for. Then it is an
        error.
    type: int
    default: 30
  kill:
    description:
      - Kill at once, without asking.
    type: bool
    default: false
  healthy:
    description:
      - What a container has to do before the task goes on, after O(state), O(signal) and
        O(wait_for), or by itself. It is asked until the answer is yes, all containers at the same
        time. Whatever was started goes on when the answer stays no, which is an error.
      - A container that was not changed by the task is asked as well. One that does not run any
        more is an error at once.
      - All that is given has to be true at one moment.
      - Not with O(state=stopped) and O(state=frozen).
    type: dict
    version_added: 0.1.0
    suboptions:
      ports:
        description:
          - TCP ports that something listens on in the container's network namespace, whatever the
            address. The kernel's table is read, and nothing is sent.
        type: list
        elements: int
        default: []
      units:
        description:
          - Units of the container's systemd that are active, such as V(nginx.service).
        type: list
        elements: str
        default: []
      command:
        description:
          - A program inside, with its arguments, that ends with 0. It runs with the rights of the
            container's init, as with M(fleet.lxc.lxc_execute).
        type: list
        elements: str
        default: []
      timeout:
        description:
          - After how many seconds it is an error. It is asked once at least.
        type: int
        default: 60
      interval:
        description:
          - How many seconds lie between two questions; less between the first ones.
        type: float
        default: 1
      attempt_timeout:
        description:
          - After how many seconds a program that does not answer is killed, to be asked anew.
        type: float
        default: 10
notes:
  - What init is asked with is the definition's C(halt_signal), and without one the signal that this
    init is known to take, SIGRTMIN+3 for systemd, SIGPWR for sysvinit, else SIGTERM. A restart asks
    with the definition's C(reboot_signal) where it has one.
  - An init that does not handle that signal never sees it, and nobody waits for it; it is killed
    at once.
seealso:
  - module: fleet.lxc.lxc_container
  - module: fleet.lxc.lxc_container_info
  - module: fleet.lxc.lxc_monitor
"""

EXAMPLES = r"""
- name: Start a container
  fleet.lxc.lxc_state:
    name: web1
    state: started

- name: Restart several, with ten seconds for each to end in peace
  fleet.lxc.lxc_state:
    name:
      - web*
      - job
    state: restarted
    timeout: 10

- name: Freeze a container
  fleet.lxc.lxc_state:
    name: web1
    state: frozen

- name: Let it go on
  fleet.lxc.lxc_state:
    name: web1
    state: thawed

- name: Tell a program to read its configuration again
  fleet.lxc.lxc_state:
    name: web1
    signal: HUP

- name: Ask a job to end, and wait a minute for that
  fleet.lxc.lxc_state:
    name: job
    signal: TERM
    signal_to: all
    wait_for: [STOPPED]
    timeout: 60

- name: Stop every container of this host
  fleet.lxc.lxc_state:
    name: '*'
    state: stopped
  register: stopped

- name: Show which did not end by themselves
  ansible.builtin.debug:
    msg: "{{ item.name }} was killed: {{ item.killed }}"
  loop: "{{ stopped.containers | selectattr('killed') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Restart web servers, and go on when they serve
  fleet.lxc.lxc_state:
    name: web*
    state: restarted
    healthy:
      ports: [80]
      units: [nginx.service]
      command: [curl, --fail, --silent, --output, /dev/null, 'http://localhost/']
      timeout: 30
"""

RETURN = r"""
containers:
  description:
    - Each container once, in the order in which O(name) first names or matches it; those that one
      pattern matches by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
    changed:
      description: Whether something was done to it, or would be.
      type: bool
      returned: always
    state:
      description:
        - STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN or THAWED after the task;
          ABSENT where there is no such container.
      type: str
      returned: always
      sample: RUNNING
    pid:
      description: Process id of its init on the host, 0 where none runs. In check mode also 0 where
        it would be another one.
      type: int
      returned: always
    killed:
      description: Why its init was killed, empty where it was not.
      type: str
      returned: always
      sample: its init does not handle SIGTERM
    seconds:
      description: How long its stop took, null where there was none.
      type: float
      returned: always
    signaled:
      description: How many processes got the signal, null where none was sent.
      type: int
      returned: always
    reached:
      description: The state of O(wait_for) that it was found in, null where nobody waited.
      type: str
      returned: always
      sample: STOPPED
    waited:
      description: After how many seconds that was, null where nobody waited.
      type: float
      returned: always
    healthy:
      description: Whether it did what O(healthy) says, null where nobody asked.
      type: bool
      returned: always
    healthy_after:
      description: After how many seconds it did, null where nobody asked and where it did not.
      type: float
      returned: always
    exit:
      description: How the init of its last run ended, C(code) or C(signal). Null while the first
        run lasts, and with a warning where nobody knows, since its monitor was killed. A system
        that has powered off ends by signal 2, one that reboots by 1, as reboot(2) has it.
      type: dict
      returned: always
      sample: {code: 0}
    failed:
      description: That it failed.
      type: bool
      returned: when it failed
    error:
      description: What failed, C(doing), C(subject), C(errno), C(detail) and C(hint).
      type: dict
      returned: when it failed
    msg:
      description: The same as one text.
      type: str
      returned: when it failed
  sample:
    - name: web1
      changed: true
      state: STOPPED
      pid: 0
      killed: ''
      seconds: 0.213
      exit: {code: 0}
      signaled: null
      reached: null
      waited: null
      healthy: null
      healthy_after: null
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402
from ansible_collections.fleet.lxc.plugins.module_utils._module.state import (  # noqa: E402
    ARGUMENT_SPEC,
    MUTUALLY_EXCLUSIVE,
    REQUIRED_ONE_OF,
    handle,
)


def main() -> None:
    run(ARGUMENT_SPEC, handle, required_one_of=REQUIRED_ONE_OF,
        mutually_exclusive=MUTUALLY_EXCLUSIVE)


if __name__ == "__main__":
    main()
