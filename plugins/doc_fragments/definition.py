# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container's definition may say: the options of lxc_container that describe one.

Apart from the module, which is sent to a host with each task and does not need them there.
"""
from __future__ import annotations


class ModuleDocFragment:
    """Each option for a container, and again for each item of O(containers)."""

    DOCUMENTATION = r"""
options:
  config_file: &config_file
    description:
      - An LXC configuration file of the managed host, with the keys of today or those of 2009,
        and with all that it includes. One file may be for many containers.
      - It is the whole definition. What it leaves out goes back to the defaults of a new
        container, except the range of ids that was chosen. Options that are given beside it win
        over it.
      - The defaults are those of this module, not LXC's. Without C(lxc.idmap) a container has
        ids of its own, without C(lxc.cap.keep) the default capabilities, and no device but the
        default ones is allowed unless a line does so. See O(privileged).
      - A key that is not supported is an error with its file and line. C(x) in C(hwaddr) is
        replaced by digits that come from the container's name.
      - The folder of a relative C(lxc.include) is that of the file which has it.
    type: str
    aliases: [config]
  lxc_config: &lxc_config
    description:
      - The same as text, for example what M(fleet.lxc.lxc_container_info) returns.
      - Lines like C(fleet.privileged = true) set options that LXC has no key for, to a JSON
        value.
    type: str
  rootfs: &rootfs
    description:
      - The root file system, from C(/) on, as made by M(fleet.lxc.lxc_rootfs). Required for a
        container that is not defined yet.
      - V(/) is the host's own root file system, with the host's owners. What everybody may read can
        be read inside. With O(privileged=true) root inside writes to it as the host's root.
    type: str
  command: &command
    description:
      - The program that is the container's init, and its arguments. It is run as it is, without a
        shell.
      - Left out, a new container runs the command of the root file system's manifest, else
        V(/sbin/init). An empty list goes back to that.
    type: list
    elements: str
  environment: &environment
    description:
      - Environment variables of the init, over those of the image that its root file system was
        made of. It gets none of the host's.
      - A value is a text or a whole number; put anything else into quotes.
      - A new container has V({}).
    type: dict
  cwd: &cwd
    description:
      - The folder in which the init starts.
      - A new container has that of the image that its root file system was made of, or V(/).
    type: str
  uid: &uid
    description:
      - The user that the init runs as, inside, from 0 to 65535.
      - A new container has that of the image that its root file system was made of, or V(0).
    type: int
  gid: &gid
    description:
      - The group that the init runs as, inside, from 0 to 65535.
      - A new container has that of the image that its root file system was made of, or V(0).
    type: int
  hostname: &hostname
    description:
      - The container's host name, up to 64 characters.
      - A new container without one shares the host's; V("") goes back to that.
    type: str
  networks: &networks
    description:
      - The links of the container's own network, exactly these. Types may be mixed.
      - A new container without any shares the host's network, with every address, every port and
        every abstract socket of the host; an item of type V(none) goes back to that.
    type: list
    elements: dict
    suboptions:
      type:
        description:
          - V(veth) is a link to a bridge of the host, or with O(networks[].mode=router) to the host
            itself.
          - V(macvlan) hangs on a link of the host with a hardware address of its own. The host
            itself can't be reached over it.
          - V(ipvlan) hangs on a link of the host and shares its hardware address, for networks that
            let only one through.
          - V(vlan) is the tagged VLAN O(networks[].vlan) of a link of the host.
          - V(phys) is the link of the host itself, which is taken from the host as long as the
            container runs. It comes back with its old name, hardware address and MTU. A link that
            has addresses of the host, or is a bridge's port, is refused.
          - V(empty) is a network with nothing but V(lo) in it. It is the only item then.
          - V(none) shares the host's network. It is the only item then.
          - A type that the kernel does not have is refused at the start; M(fleet.lxc.lxc_host_info)
            says what it has.
        type: str
        choices: [veth, macvlan, ipvlan, vlan, phys, empty, none]
        default: veth
      link:
        description:
          - The link of the host. For V(veth) it is a bridge, as made by M(fleet.lxc.lxc_bridge).
          - Required, but for V(veth) with O(networks[].mode=router).
        type: str
      name:
        description: The link's name inside. Left out, it is V(eth0) for the first item, and so on;
          of V(phys) the name that it has.
        type: str
      up:
        description: Whether the link comes up.
        type: bool
        default: true
      addresses:
        description:
          - Addresses with the length of their network's prefix, like V(10.0.3.5/24) or
            V(fd00:3::5/64).
        type: list
        elements: str
        default: []
      gateway4:
        description:
          - The router of the IPv4 default route, in the network of one of the addresses, or any
            where all of them are single ones (V(/32)).
          - V(auto) is the first IPv4 address that O(networks[].link) has on the host.
          - V(dev) is a default route without a router, as an V(ipvlan) of mode V(l3) wants it.
        type: str
      gateway6:
        description:
          - The router of the IPv6 default route, in the network of one of the addresses, or
            link-local, or any where all of them are single ones (V(/128)).
          - V(auto) and V(dev) are as for O(networks[].gateway4).
        type: str
      mtu:
        description: Bytes a packet, from 68 (1280 with IPv6 addresses) to 65535. Links on top of
          another can't have more than that one.
        type: int
      mac:
        description:
          - The hardware address inside. Left out, the kernel chooses one at each start.
          - Each V(x) in it, as in V(02:00:00:xx:xx:xx), stands for a digit that is chosen for this
            container on this host, and stays the same.
          - Not for V(ipvlan).
        type: str
      host_name:
        description: The name of a V(veth)'s end on the host. Left out, it is chosen at each start.
        type: str
      mode:
        description:
          - Of a V(veth) V(bridge), the default, or V(router). The latter has a route on the host to
            each address, and the host answers for the gateways.
          - Of a V(macvlan) V(private), the default, V(vepa), V(bridge), which lets the macvlans of
            a link reach each other, or V(passthru).
          - Of an V(ipvlan) V(l3), the default, V(l3s) or V(l2).
        type: str
        choices: [bridge, l2, l3, l3s, passthru, private, router, vepa]
      isolation:
        description: Of an V(ipvlan) how it sees those beside it, by default V(bridge).
        type: str
        choices: [bridge, private, vepa]
      vlan:
        description:
          - Of type V(vlan) the number of the VLAN, from 0 to 4094, and required.
          - Of a V(veth) the VLAN of the bridge's port for frames without a tag; V(0) is none. The
            bridge has to filter by VLAN.
        type: int
      tagged_vlans:
        description: Of a V(veth) the VLANs of the bridge's port for frames with a tag. The bridge
          has to filter by VLAN.
        type: list
        elements: int
        default: []
      script_up:
        description:
          - A program of the host, with arguments, that is run as the host's root when the link is
            there and configured. The start fails with it.
          - It gets what LXC gives to C(lxc.net.N.script.up), arguments where O(hook_version) is 0,
            and the environment in any case.
        type: str
      script_down:
        description:
          - The same when the container has ended, before the link goes. That it fails is said in
            the container's log.
          - It may take 30 seconds. The containers of the same launch wait for their own end
            meanwhile.
        type: str
  mounts: &mounts
    description:
      - What is mounted into the container, in this order, beside what the root file system's
        manifest names. A new container has none.
      - While the container runs, further ones are mounted at once, and these are unmounted at once.
        Those that were there at its start are unmounted while it runs only with O(privileged=true),
        since the kernel locks them in a user namespace; else the next start leaves them out.
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - For V(bind) a folder or file of the host, from C(/) on, and required. With the option
            V(relative) it is one of the container's own, seen from inside.
          - For other types the name that is shown as the source. Left out, it is the type.
        type: str
      target:
        description: Where it is seen inside, from the container's C(/) on.
        type: str
        required: true
      type:
        description: V(bind), or a file system of the kernel's own.
        type: str
        choices: [bind, tmpfs, proc, sysfs, mqueue, devpts]
        default: bind
      read_only:
        description: Whether it, and what is mounted below it, can't be written to.
        type: bool
        default: false
      options:
        description:
          - For V(bind) any of V(nosuid), V(nodev), V(noexec), V(ro), V(relative) and
            V(idmap=container).
          - With V(idmap=container) ids inside are the same on the disk, root's too. Without it the
            container's root is nobody there, but to what belongs to the container's own range of
            ids.
          - For other types also the file system's own, an item each, like V(size=64m).
        type: list
        elements: str
        default: []
      create:
        description: Make the target where it is missing, as a folder or an empty file.
        type: str
        choices: [dir, file]
      optional:
        description: Start without it where the source is missing.
        type: bool
        default: false
  cgroup: &cgroup
    description:
      - Control group values by the names of either version, like V(memory.max) or
        V(memory.limit_in_bytes). A name is translated where the host has the other version, with
        a warning where something is lost.
      - Sizes may end in V(K), V(M), V(G), V(T); V(max) and V(-1) are no limit.
      - Devices have O(devices), and freezing has M(fleet.lxc.lxc_state).
      - A new container has V({}).
    type: dict
  devices: &devices
    description:
      - Devices that the container may use beside null, zero, full, random, urandom, tty and its own
        terminals, like V(c 10:200 rwm), as the kernel's device controller has them.
      - V(a), which is every device, and any disk give away the host.
    type: list
    elements: str
  cap_keep: &cap_keep
    description:
      - Exactly these capabilities, by the names of V(capabilities(7\)), in place of the default
        ones. An empty list keeps none.
      - V([default]) goes back to the default ones.
    type: list
    elements: str
  cap_add: &cap_add
    description:
      - Capabilities in addition to O(cap_keep), or to the default ones. These are audit_write,
        chown,
        dac_override, fowner, fsetid, kill, net_bind_service, net_raw, setfcap, setgid, setpcap,
        setuid, sys_boot and sys_chroot.
      - V(net_admin) lets the container's root configure its network, run a DHCP client and a
        firewall.
      - With O(privileged=true) a capability is over the host, and V(sys_admin) gives it away.
    type: list
    elements: str
  cap_drop: &cap_drop
    description: Capabilities to take from O(cap_keep), or from the default ones.
    type: list
    elements: str
  no_new_privs: &no_new_privs
    description:
      - Whether set-user-ID programs and file capabilities have no effect inside; V(false) for a new
        container.
    type: bool
  rlimits: &rlimits
    description:
      - Resource limits of the init by the names of V(getrlimit(2\)), in lower case and without
        C(RLIMIT_).
      - A value is V("1024"), or V("1024:2048") for the soft and the hard limit, or V("unlimited").
        Use
        quotes, since YAML takes C(1024:20) for a number.
      - A new container has V({}), which is the host's.
    type: dict
  sysctls: &sysctls
    description:
      - Kernel parameters of the container's own namespaces, C(net.*) (where it has O(networks)),
        C(fs.mqueue.*), C(kernel.shm*), C(kernel.msg*) and C(kernel.sem).
      - A new container has V({}).
    type: dict
  privileged: &privileged
    description:
      - Whether root inside is root of the host, held back by its capabilities, devices and system
        calls only. Whoever breaks one of these has the host.
      - A new container has V(false), and a range of ids of its own that are nobody's on the host.
    type: bool
  seccomp: &seccomp
    description:
      - V(default), as a new container has it, answers system calls that load kernel code, set the
        host's clock and the like with EPERM, for programs of 64 and of 32 bits, and kills programs
        of foreign ABIs.
      - V(unconfined) lets all through, and so widens what a hostile program can attack.
      - Or the path of a profile on the host, from C(/) on, in LXC's format of version 1 or 2. It is
        read at each start, and takes the place of the default one. Names of version 2 hold for the
        machine's programs of 32 bits, too, and C([x86]) or C([arm]) is for these alone; version 1
        kills them.
    type: str
  idmap: &idmap
    description:
      - V(auto), or the first of the host's ids that the container's are mapped to, as V("FIRST") or
        V("FIRST:SIZE"). In quotes.
      - Or several ranges, an item each, as V(u 0 1073741824 65536) with V(u) for users, V(g) for
        groups and V(b) for both, then the first id inside, the host's, and how many. Id 0 has to be
        mapped, and the host's id 0 can't be.
      - A new container has V(auto), a range that no other container has. It is chosen once and
        kept. Containers whose ranges overlap have the same ids on the host, and so the same rights
        on whatever of each other's they get to.
      - A single range begins at 65536 or above and has 65536 ids or more.
      - Not with O(privileged=true).
    type: list
    elements: str
  halt_signal: &halt_signal
    description:
      - The signal that asks the init to end, like V(SIGTERM), V(PWR) or V(RTMIN+3).
      - Left out for a new container, or V(""), it depends on the init.
    type: str
  reboot_signal: &reboot_signal
    description:
      - The signal that asks the init to reboot. A restart sends it in place of O(halt_signal), for
        V(restarted) of M(fleet.lxc.lxc_state) and for O(apply=restart). V("") is none.
    type: str
  stop_signal: &stop_signal
    description:
      - The signal that ends an init which did not end by itself in time. Left out for a new
        container, or V(""), it is SIGKILL. Who has not ended 5 seconds after it gets SIGKILL all
        the same.
    type: str
  init: &init
    description:
      - "Whether O(command) runs below a small init of the runtime's own, which passes signals on to
        it, reaps zombies, and ends with its exit status: what C(lxc-execute) does."
      - "A new container has V(false): the command itself is process 1."
    type: bool
  init_groups: &init_groups
    description: Supplementary groups of the init, inside. A new container has none.
    type: list
    elements: int
  mount_auto: &mount_auto
    description:
      - How the kernel's file systems are mounted, an item each, as C(lxc.mount.auto) has it.
      - V(proc:mixed) has only C(/proc/sys/net) writable below C(/proc/sys), and that only with
        O(networks) and the capability net_admin. V(proc:rw) has nothing in C(/proc) read-only.
      - V(sys:ro), V(sys:mixed), where only C(/sys/devices/virtual/net) is writable, or V(sys:rw).
        With O(privileged=true), V(rw) lets the container change the host's kernel.
      - V(cgroup:mixed) shows the container's own control groups in C(/sys/fs/cgroup). It may make
        groups below them where they are its own; V(cgroup:ro) lets it write to none and
        V(cgroup:rw) to all.
      - Left out for a new container, C(/sys) and C(/proc/sys) are read-only. Where the command is
        an init of a whole system, like C(/sbin/init), control groups are V(cgroup:mixed), and
        C(/run), C(/run/lock) and C(/tmp) are empty at each start.
    type: list
    elements: str
  mount_fstab: &mount_fstab
    description:
      - A file of the host in the format of V(fstab(5\)), whose mounts come before those of
        O(mounts). Targets are below the container's C(/). It is read at each start. V("") is none.
    type: str
  rootfs_options: &rootfs_options
    description:
      - How the root file system is mounted, any of V(nodev), V(noexec), V(nosuid) and V(ro). A new
        container has V([]).
    type: list
    elements: str
  autodev: &autodev
    description:
      - Whether the container has a C(/dev) of its own with the devices that it may use. V(false)
        leaves that of the root file system, and mounts what is there to be mounted on.
    type: bool
  nesting: &nesting
    description:
      - Whether containers without O(privileged) can start in this one. C(/dev/.lxc/proc) and
        C(/dev/.lxc/sys), to which only its root gets, are then without anything hidden or
        read-only, since the kernel lets nobody mount more than is to be seen already.
      - What is hidden or read-only in C(/proc) and C(/sys) is so no longer for its root. With
        O(privileged=true) that root can change the host's kernel by it.
      - This is LXC's C(nesting.conf) and Incus' C(security.nesting), and gives no rights. To start
        containers it takes O(privileged=true), C(cgroup:rw) in O(mount_auto), and capabilities such
        as sys_admin and net_admin.
      - A new container has V(false).
    type: bool
  tty_max: &tty_max
    description: How many terminals C(/dev/tty1) and so on the container has; V(0) for a new one.
    type: int
  tty_dir: &tty_dir
    description:
      - A folder below C(/dev) for these and the console, with links to them from C(/dev). V("") is
        none.
    type: str
  pty_max: &pty_max
    description: How many pseudo terminals the container may have at a time; V(1024) for a new one.
    type: int
  console_path: &console_path
    description:
      - A terminal of the host, like V(/dev/tty8), that the console is attached to, both ways,
        beside its log; or a file that gets what is said.
      - With V(none) there is no console, and the program has C(/dev/null) as its input and output.
        V("") goes back to what it is without.
    type: str
  console_logfile: &console_logfile
    description:
      - A file of the host that has what the container writes on its console, in place of
        C(console.log) beside the definition. V("") goes back to that.
    type: str
  log_file: &log_file
    description:
      - A file of the host that gets a line for what happens to the container from its next start
        on, in the form of LXC's own log. V("") is none.
      - Its states, errors and more of all containers are in C(/run/fleet-lxc/events) anyway.
    type: str
  log_level: &log_level
    description:
      - From which level on, V(trace), V(debug), V(info), V(notice), V(warn), V(error), V(crit),
        V(alert) or V(fatal), or LXC's number from 0 to 8. States are V(info). Left out for a new
        container, or V(""), it is V(error).
      - With a level and no O(log_file), the log is C(NAME.log) beside the definition.
    type: str
  log_syslog: &log_syslog
    description: The facility of C(syslog), like V(daemon), that gets the same. V("") is none.
    type: str
  namespace_keep: &namespace_keep
    description:
      - Namespaces that stay the host's, any of V(net), V(ipc), V(uts), V(cgroup) and V(pid), even
        where the other options would make new ones. With V(pid) it sees the host's processes, as
        whoever it is on the host, and has no init of its own.
    type: list
    elements: str
  namespace_clone: &namespace_clone
    description:
      - Namespaces that the container has to itself beside those that the other options give it,
        like V(net) or V(uts).
    type: list
    elements: str
  namespace_share: &namespace_share
    description:
      - "Namespaces that are those of something else: V(net), V(ipc), V(uts), V(pid), V(time) or
        V(user), each with the name of a running container, a process id, or the path of a
        namespace's file."
      - With V(user) the other one's ids are used, in place of O(idmap), and nothing but their other
        namespaces keeps the two apart. It can't be the host's.
      - With V(pid) it ends when the other one does.
    type: dict
  hooks: &hooks
    description:
      - Programs that run at points of the container's life, a list of commands each, by LXC's names
        V(pre-start), V(pre-mount), V(mount), V(autodev), V(start-host), V(start), V(stop),
        V(post-stop), V(clone) and V(destroy).
      - They get the variables of C(lxc.container.conf), like C(LXC_NAME) and C(LXC_ROOTFS_MOUNT).
        One that fails before the container runs fails the start.
      - V(pre-start), V(start-host), V(stop), V(post-stop) and V(destroy) run as root of the host,
        V(pre-mount), V(mount) and V(autodev) on its files but in the container's namespaces, and
        V(start) inside with the container's rights. Each may take a minute.
      - V(stop) gets the namespaces that have ended as C(/proc/PID/fd/N), as arguments like
        C(net:/proc/PID/fd/N) or with O(hook_version=1) in variables like C(LXC_NET_NS), unless the
        container's monitor was killed. V(start-host) gets init's process id in C(LXC_PID).
      - V(clone) runs as root of the host when a container is defined for the first time on a root
        file system that M(fleet.lxc.lxc_rootfs) has cloned from another container's, with that
        one's name in C(LXC_SRC_NAME) and the new tree mounted on C(LXC_ROOTFS_MOUNT). Where it
        fails, the new container is not kept.
      - A change of V(clone) and V(destroy) waits for no restart.
    type: dict
  hook_version: &hook_version
    description:
      - V(0), as a new container has it, passes the container's name, V(lxc) and the hook's name as
        arguments; V(1) passes all in variables.
    type: int
    choices: [0, 1]
  arch: &arch
    description:
      - What V(uname(2\)) says inside, like V(i686) or V(x86_64). V("") is the host's.
      - Programs of 32 bits run whatever it says, where the kernel can run them.
    type: str
  apparmor_profile: &apparmor_profile
    description:
      - The AppArmor profile of the container, V(unconfined), or V(unchanged). V("") is none. An
        error at the start where the host has no AppArmor.
    type: str
  selinux_context: &selinux_context
    description:
      - The SELinux context of the container. V("") is none. An error at the start where the host
        has no SELinux.
    type: str
  keyring_session: &keyring_session
    description:
      - Whether the container has a session keyring of its own. V(false) lets the host's be seen
        inside.
    type: bool
  time_offset_boot: &time_offset_boot
    description:
      - How much later than the host's the clock since the boot is, like V(10h), V(-300s) or
        V(1500ms). V("") is not at all.
    type: str
  time_offset_monotonic: &time_offset_monotonic
    description: The same for the monotonic clock.
    type: str
  start_auto: &start_auto
    description: Whether the container is started when the host boots; V(false) for a new one.
    type: bool
  start_delay: &start_delay
    description: Seconds to wait after its start before the next container is started at boot.
    type: int
  start_order: &start_order
    description:
      - "Where it comes among those that are started at boot: a lower number comes first, and is
        stopped last."
    type: int
  group: &group
    description:
      - Groups of containers that this one is in, for whoever starts or stops them together.
    type: list
    elements: str
  containers:
    description:
      - Several containers in one task, each with O(containers[].name) and any of the options
        above that describe one.
      - What an item leaves out is taken from the same option of the task.
    type: list
    elements: dict
    suboptions:
      name:
        description: The container's name.
        type: str
        required: true
      config_file: *config_file
      lxc_config: *lxc_config
      rootfs: *rootfs
      command: *command
      environment: *environment
      cwd: *cwd
      uid: *uid
      gid: *gid
      hostname: *hostname
      networks: *networks
      mounts: *mounts
      cgroup: *cgroup
      devices: *devices
      cap_keep: *cap_keep
      cap_add: *cap_add
      cap_drop: *cap_drop
      no_new_privs: *no_new_privs
      rlimits: *rlimits
      sysctls: *sysctls
      privileged: *privileged
      seccomp: *seccomp
      idmap: *idmap
      halt_signal: *halt_signal
      reboot_signal: *reboot_signal
      stop_signal: *stop_signal
      init: *init
      init_groups: *init_groups
      mount_auto: *mount_auto
      mount_fstab: *mount_fstab
      rootfs_options: *rootfs_options
      autodev: *autodev
      nesting: *nesting
      tty_max: *tty_max
      tty_dir: *tty_dir
      pty_max: *pty_max
      console_path: *console_path
      console_logfile: *console_logfile
      log_file: *log_file
      log_level: *log_level
      log_syslog: *log_syslog
      namespace_keep: *namespace_keep
      namespace_clone: *namespace_clone
      namespace_share: *namespace_share
      hooks: *hooks
      hook_version: *hook_version
      arch: *arch
      apparmor_profile: *apparmor_profile
      selinux_context: *selinux_context
      keyring_session: *keyring_session
      time_offset_boot: *time_offset_boot
      time_offset_monotonic: *time_offset_monotonic
      start_auto: *start_auto
      start_delay: *start_delay
      start_order: *start_order
      group: *group
"""
