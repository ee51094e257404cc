"""One call through the gateway: from its request to the end of its answer, and what is kept of it."""

import asyncio
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from time import perf_counter
from types import TracebackType
from typing import Self

import structlog
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from evalhaven.api.access.routes import caller_of
from evalhaven.api.bodies import body_blocks
from evalhaven.api.gateway.conversations import Conversations
from evalhaven.api.gateway.delivery import Delivery, read_whole
from evalhaven.api.gateway.endpoints import GatewayEndpoints
from evalhaven.api.gateway.hang_ups import WhileConnected
from evalhaven.api.gateway.headers import request_headers
from evalhaven.api.gateway.requests import (
    AskedModel,
    LogCalls,
    parse_object,
    read_fields,
    wants_keeping,
    with_model,
)
from evalhaven.api.gateway.translation import Translation
from evalhaven.domain import jsontext
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import (
    GatewayOffError,
    InvalidRequestError,
    ModelNotServedError,
    UnansweredError,
    UpstreamFailedError,
    UpstreamLateError,
)
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.exchanges import Exchange
from evalhaven.logs.finder import CallFinder
from evalhaven.logs.handover.sender import LogSender
from evalhaven.runs.telling import Teller
from evalhaven.sampling.calls.meters import CallMeters
from evalhaven.sampling.catalog import Catalog, Target, UnknownModelError
from evalhaven.sampling.messages.making import CHAT_PATH, RESPONSES_PATH
from evalhaven.sampling.transport.replies import StreamedReply, TransportError

_EMBEDDINGS_PATH = "/embeddings"
_PATHS = {CallKind.CHAT: CHAT_PATH, CallKind.RESPONSE: RESPONSES_PATH, None: _EMBEDDINGS_PATH}
_MOST_KEPT_BYTES = 16 * 1024 * 1024
_MOST_FAILURE_BYTES = 1_000_000
_SUCCESSES = range(200, 300)
_FAILURES = range(400, 600)  # beyond them HTTP has no statuses, and the server sends none


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Settings of the gateway.

    Attributes:
        is_on: Whether calls are passed on.
        log_calls: Which calls are kept: those that ask for it, all, or none.
        max_body_bytes: Largest request.
    """

    is_on: bool
    log_calls: LogCalls
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that is about to be passed on.

    Attributes:
        path: Where the endpoint takes it.
        sent: The request as the endpoint gets it.
        kept: The request as it is kept.
        translation: How the reply becomes one of the kind that was asked for; None if it is one already.
    """

    path: str
    sent: bytes = field(repr=False)
    kept: bytes = field(repr=False)
    translation: Translation | None = None


class Gateway:
    """Passes calls on; used while its context is entered."""

    def __init__(
        self,
        config: GatewayConfig,
        catalog: Catalog,
        ids: IdFactory,
        clock: Clock,
        sender: LogSender,
        finder: CallFinder,
        teller: Teller,
    ) -> None:
        """Open nothing yet.

        Args:
            config: Settings.
            catalog: The endpoints.
            ids: Makes the ids of translated responses.
            clock: The time.
            sender: Takes the calls that are kept.
            finder: Finds them again.
            teller: Tells those who watch how calls go.
        """
        self._board, self._tracing = teller.board, teller.tracing
        self._config = config
        self._catalog = catalog
        self._ids = ids
        self._clock = clock
        self._sender = sender
        self._conversations = Conversations(finder)
        self._endpoints = GatewayEndpoints()
        self._log = structlog.get_logger("evalhaven.gateway")

    async def __aenter__(self) -> Self:
        await self._endpoints.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._endpoints.__aexit__(kind, error, at)

    async def answer(self, kind: CallKind | None, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a call by asking its model's endpoint.

        Args:
            kind: Chat completion or response; None for embeddings.
            scope: Of the request.
            receive: Receives the request.
            send: Sends the answer.

        Raises:
            EvalhavenError: The call cannot be passed on, or there is no reply.
            ClientDisconnect: The client hung up.
        """
        project = caller_of(scope).scope
        arrived_at, started_at = perf_counter(), self._clock.now()
        if not self._config.is_on:
            raise GatewayOffError(
                "Calls to models are not passed on here: the server was started with EVALHAVEN_GATEWAY=off, or without "
                "keys where other machines reach it, and the endpoints cost money. EVALHAVEN_GATEWAY=on passes them on "
                "all the same.",
                code="gateway_off",
            )
        body = b"".join([block async for block in body_blocks(Request(scope, receive), self._config.max_body_bytes)])
        asked = read_fields(body, kind)
        target = self._find(asked.model)
        structlog.contextvars.bind_contextvars(endpoint=target.endpoint.name)
        headers = request_headers(scope["headers"], target.endpoint.headers)
        is_kept = wants_keeping(kind, asked.store, self._config.log_calls)
        async with WhileConnected(receive) as client:
            call = await self._prepare(project, kind, asked, target, body)
            meters = CallMeters(self._board, "gateway", target)
            asked_at = perf_counter()
            delivery = Delivery(
                scope,
                send,
                client,
                kind,
                _MOST_KEPT_BYTES if is_kept else 0,
                on_whole=lambda: self._keep(project, kind, call, delivery, started_at, arrived_at),
            )
            try:
                with self._traced(target, call, headers) as (note_failure, told):
                    async with self._endpoints.ask(target.endpoint, call.path, told, call.sent) as reply:
                        await self._pass_back(target, call, reply, delivery)
                    if reply.status not in _SUCCESSES:
                        note_failure(str(reply.status))
                _count(meters, reply.status, perf_counter() - asked_at)
            except (UpstreamFailedError, UpstreamLateError) as error:
                meters.note_failure("timeout" if isinstance(error, UpstreamLateError) else "connection")
                raise
            except TransportError as error:
                meters.note_failure("timeout" if error.kind == "timeout" else "connection")
                reason = self._endpoints.secrets_of(target.endpoint).hide(str(error))
                self._log.warning("gateway_reply_cut", endpoint=target.endpoint.name, reason=reason)
                await delivery.cut()
            except asyncio.CancelledError:
                if client.is_gone:
                    if delivery.is_whole():
                        meters.note_answer(perf_counter() - asked_at)
                    else:
                        meters.note_failure("hung_up")
                    raise
                if delivery.has_begun:
                    await delivery.cut()
                raise UnansweredError(
                    "The server is being stopped. Send the call again.", code="server_stops"
                ) from None
            finally:
                if delivery.is_whole():
                    delivery.tell_whole()

    @contextmanager
    def _traced(
        self, target: Target, call: _Call, headers: Mapping[str, str]
    ) -> Generator[tuple[Callable[[str], None], Mapping[str, str]]]:
        """Trace a call, if traces are on; yield what notes a failure, and the headers for the endpoint."""
        tracing = self._tracing
        if tracing is None:
            yield (lambda _kind: None), headers
            return
        operation = "embeddings" if call.path == _EMBEDDINGS_PATH else "chat"
        with tracing.call(operation, target.endpoint.name, target.model, call.sent) as (span, own):
            yield (lambda kind: tracing.note_failure(span, kind)), {**headers, **own}

    def _find(self, model: str) -> Target:
        try:
            return self._catalog.find(model)
        except UnknownModelError as error:
            raise ModelNotServedError(error.message, param=error.param, code=error.code) from error

    async def _prepare(
        self, project: ProjectScope, kind: CallKind | None, asked: AskedModel, target: Target, body: bytes
    ) -> _Call:
        """Return what is asked of the endpoint.

        Raises:
            InvalidRequestError: The endpoint cannot be asked for it, or the response that is continued is unknown.
        """
        _require_protocol(kind, target)
        is_translated = kind is CallKind.RESPONSE and "responses" not in target.endpoint.protocols
        if not is_translated and asked.previous_response_id is None:
            sent = body if target.model == asked.model else with_model(body, target.model)
            return _Call(_PATHS[kind], sent, body)
        if asked.previous_response_id is None:
            request, kept = parse_object(body), body
        else:
            request = await self._conversations.continued(project, body, asked.previous_response_id)
            kept = jsontext.render(request).encode()
        if is_translated:
            translation = Translation.of(request, target, self._ids.new_response_id(), int(self._clock.now()))
            return _Call(CHAT_PATH, translation.request, kept, translation)
        sent_request = {key: value for key, value in request.items() if key != "previous_response_id"}
        return _Call(RESPONSES_PATH, jsontext.render(sent_request | {"model": target.model}).encode(), kept)

    async def _pass_back(self, target: Target, call: _Call, reply: StreamedReply, delivery: Delivery) -> None:
        """Send the endpoint's reply to the client.

        Raises:
            TransportError: The reply was cut off when the client had part of it.
            UpstreamFailedError: It was cut off before, or is none.
        """
        secrets = self._endpoints.secrets_of(target.endpoint)
        if reply.status in _SUCCESSES:
            if call.translation is not None:
                reply = await call.translation.translated(reply)
            await delivery.send_reply(reply, secrets)
            return
        name, status = target.endpoint.name, reply.status
        if status not in _FAILURES:
            raise UpstreamFailedError(
                f"Endpoint {name!r} answered {status}, which is neither an answer nor an error: its `base_url` is "
                "probably not where it serves models.",
                param="model",
                code="endpoint_unreachable",
            )
        try:
            body = await read_whole(reply, _MOST_FAILURE_BYTES)
        except TransportError as error:
            raise UpstreamFailedError(
                f"Endpoint {name!r} answered {status}, but the reason did not arrive: {secrets.hide(str(error))}.",
                param="model",
                code="endpoint_failed",
            ) from error
        await delivery.send_failure(status, reply.headers, body, secrets)

    def _keep(
        self,
        project: ProjectScope,
        kind: CallKind | None,
        call: _Call,
        delivery: Delivery,
        started_at: float,
        arrived_at: float,
    ) -> None:
        if kind is None or delivery.copy is None:
            if delivery.is_too_large:
                self._sender.refuse()
            return
        ended_at = perf_counter()
        self._sender.offer(
            Exchange(
                project,
                kind,
                started_at,
                request=call.kept,
                reply=b"".join(delivery.copy),
                is_streamed=delivery.is_streamed,
                first_byte_ms=round(((delivery.first_byte_at or ended_at) - arrived_at) * 1000),
                latency_ms=round((ended_at - arrived_at) * 1000),
            )
        )


def _count(meters: CallMeters, status: int, took_s: float) -> None:
    """Count a call that has ended with a whole reply."""
    if status in _SUCCESSES:
        meters.note_answer(took_s)
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        meters.note_failure("rate_limit")
    else:
        meters.note_failure("server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "final")


def _require_protocol(kind: CallKind | None, target: Target) -> None:
    """Refuse what an endpoint cannot be asked for in any form.

    Raises:
        InvalidRequestError: It cannot.
    """
    endpoint = target.endpoint
    if endpoint.is_application:
        raise InvalidRequestError(
            f"Endpoint {endpoint.name!r} is an application, which answers the items of runs. Name a model of another "
            "endpoint.",
            param="model",
            code="unsupported_model",
        )
    if kind is None and endpoint.is_scripted:
        raise InvalidRequestError(
            f"Endpoint {endpoint.name!r} answers by rules, and has no embeddings. Name a model of another endpoint.",
            param="model",
            code="unsupported_model",
        )
    if kind is CallKind.CHAT and "chat" not in endpoint.protocols:
        raise InvalidRequestError(
            f"Endpoint {endpoint.name!r} has no chat completions. Ask its models by POST /v1/responses.",
            param="model",
            code="unsupported_model",
        )
