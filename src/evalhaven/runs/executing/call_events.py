"""What happens to a run's calls that a person would want to know: endpoints out of reach, and pauses asked for."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.run_events import RunEvent


class CallEvents:
    """Tells what is new between two states of a run's calls, as `Callers.flow` has them."""

    def __init__(self, known: JsonObject | None) -> None:
        """Begin with the state that was stored last, by whichever process; None if there is none."""
        self._unreachable = _unreachable_in(known or {})
        self._paused = _paused_in(known or {})

    def since_last(self, flow: JsonObject, now: float) -> list[RunEvent]:
        """Return what happened between the last state and this one."""
        unreachable, paused = _unreachable_in(flow), _paused_in(flow)
        happened: list[RunEvent] = []
        for endpoint, told in unreachable.items():
            if endpoint not in self._unreachable:
                since = told.get("since")
                at = int(since) if isinstance(since, int | float) else int(now)
                happened.append(RunEvent("unreachable", at, {"endpoint": endpoint, "reason": told.get("reason")}))
        found = [endpoint for endpoint in self._unreachable if endpoint not in unreachable]
        happened += [RunEvent("reachable", int(now), {"endpoint": endpoint}) for endpoint in found]
        for endpoint, until in paused.items():
            if endpoint not in self._paused:
                happened.append(RunEvent("paused", int(now), {"endpoint": endpoint, "until": round(until, 1)}))
        self._unreachable, self._paused = unreachable, paused
        return happened


def _unreachable_in(flow: JsonObject) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for part in _parts(flow):
        told = part.get("unreachable")
        if isinstance(told, dict):
            found.setdefault(str(part.get("endpoint")), told)
    return found


def _paused_in(flow: JsonObject) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in _parts(flow):
        until = part.get("paused_until")
        if isinstance(until, int | float):
            endpoint = str(part.get("endpoint"))
            found[endpoint] = max(until, found.get(endpoint, 0.0))
    return found


def _parts(flow: JsonObject) -> Iterator[JsonObject]:
    """Yield the state of each model that is called: that of the run, those of judges, embeddings."""
    judges = flow.get("judges")
    for part in (flow, *(judges if isinstance(judges, list) else ()), flow.get("embeddings")):
        if isinstance(part, dict) and "endpoint" in part:
            yield cast("JsonObject", part)
