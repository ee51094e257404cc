"""`/api/compare`, and the pin of a run: how runs differ from a baseline."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.storage.pins import pin_run, unpin_runs
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.comparisons import Comparison, PinnedRun

router = APIRouter(prefix="/api", tags=["Reports"])

_MOST_RUNS = 20

Runs = Annotated[list[str], Query(description="The run to compare; may be repeated, or hold ids with commas between.")]
Base = Annotated[
    str | None,
    Query(description="The run to compare with. Without it, the pinned one, else the most comparable earlier one."),
]
Key = Annotated[
    list[str] | None,
    Query(description="Field that names an item, instead of its whole content; may be repeated."),
]
Margin = Annotated[
    float | None, Query(ge=0, le=1, description="How much worse a run may be, as a rate: 0.02 is two points.")
]
Cluster = Annotated[str | None, Query(description="Field whose values make groups of items that are not independent.")]


@router.get("/compare", operation_id="compareRuns", response_model=Comparison, response_description="The comparison.")
async def compare_runs(
    services: ServicesOf,
    scope: ScopeOf,
    runs: Runs,
    *,
    base: Base = None,
    key: Key = None,
    margin: Margin = None,
    cluster: Cluster = None,
) -> Response:
    """Compare runs with a baseline, item by item: what is fixed, what has regressed, and what can be told of that."""
    # Loads numpy, which a server that is asked for no comparison does not need.
    from evalhaven.reports.comparing import HowToPair  # noqa: PLC0415
    from evalhaven.reports.comparison import compared, compared_run  # noqa: PLC0415

    ids = [each for given in runs for each in given.split(",") if each]
    if not 1 <= len(ids) <= _MOST_RUNS:
        raise InvalidRequestError(f"'runs' must name 1 to {_MOST_RUNS} runs.", param="runs", code="invalid_value")
    how = HowToPair(tuple(key or ()), cluster)

    async def read(tx: ReadTransaction) -> Response:
        comparer = services.comparer()
        baseline_id, chosen = (base, "named") if base else await comparer.find_baseline(tx, scope, ids[0], how)
        found: list[object] = []
        shown = None
        for run_id in ids:
            if baseline_id is None:
                await get_run_by_id(tx, scope, run_id)
                continue
            pair = await comparer.pair(tx, scope, baseline_id, run_id, how)
            shown = compared_run(pair.baseline.run)
            found.append(compared(pair, margin))
        comparison = Comparison(
            object="run.comparison",
            baseline=shown,
            chosen=chosen,
            margin=margin,
            comparisons=found,  # pyright: ignore[reportArgumentType] - checked by the model
        )
        return json_response(comparison.model_dump_json())

    return await services.database.fetch(read)


@router.post(
    "/runs/{run_id}/pin", operation_id="pinRun", response_model=PinnedRun, response_description="What is pinned now."
)
async def pin(run_id: PathRunId, services: ServicesOf, scope: ScopeOf) -> Response:
    """Pin a run: later runs of its eval are compared with it unless another one is named."""
    async with services.database.write() as tx:
        run = await get_run_by_id(tx, scope, run_id, for_update=True)
        if not run.status.is_final:
            raise InvalidRequestError(
                f"Run {run_id!r} has not ended; only a run that has ended can be pinned.",
                param="run_id",
                code="run_not_ended",
            )
        await pin_run(tx, scope, run, services.now())
    return json_response(PinnedRun(eval_id=run.eval_id, run_id=run.id, pinned=True).model_dump_json())


@router.delete("/runs/{run_id}/pin", operation_id="unpinRun", response_model=PinnedRun, response_description="The run.")
async def unpin(run_id: PathRunId, services: ServicesOf, scope: ScopeOf) -> Response:
    """Unpin a run; nothing changes if it is not pinned."""
    async with services.database.write() as tx:
        run = await get_run_by_id(tx, scope, run_id, for_update=True)
        await unpin_runs(tx, scope, run.eval_key, run.key)
    return json_response(PinnedRun(eval_id=run.eval_id, run_id=run.id, pinned=False).model_dump_json())
