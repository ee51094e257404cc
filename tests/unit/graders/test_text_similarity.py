"""Facts about `text_similarity`: every metric gives a score, and what goes wrong is an error and never a 0."""

import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.output_items import Grade
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.registry import build_grader
from evalhaven.graders.similarity.metrics import METRICS
from evalhaven.graders.text_similarity import LARGE_CHARS
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.embeddings.embedder import serving
from tests.embeddings_endpoint import EmbeddingsEndpoint, Fault, cosine_of

ALL_METRICS = [*METRICS, "meteor", "cosine"]
TEXT, REFERENCE = "the cat sat on the mat", "the cat is on the mat"


def criterion(metric: str, **changes: Any) -> dict[str, Any]:
    return {
        "type": "text_similarity",
        "name": "Alike",
        "id": "Alike-1",
        "input": "{{ item.a }}",
        "reference": "{{ item.b }}",
        "evaluation_metric": metric,
        "pass_threshold": 0.5,
        **changes,
    }


async def grade(facilities: Facilities, metric: str, a: str, b: str, **changes: Any) -> Grade:
    return await build_grader(Criterion(criterion(metric, **changes)), facilities).grade({"item": {"a": a, "b": b}})


@pytest.fixture
async def calculators() -> AsyncIterator[CalculatorPool]:
    async with CalculatorPool(1, timeout_s=20) as pool:
        yield pool


@pytest.fixture
async def endpoint() -> AsyncIterator[EmbeddingsEndpoint]:
    with EmbeddingsEndpoint() as opened:
        yield opened


@pytest.fixture
async def facilities(calculators: CalculatorPool, endpoint: EmbeddingsEndpoint) -> AsyncIterator[Facilities]:
    target = Endpoint("made-up", endpoint.url, retry_for_s=0.0).target("made-up")
    async with ModelCaller() as caller, serving(caller, target) as embedder:
        yield Facilities(calculators, embedder)


@pytest.mark.parametrize("metric", ALL_METRICS)
async def test_a_score_from_the_threshold_on_passes(facilities: Facilities, metric: str) -> None:
    graded = await grade(facilities, metric, TEXT, REFERENCE, pass_threshold=0.0)
    at, above = graded.score, graded.score + 1e-9

    assert graded.error is None
    assert 0.0 <= graded.score < 1.0
    assert graded.passed
    assert (await grade(facilities, metric, TEXT, REFERENCE, pass_threshold=at)).passed
    assert not (await grade(facilities, metric, TEXT, REFERENCE, pass_threshold=above)).passed


@pytest.mark.parametrize("metric", ALL_METRICS)
async def test_texts_that_are_empty_need_no_metric(
    facilities: Facilities, endpoint: EmbeddingsEndpoint, metric: str
) -> None:
    scores = [(await grade(facilities, metric, a, b)).score for a, b in (("", ""), ("a", ""), ("", "a"))]

    assert scores == [1.0, 0.0, 0.0]
    assert endpoint.requests == []


@pytest.mark.parametrize("metric", ALL_METRICS)
async def test_a_placeholder_without_value_scores_0_and_is_no_error(facilities: Facilities, metric: str) -> None:
    graded = await build_grader(Criterion(criterion(metric)), facilities).grade({"item": {"a": "x"}})

    assert graded == Grade(score=0.0, passed=False, unresolved=("item.b",))


async def test_a_template_that_renders_too_large_is_an_error(facilities: Facilities) -> None:
    graded = await grade(facilities, "bleu", "x" * 1024 * 1024, "y", input="{{ item.a }}" * 40)

    assert graded.error is not None
    assert (graded.error.code, graded.error.origin) == ("template_too_large", "template")


async def test_cosine_is_that_of_the_embeddings(facilities: Facilities) -> None:
    for a, b in (("one", "two"), ("three", "four"), ("same", "same"), ("five", "six")):
        assert (await grade(facilities, "cosine", a, b)).score == pytest.approx(cosine_of(a, b), abs=1e-6)


async def test_embeddings_that_cannot_be_had_are_an_error(facilities: Facilities, endpoint: EmbeddingsEndpoint) -> None:
    endpoint.faults.append(Fault(500))
    graded = await grade(facilities, "cosine", "abc", "d")

    assert (graded.score, graded.passed) == (0.0, False)
    assert graded.error is not None
    assert (graded.error.code, graded.error.origin, graded.error.retryable) == ("embeddings_failed", "judge", True)
    assert graded.error.message == (
        "No cosine of texts of 3 and 1 characters: the embeddings endpoint failed (server_error): told to fail"
    )


def test_cosine_without_an_endpoint_is_refused_and_the_setting_named() -> None:
    with pytest.raises(UnsupportedGraderError, match="Set EVALHAVEN_EMBEDDINGS_BASE_URL") as refusal:
        build_grader(Criterion(criterion("cosine")), Facilities())

    assert "Testing criterion 'Alike' compares embeddings" in str(refusal.value)


def test_an_imported_criterion_without_threshold_is_refused_by_name() -> None:
    incomplete = criterion("bleu")
    del incomplete["pass_threshold"]

    with pytest.raises(UnsupportedGraderError, match="'Alike' cannot be executed: its 'pass_threshold'"):
        build_grader(Criterion(incomplete), Facilities())


async def test_meteor_without_wordnet_says_so_in_every_grade_and_to_the_run(calculators: CalculatorPool) -> None:
    without = build_grader(Criterion(criterion("meteor")), Facilities(calculators))
    graded = await without.grade({"item": {"a": TEXT, "b": REFERENCE}})

    assert graded.score > 0.5
    assert graded.notes == ("meteor_without_wordnet",)
    assert without.caution is not None
    assert "wordnet-base" in without.caution
    assert "NLTK_DATA" in without.caution


async def test_meteor_with_wordnet_has_nothing_to_say(calculators: CalculatorPool, wordnet_place: Path) -> None:
    grader = build_grader(Criterion(criterion("meteor")), Facilities(calculators, wordnet=wordnet_place))
    graded = await grader.grade({"item": {"a": "a car", "b": "an auto"}})

    assert (graded.score, graded.notes, grader.caution) == (0.25, (), None)


class RecordingPool(CalculatorPool):
    """Computes in this process and remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[int] = []

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        self.calls.append(len(str(arguments[0])))
        return function(*arguments)


@pytest.mark.parametrize("metric", METRICS)
async def test_short_texts_are_compared_at_once_and_long_ones_in_a_calculator(metric: str) -> None:
    pool = RecordingPool()
    facilities = Facilities(pool)
    await grade(facilities, metric, TEXT, REFERENCE)
    assert pool.calls == []
    long = "word " * 4000
    await grade(facilities, metric, long, long)

    assert pool.calls == [len(long)]


async def test_the_loop_is_not_held_up_by_long_texts(facilities: Facilities) -> None:
    longest = took = 0.0
    text = "abcdefg" * 30_000

    async def watch() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await anyio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        before = time.monotonic()
        assert (await grade(facilities, "fuzzy_match", text, text[::-1])).error is None
        took = time.monotonic() - before
        tasks.cancel_scope.cancel()

    assert longest < took / 2


async def test_a_comparison_that_takes_too_long_is_an_error_that_names_metric_and_sizes() -> None:
    async with CalculatorPool(1, timeout_s=0.3) as pool:
        graded = await grade(Facilities(pool), "fuzzy_match", "ab" * 300_000, "ba" * 300_000)

    assert graded.error is not None
    assert (graded.error.code, graded.error.origin, graded.error.retryable) == ("grader_timeout", "sandbox", False)
    assert graded.error.message == (
        "Computing fuzzy_match of texts of 600,000 and 600,000 characters took longer than 0.3 seconds."
    )


async def test_large_texts_are_compared_one_after_the_other() -> None:
    at_once = most = 0

    class SlowPool(CalculatorPool):
        async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await anyio.sleep(0.01)
            at_once -= 1
            return 0.5

    facilities = Facilities(SlowPool())

    async def compare(text: str) -> None:
        assert (await grade(facilities, "meteor", text, "x")).score == 0.5

    for text, expected in (("y" * LARGE_CHARS, 1), ("y", 4)):
        most = 0
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(compare, text)
        assert most == expected


async def test_pools_are_as_large_as_the_machine_by_default() -> None:
    async with CalculatorPool() as pool:
        assert pool._slots.total_tokens == os.cpu_count()


def test_graders_that_wait_are_worth_grading_many_items_at_once() -> None:
    concurrency = {
        metric: build_grader(Criterion(criterion(metric)), Facilities()).concurrency
        for metric in ALL_METRICS
        if metric != "cosine"
    }

    assert concurrency["meteor"] == 64
    assert concurrency["bleu"] == 16
