"""Facts about `GET /api/runs/{run_id}/report` as a client sees it."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, refusal_of, string_check

TOPICS = ("a", "a", "a", "b", "b", None)


def rows_of(answers: str, **more: Any) -> list[dict[str, Any]]:
    """Return rows whose answer is right (`y`) or wrong, each with the next topic."""
    rows: list[dict[str, Any]] = []
    for number, (answer, topic) in enumerate(zip(answers, TOPICS, strict=False)):
        item = {"number": number, "a": "y", "b": answer, **more}
        rows.append({"item": item if topic is None else {**item, "meta": {"topic": topic}}})
    return rows


def report_of(http: httpx2.Client, run: dict[str, Any], **query: Any) -> dict[str, Any]:
    """Return the report of a run."""
    answer = http.get(f"/api/runs/{run['id']}/report", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_report_has_counts_rates_and_intervals(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(name="same"), string_check(name="always", reference="y")])
    run = run_to_end(parent, rows_of("yyyynn"))
    report = report_of(http, run)

    assert (report["items"], report["passed"], report["failed"], report["errored"]) == (6, 4, 2, 0)
    assert report["rate"]["value"] == pytest.approx(4 / 6)
    assert (report["rate"]["low"], report["rate"]["high"]) == pytest.approx((0.2999, 0.9032), abs=1e-4)
    assert report["rate"]["thin"] is True
    assert [(each["name"], each["passed"], each["failed"]) for each in report["criteria"]] == [
        ("same", 4, 2),
        ("always", 6, 0),
    ]
    scores = report["criteria"][0]["scores"]
    assert (scores["items"], scores["mean"], scores["low"], scores["high"]) == (6, pytest.approx(4 / 6), 0, 1)
    assert (scores["histogram"]["counts"][0], scores["histogram"]["counts"][-1]) == (2, 4)
    assert report["criteria"][1]["scores"]["histogram"] is None
    assert (report["repeats"], report["errors"], report["latency_ms"], report["cost"]) == (None, [], None, None)


def test_a_report_is_broken_down_by_a_field_of_the_items(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), rows_of("yyyynn"))
    report = report_of(http, run, by="meta.topic")

    assert {"name": "meta.topic", "values": 2} in report["fields"]
    (breakdown,) = report["breakdowns"]
    groups = [(each["value"], each["passed"], each["failed"]) for each in breakdown["groups"]]
    assert groups == [("a", 3, 0), ("b", 1, 1), (None, 0, 1)]
    assert breakdown["groups"][0]["rate"]["low"] == pytest.approx(0.4385, abs=1e-4)


def test_a_field_that_no_item_has_is_refused(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval(), rows_of("yy"))
    refusal = refusal_of(http.get(f"/api/runs/{run['id']}/report?by=colour"))

    assert refusal["param"] == "by"
    assert "'meta.topic'" in refusal["message"]


def sampled(count: int, fault: str = "", **options: Any) -> dict[str, Any]:
    """Return a run that asks the model that answers by rules."""
    template = [{"role": "user", "content": f"{{{{ item.a }}}} {fault} ANSWER: {{{{ item.a }}}}"}]
    return {
        "data_source": {
            "type": "completions",
            "model": "scripted",
            "input_messages": {"type": "template", "template": template},
            "source": {"type": "file_content", "content": [{"item": {"a": f"{n}", "b": "0"}} for n in range(count)]},
        },
        "evalhaven": options,
    }


def test_a_report_of_repeats_has_pass_at_k_and_pass_hat_k(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(input="{{ sample.output_text }}", reference="{{ item.b }}")])
    run = run_to_end(parent, **sampled(12, repeats=5))
    report = report_of(http, run)

    assert report["items"] == 60
    assert report["rate"]["value"] == pytest.approx(1 / 12)
    assert report["rate"]["method"] == "wilson_effective_size"
    repeats = report["repeats"]
    assert (repeats["items"], repeats["unstable"], repeats["unstable_items"]) == (12, 0, [])
    assert [each["k"] for each in repeats["by_k"]] == [1, 5]
    assert repeats["by_k"][1]["at_least_one"]["value"] == pytest.approx(1 / 12)
    assert report["latency_ms"]["items"] == 60
    assert report["usage"][0]["calls"] == 60
    assert [each["k"] for each in report_of(http, run, k=3)["repeats"]["by_k"]] == [3]


def test_a_run_that_is_not_there_has_no_report(http: httpx2.Client) -> None:
    assert http.get("/api/runs/evalrun_00000000000000000000000000000000/report").status_code == 404
