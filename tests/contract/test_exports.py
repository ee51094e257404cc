"""Facts about `GET /api/runs/{run_id}/export` as a client sees it."""

import csv
import io
import json
from typing import Any

import httpx2
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, RunToEnd, items_of, refusal_of, string_check

SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "share": {"type": "number"},
        "ok": {"type": "boolean"},
        "b": {"type": "string"},
        "meta": {"type": "object", "properties": {"topic": {"type": ["string", "null"]}}},
    },
}
SAYS = string_check(name="right, they say", input="{{ sample.output_text }}", reference="{{ item.b }}")
ITEMS: list[dict[str, Any]] = [
    {"n": 12345678901234567, "share": -0.5, "ok": True, "b": "x", "meta": {"topic": "a"}},
    {"n": 1, "share": 2, "ok": False, "b": '=HYPERLINK("http://127.0.0.1")', "meta": {"topic": None}},
    {"n": -3, "share": 1e300, "b": 'ünï, "quoted"\nand on', "more": [1, {"a": "😀"}]},
]
ANSWERS = ("x", "+49 30 1234", "@SUM(A1)")


@pytest.fixture(scope="module")
def run(make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, Any]:
    """A run of three items, of which the first passes."""
    parent = make_eval(
        data_source_config={"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True},
        testing_criteria=[SAYS, string_check(name="same", input="{{ item.b }}", reference="x")],
    )
    rows = [
        {"item": item, "sample": {"output_text": answer, "choices": []}}
        for item, answer in zip(ITEMS, ANSWERS, strict=True)
    ]
    return run_to_end(parent, rows, name='../..\\"; rm -rf\r\nX: ünsafe')


def export(http: httpx2.Client, run: dict[str, Any], **query: Any) -> httpx2.Response:
    """Return an export of a run."""
    answer = http.get(f"/api/runs/{run['id']}/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def csv_rows(answer: httpx2.Response) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8"), newline="")))


def table_of(answer: httpx2.Response) -> Any:
    """Return the table of a Parquet file."""
    return pq.read_table(io.BytesIO(answer.content))  # pyright: ignore[reportUnknownMemberType]


def test_json_lines_are_the_output_items_as_the_api_shows_them(http: httpx2.Client, run: dict[str, Any]) -> None:
    answer = export(http, run)

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in answer.content.splitlines()] == items_of(http, run)


def test_json_lines_of_chosen_columns_are_flat_objects(http: httpx2.Client, run: dict[str, Any]) -> None:
    columns = ["item.n,item.meta.topic", "results.right, they say.passed", "item"]
    lines = [json.loads(line) for line in export(http, run, columns=columns).text.splitlines()]

    assert lines == [
        {
            "item.n": item["n"],
            "item.meta.topic": item.get("meta", {}).get("topic"),
            "results.right, they say.passed": item["n"] == ITEMS[0]["n"],
            "item": item,
        }
        for item in ITEMS
    ]


def test_csv_has_the_fields_the_answer_each_criterion_and_the_figures(http: httpx2.Client, run: dict[str, Any]) -> None:
    answer = export(http, run, format="csv")
    rows = csv_rows(answer)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(rows[0]) == [
        "datasource_item_id", "repeat", "status", "score",
        "item.n", "item.share", "item.ok", "item.b", "item.meta",
        "output_text",
        "results.right, they say.passed", "results.right, they say.score", "results.same.passed", "results.same.score",
        "error.code", "error.message",
        "latency_ms", "prompt_tokens", "completion_tokens", "total_tokens", "cost", "judge_cost", "id",
    ]  # fmt: skip
    first = {name: rows[0][name] for name in ("status", "score", "item.n", "item.share", "item.ok", "item.meta")}
    assert first == {
        "status": "pass",
        "score": "1.0",
        "item.n": "12345678901234567",
        "item.share": "-0.5",
        "item.ok": "true",
        "item.meta": '{"topic":"a"}',
    }
    assert [row["results.same.passed"] for row in rows] == ["true", "false", "false"]
    assert [row["latency_ms"] for row in rows] == ["", "", ""]
    assert rows[2]["item.b"] == ITEMS[2]["b"]


def test_no_cell_of_a_csv_file_begins_like_a_formula_unless_it_is_a_number(
    http: httpx2.Client, run: dict[str, Any]
) -> None:
    rows = csv_rows(export(http, run, format="csv"))

    assert rows[1]["item.b"] == f"'{ITEMS[1]['b']}"
    assert [row["output_text"] for row in rows] == ["x", "'+49 30 1234", "'@SUM(A1)"]
    assert [row["item.share"] for row in rows] == ["-0.5", "2", "1e300"]


def test_parquet_has_types_that_follow_from_the_item_schema(http: httpx2.Client, run: dict[str, Any]) -> None:
    answer = export(http, run, format="parquet")
    table = table_of(answer)

    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    types = {field.name: str(field.type) for field in table.schema}
    assert [types[f"item.{name}"] for name in SCHEMA["properties"]] == ["int64", "double", "bool", "string", "string"]
    assert table["item.n"].to_pylist() == [item["n"] for item in ITEMS]
    assert table["item.ok"].to_pylist() == [True, False, None]
    assert table["item.b"].to_pylist() == [item["b"] for item in ITEMS]
    assert table["results.same.passed"].to_pylist() == [True, False, False]
    assert [json.loads(text) for text in table["item"].to_pylist()] == ITEMS


def test_a_star_stands_for_the_usual_columns(http: httpx2.Client, run: dict[str, Any]) -> None:
    heads = export(http, run, format="csv").text.splitlines()[0].split(",")
    usual = [json.loads(line) for line in export(http, run, columns="*").text.splitlines()]
    more = json.loads(export(http, run, columns="repeat,*,item.nowhere").text.splitlines()[0])

    assert [",".join(each) for each in usual] == [",".join(usual[0])] * len(usual)
    assert {"datasource_item_id", "status", "score", "output_text", "latency_ms"} <= usual[0].keys() & set(heads)
    assert more == usual[0] | {"repeat": more["repeat"], "item.nowhere": None}


def test_columns_and_status_are_chosen(http: httpx2.Client, run: dict[str, Any]) -> None:
    chosen = {"columns": "item.more,item.nowhere,datasource_item_id", "status": "failed"}
    rows = csv_rows(export(http, run, format="csv", **chosen))

    assert rows == [
        {"item.more": "", "item.nowhere": "", "datasource_item_id": "1"},
        {"item.more": '[1,{"a":"😀"}]', "item.nowhere": "", "datasource_item_id": "2"},
    ]
    assert table_of(export(http, run, format="parquet", **chosen))["datasource_item_id"].to_pylist() == [1, 2]


def test_without_named_fields_the_columns_are_those_of_the_first_items(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": "x", "b": "x"}}, {"item": {"b": "y", "a": "y", "=c": "z"}}])
    (_, second) = csv_rows(export(http, run, format="csv"))

    assert (second["item.a"], second["item.b"], second["item.=c"]) == ("y", "y", "z")


def test_criteria_of_one_name_have_columns_of_their_own(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    criteria = [string_check(), string_check(operation="ne")]
    (row,) = csv_rows(export(http, run_to_end(make_eval(testing_criteria=criteria)), format="csv"))

    assert (row["results.same.passed"], row["results.same#2.passed"]) == ("true", "false")


def test_repeats_follow_each_other_with_latency_and_tokens(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.a }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"a": letter, "b": letter}} for letter in "xy"]},
    }
    run = run_to_end(make_eval(), data_source=source, evalhaven={"repeats": 3})
    rows = csv_rows(export(http, run, format="csv"))

    keys = [(row["datasource_item_id"], row["repeat"]) for row in rows]
    assert keys == [("0", "0"), ("0", "1"), ("0", "2"), ("1", "0"), ("1", "1"), ("1", "2")]
    assert all(int(row["latency_ms"]) >= 0 and int(row["total_tokens"]) > 0 for row in rows)


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "parquet"])
def test_the_name_of_the_file_is_harmless_whatever_the_run_is_called(
    http: httpx2.Client, run: dict[str, Any], format_name: str
) -> None:
    headers = export(http, run, format=format_name).headers

    assert headers["content-disposition"] == f'attachment; filename="rm-rf-X-nsafe-{run["id"]}.{format_name}"'
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-evalhaven-run-status"] == "completed"


def test_the_export_of_a_run_that_goes_on_says_that_it_is_partial(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun
) -> None:
    source = {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.a }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"a": str(n), "b": ""}} for n in range(20_000)]},
    }
    run = make_run(make_eval(), data_source=source)
    answer = export(http, run, format="csv")
    http.post(f"/v1/evals/{run['eval_id']}/runs/{run['id']}")

    assert answer.headers["x-evalhaven-run-status"] in ("queued", "in_progress")
    assert answer.headers["content-disposition"].endswith('-partial.csv"')
    positions = [int(row["datasource_item_id"]) for row in csv_rows(answer)]
    assert positions == sorted(set(positions))


@pytest.mark.parametrize("format_name", ["jsonl", "csv", "parquet"])
def test_an_export_without_items_is_a_whole_file(http: httpx2.Client, run: dict[str, Any], format_name: str) -> None:
    answer = export(http, run, format=format_name, status="error")

    if format_name == "jsonl":
        assert answer.content == b""
    elif format_name == "csv":
        assert csv_rows(answer) == []
        assert answer.text.startswith("datasource_item_id,")
    else:
        assert table_of(answer).num_rows == 0


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "param", "told"),
    [
        ({"format": "xlsx"}, "format", "parquet"),
        ({"columns": "colour"}, "columns", "output_text"),
        ({"columns": "results.none such.score"}, "columns", "results.same.score"),
        ({"columns": " , "}, "columns", "no column"),
        ({"status": "lost"}, "status", "pass"),
        ({"failed": "no such criterion"}, "failed", "right, they say"),
        ({"group": "no such field:x"}, "group", "no such field"),
        ({"sort": "name"}, "sort", "position"),
    ],
)
def test_what_does_not_exist_is_refused(
    http: httpx2.Client, run: dict[str, Any], query: dict[str, str], param: str, told: str
) -> None:
    error = refusal_of(http.get(f"/api/runs/{run['id']}/export", params=query))

    assert error["param"] == param
    assert told in error["message"]


def test_a_run_that_is_not_there_has_no_export(http: httpx2.Client) -> None:
    assert http.get("/api/runs/evalrun_00000000000000000000000000000000/export").status_code == 404
