"""`/api/logs/retention`: for how many days the logged calls of the caller's project are kept."""

from fastapi import APIRouter, Request, Response

from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.services import ApiConfig, CallerOf, ServicesOf
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.wording import counted
from evalhaven.storage.access.retention import find_kept_days, save_kept_days
from evalhaven.wire import logs as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/api/logs/retention", tags=["Logs"], route_class=GuardedRoute)


@router.get(
    "", operation_id="getRetention", response_model=wire.ProjectRetention, response_description="The retention."
)
async def show_retention(services: ServicesOf, caller: CallerOf) -> Response:
    """Show for how many days the logged calls of the project are kept."""
    days = await services.database.fetch(lambda tx: find_kept_days(tx, caller.scope))
    return model_response(_shown(caller.project, days, services.config))


@router.post(
    "", operation_id="setRetention", response_model=wire.ProjectRetention, response_description="The new retention."
)
async def set_retention(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Set for how many days the logged calls of the project are kept.

    What is older is dropped within an hour, for good.
    """
    body = parse_request(wire.SetRetentionRequest, await read_document(request, services.config.max_body_bytes)).body
    _require_allowed(body.days, services.config.log_days)
    async with services.database.write() as tx:
        await save_kept_days(tx, caller.scope, body.days)
        await record_audit(tx, request, "retention.set", ("project", caller.project), details={"days": body.days})
    return model_response(_shown(caller.project, body.days, services.config))


def _require_allowed(days: int | None, most: int) -> None:
    """Refuse to keep calls for longer than the server keeps any.

    Raises:
        InvalidRequestError: It would be longer.
    """
    if days is not None and days > most:
        raise InvalidRequestError(
            f"Invalid 'days': this server keeps calls for {counted(most, 'day')} at most, so a project cannot keep its "
            f"own for {days:,}. Pass {most} or less, null for as long as the server keeps any, or have whoever "
            "operates the server raise EVALHAVEN_LOG_DAYS.",
            param="days",
            code="invalid_value",
        )


def _shown(project: str, days: int | None, config: ApiConfig) -> wire.ProjectRetention:
    return wire.ProjectRetention(
        object="project.retention",
        project=project,
        days=days,
        kept_days=config.log_days if days is None else min(days, config.log_days),
        most_days=config.log_days,
        max_gb=config.log_max_gb,
    )
