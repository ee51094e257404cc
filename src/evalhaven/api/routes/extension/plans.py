"""`/api/evals/{eval_id}/plan`: how many items a question needs."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.requests import PathEvalId
from evalhaven.api.routes.extension.compared import Key
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.plans import EvalPlan

router = APIRouter(prefix="/api/evals/{eval_id}", tags=["Reports"], route_class=GuardedRoute)

DifferenceOf = Annotated[
    float | None, Query(gt=0, le=1, description="Difference of the rates that is to be seen: 0.03 is three points.")
]
MarginOf = Annotated[float | None, Query(ge=0, le=1, description="How much worse a run may be, as a rate.")]
ThresholdOf = Annotated[float | None, Query(ge=0, le=1, description="Share of items that has to pass.")]
CriteriaOf = Annotated[int, Query(ge=1, le=1000, description="How many criteria have to pass together.")]


@router.get(
    "/plan",
    operation_id="planEval",
    response_model=EvalPlan,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`."}},
    response_description="The plan.",
)
async def plan_eval(  # noqa: PLR0913 - one for each parameter of the path and the query
    eval_id: PathEvalId,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    difference: DifferenceOf = None,
    margin: MarginOf = None,
    threshold: ThresholdOf = None,
    criteria: CriteriaOf = 1,
    key: Key = None,
) -> Response:
    """Say how many items, and samples of each, a difference, a margin or a threshold needs, from the eval's runs."""
    # Loads numpy, which a server that is asked for no plan does not need.
    from evalhaven.reports.comparing import HowToPair  # noqa: PLC0415
    from evalhaven.reports.planning import PlanQuestion, read_plan  # noqa: PLC0415

    question = PlanQuestion(difference, margin, threshold, criteria)

    async def read(tx: ReadTransaction) -> Response:
        parent = await get_eval(tx, scope, eval_id)
        plan = await read_plan(tx, scope, services.comparer(), parent, question, HowToPair(tuple(key or ())))
        return model_response(plan)

    return await services.database.fetch(read)
