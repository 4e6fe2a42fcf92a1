#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_rootfs_info
short_description: What root file systems there are, and what uses them
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - What M(fleet.lxc.lxc_rootfs) has made, out of what, which containers are defined on it, which
    clones show its files, and how much room it takes.
  - Does not change anything.
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
  path:
    description:
      - Paths of root file systems, whether M(fleet.lxc.lxc_rootfs) has made them or not.
      - Left out, all below C(/var/lib/fleet-lxc/rootfs) and C(/var/lib/fleet-lxc/cache).
    type: list
    elements: str
  sizes:
    description: Count how much room each takes, which looks at each of its files.
    type: bool
    default: true
seealso:
  - module: fleet.lxc.lxc_rootfs
  - module: fleet.lxc.lxc_container_info
"""

EXAMPLES = r"""
- name: Look at all root file systems of this host
  fleet.lxc.lxc_rootfs_info:
  register: found

- name: Remove what is in the cache and in no use
  fleet.lxc.lxc_rootfs:
    path: "{{ item.path }}"
    state: absent
  loop: "{{ found.rootfs | selectattr('cached') | rejectattr('clones') }}"
  loop_control:
    label: "{{ item.path }}"

- name: Look at one, without counting
  fleet.lxc.lxc_rootfs_info:
    path:
      - /var/lib/fleet-lxc/rootfs/web1
    sizes: false
"""

RETURN = r"""
rootfs:
  description: Each of them once, in the order of O(path), or else by path.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
      returned: always
    state:
      description: V(present), or V(absent) where there is no such folder.
      type: str
      returned: always
    containers:
      description: The containers that are defined on it.
      type: list
      elements: str
      returned: always
    managed:
      description: Whether M(fleet.lxc.lxc_rootfs) has made it, and so may remove it.
      type: bool
      returned: when present
    cached:
      description: Whether it is kept in the cache, for others to be made of.
      type: bool
      returned: when present
    clones:
      description: The root file systems that show its files; it can't be removed before them.
      type: list
      elements: str
      returned: when present
    layers:
      description: Its layers, the one first that is written to. Empty for a plain tree.
      type: list
      elements: str
      returned: when present
    bytes:
      description: What would be free without it. What it shares or shows of others is not in it.
      type: int
      returned: when present, with O(sizes=true)
    kind:
      description: What it was made of, see RV(fleet.lxc.lxc_rootfs#module:rootfs.kind).
      type: str
      returned: when managed
      sample: debootstrap
    created:
      description: When it was made, in seconds since 1970.
      type: int
      returned: when managed
    source:
      description: See RV(fleet.lxc.lxc_rootfs#module:rootfs.source).
      type: dict
      returned: when managed and not made of the host's files
    mounts:
      description: What is mounted over it when a container starts.
      type: list
      elements: dict
      returned: when managed
    command:
      description: What a container runs whose definition names no command.
      type: list
      elements: str
      returned: when there is one
    environment:
      description: Environment variables that the image gives its command.
      type: dict
      returned: when made of an image
    cwd:
      description: The working directory of a new container.
      type: str
      returned: when made of an image that has one
    uid:
      description: The user of a new container.
      type: int
      returned: when made of an image
    gid:
      description: The group of a new container.
      type: int
      returned: when made of an image
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.rootfs_info import (  # noqa: E402
    ARGUMENT_SPEC,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle)


if __name__ == "__main__":
    main()
