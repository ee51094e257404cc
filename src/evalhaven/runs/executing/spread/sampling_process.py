"""A sampling process: evaluates the chunks that its executor gives it, of all runs, until the executor is gone."""

import asyncio
from collections.abc import Mapping
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.limits import SharedLimit
from evalhaven.runs.executing.spread.asking import SlotAsker
from evalhaven.runs.executing.spread.channel import Channel
from evalhaven.runs.executing.spread.messages import (
    ChunkGiven,
    FlowKnown,
    ItemsStored,
    LimitUse,
    MetersChanged,
    NoMoreChunks,
    PartKey,
    PartOpened,
    Ready,
    RunStopped,
    SlotsAsked,
    SlotsLent,
    ToPart,
    ToSampler,
)
from evalhaven.runs.executing.spread.part import RunPart, Surroundings

_REPORTS_APART_S = 1.0


class SamplingProcess:
    """Does what its executor says."""

    def __init__(self, engine: Engine, channel: Channel, processes: int) -> None:
        """Do nothing yet.

        Args:
            engine: What runs are executed with; its database is read only.
            channel: To the executor.
            processes: How many sampling processes it has.
        """
        self._engine = engine
        self._channel = channel
        self._around = Surroundings(processes, channel.send, self._tell_room, self.want_slots)
        self._parts: dict[PartKey, RunPart] = {}
        self._asker = SlotAsker(engine.caller, self._run_limits, self._ask_for_slots)
        self._lent: asyncio.Future[SlotsLent] | None = None

    def want_slots(self) -> None:
        """Ask for slots now: a call waits for one."""
        self._asker.wake()

    async def serve(self) -> None:
        """Evaluate until the executor is gone."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._asker.serve)
            tasks.start_soon(self._report_meters)
            self._channel.send(Ready())
            while (message := await self._channel.receive()) is not None:
                self._take(message, tasks)
            tasks.cancel_scope.cancel()

    async def _report_meters(self) -> None:
        while True:
            await anyio.sleep(_REPORTS_APART_S)
            if changes := self._engine.board.changes():
                self._channel.send(MetersChanged(changes))

    def _take(self, message: ToSampler, tasks: TaskGroup) -> None:
        match message:
            case PartOpened():
                part = self._parts[message.key] = RunPart(self._engine, message.scope, message.key, self._around)
                tasks.start_soon(self._serve_part, message.key, part)
            case SlotsLent():
                if self._lent is not None and not self._lent.done():
                    self._lent.set_result(message)
            case _:
                # What is said about a part that has ended crossed its last message.
                if (part := self._parts.get(message.key)) is not None:
                    _tell(part, message, tasks)

    async def _serve_part(self, key: PartKey, part: RunPart) -> None:
        try:
            await part.serve()
        finally:
            del self._parts[key]

    def _tell_room(self) -> None:
        for part in self._parts.values():
            part.tell_room()

    def _run_limits(self) -> dict[str, SharedLimit]:
        limits: dict[str, SharedLimit] = {}
        for part in self._parts.values():
            for name, limit in part.limits.items():
                # That of a month is the same one for all runs of its project, and some may want it more than others.
                if name not in limits or limit.wanted > limits[name].wanted:
                    limits[name] = limit
        return limits

    async def _ask_for_slots(self, limits: Mapping[str, LimitUse]) -> Mapping[str, int]:
        self._lent = asyncio.get_running_loop().create_future()
        taken = {key: part.take_happened() for key, part in self._parts.items()}
        self._channel.send(SlotsAsked(limits, {key: each for key, each in taken.items() if each is not None}))
        lent = await self._lent
        for key, known in lent.known.items():
            if (part := self._parts.get(key)) is not None:
                part.learn_happened(known)
        for budget in self._engine.months:
            if (cost := lent.months.get(budget.scope)) is not None:
                budget.learn(cost)
        return lent.slots


def _tell(part: RunPart, message: ToPart, tasks: TaskGroup) -> None:
    match message:
        case ChunkGiven():
            part.give(message.chunk, tasks)
        case ItemsStored():
            part.note_stored(message)
        case FlowKnown():
            part.learn(message.flow)
        case NoMoreChunks():
            part.close()
        case RunStopped():
            part.stop()
        case _:
            assert_never(message)
