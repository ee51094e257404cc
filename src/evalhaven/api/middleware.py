"""What happens to every request: aliases of paths, HEAD, the check of its host, loops, its id and its log line."""

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalhaven.access.callers import Caller, CallerKind
from evalhaven.api.access.allowances import allowance_headers
from evalhaven.api.errors import error_response
from evalhaven.api.request_meters import RequestMeters, is_event_stream
from evalhaven.domain.errors import ForbiddenError, NotFoundError, UnknownCallerError
from evalhaven.sampling.catalog import HOP_HEADER

_HTTPS_ONLY_S = 365 * 24 * 3600
if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing

_BREAK_OFF = (NotFoundError, UnknownCallerError, ForbiddenError)
_CLIENT_GONE = 499  # logged only: nobody is left to answer
_ALIAS = re.compile(
    r"^/openai(?:/v1|/deployments/.+?(?=/(?:chat/completions|embeddings)$))?"
    r"(?=/(?:chat/completions|embeddings|evals|files|fine_tuning|models|responses|uploads)(?:/|$))"
)
_SINGLE_HEADERS = ("Host", "Content-Type", "Idempotency-Key", "Authorization", "OpenAI-Project")
_HOST = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[^:\[\]]+)(?::\d{1,5})?$")


class PathAliases:
    """Answer `/openai/v1/…`, `/openai/…` and `/openai/deployments/…`, as Azure's clients send, like `/v1/…`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the path and pass the request on."""
        if scope["type"] == "http":
            path = _ALIAS.sub("/v1", scope["path"])
            if path != scope["path"]:
                rewritten = {**scope, "path": path, "raw_path": path.encode()}
                try:
                    await self._app(rewritten, receive, send)
                finally:
                    _tell_route(rewritten, scope)
                return
        await self._app(scope, receive, send)


class HeadRequests:
    """Answer HEAD wherever GET is answered, with the same status and headers and no body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD request on as GET and withhold the body."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        is_over: list[bool] = []

        async def send_without_body(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                if is_event_stream(message):
                    # Its body would not end by itself. When the answer is complete, the stream is told of a disconnect.
                    await send({"type": "http.response.body", "body": b""})
                    is_over.append(True)
            elif is_over:
                pass
            elif not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b""})

        # A range refers to a body. A file is handed over by its path, so that it is not read for nothing.
        headers = [(name, value) for name, value in scope["headers"] if name not in (b"range", b"if-range")]
        extensions: dict[str, Any] = {"http.response.pathsend": {}}
        asked: Scope = {**scope, "method": "GET", "headers": headers, "extensions": extensions}
        try:
            await self._app(asked, receive, send_without_body)
        finally:
            _tell_route(asked, scope)


def _tell_route(rewritten: Scope, scope: Scope) -> None:
    """Note in the scope of a request which route answered a rewritten copy of it."""
    for key in ("route", "endpoint"):
        if key in rewritten:
            scope[key] = rewritten[key]


class HostGuard:
    """Refuse requests addressed to another name, which browsers send when a page rebinds its own name to us."""

    def __init__(self, app: ASGIApp, allowed_hosts: frozenset[str]) -> None:
        self._app = app
        self._allowed_hosts = allowed_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 if the request is not meant for this server, 400 if that is unclear; else pass it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if repeated := _repeated(headers):
            message = f"The request has more than one header {repeated!r}, and it is not clear which counts: send one."
            await error_response(400, message, param=repeated, code="repeated_header")(scope, receive, send)
            return
        given = headers.get("host", "")
        host = _HOST.match(given)
        if host is None or not self._is_own_name(host[1].strip("[]")):
            message = (
                f"This server is not addressed as {given!r}. "
                "Set EVALHAVEN_PUBLIC_URL to the address that its users see."
            )
            await error_response(421, message, code="unknown_host")(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own_name(self, name: str) -> bool:
        return not self._allowed_hosts.isdisjoint((name.lower(), f"[{name.lower()}]"))


def _repeated(headers: Headers) -> str | None:
    for name in _SINGLE_HEADERS:
        values = headers.getlist(name)
        # A proxy and this server could each follow a different Host, so even equal ones are refused.
        if len(values) > 1 and (name == "Host" or len(set(values)) > 1):
            return name
    return None


class LoopGuard:
    """Refuse what this server, or another Evalhaven, sent to a model: the endpoint's address leads back here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 508 if the request comes from a run or a grader; else pass it on."""
        if scope["type"] == "http" and HOP_HEADER in Headers(scope=scope):
            message = (
                "This request was sent by Evalhaven to a model, but here is Evalhaven itself. Give the address of a "
                "model server as `base_url` of the endpoint (evalhaven.toml) or as EVALHAVEN_UPSTREAM_BASE_URL."
            )
            refusal = error_response(508, message, code="loop_detected", headers={"x-should-retry": "false"})
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _sender(scope: Scope) -> dict[str, str]:
    """Return who sent a request, as its log line says: the id of a key or person, or why they were not let in."""
    caller: Caller | None = scope["state"].get("caller")
    refused: str | None = scope["state"].get("refused")
    told = {} if caller is None or caller.kind is CallerKind.ANYONE else {"caller": caller.id}
    return told if refused is None else {**told, "refused": refused}


class RequestRecord:
    """Give each response `x-request-id` and the headers of all responses, and each request one line in the log.

    Args:
        app: What answers.
        new_request_id: Makes ids.
        meters: Counts requests; None: nobody does.
        tracing: Traces them; None if traces are off.
        is_https_only: Whether browsers shall never ask this host without HTTPS again.
    """

    def __init__(
        self,
        app: ASGIApp,
        new_request_id: Callable[[], str],
        meters: RequestMeters | None = None,
        tracing: "Tracing | None" = None,
        *,
        is_https_only: bool = False,
    ) -> None:
        self._app = app
        self._meters = meters
        self._tracing = tracing
        self._new_request_id = new_request_id
        self._is_https_only = is_https_only
        self._log = structlog.get_logger("evalhaven.api")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and record it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif self._tracing is None:
            await self._record(scope, receive, send)
        else:
            with self._tracing.request(scope["method"], Headers(scope=scope)) as span:
                trace_id = f"{span.get_span_context().trace_id:032x}"
                with structlog.contextvars.bound_contextvars(trace_id=trace_id):
                    status = await self._record(scope, receive, send)
                route = self._meters.route_of(scope) if self._meters is not None else scope["path"]
                self._tracing.note_request(span, scope["method"], route, status)

    async def _record(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Pass a request on and record it; return the status of the answer."""
        request_id = self._new_request_id()
        # One for all copies of the scope: the door notes there who sent the request.
        state = scope.setdefault("state", {})
        started = time.perf_counter()
        status = 0
        is_stream = False

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_stream
            if message["type"] == "http.response.start":
                status = message["status"]
                is_stream = is_event_stream(message)
                headers = MutableHeaders(raw=message["headers"])
                headers["x-request-id"] = request_id
                # The gateway passes these on from the endpoint, if it says them.
                headers.setdefault("openai-processing-ms", str(round((time.perf_counter() - started) * 1000)))
                headers.setdefault("openai-version", "2020-10-01")
                if "caller" in state:
                    # Browsers keep what they may, for whoever uses them after the logout.
                    headers.setdefault("cache-control", "no-store")
                for name, value in allowance_headers(state):
                    headers[name] = value
                if self._is_https_only:
                    # Browsers heed it only where it came over HTTPS.
                    headers["strict-transport-security"] = f"max-age={_HTTPS_ONLY_S}"
            await send(message)

        if self._meters is not None:
            self._meters.begin()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_headers)
            except ClientDisconnect:
                status = _CLIENT_GONE
            except Exception as error:
                if status and isinstance(error.__cause__ or error, _BREAK_OFF):
                    # Deleted while it was sent, or whoever reads it has lost the key. The server closes the connection,
                    # so nobody takes the part for all.
                    self._log.warning("response_broken_off", path=scope["path"], why=str(error.__cause__ or error))
                    return status
                self._log.exception("request_failed_unexpectedly", path=scope["path"])
                if status:
                    raise
                message = "The server had an internal error; its log has the details."
                await error_response(500, message, code="internal_error")(scope, receive, send_with_headers)
            finally:
                took_s = time.perf_counter() - started
                if self._meters is not None:
                    self._meters.end(scope, status, took_s, is_stream=is_stream)
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    client=scope["client"][0] if scope.get("client") else None,
                    ms=round(took_s * 1000, 1),
                    **_sender(scope),
                )
        return status
