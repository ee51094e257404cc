"""Facts about `GET /api/compare/items` and `/export` as a client sees them."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, refusal_of
from tests.contract.test_comparisons import SAYS, rows_of

TOPICS = "aabb"


@pytest.fixture(scope="module")
def runs(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, str]:
    """The query of two runs: one item is fixed, one has regressed, one passes, one is missing and one new."""
    parent = make_eval(testing_criteria=[SAYS])
    before = rows_of("yxxx", "xxxx")
    after = rows_of("xyx", "xxx") + rows_of("x", "x", start=9)
    for rows in (before, after):
        for row, topic in zip(rows, TOPICS, strict=True):
            row["item"]["topic"] = topic
    return {"run": run_to_end(parent, after)["id"], "base": run_to_end(parent, before)["id"]}


def items_of(http: httpx2.Client, runs: dict[str, str], **query: Any) -> dict[str, Any]:
    """Return a page of compared items."""
    answer = http.get("/api/compare/items", params={**runs, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_item_is_shown_with_what_happened_to_it(http: httpx2.Client, runs: dict[str, str]) -> None:
    page = items_of(http, runs)

    assert [(each["change"], each["item"]["n"]) for each in page["data"]] == [
        ("fixed", 0),
        ("regressed", 1),
        ("passed", 2),
        ("new", 9),
        ("missing", 3),
    ]
    assert (page["total"], page["has_more"], page["next"], page["cut"]) == (5, False, None, False)
    fixed, missing = page["data"][0], page["data"][-1]
    assert (fixed["baseline"][0]["output_text"], fixed["candidate"][0]["output_text"]) == ("y", "x")
    assert (fixed["baseline"][0]["status"], fixed["candidate"][0]["status"]) == ("fail", "pass")
    assert fixed["candidate"][0]["results"] == [{"name": "right", "score": 1.0, "passed": True}]
    assert (missing["candidate"], len(missing["baseline"])) == ([], 1)


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"change": "regressed"}, [1]),
        ({"change": ["fixed", "missing"]}, [0, 3]),
        ({"change": "regressed", "criterion": "right"}, [1]),
        ({"least_change": 0.5}, [0]),
        ({"most_change": -0.5}, [1]),
        ({"least_score": 1}, [0, 2]),
        ({"most_score": 0}, [1]),
        ({"group": "topic:a"}, [0, 1]),
        ({"group": "topic:b", "change": ["passed", "new", "missing"]}, [2, 9, 3]),
        ({"text": '"N": 2'}, [2]),
        ({"text": "nowhere to be found"}, []),
    ],
)
def test_items_are_chosen(http: httpx2.Client, runs: dict[str, str], query: dict[str, Any], numbers: list[int]) -> None:
    assert [each["item"]["n"] for each in items_of(http, runs, **query)["data"]] == numbers


@pytest.mark.parametrize(
    ("query", "counts"),
    [
        ({}, {"regressed": 1, "fixed": 1, "different": 2, "same": 1, "unpaired": 2, "total": 5}),
        # What happened is what is counted: it limits the page alone.
        ({"change": "regressed"}, {"regressed": 1, "fixed": 1, "different": 2, "same": 1, "unpaired": 2, "total": 5}),
        ({"group": "topic:b"}, {"regressed": 0, "fixed": 0, "same": 1, "missing": 1, "new": 1, "total": 3}),
        ({"least_change": 0.5}, {"regressed": 0, "fixed": 1, "same": 0, "unpaired": 0, "total": 1}),
        ({"most_score": 0, "criterion": "right"}, {"regressed": 1, "fixed": 0, "total": 1}),
        ({"group": "topic:nowhere"}, {"total": 0}),
    ],
)
def test_what_is_filtered_is_counted_by_what_happened(
    http: httpx2.Client, runs: dict[str, str], query: dict[str, Any], counts: dict[str, int]
) -> None:
    found = items_of(http, runs, **query)["counts"]

    assert {name: found[name] for name in counts} == counts


def test_a_search_for_a_text_counts_nothing(http: httpx2.Client, runs: dict[str, str]) -> None:
    assert items_of(http, runs, text="x")["counts"] is None


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"sort": "change"}, [1, 2, 0, 9, 3]),
        ({"sort": "change", "order": "desc"}, [0, 2, 1, 9, 3]),
        ({"sort": "position", "order": "desc"}, [3, 9, 2, 1, 0]),
        ({"sort": "change", "change": ["fixed", "regressed"]}, [1, 0]),
        ({"sort": "change", "text": "x"}, [1, 2, 0, 9, 3]),
    ],
)
def test_items_are_sorted_by_the_change_of_their_score(
    http: httpx2.Client, runs: dict[str, str], query: dict[str, Any], numbers: list[int]
) -> None:
    found: list[int] = []
    changes: list[float | None] = []
    after = {}
    while True:
        page = items_of(http, runs, limit=2, **query, **after)
        found += [each["item"]["n"] for each in page["data"]]
        changes += [each["score_change"] for each in page["data"]]
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert found == numbers
    assert changes == [{0: 1, 1: -1, 2: 0}.get(number) for number in numbers]


def test_equal_changes_keep_their_order_over_the_pages(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    before, after = "xyxyxyxyyyxx", "yyxxyyxxyxyx"
    runs = {
        "run": run_to_end(parent, rows_of(after, "x" * 12))["id"],
        "base": run_to_end(parent, rows_of(before, "x" * 12))["id"],
    }
    falls = [(old == "x") - (new == "x") for old, new in zip(before, after, strict=True)]
    pages = [
        items_of(http, runs, sort="change", order="desc", limit=5, after=start)["data"] for start in range(0, 12, 5)
    ]

    assert [each["item"]["n"] for page in pages for each in page] == sorted(range(12), key=lambda n: falls[n])


@pytest.mark.parametrize("written", ["1", "1.0", "1e0"])
def test_a_group_of_numbers_is_found_however_they_are_written(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, written: str
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    rows = rows_of("xx", "xx")
    for row, level in zip(rows, (1.0, 2.5), strict=True):
        row["item"]["level"] = level
    run_id = run_to_end(parent, rows)["id"]

    found = items_of(http, {"run": run_id, "base": run_id}, group=f"level:{written}")
    assert [each["item"]["n"] for each in found["data"]] == [0]
    rows_found = http.get(f"/api/runs/{run_id}/items", params={"group": f"level:{written}"}).json()
    assert rows_found["total"] == 1


def test_a_text_is_looked_for_as_it_reads(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    rows = rows_of("xxxx", "xxxx")
    for row, said in zip(rows, ('He said "no".', "one\ntwo", "Größe", "plain"), strict=True):
        row["item"]["said"] = said
    runs = {"run": run_to_end(parent, rows)["id"], "base": run_to_end(parent, rows)["id"]}

    def numbers(text: str) -> list[int]:
        return [each["item"]["n"] for each in items_of(http, runs, text=text)["data"]]

    assert [numbers(text) for text in ('said "NO"', "e\ntwo", "GRÖSSE", "plain")] == [[0], [1], [2], [3]]
    # Words of the answer itself are not words of the item.
    assert [numbers(text) for text in ("baseline", "output_text", "datasource")] == [[], [], []]


@pytest.mark.parametrize("query", [{}, {"text": "x"}])
def test_pages_follow_each_other(http: httpx2.Client, runs: dict[str, str], query: dict[str, Any]) -> None:
    found: list[int] = []
    page = items_of(http, runs, limit=2, **query)
    while True:
        assert len(page["data"]) <= 2
        found += [each["item"]["n"] for each in page["data"]]
        if not page["has_more"]:
            break
        page = items_of(http, runs, limit=2, after=page["next"], **query)

    assert found == [0, 1, 2, 9, 3]


def test_an_export_has_every_item_on_a_line(http: httpx2.Client, runs: dict[str, str]) -> None:
    answer = http.get("/api/compare/export", params=runs)
    lines = [json.loads(line) for line in answer.text.splitlines()]

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert lines == items_of(http, runs)["data"]


@pytest.mark.parametrize(
    "query",
    [
        {"change": "regressed"},
        {"least_change": 0.5},
        {"most_score": 0, "criterion": "right"},
        {"group": "topic:b", "order": "desc"},
        {"sort": "change"},
        {"text": '"N": 2'},
    ],
)
def test_an_export_holds_what_a_page_of_the_same_query_does(
    http: httpx2.Client, runs: dict[str, str], query: dict[str, Any]
) -> None:
    answer = http.get("/api/compare/export", params={**runs, **query})
    shown = items_of(http, runs, **query)["data"]

    assert 0 < len(shown) < 5 or "sort" in query
    assert [json.loads(line) for line in answer.text.splitlines()] == shown


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"change": "better"}, "change"),
        ({"criterion": "none such"}, "criterion"),
        ({"group": "topic"}, "group"),
        ({"group": "colour:red"}, "group"),
        ({"sort": "score"}, "sort"),
        ({"order": "up"}, "order"),
    ],
)
def test_what_does_not_exist_is_refused(
    http: httpx2.Client, runs: dict[str, str], query: dict[str, str], param: str
) -> None:
    assert refusal_of(http.get("/api/compare/items", params={**runs, **query}))["param"] == param


def test_a_run_that_is_not_there_cannot_be_compared_with(http: httpx2.Client, runs: dict[str, str]) -> None:
    answer = http.get("/api/compare/items", params={**runs, "base": "evalrun_00000000000000000000000000000000"})

    assert answer.status_code == 404
