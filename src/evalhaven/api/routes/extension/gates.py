"""`/api/runs/{run_id}/gate`: whether a run passes."""

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import parse_body, read_body
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.gates import CriterionPolicy, GatePolicy, GateResult
from evalhaven.wire.requests import parse_request

if TYPE_CHECKING:
    from evalhaven.reports.comparing import Chosen

router = APIRouter(prefix="/api", tags=["Reports"], route_class=GuardedRoute)

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "Nothing can be decided: `invalid_json`, `invalid_value`, `no_margin`, `no_baseline`, "
        "`comparison_not_ready`."
    }
}

BaselineOf = Annotated[
    str,
    Query(
        description="The run to compare with: an id, `pinned`, `none`, or `auto` for the pinned one, else the most "
        "comparable earlier one."
    ),
]


@router.post(
    "/runs/{run_id}/gate",
    operation_id="gateRun",
    response_model=GateResult,
    responses=_REFUSED,
    response_description="What was decided.",
)
async def gate_run(
    run_id: PathRunId, request: Request, services: ServicesOf, scope: ScopeOf, *, baseline: BaselineOf = "auto"
) -> Response:
    """Decide by a policy whether a run passes. The body is the policy."""
    from evalhaven.reports.comparing import HowToPair  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.gate import decided  # noqa: PLC0415

    policy = _policy_of(parse_body(await read_body(request, services.config.max_body_bytes)))
    how = HowToPair(tuple(policy.key or ()), policy.cluster)

    async def read(tx: ReadTransaction) -> Response:
        comparer = services.comparer()
        chosen: Chosen = "none"
        base: str | None = None
        if baseline in ("auto", "pinned"):
            base, chosen = await comparer.find_baseline(tx, scope, run_id, how)
            if baseline == "pinned" and chosen != "pinned":
                raise InvalidRequestError(
                    "No run of this eval, or of one that it follows, is pinned; pin one, or name the baseline.",
                    param="baseline",
                    code="no_baseline",
                )
        elif baseline != "none":
            base, chosen = baseline, "named"
        if base is None:
            result = decided(await comparer.side(tx, scope, run_id, how), None, chosen, policy)
        else:
            pair = await comparer.pair(tx, scope, base, run_id, how)
            result = decided(pair.candidate, pair, chosen, policy)
        return model_response(result)

    return await services.database.fetch(read)


def _policy_of(document: JsonValue) -> GatePolicy:
    parsed = parse_request(GatePolicy, document)
    # A rule that is misspelt would silently not hold.
    for pointer in parsed.unknown:
        name = pointer.rpartition("/")[2]
        known = [*GatePolicy.model_fields, *CriterionPolicy.model_fields]
        near = get_close_matches(name, known, 1)
        hint = f" Did you mean {near[0]!r}?" if near else f" Known are {', '.join(GatePolicy.model_fields)}."
        raise InvalidRequestError(
            f"The policy has an unknown key {name!r}.{hint}", param=pointer[1:].replace("/", "."), code="invalid_value"
        )
    return parsed.body
