"""Facts about files of results exports: their forms, and the eval and the runs that they become."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from evalhaven.domain.ids import created_at_of
from evalhaven.importers.dashboard import DashboardSource
from evalhaven.importers.source import SourceError

EARLY, LATE = "erun_6755f4043ae481908bf1bf719aa7c9f4", "evalrun_68b53fe282b88191982834d80bc19797"
JUDGE = {
    "trajectory": [{"role": "user", "content": "Judge."}],
    "outputs": [],
    "sampled_model_name": "judge-1",
    "token_usage": {"total_tokens": 5, "completion_tokens": 1, "prompt_tokens": 4, "cached_tokens": 2},
}


def a_row(run_id: str, index: int, **passes: bool) -> dict[str, Any]:
    usage = {"total_tokens": 10, "completion_tokens": 4, "prompt_tokens": 6, "cached_tokens": 0}
    return {
        "run_id": run_id,
        "data_source_idx": index,
        "item": {"n": index},
        "sample": {"trajectory": [], "outputs": [], "sampled_model_name": "gpt-4o", "token_usage": usage},
        "grades": {key: float(passed) for key, passed in passes.items()},
        "grader_samples": dict.fromkeys(passes, JUDGE) if "judge" in passes else {},
        "passes": passes,
    }


def errored(run_id: str, index: int) -> dict[str, Any]:
    return {**a_row(run_id, index), "sample": {"error": {"code": "c", "message": "m"}}}


ROWS = [
    a_row(LATE, 2, g=True),
    a_row(EARLY, 1, judge=True, other=False),
    a_row(LATE, 0, g=False),
    errored(EARLY, 0),
    a_row(LATE, 2, g=True),
    a_row(EARLY, 2, judge=True, other=True),
]


def written(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path


def opened(tmp_path: Path, text: str, name: str = "export.jsonl") -> DashboardSource:
    return DashboardSource.open([written(tmp_path / name, text)])


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def everything(source: DashboardSource) -> list[Any]:
    """Return all documents of a source, parsed."""
    found: list[Any] = []
    for raw in source.evals():
        parent = json.loads(raw)
        runs = [json.loads(each) for each in source.runs(parent["id"])]
        found.append((parent, [(run, [json.loads(item) for item in source.output_items(run["id"])]) for run in runs]))
    return found


def test_lines_an_array_and_white_space_give_the_same(tmp_path: Path) -> None:
    wanted = everything(opened(tmp_path, lines(ROWS)))

    assert everything(opened(tmp_path, json.dumps(ROWS))) == wanted
    assert everything(opened(tmp_path, json.dumps(ROWS, indent=2))) == wanted
    assert everything(opened(tmp_path, "\ufeff\n" + lines(ROWS).replace("\n", "\r\n\r\n"))) == wanted
    assert everything(opened(tmp_path, lines(ROWS).rstrip("\n"))) == wanted


@pytest.mark.parametrize("indent", [None, 2])
def test_one_object_is_an_export_of_one_row(tmp_path: Path, indent: int | None) -> None:
    ((_, ((_, items),)),) = everything(opened(tmp_path, json.dumps(ROWS[0], indent=indent)))

    assert [item["datasource_item"] for item in items] == [{"n": 2}]


def test_a_file_becomes_an_eval_named_after_it_with_a_criterion_for_each_grader(tmp_path: Path) -> None:
    ((parent, _),) = everything(opened(tmp_path, lines(ROWS), "my export.jsonl"))

    assert parent["name"] == "my export"
    assert parent["created_at"] == created_at_of(EARLY) == created_at_of(parent["id"])
    assert len(parent["id"]) == len("eval_") + 32
    assert parent["id"][17:21] == "8190"
    assert [(each["name"], each["id"], each["type"]) for each in parent["testing_criteria"]] == [
        (key, key, "python") for key in ("g", "judge", "other")
    ]
    assert "not its definition" in parent["testing_criteria"][0]["source"]
    assert parent["data_source_config"]["schema"]["properties"] == {"item": {"type": "object"}}


def test_rows_are_counted_into_their_runs(tmp_path: Path) -> None:
    ((_, ((late, late_items), (early, early_items))),) = everything(opened(tmp_path, lines(ROWS)))

    assert (late["id"], early["id"]) == (LATE, EARLY)
    assert late["result_counts"] == {"total": 3, "errored": 0, "failed": 1, "passed": 2}
    assert early["result_counts"] == {"total": 3, "errored": 1, "failed": 1, "passed": 1}
    assert [item["datasource_item_id"] for item in late_items] == [2, 0, 2]
    assert [item["status"] for item in early_items] == ["fail", "error", "pass"]
    assert [
        (each["testing_criteria"], each["passed"], each["failed"]) for each in early["per_testing_criteria_results"]
    ] == [("judge", 2, 0), ("other", 1, 1)]
    assert {
        each["model_name"]: (each["invocation_count"], each["total_tokens"], each["cached_tokens"])
        for each in early["per_model_usage"]
    } == {"gpt-4o": (2, 20, 0), "judge-1": (4, 20, 8)}
    assert (late["status"], late["model"], late["created_at"]) == ("completed", "gpt-4o", created_at_of(LATE))
    assert late["data_source"]["source"]["id"] != early["data_source"]["source"]["id"]


def test_repeated_rows_have_ids_of_their_own_and_all_ids_stay_the_same(tmp_path: Path) -> None:
    first = everything(opened(tmp_path, lines(ROWS)))
    again = everything(opened(tmp_path, lines(ROWS), "renamed.jsonl"))
    ids = [item["id"] for _, runs in first for _, items in runs for item in items]

    assert len(ids) == len(set(ids)) == len(ROWS)
    assert [(parent["id"], [(run["id"], items) for run, items in runs]) for parent, runs in first] == [
        (parent["id"], [(run["id"], items) for run, items in runs]) for parent, runs in again
    ]


def test_several_files_are_several_evals(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.jsonl", lines([row])) for n, row in enumerate(ROWS[:2])]
    source = DashboardSource.open(paths, "named")

    assert [parent["name"] for parent, _ in everything(source)] == ["named", "named"]
    assert source.origin == "results export 0.jsonl, 1.jsonl"


def test_two_files_with_rows_of_one_run_are_refused(tmp_path: Path) -> None:
    paths = [written(tmp_path / f"{n}.jsonl", lines(rows)) for n, rows in enumerate((ROWS[:2], ROWS[2:]))]

    with pytest.raises(
        SourceError, match=r"0\.jsonl and .*1\.jsonl hold the same run .* import one file with all rows"
    ):
        DashboardSource.open(paths)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no rows"),
        ("[]", "holds no rows"),
        ("\n{}\n", "line 2: its 'run_id' is missing"),
        (json.dumps(ROWS[:1])[:-30], "line 1, row 1: it is not valid JSON"),
        ("a,b\n1,2\n", "line 1"),
    ],
)
def test_what_is_no_export_is_refused_as_a_whole(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SourceError, match=reason):
        opened(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "rows", "reasons"),
    [
        (lines(ROWS)[:-30], 5, ["line 6: it is not valid JSON"]),
        ("\n" + lines(ROWS[:1]) + "{}\n\n" + lines(ROWS[1:]), 6, ["line 3: its 'run_id' is missing"]),
        ("x" + lines(ROWS), 5, ["line 1: it is not valid JSON"]),
        (lines(ROWS[:3]) + "\xff" + lines(ROWS[3:])[5:] + "[]\n", 5, ["line 4", "line 7: it is not a JSON object"]),
        (json.dumps(ROWS)[:-1], 6, ["is damaged after row 6: the document ends too early"]),
        (json.dumps(ROWS)[:-30], 5, ["line 1, row 6: it is not valid JSON"]),
        (json.dumps(ROWS, indent=1).replace('_idx": 1,', '_idx": "1",'), 5, ["line 27, row 2: its 'data_source_idx'"]),
        (json.dumps(ROWS) + "]", 6, ["is damaged after row 6: unexpected text"]),
    ],
)
def test_rows_that_cannot_be_read_are_reported_and_the_rest_comes(
    tmp_path: Path, text: str, rows: int, reasons: list[str]
) -> None:
    source = opened(tmp_path, text)
    ((_, runs),) = everything(source)

    assert sum(len(items) for _, items in runs) == rows
    assert [run["result_counts"]["total"] for run, _ in runs] == [len(items) for _, items in runs]
    assert source.damage.count == len(reasons)
    for message, reason in zip(source.damage.messages, reasons, strict=True):
        assert f"export.jsonl{' ' if reason.startswith('is ') else ', '}{reason}" in message
    everything(source)
    assert source.damage.count == len(reasons)


def test_any_cut_of_an_export_loses_its_last_row_at_most(tmp_path: Path) -> None:
    text = lines(ROWS[:3])
    for end in range(len(lines(ROWS[:1])), len(text)):
        ((_, runs),) = everything(source := opened(tmp_path, text[:end]))
        whole = [row for row in text[:end].split("\n") if row in text.split("\n") and row]
        assert sum(len(items) for _, items in runs) == len(whole)
        assert source.damage.count == (end - sum(len(row) + 1 for row in whole) > 0)


def test_messages_about_rows_are_bounded_and_counted(tmp_path: Path) -> None:
    source = opened(tmp_path, lines(ROWS) + "{}\n" * 1500)

    assert (source.damage.count, len(source.damage.messages)) == (1500, 1000)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing\.jsonl cannot be read"):
        DashboardSource.open([tmp_path / "nothing.jsonl"])


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    row = {**a_row(LATE, 0, g=True), "item": {"text": "x" * 2000}}
    small = written(tmp_path / "small.jsonl", lines([{**row, "data_source_idx": n} for n in range(200)]))
    large = written(tmp_path / "large.jsonl", lines([{**row, "data_source_idx": n} for n in range(4_000)]))
    peaks: list[int] = []
    for path in (small, large):
        tracemalloc.start()
        source = DashboardSource.open([path])
        assert sum(1 for _ in source.output_items(LATE)) in (200, 4_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 100_000
