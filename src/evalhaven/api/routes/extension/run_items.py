"""`/api/runs/{run_id}/items`: the items of a run as rows of a table."""

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.item_questions import Texts, item_question
from evalhaven.api.lists import NextOf
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.evals import get_eval
from evalhaven.storage.output_items import get_output_item
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.run_items import ItemPlace, ItemRowList

if TYPE_CHECKING:
    from evalhaven.reports.item_pages import ItemQuestion

router = APIRouter(prefix="/api/runs/{run_id}/items", tags=["Overviews"], route_class=GuardedRoute)

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`, `items_not_ready`."}
}
_MOST_ROWS = 500
_MOST_FIELDS = 50
_AFTER = re.compile(r"(\d{1,15})(?:-(\d{1,6}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Window:
    """Which rows are wanted, and what they show."""

    place: int | tuple[int, int]
    limit: int
    fields: tuple[str, ...]
    chars: int


def _window(
    start: Annotated[int, Query(alias="from", ge=0, le=10**12, description="Rank of the first row.")] = 0,
    after: NextOf = None,
    limit: Annotated[int, Query(ge=1, description="Rows a page; above 500 it is lowered to it.")] = 50,
    fields: Annotated[
        Texts | None,
        Query(description="Field of the items to show, such as `question` or `metadata.topic`; may be repeated."),
    ] = None,
    chars: Annotated[int, Query(ge=20, le=2000, description="Most characters of a preview.")] = 200,
) -> _Window:
    shown = tuple(dict.fromkeys(fields or ()))[:_MOST_FIELDS]
    window = _Window(start, min(limit, _MOST_ROWS), shown, chars)
    if not after:
        return window
    match = _AFTER.fullmatch(after)
    if match is None:
        raise InvalidRequestError(
            "Invalid 'after': pass the 'next' of the page before, unchanged, or leave it out for the first page.",
            param="after",
            code="invalid_cursor",
        )
    return replace(window, place=int(match[1]) if match[2] is None else (int(match[1]), int(match[2])))


@router.get(
    "",
    operation_id="listRunItems",
    response_model=ItemRowList,
    responses=_REFUSED,
    response_description="A page of items.",
)
async def list_run_items(
    run_id: PathRunId,
    services: ServicesOf,
    scope: ScopeOf,
    question: Annotated[Any, Depends(item_question)],
    window: Annotated[_Window, Depends(_window)],
) -> Response:
    """List the items of a run as rows of a table: any part of it, sorted and filtered, however many there are."""
    from evalhaven.reports.item_pages import read_item_page  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.item_rows import RowMaker  # noqa: PLC0415

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        criteria = run.criteria(parent)
        maker = RowMaker(criteria, window.fields, window.chars)
        page = await read_item_page(
            tx, services.item_chooser(), (run, parent), question, window.place, window.limit, maker
        )
        return json_response(
            jsontext.render(
                {
                    "object": "list",
                    "run_id": run.id,
                    "status": run.status,
                    "items": run.tally.total,
                    "items_planned": run.items_planned,
                    "partial": _is_partial(run),
                    "ranked": page.start is not None,
                    "criteria": [{"name": each.name, "type": each.type} for each in criteria],
                    "expected_field": maker.expected_field,
                    "from": page.start,
                    "total": page.total,
                    "data": list(page.rows),
                    "has_more": page.next is not None,
                    "next": page.next,
                    "cut": page.was_cut,
                }
            )
        )

    return await services.database.fetch(read)


def _is_partial(run: Run) -> bool:
    return not run.status.is_final or (run.items_missing and run.status != "completed")


@router.get(
    "/{output_item_id}",
    operation_id="getRunItemPlace",
    response_model=ItemPlace,
    responses=_REFUSED,
    response_description="Where it stands.",
)
async def get_item_place(
    run_id: PathRunId,
    output_item_id: Annotated[str, Path(description="Id of the output item.")],
    services: ServicesOf,
    scope: ScopeOf,
    question: Annotated[Any, Depends(item_question)],
    chars: Annotated[int, Query(ge=20, le=2000, description="Most characters of a preview.")] = 200,
) -> Response:
    """Tell where an item stands within a choice of items: its neighbours, and the same item in other runs.

    The item itself is at `/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}`.
    """
    return await services.database.fetch(
        lambda tx: _place(services, tx, scope, (run_id, output_item_id), question, chars)
    )


async def _place(
    services: ServicesOf,
    tx: ReadTransaction,
    scope: ProjectScope,
    ids: tuple[str, str],
    question: "ItemQuestion",
    chars: int,
) -> Response:
    from evalhaven.reports.columns.loading import NoColumnsError  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.item_places import Neighbours, find_elsewhere, find_neighbours  # noqa: PLC0415
    from evalhaven.reports.item_rows import RowMaker  # noqa: PLC0415

    if question.text is not None:
        raise InvalidRequestError(
            "'text' cannot be used here: neighbours are found without reading the items. Leave it out, or take the "
            "neighbours from the list of items.",
            param="text",
            code="invalid_value",
        )
    run = await get_run_by_id(tx, scope, ids[0])
    parent = await get_eval(tx, scope, run.eval_id)
    item = await get_output_item(tx, scope, run.key, ids[1])
    try:
        chosen = await services.item_chooser().choose(tx, run, parent, question.wanted, question.sort)
        beside = await find_neighbours(tx, run, chosen, item)
    except NoColumnsError:
        beside = Neighbours()
    elsewhere, is_complete = await find_elsewhere(tx, run, item, RowMaker(run.criteria(parent), (), chars))
    return json_response(
        jsontext.render(
            {
                "object": "run.item_place",
                "id": item.id,
                "run_id": run.id,
                "eval_id": run.eval_id,
                "datasource_item_id": item.position,
                "repeat": item.repeat,
                "rank": beside.rank,
                "total": beside.total,
                "previous": beside.previous,
                "next": beside.next,
                "elsewhere": elsewhere,
                "elsewhere_complete": is_complete,
            }
        )
    )
