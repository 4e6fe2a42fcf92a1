# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
""""fleet-lxc attach" as a command: what a shell and a terminal see of it; needs root."""
from __future__ import annotations

import fcntl
import os
import pathlib
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import typing as t

import container_sandbox
import pytest
from ansible_collections.fleet.lxc.plugins.module_utils._container import (
    attach_command,
    exchange,
    runtime,
)
from container_sandbox import PATIENCE, PREFIX, Sandbox, wait_until

box = pytest.fixture(container_sandbox.sandbox)
kinds = pytest.mark.parametrize("privileged", [False, True], ids=["unprivileged", "privileged"])


def command(*words: str, word: str = "attach") -> list[str]:
    return [sys.executable, "-I", "-S", runtime.ensure(), word, *words]


def run(*words: str, data: bytes = b"", word: str = "attach"
        ) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*words, word=word), input=data, capture_output=True,
                          timeout=PATIENCE, check=False)


@kinds
def test_streams_and_codes(box: Sandbox, privileged: bool) -> None:
    box.launch("cli", privileged=privileged)
    name = PREFIX + "cli"
    data = os.urandom(3 << 20)
    done = run(name, "--", "/bin/sh", "-c", "cat; echo e >&2; exit 9", data=data)
    assert (done.returncode, done.stdout == data, done.stderr) == (9, True, b"e\n")
    assert run("--no-tty", name, "--", "/bin/sh", "-c", "kill -9 $$").returncode == 137
    assert run(name, data=b"echo $0 a shell\n").stdout == b"/bin/sh a shell\n"
    late = run("--timeout=0.2", name, "--", "/bin/busybox", "sleep", "1000")
    assert late.returncode == 137
    # A background child has the pipes; the command ends all the same.
    assert run(name, "--", "/bin/sh", "-c", "busybox sleep 1000 & echo x").stdout == b"x\n"


def test_errors_and_options(box: Sandbox) -> None:
    box.launch("opt")
    name = PREFIX + "opt"
    for words, code, text in (
            (("nobody", "--", "x"), 125, b"not defined"), ((name, "--", "/nope"), 127, b"no such"),
            ((name, "--", "/etc"), 126, b"not an executable"), ((), 125, b"name is missing"),
            (("--what", name), 125, b"no option --what"), (("--user",), 125, b"needs a value"),
            (("--user=nobody", name, "--", "true"), 125, b"/etc/passwd")):
        done = run(*words)
        assert (done.returncode, done.stdout) == (code, b"")
        assert done.stderr.startswith(b"fleet-lxc: ") and text in done.stderr, done.stderr
    shown = run("--user", "5", "--group=6", "--groups", "7,8", "--cwd", "/tmp", "--env", "A=b=c",
                name, "--", "/bin/sh", "-c", "busybox id -u; busybox id -G; pwd; echo $A")
    assert shown.stdout.split() == b"5 6 7 8 /tmp b=c".split()
    assert b"usage:" in run("--help").stdout


def test_several(box: Sandbox) -> None:
    for name in ("one", "two"):
        box.launch(name)
    names = [PREFIX + "one", PREFIX + "two", "nobody"]
    done = run(",".join(names), "--", "/bin/busybox", "hostname")
    assert done.stdout.decode().split("\n") == ["%s: %s" % (n, n) for n in names[:2]] + [""]
    assert done.returncode == 125 and b"nobody" in done.stderr


def test_signals_are_handed_on(box: Sandbox) -> None:
    for name, privileged in (("sig", False), ("psig", True)):
        box.launch(name, privileged=privileged)
        child = subprocess.Popen(
            command(PREFIX + name, "--", "/bin/sh", "-c",
                    "trap 'echo got; exit 5' TERM; echo ready; while :; do busybox sleep 0.05; "
                    "done"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert child.stdout
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGTERM)
        assert child.stdout.read() == b"got\n" and child.wait(PATIENCE) == 5
        child.stdout.close()


def test_a_signal_that_comes_just_before_waiting_is_not_lost() -> None:
    answered, answer = os.pipe()
    child = os.fork()
    if not child:
        try:
            signal.signal(signal.SIGTERM, lambda _number, _frame: os.write(answer, b"."))
            loop = exchange.Loop()
            os.write(answer, b".")
            while True:  # so that each signal comes when the handler is just about to be left
                loop.once()
        finally:
            os._exit(1)
    poller = select.poll()
    poller.register(answered, select.POLLIN)
    try:
        for count in range(50000):  # without the pipe of the loop one of ten thousand was
            assert poller.poll(PATIENCE * 1000), count
            os.read(answered, 1)
            os.kill(child, signal.SIGTERM)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(answered)
        os.close(answer)


@kinds
def test_what_comes_out_of_this_process_is_the_same(box: Sandbox, privileged: bool) -> None:
    box.launch("here", privileged=privileged)
    name = PREFIX + "here"
    data = os.urandom(3 << 20)
    code, stdout, stderr = attach_command.collect(
        ["attach", "--no-tty", name, "--", "/bin/sh", "-c", "cat; echo e >&2; exit 9"], data)
    assert (code, stdout == data, stderr) == (9, True, b"e\n")
    for words in (["attach", "nobody", "--", "x"], ["attach", name, "--", "/nope"],
                  ["attach", name, "--", "/etc"], ["attach", "--what", name],
                  ["fetch", name, "/nope"]):
        done = run(*words[1:], word=words[0])
        assert attach_command.collect(words, None) == (done.returncode, done.stdout, done.stderr)
    put = ["put", "--size", "4", name, "/tmp/file"]
    assert attach_command.collect(put, b"data") == (0, b"", b"")
    assert attach_command.collect(["fetch", name, "/tmp/file"], None) == (0, b"data", b"")


@kinds
def test_what_another_process_has_started_ends_with_it(box: Sandbox, privileged: bool) -> None:
    box.launch("bound", privileged=privileged)
    child = os.fork()
    if child == 0:
        try:
            attach_command.collect(
                ["attach", PREFIX + "bound", "--", "/bin/sh", "-c",
                 # Its word about a child that was killed would be one that nobody reads: SIGPIPE.
                 "exec 2> /dev/null; trap 'echo > /tmp/told; exit' TERM; echo > /tmp/ready; "
                 "while :; do busybox sleep 0.05; done"], None)
        finally:
            os._exit(0)
    wait_until((box.rootfs / "tmp/ready").exists)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    wait_until((box.rootfs / "tmp/told").exists)


def sleeping(seconds: int) -> bool:
    """Whether "busybox sleep" of so many seconds runs somewhere."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().endswith(b"sleep\0%d\0" % seconds):
                return True
        except OSError:
            pass
    return False


# A shell that waits for its child, as each task of Ansible's is one.
def waits(seconds: int) -> list[str]:
    return ["--", "/bin/sh", "-c", "busybox sleep %d; exit 3" % seconds]


@kinds
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_the_command_has_started(box: Sandbox, privileged: bool,
                                                    number: int) -> None:
    box.launch("group", privileged=privileged)
    child = subprocess.Popen(command("--no-tty", PREFIX + "group", *waits(98701)),
                             stdin=subprocess.DEVNULL)
    wait_until(lambda: sleeping(98701))
    child.send_signal(number)
    assert child.wait(PATIENCE) == 128 + number
    wait_until(lambda: not sleeping(98701))


@kinds
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_this_process_ends_it_too(box: Sandbox, privileged: bool, number: int) -> None:
    box.launch("inner", privileged=privileged)
    child = os.fork()
    if child == 0:
        try:
            signal.signal(number, signal.SIG_DFL)
            attach_command.collect(["attach", "--bound", PREFIX + "inner", *waits(98702)], None)
        finally:
            os._exit(0)
    wait_until(lambda: sleeping(98702))
    os.kill(child, number)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -number
    wait_until(lambda: not sleeping(98702))


@kinds
def test_handlers_are_as_before_and_an_error_in_one_ends_it(box: Sandbox, privileged: bool) -> None:
    """As a task's timeout does."""
    box.launch("late", privileged=privileged)

    class Late(BaseException):
        """Ansible's is no Exception either."""

    def late(_number: int, _frame: t.Any) -> None:
        wait_until(lambda: sleeping(98703))
        raise Late

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    old = signal.signal(signal.SIGALRM, late)
    try:
        signal.alarm(1)
        with pytest.raises(Late):
            attach_command.collect(["attach", PREFIX + "late", *waits(98703)], None)
        os.waitpid(-1, 0)  # as when its parent ends: nobody waits for what was given up
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
    wait_until(lambda: not sleeping(98703))
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@kinds
def test_bound_to_who_reads(box: Sandbox, privileged: bool) -> None:
    box.launch("heard", privileged=privileged)
    children = [subprocess.Popen(command("--no-tty", *words, PREFIX + "heard", *waits(seconds)),
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                for words, seconds in ((["--bound"], 98704), ([], 98705))]
    wait_until(lambda: sleeping(98704) and sleeping(98705))
    for child in children:
        assert child.stdout
        child.stdout.close()
    assert children[0].wait(PATIENCE) == 128 + signal.SIGHUP
    wait_until(lambda: not sleeping(98704))
    assert children[1].poll() is None and sleeping(98705)
    children[1].terminate()
    children[1].wait(PATIENCE)
    wait_until(lambda: not sleeping(98705))


@kinds
def test_files_without_a_program(box: Sandbox, privileged: bool) -> None:
    """Put and fetch need nothing of the container, whose only program is init here."""
    init = box.launch("files", privileged=privileged)
    name = PREFIX + "files"
    data = os.urandom(3 << 20)
    path = "/tmp/a ' \n\udcff"
    size = str(len(data))
    assert run("--size", size, "--mode", "751", "--user", "7", name, path, data=data,
               word="put").returncode == 0
    made = os.stat(os.fsencode("%s/%s" % (box.rootfs, path)))
    assert (made.st_mode & 0o7777, made.st_uid, made.st_size) == (0o751, 7, len(data))
    again = run("--size=4", "--offset", "1048576", name, path, data=b"abcdignored", word="put")
    assert again.returncode == 0
    data = data[:1 << 20] + b"abcd" + data[(1 << 20) + 4:]
    assert run(name, path, word="fetch").stdout == data
    assert run("--offset=5", "--size", "9", name, path, word="fetch").stdout == data[5:14]
    # By its owner: root would be stopped in a sticky folder, where fs.protected_regular is set.
    assert run("--size", "0", "--user", "7", name, path, word="put").returncode == 0  # cut
    assert run(name, path, word="fetch").stdout == b""
    assert b"Name:" in run(name, "/proc/1/status", word="fetch").stdout
    children = pathlib.Path("/proc/%d/task/%d/children" % (init, init))
    assert children.read_text() == ""


def test_files_that_can_not_be(box: Sandbox) -> None:
    box.launch("nofiles", mounts=[{"type": "tmpfs", "target": "/mnt", "options": ["size=64k"]}])
    name = PREFIX + "nofiles"
    (box.rootfs / "etc/secret").write_text("x")
    (box.rootfs / "etc/secret").chmod(0o600)
    os.mkfifo(box.rootfs / "tmp/fifo")
    victim = box.folder / "victim"
    victim.write_text("the host's")
    (box.rootfs / "tmp/link").symlink_to(victim)
    (box.rootfs / "tmp/magic").symlink_to("/proc/self/fd/0")
    big = str(1 << 20)
    for words, data, text in (
            (("fetch", name, "/nope"), b"", b"No such file"),
            (("fetch", name, "/etc"), b"", b"Is a directory"),
            (("fetch", "--user=7", name, "/etc/secret"), b"", b"Permission denied"),
            (("fetch", name, "/tmp/fifo"), b"", b"FIFO"),
            (("fetch", name, "/tmp/link"), b"", b"No such file"),
            (("put", "--size=1", name, "/tmp/link"), b"x", b"No such file"),
            (("put", "--size=1", name, "/tmp/magic"), b"x", b"symbolic links"),
            (("put", "--size=9", name, "/tmp/short"), b"x", b"8 of 9 bytes did not arrive"),
            (("put", "--size", big, name, "/mnt/full"), bytes(1 << 20), b"No space left"),
            (("put", name, "/tmp/x"), b"x", b"--size is missing"),
            (("put", "--mode=9", "--size=1", name, "/tmp/x"), b"x", b"takes a number"),
            (("fetch", name), b"", b"one container and one file"),
            (("fetch", "--offset=-1", name, "/x"), b"", b"a number from 0 on"),
            (("attach", "--timeout=-1", name, "id"), b"", b"more than 0"),
            (("attach", "--timeout=nan", name, "id"), b"", b"more than 0"),
            (("fetch", "nobody", "/x"), b"", b"not defined")):
        done = run(*words[1:], data=data, word=words[0])
        assert done.returncode == 125 and text in done.stderr, (words, done.stderr)
        assert done.stdout == b"" and done.stderr.startswith(b"fleet-lxc: ")
    assert victim.read_text() == "the host's"


@kinds
def test_terminal(box: Sandbox, privileged: bool) -> None:
    box.launch("tty", privileged=privileged)
    pid, master = pty.fork()
    if pid == 0:
        words = command(PREFIX + "tty", "--", "/bin/sh", "-c",
                        "busybox tty; busybox stty size; read x; echo got $x; busybox stty size; "
                        "exit 3")
        os.execv(words[0], words)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 31, 77, 0, 0))
    seen = bytearray()

    def says(word: bytes) -> t.Callable[[], bool]:
        def look() -> bool:
            if word not in seen:
                seen.extend(os.read(master, 4096))
            return word in seen
        return look

    wait_until(says(b"/dev/pts/"))
    wait_until(says(b"\r\n31 77\r\n"))
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 50, 0, 0))
    os.write(master, b"typed\r")
    wait_until(says(b"got typed\r\n"))
    wait_until(says(b"20 50\r\n"))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    os.close(master)
