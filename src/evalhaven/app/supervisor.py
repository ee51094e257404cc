"""The supervisor: keeps exactly one executor child alive while the server lives, and none after it.

Three things keep a child from being left behind by its parent: the kernel kills it (Linux), the end of the parent's
socket tells it to stop, and it holds the data directory's lock until it is gone.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import anyio
import anyio.to_thread
import structlog

from evalhaven.api.readiness import ExecutorState
from evalhaven.app.heartbeats import Heartbeats

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 10.0
_HEALTHY_AFTER_S = 30.0
_STOP_TIMEOUT_S = 5.0
_TOLD_TO_END = (0, -signal.SIGTERM, -signal.SIGINT)
# glibc keeps the memory of large rows unless told to return it at once: that saves a third with rows of 8 MB.
_LEAN_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_ARENA_MAX": "2"}


class ExecutorSupervisor:
    """Starts the executor, wakes it, and starts it again when it dies."""

    def __init__(
        self, command: Sequence[str], lock_descriptor: int, on_orderly_stop: Callable[[], Awaitable[None]]
    ) -> None:
        """Remember how to start the executor.

        Args:
            command: Program and arguments; it finds the socket to its parent on standard input.
            lock_descriptor: The data directory's lock, inherited by the child.
            on_orderly_stop: Called when the executor has ended because it was told to, not because it died.
        """
        self._command = list(command)
        self._lock_descriptor = lock_descriptor
        self._on_orderly_stop = on_orderly_stop
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._heartbeats = Heartbeats()
        self._log = structlog.get_logger("evalhaven.executor")

    @property
    def state(self) -> ExecutorState:
        """Return the executor's state."""
        return self._heartbeats.state

    def wake(self) -> None:
        """Tell the executor that a run was created, canceled or deleted; it also looks every second by itself."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send(b"\n")

    async def supervise(self) -> None:
        """Keep the executor alive until canceled, then stop it."""
        pause_s = _FIRST_PAUSE_S
        try:
            while True:
                started = time.monotonic()
                process, channel = self._start()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._listen, channel)
                    await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
                    tasks.cancel_scope.cancel()
                code = process.returncode
                self._heartbeats.note_death(code)
                self._close()
                if code in _TOLD_TO_END:
                    await self._on_orderly_stop()
                if time.monotonic() - started > _HEALTHY_AFTER_S:
                    pause_s = _FIRST_PAUSE_S
                self._log.error("executor_died", exit_code=code, restart_in_s=pause_s)
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        finally:
            was_up = self._process is not None and self._process.poll() is None
            self._stop()
            self._close()
            if self._process is not None and (was_up or self._process.returncode in _TOLD_TO_END):
                with anyio.CancelScope(shield=True):
                    await self._on_orderly_stop()

    async def _listen(self, channel: socket.socket) -> None:
        """Note what the executor reports."""
        while True:
            await anyio.wait_readable(channel)
            with suppress(OSError):
                data = channel.recv(4096)
                if not data:
                    return
                self._heartbeats.note_beats(data)

    def _start(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        # Started from the main thread: the kernel's death signal follows the thread that forked.
        ours, childs = socket.socketpair()
        with childs:
            for end in (ours, childs):
                end.setblocking(False)
            process = subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
                self._command,
                stdin=childs.fileno(),
                env={**os.environ, **_LEAN_MEMORY},
                pass_fds=(self._lock_descriptor,),
                start_new_session=True,
            )
        self._process, self._socket = process, ours
        self._heartbeats.note_start()
        self._log.info("executor_started", pid=process.pid)
        return process, ours

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _stop(self) -> None:
        """End the executor: nothing needs a clean shutdown, but the lock must be released."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
