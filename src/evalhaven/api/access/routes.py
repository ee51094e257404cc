"""Routes behind the door: every route of the application, whatever kind it is."""

import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evalhaven.access.callers import Caller
from evalhaven.access.permissions import Permission
from evalhaven.api.access.door import Door
from evalhaven.api.access.permissions import UnlistedRouteError, permission_for
from evalhaven.api.access.sessions import READ_AGAIN_S


class GuardedRoute(APIRoute):
    """A route that answers those whom the door lets in: before any of the request but its head is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers requests.

        Raises:
            UnlistedRouteError: The table says nothing of this route.
        """
        answer = super().get_route_handler()
        self._permission = permission = permission_for(self.methods or (), self.path)

        async def answer_if_admitted(request: Request) -> Response:
            door = cast("Door", request.app.state.door)
            await door.admit(request.scope, permission)
            return await answer(request)

        return answer_if_admitted

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as long as the door would let it in."""
        await super().handle(scope, *_while_admitted(scope["app"].state.door, self._permission, scope, receive, send))


def guard_routes(application: FastAPI, door: Door) -> None:
    """Put every route of an application behind the door, once all of them are there.

    Raises:
        UnlistedRouteError: The table says nothing of a route, or a route would not ask.
    """
    application.state.door = door
    for context in iter_route_contexts(application.routes):
        route = context.original_route
        if isinstance(route, GuardedRoute) and context.path == route.path:
            continue
        if not isinstance(route, Route) or isinstance(route, APIRoute):
            raise UnlistedRouteError(
                f"{context.path} is no GuardedRoute with its whole path, so it would let in anybody."
            )
        route.app = _Guarded(route.app, door, permission_for(route.methods or (), route.path))


def caller_of(scope: Scope) -> Caller:
    """Return who sent a request that the door has let in."""
    return cast("Caller", scope["state"]["caller"])


class _Guarded:
    """What answers requests at a bare route, behind the door."""

    def __init__(self, app: ASGIApp, door: Door, permission: Permission | None) -> None:
        self._app = app
        self._door = door
        self._permission = permission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door.admit(scope, self._permission)
        await self._app(scope, *_while_admitted(self._door, self._permission, scope, receive, send))


def _while_admitted(
    door: Door, permission: Permission | None, scope: Scope, receive: Receive, send: Send
) -> tuple[Receive, Send]:
    """Return what receives a request and sends its answer until it would not be let in any more.

    A body may take an hour to arrive, and an answer to be read: whoever loses a key meanwhile changes nothing by what
    was begun with it, and is told no more.
    """
    if permission is None:
        return receive, send
    asked_at = time.monotonic()

    async def ask_again() -> None:
        nonlocal asked_at
        # Metrics are also sent to those who have another token, and are no caller.
        if time.monotonic() - asked_at >= READ_AGAIN_S and "caller" in scope["state"]:
            await door.admit_again(scope, permission)
            asked_at = time.monotonic()

    async def receive_while_admitted() -> Message:
        message = await receive()
        if message["type"] == "http.request":
            await ask_again()
        return message

    async def send_while_admitted(message: Message) -> None:
        if message.get("more_body", False):
            await ask_again()
        await send(message)

    return receive_while_admitted, send_while_admitted
