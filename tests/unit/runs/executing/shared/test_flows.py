"""Facts about the flow of a run that several workers execute: it is that of all of them, and nothing counts twice."""

from typing import Any

from sqlalchemy import text

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import Run
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.flows import SharedFlow
from evalhaven.storage.run_history import read_history
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.executed import inline_run, lines, read_run, row_of
from tests.unit.runs.executing.shared.flowing import flow_of

pytestmark = ON_POSTGRESQL_ONLY
UNREACHABLE = {"reason": "Connection refused.", "since": 1000.0}


class Told:
    """The calls of one worker, as a test says how they go."""

    def __init__(self, engine: Engine, run: Run, worker_id: int, flow: JsonObject) -> None:
        self.flow = flow
        self.learnt: list[JsonObject] = []
        self._engine = engine
        self._shared = SharedFlow(run, worker_id, lambda: self.flow, self.learnt.append, engine.clock)

    async def begin(self) -> "Told":
        async with self._engine.database.write() as tx:
            await self._shared.begin(tx)
        return self

    async def tell(self, **changed: Any) -> None:
        self.flow = {**self.flow, **changed}
        async with self._engine.database.write() as tx:
            await self._shared.save(tx)


async def two_workers(engine: Engine) -> tuple[Run, Told, Told]:
    run = await inline_run(engine, lines([row_of(0)]))
    first, second = [await Told(engine, run, number, flow_of()).begin() for number in (1, 2)]
    return run, first, second


async def shown(engine: Engine, run: Run) -> dict[str, Any]:
    return dict((await read_run(engine, run)).flow or {})


async def test_what_is_under_way_is_added_up(engine: Engine) -> None:
    run, first, second = await two_workers(engine)
    await first.tell(in_flight=20)
    await second.tell(in_flight=7, paused_until=2000.0, paused_s=2.5)

    flow = await shown(engine, run)
    assert (flow["in_flight"], flow["waiting"], flow["concurrency"], flow["episodes"]) == (27, 6, 40, 2)
    assert (flow["max_concurrency"], flow["paused_until"], flow["paused_s"]) == (40, 2000.0, 2.5)
    assert not flow["limit_reached"]
    await second.tell(in_flight=20)
    assert (await shown(engine, run))["limit_reached"]


async def test_retries_are_added_and_stay_when_their_worker_is_dead(engine: Engine) -> None:
    run, first, second = await two_workers(engine)
    for retries in ({"timeout": 1}, {"timeout": 3}, {"timeout": 3}):
        await first.tell(retries=retries, in_flight=5)
    await second.tell(retries={"timeout": 1, "rate_limit": 2})
    assert (await shown(engine, run))["retries"] == {"timeout": 4, "rate_limit": 2}

    async with engine.database.write() as tx:
        await tx.execute(text("UPDATE run_flows SET held_until = now() - interval '1 ms' WHERE worker_id = 1"))
    await second.tell()
    flow = await shown(engine, run)
    assert (flow["retries"], flow["in_flight"]) == ({"timeout": 4, "rate_limit": 2}, 0)
    # Whoever takes a part of the run up later begins with what is known.
    third = await Told(engine, run, 3, flow_of(retries=flow["retries"])).begin()
    await third.tell(retries={"timeout": 5, "rate_limit": 2})
    assert (await shown(engine, run))["retries"] == {"timeout": 5, "rate_limit": 2}


async def test_an_outage_of_one_is_shown_until_all_have_heard_and_recorded_once(engine: Engine) -> None:
    run, first, second = await two_workers(engine)
    for worker, told in (
        (first, None),
        (second, UNREACHABLE),
        (first, {**UNREACHABLE, "since": 999.0}),
        (second, None),
    ):
        await worker.tell(unreachable=told)
    assert (await shown(engine, run))["unreachable"] == {**UNREACHABLE, "since": 999.0}
    await first.tell(unreachable=None)
    assert (await shown(engine, run))["unreachable"] is None

    async with engine.database.read() as tx:
        events = (await read_history(tx, run.scope, run.key)).events
    assert [event.type for event in events if event.type != "started"] == ["unreachable", "reachable"]


async def test_all_learn_that_one_was_answered(engine: Engine) -> None:
    _run, first, second = await two_workers(engine)
    await first.tell(answered=True)
    await second.tell()

    assert second.learnt[-1]["answered"] is True
