"""A model at its endpoint: what its calls share, and one attempt of one of them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from evalhaven.domain.samples import Sample
from evalhaven.sampling.calls.backoff import Backoff
from evalhaven.sampling.calls.failures import (
    CallFailedError,
    Failure,
    failure_of_configuration,
    failure_of_reply,
    failure_of_transport,
    failure_of_unusable,
)
from evalhaven.sampling.calls.limiter import AdaptiveLimiter
from evalhaven.sampling.calls.meters import CallMeters
from evalhaven.sampling.calls.outage import EndpointDownError, Reachability, Waiter
from evalhaven.sampling.calls.repetition import Repetition
from evalhaven.sampling.catalog import HOP_HEADER, Target
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError
from evalhaven.sampling.secrets import keys_of, secrets_of
from evalhaven.sampling.transport.interface import Transport
from evalhaven.sampling.transport.replies import TransportError

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing

T = TypeVar("T")

EMBEDDINGS_PATH = "/embeddings"
_ALWAYS_ASKED_S = 120.0  # A limit per minute asks for one minute at most.


class Line:
    """A model at its endpoint: what all its calls share."""

    __slots__ = (
        "_endpoint",
        "_headers",
        "_keys",
        "_meters",
        "_model",
        "_secrets",
        "_timeout_s",
        "_tracing",
        "_transport",
        "backoff",
        "limiter",
        "now",
        "reachability",
        "urls",
    )

    def __init__(
        self,
        target: Target,
        transport: Transport,
        limiter: AdaptiveLimiter,
        reachability: Reachability,
        loop: asyncio.AbstractEventLoop,
        meters: CallMeters | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        endpoint = target.endpoint
        self._meters = meters
        self._tracing = tracing
        self._endpoint = endpoint
        self._model = target.model
        self._headers: Mapping[str, str] = {HOP_HEADER: "1", **endpoint.headers, "content-type": "application/json"}
        self._secrets = secrets_of(endpoint)
        self._keys = keys_of(endpoint)
        self._timeout_s = endpoint.timeout_s
        self._transport = transport
        self.backoff = Backoff(
            attempts=1000,
            longest_asked_s=max(endpoint.retry_for_s, _ALWAYS_ASKED_S),
            retry_for_s=endpoint.retry_for_s,
        )
        self.limiter = limiter
        self.now = loop.time
        self.reachability = reachability
        self.urls: dict[str, str] = {}

    def add_url(self, path: str) -> str:
        """Return the address of a path, and remember it."""
        url = self.urls[path] = self._endpoint.url_of(path)
        return url

    async def wait_for_turn(self, waiter: Waiter, attempts: int) -> bool:
        """Wait while the endpoint is gone; return whether this call is to find out whether it is back.

        Args:
            waiter: Whose call it is.
            attempts: How many it has made.

        Raises:
            CallFailedError: The endpoint has been gone for too long.
        """
        try:
            return await self.reachability.wait_for_turn(waiter)
        except EndpointDownError as error:
            # Other calls would wait as long, for nothing.
            raise CallFailedError(
                error.error, attempts, is_fatal_for_run=True, is_unreachable=error.is_strange
            ) from error

    def ask(
        self, url: str, body: bytes, parse: Callable[[bytes], T], permit: int, expected_tokens: int
    ) -> Awaitable[T | Failure]:
        """Make one attempt; return the answer, or why there is no answer."""
        if self._tracing is None:
            return self._attempt(url, self._headers, body, parse, permit, expected_tokens)
        return self._attempt_traced(self._tracing, url, body, parse, permit, expected_tokens)

    async def _attempt_traced(
        self,
        tracing: "Tracing",
        url: str,
        body: bytes,
        parse: Callable[[bytes], T],
        permit: int,
        expected_tokens: int,
    ) -> T | Failure:
        operation = "embeddings" if url.endswith(EMBEDDINGS_PATH) else "chat"
        with tracing.call(operation, self._endpoint.name, self._model, body) as (span, headers):
            answer = await self._attempt(url, {**self._headers, **headers}, body, parse, permit, expected_tokens)
            if isinstance(answer, Failure):
                tracing.note_failure(span, answer.error.code)
            elif isinstance(answer, Sample):
                used = (answer.usage.prompt_tokens, answer.usage.completion_tokens)
                reasons = [answer.finish_reason] if answer.finish_reason else []
                tracing.note_answer(span, answer.model or self._model, used, reasons, answer.output)
            return answer

    async def _attempt(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        parse: Callable[[bytes], T],
        permit: int,
        expected_tokens: int,
    ) -> T | Failure:
        try:
            reply = await self._transport.post(url, headers, body, self._timeout_s)
        except TransportError as error:
            return self._fail_unanswered(error, permit, expected_tokens)
        except ValueError as error:
            return failure_of_configuration(error, self._endpoint.name)
        if not 200 <= reply.status < 300:  # noqa: PLR2004 - HTTP's own borders
            return self._fail(failure_of_reply(reply, self._endpoint.name, self._secrets), permit, expected_tokens)
        try:
            value = parse(self._keys.hide_in(reply.body))
        except UnusableReplyError as error:
            failure = failure_of_unusable(reply, str(error), self._endpoint.name, self._secrets)
            return self._fail(failure, permit, expected_tokens)
        self.reachability.note_reply()
        self.limiter.note_good(permit)
        if isinstance(value, Sample) and value.usage.total_tokens:
            self.limiter.note_tokens(expected_tokens, value.usage.total_tokens)
        return value

    def count(self, answer: object, took_s: float) -> None:
        """Count an attempt: its answer, or the failure that `ask` returned."""
        if self._meters is None:
            return
        if isinstance(answer, Failure):
            self._meters.note_failure(answer.kind)
        else:
            self._meters.note_answer(took_s)

    def find_pause_s(self, repetition: Repetition, failure: Failure, took_s: float) -> float | None:
        """Return the pause before the next attempt; None if there is no next attempt."""
        if failure.kind != "rate_limit":
            return repetition.find_pause_s(failure, took_s, is_paced=self.reachability.is_down)
        if self.is_hopeless(failure):
            return None
        is_paced = failure.asked_s is not None and self.limiter.is_paused_for(failure.asked_s)
        return repetition.find_pause_s(failure, took_s, is_paced=is_paced)

    def is_hopeless(self, failure: Failure) -> bool:
        """Tell whether an endpoint refuses everything for longer than anybody waits."""
        return failure.kind == "rate_limit" and (
            (failure.asked_s or 0.0) > self.backoff.longest_asked_s
            or self.limiter.fruitless_s > self._endpoint.retry_for_s
        )

    def _fail_unanswered(self, error: TransportError, permit: int, expected_tokens: int) -> Failure:
        """Return the failure that a missing answer means, and report it to the reachability."""
        failure = failure_of_transport(error, self._endpoint.name, self._secrets)
        if error.kind in ("malformed", "too_large"):
            # Something arrived: the endpoint is there.
            return self._fail(failure, permit, expected_tokens)
        self.reachability.note_failure(failure.error, is_unreached=error.kind == "connect")
        if failure.is_fatal and self.reachability.has_replied:
            # The configuration worked before: a certificate that is wrong for a while is an outage like any other.
            return replace(failure, kind="connection", is_fatal=False)
        return failure

    def _fail(self, failure: Failure, permit: int, expected_tokens: int) -> Failure:
        """Report a failed answer to the limiter and to the reachability."""
        if failure.kind == "server_error":
            self.reachability.note_failure(failure.error)
        else:
            self.reachability.note_reply()
            if failure.kind == "rate_limit":
                is_waited_for = (failure.asked_s or 0.0) <= self.backoff.longest_asked_s
                self.limiter.note_refused(permit, failure.asked_s if is_waited_for else None)
            else:
                self.limiter.note_good(permit)
        self.limiter.note_tokens(expected_tokens, 0)
        return failure
