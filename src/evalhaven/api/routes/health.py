"""`/healthz` and `/readyz`: for whoever keeps the server running."""

from fastapi import APIRouter, Response

from evalhaven.api.rendering import json_response
from evalhaven.api.services import ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.graders.python.isolation import IsolationChoice, told
from evalhaven.storage.projects import check_project

router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def get_health() -> Response:
    """Say that the process answers."""
    return json_response('{"status":"ok"}')


@router.get("/readyz")
async def get_readiness(services: ServicesOf) -> Response:
    """Say whether requests and runs are served: the database answers and the executor lives.

    How python graders are isolated is told beside it and decides nothing: all else works without.
    """
    async with services.database.read() as tx:
        await check_project(tx, DEFAULT_PROJECT)
    is_ready = services.is_executor_running()
    body = {
        "status": "ok" if is_ready else "starting",
        "database": "ok",
        "executor": "ok" if is_ready else "down",
        "python_graders": _python_graders(services.isolation),
    }
    return json_response(jsontext.render(body), 200 if is_ready else 503)


def _python_graders(choice: IsolationChoice) -> JsonObject:
    chosen = choice.chosen
    if chosen is None:
        return {"status": "choosing"}
    return {"status": "refused" if chosen.tier is None else "ok", **told(chosen)}
