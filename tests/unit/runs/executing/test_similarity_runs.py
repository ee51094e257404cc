"""Facts about runs whose graders wait, miss something they need, or err."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from evalhaven.api.rendering.output_items import output_item_text
from evalhaven.domain.run_options import DEFAULT_OPTIONS, Budget
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.domain.tallies import CriterionTally
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.graders.facilities import Facilities
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Endpoint, Price
from evalhaven.sampling.embeddings.embedder import serving
from tests.embeddings_endpoint import EmbeddingsEndpoint, Fault
from tests.unit.runs.executed import CRITERIA, cancel, inline_run, lines, read_items, read_run, stored_eval


def similarity(metric: str) -> dict[str, Any]:
    return {
        "type": "text_similarity",
        "name": metric,
        "id": f"{metric}-1",
        "input": "{{ item.a }}",
        "reference": "{{ item.b }}",
        "evaluation_metric": metric,
        "pass_threshold": 0.5,
    }


@pytest.fixture
async def equipped(engine: Engine) -> AsyncIterator[Engine]:
    """Return an engine with a calculator and without WordNet."""
    async with CalculatorPool(1) as calculators:
        yield replace(engine, facilities=Facilities(calculators))


@pytest.fixture
async def impatient(engine: Engine) -> AsyncIterator[Engine]:
    """Return an engine with a calculator that is given two seconds for a call."""
    async with CalculatorPool(1, timeout_s=2) as calculators:
        yield replace(engine, facilities=Facilities(calculators))


async def conduct(engine: Engine, run: Run) -> Run:
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def test_a_run_warns_once_that_wordnet_is_missing_and_each_result_says_so(equipped: Engine) -> None:
    parent = await stored_eval(equipped, criteria=[CRITERIA[0], similarity("meteor")])
    rows = [{"item": {"even": True, "a": "the cat sat", "b": "the cat sat"}}, {"item": {"even": False, "a": "x"}}]
    run = await inline_run(equipped, lines(rows), parent=parent)
    conductor = RunConductor(equipped, run.scope, run.key)
    conductor.request_stop()
    await conductor.conduct_run()
    ended = await conduct(equipped, run)
    items = await read_items(equipped, ended)
    [warning] = ended.warnings
    shown = json.loads(output_item_text(items[0], ended, parent.testing_criteria))["results"]

    assert ended.status is RunStatus.COMPLETED
    assert warning.pointer == "/testing_criteria/1"
    assert "WordNet was not found" in warning.message
    assert [[grade.notes for grade in item.grades] for item in items] == [[(), ("meteor_without_wordnet",)], [(), ()]]
    assert "evalhaven" not in shown[0]
    assert shown[1]["evalhaven"] == {"notes": ["meteor_without_wordnet"]}


async def test_an_errored_criterion_errors_its_item_and_counts_as_neither_passed_nor_failed(impatient: Engine) -> None:
    parent = await stored_eval(impatient, criteria=[CRITERIA[0], similarity("fuzzy_match")])
    long = {"even": True, "a": "ab" * 1_000_000, "b": "ba" * 1_000_000}
    rows = [{"item": long}, {"item": {"even": True, "a": "x", "b": "x"}}, {"item": {"even": False, "a": "x", "b": "y"}}]
    ended = await conduct(impatient, await inline_run(impatient, lines(rows), parent=parent))
    items = await read_items(impatient, ended)
    error = items[0].grades[1].error

    assert error is not None
    assert (error.code, error.origin) == ("grader_timeout", "sandbox")
    assert error.message.startswith("Computing fuzzy_match of texts of 2,000,000 and 2,000,000 characters")
    assert [item.status for item in items] == [ItemStatus.ERROR, ItemStatus.PASS, ItemStatus.FAIL]
    assert (ended.tally.passed, ended.tally.failed, ended.tally.errored) == (1, 1, 1)
    assert ended.tally.criteria == (CriterionTally(2, 1, 0), CriterionTally(1, 1, 1))
    assert items[0].score is None


def inside_multi(graders: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "m", "id": "m-1", "graders": graders, "calculate_output": "1"}


@pytest.mark.parametrize(
    "criterion",
    [
        similarity("cosine"),
        inside_multi(similarity("cosine")),
        inside_multi([similarity("cosine")]),
        inside_multi({"cosine": similarity("cosine")}),
    ],
    ids=["alone", "one in multi", "a list in multi", "an object in multi"],
)
async def test_cosine_without_an_endpoint_fails_the_run_before_it_is_planned(
    equipped: Engine, criterion: dict[str, Any]
) -> None:
    parent = await stored_eval(equipped, criteria=[criterion])
    ended = await conduct(equipped, await inline_run(equipped, lines([{"item": {}}]), parent=parent))

    assert (ended.status, ended.items_planned) == (RunStatus.FAILED, None)
    assert ended.error is not None
    assert ended.error.code == "unsupported"
    assert "EVALHAVEN_EMBEDDINGS_BASE_URL" in ended.error.message


PRICES = (Price("made-up", input=1000.0, cached_input=None, output=0.0),)


@pytest.fixture
def endpoint() -> Iterator[EmbeddingsEndpoint]:
    with EmbeddingsEndpoint() as opened:
        yield opened


@pytest.fixture
async def embedding(engine: Engine, endpoint: EmbeddingsEndpoint) -> AsyncIterator[Engine]:
    """Return an engine with a priced endpoint of embeddings."""
    target = Endpoint("priced", endpoint.url, prices=PRICES, retry_for_s=0.0).target("made-up")
    async with CalculatorPool(1) as calculators, ModelCaller() as caller, serving(caller, target) as embedder:
        yield replace(engine, facilities=Facilities(calculators, embedder))


async def test_tokens_and_dollars_of_embeddings_are_the_runs(embedding: Engine) -> None:
    parent = await stored_eval(embedding, criteria=[similarity("cosine")])
    rows = [{"item": {"a": "four", "b": "fives"}}, {"item": {"a": "four", "b": "fives"}}]
    ended = await conduct(embedding, await inline_run(embedding, lines(rows), parent=parent))
    [usage] = ended.tally.spending.usage

    assert ended.status is RunStatus.COMPLETED
    assert (usage.model, usage.role, usage.total_tokens) == ("made-up", "judge", 9)
    assert usage.priced_cost == pytest.approx(0.009)


@pytest.mark.parametrize("budget", [Budget(cost=0.02), Budget(tokens=20)])
async def test_budget_of_a_run_ends_its_embeddings_too(
    embedding: Engine, endpoint: EmbeddingsEndpoint, budget: Budget
) -> None:
    parent = await stored_eval(embedding, criteria=[similarity("cosine")])
    rows = [{"item": {"a": f"{number:05}", "b": f"{number:06}"}} for number in range(1000)]
    options = replace(DEFAULT_OPTIONS, budget=budget)
    ended = await conduct(embedding, await inline_run(embedding, lines(rows), parent=parent, options=options))

    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert ended.error.code == "budget_exceeded"
    assert len([text for texts in endpoint.inputs for text in texts]) < 1500


async def test_run_whose_embeddings_are_all_refused_alike_ends(embedding: Engine, endpoint: EmbeddingsEndpoint) -> None:
    endpoint.faults.extend([Fault(401)] * 1000)
    parent = await stored_eval(embedding, criteria=[similarity("cosine")])
    rows = [{"item": {"a": f"{number:05}", "b": f"{number:06}"}} for number in range(1000)]
    ended = await conduct(embedding, await inline_run(embedding, lines(rows), parent=parent))

    assert ended.status is RunStatus.FAILED
    assert ended.error is not None
    assert ended.error.code == "embeddings_failed"


async def test_a_run_that_was_canceled_gets_no_warnings(equipped: Engine) -> None:
    parent = await stored_eval(equipped, criteria=[similarity("meteor")])
    run = await inline_run(equipped, lines([{"item": {}}]), parent=parent)
    await cancel(equipped, run)

    assert (await conduct(equipped, run)).warnings == []
