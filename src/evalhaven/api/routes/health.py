"""`/healthz` and `/readyz`: for those who keep the server running."""

from dataclasses import asdict

from fastapi import APIRouter, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.graders.python.isolation import IsolationChoice, told

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)


@router.get("/healthz")
async def get_health() -> Response:
    """Answer that the process is up."""
    return json_response('{"status":"ok"}')


@router.get("/readyz")
async def get_readiness(request: Request, services: ServicesOf) -> Response:
    """Say whether the server can work now; to those who have a key where keys are needed, also why not.

    The answer also says how python graders are isolated. That decides nothing: everything else works without.
    """
    finding = await services.readiness.examine()
    if not await services.door.is_known(request.scope):
        status = "unavailable" if finding.reasons else "ok"
        return json_response(jsontext.render({"status": status}), 503 if finding.reasons else 200)
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
