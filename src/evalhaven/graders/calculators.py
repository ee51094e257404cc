"""Calculator processes: for computations that would hold up everything else, or read files."""

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

from evalhaven.graders.calculator_main import LENGTH

T = TypeVar("T")

CALL_TIMEOUT_S = 60.0
MEMORY_BYTES = 1 << 30
_IDLE_S = 60.0
_MB = 1 << 20
_BROKEN_PIPE = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead)


class CalculatorError(Exception):
    """A calculator gave no result; the message follows the name of what was computed.

    Attributes:
        code: The error's short, stable name.
        retryable: Whether the same call could succeed another time.
    """

    def __init__(self, code: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.code = code
        self.retryable = retryable


@dataclass(slots=True)
class _Calculator:
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


class CalculatorPool:
    """Calls functions in calculator processes, a limited number at once; a context manager, which ends them.

    Calculators are started when needed, reused, and ended after a minute without work.
    """

    def __init__(
        self, size: int | None = None, timeout_s: float = CALL_TIMEOUT_S, memory_bytes: int = MEMORY_BYTES
    ) -> None:
        """Start nothing yet.

        Args:
            size: Calculators at once; None for one per processor.
            timeout_s: Longest time of a call; after it the calculator is killed.
            memory_bytes: Most memory of a calculator.
        """
        self._slots = anyio.CapacityLimiter(size or os.cpu_count() or 1)
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes
        self._idle: list[_Calculator] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        while self._idle:
            await self._idle.pop().end()

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function in a calculator and return its result.

        Args:
            function: A function that can be imported, or a partial of one.
            arguments: What it is called with.

        Raises:
            CalculatorError: The function raised an exception, took too long or too much memory, or the calculator died.
        """
        call = pickle.dumps((function, arguments), pickle.HIGHEST_PROTOCOL)
        async with self._slots, self._calculator() as calculator:
            try:
                with anyio.fail_after(self._timeout_s):
                    is_good, result = await calculator.ask(call)
            except TimeoutError as error:
                message = f"took longer than {self._timeout_s:g} seconds"
                raise CalculatorError("grader_timeout", message, retryable=False) from error
            except (*_BROKEN_PIPE, OSError) as error:
                message = "was cut short: its process died"
                raise CalculatorError("grader_died", message, retryable=True) from error
        if is_good:
            return result  # pyright: ignore[reportReturnType] - what the function returned there
        if result == "MemoryError":
            message = f"needed more than {self._memory_bytes // _MB} MB of memory"
            raise CalculatorError("grader_out_of_memory", message, retryable=False)
        raise CalculatorError("grader_failed", f"failed with {result}", retryable=False)

    @asynccontextmanager
    async def _calculator(self) -> AsyncGenerator[_Calculator]:
        """Lend a calculator; after an exception, cancellation included, it may be busy and is ended."""
        calculator = await self._take()
        try:
            yield calculator
        except BaseException:
            await calculator.end()
            raise
        calculator.idle_since = time.monotonic()
        self._idle.append(calculator)

    async def end_idle(self) -> None:
        """End the calculators that have been idle for a while; every call does so, too."""
        while self._idle and self._idle[0].idle_since < time.monotonic() - _IDLE_S:
            await self._idle.pop(0).end()

    async def _take(self) -> _Calculator:
        """Return the calculator that was used last, or a new one."""
        await self.end_idle()
        while self._idle:
            calculator = self._idle.pop()
            if calculator.process.returncode is None:
                return calculator
            await calculator.end()
        return await self._start()

    async def _start(self) -> _Calculator:
        command = [sys.executable, "-m", "evalhaven.graders.calculator_main", str(os.getpid()), str(self._memory_bytes)]
        process: Process | None = None
        # A cancellation in between would leave a process that nobody tracks.
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        if process is None or process.stdout is None:
            raise CalculatorError("grader_died", "was not begun: its process has no output", retryable=True)
        return _Calculator(process, BufferedByteReceiveStream(process.stdout))
