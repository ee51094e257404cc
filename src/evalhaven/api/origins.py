"""Web pages of other origins: which may write, and what their browsers are told (CORS).

As there are no keys, a page would need nothing but a visitor's browser. Programs send no `Origin` and no
`Sec-Fetch-Site`; nothing changes for them.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalhaven.api.errors import error_response

_READS = frozenset({"GET", "HEAD", "OPTIONS"})  # no route of these has an effect
_ELSEWHERE = frozenset({"cross-site", "same-site"})
_PREFLIGHT_S = 600


class OriginGuard:
    """Accept writes only from pages of this server's own origins and of those that a setting names.

    Args:
        app: What answers.
        allowed_origins: Scheme, host and port as browsers write them: the server's own and those of the setting.
    """

    def __init__(self, app: ASGIApp, allowed_origins: frozenset[str]) -> None:
        self._app = app
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 if a page of another origin writes, tell browsers what is allowed, and pass the rest on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        is_allowed = len(origins) == 1 and origins[0].lower() in self._allowed_origins
        is_elsewhere = bool(origins) or headers.get("sec-fetch-site", "").lower() in _ELSEWHERE
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if is_elsewhere and not is_allowed and (is_preflight or scope["method"] not in _READS):
            await _refusal(origins)(scope, receive, send)
            return
        if not is_allowed:
            await self._app(scope, receive, send)
            return

        async def send_allowed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(raw=message["headers"])
                answered["access-control-allow-origin"] = origins[0]
                answered["access-control-expose-headers"] = "*"
                answered.add_vary_header("Origin")
            await send(message)

        app = _preflight_answer(headers) if is_preflight else self._app
        await app(scope, receive, send_allowed)


def _refusal(origins: list[str]) -> Response:
    if origins == ["null"]:
        page = "A page without an origin (a local file, a sandboxed frame)"
        cure = "Serve it from an address, and name that in EVALHAVEN_ALLOWED_ORIGINS of this server."
    else:
        page = f"A page of {' and '.join(map(repr, origins))}" if origins else "A page of another origin"
        cure = "If it is yours, name its scheme, host and port in EVALHAVEN_ALLOWED_ORIGINS of this server."
    return error_response(403, f"{page} may not change anything here. {cure}", param="Origin", code="foreign_origin")


def _preflight_answer(asked: Headers) -> Response:
    headers = {
        "access-control-allow-methods": "GET, HEAD, POST, DELETE",
        "access-control-allow-headers": asked.get("access-control-request-headers", "*"),
        "access-control-max-age": str(_PREFLIGHT_S),
    }
    return Response(status_code=204, headers=headers)
