"""`/v1/evals/{eval_id}/runs/{run_id}/output_items`: list, get."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.rendering.output_items import output_item_text
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.statuses import ITEM_STATUS_FILTERS
from evalhaven.storage import output_items as store
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_and_eval
from evalhaven.wire import output_items as wire

router = APIRouter(prefix="/v1/evals/{eval_id}/runs/{run_id}/output_items", tags=["Evals"], route_class=GuardedRoute)


@router.get("", operation_id="getEvalRunOutputItems", response_model=wire.EvalRunOutputItemList)
async def list_output_items(  # noqa: PLR0913, PLR0917 - one for each parameter of the path and the query
    eval_id: str,
    run_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
    status: Annotated[wire.EvalRunOutputItemStatusFilter | None, Query()] = None,
) -> Response:
    """List the output items of a run in the order of their completion."""
    page = page_request(after, limit, order, services.config.list_order)
    wanted = None if status is None else ITEM_STATUS_FILTERS[status]

    async def read(tx: ReadTransaction) -> Response:
        run, parent = await get_run_and_eval(tx, scope, eval_id, run_id)
        found = await store.list_output_items(tx, scope, run.key, page, wanted)
        texts = [output_item_text(item, run, run.criteria(parent)) for item in found.objects]
        return json_response(list_text(texts, [item.id for item in found.objects], has_more=found.has_more))

    return await services.database.fetch(read)


@router.get("/{output_item_id}", operation_id="getEvalRunOutputItem", response_model=wire.EvalRunOutputItem)
async def get_output_item(
    eval_id: str, run_id: str, output_item_id: str, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Get an output item."""

    async def read(tx: ReadTransaction) -> Response:
        run, parent = await get_run_and_eval(tx, scope, eval_id, run_id)
        item = await store.get_output_item(tx, scope, run.key, output_item_id)
        return json_response(output_item_text(item, run, run.criteria(parent)))

    return await services.database.fetch(read)
