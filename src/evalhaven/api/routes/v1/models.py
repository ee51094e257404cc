"""`/v1/models`: what can be sampled or asked to judge; this release executes no model, so none."""

from fastapi import APIRouter, Response

from evalhaven.api.rendering import json_response
from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError
from evalhaven.wire import models as wire

router = APIRouter(prefix="/models", tags=["Models"])


@router.get("", operation_id="listModels", response_model=wire.ListModelsResponse)
async def list_models() -> Response:
    """List the models."""
    return json_response(jsontext.render({"object": "list", "data": []}))


# A model's name may hold slashes, as OpenRouter's and Hugging Face's do.
@router.get("/{model:path}", operation_id="retrieveModel", response_model=wire.Model)
async def get_model(model: str) -> Response:
    """Get a model."""
    raise NotFoundError("Model", model, "model")
