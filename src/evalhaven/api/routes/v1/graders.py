"""`/v1/fine_tuning/alpha/graders`: run one grader on one sample, and check one."""

import time

import anyio
from fastapi import APIRouter, Request, Response

from evalhaven.access.limits import refuse_spent_month
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.grader_answers import run_answer
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, UnansweredError
from evalhaven.domain.grader_parts import asks_models
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import ProjectScope
from evalhaven.graders.multi import refuse_formula
from evalhaven.storage.access.limits import find_month_cost
from evalhaven.storage.grader_calls import (
    GraderAnswer,
    delete_grader_call,
    find_grader_answer,
    insert_grader_call,
)
from evalhaven.wire import grader_endpoints as wire
from evalhaven.wire.graders import Grader
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/fine_tuning/alpha/graders", tags=["Fine-tuning"], route_class=GuardedRoute)

LONGEST_WAIT_S = 900.0
_WITHOUT_EXECUTOR_S = 30.0
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.25


@router.post("/run", operation_id="runGrader", response_model=wire.RunGraderResponse)
async def run_grader(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Run a grader on one sample; what goes wrong while it grades is told by flags beside a reward of 0."""
    document = await read_document(request, services.config.max_body_bytes)
    parsed = parse_request(wire.RunGraderRequest, document).body
    grader = _named(parsed.grader, services.ids)
    await services.python_checks.check_lone_grader(parsed.grader, is_executed=True)
    if asks_models([parsed.grader]):
        await _refuse_spent_month(services, scope)
    asked: JsonObject = {
        "grader": grader,
        "model_sample": parsed.model_sample,
        "item": parsed.item or {},
    }
    answer = await _ask_executor(asked, request, services, scope)
    if answer.grade is None:
        raise InvalidRequestError(answer.refusal, param="grader", code="unsupported_grader")
    return json_response(jsontext.render(run_answer(grader, answer.grade, answer.seconds)))


@router.post("/validate", operation_id="validateGrader", response_model=wire.ValidateGraderResponse)
async def validate_grader(request: Request, services: ServicesOf) -> Response:
    """Check a grader without running it; one without a name is given one."""
    document = await read_document(request, services.config.max_body_bytes)
    parsed = parse_request(wire.ValidateGraderRequest, document).body
    grader = _named(parsed.grader, services.ids)
    await services.python_checks.check_lone_grader(parsed.grader, is_executed=False)
    return json_response(jsontext.render({"grader": grader}))


def _named(grader: Grader, ids: IdFactory) -> JsonObject:
    """Return the document of a valid grader; one without a name gets one of the form that recordings show.

    Raises:
        InvalidRequestError: Its `calculate_output` is not a formula.
    """
    refuse_formula(grader, "grader")
    if grader.name:
        return grader.sent
    return {**grader.sent, "name": ids.new_grader_name()}


async def _refuse_spent_month(services: Services, scope: ProjectScope) -> None:
    """Refuse a grader that calls models if the project may spend nothing more in this month.

    Raises:
        LimitExceededError: It may not.
    """
    async with services.database.read() as tx:
        cost = await find_month_cost(tx, scope, services.now())
    if cost is not None:
        refuse_spent_month(cost)


async def _ask_executor(asked: JsonObject, request: Request, services: Services, scope: ProjectScope) -> GraderAnswer:
    """Leave a request for the executor and wait for its answer.

    Raises:
        UnansweredError: The executor is not up, or takes too long.
    """
    async with services.database.write() as tx:
        key = await insert_grader_call(tx, scope, asked, services.now())
    services.wake_executor()
    try:
        return await _wait_for_answer(key, request, services, scope)
    finally:
        # A client that leaves makes the executor drop the call as well.
        with anyio.CancelScope(shield=True):
            async with services.database.write() as tx:
                await delete_grader_call(tx, scope, key)


async def _wait_for_answer(key: int, request: Request, services: Services, scope: ProjectScope) -> GraderAnswer:
    began = seen_at = time.monotonic()
    pause_s = _FIRST_PAUSE_S
    while (now := time.monotonic()) - began < LONGEST_WAIT_S and now - seen_at < _WITHOUT_EXECUTOR_S:
        await anyio.sleep(pause_s)
        async with services.database.read() as tx:
            answer = await find_grader_answer(tx, scope, key)
        if answer is not None:
            return answer
        if services.is_executor_running():
            seen_at = now
        if await request.is_disconnected():
            break
        pause_s = min(1.5 * pause_s, _LONGEST_PAUSE_S)
    message = "The grader gave no answer in time: the process that executes graders is busy or not up."
    raise UnansweredError(message, code="grader_unanswered")
