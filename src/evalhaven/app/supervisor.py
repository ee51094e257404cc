"""The supervisor: keeps exactly one child of a kind alive while the server lives, and none after it.

Three things keep a child from being left behind by its parent: the kernel kills it (Linux), the end of the parent's
socket tells it to stop, and it holds the data directory's lock until it is gone.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.to_thread
import structlog

from evalhaven.api.readiness import ProcessState
from evalhaven.app.heartbeats import Heartbeats
from evalhaven.meters.board import Board, Reading
from evalhaven.meters.declared import PROCESSES, PROCESSES_UP

_FIRST_PAUSE_S = 0.1
_RECEIVED_BYTES = 65_536
_HEALTHY_AFTER_S = 30.0
_TOLD_TO_END = (0, -signal.SIGTERM, -signal.SIGINT)
# glibc keeps the memory of large rows unless told to return it at once: that saves a third with rows of 8 MB.
_LEAN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True, slots=True)
class Child:
    """A kind of child.

    Attributes:
        name: Its name in the log.
        duty: What it does, for sentences such as "The process that executes runs is not up".
        command: Program and arguments; it finds the socket to its parent on standard input.
        on_orderly_stop: Called when it has ended because it was told to, not because it died.
        serve: Works with it over a socket of their own, until the process at the other end is gone. The command gets
            the number of its end as one more argument.
        longest_pause_s: How long to wait at most before it is started again, however often it has died.
        ends_within_s: How long it may take to end once it was told to.
    """

    name: str
    duty: str
    command: Sequence[str]
    on_orderly_stop: Callable[[], Awaitable[None]] | None = None
    serve: Callable[[socket.socket], Coroutine[Any, Any, None]] | None = None
    longest_pause_s: float = 10.0
    ends_within_s: float = 5.0


class Supervisor:
    """Starts a child, wakes it, and starts it again when it is gone."""

    def __init__(self, child: Child, lock_descriptor: int | None, board: Board) -> None:
        """Remember how to start the child.

        Args:
            child: Which.
            lock_descriptor: The data directory's lock, inherited by the child; None if it needs none.
            board: Learns what the child's meters show.
        """
        self._board = board
        board.read_from(self._read_state)
        self._child = child
        self._lock_descriptor = lock_descriptor
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = ExitStack()
        self._link: socket.socket | None = None
        self._heartbeats = Heartbeats(child.duty)
        self._has_been_up = anyio.Event()
        self._log = structlog.get_logger(f"evalhaven.{child.name}")

    @property
    def state(self) -> ProcessState:
        """Return the child's state."""
        return self._heartbeats.state

    @property
    def process(self) -> int | None:
        """Return the number of the child's process; None while there is none."""
        return None if self._process is None or self._heartbeats.age_s is None else self._process.pid

    @property
    def age_s(self) -> float:
        """Return how long ago the child was started."""
        return self._heartbeats.age_s or 0.0

    @property
    def silent_s(self) -> float:
        """Return how long ago the child told something."""
        return self._heartbeats.silent_s

    def _read_state(self) -> Reading:
        yield PROCESSES, (self._child.name,), 1.0
        yield PROCESSES_UP, (self._child.name,), float(self.state.is_up)

    def wake(self) -> None:
        """Tell the child that there is work; it also looks every few seconds by itself."""
        if self._link is not None:
            with suppress(OSError):
                self._link.send(b"\n")

    def kill(self) -> None:
        """End the child at once, whatever it is doing."""
        if self._process is not None:
            self._process.kill()

    async def wait_until_up(self, within_s: float) -> None:
        """Wait until a child has reported for the first time, or the time is over."""
        with anyio.move_on_after(within_s):
            await self._has_been_up.wait()

    async def supervise(self) -> None:
        """Keep the child alive until canceled, then stop it."""
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                started = time.monotonic()
                code = await self._live_with(*self._start())
                self._heartbeats.note_death(code)
                self._board.forget(self)
                self._close()
                if code in _TOLD_TO_END:
                    await self._note_orderly_stop()
                if time.monotonic() - started > _HEALTHY_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
                if code == 0:
                    # Somebody else told it to end, and it has handed back what it had.
                    self._log.info(f"{self._child.name}_ended", restart_in_s=pause_s)
                else:
                    self._log.error(f"{self._child.name}_died", exit_code=code, restart_in_s=pause_s)
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, self._child.longest_pause_s)
        finally:
            with anyio.CancelScope(shield=True):
                was_up = self._process is not None and self._process.poll() is None
                await self._stop()
                self._close()
                if self._process is not None and (was_up or self._process.returncode in _TOLD_TO_END):
                    await self._note_orderly_stop()

    async def _live_with(
        self, process: subprocess.Popen[bytes], link: socket.socket, served: socket.socket | None
    ) -> int:
        """Work with a process until it ends and return its exit status."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, link)
            if served is not None and self._child.serve is not None:
                tasks.start_soon(self._child.serve, served)
            await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
            tasks.cancel_scope.cancel()
        return process.returncode

    async def _listen(self, link: socket.socket) -> None:
        """Note what the child reports."""
        while True:
            await anyio.wait_readable(link)
            with suppress(OSError):
                data = link.recv(_RECEIVED_BYTES)
                if not data:
                    return
                for changes in self._heartbeats.note_beats(data):
                    self._board.learn(self, changes)
                self._has_been_up.set()

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket, socket.socket | None]:
        # Started from the main thread: the kernel's death signal follows the thread that forked.
        command, descriptors, served = list(self._child.command), list[int](), None
        if self._lock_descriptor is not None:
            descriptors.append(self._lock_descriptor)
        with ExitStack() as childs:
            link, childs_link = _socket_pair(self._sockets, childs)
            if self._child.serve is not None:
                served, childs_end = _socket_pair(self._sockets, childs)
                command.append(str(childs_end.fileno()))
                descriptors.append(childs_end.fileno())
            process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                command,
                stdin=childs_link.fileno(),
                env={**os.environ, **_LEAN_MEMORY},
                pass_fds=descriptors,
                start_new_session=True,
            )
        self._process, self._link = process, link
        self._heartbeats.note_start()
        self._log.info(f"{self._child.name}_started", pid=process.pid)
        return process, link, served

    def _close(self) -> None:
        self._sockets.close()
        self._link = None

    async def _note_orderly_stop(self) -> None:
        if self._child.on_orderly_stop is not None:
            await self._child.on_orderly_stop()

    async def _stop(self) -> None:
        """End the child: nothing needs a clean shutdown, but the lock must be released."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        with anyio.move_on_after(self._child.ends_within_s):
            await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        process.kill()
        process.wait()


def _socket_pair(ours: ExitStack, childs: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Return a pair of sockets that do not block: our end, and the child's."""
    ends = socket.socketpair()
    for end, owner in zip(ends, (ours, childs), strict=True):
        end.setblocking(False)
        owner.enter_context(end)
    return ends
