"""What a report says that it cannot tell, and why, as a client sees it."""

from typing import Any

import httpx2

from tests.contract.conftest import MakeEval, MakeRun, RunToEnd, string_check, wait_for_end
from tests.contract.test_reports import report_of

SAYS = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")


def sampled(count: int, faulty: int = 0, **options: Any) -> dict[str, Any]:
    """Return a run that asks the model that answers by rules; the first items have no question, and err."""
    content = [{"item": {"n": n, "b": "x"} if n < faulty else {"n": n, "b": "x", "q": "why"}} for n in range(count)]
    template = [{"role": "user", "content": "{{ item.q }} ANSWER: x"}]
    return {
        "data_source": {
            "type": "completions",
            "model": "scripted",
            "input_messages": {"type": "template", "template": template},
            "source": {"type": "file_content", "content": content},
        },
        "evalhaven": options,
    }


def gaps_of(http: httpx2.Client, run: dict[str, Any], **query: Any) -> list[tuple[str, str]]:
    """Return the gaps of a run's report."""
    return [(gap["what"], gap["why"]) for gap in report_of(http, run, **query)["gaps"]]


def test_a_report_that_tells_everything_has_no_gaps(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": "y", "b": "y", "topic": n % 2}} for n in range(4)])

    assert gaps_of(http, run, by="topic") == []


def test_what_erred_is_counted_in_what_the_run_counts(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    again = "A retry of the run executes"
    single = run_to_end(parent, **sampled(12, faulty=1))
    repeated = run_to_end(parent, **sampled(14, faulty=3, repeats=2))

    why = f"1 item erred: whether it passes is not known. {again} it again."
    assert ("rate", why) in gaps_of(http, single)
    found = gaps_of(http, repeated, k=2)
    assert ("rate", f"6 samples erred: whether they pass is not known. {again} them again.") in found
    left_out = "3 items have fewer than 2 samples with a result: they are left out of pass@2 and pass^2."
    assert ("repeats.by_k", left_out) in found
    (by_k,) = report_of(http, repeated, k=2)["repeats"]["by_k"]
    assert (by_k["items"], by_k["left_out"]) == (11, 3)
    assert ("repeats.by_k", "No item is left, so pass@3 and pass^3 are not known.") in gaps_of(http, repeated, k=3)


def test_a_rate_of_few_items_with_repeats_has_no_interval_for_a_reason(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(testing_criteria=[SAYS]), **sampled(5, repeats=3))
    report = report_of(http, run, by="b", k=3)
    few = "Fewer than 10 independent items tell too little of others"
    unpriced = "15 calls of 'scripted' have no price, or no count of tokens: what the run cost is not known."

    assert report["rate"]["low"] is None
    gaps = [(gap["what"], gap["why"]) for gap in report["gaps"]]
    assert gaps == [
        ("rate", f"{few}: the rate has no interval."),
        ("criteria.rate", f"{few}: the rate of 'right' has no interval."),
        ("repeats.by_k", f"{few}: pass@3 and pass^3 have no interval."),
        ("breakdowns", f"{few}: 1 group of 1 by 'b' has no interval."),
        ("cost", f"{unpriced} A price in the endpoint's configuration holds for later calls."),
    ]


def test_nothing_is_told_of_a_run_without_a_result(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    found = dict(gaps_of(http, run_to_end(make_eval(testing_criteria=[SAYS]), **sampled(2, faulty=2))))

    assert found["rate"] == "No item has a result."
    assert found["criteria.rate"] == "No item has a result of 'right'."


def test_rows_that_a_canceled_run_lacks_are_missing_from_its_figures(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    run = make_run(parent, **sampled(3000))
    http.post(f"/v1/evals/{parent['id']}/runs/{run['id']}")
    ended = wait_for_end(http, run)
    planned, total = ended["evalhaven"]["items_planned"], ended["result_counts"]["total"]
    found = dict(gaps_of(http, run))

    assert ended["status"] == "canceled"
    if planned is None:
        assert "before it was known how many items it would have" in found["items"]
    else:
        assert f"The run was canceled: {planned - total:,} items are missing of 3,000" in found["items"]
    assert found["items"].endswith("A retry of the run executes the rest.")
