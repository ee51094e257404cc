"""The metrics that are computed from two texts alone, by name, and what they cost."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from evalhaven.graders.similarity.bleu import bleu
from evalhaven.graders.similarity.fuzzy import fuzzy_match
from evalhaven.graders.similarity.gleu import gleu
from evalhaven.graders.similarity.rouge import rouge_l, rouge_n


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and its cost, measured with many short words, the most expensive case.

    Attributes:
        score: The function; of the text and its reference.
        us_a_char: Microseconds for each character of both.
        us_a_pair: Microseconds for each pair of a character of one text with a character of the other.
    """

    score: Callable[[str, str], float]
    us_a_char: float
    us_a_pair: float = 0.0

    def cost_us(self, text: str, reference: str) -> float:
        """Return about how many microseconds the metric takes for these texts."""
        length, expected = len(text), len(reference)
        return self.us_a_char * (length + expected) + self.us_a_pair * length * expected


METRICS: dict[str, Metric] = {
    "fuzzy_match": Metric(fuzzy_match, us_a_char=0.01, us_a_pair=2e-5),
    "bleu": Metric(bleu, us_a_char=0.25),
    "gleu": Metric(gleu, us_a_char=0.25),
    **{f"rouge_{n}": Metric(partial(rouge_n, n=n), us_a_char=0.15) for n in (1, 2, 3, 4, 5)},
    "rouge_l": Metric(rouge_l, us_a_char=0.05, us_a_pair=2e-5),
}
