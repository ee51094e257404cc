"""One run, spread over sampling processes: which of them has which chunks, and what becomes of their items."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import assert_never

import anyio
from anyio.abc import TaskGroup

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Chunk
from evalhaven.domain.samples import ItemError
from evalhaven.domain.spending import Spending
from evalhaven.runs.engine import RunStoppedError
from evalhaven.runs.evaluating.guard import Happened, RunGuard
from evalhaven.runs.executing.call_events import CallEvents
from evalhaven.runs.executing.deaths import DEATHS_AT_MOST, deadly_error, record_death
from evalhaven.runs.executing.feeds import ChunkFeed
from evalhaven.runs.executing.opening import OpenRun
from evalhaven.runs.executing.shared.flows import merge_flows
from evalhaven.runs.executing.spread.member import Member
from evalhaven.runs.executing.spread.messages import (
    ChunkGiven,
    FlowKnown,
    FlowTold,
    ItemsFinished,
    ItemsStored,
    NoMoreChunks,
    OfPart,
    PartEnded,
    PartKey,
    PartOpened,
    RoomLeft,
    RunStopped,
)
from evalhaven.runs.executing.turn import Turn
from evalhaven.runs.executing.writing import RunWriter
from evalhaven.sampling.calls.failure_watch import Calls
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.output_item_writes import StoredBeforeError
from evalhaven.storage.run_writes import save_flow

_FLOW_S = 0.5
_LAST_FLOW_S = 2.0
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Samplers:
    """The sampling processes, as a run sees them.

    Attributes:
        members: Those that are up.
        count_runs: Returns in how many runs one takes part.
        next_number: Returns a number for a new part of a run.
    """

    members: Sequence[Member]
    count_runs: Callable[[Member], int]
    next_number: Callable[[], int]


class _Part:
    """What one sampling process has of the run."""

    def __init__(self, key: PartKey) -> None:
        self.key = key
        self.chunks: dict[int, Chunk] = {}
        self.has_told_flow = False
        self._untold_cost, self._untold_tokens = 0.0, 0
        self._storing = 0
        self._is_idle = anyio.Event()

    def note_told(self, happened: Happened) -> None:
        self._untold_cost -= happened.cost
        self._untold_tokens -= happened.tokens

    def note_stored(self, spent: Spending) -> None:
        self._untold_cost += spent.priced_cost
        self._untold_tokens += spent.tokens

    @property
    def untold(self) -> Happened:
        """What its stored items cost beyond what it has told; after its end it tells nothing."""
        return Happened([], max(0.0, self._untold_cost), max(0, self._untold_tokens))

    def begin_storing(self) -> None:
        self._storing += 1

    def end_storing(self) -> None:
        self._storing -= 1
        self._is_idle.set()

    async def wait_until_stored(self) -> None:
        while self._storing:
            self._is_idle = anyio.Event()
            await self._is_idle.wait()


class SpreadRun:
    """Hands the chunks of one run to sampling processes, and stores what comes back."""

    def __init__(
        self, opened: OpenRun, feed: ChunkFeed, stop_requested: anyio.Event, guard: RunGuard, samplers: Samplers
    ) -> None:
        """Hand out nothing yet.

        Args:
            opened: The run.
            feed: Where its chunks come from.
            stop_requested: Set when the run was canceled or deleted, or its guard has a verdict.
            guard: Gets the verdict that a sampling process came to.
            samplers: The sampling processes.
        """
        self._engine = opened.engine
        self._opened = opened
        self.run = opened.run
        self._feed = feed
        self._stop_requested = stop_requested
        self._guard = guard
        self._samplers = samplers
        self._turn = Turn(opened.engine, stop_requested)
        self._writer = RunWriter(opened.engine, opened.run, opened.evaluator.criteria_count)
        self._line: deque[Chunk] = deque()
        self._last: deque[Chunk] = deque()  # of dead processes: whatever killed them comes after all others
        self._is_read = False
        self._parts: dict[Member, _Part] = {}
        self._with_room: deque[Member] = deque()
        self._changed = anyio.Event()
        self._error: Exception | None = None
        spent = opened.run.tally.spending
        self._known = Happened([], spent.priced_cost, spent.tokens)
        self._rests_until = 0.0
        self._flow = opened.run.flow
        self._flows: dict[Member, JsonObject] = {}
        self._flow_changed = anyio.Event()
        self._call_events = CallEvents(opened.run.flow)
        self._happened: list[RunEvent] = []
        self._tasks: TaskGroup | None = None

    async def run_chunks(self) -> None:
        """Have the pending chunks evaluated, in order, and store their items.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile, or its guard has a verdict.
        """
        try:
            async with anyio.create_task_group() as self._tasks:
                self._tasks.start_soon(self._watch_stop)
                if self._opened.callers:
                    self._tasks.start_soon(self._save_flow_regularly)
                await self._hand_out()
                await self._end_parts()
                self._tasks.cancel_scope.cancel()
        finally:
            if self._opened.callers:
                with anyio.move_on_after(_LAST_FLOW_S, shield=True):
                    await self._save_flow()
        if self._error is not None:
            raise self._error
        if self._stop_requested.is_set():
            raise RunStoppedError

    def note_change(self) -> None:
        """Look again at who can be given a chunk."""
        self._changed.set()

    def has_part(self, member: Member) -> bool:
        """Tell whether a process takes part in the run."""
        return member in self._parts

    def share(self, member: Member, key: PartKey, happened: Happened) -> Happened:
        """Take what happened to calls of a part at one process; return what happened to those of all."""
        part = self._parts.get(member)
        if part is not None and part.key == key:  # else it has ended, and what it had not told was counted then
            part.note_told(happened)
            self._add_happened(happened)
        return self._known

    def _add_happened(self, happened: Happened) -> None:
        before = self._known
        calls = [each.after(earlier) for each, earlier in zip_longest(happened.calls, before.calls, fillvalue=Calls())]
        self._known = Happened(calls, before.cost + happened.cost, before.tokens + happened.tokens)
        if self._guard.month is not None:
            self._guard.month.spend(happened.cost)

    def take(self, member: Member, message: OfPart) -> bool:
        """Take a message of a sampling process about a part of this run; False: it has no such part."""
        part = self._parts.get(member)
        if part is None or part.key != message.key or self._tasks is None:
            return False
        match message:
            case RoomLeft():
                self._with_room.append(member)
            case ItemsFinished():
                part.begin_storing()
                self._tasks.start_soon(self._store, member, part, message)
            case FlowTold():
                self._note_flow(member, part, message.flow)
            case PartEnded():
                self._tasks.start_soon(self._end_part, member, part, message.failure)
            case _:
                assert_never(message)
        self.note_change()
        return True

    def lose(self, member: Member) -> None:
        """Take note that a sampling process is dead."""
        part = self._parts.get(member)
        if part is not None and self._tasks is not None:
            self._tasks.start_soon(self._bury, member, part)

    async def _watch_stop(self) -> None:
        await self._stop_requested.wait()
        self.note_change()

    async def _hand_out(self) -> None:
        """Return when all chunks are done, or the run is to stop."""
        while not self._stop_requested.is_set():
            self._changed = anyio.Event()
            if not self._line and not self._is_read:
                self._line.extend(await self._feed.next_chunks())
                self._is_read = not self._line
            elif not self._line and not self._last and not any(part.chunks for part in self._parts.values()):
                return
            elif not await self._give_chunk():
                with anyio.move_on_after(_PAUSE_S):
                    await self._changed.wait()

    async def _give_chunk(self) -> bool:
        """Give the next chunk to a process that has room; return whether it makes sense to try again at once."""
        line = self._line or self._last
        if not line or anyio.current_time() < self._rests_until or not self._can_give():
            return False
        if not await self._turn.has_come(self.run):
            await self._turn.pause()
            return True
        member = self._find_member()
        if member is not None:
            chunk = line.popleft()
            part = self._parts.get(member)
            if part is None:
                part = self._parts[member] = _Part(PartKey(self.run.key, self._samplers.next_number()))
                member.send(PartOpened(part.key, self.run.scope))
            part.chunks[chunk.number] = chunk
            member.send(ChunkGiven(part.key, chunk))
        return True

    def _can_give(self) -> bool:
        return bool(self._with_room) or any(member not in self._parts for member in self._samplers.members)

    def _find_member(self) -> Member | None:
        """Return a process that has room: one that takes no part yet, if there is any."""
        new = [member for member in self._samplers.members if member not in self._parts]
        if new:
            return min(new, key=self._samplers.count_runs)
        return self._with_room.popleft() if self._with_room else None

    async def _store(self, member: Member, part: _Part, sent: ItemsFinished) -> None:
        answer = ItemsStored(part.key, None)
        try:
            stored = await self._writer.store(sent.finished, sent.finished_chunks)
        except StoredBeforeError:
            answer = ItemsStored(part.key, None, needs_items=True)
        except Exception as error:
            self._fail(error)
        else:
            answer = ItemsStored(part.key, stored)
            if stored is None:
                self._stop_requested.set()
            else:
                part.note_stored(stored.part.spending)
                for number in sent.finished_chunks:
                    part.chunks.pop(number, None)
        finally:
            part.end_storing()
        member.send(answer)
        self.note_change()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._stop_requested.set()

    async def _end_part(self, member: Member, part: _Part, failure: ItemError | None) -> None:
        """Take back what a process did not finish."""
        await part.wait_until_stored()
        self._add_happened(part.untold)
        if failure is not None:
            self._guard.end(failure)
        if part.chunks:
            # The database may be away: there is no point in hurry.
            self._rests_until = anyio.current_time() + _PAUSE_S
            self._line.extendleft(reversed(part.chunks.values()))
        self._remove(member)

    async def _bury(self, member: Member, part: _Part) -> None:
        """Take back what a dead process did not finish, and count its death."""
        await part.wait_until_stored()
        self._flows.pop(member, None)
        self._add_happened(part.untold)
        if part.chunks and not self._stop_requested.is_set():
            try:
                deaths = await self._engine.patience.persist(
                    partial(record_death, self._engine, self.run, of_sampler=True)
                )
            except Exception as error:
                self._fail(error)
            else:
                if deaths >= DEATHS_AT_MOST:
                    self._guard.end(deadly_error(self.run, deaths))
            self._turn = Turn(self._engine, self._stop_requested)
            self._last.extend(part.chunks.values())
        self._remove(member)

    def _remove(self, member: Member) -> None:
        self._parts.pop(member, None)
        self._with_room = deque(other for other in self._with_room if other is not member)
        self.note_change()

    async def _end_parts(self) -> None:
        """Return once no process has anything of the run any more."""
        has_told_stop = False
        for member, part in self._parts.items():
            member.send(NoMoreChunks(part.key))
        while self._parts:
            self._changed = anyio.Event()
            if self._stop_requested.is_set() and not has_told_stop:
                has_told_stop = True
                for member, part in self._parts.items():
                    member.send(RunStopped(part.key))
            await self._changed.wait()

    def _note_flow(self, member: Member, part: _Part, flow: JsonObject) -> None:
        if part.has_told_flow:
            others = [told for other, told in self._flows.items() if other is not member]
            self._flow = merge_flows(self._flow, self._flows.get(member, flow), flow, others)
            self._flow_changed.set()
        # What a process tells first is what it begins with.
        part.has_told_flow = True
        self._flows[member] = flow

    async def _save_flow_regularly(self) -> None:
        while True:
            await self._flow_changed.wait()
            self._flow_changed = anyio.Event()
            await self._save_flow()
            await anyio.sleep(_FLOW_S)

    async def _save_flow(self) -> None:
        """Store how calls go, unless the database is away: what stores items waits for it already."""
        engine, run = self._engine, self.run
        flow = {**(self._flow or self._opened.flow), **self._opened.isolation}
        self._happened += self._call_events.since_last(flow, engine.clock.now())
        try:
            async with engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, flow, self._happened)
            self._happened = []
        except Exception as error:
            if not is_unavailable(error):
                raise
        if len(self._parts) > 1:
            for member, part in self._parts.items():
                member.send(FlowKnown(part.key, flow))
