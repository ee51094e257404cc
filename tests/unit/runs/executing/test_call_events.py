"""Facts about what is new in the state of a run's calls."""

from typing import Any

from evalhaven.domain.run_events import RunEvent
from evalhaven.runs.executing.call_events import CallEvents

LOST = {"reason": "no connection", "since": 95.5}


def flow_of(unreachable: Any = None, paused_until: float | None = None, **more: Any) -> dict[str, Any]:
    return {"endpoint": "e", "unreachable": unreachable, "paused_until": paused_until, **more}


def test_an_endpoint_is_lost_once_and_found_once() -> None:
    watched = CallEvents(None)
    assert watched.since_last(flow_of(), 90.0) == []
    assert watched.since_last(flow_of(LOST), 100.0) == [
        RunEvent("unreachable", 95, {"endpoint": "e", "reason": "no connection"})
    ]
    assert watched.since_last(flow_of({**LOST, "reason": "refused"}), 101.0) == []
    assert watched.since_last(flow_of(), 102.7) == [RunEvent("reachable", 102, {"endpoint": "e"})]
    assert watched.since_last(flow_of(), 103.0) == []


def test_a_model_and_its_judges_at_one_endpoint_lose_it_together_and_others_by_themselves() -> None:
    judges = [flow_of(LOST, criterion="a"), {"endpoint": "f", "unreachable": LOST, "paused_until": None}]
    flow = flow_of(LOST, judges=judges, embeddings={"endpoint": "g", "unreachable": None})
    found = CallEvents(None).since_last(flow, 100.0)

    assert [(event.type, event.details["endpoint"]) for event in found] == [("unreachable", "e"), ("unreachable", "f")]


def test_a_pause_is_told_of_when_it_begins_and_again_only_after_its_end() -> None:
    watched = CallEvents(None)
    longest = flow_of(paused_until=130.04, judges=[flow_of(paused_until=120.0)])
    assert watched.since_last(longest, 100.0) == [RunEvent("paused", 100, {"endpoint": "e", "until": 130.0})]
    assert watched.since_last(flow_of(paused_until=140.0), 110.0) == []
    assert watched.since_last(flow_of(), 140.0) == []
    assert [event.at for event in watched.since_last(flow_of(paused_until=160.0), 150.0)] == [150]


def test_a_process_that_takes_over_tells_only_what_is_new_to_the_run() -> None:
    watched = CallEvents(flow_of(LOST, paused_until=120.0))
    assert watched.since_last(flow_of(LOST, paused_until=120.0), 100.0) == []
    assert [event.type for event in watched.since_last(flow_of(), 101.0)] == ["reachable"]
    assert CallEvents({"sandbox": {}}).since_last({"sandbox": {}}, 100.0) == []
