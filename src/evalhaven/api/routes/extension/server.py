"""`/api/settings` and `/api/examination`: what this server is set up to do, and whether its parts answer."""

from fastapi import APIRouter, Response

from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.wire.server import PartFinding, ServerExamination

router = APIRouter(prefix="/api", include_in_schema=False)


@router.get("/settings")
async def get_settings(services: ServicesOf) -> Response:
    """Get the settings in effect; what is secret is masked."""
    return json_response(services.settings.model_dump_json())


# It sends requests to others, so no page that is merely shown may cause it.
@router.post("/examination")
async def examine(services: ServicesOf) -> Response:
    """Ask each endpoint of models and of embeddings whether it answers, with the keys that this server has."""
    findings = [PartFinding(text=each.text, is_problem=each.is_problem) for each in await services.examine()]
    return json_response(ServerExamination(findings=findings).model_dump_json())
