"""`/api/server`, `/api/settings`, `/api/examination`: who may reach it, what it is set up to do, and what answers."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.domain.errors import NotFoundError
from evalhaven.wire.server import PartFinding, ServerExamination, ServerSettings, ServerState

router = APIRouter(prefix="/api", tags=["Server"], route_class=GuardedRoute)

OneEndpoint = Annotated[
    str | None, Query(description="Name of the only endpoint of models to be asked. Without it, everything is.")
]


@router.get(
    "/server", operation_id="getServer", response_model=ServerState, response_description="Whether it needs keys."
)
async def get_server(services: ServicesOf) -> Response:
    """Get whether requests need an API key. This needs none."""
    access = "keys" if await services.door.needs_keys() else "open"
    return json_response(ServerState(access=access).model_dump_json())


@router.get(
    "/settings", operation_id="getSettings", response_model=ServerSettings, response_description="The settings."
)
async def get_settings(services: ServicesOf) -> Response:
    """Get the settings in effect, with where each comes from. Secrets are masked."""
    return json_response(services.settings.model_dump_json())


# It sends requests to others, so merely showing a page must not trigger it.
@router.post(
    "/examination",
    operation_id="examineServer",
    response_model=ServerExamination,
    response_description="What was found.",
)
async def examine(services: ServicesOf, endpoint: OneEndpoint = None) -> Response:
    """Ask each endpoint of models and of embeddings whether it answers, or one that is named.

    The server asks with its own keys. Without a name, the findings also say whether WordNet is there. A test that ended
    less than two seconds ago is not repeated: its findings are answered again.
    """
    if endpoint is not None and all(each.name != endpoint for each in services.catalog.endpoints):
        raise NotFoundError("Endpoint", endpoint, "endpoint")
    findings = [
        PartFinding(text=each.text, is_problem=each.is_problem, took_ms=each.took_ms)
        for each in await services.examine(endpoint)
    ]
    return json_response(ServerExamination(findings=findings).model_dump_json())
