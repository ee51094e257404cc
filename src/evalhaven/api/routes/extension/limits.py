"""`/api/limits`: what the caller's project may use, and what it uses."""

from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from evalhaven.access.limits import Limits
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.services import CallerOf, ServicesOf
from evalhaven.storage.access.limits import Usage, get_limits, measure_usage, save_limits
from evalhaven.wire import limits as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/api/limits", tags=["Access"], route_class=GuardedRoute)


@router.get("", operation_id="getLimits", response_model=wire.ProjectLimits, response_description="The limits.")
async def show_limits(services: ServicesOf, caller: CallerOf) -> Response:
    """Show what the project may use, and what it uses."""
    async with services.database.read() as tx:
        limits = await get_limits(tx, caller.scope)
        usage = await measure_usage(tx, caller.scope, services.now())
    return model_response(_shown(caller.project, limits, usage))


@router.post("", operation_id="setLimits", response_model=wire.ProjectLimits, response_description="The new limits.")
async def set_limits(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Set what the project may use; every server heeds it within a second."""
    body = parse_request(wire.SetLimitsRequest, await read_document(request, services.config.max_body_bytes)).body
    # Unknown keys are passed over, as everywhere.
    known = body.model_fields_set & wire.SetLimitsRequest.model_fields.keys()
    sent: dict[str, Any] = {name: getattr(body, name) for name in known}
    async with services.database.write() as tx:
        limits = replace(await get_limits(tx, caller.scope), **sent)
        await save_limits(tx, caller.scope, limits)
        await record_audit(tx, request, "limits.set", ("project", caller.project), details=sent)
        usage = await measure_usage(tx, caller.scope, services.now())
    services.door.forget()
    return model_response(_shown(caller.project, limits, usage))


def _shown(project: str, limits: Limits, usage: Usage) -> wire.ProjectLimits:
    return wire.ProjectLimits(
        object="project.limits", project=project, **asdict(limits), used=wire.ProjectUsage(**asdict(usage))
    )
