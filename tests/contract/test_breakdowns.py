"""Facts about `GET /api/runs/{run_id}/breakdown` as a client sees it."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, refusal_of, string_check


def breakdown_of(http: httpx2.Client, run: dict[str, Any], field: str, **query: Any) -> list[dict[str, Any]]:
    """Return the lines of a breakdown."""
    answer = http.get(f"/api/runs/{run['id']}/breakdown", params={"field": field, **query})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.split("\n")[:-1]]


def groups_of(lines: list[dict[str, Any]]) -> list[tuple[Any, bool, int, int]]:
    """Return value, whether it is missing, and passed and failed of each group."""
    return [
        (line["value"], line["missing"], line["passed"], line["failed"])
        for line in lines
        if line["object"] == "run.breakdown.group"
    ]


def run_over(make_eval: MakeEval, run_to_end: RunToEnd, *items: dict[str, Any]) -> dict[str, Any]:
    """Return a run over these items; each passes unless it says otherwise."""
    return run_to_end(make_eval(), [{"item": {"a": "y", "b": "y", **item}} for item in items])


def test_progress_comes_first_then_groups_then_the_end(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_over(make_eval, run_to_end, {"id": 1}, {"id": 2, "b": "n"}, {"id": 1}, {})
    first, *groups, end = breakdown_of(http, run, "item.id")

    assert first == {"object": "run.breakdown.progress", "items": 4, "total": 4}
    assert groups_of(groups) == [(1, False, 2, 0), (2, False, 0, 1), (None, True, 1, 0)]
    assert groups[0]["rate"]["low"] == pytest.approx(0.3424, abs=1e-4)
    assert end == {
        "object": "run.breakdown",
        "run_id": run["id"],
        "field": "item.id",
        "status": "completed",
        "items": 4,
        "values": 2,
        "has_more": False,
    }


def test_a_field_with_more_values_than_a_report_takes_is_broken_down(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_over(make_eval, run_to_end, *({"id": number // 2} for number in range(502)), {"id": 7})
    report = http.get(f"/api/runs/{run['id']}/report").json()
    assert {"name": "id", "values": None} in report["fields"]
    refusal = refusal_of(http.get(f"/api/runs/{run['id']}/report?by=id"))
    assert f"/api/runs/{run['id']}/breakdown?field=id" in refusal["message"]

    lines = breakdown_of(http, run, "id", limit=2)
    assert groups_of(lines) == [(7, False, 3, 0), (0, False, 2, 0)]
    assert (lines[-1]["values"], lines[-1]["has_more"]) == (251, True)
    assert len(groups_of(breakdown_of(http, run, "id", limit=1000))) == 251


VALUES: list[Any] = [
    1,
    1.0,
    True,
    "1",
    None,
    "",
    [1, "x"],
    {"b": 1, "a": [None]},
    "\x00",
    "\ud800",
    "a\u2028b\nc",
    10**40,
    -0.0,
]


def test_values_of_every_type_are_groups_of_their_own(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    body = "".join(json.dumps({"item": {"a": "y", "b": "y", "v": value}}) + "\n" for value in VALUES)
    # The order of keys means nothing.
    body += json.dumps({"item": {"a": "y", "b": "y", "v": {"a": [None], "b": 1}}})
    run = run_to_end(make_eval(), [json.loads(line) for line in body.split("\n")])
    lines = breakdown_of(http, run, "v")
    groups = groups_of(lines)

    assert groups[0] == ({"b": 1, "a": [None]}, False, 2, 0)
    found = [json.dumps(value) for value, *_ in groups]
    assert sorted(found) == sorted(json.dumps(value) for value in VALUES)
    assert not any(line.get("missing") for line in lines)


FIELDS: list[tuple[str, Any, str]] = [
    ("a key with dots", {"m.n": 1}, "m.n"),
    ("a key with dots, as in templates", {"m.n": 1}, 'item["m.n"]'),
    ("below a key", {"m": {"n": 1}}, "item.m.n"),
    ("far below", {"m": {"n": {"o": {"p": 1}}}}, "m.n.o.p"),
    ("in a list", {"m": [{"n": 0}, {"n": 1}]}, "m[1].n"),
    ("a key with dots below a key", {"m": {"n.o": 1}}, "m.n.o"),
    ("a key named item", {"item": {"m": 1}}, "item.m"),
    ("an empty key", {"": 1}, ""),
    ("U+0000 and quotes", {"\x00'\"": 1}, "\x00'\""),
    ("braces", {"}} {{ item.a }}": 1}, "}} {{ item.a }}"),
    ("a key of another script", {"Größe {}": 1}, "Größe {}"),
    ("what looks like SQL", {"'); DROP TABLE runs; --": 1}, "'); DROP TABLE runs; --"),
    ("a name of Python", {"__class__": 1}, "__class__"),
]


@pytest.mark.parametrize(("item", "field"), [each[1:] for each in FIELDS], ids=[each[0] for each in FIELDS])
def test_a_field_is_found_however_it_is_named(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, item: dict[str, Any], field: str
) -> None:
    run = run_over(make_eval, run_to_end, item)
    assert groups_of(breakdown_of(http, run, field)) == [(1, False, 1, 0)]


def test_a_field_that_no_item_has_is_one_group_of_all(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_over(make_eval, run_to_end, {}, {})
    lines = breakdown_of(http, run, "a.b[3].c")
    assert groups_of(lines) == [(None, True, 2, 0)]
    assert lines[-1]["values"] == 0


def test_a_long_value_is_shown_by_its_beginning(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    one, other = "x" * 5000 + "1", "x" * 5000 + "2"
    run = run_over(make_eval, run_to_end, {"t": one}, {"t": one}, {"t": other}, {"t": [one]})
    lines = [line for line in breakdown_of(http, run, "t") if line["object"] == "run.breakdown.group"]

    assert [(line["value"], line["shortened"], line["items"]) for line in lines] == [
        ("x" * 1000, True, 2),
        ("x" * 1000, True, 1),
        ('["' + "x" * 998, True, 1),
    ]


def sampled(answers: list[tuple[str, str]], **options: Any) -> dict[str, Any]:
    """Return a run that asks the model that answers by rules, over items with a topic and the answer to give."""
    items = [{"a": answer, "b": "right", "topic": topic} for topic, answer in answers]
    template = [{"role": "user", "content": "ANSWER: {{ item.a }}"}]
    return {
        "data_source": {
            "type": "completions",
            "model": "scripted",
            "input_messages": {"type": "template", "template": template},
            "source": {"type": "file_content", "content": [{"item": item} for item in items]},
        },
        "evalhaven": options,
    }


def test_repeats_of_an_item_do_not_count_as_items(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(input="{{ sample.output_text }}", reference="{{ item.b }}")])
    answers = [("many", "right")] * 9 + [("many", "wrong")] * 3 + [("few", "right")]
    run = run_to_end(parent, **sampled(answers, repeats=4))
    report = http.get(f"/api/runs/{run['id']}/report", params={"by": "topic"}).json()
    in_report = report["breakdowns"][0]["groups"]
    lines = breakdown_of(http, run, "topic")
    streamed = [line for line in lines if line["object"] == "run.breakdown.group"]

    for groups in (in_report, streamed):
        many, few = groups
        assert (many["value"], many["items"], many["passed"]) == ("many", 48, 36)
        # Wilson's limits for 0.75 of 11, the effective size of 12 items, with Student's t of 11 degrees: 2.200985.
        assert many["rate"]["items"] == 12
        assert many["rate"]["method"] == "wilson_effective_size"
        assert (many["rate"]["low"], many["rate"]["high"]) == pytest.approx((0.42223, 0.92490), abs=1e-5)
        assert (few["rate"]["value"], few["rate"]["low"]) == (1.0, None)
    assert in_report[0]["rate"] == streamed[0]["rate"]
    few = "Fewer than 10 independent items tell too little of others: 1 group of 2 by 'topic' has no interval."
    assert {"what": "breakdowns", "why": few} in report["gaps"]


def test_a_run_that_is_not_there_has_no_breakdown(http: httpx2.Client) -> None:
    answer = http.get("/api/runs/evalrun_00000000000000000000000000000000/breakdown?field=a")
    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "run_id"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "param"), [("", "field"), ("field=a&limit=0", "limit"), ("field=a&limit=x", "limit")]
)
def test_a_wrong_question_is_refused(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, query: str, param: str
) -> None:
    run = run_over(make_eval, run_to_end, {})
    assert refusal_of(http.get(f"/api/runs/{run['id']}/breakdown?{query}"))["param"] == param
