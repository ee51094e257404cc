"""Runs that are evaluated again, as the tests of the engine execute them."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.ids import RunId
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.run_options import DEFAULT_OPTIONS, RunOptions
from evalhaven.domain.runs import RetryChoice, Run
from evalhaven.domain.tallies import NOTHING
from evalhaven.runs.accepting.reruns import regraded_run, reopened_run
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.writing import RunWriter, Stored
from evalhaven.sampling.catalog import Price
from evalhaven.sampling.transport.client import HttpReply
from evalhaven.storage.chunks import reopen_chunks
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.run_writes import insert_run, save_reopened
from tests.unit.runs.answering import Answering, calling, completion, refusal
from tests.unit.runs.executed import inline_run, lines, read_items, read_run, row_of

PRICE = Price("m", 1.0, None, 2.0)


class FlakyModel(Answering):
    """Answers "1" unless it refuses the prompt, and counts prompts."""

    def __init__(self) -> None:
        self.prompts = Counter[str]()
        self.refuses: Callable[[str], bool] = lambda _prompt: False
        self.gate = anyio.Event()
        self.gate.set()
        self.free_calls = 0  # before the gate is asked
        self.is_waiting = anyio.Event()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        prompt = json.loads(body)["messages"][0]["content"]
        self.prompts[prompt] += 1
        await anyio.lowlevel.checkpoint()
        if self.prompts.total() > self.free_calls:
            self.is_waiting.set()
            await self.gate.wait()
        if self.refuses(prompt):
            return refusal(400, "refused")
        return completion("m-1", "1")


@pytest.fixture
def model() -> FlakyModel:
    return FlakyModel()


@pytest.fixture
async def sampling(engine: Engine, model: FlakyModel) -> AsyncGenerator[Engine]:
    """Return an engine with an endpoint whose answers come from the model."""
    async with calling(engine, model, prices=(PRICE,)) as calls:
        yield calls


async def sampled_run(engine: Engine, count: int, number: int = 1, **more: Any) -> Run:
    """Store a run that asks the model about this many rows."""
    source: Any = {
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
        "source": {"type": "file_content", "content": []},
    }
    content = lines([row_of(position) for position in range(count)])
    return await inline_run(engine, content, number, data_source=source, model="m", **more)


async def conduct(engine: Engine, run: Run) -> Run:
    """Conduct a run to its end and return it."""
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def conduct_in_pieces(engine: Engine, run: Run, patch: pytest.MonkeyPatch) -> Run:
    """Conduct a run that is interrupted again and again, before a batch is stored or just after; return it."""
    record, batches = RunWriter._record, 0

    async def record_some(writer: RunWriter, *arguments: Any) -> Stored | None:
        nonlocal batches
        batches += 1
        if batches % 4 == 1:
            return None
        # The third of four is stored, but the answer is lost.
        stored = await record(writer, *arguments)
        return None if batches % 4 == 3 else stored

    patch.setattr(RunWriter, "_record", record_some)
    for _ in range(50):
        run = await conduct(engine, run)
        if run.status.is_final:
            break
        await assert_recounted(engine, run)
    return run


async def reopen(engine: Engine, run: Run, choice: RetryChoice | None = None) -> Run:
    """Queue a run again, as the API does."""
    reopened = reopened_run(await read_run(engine, run), None, choice)
    async with engine.database.write() as tx:
        await save_reopened(tx, run.scope, reopened, 3000)
        await reopen_chunks(tx, run.scope, run.key)
    return await read_run(engine, run)


async def regrade(
    engine: Engine,
    source: Run,
    criteria: Sequence[dict[str, Any]] | None = None,
    number: int = 900,
    options: RunOptions = DEFAULT_OPTIONS,
) -> Run:
    """Store a run that grades the samples of another one, as the API does."""
    new = regraded_run(
        RunId(f"evalrun_{number:032x}"),
        source,
        name=None,
        metadata={},
        criteria=None if criteria is None else Criteria(criteria),
        options=options,
        warnings=(),
    )
    async with engine.database.write() as tx:
        await insert_run(tx, new.scope, new)
    return await read_run(engine, new)


async def assert_recounted(engine: Engine, run: Run, statuses: tuple[int, int, int] | None = None) -> list[OutputItem]:
    """Check that a run's tally is that of its rows; return its items by position and repeat."""
    run = await read_run(engine, run)
    items = sorted(await read_items(engine, run), key=lambda item: (item.position, item.repeat))
    async with engine.database.read() as tx:
        parent = await get_eval_by_key(tx, run.scope, run.eval_key)
    counted = NOTHING.fold(items, len(run.criteria(parent)))
    cost, exact = counted.spending.priced_cost, run.tally.spending.priced_cost
    assert exact == pytest.approx(cost, abs=1e-12)
    assert replace(run.tally, spending=_unpriced(run)) == replace(counted, spending=_unpriced(counted))
    if statuses is not None:
        assert (run.tally.passed, run.tally.failed, run.tally.errored) == statuses
    return items


def _unpriced(counted: Any) -> Any:
    spending = counted.tally.spending if isinstance(counted, Run) else counted.spending
    return replace(spending, usage=tuple(replace(usage, priced_cost=0.0) for usage in spending.usage))
