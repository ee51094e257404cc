"""`/api/runs`: runs over all evals, and a run found by its id alone."""

from dataclasses import replace
from typing import Annotated, cast

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.cursors import place_of, shown_place
from evalhaven.api.lists import DEFAULT_LIMIT, Limit, NextOf
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.run_history import shown_history
from evalhaven.api.rendering.runs import RunRenderer
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_history import read_history
from evalhaven.storage.run_overviews import Part, RunFilter
from evalhaven.storage.runs import get_run_by_id
from evalhaven.storage.versions import list_line
from evalhaven.wire.overviews import RunOverviewList
from evalhaven.wire.run_history import RunEventList
from evalhaven.wire.runs import EvalRunStatus
from evalhaven.wire.runs_by_id import EvalRunById

router = APIRouter(prefix="/api/runs", route_class=GuardedRoute)

Rows = Annotated[bool, Query(description="Whether to show the rows that the run was created with.")]


_MOST = 100
_PARTS = {"active": "a", "ended": "e"}

OfEval = Annotated[str | None, Query(description="Id of the eval that they belong to.")]
Versions = Annotated[bool, Query(description="With `eval`: whether runs of the evals that it follows are listed, too.")]
Status = Annotated[list[EvalRunStatus] | None, Query(description="Status; may be repeated.")]
ModelOf = Annotated[str | None, Query(description="The model that they sample.")]
Search = Annotated[str | None, Query(description="Part of the name, the id or the model, whatever the case.")]


@router.get(
    "",
    operation_id="listRunOverviews",
    tags=["Overviews"],
    response_model=RunOverviewList,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`."}},
    response_description="A page of runs.",
)
async def list_run_overviews(  # noqa: PLR0913 - one for each parameter of the query
    services: ServicesOf,
    scope: ScopeOf,
    *,
    eval: OfEval = None,  # noqa: A002 - the name in the query
    versions: Versions = False,
    status: Status = None,
    model: ModelOf = None,
    search: Search = None,
    after: NextOf = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List runs over all evals, or of one: those under way first, then the others, the newest first."""
    # Loads numpy, which a server that is asked for no overview does not need.
    from evalhaven.reports.run_overviews import read_run_overviews  # noqa: PLC0415

    wanted = RunFilter(None, tuple(status or ()), model, search or None)
    place = _place_of(after)

    async def read(tx: ReadTransaction) -> Response:
        parent = await get_eval(tx, scope, eval) if eval else None
        of_eval = wanted
        if parent is not None:
            keys = await list_line(tx, scope, parent.key) if versions else [parent.key]
            of_eval = replace(wanted, eval_keys=keys)
        shown, then = await read_run_overviews(tx, scope, of_eval, place, min(limit, _MOST), services.now())
        page = RunOverviewList(
            object="list", data=shown, has_more=then is not None, next=None if then is None else _shown_place(*then)
        )
        # Not with pydantic's own writer: a name may hold lone surrogates.
        return json_response(jsontext.render(page.model_dump()))

    return await services.database.fetch(read)


def _shown_place(part: Part, after: tuple[int, str] | None) -> str:
    return _PARTS[part] + ("" if after is None else shown_place(*after))


def _place_of(after: str | None) -> tuple[Part, tuple[int, str] | None]:
    for part, letter in _PARTS.items():
        if after and after.startswith(letter):
            return cast("Part", part), place_of(after[1:])
    return "active", place_of(after)  # which refuses it, unless it is the first page


@router.get(
    "/{run_id}",
    operation_id="getRunById",
    tags=["Runs"],
    response_model=EvalRunById,
    response_description="The run.",
)
async def get_run(run_id: PathRunId, services: ServicesOf, scope: ScopeOf, *, rows: Rows = True) -> Response:
    """Get a run by its id alone. `GET /v1/evals/{eval_id}/runs/{run_id}` answers the same."""

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        renderer = RunRenderer(services.config.base_url, services.blobs)
        return renderer.run_response(run if rows else _without_rows(run), parent)

    return await services.database.fetch(read)


@router.get(
    "/{run_id}/events",
    operation_id="listRunEvents",
    tags=["Runs"],
    response_model=RunEventList,
    response_description="What happened to it.",
)
async def list_run_events(run_id: PathRunId, services: ServicesOf, scope: ScopeOf) -> Response:
    """List what happened to a run, from its creation on.

    Of a run that was executed elsewhere, or before this was recorded, only creation, start and end are known.
    """

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        history = await read_history(tx, scope, run.key)
        return json_response(jsontext.render(shown_history(run, history).model_dump()))

    return await services.database.fetch(read)


def _without_rows(run: Run) -> Run:
    imported = run.imported
    if imported is not None:
        imported = replace(imported, document=_with_source(imported.document))
    return replace(run, data_source=run.data_source.without_rows(), has_inline_rows=False, imported=imported)


def _with_source(document: JsonObject) -> JsonObject:
    data_source = document.get("data_source")
    if not isinstance(data_source, dict):
        return document
    return {**document, "data_source": DataSource(data_source).without_rows().json}
