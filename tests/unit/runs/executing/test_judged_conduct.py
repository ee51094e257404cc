"""Facts about judged runs: who is called at the same time, what is stored and counted, and what ends them."""

import json
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any, cast

import anyio
import pytest

from evalhaven.domain.output_items import Grade
from evalhaven.domain.runs import Run
from evalhaven.domain.spending import ModelUsage
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import NOTHING
from evalhaven.graders.base import Grader
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.rows.parsing import parse_row
from evalhaven.sampling.transport.client import HttpReply
from tests.unit.runs.answering import AT_ONCE, Answering, Nobody, calling, completion, refusal
from tests.unit.runs.executed import CRITERIA, inline_run, lines, read_items, read_run, row_of, stored_eval
from tests.unit.storage.stored import make_eval, store_eval


class Judges(Answering):
    """Answers every judge; those of the model `locked` with 401."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gate = anyio.Event()
        self.gate.set()
        self.is_busy = anyio.Event()
        self.in_flight = 0
        self.most_in_flight = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        model = json.loads(body)["model"]
        self.calls.append(model)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if self.in_flight == AT_ONCE:
            self.is_busy.set()
        try:
            await anyio.sleep(0.001)
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        if model == "locked":
            return refusal(401, "no_key")
        return completion(f"{model}-1", '{"result":1}')


@pytest.fixture
def judges() -> Judges:
    return Judges()


@pytest.fixture
async def judging(engine: Engine, judges: Judges) -> AsyncGenerator[Engine]:
    """Return an engine with an endpoint whose answers come from the judges."""
    async with calling(engine, judges) as calls:
        yield calls


def judge(model: str) -> dict[str, Any]:
    message = {"role": "user", "content": "Rate {{ item.n }}"}
    return {"type": "score_model", "name": model, "id": f"{model}-1", "model": model, "input": [message]}


async def judged_run(engine: Engine, count: int, *models: str, **more: Any) -> Run:
    parent = await stored_eval(engine, criteria=[CRITERIA[0], *map(judge, models)])
    return await inline_run(engine, lines([row_of(number) for number in range(count)]), parent=parent, **more)


async def conduct(engine: Engine, run: Run) -> Run:
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def test_every_item_is_judged_once_and_what_that_took_can_be_recounted(judging: Engine, judges: Judges) -> None:
    run = await conduct(judging, await judged_run(judging, 700, "a", "b"))
    items = await read_items(judging, run)

    assert (run.status, run.tally.total, run.tally.passed) == (RunStatus.COMPLETED, 700, 350)
    assert (judges.calls.count("a"), judges.calls.count("b")) == (700, 700)
    assert sorted(run.tally.spending.usage, key=lambda usage: usage.model) == [
        ModelUsage(f"{model}-1", "judge", 700, 4200, 2800, 7000, unpriced_calls=700) for model in "ab"
    ]
    assert run.tally.spending.latencies.count == 0, "they are the model's own"
    assert NOTHING.fold(items, 3) == run.tally
    assert run.flow is not None
    flows: Any = run.flow["judges"]
    assert [(each["criterion"], each["endpoint"]) for each in flows] == [("a", "e"), ("b", "e")]
    assert run.flow["endpoint"] == "e"


async def test_more_items_than_a_run_without_models_has_are_judged_at_once(judging: Engine, judges: Judges) -> None:
    limited = replace(judging, chunk_slots=anyio.CapacityLimiter(1))
    run = await judged_run(limited, 1200, "a")
    judges.gate = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(conduct, limited, run)
        with anyio.fail_after(60):
            await judges.is_busy.wait()
            parent = await store_eval(limited.database, make_eval(2, criteria=CRITERIA))
            other = await inline_run(limited, lines([row_of(0)]), number=2, parent=parent)
            assert (await conduct(limited, other)).status is RunStatus.COMPLETED, "a slow judge holds up no other run"
        judges.gate.set()

    assert judges.most_in_flight == AT_ONCE
    assert (await read_run(limited, run)).tally.total == 1200


async def test_a_judge_that_is_locked_out_ends_the_run_while_another_one_answers(
    judging: Engine, judges: Judges
) -> None:
    run = await conduct(judging, await judged_run(judging, 2000, "a", "locked"))

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.origin) == ("no_key", "judge")
    assert len(judges.calls) < 2000


async def test_a_judge_whose_endpoint_is_not_there_ends_the_run_and_is_reported_under_its_name(engine: Engine) -> None:
    async with calling(engine, Nobody(), strange_for_s=2) as lonely:
        run = await conduct(lonely, await judged_run(lonely, 2000, "a"))

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "upstream_unreachable")
    assert run.flow is not None
    [told] = cast("list[Any]", run.flow["judges"])
    assert (told["criterion"], told["answered"]) == ("a", False)
    assert told["unreachable"]["reason"] == "e: no connection to model.example:80: refused"


class Meeting:
    """A grader that waits until a given number of them are waiting."""

    concurrency = 10
    waits = True
    caution = None
    arrived = 0

    def __init__(self, count: int, everyone: anyio.Event) -> None:
        self._count = count
        self._everyone = everyone

    async def grade(self, namespaces: object) -> Grade:
        Meeting.arrived += 1
        if Meeting.arrived == self._count:
            self._everyone.set()
        await self._everyone.wait()
        return Grade(float(self._count), passed=True)


class Quick:
    """A grader that does not wait for others."""

    concurrency = 1
    waits = False
    caution = None

    async def grade(self, namespaces: object) -> Grade:
        return Grade(0.25, passed=True)


async def test_the_judges_of_an_item_are_asked_at_once_and_their_grades_keep_the_order_of_the_criteria(
    engine: Engine,
) -> None:
    Meeting.arrived, everyone = 0, anyio.Event()
    graders: list[Grader] = [Quick(), Meeting(2, everyone), Quick(), Meeting(2, everyone)]
    with anyio.fail_after(10):
        item = await ItemEvaluator(graders, engine.ids).evaluate_item(parse_row(b'{"item":{}}'), 0)

    assert [grade.score for grade in item.grades] == [0.25, 2.0, 0.25, 2.0]


async def test_a_judge_alone_gets_no_task_of_its_own(engine: Engine) -> None:
    seen: list[int] = []

    class Watching(Meeting):
        async def grade(self, namespaces: object) -> Grade:
            seen.append(anyio.get_current_task().id)
            return Grade(1.0, passed=True)

    await ItemEvaluator([Quick(), Watching(1, anyio.Event())], engine.ids).evaluate_item(parse_row(b'{"item":{}}'), 0)

    assert seen == [anyio.get_current_task().id]
