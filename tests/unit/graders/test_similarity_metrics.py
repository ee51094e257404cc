"""Facts about the metrics: each equals the library that it is named after."""

import functools
import json
import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from evalhaven.graders.similarity.meteor import meteor
from evalhaven.graders.similarity.metrics import METRICS
from tests.on_use import on_use
from tests.sizes import SEED

if TYPE_CHECKING:
    from nltk.translate import bleu_score, gleu_score, meteor_score
    from rouge_score import rouge_scorer
else:
    bleu_score = on_use("nltk.translate.bleu_score")
    gleu_score = on_use("nltk.translate.gleu_score")
    meteor_score = on_use("nltk.translate.meteor_score")
    rouge_scorer = on_use("rouge_score.rouge_scorer")

Pair = tuple[str, str]
Score = Callable[[str, str], float]

ROUGE_TYPES = {**{f"rouge_{n}": f"rouge{n}" for n in (1, 2, 3, 4, 5)}, "rouge_l": "rougeL"}
WORDS = [
    *("the", "cats", "sat", "on", "a", "mat", "The", "Cat", "SAT", "mats", "sitting", "dog's", "a-b", "_", "..."),
    *("3,000", "$5", "1.0", "é", "naïve", "東京", "ß", "İ", "ﬁ", "👍🏽", "—"),
]
EDGES: list[Pair] = [
    (" ", " "),
    ("!!!", "!!!"),
    ("a", "b"),
    ("a", "a"),
    ("a b c", "a b c"),
    ("a b c d", "a b c d"),
    ("a", "a b c d e f g"),
    ("a b c d e f g", "a"),
    ("the the the the", "the cat"),
    ("a a a a b", "a a b b b"),
    ("d c b a", "a b c d"),
    ("The CAT", "the cat"),
    ("\u2003wide\u00a0space\x1fhere", "wide space here"),
    ("\ud800 lone", "lone \udfff"),
    ("nul\x00nul", "nul nul"),
    ("e\u0301", "é"),
    ("x" * 3000, "x" * 2999 + "y"),
    ("日本語のテキスト", "日本語テキスト"),
]
texts = st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join) | st.text(max_size=60)


@functools.cache
def scorers() -> dict[str, Score]:
    """Return the libraries by the name of the metric."""
    rouge: Any = rouge_scorer.RougeScorer(list(ROUGE_TYPES.values()))
    smooth = bleu_score.SmoothingFunction().method1

    def bleu(text: str, reference: str) -> Any:
        return bleu_score.sentence_bleu([reference.split()], text.split(), smoothing_function=smooth)

    def gleu(text: str, reference: str) -> Any:
        return gleu_score.sentence_gleu([reference.split()], text.split())

    def rouge_by(kind: str) -> Score:
        def score(text: str, reference: str) -> float:
            return rouge.score(reference, text)[kind].fmeasure

        return score

    return {
        "fuzzy_match": lambda text, reference: fuzz.ratio(text, reference) / 100,
        "bleu": bleu,
        "gleu": gleu,
        **{name: rouge_by(kind) for name, kind in ROUGE_TYPES.items()},
    }


def differences(pairs: list[Pair]) -> Iterator[tuple[str, Pair, float, float]]:
    """Yield where a metric and its library differ."""
    for name, library in scorers().items():
        for pair in pairs:
            ours, theirs = METRICS[name].score(*pair), library(*pair)
            if not math.isclose(ours, theirs, rel_tol=0, abs_tol=1e-9):
                yield name, pair, ours, theirs


def made_up_pairs(count: int) -> list[Pair]:
    """Return pairs of which many share words, in one order or another."""
    chance = random.Random(SEED)
    pairs: list[Pair] = []
    for _ in range(count):
        text = chance.choices(WORDS, k=chance.randint(1, 40))
        reference = [word for word in text if chance.random() < 0.8] + chance.choices(WORDS, k=chance.randint(0, 8))
        if chance.random() < 0.3:
            chance.shuffle(reference)
        pairs.append((" ".join(text), " ".join(reference) or "x"))
    return pairs


def published_pairs(shared_dir: Path) -> list[Pair]:
    """Return answers of models beside the published solutions."""
    lines = (shared_dir / "data" / "gsm8k_model_solutions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines[:150]]
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    return [(row[model]["solution"], row["ground_truth"]) for row in rows for model in models]


def test_the_metrics_are_those_of_the_contract() -> None:
    assert scorers().keys() == METRICS.keys()


def test_metrics_equal_their_libraries_over_edge_cases_and_made_up_texts() -> None:
    pairs = [*EDGES, *((reference, text) for text, reference in EDGES), *made_up_pairs(600)]

    assert list(differences(pairs)) == []


@pytest.mark.slow
def test_metrics_equal_their_libraries_over_published_answers(shared_dir: Path) -> None:
    pairs = published_pairs(shared_dir)

    assert len(pairs) == 600
    assert list(differences(pairs)) == []


@settings(max_examples=300)
@given(texts, texts)
@example("a b", "a b")
def test_metrics_equal_their_libraries_over_any_texts(text: str, reference: str) -> None:
    # A text without characters is settled before any metric is asked.
    if text and reference:
        assert list(differences([(text, reference)])) == []


@pytest.mark.parametrize("name", METRICS)
def test_scores_stay_between_0_and_1(name: str) -> None:
    scores = [METRICS[name].score(*pair) for pair in [*EDGES, *made_up_pairs(100)]]

    assert min(scores) >= 0.0
    assert max(scores) <= 1.0
    assert METRICS[name].score("one and the same text here", "one and the same text here") == pytest.approx(1.0)


def test_meteor_equals_nltk_with_wordnet(wordnet_place: Path, nltk_wordnet: Any) -> None:
    pairs = [*EDGES, *made_up_pairs(500), ("The car was quick", "An auto that was fast")]
    differing = [
        pair
        for pair in pairs
        if abs(
            meteor(*pair, wordnet_place)
            - meteor_score.meteor_score([pair[1].split()], pair[0].split(), wordnet=nltk_wordnet)
        )
        > 1e-9
    ]

    assert differing == []


def test_meteor_equals_nltk_over_published_answers(shared_dir: Path, wordnet_place: Path, nltk_wordnet: Any) -> None:
    for text, reference in published_pairs(shared_dir)[:500]:
        theirs = meteor_score.meteor_score([reference.split()], text.split(), wordnet=nltk_wordnet)
        assert meteor(text, reference, wordnet_place) == pytest.approx(theirs, rel=0, abs=1e-9)


def test_meteor_without_wordnet_counts_equal_words_and_stems_alone(wordnet_place: Path) -> None:
    assert meteor("a car", "a car", None) == meteor("a car", "a car", wordnet_place)
    assert meteor("a car runs", "a car running", None) == meteor("a car runs", "a car running", wordnet_place)
    assert meteor("a car", "an auto", None) == 0.0
    assert meteor("a car", "an auto", wordnet_place) == 0.25


@pytest.mark.parametrize("name", METRICS)
def test_the_cost_of_a_metric_grows_with_both_texts(name: str) -> None:
    metric = METRICS[name]
    few, many = "word " * 40, "word " * 40_000

    assert metric.cost_us(few, few) < 1000 < metric.cost_us(many, many)
