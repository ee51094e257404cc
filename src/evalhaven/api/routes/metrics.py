"""`/metrics`: what Prometheus scrapes."""

from collections.abc import Callable, Coroutine
from hmac import compare_digest
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from pydantic import SecretStr

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.errors import error_response
from evalhaven.api.services import Services, ServicesOf


class _ScrapedRoute(GuardedRoute):
    """A guarded route that also answers whoever sends the token of scrapers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers requests."""
        answer_if_admitted = super().get_route_handler()
        answer = APIRoute.get_route_handler(self)

        async def answer_scrapers(request: Request) -> Response:
            services = cast("Services", request.app.state.services)
            token = services.config.metrics_token
            if token is None:
                return await answer_if_admitted(request)
            if _is_sent(request, token):
                return await answer(request)
            if await services.door.needs_keys():
                return await answer_if_admitted(request)
            return error_response(
                401,
                "Metrics need the token of EVALHAVEN_METRICS_TOKEN: send it as `Authorization: Bearer …`, in "
                "Prometheus by `authorization` of the scrape configuration.",
                code="invalid_metrics_token",
                headers={"www-authenticate": "Bearer"},
            )

        return answer_scrapers


router = APIRouter(include_in_schema=False, route_class=_ScrapedRoute)


@router.get("/metrics")
async def get_metrics(request: Request, services: ServicesOf) -> Response:
    """Show the meters of this server and of the processes that it keeps alive, for all projects at once."""
    from evalhaven.meters.exposition import expose  # noqa: PLC0415 - most servers are never asked

    await services.work_meters.refresh()
    body, content_type = expose(services.board, request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


def _is_sent(request: Request, token: SecretStr) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(
        sent.strip().encode("utf-8", "surrogateescape"), token.get_secret_value().encode()
    )
