"""`/api/runs/{run_id}`: a run found by its id alone."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.rendering.runs import RunRenderer
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.runs_by_id import EvalRunById

router = APIRouter(prefix="/api/runs", tags=["Runs"])

Rows = Annotated[bool, Query(description="Whether to show the rows that the run was created with.")]


@router.get("/{run_id}", operation_id="getRunById", response_model=EvalRunById, response_description="The run.")
async def get_run(run_id: PathRunId, services: ServicesOf, scope: ScopeOf, *, rows: Rows = True) -> Response:
    """Get a run by its id alone. `GET /v1/evals/{eval_id}/runs/{run_id}` answers the same."""

    async def read(tx: ReadTransaction) -> Response:
        run = await get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, run.eval_id)
        renderer = RunRenderer(services.config.base_url, services.blobs)
        return renderer.run_response(run if rows else _without_rows(run), parent)

    return await services.database.fetch(read)


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
