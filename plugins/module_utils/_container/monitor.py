# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor: what a launcher becomes, for the containers that it started, until the last ends.

It is the parent of each init (by CLONE_PARENT): it keeps the console's log, takes the exit status,
cleans up, and has a container that asked for it started again. It never waits for one container
alone: hooks and scripts are run by a child. Should it be killed, its containers live on, and the
next operation does its work.
"""
from __future__ import annotations

# signal's own functions make enums of what these return.
import errno
import fcntl
import os
import select
import time

from .._kernel import oom_notices, processes, syscalls
from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import cleanup, console_server, events, fault, store

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable

    from . import console_path

    Handler = Callable[[], None]

_LOG_LIMIT = 1 << 20       # bytes of a console's log, and of the one before it
_PATIENCE = 10             # seconds until the processes of a container that has ended are gone
# A monitor that the kernel ends takes the consoles, logs and exit statuses of all its containers
# along, and gives back 7 MB. Not -1000: where all else is gone, the host comes first.
_OOM_SCORE = -900
_FIRST_LOOK, _LAST_LOOK = 0.01, 0.5  # seconds from v1's notice to a look at what it announced
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05  # seconds between two looks at them


class Monitor:
    """Handles what happens to containers, one event after the other.

    :param restart: called with the name of a container that is to be started again
    """

    def __init__(self, restart: Callable[[str], None]) -> None:
        self._restart = restart
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._ending: list[Ending] = []
        self._pause = _FIRST_PAUSE
        self._later: list[tuple[float, Handler]] = []
        self._apart = 0  # how much is being done in children
        self.running: dict[int, str] = {}  # names by the pid of init
        self.helpers: set[int] = set()  # children that are no init
        self._terminals = console_server.Server(self)
        self._oom_score = processes.oom_score()

    def listen(self, fd: int, handler: Handler, events: int = select.EPOLLIN) -> None:
        """Have the handler called whenever there is something to read."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def later(self, seconds: float, handler: Handler) -> None:
        """Have the handler called once, after a while."""
        self._later.append((time.monotonic() + seconds, handler))

    def ignore(self, fd: int) -> None:
        """Before the descriptor is closed: a copy in another process would keep it listed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def busy(self) -> bool:
        """Whether there is a container to look after."""
        return bool(self.running or self._ending or self._apart)

    def handle(self, timeout: float | None = None) -> None:
        """Wait for the next events, and handle them.

        :param timeout: seconds; None for as long as it takes
        """
        if self._ending:
            timeout = self._pause if timeout is None else min(timeout, self._pause)
        if self._later:
            left = max(0.0, min(when for when, _handler in self._later) - time.monotonic())
            timeout = left if timeout is None else min(timeout, left)
        for fd, _event in self._epoll.poll(timeout):
            handler = self._handlers.get(fd)
            if handler is not None:  # not taken back by one before
                handler()
        if self._later:
            now = time.monotonic()
            due = [handler for when, handler in self._later if when <= now]
            self._later = [item for item in self._later if item[0] > now]
            for handler in due:
                handler()
        if self._ending:
            count = len(self._ending)
            self._ending = [ending for ending in self._ending if not ending.ended(self)]
            self._pause = (_FIRST_PAUSE if len(self._ending) < count
                           else min(2 * self._pause, _LONGEST_PAUSE))

    def adopt(self, name: str, pid: int, pidfd: int, console: Console, lock: int, memory: str,
              stop_hook: bool = False) -> None:
        """Look after a container whose init has become its program.

        :param memory: its control group that counts memory, "" for none
        :param stop_hook: whether it has one, which is told the namespaces that have ended
        """
        held: dict[str, int] = {}
        if stop_hook:
            from . import hooks  # few containers have one
            held = hooks.namespaces(pid)
        self.running[pid] = name
        kills = Kills(self, name, memory)
        self.listen(console.master, lambda: console.copy(self))
        if console.peer is not None:
            console.peer.listen(self)
        self._terminals.add(name, console)

        def ended() -> None:
            self.ignore(pidfd)
            os.close(pidfd)
            status = os.waitpid(pid, 0)[1]
            fault.point("monitor:reaped")
            console.drain(self)
            kills.end()
            self._terminals.remove(name)
            del self.running[pid]
            self.end(Ending(name, lock, {"signal": status & 0x7F} if status & 0x7F
                            else {"code": status >> 8}, None, self._again, held))

        self.listen(pidfd, ended)

    def end(self, ending: Ending) -> None:
        """Clean up after a container, as soon as its processes are gone."""
        self._ending.append(ending)
        self._pause = _FIRST_PAUSE

    def protect(self, yes: bool = True) -> None:
        """Be the last that the kernel ends for want of memory; its children inherit that."""
        processes.set_oom_score(_OOM_SCORE if yes else self._oom_score)

    def watch(self, pid: int, then: Callable[[], None] | None = None) -> None:
        """Wait for a child meanwhile."""
        pidfd = syscalls.pidfd_open(pid)
        self.helpers.add(pid)

        def ended() -> None:
            self.ignore(pidfd)
            os.close(pidfd)
            os.waitpid(pid, 0)
            self.helpers.discard(pid)
            if then is not None:
                then()

        self.listen(pidfd, ended)

    def apart(self, work: Callable[[], object], then: Callable[[], None],
              keep: tuple[int, ...] = ()) -> None:
        """Have something done that takes its time, by a child that ends with this process.

        :param keep: descriptors that it needs
        :param then: called when it is over
        """
        try:
            pid = os.fork()
        except OSError:  # no more processes: then others have to wait
            work()
            then()
            return
        if pid == 0:
            try:
                syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
                self.protect(False)
                processes.close_all_but(*keep)  # no locks: they are its parent's
                work()
            finally:
                os._exit(0)
        self._apart += 1

        def done() -> None:
            self._apart -= 1
            then()

        self.watch(pid, done)

    def _again(self, ending: Ending) -> None:
        # reboot(2) in a PID namespace: RESTART reaches the parent as SIGHUP, others as SIGINT.
        if (ending.exit or {}).get("signal") == signal.SIGHUP and not ending.asked:
            self._restart(ending.name)


class Kills:
    """Says how many processes of a container the kernel has killed for want of memory, as soon as
    it has. Which these were nobody knows.

    :param path: the control group that counts memory, "" for none
    """

    def __init__(self, monitor: Monitor, name: str, path: str) -> None:
        self._monitor, self._name = monitor, name
        self._told = 0
        self._notices: oom_notices.OomNotices | None = None
        if path:
            try:
                self._notices = oom_notices.OomNotices(path)
            except OSError:
                return  # no more descriptors, say: its end tells it, too
            monitor.listen(self._notices.fd, self._noticed, self._notices.events)

    def _noticed(self) -> None:
        if self._notices is not None:
            self._notices.take()
            self._tell()
            if self._notices.early:
                self._look_again(_FIRST_LOOK)

    def _look_again(self, seconds: float) -> None:
        """After what was announced has happened."""
        def look() -> None:
            if self._notices is not None and not self._tell() and seconds < _LAST_LOOK:
                self._look_again(2 * seconds)
        self._monitor.later(seconds, look)

    def _tell(self) -> bool:
        count = self._notices.kills() if self._notices is not None else 0
        if count <= self._told:
            return False
        self._told = count
        events.event(self._name, oom_kills=count)
        return True

    def end(self) -> None:
        """Init has ended: of that, too, if it was for want of memory."""
        if self._notices is not None:
            self._tell()
            self._monitor.ignore(self._notices.fd)
            self._notices.close()
            self._notices = None


class Console:
    """The outer end of a container's terminal, and the log of what is said there.

    :param slave: the inner end, held open: without it the outer one reports an end all the time
        when no process of the container has the terminal open
    :param others: outer ends of the container's other terminals
    :param path: what it is attached to on the host, as a definition has it
    """

    def __init__(self, master: int, slave: int, log: str, others: list[int],
                 path: str | None = None) -> None:
        self.master, self._slave, self._path = master, slave, log
        self.others = others
        self.clients: dict[_socket.socket, int] = {}  # who is connected, to which terminal
        self._log, self._size = -1, 0
        os.set_blocking(master, False)
        self.peer: console_path.Peer | None = None
        if path:
            from . import console_path  # few containers have one
            if path != console_path.NONE:
                self.peer = console_path.Peer(path, master)

    def copy(self, monitor: Monitor) -> None:
        """Write what was said to the log. A part: other containers wait meanwhile."""
        try:
            data = os.read(self.master, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            monitor.ignore(self.master)
            return
        if self.peer is not None:
            self.peer.tell(data)
        if self.clients:
            console_server.tell(self.clients, data)
        if self._log < 0 or self._size > _LOG_LIMIT:
            self._log, self._size = _open_log(self._path, self._log)
        try:
            self._size += os.write(self._log, data)
        except OSError:
            pass  # a full disk must not stop the container

    def drain(self, monitor: Monitor) -> None:
        """Copy the rest, and let go of it."""
        while select.select([self.master], [], [], 0)[0] and self.master in monitor._handlers:
            self.copy(monitor)
        monitor.ignore(self.master)
        if self.peer is not None:
            self.peer.close(monitor.ignore)
        for fd in (self.master, self._slave, self._log, *self.others):
            if fd >= 0:
                os.close(fd)


def _open_log(path: str, old: int) -> tuple[int, int]:
    """The log to go on with; a full one is kept as the one before."""
    if old >= 0:
        os.close(old)
        try:
            os.rename(path, path + ".1")
        except OSError:
            pass
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC,
                     0o600)
    except OSError:  # the definition's folder is gone
        fd = os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC)
    return fd, os.fstat(fd).st_size


class Ending:
    """A container that has ended, or whose start has failed, until nothing of it is left.

    :param lock: the monitor's lock of the container, let go of when all is done; -1 for none
    :param exit_status: code or signal, None where there is none
    :param error: why its start failed
    :param then: called when all is done
    :param held: descriptors of its namespaces, for the stop hook
    """

    def __init__(self, name: str, lock: int, exit_status: dict[str, int] | None,
                 error: LxcError | None, then: Callable[[Ending], None],
                 held: dict[str, int] | None = None) -> None:
        self.name, self.exit, self.error = name, exit_status, error
        self._lock, self._then, self._held = lock, then, held or {}
        self._recorded = store.read_state(name) or {"version": 1, "name": name}
        self._deadline = time.monotonic() + _PATIENCE
        self._facts = cleanup.announce(name, self._recorded,
                                       error.to_dict() if error else None)
        self.asked = "asked" in self._facts  # by an operation, which goes on as it wants

    def ended(self, monitor: Monitor) -> bool:
        """Try to remove its control groups. True when that is over: what follows does not wait."""
        groups = self._recorded.get("cgroups") or []
        problem = cleanup.remove_cgroups(groups, patience=0)
        if problem and problem.errno == errno.EBUSY and time.monotonic() < self._deadline:
            return False
        self._add(problem)
        fault.point("cleanup:removed")
        left = groups if problem else []
        if cleanup.has_programs(self.name, self._recorded, left):
            monitor.apart(
                lambda: cleanup.run_programs(self.name, self._recorded, left, self.exit,
                                             self._held),
                lambda: self._record(left), tuple(self._held.values()))
        else:
            self._record(left)
        return True

    def _add(self, problem: LxcError | None) -> None:
        if problem and self.error:
            self.error.detail = "; ".join(t for t in (self.error.detail, str(problem)) if t)

    def _record(self, groups: list[str]) -> None:
        """Write all down, and let go."""
        for fd in self._held.values():
            os.close(fd)
        self._held = {}
        try:
            cleanup.record(self.name, self._recorded, groups, self.exit,
                           self.error.to_dict() if self.error else None, self._facts)
        except LxcError as error:  # a full disk: the next operation finishes it
            self.error = self.error or error
        if self._lock >= 0:
            os.close(self._lock)
        self._then(self)


def lock(name: str) -> int:
    """The lock of a container's folder, which its monitor holds as long as it looks after it.

    :raises LxcError: where another one still does
    """
    fd = os.open(store.run_folder(name), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise LxcError("start container", name, errno.EBUSY,
                       detail="the monitor of its last run is still alive") from None
    return fd


def leave_session() -> None:
    """Out of the task's session, and deaf to its signals."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
