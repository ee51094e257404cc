"""Facts about `GET /api/compare` and pins as a client sees them."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, Upload, file_source, string_check
from tests.contract.test_gsm8k import QUESTIONS, answer_of
from tests.contract.test_regrading import imported_copy

SAYS = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")


def rows_of(answers: str, rights: str, start: int = 0) -> list[dict[str, Any]]:
    """Return rows whose answer is the right one where the letters agree."""
    return [
        {"item": {"n": start + n, "b": right}, "sample": {"output_text": answer}}
        for n, (answer, right) in enumerate(zip(answers, rights, strict=True))
    ]


def compare(http: httpx2.Client, *runs: dict[str, Any], **query: Any) -> dict[str, Any]:
    """Return the comparison of runs."""
    answer = http.get("/api/compare", params={"runs": [run["id"] for run in runs], **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_items_are_paired_by_content_wherever_they_stand(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    base = run_to_end(parent, rows_of("xxxxyyyy", "xxxxxxxx"))
    other = run_to_end(parent, list(reversed(rows_of("yxxxxxyy", "xxxxxxxx"))))
    found = compare(http, other, base=base["id"])

    (one,) = found["comparisons"]
    assert (found["chosen"], found["baseline"]["run_id"], one["paired_by"]) == ("named", base["id"], "content")
    assert one["counts"] == {
        "fixed": 2, "regressed": 1, "passed": 3, "failed": 2, "errored": 0, "missing": 0, "new": 0,
        "different": 3, "same": 5, "unpaired": 0, "total": 8,
    }  # fmt: skip
    assert one["difference"]["value"] == pytest.approx(1 / 8)
    assert one["criteria"][0]["counts"]["regressed"] == 1
    assert one["warnings"] == []


def test_items_of_one_run_only_are_missing_or_new(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    base = run_to_end(parent, rows_of("xxxx", "xxxx"))
    other = run_to_end(parent, rows_of("xxxx", "xxxx", start=2))
    (one,) = compare(http, other, base=base["id"])["comparisons"]

    assert (one["counts"]["passed"], one["counts"]["missing"], one["counts"]["new"]) == (2, 2, 2)
    assert (one["counts"]["unpaired"], one["counts"]["total"]) == (4, 6)
    assert [each["what"] for each in one["warnings"]] == ["rows_differ"]


def test_equal_items_are_paired_in_their_order(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    same = [{"item": {"b": "x"}, "sample": {"output_text": answer}} for answer in "xyx"]
    base = run_to_end(parent, same)
    other = run_to_end(parent, same[:2])
    (one,) = compare(http, other, base=base["id"])["comparisons"]

    assert (one["counts"]["passed"], one["counts"]["failed"], one["counts"]["missing"]) == (1, 1, 1)


def test_named_fields_pair_items_whose_content_differs(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    base = run_to_end(parent, rows_of("xx", "xx"))
    changed = rows_of("xy", "xx")
    for row in changed:
        row["item"]["note"] = "new"
    other = run_to_end(parent, changed)

    (unpaired,) = compare(http, other, base=base["id"])["comparisons"]
    (paired,) = compare(http, other, base=base["id"], key="n")["comparisons"]
    assert (unpaired["paired_by"], unpaired["warnings"][0]["what"]) == (None, "not_paired")
    assert (paired["paired_by"], paired["counts"]["passed"], paired["counts"]["regressed"]) == ("fields", 1, 1)


@pytest.mark.parametrize(("same", "by"), [(0, "position"), (1, "position"), (9, "position"), (10, "content")])
def test_items_of_one_file_are_paired_by_position_where_few_contents_are_equal(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload, same: int, by: str
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    rows = [json.dumps(row) for row in rows_of("x" * 18 + "yy", "x" * 20)]
    run = run_to_end(parent, data_source=file_source(upload("\n".join(rows).encode())))
    copy = imported_copy(http, run, lambda item: item if item["n"] < same else {**item, "more": "x"})
    (one,) = compare(http, copy, base=run["id"], margin=0.1)["comparisons"]
    decided = http.post(f"/api/runs/{copy['id']}/gate", params={"baseline": run["id"]}, json={"margin": 0.1}).json()

    assert (one["paired_by"], decided["paired_by"]) == (by, by)
    if by == "position":
        assert (one["counts"]["passed"], one["counts"]["failed"], one["counts"]["missing"]) == (18, 2, 0)
        assert [each["what"] for each in one["warnings"]] == ["contents_differ"]
        assert decided["warnings"] == [one["warnings"][0]["message"]]
    else:
        assert (one["counts"]["passed"], one["counts"]["missing"], one["counts"]["new"]) == (10, 10, 10)
        assert [each["what"] for each in one["warnings"]] == ["rows_differ"]


def test_few_equal_contents_of_two_files_are_told_of_with_a_cure(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    rows = rows_of("x" * 20, "x" * 20)
    others = [{**row, "item": {**row["item"], **({"more": "x"} if row["item"]["n"] else {})}} for row in rows]
    base, other = run_to_end(parent, rows), run_to_end(parent, others)
    (one,) = compare(http, other, base=base["id"])["comparisons"]

    assert one["paired_by"] == "content"
    assert one["warnings"][0]["message"].startswith("19 items are in the baseline only, 19 in the other run only. If ")
    assert compare(http, other, base=base["id"], key="n")["comparisons"][0]["warnings"] == []


def test_the_baseline_unasked_is_the_most_comparable_earlier_run(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    first = run_to_end(parent, rows_of("xxxx", "xxxx"))
    run_to_end(parent, rows_of("xxxx", "xxxx", start=50))
    last = run_to_end(parent, rows_of("xxxy", "xxxx"))

    found = compare(http, last)
    assert (found["chosen"], found["baseline"]["run_id"]) == ("earlier", first["id"])
    alone = compare(http, first)
    assert (alone["chosen"], alone["baseline"], alone["comparisons"]) == ("none", None, [])


def test_a_pinned_run_is_the_baseline_until_it_is_unpinned(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    pinned = run_to_end(parent, rows_of("xxxx", "xxxx", start=50))
    earlier = run_to_end(parent, rows_of("xxxx", "xxxx"))
    last = run_to_end(parent, rows_of("xxxy", "xxxx"))
    assert http.post(f"/api/runs/{pinned['id']}/pin").json()["pinned"] is True

    found = compare(http, last)
    assert (found["chosen"], found["baseline"]["run_id"]) == ("pinned", pinned["id"])
    assert http.delete(f"/api/runs/{pinned['id']}/pin").json()["pinned"] is False
    assert compare(http, last)["baseline"]["run_id"] == earlier["id"]


def test_a_run_against_itself_is_no_regression(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval(testing_criteria=[SAYS]), rows_of("x" * 400, "x" * 400))
    (one,) = compare(http, run, base=run["id"], margin=0.01)["comparisons"]

    assert one["difference"]["verdict"] == "no_regression"
    assert one["difference"]["high"] == pytest.approx(1.959964**2 / (400 + 1.959964**2), abs=1e-6)


def test_repeats_are_compared_item_by_item(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[SAYS])

    def sampled(repeats: int) -> dict[str, Any]:
        content = [{"item": {"a": f"{n}", "b": f"{n % 2 * n}"}} for n in range(24)]
        template = [{"role": "user", "content": "ANSWER: {{ item.a }}"}]
        source = {
            "type": "completions",
            "model": "scripted",
            "input_messages": {"type": "template", "template": template},
            "source": {"type": "file_content", "content": content},
        }
        return {"data_source": source, "evalhaven": {"repeats": repeats}}

    base, other = run_to_end(parent, **sampled(2)), run_to_end(parent, **sampled(3))
    (one,) = compare(http, other, base=base["id"], margin=0.2)["comparisons"]

    assert (one["counts"]["passed"], one["counts"]["failed"]) == (13, 11)
    assert one["difference"]["method"] == "tango_effective_size"
    assert one["difference"]["items"] == 24


@pytest.fixture(scope="module")
def solutions(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload, shared_dir: Path
) -> dict[str, dict[str, Any]]:
    """Runs over the answers of four models to the questions of GSM8K: the answers stand beside the items."""
    with (shared_dir / "data" / "gsm8k_model_solutions.jsonl").open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    assert len(records) == QUESTIONS
    right = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.ideal }}")
    parent = make_eval(testing_criteria=[right])

    def row(record: dict[str, Any], model: str, *, is_inside: bool) -> dict[str, Any]:
        item = {"question": record["question"], "ideal": answer_of(record["ground_truth"])}
        answer = answer_of(record[model]["solution"])
        more = {"answer": answer} if is_inside else {}
        return {"item": {**item, **more}, "sample": {"output_text": answer}}

    def run(model: str, count: int = QUESTIONS, *, is_inside: bool = False) -> dict[str, Any]:
        rows = [json.dumps(row(record, model, is_inside=is_inside)) for record in records[:count]]
        return run_to_end(parent, data_source=file_source(upload("\n".join(rows).encode())))

    models = ("175b_verification", "175b_finetuning", "6b_verification")
    found = {model: run(model) for model in models}
    found |= {f"{model} inside": run(model, is_inside=True) for model in models[:2]}
    return found | {f"20 of {model}": run(model, 20) for model in models[1:]}


@pytest.mark.parametrize("inside", ["", " inside"])
def test_a_model_of_gsm8k_is_better_by_the_published_figures(
    http: httpx2.Client, solutions: dict[str, dict[str, Any]], inside: str
) -> None:
    base, other = solutions[f"175b_finetuning{inside}"], solutions[f"175b_verification{inside}"]
    query = {"key": "question"} if inside else {}
    (one,) = compare(http, other, base=base["id"], margin=0.02, **query)["comparisons"]
    difference = one["difference"]

    assert (one["paired_by"], one["counts"]["fixed"], one["counts"]["regressed"]) == (
        "fields" if inside else "content",
        360,
        76,
    )
    assert (difference["low"], difference["high"]) == pytest.approx((0.186615, 0.244225), abs=5e-7)
    assert difference["p_exact"] == pytest.approx(2.891395e-45, rel=1e-6)
    assert difference["verdict"] == "better"


def test_a_smaller_model_of_gsm8k_is_better_too(http: httpx2.Client, solutions: dict[str, dict[str, Any]]) -> None:
    base, other = solutions["175b_finetuning"], solutions["6b_verification"]
    (one,) = compare(http, other, base=base["id"])["comparisons"]

    assert (one["counts"]["fixed"], one["counts"]["regressed"], one["difference"]["verdict"]) == (209, 152, "better")
    assert (one["difference"]["low"], one["difference"]["high"]) == pytest.approx((0.015052, 0.071458), abs=5e-7)


def test_a_run_of_gsm8k_against_itself_is_no_regression(
    http: httpx2.Client, solutions: dict[str, dict[str, Any]]
) -> None:
    run = solutions["175b_finetuning"]
    (one,) = compare(http, run, base=run["id"], margin=0.01)["comparisons"]

    assert one["difference"]["verdict"] == "no_regression"
    assert one["difference"]["high"] == pytest.approx(0.002904, abs=5e-7)


def test_twenty_questions_of_gsm8k_settle_nothing(http: httpx2.Client, solutions: dict[str, dict[str, Any]]) -> None:
    base, other = solutions["20 of 175b_finetuning"], solutions["20 of 6b_verification"]
    (one,) = compare(http, other, base=base["id"], margin=0.02)["comparisons"]

    assert one["difference"]["verdict"] == "inconclusive"
    assert one["difference"]["items_needed"] == 5352
    assert "5,352 items would settle it" in one["sentence"]
