"""Facts about flows that are merged: each model that is called by itself."""

from typing import Any

from evalhaven.domain.jsontext import JsonObject
from evalhaven.runs.executing.shared.flows import merge_flows
from tests.unit.runs.executing.shared.flowing import flow_of


def test_judges_and_embeddings_are_added_up_one_by_one() -> None:
    def flow(in_flight: int, **retries: int) -> JsonObject:
        judge = {"criterion": "a", **flow_of(in_flight, retries=retries)}
        other = {"criterion": "b", **flow_of(1)}
        embeddings = {name: value for name, value in flow_of(in_flight).items() if name not in ("retries", "changes")}
        return {**judge, "judges": [judge, other], "embeddings": embeddings, "sandbox": {"isolation": "full"}}

    merged: dict[str, Any] = dict(merge_flows(flow(9, timeout=1), flow(0), flow(2, timeout=2), [flow(3)]))
    assert [judge["in_flight"] for judge in merged["judges"]] == [5, 2]
    assert [judge["criterion"] for judge in merged["judges"]] == ["a", "b"]
    assert merged["judges"][0]["retries"] == merged["retries"] == {"timeout": 3}
    assert (merged["embeddings"]["in_flight"], "retries" in merged["embeddings"]) == (5, False)
    assert merged["sandbox"] == {"isolation": "full"}


def test_changes_of_limits_are_in_the_order_of_their_time_and_the_last_fifty() -> None:
    def change(at: float) -> JsonObject:
        return {"number": 1, "at": at, "reason": "growth", "before": 1, "after": 2, "pause_s": 0.0}

    own = flow_of(changes=[change(at) for at in range(0, 60, 2)])
    other = flow_of(changes=[change(at) for at in range(1, 61, 2)])
    merged: dict[str, Any] = dict(merge_flows(None, own, own, [other]))
    assert [each["at"] for each in merged["changes"]] == list(range(10, 60))


def test_a_flow_without_calls_yet_is_shown_as_it_is() -> None:
    bare: JsonObject = {"endpoint": "quick", "answered": False, "unreachable": None, "retries": {}, "changes": []}
    assert merge_flows(None, bare, bare, [{}, bare]) == bare
