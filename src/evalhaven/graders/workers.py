"""Worker processes: for computations that would hold up everything else, or read files."""

import os
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, TypeVar

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from evalhaven.graders.worker_main import LENGTH

T = TypeVar("T")

CALL_TIMEOUT_S = 60.0
MEMORY_BYTES = 1 << 30
_IDLE_S = 60.0
_MB = 1 << 20
_BROKEN_PIPE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead)


class WorkerError(Exception):
    """A worker gave no result; the message follows the name of what was computed.

    Attributes:
        code: The error's short, stable name.
        retryable: Whether the same call could succeed another time.
    """

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


@dataclass(slots=True)
class _Worker:
    process: Process
    answers: BufferedByteReceiveStream
    idle_since: float = 0.0

    async def ask(self, call: bytes) -> tuple[bool, object]:
        if self.process.stdin is None:
            raise anyio.ClosedResourceError
        await self.process.stdin.send(LENGTH.pack(len(call)) + call)
        (length,) = LENGTH.unpack(await self.answers.receive_exactly(LENGTH.size))
        return pickle.loads(await self.answers.receive_exactly(length))  # noqa: S301 - from our own child

    async def end(self) -> None:
        with anyio.CancelScope(shield=True):
            if self.process.returncode is None:
                self.process.kill()
            await self.process.aclose()


class WorkerPool:
    """Calls functions in worker processes, a limited number at once; a context manager, which ends them.

    Workers are started when needed, reused, and ended after a minute without work.
    """

    def __init__(
        self, size: int | None = None, timeout_s: float = CALL_TIMEOUT_S, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        """Start nothing yet.

        Args:
            size: Workers at once; None for one per processor.
            timeout_s: Longest time of a call; after it the worker is killed.
            memory_bytes: Most memory of a worker.
        """
        self._slots = anyio.CapacityLimiter(size or os.cpu_count() or 1)
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._idle: list[_Worker] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a worker and return its result.

        Args:
            function: A function that can be imported, or a partial of one.
            arguments: What it is called with.

        Raises:
            WorkerError: The function raised an exception, took too long or too much memory, or the worker died.
        """
        call = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
        async with self._slots, self._worker() as worker:
            try:
                with anyio.fail_after(self._timeout_s):
                    is_good, result = await worker.ask(call)
            except TimeoutError as error:
                message = f"took longer than {self._timeout_s:g} seconds"
                raise WorkerError("grader_timeout", message, retryable=False) from error
            except (*_BROKEN_PIPE, OSError) as error:
                message = "was cut short: its process died"
                raise WorkerError("grader_died", message, retryable=True) from error
        if is_good:
            return result  # pyright: ignore[reportReturnType] - what the function returned there
        if result == "MemoryError":
            message = f"needed more than {self._memory_bytes // _MB} MB of memory"
            raise WorkerError("grader_out_of_memory", message, retryable=False)
        raise WorkerError("grader_failed", f"failed with {result}", retryable=False)

    @asynccontextmanager
    async def _worker(self) -> AsyncGenerator[_Worker]:
        """Lend a worker; after an exception, cancellation included, it may be busy and is ended."""
        worker = await self._take()
        try:
            yield worker
        except BaseException:
            await worker.end()
            raise
        worker.idle_since = time.monotonic()
        self._idle.append(worker)

    async def end_idle(self) -> None:
        """End the workers that have been idle for a while; every call does so, too."""
        while self._idle and self._idle[0].idle_since < time.monotonic() - _IDLE_S:
            await self._idle.pop(0).end()

    async def _take(self) -> _Worker:
        """Return the worker that was used last, or a new one."""
        await self.end_idle()
        while self._idle:
            worker = self._idle.pop()
            if worker.process.returncode is None:
                return worker
            await worker.end()
        return await self._start()

    async def _start(self) -> _Worker:
        command = [sys.executable, "-m", "evalhaven.graders.worker_main", str(os.getpid()), str(self._memory_bytes)]
        process: Process | None = None
        # A cancellation in between would leave a process that nobody tracks.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        if process is None or process.stdout is None:
            raise WorkerError("grader_died", "was not begun: its process has no output", retryable=True)
        return _Worker(process, BufferedByteReceiveStream(process.stdout))
