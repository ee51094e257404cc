"""The sampling processes of an executor: started, started again when they die, and told apart by run."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

import anyio
import anyio.to_thread
import structlog

from evalhaven.meters.board import Board
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.feeds import ChunkFeed
from evalhaven.runs.executing.opening import OpenRun
from evalhaven.runs.executing.spread.asking import SlotAsker
from evalhaven.runs.executing.spread.channel import Channel, open_channel
from evalhaven.runs.executing.spread.member import Member
from evalhaven.runs.executing.spread.messages import (
    FromSampler,
    ItemsStored,
    LimitUse,
    MetersChanged,
    Ready,
    RunStopped,
    SlotsAsked,
    SlotsLent,
)
from evalhaven.runs.executing.spread.slots import SlotTable
from evalhaven.runs.executing.spread.spreading import Samplers, SpreadRun
from evalhaven.runs.months import Months
from evalhaven.sampling.calls.caller import ModelCaller

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0
_HEALTHY_AFTER_S = 30.0
_MISSED_AFTER_S = 20.0

StartProcess = Callable[[socket.socket], "subprocess.Popen[Any]"]
"""Starts a sampling process that finds this end of a pair of sockets as its standard input."""


class Team:
    """All sampling processes of an executor."""

    def __init__(self, start: StartProcess, size: int, caller: ModelCaller, board: Board, months: Months) -> None:
        """Start nothing yet.

        Args:
            start: Starts one.
            size: How many there are.
            caller: The executor's own: graders asked directly call models, too.
            board: The executor's own, which learns what theirs show.
            months: What projects may spend in this month, all processes together.
        """
        self._months = months
        self._board = board
        self._start = start
        self.size = size
        self._slots = SlotTable(size)
        self._own = SlotAsker(caller, dict, self._lend_own)
        self._runs: dict[int, SpreadRun] = {}
        self._up_at = time.monotonic()
        self._members: list[Member] = []
        self._numbers = count()
        self._log = structlog.get_logger("evalhaven.samplers")

    def want_slots(self) -> None:
        """Get slots for a call of the executor itself."""
        self._own.wake()

    @property
    def problem(self) -> str:
        """Return why no items are evaluated; "" if they are, or soon will be."""
        if self._members or time.monotonic() - self._up_at < _MISSED_AFTER_S:
            return ""
        return f"None of the {self.size} processes that ask models is up; the log says why."

    def _count_runs(self, member: Member) -> int:
        return sum(run.has_part(member) for run in self._runs.values())

    async def execute(self, opened: OpenRun, feed: ChunkFeed, stop_requested: anyio.Event, guard: RunGuard) -> None:
        """Have the pending chunks of a run evaluated, and store their items.

        Args:
            opened: The run.
            feed: Where its chunks come from.
            stop_requested: Set when the run was canceled or deleted, or its guard has a verdict.
            guard: Gets the verdict that a sampling process came to.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile, or its guard has a verdict.
        """
        samplers = Samplers(self._members, self._count_runs, lambda: next(self._numbers))
        run = SpreadRun(opened, feed, stop_requested, guard, samplers)
        self._runs[opened.run.key] = run
        try:
            await run.run_chunks()
        finally:
            del self._runs[opened.run.key]

    async def serve(self) -> None:
        """Keep the processes alive until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._own.serve)
            for _ in range(self.size):
                tasks.start_soon(self._keep)

    async def _keep(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            code = await self._live_once()
            if time.monotonic() - started > _HEALTHY_AFTER_S:
                pause_s = _FIRST_PAUSE_S
            self._log.error("sampler_died", exit_code=code, restart_in_s=pause_s)
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _live_once(self) -> int:
        """Work with a new process until it is gone; return its exit status."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # From the main thread: the kernel's death signal follows the thread that forked.
        with theirs:
            process = self._start(theirs)
        self._log.info("sampler_started", pid=process.pid)
        try:
            async with open_channel(ours) as channel:
                await self._listen(channel)
        finally:
            process.kill()
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(process.wait)
        return process.returncode

    async def _listen(self, channel: Channel) -> None:
        member = Member(channel)
        try:
            while (message := await channel.receive()) is not None:
                self._take(member, message)
        finally:
            if member in self._members:
                self._members.remove(member)
                self._up_at = time.monotonic()
            self._slots.forget(member)
            self._board.forget(member)
            for run in self._runs.values():
                run.lose(member)

    def _take(self, member: Member, message: FromSampler) -> None:
        match message:
            case Ready():
                self._members.append(member)
                for run in self._runs.values():
                    run.note_change()
            case MetersChanged():
                self._board.learn(member, message.changes)
            case SlotsAsked():
                shared = {key: self._runs.get(key.run_key) for key in message.happened}
                known = {
                    key: run.share(member, key, message.happened[key]) for key, run in shared.items() if run is not None
                }
                months = {budget.scope: budget.known for budget in self._months}
                member.send(SlotsLent(self._slots.ask(member, message.limits), known, months))
            case _:
                run = self._runs.get(message.key.run_key)
                if run is None or not run.take(member, message):
                    member.send(RunStopped(message.key))
                    member.send(ItemsStored(message.key, None))

    async def _lend_own(self, limits: Mapping[str, LimitUse]) -> Mapping[str, int]:
        return self._slots.ask(self, limits)
