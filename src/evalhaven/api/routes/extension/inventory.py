"""`/api/models` and `/api/files`: what a server has at hand."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.cursors import place_of, shown_place
from evalhaven.api.lists import DEFAULT_LIMIT, Limit, NextOf
from evalhaven.api.rendering.inventory import endpoint_overview, file_overview, states_by_endpoint
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.storage.endpoint_states import list_flows
from evalhaven.storage.file_overviews import FileFilter, find_files, list_readers
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.inventory import EndpointOverviewList, FileOverviewList

router = APIRouter(prefix="/api", tags=["Overviews"], route_class=GuardedRoute)

_MOST = 100

Search = Annotated[str | None, Query(description="Part of the name or the id, whatever the case.")]
Purpose = Annotated[str | None, Query(description="Purpose of the files.")]


@router.get(
    "/models",
    operation_id="listEndpointOverviews",
    response_model=EndpointOverviewList,
    response_description="The endpoints.",
)
async def list_endpoint_overviews(services: ServicesOf, scope: ScopeOf) -> Response:
    """List the endpoints of models with their limits and prices, and how the calls of the last runs went."""
    rows = await services.database.fetch(lambda tx: list_flows(tx, scope))
    seen = states_by_endpoint(rows, services.now())
    catalog = services.catalog
    page = EndpointOverviewList(
        object="list",
        source=catalog.source,
        notes=list(catalog.notes),
        data=[endpoint_overview(endpoint, seen.get(endpoint.name, [])) for endpoint in catalog.endpoints],
    )
    return json_response(jsontext.render(page.model_dump()))


@router.get(
    "/files",
    operation_id="listFileOverviews",
    response_model=FileOverviewList,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`."}},
    response_description="A page of files.",
)
async def list_file_overviews(
    services: ServicesOf,
    scope: ScopeOf,
    *,
    search: Search = None,
    purpose: Purpose = None,
    after: NextOf = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List uploaded files, the newest first, with the runs that read them."""
    wanted, place = FileFilter(search or None, purpose or None), place_of(after)

    async def read(tx: ReadTransaction) -> Response:
        found, has_more = await find_files(tx, scope, wanted, place, min(limit, _MOST), services.now())
        readers = await list_readers(tx, scope, [row.public_id for row in found]) if found else {}
        last = found[-1] if has_more else None
        page = FileOverviewList(
            object="list",
            data=[file_overview(row, readers.get(row.public_id, [])) for row in found],
            has_more=has_more,
            next=None if last is None else shown_place(last.created_at, last.public_id),
        )
        # Not with pydantic's own writer: a name may hold lone surrogates.
        return json_response(jsontext.render(page.model_dump()))

    return await services.database.fetch(read)
