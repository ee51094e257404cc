"""`/api/runs/{run_id}/report`: what the items of a run add up to."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.reports import RunReport

router = APIRouter(prefix="/api/runs/{run_id}", tags=["Reports"])

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
    from evalhaven.reports.report import ReportQuestion, read_report  # noqa: PLC0415

    question = ReportQuestion(tuple(by or ()), tuple(k or ()), criterion, reference)

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        report = await read_report(tx, run, await get_eval(tx, scope, run.eval_id), question)
        return json_response(report.model_dump_json())

    return await services.database.fetch(read)
