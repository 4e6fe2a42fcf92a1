#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_monitor
short_description: Collects what happens to containers
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Collects state changes, priority changes and out-of-memory kills of a host's containers, for a
    time or until there are enough, and returns them as data. The job of C(lxc-monitor).
  - The host keeps a stream of events, a line for each change, which whoever makes a change writes.
    A task that begins where an earlier one has ended, with O(since), misses nothing in between.
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    details:
      - Nothing is changed.
options:
  name:
    description:
      - Names of containers, and shell patterns such as V(web*). What they match need not be defined
        when the task begins.
    type: list
    elements: str
    default: ['*']
  kinds:
    description:
      - Which changes to collect. V(state) is the state, V(priority) the share of the processor, and
        V(oom) is for those events alone that tell of processes which the kernel has killed for want
        of memory. The monitor of a container tells of them at once, and its end of all together.
    type: list
    elements: str
    choices: [state, priority, oom]
    default: [state, priority, oom]
  states:
    description:
      - Collect only changes to one of these states. Left out, all that O(kinds) says.
    type: list
    elements: str
    choices: [STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN, THAWED]
  since:
    description:
      - The C(cursor) of an earlier task's result, or of one of its events. What came after it is
        returned first.
      - An empty string stands for everything that the host still has.
      - Left out, the collection begins with the task.
    type: str
  count:
    description:
      - End with that many events.
    type: int
  until:
    description:
      - End with an event that says one of these states.
    type: list
    elements: str
    choices: [STOPPED, STARTING, RUNNING, STOPPING, ABORTING, FREEZING, FROZEN, THAWED]
  timeout:
    description:
      - End after that many seconds in any case, which is no failure. With V(0) the task returns
        what there is.
    type: float
    default: 30
notes:
  - The stream is C(/run/fleet-lxc/events), and C(/run/fleet-lxc/events.1) what came before, of 4
    MiB each, some 80000 events. It begins anew with each boot of the host.
  - To wait for a state, use O(fleet.lxc.lxc_state#module:wait_for), which also looks at what is.
seealso:
  - module: fleet.lxc.lxc_state
  - module: fleet.lxc.lxc_container_info
"""

EXAMPLES = r"""
- name: See what happens within ten seconds
  fleet.lxc.lxc_monitor:
    timeout: 10
  register: seen

- name: Return what has happened since then, without waiting
  fleet.lxc.lxc_monitor:
    since: "{{ seen.cursor }}"
    timeout: 0
  register: later

- name: Wait a minute for the end of one of the web servers
  fleet.lxc.lxc_monitor:
    name: web*
    until: [STOPPED]
    timeout: 60
  register: watched

- name: Show how each of them ended
  ansible.builtin.debug:
    msg: "{{ item.container }}: {{ item.exit }}"
  loop: "{{ watched.events | selectattr('exit', 'defined') }}"
  loop_control:
    label: "{{ item.container }}"
"""

RETURN = r"""
events:
  description: Each change, in the order in which they were made.
  returned: always
  type: list
  elements: dict
  contains:
    time:
      description: When, in seconds since 1970.
      type: float
      returned: always
    container:
      description: Name of the container.
      type: str
      returned: always
    state:
      description: The state it has got into, STOPPED, STARTING, RUNNING, STOPPING, ABORTING,
        FREEZING, FROZEN or THAWED.
      type: str
      returned: with changes of the state
      sample: RUNNING
    pid:
      description: Process id of its init on the host.
      type: int
      returned: with RUNNING
    exit:
      description: How its init ended, C(code) or C(signal).
      type: dict
      returned: with STOPPED, where it is known
      sample: {code: 0}
    aborted:
      description: That its start has failed, as its V(ABORTING) has told already.
      type: bool
      returned: with STOPPED, when that is so
    asked:
      description: That somebody stopped it, so that its end is no surprise.
      type: bool
      returned: with STOPPED, when that is so
    error:
      description: Why its start failed, as a text.
      type: str
      returned: with ABORTING, where it is known
    oom_kills:
      description: How many of its processes the kernel has killed for want of memory in this run.
      type: int
      returned: when it has become more, and with STOPPED, when there were any
    priority:
      description: Its new share of the processor.
      type: int
      returned: with changes of the priority
    cursor:
      description: What O(since) takes to get what came after this event.
      type: str
      returned: always
  sample:
    - time: 1767225600.254871
      container: web1
      state: STOPPED
      exit: {code: 0}
      cursor: 8f3a5bd2c17e9460:7312
cursor:
  description: What O(since) takes to go on where this task has ended.
  returned: always
  type: str
  sample: 8f3a5bd2c17e9460:7312
reached:
  description: Whether O(count) or O(until) ended it, and not the time.
  returned: always
  type: bool
lost:
  description: Whether events that came after O(since) are gone, and so not among RV(events).
  returned: always
  type: bool
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.monitor import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle)


if __name__ == "__main__":
    main()
