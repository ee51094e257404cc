"""`/v1/models`: the names that runs and graders may use, from the catalogue of endpoints."""

from fastapi import APIRouter, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.errors import error_response
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.wire import models as wire

router = APIRouter(prefix="/v1/models", tags=["Models"], route_class=GuardedRoute)


@router.get("", operation_id="listModels", response_model=wire.ListModelsResponse)
async def list_models(services: ServicesOf) -> Response:
    """List aliases and names of models that the catalogue spells out, and the patterns of others."""
    catalog = services.catalog
    document: JsonObject = {
        "object": "list",
        "data": [_model(name, endpoint.name) for name, endpoint in catalog.names()],
        "evalhaven": {
            "patterns": [{"pattern": pattern, "endpoint": endpoint.name} for pattern, endpoint in catalog.patterns()]
        },
    }
    return json_response(jsontext.render(document))


# A model's name may hold slashes, as OpenRouter's and Hugging Face's do.
@router.get("/{model:path}", operation_id="retrieveModel", response_model=wire.Model)
async def get_model(services: ServicesOf, model: str) -> Response:
    """Get a model that some endpoint serves, by name, alias or pattern."""
    try:
        target = services.catalog.find(model)
    except UnknownModelError as error:
        # Asked for by its address, an unknown model is missing; named by a run, it makes the run wrong.
        return error_response(404, error.message, param=error.param, code=error.code)
    return json_response(jsontext.render(_model(model, target.endpoint.name)))


def _model(name: str, endpoint: str) -> JsonObject:
    return {"id": name, "object": "model", "created": 0, "owned_by": endpoint}
