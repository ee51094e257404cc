"""The metrics of `text_similarity` compared with their reference libraries; `python -m benchmarks.similarity`.

One process measures both in turn, with the same pairs of texts; of each, the fastest of several rounds counts. The six
variants of ROUGE are computed one by one, as six criteria would.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rouge_score.rouge_scorer import RougeScorer

from evalhaven.graders.similarity.metrics import METRICS

WORDS = (40, 200)
_PAIRS = 100
_ROUNDS = 7
_SEED = 7
_ROUGE = ("rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l")
_VOCABULARY = (
    *("my", "monitor", "keyboard", "laptop", "will", "not", "turn", "on", "after", "the", "last", "update", "and"),
    *("screen", "stays", "black", "please", "help", "me", "reset", "password", "invoice", "network", "printer"),
)

Pair = tuple[str, str]
Score = Callable[[str, str], object]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric compared with its library.

    Attributes:
        us: Our microseconds a pair.
        library_us: The library's microseconds a pair.
        target: The least that our rate should be, as a multiple of the library's; None: no target.
    """

    name: str
    words: int
    us: float
    library_us: float
    target: float | None

    @property
    def ratio(self) -> float:
        """Return how many times as fast ours is as the library's."""
        return self.library_us / self.us


def compare_metrics() -> list[Comparison]:
    """Measure every metric at every length."""
    rouge: Any = RougeScorer([name.replace("_", "").replace("rougel", "rougeL") for name in _ROUGE])
    # NLTK has no types.
    bleu, gleu = (import_module(f"nltk.translate.{name}_score") for name in ("bleu", "gleu"))
    smooth = bleu.SmoothingFunction().method1

    def nltk_bleu(text: str, reference: str) -> object:
        return bleu.sentence_bleu([reference.split()], text.split(), smoothing_function=smooth)

    def nltk_gleu(text: str, reference: str) -> object:
        return gleu.sentence_gleu([reference.split()], text.split())

    def six_rouges(text: str, reference: str) -> object:
        return [METRICS[name].score(text, reference) for name in _ROUGE]

    rows: list[tuple[str, Score, Score, float]] = [
        ("six ROUGEs, beside rouge-score", six_rouges, lambda text, ideal: rouge.score(ideal, text), 3.0),
        ("BLEU, beside NLTK", METRICS["bleu"].score, nltk_bleu, 1.1),
        ("GLEU, beside NLTK", METRICS["gleu"].score, nltk_gleu, 1.1),
    ]
    return [
        Comparison(name, words, *_in_turn(ours, library, _pairs(words)), target if words == WORDS[0] else None)
        for name, ours, library, target in rows
        for words in WORDS
    ]


def print_comparisons(comparisons: Sequence[Comparison], console: Console) -> None:
    """Print the table."""
    table = Table("Text similarity", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("Words", "µs a pair", "Library", "Times as fast", "At least", "Met"):
        table.add_column(column, justify="right")
    for each in comparisons:
        target = (
            ("", "") if each.target is None else (f"{each.target:.1f}", "yes" if each.ratio >= each.target else "NO")
        )
        table.add_row(
            each.name, str(each.words), f"{each.us:,.0f}", f"{each.library_us:,.0f}", f"{each.ratio:.1f}", *target
        )
    console.print(table)


def _pairs(words: int) -> list[Pair]:
    """Return texts of so many words, and references that share most of them."""
    chance = random.Random(_SEED)
    pairs: list[Pair] = []
    for _ in range(_PAIRS):
        text = chance.choices(_VOCABULARY, k=words)
        reference = [word if chance.random() < 0.8 else chance.choice(_VOCABULARY) for word in text]
        pairs.append((" ".join(text), " ".join(reference)))
    return pairs


def _in_turn(ours: Score, library: Score, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return the microseconds a pair of both."""
    rounds = [(_seconds(ours, pairs), _seconds(library, pairs)) for _ in range(_ROUNDS)]
    return tuple(1e6 * min(column) / len(pairs) for column in zip(*rounds, strict=True))  # pyright: ignore[reportReturnType] - two columns


def _seconds(score: Score, pairs: Sequence[Pair]) -> float:
    started = time.perf_counter()
    for text, reference in pairs:
        score(text, reference)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    print_comparisons(compare_metrics(), Console(width=100, highlight=False))


if __name__ == "__main__":
    main()
