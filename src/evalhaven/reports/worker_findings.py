"""What is to be said of workers and what waits for them, in sentences: for `doctor`, pages and probes."""

from collections.abc import Iterable, Sequence

from evalhaven.wire.server import PartFinding
from evalhaven.wire.workers import RunQueue, WorkerOverview

_START_ONE = (
    "Start one with `evalhaven worker`, which needs the server's EVALHAVEN_DATABASE_URL, EVALHAVEN_SHARED_DIR and "
    "endpoints"
)
_MOST_NAMES = 5


def worker_findings(
    release: str, workers: Sequence[WorkerOverview], runs: Sequence[RunQueue], *, is_shared: bool
) -> list[PartFinding]:
    """Return what is to be said.

    Args:
        release: That of who asks.
        workers: All workers.
        runs: The runs under way.
        is_shared: Whether any number of workers share runs.
    """
    live = [worker for worker in workers if worker.state == "live"]
    if not is_shared:
        name = live[0].name if live else ""
        text = f"the server's own executor ({name}) executes all runs" if live else "the server's executor is not up"
        return [_note(f"Workers: {text}.")]
    found = [_note(f"Workers: {len(live)} at work ({_names(live)}).")] if live else []
    found += [
        _problem(
            f"The worker {worker.name} has been silent for {worker.silent_s:.0f} s. What it executed goes to others; "
            "see whether its machine is up and reaches the database."
        )
        for worker in workers
        if worker.state == "silent"
    ]
    if not live:
        found.append(_nobody(runs))
    found += _newer_runs(release, runs)
    releases = sorted({worker.release for worker in live} | {release})
    if live and len(releases) > 1:
        others = _names([worker for worker in live if worker.release != release])
        found.append(
            _note(
                f"Releases differ: {', '.join(releases)}; this one is {release}, and {others} "
                "is of another. That is meant for the time of an upgrade: bring all to one release."
            )
        )
    return found


def waiting_note(runs: Sequence[RunQueue]) -> str:
    """Return the sentence about runs that wait while no worker is there; "" if none does."""
    waiting = [run for run in runs if run.waits_for == "worker"]
    if not waiting:
        return ""
    longest_s = max((run.waiting_s or 0.0 for run in waiting), default=0.0)
    who = "1 run waits" if len(waiting) == 1 else f"{len(waiting)} runs wait"
    return f"{who}, for {longest_s:.0f} s by now, and no worker is there."


def _nobody(runs: Sequence[RunQueue]) -> PartFinding:
    note = waiting_note(runs)
    if note:
        return _problem(f"{note} {_START_ONE}; or start the server without --no-worker.")
    return _note(f"Workers: none is there, and runs would wait. {_START_ONE}.")


def _newer_runs(release: str, runs: Iterable[RunQueue]) -> list[PartFinding]:
    ids = [run.run_id for run in runs if run.waits_for == "newer_worker"]
    if not ids:
        return []
    shown = ", ".join(ids[:_MOST_NAMES]) + (" …" if len(ids) > _MOST_NAMES else "")
    return [
        _problem(
            f"The workers at work are of an older release and do not know what {_count(len(ids))} under way uses "
            f"({shown}). It waits, and nothing is lost: upgrade a worker to the server's release, {release}."
        )
    ]


def _count(runs: int) -> str:
    return "a run" if runs == 1 else f"each of {runs} runs"


def _names(workers: Sequence[WorkerOverview]) -> str:
    names = [worker.name for worker in workers]
    return ", ".join(names[:_MOST_NAMES]) + (" …" if len(names) > _MOST_NAMES else "")


def _note(text: str) -> PartFinding:
    return PartFinding(text=text, is_problem=False)


def _problem(text: str) -> PartFinding:
    return PartFinding(text=text, is_problem=True)
