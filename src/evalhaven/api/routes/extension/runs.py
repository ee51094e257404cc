"""`/api/runs/{run_id}`: a run found by its id alone."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.rendering import RunRenderer
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.storage.evals import get_eval
from evalhaven.storage.runs import get_run_by_id

router = APIRouter(prefix="/api/runs", include_in_schema=False)


@router.get("/{run_id}")
async def get_run(
    run_id: str, services: ServicesOf, scope: ScopeOf, *, rows: Annotated[bool, Query()] = True
) -> Response:
    """Get a run as `/v1/evals/{eval_id}/runs/{run_id}` does; with `rows=false` without its inline rows."""
    async with services.database.read() as tx:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
    renderer = RunRenderer(services.config.base_url, services.blobs)
    return renderer.run_response(run if rows else _without_rows(run), parent)


def _without_rows(run: Run) -> Run:
    imported = run.imported
    if imported is not None:
        imported = replace(imported, document=_with_source(imported.document))
    return replace(run, data_source=run.data_source.without_rows(), has_inline_rows=False, imported=imported)


def _with_source(document: JsonObject) -> JsonObject:
    data_source = document.get("data_source")
    if not isinstance(data_source, dict):
        return document
    return {**document, "data_source": DataSource(data_source).without_rows().json}
