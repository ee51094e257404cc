"""`/api/evals`: evals with their last runs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.cursors import place_of, shown_place
from evalhaven.api.lists import DEFAULT_LIMIT, Limit, NextOf
from evalhaven.api.metadata_filters import metadata_filter, metadata_parameter
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.requests import PathEvalId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.paging import Order
from evalhaven.reports.versions import read_versions
from evalhaven.storage.eval_overviews import EvalFilter, EvalSort
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.overviews import EvalOverviewList, EvalVersionList

router = APIRouter(prefix="/api/evals", tags=["Overviews"], route_class=GuardedRoute)

_MOST = 100

Search = Annotated[str | None, Query(description="Part of the name or the id, whatever the case.")]
Type = Annotated[
    list[Literal["custom", "logs", "stored_completions"]] | None,
    Query(description="Type of the data source config; may be repeated."),
]
Status = Annotated[
    list[Literal["queued", "in_progress", "completed", "canceled", "failed", "none"]] | None,
    Query(description="Status of the last run, or `none` for evals without runs; may be repeated."),
]
Sort = Annotated[EvalSort, Query(description="By what they are sorted.")]
Direction = Annotated[Order, Query(description="`desc` has the newest first.")]


@router.get(
    "",
    operation_id="listEvalOverviews",
    response_model=EvalOverviewList,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`."}},
    response_description="A page of evals.",
    openapi_extra=metadata_parameter("evals"),
)
async def list_eval_overviews(  # noqa: PLR0913 - one for each parameter of the query
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    search: Search = None,
    type: Type = None,  # noqa: A002 - the name in the query
    status: Status = None,
    sort: Sort = "last_run",
    order: Direction = "desc",
    after: NextOf = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List evals with their last runs, the last rate, and how it changed."""
    # Loads numpy, which a server that is asked for no overview does not need.
    from evalhaven.reports.overviews import read_overviews  # noqa: PLC0415

    wanted = EvalFilter(search or None, tuple(type or ()), tuple(status or ()), metadata_filter(request))
    place = place_of(after)

    async def read(tx: ReadTransaction) -> Response:
        shown, last = await read_overviews(tx, scope, wanted, (sort, order), place, min(limit, _MOST))
        page = EvalOverviewList(
            object="list",
            data=shown,
            has_more=last is not None,
            next=None if last is None else shown_place(*last.place),
        )
        # Not with pydantic's own writer: a name may hold lone surrogates.
        return json_response(jsontext.render(page.model_dump()))

    return await services.database.fetch(read)


@router.get(
    "/{eval_id}/versions",
    operation_id="listEvalVersions",
    response_model=EvalVersionList,
    response_description="The eval and those that it follows.",
)
async def list_eval_versions(eval_id: PathEvalId, services: ServicesOf, scope: ScopeOf) -> Response:
    """List the versions of an eval, itself first, with what each of them changed."""

    async def read(tx: ReadTransaction) -> Response:
        shown = await read_versions(tx, scope, await get_eval(tx, scope, eval_id))
        return json_response(jsontext.render(shown.model_dump()))

    return await services.database.fetch(read)
