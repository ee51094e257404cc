"""Facts about runs whose process dies while it evaluates them: which deaths count, and what three in a row do."""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.deaths import note_evaluation, note_orderly_stop
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.sampling.transport.client import HttpReply
from evalhaven.storage.run_history import read_history
from evalhaven.storage.run_writes import save_reopened
from tests.unit.runs.answering import Answering, calling, completion
from tests.unit.runs.executed import inline_run, lines, read_items, read_run, row_of, stored_eval

COUNT = 30


class Model(Answering):
    """Answers some calls, then no more."""

    def __init__(self) -> None:
        self.answers_left = 0
        self.is_asked_in_vain = anyio.Event()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        if not self.answers_left:
            self.is_asked_in_vain.set()
            await anyio.sleep_forever()
        self.answers_left -= 1
        return completion("m-1", "1")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def sampling(engine: Engine, model: Model) -> AsyncGenerator[Engine]:
    async with calling(engine, model) as calls:
        yield calls


async def sampled_run(engine: Engine, number: int = 1, parent: Eval | None = None) -> Run:
    source: Any = {
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
        "source": {"type": "file_content", "content": []},
    }
    content = lines([row_of(number) for number in range(COUNT)])
    return await inline_run(engine, content, number, parent, data_source=source, model="m")


async def die_in(engine: Engine, run: Run, model: Model, answers: int = 0) -> Run:
    """Act as a process that dies while the run waits for a model, and return the run as it is stored then."""
    model.answers_left = answers
    model.is_asked_in_vain = anyio.Event()
    stored = (await read_run(engine, run)).tally.total + answers
    process = replace(engine, process=f"process {id(model.is_asked_in_vain)}")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(RunConductor(process, run.scope, run.key).conduct_run)
        with anyio.fail_after(30):
            while (now := await read_run(engine, run)).status is RunStatus.IN_PROGRESS:
                if model.is_asked_in_vain.is_set() and now.tally.total == stored:
                    break
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    return await read_run(engine, run)


async def test_a_run_in_which_three_processes_die_without_an_item_fails(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling)
    await die_in(sampling, run, model, answers=7)
    for deaths in (1, 2):
        after = await die_in(sampling, run, model)
        assert (after.status, after.deaths) == (RunStatus.IN_PROGRESS, deaths)
    failed = await die_in(sampling, run, model)

    assert failed.status is RunStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "run_kills_executor"
    assert "died 3 times in a row" in failed.error.message
    assert f"POST /api/runs/{run.id}/retry" in failed.error.message
    # The item that was stored before the first of them stays.
    assert (failed.tally.total, len(await read_items(sampling, run))) == (7, 7)

    async with sampling.database.write() as tx:
        await save_reopened(tx, run.scope, failed.reopened(), 2000)
    model.answers_left = COUNT
    await RunConductor(sampling, run.scope, run.key).conduct_run()
    mended = await read_run(sampling, run)
    assert (mended.status, mended.tally.total, mended.deaths) == (RunStatus.COMPLETED, COUNT, 0)
    async with sampling.database.read() as tx:
        history = (await read_history(tx, run.scope, run.key)).events
    # The first process is another one than the test's fixture stored the run for; a third death ends the run.
    assert [(event.type, event.details.get("died")) for event in history] == [
        ("started", None),
        ("resumed", False),
        ("planned", None),
        ("resumed", True),
        ("resumed", True),
        ("failed", None),
        ("retried", None),
        ("started", None),
        ("completed", None),
    ]
    assert history[6].details == {"items": COUNT - 7}


async def test_a_run_that_stores_an_item_between_deaths_goes_on(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling)
    for number in range(COUNT - 1):
        after = await die_in(sampling, run, model, answers=1)
        assert (after.status, after.tally.total, after.deaths) == (RunStatus.IN_PROGRESS, number + 1, 0)
    # Now two in a row, and the third process finishes the run.
    assert (await die_in(sampling, run, model)).deaths == 1
    model.answers_left = 1
    await RunConductor(replace(sampling, process="last"), run.scope, run.key).conduct_run()
    assert (await read_run(sampling, run)).status is RunStatus.COMPLETED


async def test_runs_in_which_two_processes_died_are_evaluated_one_at_a_time(sampling: Engine, model: Model) -> None:
    parent = await stored_eval(sampling)
    runs = [await sampled_run(sampling, number, parent) for number in (1, 2, 3)]

    async def conduct_all(name: str, until: Callable[[list[Run]], bool]) -> list[Run]:
        process = replace(sampling, process=name)
        now = runs
        async with anyio.create_task_group() as tasks:
            for run in runs:
                tasks.start_soon(RunConductor(process, run.scope, run.key).conduct_run)
            with anyio.fail_after(30):
                while not until(now):
                    await anyio.sleep(0.01)
                    now = [await read_run(sampling, run) for run in runs]
            # A run that waits for its turn could have taken it by now, if it were free.
            await anyio.sleep(1.2)
            now = [await read_run(sampling, run) for run in runs]
            tasks.cancel_scope.cancel()
        return now

    for name in ("first", "second"):
        now = await conduct_all(name, lambda now, name=name: all(run.evaluated_by == name for run in now))
    now = await conduct_all("third", lambda now: any(run.evaluated_by == "third" for run in now))
    assert sorted((run.deaths, run.evaluated_by) for run in now if run.evaluated_by) == [(2, "third")]

    # The run that was evaluated ends; the others were not, and each takes its turn once the one before has stored.
    model.answers_left = 3 * COUNT
    now = await conduct_all("fourth", lambda now: all(run.status.is_final for run in now))
    assert sorted(run.status for run in now) == [RunStatus.COMPLETED, RunStatus.COMPLETED, RunStatus.FAILED]
    assert [run.tally.total for run in now if run.status is RunStatus.COMPLETED] == [COUNT, COUNT]


async def test_orderly_stops_are_no_deaths(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling)
    for _ in range(5):
        after = await die_in(sampling, run, model)
        await note_orderly_stop(sampling.database)
        assert (after.status, after.deaths) == (RunStatus.IN_PROGRESS, 0)
    assert (await read_run(sampling, run)).evaluated_by is None


async def test_what_is_only_planned_or_complete_has_no_deaths(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(number) for number in range(COUNT)]))
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    assert (await read_run(engine, run)).evaluated_by is None

    await RunConductor(engine, run.scope, run.key).conduct_run()
    ended = await read_run(engine, run)
    assert (ended.status, ended.evaluated_by, ended.deaths) == (RunStatus.COMPLETED, None, 0)


async def test_a_death_after_the_last_item_does_not_count(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await inline_run(engine, lines([row_of(number) for number in range(COUNT)]))
    moved: list[RunStatus] = []

    async def die(_ending: RunEnding, status: RunStatus, *_more: Any) -> None:
        moved.append(status)

    with monkeypatch.context() as patch:
        patch.setattr(RunEnding, "_move", die)
        for number in range(5):
            process = replace(engine, process=f"process {number}")
            await RunConductor(process, run.scope, run.key).conduct_run()
            await note_evaluation(process, run)
    assert moved == [RunStatus.COMPLETED] * 5
    after = await read_run(engine, run)
    assert (after.status, after.tally.total, after.deaths) == (RunStatus.IN_PROGRESS, COUNT, 0)
    await RunConductor(engine, run.scope, run.key).conduct_run()
    assert (await read_run(engine, run)).status is RunStatus.COMPLETED


async def test_a_conductor_that_begins_anew_in_the_same_process_is_no_death(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling)
    for _ in range(5):
        await note_evaluation(sampling, run)
        with anyio.move_on_after(0.2):
            await RunConductor(sampling, run.scope, run.key).conduct_run()
    after = await read_run(sampling, run)
    assert (after.status, after.deaths, after.evaluated_by) == (RunStatus.IN_PROGRESS, 0, sampling.process)
