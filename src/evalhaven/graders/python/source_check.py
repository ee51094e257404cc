"""Whether a source can be a python grader: compiled in a child process, never executed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio

import evalhaven
from evalhaven.domain.errors import UnansweredError
from evalhaven.graders.python import source_check_main

_TIMEOUT_S = 120.0
_CHILDREN = 2
# Last in the path, so that nothing there shadows the standard library.
_PROGRAM = f"""
import sys
sys.path.append({str(Path(evalhaven.__file__).parents[1])!r})
from {source_check_main.__name__} import main
main()
"""


@dataclass(frozen=True, slots=True)
class SourceProblem:
    """Why a source is not a grader.

    Attributes:
        index: Which of the sources.
        line: 1-based line; None if the problem has none.
        message: Follows the name of the parameter, without a full stop.
    """

    index: int
    line: int | None
    message: str

    def __str__(self) -> str:
        """Return what follows the name of the parameter."""
        return self.message if self.line is None else f"{self.message} (line {self.line})"


class SourceChecker:
    """Checks sources, two requests at once."""

    def __init__(self, timeout_s: float = _TIMEOUT_S, pauses_s: Sequence[float] = (0.1, 1.0, 3.0)) -> None:
        """Start nothing yet.

        Args:
            timeout_s: Longest time for all sources of a request.
            pauses_s: How long to wait each time before a check that was killed is made again.
        """
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s
        self._slots = anyio.CapacityLimiter(_CHILDREN)

    async def find_problem(self, sources: Sequence[str]) -> SourceProblem | None:
        """Return what is wrong with the first source that cannot be a grader, or None.

        Raises:
            UnansweredError: The child that compiles them was killed repeatedly.
        """
        if not sources:
            return None
        for index, source in enumerate(sources):
            if not source.isascii() and any("\ud800" <= char <= "\udfff" for char in source):
                return SourceProblem(index, None, "holds text that is not valid Unicode")
        async with self._slots:
            lines, is_late = await self._patient_answers(json.dumps(list(sources)).encode(), len(sources))
        for index, line in enumerate(lines):
            answer = json.loads(line)
            if answer is not None:
                return SourceProblem(index, *answer)
        if len(lines) == len(sources):
            return None
        took = "takes too long" if is_late else "takes too much time or memory"
        return SourceProblem(len(lines), None, f"{took} to compile: make it shorter or simpler")

    async def _patient_answers(self, request: bytes, sources: int) -> tuple[list[bytes], bool]:
        """Return what `_answers` does; try again if the child was killed, which says nothing about its sources."""
        for pause_s in (*self._pauses_s, None):
            lines, is_late, was_killed = await self._answers(request)
            if is_late or not was_killed or len(lines) == sources:
                return lines, is_late
            if pause_s is not None:
                await anyio.sleep(pause_s)
        raise UnansweredError(
            f"The process that checks the sources of python graders was killed {len(self._pauses_s) + 1} times: "
            "the machine may be short of memory."
        )

    async def _answers(self, request: bytes) -> tuple[list[bytes], bool, bool]:
        """Return the complete lines that the child wrote, whether its time ran out, and whether it was killed.

        A source that takes too long or crashes the compiler ends the child by other signals than a kill.
        """
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(os.getpid())]
        output = bytearray()
        async with await anyio.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            with anyio.move_on_after(self._timeout_s) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_send, child, request)
                    if child.stdout is not None:
                        async for block in child.stdout:
                            output += block
            if scope.cancelled_caught:
                child.kill()
        return bytes(output).split(b"\n")[:-1], scope.cancelled_caught, child.returncode == -signal.SIGKILL


async def _send(child: anyio.abc.Process, request: bytes) -> None:
    if child.stdin is not None:
        try:
            await child.stdin.send(request)
            await child.stdin.aclose()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            return  # It ended early; what it wrote tells how far it got.
