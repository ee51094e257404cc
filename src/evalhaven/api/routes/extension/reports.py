"""`/api/runs/{run_id}/report` and `/breakdown`: what the items of a run add up to."""

import time
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Annotated

import anyio
import anyio.to_thread
from fastapi import APIRouter, Query, Response
from pydantic import Field
from starlette.responses import StreamingResponse

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.errors import error_response
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.reports import BreakdownProgress, RunReport

router = APIRouter(prefix="/api/runs/{run_id}", tags=["Reports"], route_class=GuardedRoute)

_LINES = "application/x-ndjson"
_PROGRESS_S = 0.5
_LINES_AT_ONCE = 200

By = Annotated[
    list[str] | None,
    Query(description="Field to break the report down by, such as `topic` or `metadata.language`; may be repeated."),
]
Ks = Annotated[
    list[Annotated[int, Field(ge=1, le=1000)]] | None,
    Query(description="Number of samples for pass@k and pass^k; may be repeated. Without it, 1, 5, 10."),
]
Criterion = Annotated[str | None, Query(description="Name of the criterion whose labels `reference` is compared with.")]
Reference = Annotated[str | None, Query(description="Field that holds the right labels.")]


@router.get(
    "/report",
    operation_id="getRunReport",
    response_model=RunReport,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`, `report_not_ready`."}},
    response_description="The report.",
)
async def get_report(
    run_id: PathRunId,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    by: By = None,
    k: Ks = None,
    criterion: Criterion = None,
    reference: Reference = None,
) -> Response:
    """Get what the items of a run add up to: rates with intervals, scores, errors, latencies, tokens and cost."""
    # Loads numpy, which a server that is asked for no report does not need.
    from evalhaven.reports.kept_reports import read_report  # noqa: PLC0415
    from evalhaven.reports.report import ReportQuestion  # noqa: PLC0415

    question = ReportQuestion(tuple(by or ()), tuple(k or ()), criterion, reference)

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        report = await read_report(tx, run, await get_eval(tx, scope, run.eval_id), question)
        return model_response(report)

    return await services.database.fetch(read)


Named = Annotated[
    str,
    Query(
        description="The field, as templates name it: `item.topic`, `item.meta.language`, `item.tags[0]`; `item.` may "
        "be left out."
    ),
]
MostGroups = Annotated[int, Query(ge=1, le=10_000, description="Most groups, the largest first.")]


@router.get(
    "/breakdown",
    operation_id="breakDownRun",
    response_class=Response,
    responses={
        200: {
            "description": "Progress every half second, then the groups, the largest first, then the end. If the "
            "run is deleted meanwhile, the last line is an error, and the answer breaks off.",
            "content": {_LINES: {"schema": {"$ref": "#/components/schemas/BreakdownLine"}}},
        },
    },
)
async def break_down(
    run_id: PathRunId, services: ServicesOf, scope: ScopeOf, field: Named, *, limit: MostGroups = 200
) -> Response:
    """Break a run down by any field of its items, with any number of values. It ends when the client leaves."""
    from evalhaven.reports.breakdown import Breakdown  # noqa: PLC0415 - loads numpy

    run = await services.database.fetch(lambda tx: get_run_by_id(tx, scope, run_id))

    async def lines() -> AsyncGenerator[str]:
        breakdown = Breakdown(scope, run, field, services.spool_dir)
        try:
            told = -_PROGRESS_S
            while await services.database.fetch(breakdown.read):
                if time.monotonic() - told >= _PROGRESS_S:
                    told = time.monotonic()
                    total = max(breakdown.run.tally.total, breakdown.items)
                    progress = BreakdownProgress(object="run.breakdown.progress", items=breakdown.items, total=total)
                    yield f"{progress.model_dump_json()}\n"
            values, count = await anyio.to_thread.run_sync(breakdown.count)
            groups = breakdown.largest(limit)
            while found := await anyio.to_thread.run_sync(lambda: list(islice(groups, _LINES_AT_ONCE))):
                yield "".join(f"{each}\n" for each in found)
            end = {"items": breakdown.items, "values": values, "has_more": count > limit}
            told = {"run_id": run.id, "field": field, "status": breakdown.run.status.value}
            yield f"{jsontext.render({'object': 'run.breakdown', **told, **end})}\n"
        except NotFoundError as error:
            yield f"{bytes(error_response(404, str(error), param=error.param).body).decode()}\n"
            # The connection is closed without the end of the body, so that nobody takes the part for all.
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(breakdown.close)

    return StreamingResponse(lines(), media_type=_LINES)
