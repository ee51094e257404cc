"""The transport to an application that is a command: a process for each call.

It reads the request on its standard input and writes its reply to the standard output. What it writes to standard error
is the error of the item if it ends with a status other than 0.
"""

import os
import shutil
import subprocess
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TypeVar

import anyio
import anyio.to_thread

from evalhaven.domain.jsontext import JsonObject, render
from evalhaven.domain.masking import Secrets
from evalhaven.sampling.applications.command import Command
from evalhaven.sampling.applications.groups import ProcessGroup
from evalhaven.sampling.applications.reported import find_reported
from evalhaven.sampling.transport.interface import Transport
from evalhaven.sampling.transport.replies import HttpReply, TransportError

T = TypeVar("T")

COMMAND_FAILED = "command_failed"
COMMAND_TIMEOUT = "command_timeout"

# What programs need to find themselves and to speak the user's language; none of these is a key.
_COMMON = frozenset({"HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV"})
_COMMON_START = "LC_"
_PART_BYTES = 64 * 1024
_ERROR_BYTES = 16 * 1024
_SHOWN_CHARS = 400
_SHORTEST_SECRET = 6
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.001, 0.05
_MB = 1024 * 1024


def find_program(command: Command) -> str | None:
    """Return the path of a command's program; None if there is none that can be executed."""
    program = command.arguments[0]
    if os.path.dirname(program):  # noqa: PTH120 - a path of one part is a name to be looked for
        path = command.directory / program
        return str(path) if path.is_file() and os.access(path, os.X_OK) else None
    return shutil.which(program, path=environment_of(command).get("PATH", os.defpath))


def environment_of(command: Command) -> dict[str, str]:
    """Return the environment that a command gets."""
    common = {name: value for name, value in os.environ.items() if name in _COMMON or name.startswith(_COMMON_START)}
    return {**common, **command.variables}


@asynccontextmanager
async def open_command(
    command: Command, may_send: Callable[[], bool] | None = None
) -> AsyncGenerator["CommandTransport"]:
    """Yield the transport to a command; leaving the context ends what is under way.

    Args:
        command: How it is started.
        may_send: Tells whether a call may still be made; one that may not waits to be canceled. None: always.
    """
    transport = CommandTransport(command, may_send)
    try:
        yield transport
    finally:
        transport.close()


class CommandTransport(Transport):
    """Starts a process for each call; how many at once is for its caller to limit."""

    def __init__(self, command: Command, may_send: Callable[[], bool] | None = None) -> None:
        """Start nothing yet."""
        self._command = command
        self._secrets = Secrets.of(value for value in command.variables.values() if len(value) >= _SHORTEST_SECRET)
        self._may_send = may_send
        self._idle: list[ProcessGroup] = []
        self._busy: set[ProcessGroup] = set()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Have a process answer a request.

        Args:
            url: Not used.
            headers: Not used: they are for HTTP, and may hold a key.
            body: What the process reads.
            timeout_s: How long it may take; then it is killed, with all that it started.

        Returns:
            200 with its output; 422 if it failed without saying why in its output; 408 if it took too long.

        Raises:
            TransportError: It wrote too much, or no process can be started now.
            ValueError: The command cannot be executed as it is configured.
        """
        group = await self._take_group()
        call: _Call | None = None
        is_whole = False
        try:
            if self._may_send is not None and not self._may_send():
                await anyio.sleep_forever()
            with anyio.move_on_after(timeout_s):
                call = _Call(await self._start(group), self._command.max_reply_bytes)
                await call.exchange(body)
                is_whole = True
                return _reply_of(call, self._secrets)
            return _failure(408, COMMAND_TIMEOUT, f"the command did not end within {timeout_s:g} seconds")
        finally:
            self._busy.discard(group)
            if is_whole:
                self._idle.append(group)
            else:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(_end, group, call)

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Return that there is nothing to ask for."""
        return HttpReply(404, {}, b"")

    def close(self) -> None:
        """End all processes."""
        while self._idle:
            self._idle.pop().kill()
        while self._busy:
            self._busy.pop().kill()

    async def _take_group(self) -> ProcessGroup:
        while self._idle:
            group = self._idle.pop()
            if group.is_alive:
                break
            group.kill()
        else:
            group = await _run_whole(ProcessGroup)
        self._busy.add(group)
        return group

    async def _start(self, group: ProcessGroup) -> subprocess.Popen[bytes]:
        try:
            return await _run_whole(partial(self._spawn, group.id))
        except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
            raise ValueError(self._why_not(error)) from error

    def _spawn(self, group_id: int) -> subprocess.Popen[bytes]:
        command = self._command
        return subprocess.Popen(  # noqa: S603 - the operator's own command, without a shell
            command.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=command.directory,
            env=environment_of(command),
            process_group=group_id,
        )

    def _why_not(self, error: OSError) -> str:
        command = self._command
        if not command.directory.is_dir():
            return f"its directory {command.directory} is not there"
        if find_program(command) is None:
            return f"there is no program {command.arguments[0]!r} that can be executed"
        return f"{command.arguments[0]} cannot be executed: {error.strerror}"


def _end(group: ProcessGroup, call: "_Call | None") -> None:
    """End a call with all that it started."""
    group.kill()
    if call is not None:
        # It may have left the group.
        call.process.kill()
        call.process.wait()


async def _run_whole(start: Callable[[], T]) -> T:
    """Start a process in a thread; a cancellation meanwhile would leave one that nobody tracks.

    Raises:
        TransportError: No process can be started now.
        OSError: This one cannot be executed.
    """
    started: list[T] = []
    try:
        with anyio.CancelScope(shield=True):
            started.append(await anyio.to_thread.run_sync(start))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        raise
    except OSError as error:
        raise TransportError("connect", f"no process can be started: {error.strerror}") from error
    return started[0]


@dataclass(slots=True)
class _Call:
    """A process that answers a request."""

    process: subprocess.Popen[bytes]
    most_bytes: int
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)

    async def exchange(self, body: bytes) -> None:
        """Send a request, and return when the process has ended.

        Raises:
            TransportError: It wrote too much.
        """
        process = self.process
        pipes = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None]
        requests, replies, errors = pipes
        is_too_large = False
        try:
            for pipe in pipes:
                os.set_blocking(pipe.fileno(), False)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send, requests, body)
                tasks.start_soon(self._keep_errors, errors)
                is_too_large = not await self._keep_output(replies)
                if is_too_large:
                    tasks.cancel_scope.cancel()
        finally:
            for pipe in pipes:
                pipe.close()
        if is_too_large:
            raise TransportError("too_large", f"the command wrote more than {self.most_bytes // _MB} MB")
        look_s = _FIRST_LOOK_S
        while process.poll() is None:
            await anyio.sleep(look_s)
            look_s = min(2 * look_s, _LONGEST_LOOK_S)

    async def _keep_output(self, pipe: IO[bytes]) -> bool:
        """Read the reply; return whether it is within the limit."""
        while part := await _read(pipe):
            self.output += part
            if len(self.output) > self.most_bytes:
                return False
        return True

    async def _keep_errors(self, pipe: IO[bytes]) -> None:
        """Read standard error, of which the end says most."""
        while part := await _read(pipe):
            self.errors += part
            del self.errors[:-_ERROR_BYTES]


async def _read(pipe: IO[bytes]) -> bytes:
    while True:
        try:
            return os.read(pipe.fileno(), _PART_BYTES)
        except BlockingIOError:
            await anyio.wait_readable(pipe)


async def _send(pipe: IO[bytes], body: bytes) -> None:
    """Write a request; a process that does not read it may still answer."""
    rest = memoryview(body)
    with suppress(BrokenPipeError):
        while rest:
            try:
                rest = rest[os.write(pipe.fileno(), rest[:_PART_BYTES]) :]
            except BlockingIOError:
                await anyio.wait_writable(pipe)
    pipe.close()


def _reply_of(call: _Call, secrets: Secrets) -> HttpReply:
    status, output = call.process.returncode, bytes(call.output)
    if status == 0 or find_reported(output) is not None:
        return HttpReply(200, {}, output)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    said = _last_lines(secrets.hide(call.errors.decode("utf-8", "replace")))
    return _failure(422, COMMAND_FAILED, f"the command {how}{f': {said}' if said else ' and said nothing'}")


def _last_lines(text: str) -> str:
    """Return as many of the last lines of a text as are shown, on one line."""
    shown = ""
    for line in reversed([" ".join(line.split()) for line in text.splitlines()]):
        longer = f"{line} {shown}".strip()
        if len(longer) > _SHOWN_CHARS:
            return shown or f"{longer[: _SHOWN_CHARS - 1]}…"
        shown = longer
    return shown


def _failure(status: int, code: str, message: str) -> HttpReply:
    """Return a reply that says why there is no other; the call is not repeated."""
    error: JsonObject = {"message": message, "code": code}
    return HttpReply(status, {"x-should-retry": "false"}, render({"error": error}).encode())
