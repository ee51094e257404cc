"""`/api/runs/{run_id}/export`: the output items of a run as a file."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.exports.columns import USUAL, Column, KnownColumns
from evalhaven.api.exports.parquet import ParquetRows, require_pyarrow
from evalhaven.api.exports.sources import ChosenByFilter, ItemsInOrder, ItemSource
from evalhaven.api.exports.streaming import ItemFormat, file_name, stream_items
from evalhaven.api.exports.texts import CsvRows, ObjectLines, OutputItemLines
from evalhaven.api.item_questions import item_question
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import InvalidJsonError, parse
from evalhaven.domain.runs import Run
from evalhaven.storage.evals import get_eval
from evalhaven.storage.output_items import list_items_in_order
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id

if TYPE_CHECKING:
    from evalhaven.reports.item_pages import ItemQuestion

router = APIRouter(prefix="/api/runs/{run_id}", tags=["Reports"], route_class=GuardedRoute)

_TYPES = {
    "jsonl": "application/x-ndjson",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
_FIELDS_OF = (100, 1_000_000)  # items that are looked at for their fields, and their characters

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The output items, in the order of position and repeat unless `sort` says otherwise. The answer "
        "breaks off if the run is deleted meanwhile.",
        "content": {
            "application/x-ndjson": {"schema": {"type": "object"}},
            "text/csv": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        },
        "headers": {
            "x-evalhaven-run-status": {
                "schema": {"type": "string"},
                "description": "Status of the run when the export began. Unless it is final, the export is partial: "
                "each item stored until then is there once, and some of those stored meanwhile.",
            }
        },
    },
    400: {"description": "The request cannot be accepted: `invalid_value`, `format_unavailable`, `items_not_ready`."},
}

Format = Annotated[
    Literal["jsonl", "csv", "parquet"],
    Query(
        description="`jsonl`: an output item a line, as the API shows it; `csv`; `parquet`, if the server has pyarrow."
    ),
]
Columns = Annotated[
    list[str] | None,
    Query(
        description="Columns, such as `datasource_item_id`, `status`, `item.FIELD`, `output_text` or "
        "`results.CRITERION.score`; may be repeated, or hold some with commas between; `*` stands for the usual ones. "
        "Without it, CSV and Parquet have the usual ones."
    ),
]


@router.get("/export", operation_id="exportRun", response_class=Response, responses=_ANSWERS)
async def export_run(
    run_id: PathRunId,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    format: Format = "jsonl",  # noqa: A002 - the name of the parameter
    columns: Columns = None,
    question: Annotated[Any, Depends(item_question)],
) -> Response:
    """Export the output items of a run as JSON lines, CSV or Parquet: all, or those that are asked for."""
    if format == "parquet":
        require_pyarrow()

    async def choose(tx: ReadTransaction) -> tuple[Run, Eval, ItemSource, list[Column] | None]:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        source = await _source(tx, services, (run, parent), question)
        known = KnownColumns(run.criteria(parent), parent)
        if columns is None and format == "jsonl":
            return run, parent, source, None
        usual: list[Column] = []
        if columns is None or any(USUAL in text for text in columns):
            fields = known.schema_fields or await _fields_seen(tx, run)
            usual = known.usual(fields, with_item=format == "parquet")
        return run, parent, source, usual if columns is None else known.named(columns, usual)

    # What is wrong is told before anything is sent.
    run, parent, source, chosen = await services.database.fetch(choose)
    written: ItemFormat
    if chosen is None:
        written = OutputItemLines(run, run.criteria(parent))
    elif format == "jsonl":
        written = ObjectLines(chosen)
    else:
        written = CsvRows(chosen) if format == "csv" else ParquetRows(chosen)
    headers = {
        "content-disposition": f'attachment; filename="{file_name(run, format)}"',
        "x-content-type-options": "nosniff",
        "x-evalhaven-run-status": run.status.value,
    }
    items = stream_items(services.database, run, written, source)
    return StreamingResponse(items, media_type=_TYPES[format], headers=headers)


async def _source(
    tx: ReadTransaction, services: ServicesOf, of_run: tuple[Run, Eval], question: "ItemQuestion"
) -> ItemSource:
    """Return the items that a question asks for."""
    run, parent = of_run
    if question.is_simple:
        return ItemsInOrder(run, question.wanted.statuses)
    from evalhaven.reports.columns.loading import NoColumnsError  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.item_pages import not_ready  # noqa: PLC0415
    from evalhaven.reports.item_rows import RowMaker  # noqa: PLC0415

    try:
        chosen = await services.item_chooser().choose(tx, run, parent, question.wanted, question.sort)
    except NoColumnsError as error:
        raise not_ready(run) from error
    return ChosenByFilter(run, chosen, question.text, RowMaker(run.criteria(parent), (), 0))


async def _fields_seen(tx: ReadTransaction, run: Run) -> list[str]:
    """Return the fields of the first items of a run, for evals whose item schema names none."""
    page = await list_items_in_order(tx, run.scope, run.key, None, _FIELDS_OF, ())
    names: dict[str, None] = {}
    for item in page.objects:
        try:
            fields = parse(item.item_text)
        except InvalidJsonError:  # an imported item, kept as it came
            continue
        names.update(dict.fromkeys(fields if isinstance(fields, dict) else ()))
    return list(names)
