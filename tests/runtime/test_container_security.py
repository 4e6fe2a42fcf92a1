# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hostile root, or a hostile root file system, can do from inside: nothing; needs root."""
from __future__ import annotations

import errno
import hashlib
import os
import pathlib
import struct
import subprocess
import sys

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import defaults
from ansible_collections.fleet.lxc.plugins.module_utils._kernel import capabilities
from container_sandbox import USR, Sandbox, console, status_lines

box = pytest.fixture(container_sandbox.sandbox)
# What an attacker is given: everything but the host's own user ids.
STRONG = {"cap_add": ["sys_admin", "mknod", "sys_ptrace", "dac_read_search", "sys_resource"],
          "seccomp": "unconfined"}
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


@kinds
def test_no_descriptor_of_the_host_is_open(box: Sandbox, privileged: bool) -> None:
    leak = os.open("/root", os.O_RDONLY)
    os.set_inheritable(leak, True)
    try:
        # Shell built-ins, which open nothing themselves; fd 3 and on would be the host's.
        shown = box.run("fds", "for f in /proc/$$/fd/*; do busybox readlink $f; done",
                        privileged=privileged)
    finally:
        os.close(leak)
    assert shown.splitlines() and all(line.startswith("/dev/") for line in shown.splitlines())


def test_descriptors_of_a_sleeping_init(box: Sandbox) -> None:
    pid = box.launch("fdcount")
    assert sorted(os.listdir("/proc/%d/fd" % pid)) == ["0", "1", "2"]


@kinds
def test_masked_and_read_only_paths(box: Sandbox, privileged: bool) -> None:
    shown = box.run(
        "masks",
        "for p in %s; do [ -e $p ] || continue; [ -d $p ] && ls -A $p || cat $p; done; echo end; "
        "echo 0 > /proc/sys/kernel/core_pattern; echo 1 > /sys/kernel/uevent_helper; "
        "cat /proc/self/mountinfo" % " ".join(defaults.MASKED), privileged=privileged)
    masked, _end, rest = shown.partition("end\n")
    assert masked == ""
    refused, mounted = rest.splitlines()[:2], rest.splitlines()[2:]
    assert all("Read-only file system" in line for line in refused), refused
    options = {line.split()[4]: line.split()[5].split(",") for line in mounted}
    there = [path for path in defaults.READ_ONLY if os.path.exists(path)]
    assert "/proc/sys" in there
    assert [path for path in there if "ro" not in options.get(path, [])] == []


def test_a_read_only_bind_stays_so(box: Sandbox) -> None:
    fixed = box.folder / "fixed"
    fixed.mkdir()
    shown = box.run("remount", "mount -o remount,rw,bind /mnt; umount /mnt; echo x > /mnt/new; "
                               "mount -t tmpfs none /tmp && echo able", **STRONG,
                    mounts=[{"source": str(fixed), "target": "/mnt", "read_only": True,
                             "options": ["idmap=container"]}])
    assert shown.splitlines()[-1] == "able"  # it may mount, so the refusals are about this one
    assert len(shown.splitlines()) == 4 and list(fixed.iterdir()) == []


def test_the_hosts_own_files_are_not_the_containers(box: Sandbox) -> None:
    shown = box.run("hosts", "busybox stat -c %u / /etc/shadow; echo $(id -u); "
                             "[ -w / ] || [ -w /etc/passwd ] || [ -r /etc/shadow ] || echo neither",
                    rootfs="/")
    assert shown.split() == ["65534", "65534", "0", "neither"]


@kinds
def test_devices(box: Sandbox, privileged: bool) -> None:
    # 1:11 is kmsg, which every machine has; the node is made where the device rules decide.
    shown = box.run("devices", "busybox mknod /dev/mine c 1 11; echo $?; busybox cat /dev/mine; "
                               "echo x > /dev/null; echo $?; "
                               "busybox head -c3 /dev/zero | busybox wc -c",
                    privileged=privileged, **STRONG)
    lines = shown.splitlines()
    assert "Operation not permitted" in lines[0] and lines[1] == "1"
    assert lines[-2:] == ["0", "3"]


def test_a_node_of_the_root_file_system_opens_nothing(box: Sandbox) -> None:
    os.mknod(box.rootfs / "kmsg", 0o20666, os.makedev(1, 11))
    for name, privileged in (("node", False), ("pnode", True)):
        shown = box.run(name, "busybox head -c1 /kmsg; echo $?", privileged=privileged)
        assert "denied" in shown or "not permitted" in shown
        assert shown.endswith("1\n")


CALLS = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    r = libc.syscall(*[ctypes.c_long(x) for x in a])
    return ctypes.get_errno() if r < 0 else 0
add_key, bpf = {"x86_64": (248, 321), "aarch64": (217, 280)}[os.uname().machine]
print(call(add_key, 0, 0, 0, 0, 0), call(bpf, 999, 0, 0), call(9999))
"""


@pytest.mark.parametrize(("profile", "expected"), [
    ("default", "1 1 38\n"),        # EPERM by the filter, ENOSYS for what nobody has judged
    ("unconfined", "14 22 38\n"),   # EFAULT, EINVAL: the kernel itself looked at the arguments
])
def test_seccomp(box: Sandbox, profile: str, expected: str) -> None:
    shown = box.run("seccomp", mounts=[USR], seccomp=profile, cap_add=["sys_admin", "bpf"],
                    privileged=True, command=["/usr/bin/python3", "-I", "-S", "-c", CALLS])
    assert shown == expected


@kinds
def test_rights_of_init(box: Sandbox, privileged: bool) -> None:
    mask = capabilities.mask(sorted(defaults.DEFAULT_CAPABILITIES))
    for name, no_new in (("rights", False), ("nnp", True)):
        lines = status_lines(box.launch(name, privileged=privileged, no_new_privs=no_new))
        assert {int(lines[key], 16) for key in ("CapPrm", "CapEff", "CapBnd")} == {mask}
        assert (int(lines["CapInh"], 16), int(lines["CapAmb"], 16)) == (0, 0)
        assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1" if no_new else "0", "2")
    sets = status_lines(box.launch("user", uid=5, gid=6, privileged=privileged))
    assert int(sets["CapEff"], 16) == 0


@kinds
def test_python_of_the_root_file_system_does_not_run(box: Sandbox, privileged: bool) -> None:
    marker = box.rootfs / "tmp/marker"
    text = "open('/tmp/marker', 'a').write(__name__)\n"
    version = "python3.%d" % sys.version_info.minor
    folders = [box.rootfs, box.rootfs / "work", box.rootfs / "usr/lib" / version,
               box.rootfs / "usr/lib" / version / "encodings"]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        for module in ("decimal", "encodings", "os", "json", "signal", "traceback", "pwd",
                       "latin_1", "idna", "sitecustomize", "__init__"):
            (folder / (module + ".py")).write_text(text)
    box.run("hostile", "true", cwd="/work", privileged=privileged)
    # On its way to an error it runs other code: messages, tracebacks, codecs.
    box.refused("hostile2", command=["/nope\udcff\u00e4"], cwd="/work", privileged=privileged)
    box.refused("hostile3", cwd="/nope", privileged=privileged)
    assert not marker.exists()


def test_a_privileged_root_can_not_steer_the_host(box: Sandbox) -> None:
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    shown = box.run(
        "steer", "echo x > /proc/sys/kernel/core_pattern; echo h > /proc/sysrq-trigger; "
                 "busybox mount -t cgroup -o memory none /mnt; "
                 "busybox mount -o remount,rw /proc/sys; echo end", privileged=True)
    lines = shown.splitlines()
    assert len(lines) == 5 and lines[-1] == "end"
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_nothing_of_the_host_is_among_its_processes(box: Sandbox) -> None:
    shown = box.run("procs", "cd /proc; for p in [0-9]*; do echo $p $(busybox readlink $p/exe); "
                             "done", privileged=True, **STRONG)
    assert shown == "1 /bin/busybox\n"


def test_the_interpreter_can_not_be_overwritten(box: Sandbox) -> None:
    """CVE-2019-5736: an entry point that is the runtime's own interpreter."""
    python = pathlib.Path(sys.executable).resolve()
    before = hashlib.sha256(python.read_bytes()).hexdigest()
    entry = box.rootfs / "bin/entry"
    # A running program is busy (ETXTBSY); an attacker waits for its end with a descriptor. Then
    # only the read-only mount is left, which the flags of the descriptor show.
    entry.write_text("#!/proc/self/exe\n"
                     "posix = __import__('posix')\n"
                     "fd = posix.open('/proc/self/exe', 0)\n"
                     "print('read-only', posix.fstatvfs(fd).f_flag & posix.ST_RDONLY)\n"
                     "try:\n"
                     "    posix.open('/proc/self/fd/%d' % fd, posix.O_RDWR)\n"
                     "except OSError:\n"
                     "    print('refused')\n")
    entry.chmod(0o755)
    # The interpreter's libraries are in /usr; the interpreter itself is the runtime's own.
    shown = box.run("exe", command=["/bin/entry"], privileged=True, mounts=[
        {**USR, "read_only": False}], **STRONG)
    assert shown == "read-only 1\nrefused\n"
    assert hashlib.sha256(python.read_bytes()).hexdigest() == before


def test_a_seccomp_profile_of_lxcs_format(box: Sandbox) -> None:
    profile = box.folder / "profile"
    profile.write_text("2\ndenylist\nmkdir errno 28\nmkdirat errno 28\nptrace\n")
    script = "busybox mkdir /tmp/made; busybox touch /tmp/else && echo else"
    said = box.run("profile", script, seccomp=str(profile))
    assert "No space left" in said and "else" in said and not (box.rootfs / "tmp/made").exists()
    profile.unlink()
    assert str(profile) in str(box.refused("gone", seccomp=str(profile)))


def elf32(number: int) -> bytes:
    """A program of i386 that says that it runs, makes a system call, and ends with its errno."""
    text = b"of 32 bits\n"
    code = b"".join((
        b"\xb8\x04\0\0\0\xbb\x01\0\0\0\xb9", struct.pack("<I", 0x8048054),
        b"\xba", struct.pack("<I", len(text)), b"\xcd\x80",            # write(1, text, length)
        b"\xb8", struct.pack("<I", number), b"\x31\xdb\x31\xc9\xcd\x80",  # number(0, 0)
        b"\xf7\xd8\x89\xc3\xb8\x01\0\0\0\xcd\x80"))                      # exit(-result)
    size = 0x54 + len(text) + len(code)
    header = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, 0x8048054 + len(text), 0x34, 0, 0, 0x34, 0x20, 1, 0, 0, 0)
    segment = struct.pack("<8I", 1, 0, 0x8048000, 0x8048000, size, size, 5, 0x1000)
    return header + segment + text + code


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="a program of i386")
@pytest.mark.parametrize("number, answer", [(288, errno.EPERM), (20, None), (500, errno.ENOSYS)])
def test_programs_of_32_bits_run_under_the_default_profile(box: Sandbox, number: int,
                                                           answer: int | None) -> None:
    """keyctl, getpid and what nobody knows, of i386."""
    program = box.rootfs / "bin/small"
    program.write_bytes(elf32(number))
    program.chmod(0o755)
    outside = subprocess.run([program], check=False, capture_output=True)
    name = box.define("small", command=["/bin/small"], arch="i686")
    box.start(name)
    exited = box.ended(name)["exit"]
    assert console(name) == outside.stdout.decode() == "of 32 bits\n"
    assert exited == {"code": 255 if answer is None else answer}  # its pid is 1
    if number == 288:
        assert outside.returncode != errno.EPERM
