"""`/api/events`: how runs go on, as a stream of events."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from evalhaven.access.permissions import Permission
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import InvalidRequestError

router = APIRouter(prefix="/api", tags=["Overviews"], route_class=GuardedRoute)

_MOST_RUNS = 50
_EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress`, `status` (it changed) and `end` (it is final, or the run was deleted), each "
        "with a `RunProgress` as its data.",
        "content": {"text/event-stream": {"schema": {"$ref": "#/components/schemas/RunProgress"}}},
    }
}
# A proxy must neither collect events nor keep them.
_HEADERS = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}

Runs = Annotated[list[str], Query(description="A run; may be repeated, or hold ids with commas between. At most 50.")]


@router.get("/events", operation_id="watchRuns", response_class=Response, responses=_EVENTS)
async def watch_runs(request: Request, services: ServicesOf, scope: ScopeOf, runs: Runs) -> Response:
    """Watch runs: server-sent events, first how each run stands, then what is new, at most twice a second.

    The stream ends with the last of its runs, or once whoever opened it may not read them any more. Whoever reconnects
    is told how each run stands, so that nothing has to be repeated.
    """
    ids = [each for given in runs for each in given.split(",") if each]
    if not 1 <= len(ids) <= _MOST_RUNS:
        raise InvalidRequestError(f"'runs' must name 1 to {_MOST_RUNS} runs.", param="runs", code="invalid_value")
    events = await services.run_feed.open(
        scope, ids, lambda: services.door.still_admits(request.scope, Permission.READ)
    )
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)
