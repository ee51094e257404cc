"""`/api/workers`: who executes runs, and what waits for them."""

from fastapi import APIRouter, Response

from evalhaven.access.permissions import Permission
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import CallerOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.reports.worker_overviews import read_workers
from evalhaven.wire.workers import WorkerOverviewList

router = APIRouter(prefix="/api", tags=["Server"], route_class=GuardedRoute)


@router.get(
    "/workers", operation_id="listWorkers", response_model=WorkerOverviewList, response_description="The workers."
)
async def list_workers(services: ServicesOf, caller: CallerOf) -> Response:
    """List the workers with what they execute, the runs under way with what of them waits, and shared limits."""
    watcher, sees_all = services.watcher(), caller.may(Permission.OPERATE)
    page = await services.database.fetch(
        lambda tx: read_workers(tx, caller.scope, watcher, services.now(), with_models=sees_all)
    )
    # Not with pydantic's own writer: a name may hold lone surrogates.
    return json_response(jsontext.render(page.model_dump()))
