"""What a server's board shows of the requests to it: by the patterns of paths, since paths hold ids."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import Message, Scope

from evalhaven.meters.board import Board, Reading
from evalhaven.meters.declared import REQUEST_SECONDS, REQUESTS, REQUESTS_UNDER_WAY

_UNKNOWN = "unknown"
_OTHER = "OTHER"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def patterns_of(application: FastAPI) -> Mapping[Any, str]:
    """Return the pattern of the path at which each endpoint of an application answers."""
    patterns: dict[Any, str] = {}
    for context in iter_route_contexts(application.routes):
        route = context.original_route
        if isinstance(route, Route) and context.path is not None:
            patterns.setdefault(route.endpoint, context.path)
    return patterns


class RequestMeters:
    """Counts requests."""

    def __init__(self, board: Board, patterns: Mapping[Any, str]) -> None:
        """Count nothing yet.

        Args:
            board: Shows the counts.
            patterns: What `patterns_of` returns.
        """
        self._board = board
        self._patterns = patterns
        self._under_way = 0
        board.read_from(self._read)

    def begin(self) -> None:
        """Note that a request has begun."""
        self._under_way += 1

    def end(self, scope: Scope, status: int, took_s: float, *, is_stream: bool) -> None:
        """Count a request that has ended.

        Args:
            scope: Its scope, in which the router has noted the endpoint.
            status: That of the answer; 0 if there was none.
            took_s: How long it took.
            is_stream: Whether the answer was a stream of events, which takes as long as its client stays.
        """
        self._under_way -= 1
        route = self.route_of(scope)
        method: str = scope["method"]
        self._board.add(REQUESTS, method if method in _METHODS else _OTHER, route, str(status))
        if not is_stream:
            self._board.observe(REQUEST_SECONDS, took_s, route)

    def route_of(self, scope: Scope) -> str:
        """Return the pattern of the path that a request was routed by."""
        return self._patterns.get(scope.get("endpoint"), _UNKNOWN)

    def _read(self) -> Reading:
        yield REQUESTS_UNDER_WAY, (), self._under_way


def is_event_stream(message: Message) -> bool:
    """Tell whether the head of an answer begins a stream of events."""
    return Headers(raw=message["headers"]).get("content-type", "").startswith("text/event-stream")
