"""`/api/runs/{run_id}/report.html` and `/api/compare/report.html`: reports as files that anybody can open."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.exports.streaming import file_name
from evalhaven.api.html_report.comparison_page import comparison_body
from evalhaven.api.html_report.page import page_response
from evalhaven.api.html_report.run_page import ReportedRun, run_body, suitable_fields
from evalhaven.api.requests import PathRunId
from evalhaven.api.routes.extension.compared import Base, Key, OneRun
from evalhaven.api.routes.extension.comparisons import Cluster, Margin
from evalhaven.api.routes.extension.reports import By, Criterion, Ks, Reference
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import parse
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.evals import get_eval
from evalhaven.storage.output_items import list_output_items
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id

router = APIRouter(prefix="/api", tags=["Reports"], route_class=GuardedRoute)

_MOST_EXAMPLES = 100
_PAGE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The page. It needs no network, and browsers execute nothing in it.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be accepted: `invalid_value`, `report_not_ready`."}
}
_NOT_COMPARED: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "The request cannot be accepted: `invalid_value`, `missing_required_parameter`, `no_baseline`, "
        "`comparison_not_ready`."
    }
}
Examples = Annotated[
    int, Query(ge=0, le=_MOST_EXAMPLES, description="Most items shown of each kind: failed, and without a result.")
]
FlippedItems = Annotated[
    int, Query(ge=0, le=_MOST_EXAMPLES, description="Most items shown of each kind: regressed, and fixed.")
]


@router.get(
    "/runs/{run_id}/report.html",
    operation_id="getRunReportPage",
    response_class=Response,
    responses={**_REFUSED, **_PAGE},
)
async def get_report_page(  # noqa: PLR0913 - one for each parameter of the query
    run_id: PathRunId,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    by: By = None,
    k: Ks = None,
    criterion: Criterion = None,
    reference: Reference = None,
    examples: Examples = 10,
) -> Response:
    """Get the report of a run as one HTML file: to be printed, kept or passed on.

    Without `by`, it is broken down by up to three fields that have a few values.
    """
    # Loads numpy, which a server that is asked for no report does not need.
    from evalhaven.reports.kept_reports import read_report  # noqa: PLC0415
    from evalhaven.reports.report import ReportQuestion  # noqa: PLC0415

    async def read(tx: ReadTransaction) -> ReportedRun:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        question = ReportQuestion(tuple(by or ()), tuple(k or ()), criterion, reference)
        report = await read_report(tx, run, parent, question)
        if by is None and (fields := suitable_fields(report.fields, report.items)):
            report = await read_report(
                tx, run, parent, ReportQuestion(tuple(fields), question.ks, criterion, reference)
            )
        failed = await _read_examples(tx, run, ItemStatus.FAIL, examples)
        errored = await _read_examples(tx, run, ItemStatus.ERROR, examples)
        return ReportedRun(run, parent, report, failed, errored)

    reported = await services.database.fetch(read)
    run = reported.run
    body = run_body(reported)
    return page_response(run.name or run.id, body, services.now(), f"run {run.id}", file_name(run, "html"))


async def _read_examples(tx: ReadTransaction, run: Run, status: ItemStatus, count: int) -> Sequence[OutputItem]:
    if not count:
        return ()
    return (await list_output_items(tx, run.scope, run.key, PageRequest(count, "asc"), status)).objects


@router.get(
    "/compare/report.html",
    operation_id="getComparisonPage",
    response_class=Response,
    responses={**_NOT_COMPARED, **_PAGE},
)
async def get_comparison_page(  # noqa: PLR0913 - one for each parameter of the query
    services: ServicesOf,
    scope: ScopeOf,
    run: OneRun,
    *,
    base: Base = None,
    key: Key = None,
    margin: Margin = None,
    cluster: Cluster = None,
    items: FlippedItems = 10,
) -> Response:
    """Get the comparison of a run with a baseline as one HTML file: to be printed, kept or passed on."""
    from evalhaven.reports.compared_items import ItemFilter, read_page  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.comparing import HowToPair  # noqa: PLC0415 - the same
    from evalhaven.reports.comparison import compared, compared_run  # noqa: PLC0415 - the same

    how = HowToPair(tuple(key or ()), cluster)

    async def read(tx: ReadTransaction) -> Response:
        comparer = services.comparer()
        base_id = base or (await comparer.find_baseline(tx, scope, run, how))[0]
        if base_id is None:
            raise InvalidRequestError(
                "There is no run to compare with: name one as 'base'.", param="base", code="no_baseline"
            )
        pair = await comparer.pair(tx, scope, base_id, run, how)
        one = compared(pair, margin)
        flipped: dict[str, list[Any]] = {}
        for change in ("regressed", "fixed"):
            is_shown = items and pair.pairing is not None
            page = await read_page(tx, pair, ItemFilter((change,)), 0, items) if is_shown else None
            flipped[change] = [cast("Any", parse(text)) for text in page.texts] if page is not None else []
        body = comparison_body(compared_run(pair.baseline.run), one, margin, flipped)
        candidate = pair.candidate.run
        source = f"run {candidate.id}, compared with {base_id}"
        name = file_name(candidate, "html")
        return page_response(f"{candidate.name or candidate.id} compared", body, services.now(), source, name)

    return await services.database.fetch(read)
