"""`/api/compare`, and the pin of a run: how runs differ from a baseline."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response
from starlette.responses import StreamingResponse

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import DEFAULT_LIMIT, MAX_LIMIT, Limit
from evalhaven.api.rendering.json_texts import json_response, model_response
from evalhaven.api.requests import PathRunId
from evalhaven.api.routes.extension.compared import Base, ComparedItems, ComparedItemsOf, Key
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.pins import pin_run, unpin_runs
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.comparisons import ComparedItemList, Comparison, PinnedRun

if TYPE_CHECKING:
    from evalhaven.reports.compared_texts import ChosenItems
    from evalhaven.reports.comparison import PairedRuns

router = APIRouter(prefix="/api", tags=["Reports"], route_class=GuardedRoute)

_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "The request cannot be accepted: `invalid_value`, `missing_required_parameter`, `no_baseline`, "
        "`comparison_not_ready`."
    }
}
_NOT_PINNED: dict[int | str, dict[str, Any]] = {400: {"description": "The run has not ended: `run_not_ended`."}}

_MOST_RUNS = 20
_EXPORTED_AT_ONCE = 500

Runs = Annotated[list[str], Query(description="The run to compare; may be repeated, or hold ids with commas between.")]
Margin = Annotated[
    float | None, Query(ge=0, le=1, description="How much worse a run may be, as a rate: 0.02 is two points.")
]
Cluster = Annotated[str | None, Query(description="Field whose values make groups of items that are not independent.")]
AfterItem = Annotated[int | None, Query(ge=0, description="`next` of the page before.")]


@router.get(
    "/compare",
    operation_id="compareRuns",
    response_model=Comparison,
    responses=_REFUSED,
    response_description="The comparison.",
)
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
        return model_response(comparison)

    return await services.database.fetch(read)


@router.get(
    "/compare/items",
    operation_id="listComparedItems",
    response_model=ComparedItemList,
    responses=_REFUSED,
    response_description="A page of items.",
)
async def list_compared_items(
    services: ServicesOf,
    scope: ScopeOf,
    asked: ComparedItemsOf,
    *,
    after: AfterItem = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List the items of a comparison, those without a partner included."""
    from evalhaven.reports.compared_items import read_page  # noqa: PLC0415 - loads numpy

    async def read(tx: ReadTransaction) -> Response:
        pair = await _pair(services, tx, scope, asked)
        page = await read_page(tx, pair, asked.wanted, after or 0, min(limit, MAX_LIMIT))
        rest = {
            "total": page.total,
            "counts": None if page.counts is None else page.counts.model_dump(),
            "next": None if page.next is None else str(page.next),
            "has_more": page.next is not None,
            "cut": page.was_cut,
        }
        return json_response(f'{{"object":"list","data":[{",".join(page.texts)}],{jsontext.render(rest)[1:]}')

    return await services.database.fetch(read)


@router.get(
    "/compare/export",
    operation_id="exportComparedItems",
    response_class=Response,
    responses={
        **_REFUSED,
        200: {
            "description": "An item a line. The answer breaks off after a whole line if one of the runs is deleted "
            "meanwhile.",
            "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/ComparedItem"}}},
        },
    },
)
async def export_compared_items(services: ServicesOf, scope: ScopeOf, asked: ComparedItemsOf) -> Response:
    """Export the items of a comparison as lines of JSON, each as in a page of them."""
    from evalhaven.reports.compared_items import choose_items  # noqa: PLC0415 - loads numpy
    from evalhaven.reports.compared_texts import read_items  # noqa: PLC0415

    wanted, sought = asked.wanted, (asked.wanted.text or "").casefold()

    async def choose(tx: ReadTransaction) -> "tuple[PairedRuns, ChosenItems]":
        pair = await _pair(services, tx, scope, asked)
        return pair, await choose_items(tx, pair, wanted)

    # What is wrong is told before anything is sent.
    pair, chosen = await services.database.fetch(choose)

    async def lines() -> AsyncGenerator[bytes]:
        for start in range(0, len(chosen.changes), _EXPORTED_AT_ONCE):
            part = chosen.part(slice(start, start + _EXPORTED_AT_ONCE))

            async def read(tx: ReadTransaction, part: "ChosenItems" = part) -> bytes:
                for side in (pair.baseline, pair.candidate):
                    # Nothing ends the body as if it were whole: if a run is deleted meanwhile, it is broken off.
                    await get_run_by_id(tx, scope, side.run.id)
                items = await read_items(tx, pair, part)
                found = (item for item in items if item.contains(sought)) if sought else items
                return "".join(f"{item.text(wanted.criterion)}\n" for item in found).encode()

            yield await services.database.fetch(read)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def _pair(
    services: Services,
    tx: ReadTransaction,
    scope: ProjectScope,
    asked: ComparedItems,
) -> "PairedRuns":
    from evalhaven.reports.comparing import HowToPair  # noqa: PLC0415 - loads numpy

    how, base = HowToPair(asked.key), asked.base
    comparer = services.comparer()
    if base is None:
        base, _ = await comparer.find_baseline(tx, scope, asked.run, how)
    if base is None:
        raise InvalidRequestError(
            "There is no run to compare with: name one as 'base'.", param="base", code="no_baseline"
        )
    return await comparer.pair(tx, scope, base, asked.run, how)


@router.post(
    "/runs/{run_id}/pin",
    operation_id="pinRun",
    response_model=PinnedRun,
    responses=_NOT_PINNED,
    response_description="What is pinned now.",
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
    return model_response(PinnedRun(eval_id=run.eval_id, run_id=run.id, pinned=True))


@router.delete("/runs/{run_id}/pin", operation_id="unpinRun", response_model=PinnedRun, response_description="The run.")
async def unpin(run_id: PathRunId, services: ServicesOf, scope: ScopeOf) -> Response:
    """Unpin a run; nothing changes if it is not pinned."""
    async with services.database.write() as tx:
        run = await get_run_by_id(tx, scope, run_id, for_update=True)
        await unpin_runs(tx, scope, run.eval_key, run.key)
    return model_response(PinnedRun(eval_id=run.eval_id, run_id=run.id, pinned=False))
