"""`python`: what the user's `grade(sample, item)` returns, computed in a sandbox; the threshold passes."""

from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack
from typing import Self

from evalhaven.domain.errors import UnansweredError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.python.execution import IsolationError, PythonExecution
from evalhaven.graders.python.isolation import UNSAFE_NOTE, refusal
from evalhaven.sandbox.environment import Tier
from evalhaven.sandbox.pool import ErrorKind, Reply, SandboxedGrader
from evalhaven.wire.graders import EvalGraderPython

DEFAULT_PASS_THRESHOLD = 0.5
_ABREAST = 256  # items under way, so that a host never waits for its next call
# A failure of the user's own code scores 0, as in the hosted API; any other failure gives no score.
_FAULTS: frozenset[ErrorKind] = frozenset({"exception", "invalid_result", "import"})
# Failures that may not recur: a host was killed, or could not be started.
_PASSING: frozenset[ErrorKind] = frozenset({"crashed", "unavailable"})


class PythonGrader:
    """A `python` criterion; a context manager that holds its sandbox open."""

    concurrency = _ABREAST
    waits = True

    def __init__(self, criterion: EvalGraderPython, execution: PythonExecution | None) -> None:
        """Start nothing yet.

        Args:
            criterion: The criterion.
            execution: Where it is executed.

        Raises:
            UnsupportedGraderError: Python is not executed here.
        """
        if execution is None:
            raise UnsupportedGraderError(f"Testing criterion {criterion.name!r} is Python, which is not executed here.")
        self._execution = execution
        self._name = criterion.name
        self._source = criterion.source
        self._threshold = DEFAULT_PASS_THRESHOLD if criterion.pass_threshold is None else criterion.pass_threshold
        self._selection = execution.environments.select(criterion.image_tag)
        self._held = AsyncExitStack()
        self._grader: SandboxedGrader | None = None
        self._cautions = [] if self._selection.caution is None else [self._selection.caution]

    async def __aenter__(self) -> Self:
        """Open the sandbox.

        Raises:
            UnsupportedGraderError: The source is not a grader, or no isolation is available here.
        """
        try:
            problem = await self._execution.checker.find_problem([self._source])
        except UnansweredError as error:
            raise UnsupportedGraderError(f"Testing criterion {self._name!r} cannot be executed now: {error}") from error
        if problem is not None:
            # This can only be an imported criterion: those sent here were checked.
            raise UnsupportedGraderError(
                f"Testing criterion {self._name!r} cannot be executed: its 'source' {problem}."
            )
        if (await self._execution.isolation()).tier is Tier.OFF:
            self._cautions.append(UNSAFE_NOTE)
        try:
            opened = self._execution.opened(self._source, self._selection)
            self._grader = await self._held.enter_async_context(opened)
        except IsolationError as error:
            raise UnsupportedGraderError(refusal(error.isolation)) from error
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self._grader = None
        await self._held.aclose()

    @property
    def caution(self) -> str | None:
        """Return what the run should warn about."""
        return " ".join(self._cautions) or None

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Call `grade(sample, item)` and return the grade."""
        return self.conclude(await self.begin(namespaces))

    def begin(self, namespaces: Mapping[str, JsonValue]) -> Awaitable[Reply]:
        """Call `grade(sample, item)`; if there is no sample, it gets an empty object."""
        if self._grader is None:
            raise RuntimeError("a python grader is used before it is opened")
        return self._grader.begin(namespaces.get("sample", {}), namespaces["item"])

    def conclude(self, reply: Reply) -> Grade:
        """Return the grade for a reply."""
        if reply.error is None and reply.score is not None:
            return Grade(score=reply.score, passed=reply.score >= self._threshold, output=reply.output)
        return self._without_score(reply)

    def _without_score(self, reply: Reply) -> Grade:
        kind = reply.error or "protocol"
        cure = self._execution.environments.cure_of(self._selection, reply.message)
        if cure is not None:
            # What is missing on this server says nothing about the sample.
            error = ItemError("grader_import", f"{reply.message.rstrip()}\n{cure}", "sandbox")
            return Grade(0.0, passed=False, error=error, output=reply.output)
        code = f"grader_{kind}"
        if kind in _FAULTS:
            fault = ItemError(code, reply.message, "user_code")
            return Grade(0.0, passed=False, fault=fault, output=reply.output)
        error = ItemError(code, reply.message, "sandbox", retryable=kind in _PASSING)
        return Grade(0.0, passed=False, error=error, output=reply.output)
