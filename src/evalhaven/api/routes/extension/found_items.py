"""`/api/output_items/{output_item_id}`: which run an output item belongs to."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.storage.found_items import find_item
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.run_items import ItemFound

router = APIRouter(prefix="/api/output_items", tags=["Overviews"], route_class=GuardedRoute)


@router.get(
    "/{output_item_id}",
    operation_id="findOutputItem",
    response_model=ItemFound,
    response_description="Where it is.",
)
async def find_output_item(
    output_item_id: Annotated[str, Path(description="Id of the output item.")],
    services: ServicesOf,
    scope: ScopeOf,
) -> Response:
    """Tell which run and which eval an output item belongs to, by its id alone."""

    async def read(tx: ReadTransaction) -> Response:
        found = await find_item(tx, scope, output_item_id)
        return model_response(
            ItemFound(
                object="run.item_found",
                id=found.id,
                run_id=found.run_id,
                run_name=found.run_name,
                eval_id=found.eval_id,
                eval_name=found.eval_name,
                datasource_item_id=found.position,
                repeat=found.repeat,
                status=found.status.wire,
            )
        )

    return await services.database.fetch(read)
