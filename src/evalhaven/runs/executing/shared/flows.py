"""How a run's calls go at all workers together: what is under way is added up, and an outage of one is an outage."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import Run
from evalhaven.runs.evaluating.sampler import known_retries
from evalhaven.runs.executing.call_events import CallEvents
from evalhaven.storage.queue.flows import hold_flow, lock_flows
from evalhaven.storage.run_writes import save_flow

LEASE_S = 5.0  # it is told every second
_SHOWN_CHANGES = 50
_SUMS = ("concurrency", "in_flight", "waiting", "episodes")
_GREATEST = ("max_concurrency", "paused_until", "paused_s")


class SharedFlow:
    """Tells how one worker's calls of a run go, and stores what that comes to."""

    def __init__(
        self,
        run: Run,
        worker_id: int,
        find_flow: Callable[[], JsonObject],
        learn: Callable[[JsonObject], None],
        clock: Clock,
    ) -> None:
        """Tell nothing yet.

        Args:
            run: The run.
            worker_id: The worker.
            find_flow: Returns how its calls go.
            learn: Told how those of all workers go.
            clock: The time of events.
        """
        self._run = run
        self._worker_id = worker_id
        self._find_flow = find_flow
        self._learn = learn
        self._clock = clock

    async def begin(self, tx: AsyncConnection) -> None:
        """Tell what this worker begins with: retries that it counts from here on are its own."""
        await hold_flow(tx, self._run.scope, self._run.key, self._worker_id, self._find_flow(), LEASE_S)

    async def save(self, tx: AsyncConnection) -> None:
        """Tell how things stand here, and store how they stand for all."""
        run, own = self._run, self._find_flow()
        told = await lock_flows(tx, run.scope, run.key, self._worker_id)
        await hold_flow(tx, run.scope, run.key, self._worker_id, own, LEASE_S)
        merged = merge_flows(told.run, own if told.own is None else told.own, own, told.others)
        happened = CallEvents(told.run).since_last(merged, self._clock.now())
        await save_flow(tx, run.scope, run.key, merged, happened)
        self._learn(merged)


def merge_flows(
    before: JsonObject | None, told: JsonObject, own: JsonObject, others: Sequence[JsonObject]
) -> JsonObject:
    """Return a run's flow.

    Args:
        before: What it was so far; it has the retries of all workers, dead ones included.
        told: What this worker told last; the retries since then are new.
        own: How its calls go now.
        others: How those of the others go.
    """
    before = before or {}
    merged = _merge(before, told, own, others)
    judges = _judges_of(own)
    if judges:
        merged["judges"] = [
            _merge(_judge(before, n), _judge(told, n), judge, [_judge(other, n) for other in others])
            for n, judge in enumerate(judges)
        ]
    if "embeddings" in own:
        name = "embeddings"
        merged[name] = _merge(
            _part(before, name), _part(told, name), _part(own, name), [_part(other, name) for other in others]
        )
    return merged


def _merge(before: JsonObject, told: JsonObject, own: JsonObject, others: Sequence[JsonObject]) -> JsonObject:
    """Merge what is known of one model that is called."""
    parts = [own, *(other for other in others if other)]
    merged: dict[str, Any] = dict(own)
    if "retries" in own:
        counts = Counter(known_retries(before))
        counts.update(Counter(known_retries(own)) - Counter(known_retries(told)))
        merged["retries"] = dict(counts)
    if "answered" in own:
        merged["answered"] = any(part.get("answered") is True for part in (before, *parts))
    unreachable = [each for part in parts if isinstance(each := part.get("unreachable"), dict)]
    merged["unreachable"] = min(unreachable, key=_since, default=None)
    limited = [part for part in parts if "concurrency" in part]
    if not limited:
        return merged
    for name in _SUMS:
        merged[name] = sum(_number(part.get(name)) for part in limited)
    for name in _GREATEST:
        merged[name] = max(
            (value for part in limited if (value := part.get(name)) is not None), default=None, key=_number
        )
    merged["limit_reached"] = merged["in_flight"] >= merged["concurrency"]
    if "changes" not in own:
        return merged
    changes = [change for part in parts for change in _list(part.get("changes"))]
    merged["changes"] = sorted(changes, key=lambda change: _number(change.get("at")))[-_SHOWN_CHANGES:]
    return merged


def _judges_of(flow: JsonObject) -> list[JsonObject]:
    return _list(flow.get("judges"))


def _judge(flow: JsonObject, number: int) -> JsonObject:
    judges = _judges_of(flow)
    return judges[number] if number < len(judges) else {}


def _part(flow: JsonObject, name: str) -> JsonObject:
    found = flow.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: JsonValue) -> list[JsonObject]:
    return [cast("JsonObject", each) for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _since(unreachable: JsonObject) -> float:
    return _number(unreachable.get("since"))


def _number(value: JsonValue) -> float:
    return value if isinstance(value, int | float) else 0
