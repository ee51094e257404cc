"""Graders asked for one sample through the API's grader endpoints: executed here, with everything runs grade with."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import anyio
import structlog
from anyio.abc import TaskGroup

from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.run_options import DEFAULT_OPTIONS
from evalhaven.domain.samples import ItemError, sample_namespace
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.spending import NO_SPENDING
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.registry import as_criterion, open_graders
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.evaluating.judging import RunJudges
from evalhaven.runs.executing.looks import IDLE_LOOK_S, LOOK_AGAIN_S
from evalhaven.runs.sources.source_file import DAMAGED
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.sampling.protocols.requests import UnsupportedRequestError
from evalhaven.storage.access.limits import add_month_cost
from evalhaven.storage.grader_calls import (
    GraderAnswer,
    GraderCall,
    list_known_calls,
    list_waiting_calls,
    save_grader_answer,
)
from evalhaven.wire.grader_endpoints import RunGraderRequest
from evalhaven.wire.requests import parse_request

CALLS_AT_ONCE = 32


class GraderCalls:
    """Answers the requests that the API leaves in the database; a kill loses none for which a client still waits."""

    def __init__(self, engine: Engine, claim: Callable[[], Awaitable[list[GraderCall]]] | None = None) -> None:
        """Answer nothing yet.

        Args:
            engine: What graders are executed with.
            claim: Returns the requests that this process answers, those under way included; None: all that wait.
        """
        self._engine = engine
        self._claim = claim or self._list_waiting
        self._under_way: dict[int, anyio.CancelScope] = {}
        self._wake = anyio.Event()
        self._log = structlog.get_logger("evalhaven.graders")

    @property
    def under_way(self) -> int:
        """Return how many are being answered."""
        return len(self._under_way)

    def wake(self) -> None:
        """Look now: a request has arrived."""
        self._wake.set()

    async def answer_forever(self) -> None:
        """Work until canceled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                await self._engine.patience.persist(lambda: self._look(tasks))
                # Those under way are dropped soon after their clients have gone; of a new one there is a wake-up.
                with anyio.move_on_after(LOOK_AGAIN_S if self._under_way else IDLE_LOOK_S):
                    await self._wake.wait()

    async def _look(self, tasks: TaskGroup) -> None:
        """Begin waiting requests, and drop those whose client has gone."""
        waiting = await self._claim()
        under_way = list(self._under_way)
        known = set[int]()
        if under_way:
            known = await self._engine.database.fetch(lambda tx: list_known_calls(tx, EngineScope(), under_way))
        for key in self._under_way.keys() - known:
            self._under_way[key].cancel()
        for call in waiting:
            if call.key not in self._under_way and len(self._under_way) < CALLS_AT_ONCE:
                self._under_way[call.key] = anyio.CancelScope()
                tasks.start_soon(self._answer, call)

    async def _list_waiting(self) -> list[GraderCall]:
        return await self._engine.database.fetch(lambda tx: list_waiting_calls(tx, EngineScope(), CALLS_AT_ONCE))

    async def _answer(self, call: GraderCall) -> None:
        try:
            with self._under_way[call.key]:
                guard = RunGuard(None, NO_SPENDING, anyio.Event())
                answer = await self._grade(call, guard)

                async def save() -> None:
                    async with self._engine.database.write() as tx:
                        is_first = await save_grader_answer(tx, call.scope, call.key, answer)
                        if is_first and guard.cost:
                            await add_month_cost(tx, call.scope, self._engine.clock.now(), guard.cost)

                await self._engine.patience.persist(save)
        finally:
            del self._under_way[call.key]
        self._wake.set()

    async def _grade(self, call: GraderCall, guard: RunGuard) -> GraderAnswer:
        began = time.monotonic()
        try:
            grade = await grade_once(self._engine, call.scope, call.request, guard)
        except (UnsupportedGraderError, UnsupportedRequestError) as error:
            return GraderAnswer(time.monotonic() - began, None, str(error))
        except UnknownModelError as error:
            return GraderAnswer(time.monotonic() - began, None, error.message)
        except DamagedFileError as error:
            grade = Grade(0.0, passed=False, error=ItemError(DAMAGED, error.message))
        except Exception:
            self._log.exception("grader_failed_unexpectedly")
            what = ItemError("internal_error", "The grader failed by an internal error; the server's log has details.")
            grade = Grade(0.0, passed=False, error=what)
        return GraderAnswer(time.monotonic() - began, grade)


async def grade_once(engine: Engine, scope: ProjectScope, request: JsonObject, guard: RunGuard) -> Grade:
    """Return the grade of one sample.

    Args:
        engine: What runs are executed with.
        scope: The project whose files a judge may see.
        request: As it reached the grader endpoint, with a name for the grader.
        guard: Told what its calls cost.

    Raises:
        UnsupportedGraderError: The grader cannot be executed here.
        UnknownModelError: No endpoint serves the grader's model.
        UnsupportedRequestError: The endpoint that serves the model cannot be asked this way.
    """
    judges = RunJudges(engine, scope, DEFAULT_OPTIONS, guard)
    asked = parse_request(RunGraderRequest, request).body
    criterion = as_criterion(asked.grader, asked.grader.name)
    facilities = replace(engine.facilities, open_judge=judges.open, watch=guard.watch_judge())
    async with open_graders([criterion], facilities) as (grader,):
        return await grader.grade(_namespaces(asked))


def _namespaces(asked: RunGraderRequest) -> Mapping[str, JsonValue]:
    said: JsonValue = {"role": "assistant", "content": asked.model_sample}
    return {"item": asked.item or {}, "sample": sample_namespace([said], "stop", "")}
