# Copyright: (c) 2026, fleet.lxc contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``fleet-lxc attach``: a program in a container, from a host's command line.

Between the caller's descriptors and the program there are always pipes, or a terminal of the
container's own: a program that gets the host's terminal can type on it (TIOCSTI).
"""
from __future__ import annotations

import errno
import os
import select
import struct
import termios

from .._kernel.errors import LxcError
from .._kernel.lean import signal
from . import attach, exchange, transfer
from .entry import Command
from .target import Target, resize

TYPE_CHECKING = False  # typing itself costs the launcher 4 ms
if TYPE_CHECKING:
    from typing import Any, NoReturn

USAGE = """\
usage: fleet-lxc attach [option]... NAME[,NAME]... [--] [COMMAND [ARGUMENT]...]
       fleet-lxc put --size BYTES [option]... NAME FILE
       fleet-lxc fetch [option]... NAME FILE
Run COMMAND, or the user's shell, in running containers; write standard input into a FILE of a
container; write such a FILE to standard output.
  --user USER        name or number inside the container
  --group GROUP      instead of the user's own
  --groups G[,G]...  instead of the other groups of the user; "" for none
  --cwd FOLDER       working directory
  --env NAME=VALUE   a variable, any number of times
  --keep-env         hand on the caller's variables
  --timeout SECONDS  then kill the command and what it started
  --tty, --no-tty    with a terminal, or without; by default with one where there is one
  --no-stdin         nothing to read for the command
  --bound            end the command when this one ends, or nobody reads its output any more
  --offset BYTES     where in the FILE to begin; other than 0 the FILE has to be there
  --size BYTES       how much to copy
  --mode OCTAL       permissions of a FILE that is new, 0644 by default
Ends as the command does, 128 and the number of a signal that ended it; 127 and 126 for a command
that is not there or can't be run, 125 for everything else that went wrong.
"""
_CHUNK = 1 << 16
_WHOLE = 1 << 62  # bytes: more than there are
_WITH_VALUE = ("--user", "--group", "--groups", "--cwd", "--env", "--timeout", "--offset",
               "--size", "--mode")


class Options:
    """What the command line says."""

    def __init__(self, word: str, arguments: list[str]) -> None:
        self.names: list[str] = []
        self.terminal: bool | None = None
        self.timeout: float | None = None
        self.stdin = True
        self.command = Command([])
        self._file = {"offset": 0, "size": _WHOLE, "mode": 0o644}
        rest = list(arguments)
        while rest and rest[0].startswith("-") and rest[0] != "--":
            option, equals, value = rest.pop(0).partition("=")
            if option in _WITH_VALUE:
                if not equals:
                    if not rest:
                        raise _misused("%s needs a value" % option)
                    value = rest.pop(0)
                self._set(option, value)
            elif equals:
                raise _misused("%s takes no value" % option)
            else:
                self._switch(option)
        if rest and rest[0] != "--":
            self.names = rest.pop(0).split(",")
        if not self.names:
            raise _misused("the container's name is missing")
        if rest and rest[0] == "--":
            del rest[0]
        if word == "attach":
            self.command.argv = rest
            return
        if len(self.names) != 1 or len(rest) != 1:
            raise _misused("%s takes one container and one file" % word)
        if word == transfer.PUT and self._file["size"] == _WHOLE:
            raise _misused("--size is missing")
        self.terminal = False
        self.stdin = word == transfer.PUT
        self.command.transfer = {"kind": word, "path": rest[0], **self._file}

    def _set(self, word: str, value: str) -> None:
        if word == "--env":
            name, equals, text = value.partition("=")
            if not name or not equals:
                raise _misused("--env takes NAME=VALUE")
            self.command.environment[name] = text
        elif word == "--groups":
            self.command.groups = [name for name in value.split(",") if name]
        elif word == "--timeout":
            try:
                self.timeout = float(value)
            except ValueError:
                raise _misused("--timeout takes seconds") from None
            if not 0 < self.timeout < 1 << 31:  # which "nan" is not either
                raise _misused("--timeout takes seconds, more than 0")
        elif word[2:] in self._file:
            try:
                self._file[word[2:]] = int(value, 8 if word == "--mode" else 10)
            except ValueError:
                raise _misused("%s takes a number" % word) from None
            if self._file[word[2:]] < 0:
                raise _misused("%s takes a number from 0 on" % word)
        else:
            setattr(self.command, word[2:], value)

    def _switch(self, word: str) -> None:
        if word == "--keep-env":
            self.command.keep = dict(os.environ)
        elif word == "--tty":
            self.terminal = True
        elif word == "--no-tty":
            self.terminal = False
        elif word == "--no-stdin":
            self.stdin = False
        elif word == "--bound":
            self.command.bound = True
        else:
            raise _misused("there is no option %s" % word)


def _misused(detail: str) -> LxcError:
    return LxcError("read the command line", detail=detail, hint="See fleet-lxc attach --help.")


def main(arguments: list[str]) -> NoReturn:
    """Carry it out, and end this process as the command ended.

    :param arguments: attach, put or fetch, and what belongs to it
    """
    code = 125
    try:
        if arguments[1:2] in (["--help"], ["-h"]):
            _write(1, USAGE.encode())
            code = 0
        else:
            options = Options(arguments[0], arguments[1:])
            code = _one(options) if len(options.names) == 1 else _many(options)
    except LxcError as error:
        code = _explain(error)
    except OSError as error:
        code = _explain(LxcError.from_os("attach", "", error))
    finally:
        os._exit(code)


def collect(arguments: list[str], stdin: bytes | None) -> tuple[int, bytes, bytes]:
    """Carry it out for a caller that is this process, and ends no earlier than the command: else
    the command is ended, too. A signal to end by is handed on before the caller gets it.

    :param arguments: as main() has them, with one container and no terminal
    :param stdin: what the command can read
    :returns: what main() would end with, and would write to standard output and error
    """
    try:
        options = Options(arguments[0], arguments[1:])
        options.command.bound = True
        name, = options.names
        running: list[Any] = []
        handlers = _hand_on(running)
        try:
            outcome = exchange.run({name: options.command}, stdin, options.timeout,
                                   running=running)[name]
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    except LxcError as error:
        outcome = error
    except OSError as error:
        outcome = LxcError.from_os("attach", "", error)
    if isinstance(outcome, LxcError):
        return _code(outcome), b"", _line(outcome)
    return outcome.rc, outcome.stdout, outcome.stderr


def _hand_on(running: list[Any]) -> dict[int, Any]:
    """Have the programs get the signals to end by, and then whoever got them before.

    :returns: the handlers that there were
    """
    handlers: dict[int, Any] = {}

    def handler(number: int, _frame: Any) -> None:
        for program in running:
            program.hand_on(number)
        signal.signal(number, handlers[number])
        os.kill(os.getpid(), number)

    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        found = signal.getsignal(number)
        if found not in (None, signal.SIG_IGN):
            handlers[number] = found
            signal.signal(number, handler)
    return handlers


def _explain(error: LxcError) -> int:
    try:
        _write(2, _line(error))
    except OSError:
        pass
    return _code(error)


def _line(error: LxcError) -> bytes:
    return b"fleet-lxc: %s\n" % os.fsencode(str(error))


def _code(error: LxcError) -> int:
    if error.doing == "run":
        return {errno.ENOENT: 127, errno.EACCES: 126}.get(error.errno or 0, 126)
    return 125


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def _many(options: Options) -> int:
    """One after the other's output, each line with the container's name before it."""
    parallel = 4 * (os.cpu_count() or 1)
    jobs = {name: Command(**options.command.to_dict()) for name in options.names}
    code = 0
    for name, outcome in exchange.run(jobs, timeout=options.timeout, parallel=parallel).items():
        if isinstance(outcome, LxcError):
            code = code or _explain(outcome)
            continue
        code = code or outcome.rc
        for fd, data in ((1, outcome.stdout), (2, outcome.stderr)):
            mark = name.encode() + b": "
            _write(fd, b"".join(mark + line + b"\n" for line in data.splitlines()))
    return code


def _one(options: Options) -> int:
    terminal = options.terminal
    if terminal is None:
        terminal = os.isatty(0) and os.isatty(1)
    options.command.killable = options.timeout is not None
    target = Target(options.names[0])
    attach.hold_signals()
    relay: _Pipes | _Terminal
    relay = (_Terminal(target, options.command) if terminal
             else _Pipes(target, options.command, options.stdin))
    target.close()
    with relay:
        return relay.run(options.timeout)


class _Relay:
    """Data to and from one program until it ends."""

    def __init__(self, attached: attach.Attached) -> None:
        self._attached = attached
        self._loop = exchange.Loop()
        self._gone = False
        self._pending = b""
        self._to = -1       # where to write what the caller gives
        self._from: dict[int, int] = {}  # the program's output, and where it goes
        attach.forward(attached)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        self._loop.add(attached.pidfd, select.POLLIN, self._on_end)

    def __enter__(self) -> _Relay:
        return self

    def __exit__(self, *_error: object) -> None:
        """What was changed for the time of the relay."""

    def run(self, timeout: float | None) -> int:
        """:returns: the program's code"""
        import time

        self._wait_for_the_start()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._gone:
            self._loop.once(deadline)
            if deadline is not None and time.monotonic() >= deadline and not self._gone:
                self._attached.kill()
                deadline = None
        for source, to in list(self._from.items()):
            try:
                _write(to, exchange.read_available(source))
            except OSError:
                pass  # nobody reads it, or a terminal whose other end is closed
        return self._attached.reap()

    def _wait_for_the_start(self) -> None:
        said = b""
        while True:
            data = os.read(self._attached.status, _CHUNK)
            if not data:
                break
            said += data
        error = attach.started(self._attached.name, said)
        if error:
            raise error

    def _connect(self, to: int, sources: dict[int, int], stdin: bool) -> None:
        self._to, self._from = to, sources
        os.set_blocking(to, False)
        for source in sources:
            self._loop.add(source, select.POLLIN, self._reader(source))
        if stdin:
            self._listen()
        else:
            self._end_of_input()

    def _listen(self) -> None:
        try:
            self._loop.add(0, select.POLLIN, self._on_input)
        except OSError:  # standard input is closed
            self._end_of_input()

    def _on_end(self) -> None:
        self._loop.remove(self._attached.pidfd)
        self._gone = True

    def _reader(self, source: int) -> exchange.Handler:
        def read() -> None:
            try:
                data = os.read(source, _CHUNK)
                if data:
                    _write(self._from[source], data)
                    return
            except OSError:
                pass  # the caller reads no more: neither do we, and the program gets SIGPIPE
            self._loop.remove(source)
            del self._from[source]
            if source != self._to:
                os.close(source)
        return read

    def _on_input(self) -> None:
        try:
            self._pending = os.read(0, _CHUNK)
        except OSError:
            self._pending = b""
        if self._pending:
            self._send()
        else:
            self._loop.remove(0)
            self._end_of_input()

    def _send(self) -> None:
        """Write what there is; what does not fit waits, and the input with it."""
        try:
            self._pending = self._pending[os.write(self._to, self._pending):]
        except BlockingIOError:
            pass
        except OSError:  # the program reads no more
            self._pending = b""
            self._loop.remove(0)
            self._stop_sending()
            return
        if self._pending:
            self._loop.remove(0)
            self._wait_to_send()
        else:
            self._stop_waiting()

    def _wait_to_send(self) -> None:
        raise NotImplementedError

    def _stop_waiting(self) -> None:
        raise NotImplementedError

    def _stop_sending(self) -> None:
        raise NotImplementedError

    def _end_of_input(self) -> None:
        self._stop_sending()


class _Pipes(_Relay):
    """Standard input, output and error, each through a pipe."""

    def __init__(self, target: Target, command: Command, stdin: bool) -> None:
        pipes = [os.pipe(), os.pipe(), os.pipe()]
        inner = (pipes[0][0], pipes[1][1], pipes[2][1])
        super().__init__(attach.spawn(target, command, inner))
        for fd in inner:
            os.close(fd)
        self._waiting = False
        if command.bound:
            self._loop.add(1, 0, self._on_hangup)  # poll(2) tells errors and a hangup all the same
        self._connect(pipes[0][1], {pipes[1][0]: 1, pipes[2][0]: 2}, stdin)

    def _on_hangup(self) -> None:
        """Nobody reads: the caller's connection is gone. The command is told as by a terminal."""
        self._loop.remove(1)
        self._attached.hand_on(signal.SIGHUP)

    def _wait_to_send(self) -> None:
        if not self._waiting:
            self._loop.add(self._to, select.POLLOUT, self._send)
            self._waiting = True

    def _stop_waiting(self) -> None:
        if self._waiting:
            self._loop.remove(self._to)
            self._waiting = False
            self._listen()

    def _stop_sending(self) -> None:
        self._stop_waiting_only()
        os.close(self._to)
        self._to = -1

    def _stop_waiting_only(self) -> None:
        if self._waiting:
            self._loop.remove(self._to)
            self._waiting = False


class _Terminal(_Relay):
    """A terminal of the container's own; the caller's, where there is one, only passes keys."""

    def __init__(self, target: Target, command: Command) -> None:
        command.terminal = True
        command.environment.setdefault("TERM", os.environ.get("TERM") or "linux")
        outer, inner = target.terminal(*_size())
        super().__init__(attach.spawn(target, command, (inner, inner, inner)))
        os.close(inner)
        self._saved: list[Any] | None = termios.tcgetattr(0) if os.isatty(0) else None
        self._connect(outer, {outer: 1}, True)

    def __enter__(self) -> _Relay:
        if self._saved:
            signal.signal(signal.SIGWINCH, self._on_resize)
            raw = list(self._saved)
            # cfmakeraw(3)
            raw[0] &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
                        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON)
            raw[1] &= ~termios.OPOST
            raw[2] = (raw[2] & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
            raw[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG
                        | termios.IEXTEN)
            termios.tcsetattr(0, termios.TCSAFLUSH, raw)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._saved:
            termios.tcsetattr(0, termios.TCSAFLUSH, self._saved)

    def _on_resize(self, _number: int, _frame: Any) -> None:
        resize(self._to, *_size())

    def _wait_to_send(self) -> None:
        """Its one descriptor waits to be read as well, so what does not fit is written now."""
        os.set_blocking(self._to, True)
        _write(self._to, self._pending)
        os.set_blocking(self._to, False)
        self._pending = b""
        self._listen()

    def _stop_waiting(self) -> None:
        """There is no waiting."""

    def _stop_sending(self) -> None:
        """Its one descriptor stays open for what comes back."""

    def _end_of_input(self) -> None:
        try:
            os.write(self._to, b"\x04")  # VEOF: a terminal has no other end of file
        except OSError:
            pass


def _size() -> tuple[int, int]:
    """Rows and columns of the caller's terminal."""
    import fcntl

    try:
        data = fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8)
    except OSError:
        return 24, 80
    rows, columns = struct.unpack("HHHH", data)[:2]
    return rows or 24, columns or 80
