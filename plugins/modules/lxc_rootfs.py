#!/usr/bin/python
# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: lxc_rootfs
short_description: A root file system for containers
version_added: 0.1.0
author:
  - fleet.lxc contributors (@fleet-lxc)
description:
  - Makes a root file system out of the host's own files, a few hundred kilobytes of its own beside
    what it shares read-only, out of a distribution's packages, out of a tar file, out of an OCI
    image, or as a clone of another.
  - A new tree grows under another name and gets its own when it is finished. When a step fails,
    what was made is removed, and the task says which step it was.
  - What was made and what is shared is written to a manifest C(PATH.fleet-lxc.json) beside the
    tree, where the container can't change it. M(fleet.lxc.lxc_container) reads it.
  - While a task works, C(PATH.fleet-lxc.log) says what it is about, with all that the programs
    print that it runs. It goes with the task; an error has its last lines.
  - Files have plain owners from 0 to 65535; unprivileged containers see them through an id-mapped
    mount.
requirements:
  - for O(host.ssh_host_keys), sshd and ssh-keygen on the managed host (Debian's package
    openssh-server)
  - for O(debootstrap), mmdebstrap or debootstrap on the managed host, and the keys of the
    distribution's archive (Debian's package debian-archive-keyring)
  - for O(image), skopeo and umoci on the managed host
extends_documentation_fragment:
  - fleet.lxc.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - The C(operations) of the diff's second half are the steps that are run, in order.
options:
  path:
    description:
      - Where the root file system is, from C(/) on. The usual place is
        C(/var/lib/fleet-lxc/rootfs/NAME), whose parents are made.
      - Elsewhere the parent has to be there, and one of the folders above has to be closed to
        other users (mode V(0700)), who could otherwise run set-user-ID programs that the
        container's root has put into the tree.
      - A folder that is not empty and that this module did not make is refused.
    type: str
    required: true
  state:
    description:
      - V(present) makes it out of O(host), O(debootstrap), O(archive), O(image) or O(clone),
        one of which is then required.
      - V(absent) removes it, with everything that the container has written. Only what this module
        made is removed, and not while a container is defined on it, a clone shows its files, or
        something is mounted in it.
    type: str
    choices: [present, absent]
    default: present
  host:
    description:
      - Share the host's files. When the task runs again, files that it names are put back as the
        task says, each in one step, and the container keeps everything else.
    type: dict
    suboptions:
      shared:
        description:
          - Folders and files that the container sees read-only. Its root can read all of them,
            whatever their mode.
          - Left out, they are V(/usr), V(/etc/alternatives) and V(/etc/ssl/certs), as far as the
            host has them. With V(/usr) go the links V(/bin), V(/lib) and so on, or these folders
            where the host has not merged them into V(/usr).
        type: list
        elements: str
      programs:
        description:
          - Share only what these programs need to start, and O(host.shared), instead of all of
            V(/usr). Of a binary that is itself, its loader and its libraries; of a script, itself
            and its interpreter.
          - What a program opens later, such as modules of Python or time zones, has to be named in
            O(host.shared).
        type: list
        elements: str
        default: []
      private:
        description:
          - Folders that the container has to itself, empty at first, beside the usual ones
            (V(/etc), V(/home), V(/root), V(/run), V(/tmp), V(/var) and so on).
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description: The folder, from the container's C(/) on.
            type: str
            required: true
          mode:
            description: Its mode, octal.
            type: str
            default: '0755'
          uid:
            description: Its owner.
            type: int
            default: 0
          gid:
            description: Its group.
            type: int
            default: 0
      hostname:
        description: What V(/etc/hostname) and V(/etc/hosts) say.
        type: str
      nameservers:
        description: Addresses for V(/etc/resolv.conf). There is no such file without.
        type: list
        elements: str
        default: []
      accounts:
        description: Accounts beside root, daemon, sshd and nobody.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Login name.
            type: str
            required: true
          uid:
            description: From 1 to 65533, usually from 1000 on.
            type: int
            required: true
          gid:
            description: Left out, it is that of O(host.accounts[].uid). A group is made for it.
            type: int
          home:
            description: Home folder. Left out, it is V(/home/NAME).
            type: path
          shell:
            description: Login shell.
            type: path
            default: /bin/bash
          password:
            description: A hash, see V(crypt(5\)). Left out, there is no login by password.
            type: str
          authorized_keys:
            description: Public keys that may log in; exactly these.
            type: list
            elements: str
      root_authorized_keys:
        description: Public keys that may log in as root; exactly these.
        type: list
        elements: str
      ssh_host_keys:
        description:
          - Types of host keys. They are made once, by the host's ssh-keygen, and kept.
          - An empty list makes a root file system without sshd.
        type: list
        elements: str
        choices: [ed25519, ecdsa, rsa]
        default: [ed25519]
      ssh_port:
        description: Where sshd listens.
        type: int
        default: 22
      command:
        description:
          - What a container runs whose definition names no command.
          - Left out, it is V(/usr/sbin/sshd -D -e), or nothing where O(host.ssh_host_keys) is
            empty.
        type: list
        elements: str
  debootstrap:
    description:
      - Install a Debian, or a distribution of its kin, from its packages.
      - What was built is kept below C(/var/lib/fleet-lxc/cache), and the next root file system of
        the same kind is a copy of it, which takes a second or less. Where the file system can
        (xfs, btrfs), the copies share their blocks. An entry of the cache is a root file system
        like others, so O(state=absent) with its path removes it.
      - The tree has no host name, an empty C(/etc/machine-id), and the host's
        C(/etc/resolv.conf). Where openssh-server is among the packages, each root file system
        gets host keys of its own.
      - When the task runs again the tree is left as it is. One that was made of something else is
        refused, not replaced; a package that was added later is no difference.
    type: dict
    suboptions:
      suite:
        description: The release, such as V(trixie). Left out, it is the host's own.
        type: str
      variant:
        description:
          - V(minbase) is what apt needs to run. V(standard) also has the packages of priority
            V(important), an init system among them. V(buildd) is V(minbase) and build-essential.
          - For a container that boots, V(minbase) with O(debootstrap.packages=systemd-sysv) is
            enough.
        type: str
        choices: [minbase, standard, buildd]
        default: minbase
      mirror:
        description:
          - Where packages come from.
          - Left out, it is what the host's own C(/etc/apt) has for the suite, or else for the
            host's release.
        type: str
      keyring:
        description:
          - File with the keys that packages are checked with, on the managed host.
          - Left out, it is what the host's own C(/etc/apt) names for that mirror, or else the
            file of the host's distribution in C(/usr/share/keyrings).
        type: path
      packages:
        description: Further packages.
        type: list
        elements: str
        default: []
      components:
        description: Parts of the archive.
        type: list
        elements: str
        default: [main]
      architecture:
        description:
          - Debian's name of it, such as V(arm64). Left out, it is the host's.
          - One that the host's processor can't run needs its emulator registered with the kernel
            (Debian's package qemu-user-static).
        type: str
      tool:
        description:
          - The program. Left out, it is mmdebstrap where the host has it, being faster, also by
            four connections to the mirror.
        type: str
        choices: [mmdebstrap, debootstrap]
      cache_days:
        description:
          - How old what the cache has may be, in days; what is older is built anew, which brings
            the updates since then.
          - V(0) neither uses the cache nor fills it.
        type: float
        default: 7
      timeout:
        description: Seconds that a build may take, or the wait for another task that builds it.
        type: float
        default: 1800
  clone:
    description:
      - Make it like another root file system, or like that of a container.
      - It has everything of the other, but for what O(clone.new_identity) says.
      - When the task runs again the tree is left as it is.
    type: dict
    suboptions:
      src:
        description: The path of the other.
        type: str
      container:
        description: The container whose root file system is the other.
        type: str
      method:
        description:
          - V(overlay) shows the other's files and writes to a layer of its own (overlayfs), which
            takes no time and no room at any size. C(PATH) then has the folders C(upper) and
            C(work); the whole tree is seen in the container only. The other can't be removed as
            long as the clone is there.
          - Where containers run on the other, they have to be stopped; what the tree is at that
            time becomes a layer beside it, and the containers write to a layer of their own from
            then on, like the clone. A frozen container will do where the other has layers
            already, as a clone by V(overlay) has; then what it has written itself is copied.
          - A tree that no container runs on, a template, stays as it is; it must not be changed
            while it has clones, and no container starts on it.
          - V(copy) copies everything; where the file system can (xfs, btrfs), files share their
            blocks. V(reflink) does so or fails. Containers on the other have to be stopped or
            frozen.
          - For unprivileged containers V(overlay) needs Linux 5.19 or newer.
        type: str
        choices: [overlay, reflink, copy]
        default: overlay
      new_identity:
        description:
          - Make the clone a machine of its own. V(/etc/machine-id) is empty, for the first boot to
            fill; V(/etc/hostname), dbus' machine id, systemd's random seed and its credential
            secret are removed; and in place of each SSH host key there is another one of the same
            type, made by the host's ssh-keygen.
          - With V(false) it has all of these of the other, as a snapshot should.
        type: bool
        default: true
  image:
    description:
      - Unpack an OCI image, or one of Docker's. skopeo fetches it, umoci unpacks it.
      - It is unpacked once for each digest, below C(/var/lib/fleet-lxc/cache), and the root file
        system is a clone of that. There it is a root file system like others, so O(state=absent)
        with its path removes it once no clone needs it.
      - The image's command and environment are those of a container whose definition names none;
        its user and its working directory are the defaults of a new container.
      - When the task runs again the tree is left as it is, also when the image's tag has moved
        since then. A name with a digest that is another one is refused.
    type: dict
    suboptions:
      src:
        description:
          - The image as skopeo names it, see containers-transports(5). C(docker://HOST/NAME:TAG)
            is in a registry; C(oci:/FOLDER:NAME), C(oci-archive:/FILE:NAME),
            C(docker-archive:/FILE) and C(dir:/FOLDER) are on the managed host.
        type: str
        required: true
      method:
        description: How the clone is made, see O(clone.method).
        type: str
        choices: [overlay, reflink, copy]
        default: overlay
      tls_verify:
        description: Whether the registry has to have a certificate that the host trusts.
        type: bool
        default: true
      authfile:
        description:
          - File with the credentials for a registry, on the managed host, as C(skopeo login)
            writes it.
        type: path
      timeout:
        description: Seconds that fetching may take, and unpacking again as many.
        type: float
        default: 1800
  archive:
    description:
      - Unpack a tar file, in a process whose root folder is the new tree.
      - An archive is refused as a whole when one of its members has an absolute path or C(..) in
        it, leads through a link, is a hard link to anything but a file of the archive, is a device
        node that was not asked for, or belongs to an id above 65535.
      - When the task runs again the tree is left as it is.
    type: dict
    suboptions:
      src:
        description:
          - The file, on the managed host, or an address with C(http://) or C(https://) that the
            managed host fetches it from; O(archive.checksum) is required then.
          - Plain, or compressed with gzip, bzip2 or xz; with zstd where the host has that program,
            or Python 3.14.
          - Holes of sparse files stay holes. Of extended attributes, capabilities, ACLs as
            C(system.posix_acl_access) and C(user.*) are taken over, from archives as GNU tar's
            C(--xattrs) or bsdtar make them; SELinux labels and the like are the host's own
            matter.
          - ACLs of C(--acls) are taken over, too. They have names for ids. Whom a name means is
            known from a member that belongs to it, or else from C(etc/passwd) and C(etc/group) of
            the archive; where neither says it, the archive is refused.
        type: str
        required: true
      checksum:
        description:
          - C(sha256:) and the 64 digits of the archive as it is, compressed.
          - A tree that was made of another archive is refused, not replaced.
        type: str
      devices:
        description:
          - Also make the device nodes of the archive. In a privileged container they open the
            host's devices, as far as its device rules allow; containers get their devices from the
            runtime without this.
        type: bool
        default: false
seealso:
  - module: fleet.lxc.lxc_container
"""

EXAMPLES = r"""
- name: A root file system that shares the host's programs, for a container that runs sshd
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/web1
    host:
      hostname: web1
      root_authorized_keys:
        - ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ1aWxkIGl0IHNpbXBsZSBhbmQgdGVsbCB3aHkh admin

- name: One without sshd, with an account and a folder of its own
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/job
    host:
      accounts:
        - name: worker
          uid: 1000
      private:
        - path: /data
          mode: "0750"
          uid: 1000
          gid: 1000
      ssh_host_keys: []
      command: [/usr/bin/sleep, infinity]

- name: One that sees a single program of the host, and its libraries
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/sleeper
    host:
      programs: [/usr/bin/sleep]
      ssh_host_keys: []
      command: [/usr/bin/sleep, infinity]

- name: A Debian of the host's own release that boots with systemd
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/db1
    debootstrap:
      packages: [systemd-sysv, dbus, iproute2]

- name: One of a given release and mirror, built anew when the last is older than a day
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/db2
    debootstrap:
      suite: trixie
      mirror: http://mirror.example.com/debian
      components: [main, contrib]
      cache_days: 1

- name: A clone of it in no time, for another container
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/db3
    clone:
      src: /var/lib/fleet-lxc/rootfs/db1

- name: A copy of its own, to be changed independently of everything else
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/db4
    clone:
      src: /var/lib/fleet-lxc/rootfs/db1
      method: copy

- name: One out of an image in a registry
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/app1
    image:
      src: docker://registry.example.com/app:1.4

- name: One out of an image on the managed host
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/app2
    image:
      src: oci-archive:/root/app.tar:app

- name: One out of a tar file
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/debian
    archive:
      src: /root/debian.tar.xz
      checksum: sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c

- name: One out of a tar file that the host fetches
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/fetched
    archive:
      src: https://www.example.com/debian.tar.xz
      checksum: sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c

- name: Remove it
  fleet.lxc.lxc_rootfs:
    path: /var/lib/fleet-lxc/rootfs/debian
    state: absent
"""

RETURN = r"""
rootfs:
  description: The root file system as it is after the task; in check mode, as it would be.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is.
      type: str
      returned: always
    state:
      description: Whether there is one.
      type: str
      returned: always
      sample: present
    kind:
      description: What it was made of, V(host), V(debootstrap), V(archive), V(image) or
        V(clone).
      type: str
      returned: when present
    mounts:
      description: What is mounted over it when a container starts.
      type: list
      elements: dict
      returned: when present
      sample: [{source: /usr, target: /usr, read_only: true}]
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
      description: The image's working directory.
      type: str
      returned: when the image has one
    source:
      description:
        - The archive it was made of, C(src) and C(sha256).
        - For packages, C(suite), C(variant), C(mirror), C(packages), C(components),
          C(architecture) and C(tool).
        - For an image, C(src) and C(digest).
        - For a clone, C(path) and C(method).
      type: dict
      returned: when not made of the host's files
operations:
  description: The steps that were run, or would be, in order.
  returned: success
  type: list
  elements: str
  sample:
    - make folder /var/lib/fleet-lxc/rootfs/web1
    - write /var/lib/fleet-lxc/rootfs/web1/etc/passwd (210 bytes, mode 0644, owner 0:0)
bytes:
  description: What the tree takes on the disk now, without what is shared.
  returned: success
  type: int
  sample: 126976
host_keys:
  description: The public host keys that are there now, by type.
  returned: success
  type: dict
  sample: {ed25519: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0u}
"""

from ansible_collections.fleet.lxc.plugins.module_utils._module.rootfs import (  # noqa: E402
    ARGUMENT_SPEC,
    KINDS,
    handle,
)
from ansible_collections.fleet.lxc.plugins.module_utils._module.runner import run  # noqa: E402


def main() -> None:
    run(ARGUMENT_SPEC, handle,
        mutually_exclusive=[KINDS],
        required_if=[("state", "present", KINDS, True)])


if __name__ == "__main__":
    main()
