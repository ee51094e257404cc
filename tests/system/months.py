"""Runs that are begun together while little is left of what their project may spend in the month."""

from typing import Any

from tests.system.client import Client
from tests.system.faulty import FaultyUpstream

PRICES = """
[[endpoints.called.prices]]
model = "*"
input = 1000.0
output = 1000.0
"""
_CALLS = 300
_LONG_MS, _SHORT_MS = 1000, 30


def assert_runs_end_together_with_the_month(
    client: Client, upstream: FaultyUpstream, eval_id: str, body: dict[str, Any], under_way: int
) -> None:
    """Begin three runs with money for some calls of one of them.

    Args:
        client: Of the server.
        upstream: Answers their calls.
        eval_id: Their eval.
        body: What makes a run of at least 400 items; all calls cost about the same.
        under_way: How many calls may be under way at once.
    """
    runs = f"/v1/evals/{eval_id}/runs"
    before = _spent(client)
    run = client.wait_for_end(eval_id, client.post(runs, json=body).json()["id"])
    assert run["status"] == "completed", run
    after = _spent(client)
    cost = (after - before) / run["result_counts"]["total"]
    assert client.post("/api/limits", json={"month_cost": after + _CALLS * cost}).is_success
    answered = upstream.stats()["answered"]
    upstream.change(latency_ms=_LONG_MS)  # none of them ends before all are there
    begun = [client.post(runs, json=body) for _ in range(3)]
    upstream.change(latency_ms=_SHORT_MS)
    assert [each.status_code for each in begun] == [201] * 3, begun[-1].text
    ended = [client.wait_for_end(eval_id, each.json()["id"]) for each in begun]

    assert [(each["status"], each["error"]["code"]) for each in ended] == [("failed", "month_cost_exceeded")] * 3
    assert all("may cost $" in each["error"]["message"] for each in ended)
    made = upstream.stats()["answered"] - answered
    assert 0.9 * _CALLS <= made <= 1.05 * _CALLS + under_way
    stored = sum(each["result_counts"]["total"] for each in ended)
    assert made - 2 * under_way <= stored <= made
    assert abs(_spent(client) - after - stored * cost) < 0.05 * _CALLS * cost

    assert client.post("/api/limits", json={"month_cost": None}).is_success
    retried = client.post(f"/api/runs/{ended[0]['id']}/retry", json={})
    assert retried.is_success, retried.text
    assert client.wait_for_end(eval_id, ended[0]["id"])["status"] == "completed"


def _spent(client: Client) -> float:
    return client.get("/api/limits").json()["used"]["month_cost"]
