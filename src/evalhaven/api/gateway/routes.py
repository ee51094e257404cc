"""The addresses of the gateway: bare ASGI, behind the same middleware as every other route."""

from collections.abc import Awaitable, Callable

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from evalhaven.api.gateway.calls import Gateway
from evalhaven.domain.logged_calls import CallKind

GATEWAY_PATHS: dict[str, CallKind | None] = {
    "/v1/chat/completions": CallKind.CHAT,
    "/v1/responses": CallKind.RESPONSE,
    "/v1/embeddings": None,
}
"""What is called at each address; None for embeddings."""


def gateway_routes(gateway: Gateway) -> list[Route]:
    """Return the routes, for the beginning of the router's list."""
    return [Route(path, _Calls(gateway, kind), methods=["POST"]) for path, kind in GATEWAY_PATHS.items()]


class _Calls:
    """Answers calls of one kind. An object, since Starlette would wrap a function into its own requests."""

    def __init__(self, gateway: Gateway, kind: CallKind | None) -> None:
        self._answer: Callable[[CallKind | None, Scope, Receive, Send], Awaitable[None]] = gateway.answer
        self._kind = kind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(self._kind, scope, receive, send)
