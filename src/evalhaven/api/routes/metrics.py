"""`/metrics`: what Prometheus scrapes."""

from hmac import compare_digest

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from evalhaven.api.errors import error_response
from evalhaven.api.services import ServicesOf

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def get_metrics(request: Request, services: ServicesOf) -> Response:
    """Show the meters of this server and of the processes that it keeps alive, for all projects at once."""
    token = services.config.metrics_token
    if token is not None and not _is_sent(request, token):
        return error_response(
            401,
            "Metrics need the token of EVALHAVEN_METRICS_TOKEN: send it as `Authorization: Bearer …`, in Prometheus by "
            "`authorization` of the scrape configuration.",
            code="invalid_metrics_token",
            headers={"www-authenticate": "Bearer"},
        )
    from evalhaven.meters.exposition import expose  # noqa: PLC0415 - most servers are never asked

    await services.work_meters.refresh()
    body, content_type = expose(services.board, request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})


def _is_sent(request: Request, token: SecretStr) -> bool:
    scheme, _, sent = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and compare_digest(
        sent.strip().encode("utf-8", "surrogateescape"), token.get_secret_value().encode()
    )
