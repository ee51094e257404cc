"""A run survives SIGKILL of its server, or of the executor alone, at any time, and counts every item once.

Nothing in the product is made to help the test to hit a phase. The test opens the database itself and takes the write
lock at a moment when the run is in the wanted phase; with SQLite it asks to go first, as a server does. The executor
can commit nothing until the lock is released, and the kill comes before that. What is stored afterwards says whether
the kill hit the phase.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path

import psutil
import pytest

from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import PATIENCE_S, Client, item_rows, wait_until, write_rows
from tests.system.inside import executor_of, executors_of
from tests.system.watch import RunState, Watch, has_open, watch_of

_EXECUTOR_KILLS_GAP = (300, 900)
_LONGEST_BATCH = 2 * 256  # stored between two looks
# The kernel kills an executor with its server, but one that waits for the disk ends when the disk answers; a new
# server waits this long for the lock.
_GONE_WITHIN_S = 5.0
_EXTRA_RUNS = 60


class Victim(StrEnum):
    """Which process is killed; the executor dies with its server, but not the other way round."""

    SERVER = "server"
    EXECUTOR = "executor"


class Phase(Enum):
    """How far a run has come; the value is its name in a report."""

    VALIDATING = "row validation"
    PLANNING = "planning"
    STORING = "storing items"
    ENDING = "before the final status"

    def holds(self, state: RunState) -> bool:
        """Tell from what is stored whether a run is in this phase."""
        if state.status != "in_progress":
            return False
        if state.items_planned is None:
            # Planning that was cut short by a kill leaves its chunks until the rows have been validated again.
            return self is Phase.VALIDATING or (self is Phase.PLANNING and state.chunks > 0)
        is_all_stored = state.counted == state.items_planned
        return self is (Phase.ENDING if is_all_stored else Phase.STORING)

    def is_over(self, state: RunState) -> bool:
        """Tell whether a run is past this phase."""
        if self in (Phase.VALIDATING, Phase.PLANNING):
            return state.items_planned is not None
        return state.status not in ("queued", "in_progress")


@dataclass
class Killer:
    """Kills the processes of one server, and keeps the score."""

    server: Server
    client: Client
    watch: Watch
    blob: Path
    eval_id: str
    file_id: str
    chance: random.Random
    hits: Counter[tuple[Phase, Victim]] = field(default_factory=Counter[tuple[Phase, Victim]])
    slowest_end_s: float = 0.0
    run_id: str = ""
    run_key: int = 0

    def start_run(self) -> None:
        """Start a run over the file; the next kills will hit it."""
        self.run_id = self.client.start_run(self.eval_id, self.file_id)
        self.run_key = self.watch.run_key(self.run_id)

    @property
    def phases(self) -> Sequence[Phase]:
        """The phases that there are: where workers share runs, the last item and the final status come together."""
        is_shared = self.server.database_url is not None
        return [phase for phase in Phase if not (is_shared and phase is Phase.ENDING)]

    @property
    def state(self) -> RunState:
        return self.watch.run_state(self.run_key)

    def hit(self, phase: Phase, victim: Victim) -> bool:
        """Kill in a phase and bring everything back; False: the run went past the phase unseen."""
        if not self._lock_in(phase):
            return False
        try:
            # Somewhere in the phase, not just at its first moment; the lock keeps the run from leaving it.
            time.sleep(self.chance.uniform(0.0, 0.1))
            self._kill(victim)
        finally:
            self.watch.unlock()
        self._score(phase, victim)
        self._revive(victim)
        return True

    def hit_once(self, phase: Phase, victim: Victim) -> bool:
        """Kill in any phase; while items are being stored, after only a few new ones."""
        if phase is Phase.ENDING:
            return self.hit_at_the_end([victim])
        if phase is Phase.STORING:
            wait_until(lambda: self.state.counted or phase.is_over(self.state), "the first items are stored")
            return self.hit_between_items(victim, SIZES.kill_gap_min)
        return self.hit(phase, victim)

    def hit_at_the_end(self, victims: list[Victim]) -> bool:
        """Kill again and again between the last item and the final status; False: the run ended unseen."""
        if not self._lock_in(Phase.ENDING):
            return False
        try:
            for victim in victims:
                # With the lock held throughout, each new executor gets as far as trying to end the run.
                executor_of(self.server)
                time.sleep(self.chance.uniform(0.0, 0.3))
                self._kill(victim)
                assert self.watch.count_items(self.run_key) == self.state.items_planned
                self._score(Phase.ENDING, victim)
                self._revive(victim)
        finally:
            self.watch.unlock()
        return True

    def hit_between_items(self, victim: Victim, gap: int) -> bool:
        """Kill after so many newly stored items, at any moment; False: too few items were left for it.

        Nothing is locked here: the kill comes between two transactions or within one.
        """
        # A run that was killed during planning has to be planned first.
        wait_until(lambda: self.state.items_planned is not None, "the run is planned", pause_s=0.001)
        before = self.state.counted
        wait_until(
            lambda: self.state.counted >= before + gap or not Phase.STORING.holds(self.state),
            f"{gap} items are stored after {before}",
            pause_s=0.001,
        )
        time.sleep(self.chance.uniform(0.0, 0.01))
        self._kill(victim)
        state = self.state
        is_hit = Phase.STORING.holds(state)
        if is_hit:
            assert state.counted >= before + gap
            assert state.counted == self.watch.count_items(self.run_key)
            self._score(Phase.STORING, victim)
        self._revive(victim)
        return is_hit

    def _score(self, phase: Phase, victim: Victim) -> None:
        # The killed process is gone: its successor starts from this.
        assert phase.holds(self.state), f"{victim} was not killed during {phase.value}: {self.state}"
        self.hits[phase, victim] += 1

    def _lock_in(self, phase: Phase) -> bool:
        """Take the write lock while the run is in a phase and the executor works on it; False: it is over."""
        if phase in (Phase.VALIDATING, Phase.PLANNING):
            # Only an executor that reads the file validates it: a new one must get that far first.
            wait_until(lambda: self._reads_file() or phase.is_over(self.state), f"{phase.value} begins")
        if phase is Phase.PLANNING:
            # There is but a moment between the transactions of a plan.
            with self.watch.asking_to_write():
                return self._step_to(phase)
        return self._step_to(phase)

    def _step_to(self, phase: Phase) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            version = self.watch.version()
            if self.watch.try_to_lock():
                state = self.state
                # The chunks of an interrupted plan remain while the rows are validated again.
                if phase.holds(state) and not (phase is Phase.PLANNING and self._reads_file()):
                    return True
                self.watch.unlock()
                if phase.is_over(state):
                    return False
            # Single-steps the executor: each transaction is looked at as soon as it is committed.
            looked = time.monotonic()
            while self.watch.version() == version and time.monotonic() < looked + 0.01:
                pass
        raise AssertionError(f"the run never came to {phase.value}: {self.state}")

    def _reads_file(self) -> bool:
        return any(has_open(process, self.blob) for process in executors_of(self.server.data_dir))

    def _kill(self, victim: Victim) -> None:
        if victim is Victim.EXECUTOR:
            for process in executors_of(self.server.data_dir):
                process.kill()
                psutil.wait_procs([process], timeout=_GONE_WITHIN_S)
            return
        self.server.kill()
        no_executor = lambda: not executors_of(self.server.data_dir)  # noqa: E731
        took_s = wait_until(no_executor, "the executor is gone", _GONE_WITHIN_S)
        self.slowest_end_s = max(self.slowest_end_s, took_s)

    def _revive(self, victim: Victim) -> None:
        if victim is Victim.SERVER:
            self.server.restart()
        else:
            assert self.server.process.poll() is None
            executor_of(self.server)


@pytest.fixture
def killer(server: Server, client: Client, tmp_path: Path) -> Iterator[Killer]:
    path = write_rows(tmp_path / "rows.jsonl", item_rows(SIZES.kill_items))
    file_id = client.upload_path(path)
    with watch_of(server) as watch:
        blob = server.data_dir / "blobs" / "1" / file_id
        yield Killer(server, client, watch, blob, client.create_eval(), file_id, random.Random(SEED))


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_at_every_stage_stores_and_counts_each_item_once(killer: Killer, say: Say) -> None:
    started = time.monotonic()
    each_phase = [Victim.SERVER] * SIZES.phase_kills + [Victim.EXECUTOR] * SIZES.executor_kills
    missed: Counter[tuple[Phase, Victim]] = Counter()
    killer.start_run()
    for phase in (Phase.VALIDATING, Phase.PLANNING):
        for victim in each_phase:
            missed[phase, victim] += not killer.hit(phase, victim)
    for victim, gap in _kills_between_items(killer.chance):
        missed[Phase.STORING, victim] += not killer.hit_between_items(victim, gap)
    if Phase.ENDING in killer.phases and not killer.hit_at_the_end(each_phase):
        missed.update((Phase.ENDING, victim) for victim in each_phase)
    runs = [(killer.run_id, killer.run_key)]
    runs += _make_up_for(missed, killer)

    for run_id, run_key in runs:
        _assert_complete(killer, run_id, run_key)
    wanted = Counter({(phase, victim): n for phase in killer.phases for victim, n in Counter(each_phase).items()})
    wanted[Phase.STORING, Victim.SERVER] = SIZES.kills
    assert killer.hits == wanted
    score = ", ".join(
        f"{victim} during {phase.value} {n}" for (phase, victim), n in sorted(killer.hits.items(), key=str)
    )
    say(f"seed {SEED}: {SIZES.kill_items:,} items, killed: {score}; {len(runs)} run(s)")
    say(f"executor gone at most {killer.slowest_end_s:.2f} s after its server; {time.monotonic() - started:.0f} s")


def _kills_between_items(chance: random.Random) -> list[tuple[Victim, int]]:
    """Return which process to kill after how many new items, leaving some items after the last kill."""
    while True:
        kills = [(Victim.SERVER, chance.randint(SIZES.kill_gap_min, SIZES.kill_gap_max)) for _ in range(SIZES.kills)]
        kills += [(Victim.EXECUTOR, chance.randint(*_EXECUTOR_KILLS_GAP)) for _ in range(SIZES.executor_kills)]
        if sum(gap + _LONGEST_BATCH for _, gap in kills) < SIZES.kill_items:
            chance.shuffle(kills)
            return kills


def _make_up_for(missed: Counter[tuple[Phase, Victim]], killer: Killer) -> Iterator[tuple[str, int]]:
    """Use further runs to hit the phases that the first went past unseen, as short ones may on a busy machine."""
    for _ in range(_EXTRA_RUNS):
        if not any(missed.values()):
            return
        killer.start_run()
        for phase, victim in list((+missed).elements()):
            missed[phase, victim] -= killer.hit_once(phase, victim)
        killer.client.wait_for_end(killer.eval_id, killer.run_id)
        yield killer.run_id, killer.run_key
    raise AssertionError(f"never seen in {_EXTRA_RUNS} runs: {+missed}")


def _assert_complete(killer: Killer, run_id: str, run_key: int) -> None:
    run = killer.client.wait_for_end(killer.eval_id, run_id)
    assert run["status"] == "completed", run
    items = list(item_rows(SIZES.kill_items))
    recount = killer.watch.recount(run_key)
    assert recount.positions == set(range(SIZES.kill_items))
    counts = run["result_counts"]
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    assert counts["total"] == SIZES.kill_items
    per_criterion = run["per_testing_criteria_results"]
    assert [[each["passed"], each["failed"], each["errored"]] for each in per_criterion] == recount.criteria
    assert run["evalhaven"]["unresolved"] == recount.unresolved == sum("note" not in item for item in items)
    assert recount.statuses[0] == sum(item["answer"] == "yes" and "note" in item for item in items)
    assert killer.watch.rows("SELECT type FROM events WHERE object_id = ?", run_id) == [("eval.run.succeeded",)]
    chunks = "SELECT count(*), sum(row_count), sum(CASE WHEN is_done THEN 1 END) FROM chunks WHERE run_key = ?"
    [(count, planned, done)] = killer.watch.rows(chunks, run_key)
    assert (count, planned) == (done, SIZES.kill_items)
