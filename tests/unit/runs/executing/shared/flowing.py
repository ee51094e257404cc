"""How calls of a run go, as tests say it."""

from typing import Any


def flow_of(in_flight: int = 0, **others: Any) -> dict[str, Any]:
    limiter = {"concurrency": 20, "max_concurrency": 40, "in_flight": in_flight, "waiting": 3, "limit_reached": False}
    pauses = {"episodes": 1, "paused_until": None, "paused_s": 0.0}
    calls: dict[str, Any] = {"answered": False, "unreachable": None, "retries": {}, "changes": []}
    return {"endpoint": "quick", **calls, **limiter, **pauses, **others}
