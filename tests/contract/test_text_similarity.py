"""`text_similarity` through the official SDK: every metric, over calculators and a real embeddings endpoint."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from evalhaven.graders.similarity.metrics import METRICS
from evalhaven.graders.similarity.wordnet import DEBIAN_DIRECTORY, find_wordnet
from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    RunToEnd,
    eval_body,
    inline_source,
    items_of,
    wait_for_end,
)
from tests.embeddings_endpoint import EmbeddingsEndpoint, Fault, cosine_of
from tests.server import Server
from tests.system.commands import call_command

KEY = "sk-made-up-and-secret"
# What rapidfuzz, NLTK and rouge-score themselves say of these texts.
TEXT, REFERENCE = "The cat sat on the mat today", "The cat sat on a mat"
SCORES = {
    "fuzzy_match": 0.7916666666666665,
    "bleu": 0.4347208719449914,
    "gleu": 0.5,
    "meteor": 0.7311475409836065,
    "rouge_1": 0.7692307692307693,
    "rouge_2": 0.5454545454545454,
    "rouge_3": 0.4444444444444445,
    "rouge_4": 0.28571428571428575,
    "rouge_5": 0.0,
    "rouge_l": 0.7692307692307693,
}


def similarity(metric: str, **changes: Any) -> Any:
    return {
        "type": "text_similarity",
        "name": metric,
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.ideal }}",
        "evaluation_metric": metric,
        "pass_threshold": 0.5,
        **changes,
    }


def row(ideal: str, answer: str) -> dict[str, Any]:
    return {"item": {"ideal": ideal}, "sample": {"output_text": answer}}


@ON_ONE_DATABASE
@pytest.mark.parametrize("metric", SCORES)
def test_every_metric_scores_as_its_library(client: openai.OpenAI, http: httpx2.Client, metric: str) -> None:
    made = client.evals.create(**eval_body(testing_criteria=[similarity(metric)]))
    rows: Any = [row(REFERENCE, TEXT), row(REFERENCE, REFERENCE), row("", ""), row("x", ""), {"item": {}}]
    run = client.evals.runs.create(
        made.id, data_source={"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    )
    if metric == "meteor" and find_wordnet(None) is None:
        pytest.skip("the score was taken with WordNet, which this machine lacks")
    wait_for_end(http, run.model_dump())
    run = client.evals.runs.retrieve(run.id, eval_id=made.id)
    items = sorted(
        client.evals.runs.output_items.list(run.id, eval_id=made.id), key=lambda item: item.datasource_item_id
    )
    results = [item.results[0] for item in items]
    same = 1.0 if metric != "meteor" else pytest.approx(1.0, abs=0.01)

    assert run.status == "completed"
    assert [result.score for result in results] == [pytest.approx(SCORES[metric], abs=1e-9), same, 1.0, 0.0, 0.0]
    assert [result.passed for result in results] == [SCORES[metric] >= 0.5, True, True, False, False]
    assert {result.type for result in results} == {"text-similarity-grader"}
    assert run.result_counts.errored == 0


def test_the_metrics_tested_are_all_that_need_no_endpoint() -> None:
    assert SCORES.keys() == {*METRICS, "meteor"}


def test_many_items_of_several_metrics_are_each_counted_once(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    metrics = ["fuzzy_match", "meteor", "rouge_l"]
    parent = make_eval(testing_criteria=[similarity(metric) for metric in metrics])
    rows = [row(f"the answer is {number}", f"the answer is {number * (number % 2)}") for number in range(700)]
    run = run_to_end(parent, rows)
    items = items_of(http, run)

    assert run["status"] == "completed"
    assert [item["datasource_item_id"] for item in items] == list(range(700))
    assert run["result_counts"]["total"] == run["evalhaven"]["items_planned"] == 700
    for number, counts in enumerate(run["per_testing_criteria_results"]):
        passed = sum(item["results"][number]["passed"] for item in items)
        assert (counts["passed"], counts["failed"], counts["errored"]) == (passed, 700 - passed, 0)


def test_a_long_comparison_goes_to_a_calculator_and_other_items_are_not_kept(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[similarity("fuzzy_match"), similarity("rouge_2")])
    long = "some words " * 10_000
    run = run_to_end(parent, [row("a", "a"), row(long, long[::-1]), row("b", "c")])
    scores = [[result["score"] for result in item["results"]] for item in items_of(http, run)]

    assert scores[0] == [1.0, 0.0]
    assert 0.0 < scores[1][0] < 1.0
    assert scores[2] == [0.0, 0.0]


def test_a_missing_wordnet_is_reported(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval(testing_criteria=[similarity("meteor")]), [row("a", "a")])
    [item] = items_of(http, run)
    is_lacking = find_wordnet(None) is None

    assert (item["results"][0].get("evalhaven") == {"notes": ["meteor_without_wordnet"]}) is is_lacking
    assert any("WordNet" in warning["message"] for warning in run["evalhaven"]["warnings"]) is is_lacking


def test_cosine_without_an_endpoint_fails_the_run_and_names_the_setting(
    make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(testing_criteria=[similarity("cosine")]), [row("a", "a")])

    assert (run["status"], run["error"]["code"]) == ("failed", "unsupported")
    assert "EVALHAVEN_EMBEDDINGS_BASE_URL" in run["error"]["message"]
    assert (run["evalhaven"]["items_planned"], run["result_counts"]["total"]) == (None, 0)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[EmbeddingsEndpoint]:
    with EmbeddingsEndpoint() as opened:
        yield opened


@pytest.fixture(scope="module")
def cosine_server(endpoint: EmbeddingsEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("cosine"),
        EVALHAVEN_EMBEDDINGS_BASE_URL=endpoint.url,
        EVALHAVEN_EMBEDDINGS_API_KEY=KEY,
    )
    with server.running():
        yield server
        assert KEY not in server.log
        assert "Traceback" not in server.log


@pytest.fixture
def cosine(cosine_server: Server, endpoint: EmbeddingsEndpoint) -> Iterator[openai.OpenAI]:
    endpoint.requests.clear()
    endpoint.faults.clear()
    with openai.OpenAI(base_url=f"{cosine_server.url}/v1", api_key="anything", max_retries=0, timeout=30) as opened:
        yield opened


def cosine_run(client: openai.OpenAI, rows: list[Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run cosine over rows; return the run and its items in the order of the rows."""
    made = client.evals.create(**eval_body(testing_criteria=[similarity("cosine")]))
    data_source: Any = inline_source(rows)
    run = client.evals.runs.create(made.id, data_source=data_source)
    base_url = str(client.base_url).removesuffix("/v1/")
    with httpx2.Client(base_url=base_url, timeout=30) as http:
        ended = wait_for_end(http, run.model_dump())
        return ended, items_of(http, ended)


def score_of(item: dict[str, Any]) -> float:
    return item["results"][0]["score"]


def test_cosine_is_asked_for_in_few_requests_and_once_a_text(
    cosine: openai.OpenAI, endpoint: EmbeddingsEndpoint
) -> None:
    pairs = [(f"reference {number}", f"answer {number % 50}") for number in range(300)]
    run, items = cosine_run(cosine, [row(*pair) for pair in pairs])
    asked = [text for texts in endpoint.inputs for text in texts]

    assert run["result_counts"]["errored"] == 0
    assert [score_of(item) for item in items] == [pytest.approx(cosine_of(*pair), abs=1e-6) for pair in pairs]
    assert sorted(asked) == sorted({text for pair in pairs for text in pair})
    assert all(request.body["encoding_format"] == "base64" for request in endpoint.requests)
    assert all(request.body["model"] == "text-embedding-3-large" for request in endpoint.requests)
    assert all(request.headers["authorization"] == f"Bearer {KEY}" for request in endpoint.requests)
    assert max(len(texts) for texts in endpoint.inputs) <= 64
    assert len(endpoint.requests) < 40

    before = len(endpoint.requests)
    _, again = cosine_run(cosine, [row(*pair) for pair in pairs])
    assert [score_of(item) for item in again] == [score_of(item) for item in items]
    assert len(endpoint.requests) == before, "everything was remembered"


@pytest.mark.parametrize(
    "faults",
    [[Fault(429, headers={"Retry-After": "1"})], [Fault(500), Fault(502, b"")], [Fault(is_cut=True)]],
    ids=["429", "5xx", "cut"],
)
def test_an_endpoint_that_fails_for_a_while_costs_no_item(
    cosine: openai.OpenAI, endpoint: EmbeddingsEndpoint, faults: list[Fault]
) -> None:
    endpoint.faults.extend(faults)
    name = str(faults)
    run, [item] = cosine_run(cosine, [row(f"a {name}", f"b {name}")])

    assert run["result_counts"]["errored"] == 0
    assert score_of(item) == pytest.approx(cosine_of(f"a {name}", f"b {name}"), abs=1e-6)
    assert len(endpoint.requests) == len(faults) + 1


def test_an_answer_of_another_shape_is_an_error_of_the_item(
    cosine: openai.OpenAI, endpoint: EmbeddingsEndpoint
) -> None:
    endpoint.faults.extend([Fault(200, {"vectors": []})] * 4)
    run, [item] = cosine_run(cosine, [row("odd reference", "odd answer")])
    [counts] = run["per_testing_criteria_results"]
    error = item["results"][0]["evalhaven"]["error"]

    assert (run["status"], item["status"]) == ("completed", "error")
    assert (error["code"], error["origin"], error["retryable"]) == ("embeddings_failed", "judge", True)
    assert len(endpoint.requests) == 4
    assert (counts["passed"], counts["failed"], counts["errored"]) == (0, 0, 1)
    assert run["result_counts"]["errored"] == 1


def test_one_text_that_is_refused_errors_its_own_item_alone(
    cosine: openai.OpenAI, endpoint: EmbeddingsEndpoint
) -> None:
    endpoint.refused = {"a refused text"}
    rows = [row(f"reference beside {number}", f"answer beside {number}") for number in range(20)]
    run, items = cosine_run(cosine, [*rows, row("a refused text", "fine")])

    assert [item["status"] == "error" for item in items] == [False] * 20 + [True]
    assert run["result_counts"]["errored"] == 1
    message = items[-1]["results"][0]["evalhaven"]["error"]["message"]
    assert "failed (invalid_request_error): refused, with key Bearer ***" in message


def test_the_doctor_tries_the_endpoint_and_names_wordnet(endpoint: EmbeddingsEndpoint, tmp_path: Path) -> None:
    endpoint.faults.clear()
    environment: dict[str, Any] = {"EVALHAVEN_EMBEDDINGS_BASE_URL": endpoint.url, "EVALHAVEN_EMBEDDINGS_API_KEY": KEY}
    good = call_command("doctor", "--data-dir", str(tmp_path / "data"), **environment)
    endpoint.faults.append(Fault(401, {"error": {"message": f"{KEY} is wrong"}}))
    bad = call_command("doctor", "--data-dir", str(tmp_path / "data"), **environment)
    none = call_command("doctor", "--data-dir", str(tmp_path / "data"))

    assert good.returncode == none.returncode == 0, good.stdout + good.stderr
    assert f"Embeddings: text-embedding-3-large at {endpoint.url} answers vectors of 8 numbers." in good.stdout
    assert bad.returncode == 1
    assert "(authentication_error): *** is wrong" in bad.stdout
    assert KEY not in good.stdout + good.stderr + bad.stdout + bad.stderr
    assert "Embeddings: no endpoint" in none.stdout
    assert re.search(rf"WordNet: ({DEBIAN_DIRECTORY}|not found)", none.stdout)
