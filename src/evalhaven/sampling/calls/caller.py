"""Calls to models: the one place where they are limited, sent and repeated, and where failures become errors."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import anyio
import msgspec

from evalhaven.domain.clock import Clock
from evalhaven.meters.board import Board, Reading
from evalhaven.meters.declared import LIMITER_IN_FLIGHT, LIMITER_LIMIT, LIMITER_WAITING
from evalhaven.sampling.applications.commands import open_command
from evalhaven.sampling.applications.reported import ApplicationTransport
from evalhaven.sampling.calls.failure_watch import FailureWatch
from evalhaven.sampling.calls.failures import (
    CallFailedError,
    Failure,
    FailureKind,
    failure_of_configuration,
)
from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.limits import LimitChange, LimiterState, Limits
from evalhaven.sampling.calls.line import Line
from evalhaven.sampling.calls.meters import CallMeters
from evalhaven.sampling.calls.outage import Reachability, Unreachable, Waiter
from evalhaven.sampling.calls.purse import Purse
from evalhaven.sampling.calls.repetition import Repetition
from evalhaven.sampling.calls.slots import Slots
from evalhaven.sampling.catalog import Endpoint, Target
from evalhaven.sampling.scripted.endpoint import ScriptedTransport
from evalhaven.sampling.transport.interface import Transport

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing

__all__ = ["Asker", "CallFailedError", "Called", "ModelCaller"]

T = TypeVar("T")
OpenTransport = Callable[[Endpoint], AbstractAsyncContextManager[Transport]]


class Called(msgspec.Struct, Generic[T], frozen=True):
    """An answer.

    Attributes:
        value: What the parser returned.
        attempts: How many were made.
        latency_ms: Milliseconds that the last one took.
    """

    value: T
    attempts: int
    latency_ms: int


@dataclass(slots=True)
class Asker:
    """On whose behalf a model is called: a run, or one of its judges.

    Attributes:
        limit: How many calls its run may have under way; a place is held only during an attempt.
        on_retry: Told why an attempt failed, before the next one.
        was_answered: Whether it has ever received an answer.
        is_over: Tells whether no more calls may be made on its behalf; one that waited until then waits to be canceled.
        purses: What this process may spend on its behalf, where several share its budgets.
        watch: Whether its calls all fail; while that is suspected, none is begun. None: nobody watches.
    """

    limit: Slots | None = None
    on_retry: Callable[[FailureKind], None] | None = None
    was_answered: bool = False
    is_over: Callable[[], bool] | None = None
    purses: Sequence[Purse] = ()
    watch: FailureWatch | None = None

    @property
    def is_held_up(self) -> bool:
        """Tell whether what was lent for its calls is used up, or its time is over, or whether all seem to fail."""
        return (
            not all(purse.is_open for purse in self.purses)
            or (self.limit is not None and not self.limit.is_open)
            or (self.watch is not None and self.watch.is_suspected)
        )

    async def wait(self) -> None:
        """Return when another call may be begun, as far as its failures and its budgets are concerned."""
        if self.watch is not None:
            await self.watch.wait()
        for purse in self.purses:
            await purse.wait()


class ModelCaller:
    """Calls models; one for all runs of a process, used while its context is entered.

    It keeps a limiter for each model at each endpoint, and a transport for each way of reaching them.
    """

    def __init__(
        self,
        open_endpoint: OpenTransport | None = None,
        clock: Clock | None = None,
        may_call: Callable[[], bool] | None = None,
        on_want: Callable[[], None] | None = None,
        *,
        shares_outages: bool = True,
        board: Board | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        """Open nothing yet.

        Args:
            open_endpoint: Opens a transport to an endpoint.
            clock: The time shown with changes of limits.
            may_call: Tells whether this process may still call anybody; None: always. A call that may not be made waits
                to be canceled.
            on_want: Called when a call waits for something that several processes share; None: they are not shared.
            shares_outages: Whether these processes share what they know of outages, too.
            board: Shows how calls go; None: nobody asks.
            tracing: Traces attempts; None: nobody asks.
        """
        self._tracing = tracing
        self._board = board
        if board is not None:
            board.read_from(self._read_limiters)
        self._may_call = may_call
        self._on_want = on_want
        self._on_outage = on_want if shares_outages else None
        self._open_endpoint = open_endpoint or partial(_open_endpoint, may_send=may_call)
        self._clock = clock or Clock()
        self._lines: dict[tuple[str, str], Line] = {}
        self._most: dict[tuple[str, str], int] = {}
        self._reachabilities: dict[str, Reachability] = {}
        self._transports: dict[object, Transport] = {}
        self._opening = anyio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._lines.clear()
        self._transports.clear()
        await self._stack.__aexit__(kind, error, at)

    async def call(
        self,
        target: Target,
        path: str,
        body: bytes,
        parse: Callable[[bytes], T],
        expected_tokens: int = 0,
        asker: Asker | None = None,
    ) -> Called[T]:
        """Ask a model, repeatedly if that makes sense, and return its answer.

        Args:
            target: The model.
            path: `/chat/completions`, `/responses` or `/embeddings`; "" for an application.
            body: The request, JSON.
            parse: Reads the answer's body; if it raises an UnusableReplyError, the call is repeated.
            expected_tokens: About how many tokens per minute it will use up; a Sample's usage is charged later.
            asker: On whose behalf; None for a caller without limits that is told nothing.

        Raises:
            CallFailedError: There is no answer.
        """
        line = self._lines.get((target.endpoint.name, target.model)) or await self._open_line(target)
        url = line.urls.get(path) or line.add_url(path)
        repetition: Repetition | None = None
        asker = asker or Asker()
        run_limit = asker.limit
        began_at = line.now()
        arrived_at: float | None = None
        attempts = 0
        while True:
            is_probe = False
            if asker.is_held_up:
                await asker.wait()
            if line.reachability.is_down:
                arrived_at = line.now() if arrived_at is None else arrived_at
                is_probe = await line.wait_for_turn(Waiter(began_at, arrived_at, asker.was_answered), attempts)
            if run_limit is not None:
                await run_limit.acquire()
            try:
                permit = await line.limiter.acquire(expected_tokens)
                try:
                    if (line.reachability.is_down and not is_probe) or asker.is_held_up or not line.limiter.is_open:
                        # The endpoint went down while this call waited, or others have its place by now.
                        line.limiter.note_unsent(expected_tokens)
                        continue
                    if self._is_over(asker):
                        line.limiter.note_unsent(expected_tokens)
                        await anyio.sleep_forever()
                    attempts += 1
                    asked_at = line.now()
                    answer = await line.ask(url, body, parse, permit, expected_tokens)
                    took_s = line.now() - asked_at
                    line.count(answer, took_s)
                finally:
                    line.limiter.release()
            finally:
                if run_limit is not None:
                    run_limit.release()
            if not isinstance(answer, Failure):
                asker.was_answered = True
                return Called(answer, attempts, round(took_s * 1000))
            repetition = repetition or Repetition(line.backoff)
            pause_s = line.find_pause_s(repetition, answer, took_s)
            if pause_s is None:
                is_fatal = answer.is_fatal or line.is_hopeless(answer)
                raise CallFailedError(answer.error, attempts, is_fatal_for_run=is_fatal)
            if asker.on_retry is not None:
                asker.on_retry(answer.kind)
            await anyio.sleep(pause_s)

    def _is_over(self, asker: Asker) -> bool:
        return (asker.is_over is not None and asker.is_over()) or not (self._may_call is None or self._may_call())

    @property
    def limiters(self) -> Mapping[tuple[str, str], tuple[AdaptiveLimiter, int]]:
        """Return the limiter of each model at each endpoint, with the most calls that may be under way there."""
        return {key: (line.limiter, self._most[key]) for key, line in self._lines.items()}

    @property
    def reachabilities(self) -> Mapping[str, Reachability]:
        """Return whether each endpoint answers, by its name."""
        return self._reachabilities

    def find_state(self, target: Target) -> LimiterState | None:
        """Return the state of a model's limiter; None before the first call."""
        line = self._lines.get((target.endpoint.name, target.model))
        return None if line is None else line.limiter.state

    def find_unreachable(self, target: Target) -> Unreachable | None:
        """Return why a model's endpoint cannot be reached; None if it can, or if nobody has asked yet."""
        reachability = self._reachabilities.get(target.endpoint.name)
        return None if reachability is None else reachability.unreachable

    def changes(self, target: Target, after: int = 0) -> list[LimitChange]:
        """Return how a model's limit changed, oldest first; `after` is the number of the last known one."""
        line = self._lines.get((target.endpoint.name, target.model))
        return [] if line is None else line.limiter.changes(after)

    def _read_limiters(self) -> Reading:
        board = self._board
        for (endpoint, model), line in list(self._lines.items()):
            state = line.limiter.state
            labels = (endpoint, model if board is None else board.model_label(model))
            yield LIMITER_LIMIT, labels, state.concurrency
            yield LIMITER_IN_FLIGHT, labels, state.in_flight
            yield LIMITER_WAITING, labels, state.waiting

    async def _open_line(self, target: Target) -> Line:
        endpoint = target.endpoint
        key = (endpoint.name, target.model)
        async with self._opening:
            if key not in self._lines:
                is_apart = endpoint.is_scripted or endpoint.is_application
                way: object = endpoint.name if is_apart else endpoint.transport
                try:
                    transport = self._transports.get(way) or await self._stack.enter_async_context(
                        self._open_endpoint(endpoint)
                    )
                except ValueError as error:
                    failure = failure_of_configuration(error, endpoint.name)
                    raise CallFailedError(failure.error, 0, is_fatal_for_run=True) from error
                self._transports[way] = transport
                loop = asyncio.get_running_loop()
                reachability = self._reachabilities.get(endpoint.name)
                if reachability is None:
                    reachability = Reachability(
                        endpoint.name, endpoint.retry_for_s, loop, endpoint.strange_for_s, self._clock, self._on_outage
                    )
                    self._reachabilities[endpoint.name] = reachability
                limits = Limits(
                    endpoint.max_concurrency,
                    endpoint.start_concurrency,
                    endpoint.requests_per_minute,
                    endpoint.tokens_per_minute,
                )
                limiter = AdaptiveLimiter(limits, loop, self._clock, self._on_want)
                self._most[key] = endpoint.max_concurrency
                meters = None if self._board is None else CallMeters(self._board, "run", target)
                self._lines[key] = Line(target, transport, limiter, reachability, loop, meters, self._tracing)
        return self._lines[key]


@asynccontextmanager
async def _open_endpoint(endpoint: Endpoint, may_send: Callable[[], bool] | None) -> AsyncGenerator[Transport]:
    """Open a transport to an endpoint, to its script or to its command."""
    if endpoint.script is not None:
        yield ScriptedTransport(endpoint.script)
        return
    if endpoint.command is not None:
        async with open_command(endpoint.command, may_send) as commands:
            yield ApplicationTransport(commands)
        return
    # It loads slowly, and a script needs none of it.
    from evalhaven.sampling.transport.client import open_transport  # noqa: PLC0415

    async with open_transport(endpoint.transport, may_send) as transport:
        yield ApplicationTransport(transport) if endpoint.is_application else transport
