"""Runs over blobs, as the tests of the engine execute them."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.evals import Eval, answered_config
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import NOTHING, Tally
from evalhaven.graders.registry import build_grader
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.rows.parsing import Row
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.output_items import list_output_items
from evalhaven.storage.run_writes import save_status
from evalhaven.storage.runs import get_run
from tests.unit.storage.stored import blob_path, make_eval, make_run, store_eval, store_run
from tests.unit.written import config_of

CRITERIA: list[dict[str, Any]] = [
    {
        "type": "string_check",
        "name": "even",
        "id": "even-1",
        "input": "{{ item.even }}",
        "reference": "true",
        "operation": "eq",
    },
    {"type": "string_check", "name": "x", "id": "x-1", "input": "{{ item.x }}", "reference": "1", "operation": "eq"},
]


def row_of(number: int) -> dict[str, Any]:
    """Return a row: every second passes the first criterion, every third resolves and passes the second."""
    return {"item": {"n": number, "even": number % 2 == 0, **({"x": 1} if number % 3 == 0 else {})}}


def lines(rows: Sequence[object]) -> bytes:
    """Return rows as JSONL."""
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


async def stored_eval(engine: Engine, item_schema: Any = None, criteria: Sequence[dict[str, Any]] = CRITERIA) -> Eval:
    """Store an eval."""
    config = answered_config(
        config_of({"type": "custom", "item_schema": {"type": "object"} if item_schema is None else item_schema})
    )
    return await store_eval(engine.database, make_eval(criteria=criteria, data_source_config=config))


async def inline_run(engine: Engine, content: bytes, number: int = 1, parent: Eval | None = None, **more: Any) -> Run:
    """Store a run over inline rows, in progress, and its eval if there is none."""
    parent = parent or await stored_eval(engine)
    run = await store_run(engine.database, make_run(parent, number, **_in_progress(more)))
    blob_path(engine.blobs, run.id).write_bytes(content)
    return run


class WatchedEvaluator(ItemEvaluator):
    """Reports each item before it is evaluated."""

    def __init__(self, engine: Engine, on_item: Callable[[int], Awaitable[None]] | None = None) -> None:
        super().__init__([build_grader(Criterion(criterion), engine.facilities) for criterion in CRITERIA], engine.ids)
        self._on_item = on_item

    async def evaluate_item(self, row: Row, position: int, repeat: int = 0) -> OutputItem:
        if self._on_item is not None:
            await self._on_item(position)
        return await super().evaluate_item(row, position, repeat)


def _in_progress(more: dict[str, Any]) -> dict[str, Any]:
    return {"status": RunStatus.IN_PROGRESS, **more}


async def read_run(engine: Engine, run: Run) -> Run:
    """Return a run as it is stored now."""
    async with engine.database.read() as tx:
        return await get_run(tx, run.scope, run.eval_id, run.id)


async def read_items(engine: Engine, run: Run) -> Sequence[OutputItem]:
    """Return the output items of a run, in the order of positions."""
    async with engine.database.read() as tx:
        page = await list_output_items(tx, run.scope, run.key, PageRequest(100_000, "asc"), None)
    assert not page.has_more
    return sorted(page.objects, key=lambda item: item.position)


async def read_chunks(engine: Engine, run: Run) -> list[Chunk]:
    """Return the chunks of a run that are not done."""
    async with engine.database.read() as tx:
        return await list_pending_chunks(tx, run.scope, run.key, above=-1, limit=1000)


async def recount(engine: Engine, run: Run) -> Tally:
    """Return the tally of the stored items of a run."""
    return NOTHING.fold(await read_items(engine, run), len(CRITERIA))


async def cancel(engine: Engine, run: Run) -> None:
    """Cancel a run as the API does."""
    async with engine.database.write() as tx:
        current = await get_run(tx, run.scope, run.eval_id, run.id, for_update=True)
        await save_status(tx, run.scope, current.to(RunStatus.CANCELED, 2000), 2000)
