"""`/healthz` and `/readyz`: for whoever keeps the server running."""

from dataclasses import asdict

from fastapi import APIRouter, Response

from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.graders.python.isolation import IsolationChoice, told

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def get_health() -> Response:
    """Say that the process answers."""
    return json_response('{"status":"ok"}')


@router.get("/readyz")
async def get_readiness(services: ServicesOf) -> Response:
    """Say whether work can be done now, and if not, why.

    How python graders are isolated is told beside it and decides nothing: all else works without.
    """
    finding = await services.readiness.examine()
    body: JsonObject = {
        "status": "unavailable" if finding.reasons else "ok",
        **asdict(finding),
        "python_graders": _python_graders(services.isolation),
    }
    return json_response(jsontext.render(body), 503 if finding.reasons else 200)


def _python_graders(choice: IsolationChoice) -> JsonObject:
    chosen = choice.chosen
    if chosen is None:
        return {"status": "choosing"}
    return {"status": "refused" if chosen.tier is None else "ok", **told(chosen)}
