"""`/api/import/…`: takes in objects of another server, in batches with one JSON object per line."""

from contextlib import nullcontext
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import spooled_body
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.requests import PathEvalId, PathRunId
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.api.uploads import receive_form
from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import DataSourceConfig, Eval
from evalhaven.domain.ids import EvalId
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.importers.documents import ImportRefusedError, file_of, parse_object, shown_id
from evalhaven.importers.intake import Intake, Outcome
from evalhaven.storage.access.limits import refuse_full
from evalhaven.storage.evals import get_eval
from evalhaven.storage.runs import get_run
from evalhaven.wire.imports import ImportFileForm, ImportOutcome, ImportRefusal

router = APIRouter(prefix="/api/import", tags=["Import"], route_class=GuardedRoute)

Origin = Annotated[
    str, Query(min_length=1, max_length=500, description="Where the objects come from. Each of them shows it.")
]
Check = Annotated[bool, Query(description="Whether to store nothing, and only say what would come over.")]

_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A JSON object a line, as the first server answered it.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": {"$ref": f"#/components/schemas/{ImportFileForm.__name__}"}}},
    }
}


@router.post(
    "/evals",
    operation_id="importEvals",
    response_model=ImportOutcome,
    response_description="What came of it.",
    openapi_extra=_LINES,
)
async def import_evals(
    request: Request, services: ServicesOf, scope: ScopeOf, origin: Origin, *, check: Check = False
) -> Response:
    """Take in evals of another server. What is here already stays as it is."""
    lines = await _lines(request, services)
    outcome = await _intake(services, scope, origin, check=check).take_evals(lines)
    await _note(request, services, ("origin", origin), "evals", outcome, is_check=check)
    return _answer(outcome)


@router.post(
    "/evals/{eval_id}/runs",
    operation_id="importRuns",
    response_model=ImportOutcome,
    response_description="What came of it.",
    openapi_extra=_LINES,
)
async def import_runs(
    eval_id: PathEvalId, request: Request, services: ServicesOf, scope: ScopeOf, origin: Origin, *, check: Check = False
) -> Response:
    """Take in finished runs of an eval.

    With `check=true` the eval may be absent.
    """
    lines = await _lines(request, services)
    async with services.database.read() as tx:
        try:
            parent = await get_eval(tx, scope, eval_id)
        except NotFoundError:
            if not check:
                raise
            parent = Eval(EvalId(eval_id), 0, 0, "", {}, DataSourceConfig({}), Criteria())
    outcome = await _intake(services, scope, origin, check=check).take_runs(parent, lines)
    if outcome.created:
        services.wake_executor()  # their columns are made once their items have stopped coming
    await _note(request, services, ("eval", eval_id), "runs", outcome, is_check=check, origin=origin)
    return _answer(outcome)


@router.post(
    "/evals/{eval_id}/runs/{run_id}/output_items",
    operation_id="importOutputItems",
    response_model=ImportOutcome,
    response_description="What came of it.",
    openapi_extra=_LINES,
)
async def import_output_items(
    eval_id: PathEvalId,
    run_id: PathRunId,
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    origin: Origin,
    *,
    check: Check = False,
) -> Response:
    """Take in output items of an imported run.

    With `check=true` the run may be absent. A run that was executed here takes none.
    """
    lines = await _lines(request, services)
    run: Run | None = None
    criteria: list[str] = []
    async with services.database.read() as tx:
        try:
            run = await get_run(tx, scope, eval_id, run_id)
            criteria = [each.id for each in (await get_eval(tx, scope, eval_id)).testing_criteria]
        except NotFoundError:
            if not check:
                raise
    # A run that was executed here has its own items: it can be read, not added to.
    is_check = check or run is None or run.imported is None
    outcome = await _intake(services, scope, origin, check=is_check).take_output_items(run, lines, criteria)
    if run is not None and run.imported is None and outcome.created:
        raise InvalidRequestError(f"Run {run_id!r} was executed on this server; no items can be imported into it.")
    return _answer(outcome)


@router.post(
    "/files",
    operation_id="importFile",
    response_model=ImportOutcome,
    response_description="What came of it.",
    openapi_extra=_FORM,
)
async def import_file(
    request: Request, services: ServicesOf, scope: ScopeOf, origin: Origin, *, check: Check = False
) -> Response:
    """Take in a file.

    A file that is here already stays as it is, unless it was rebuilt from output items: the real one replaces it.
    """
    with services.blobs.writer() as writer:
        form = await receive_form(request, writer, services.config.max_file_bytes)
        document: JsonObject = {}
        try:
            document = parse_object(form.fields.get("document", "").encode())
            new = file_of(document, origin, writer.size_bytes)
        except ImportRefusedError as error:
            return _answer(Outcome(refused=[(shown_id(document), str(error))]))
        intake = _intake(services, scope, origin, check=True)
        outcome = await intake.take_file(new)
        if outcome.created and not check:
            async with services.database.read() as tx:
                await refuse_full(tx, scope, new.size_bytes, "file")
            await anyio.to_thread.run_sync(writer.commit, scope, new.id)
            # The blob is the only content of a replaced file: it stays if the row cannot be stored, and the
            # next import replaces it again.
            with nullcontext() if outcome.replaced else services.blobs.kept_on_success(scope, new.id):
                outcome = await _intake(services, scope, origin, check=False).take_file(new)
    await _note(request, services, ("file", new.id), "files", outcome, is_check=check, origin=origin)
    return _answer(outcome)


def _intake(services: Services, scope: ProjectScope, origin: str, *, check: bool) -> Intake:
    return Intake(services.database, scope, origin, services.now(), is_check=check)


async def _note(
    request: Request,
    services: Services,
    target: tuple[str, str],
    what: str,
    outcome: Outcome,
    *,
    is_check: bool,
    origin: str | None = None,
) -> None:
    """Store that objects came over; output items are noted with their runs."""
    if is_check or not outcome.created:
        return
    details: JsonObject = {what: outcome.created}
    if origin is not None:
        details["origin"] = origin
    async with services.database.write() as tx:
        await record_audit(tx, request, f"{what.removesuffix('s')}.imported", target, details=details)


async def _lines(request: Request, services: Services) -> list[bytes]:
    async with spooled_body(request, services.spool_dir, services.config.max_body_bytes) as raw:
        return [line for line in raw[:].split(b"\n") if line.strip()]


def _answer(outcome: Outcome) -> Response:
    refused = [ImportRefusal(id=public_id, reason=reason) for public_id, reason in outcome.refused]
    body = ImportOutcome(created=outcome.created, unchanged=outcome.unchanged, refused=refused)
    # Not with pydantic's own writer: ids may hold lone surrogates.
    return json_response(jsontext.render(body.model_dump()))
