"""METEOR of one sentence against one reference, by NLTK.

Lavie, Agarwal: METEOR: an Automatic Metric for MT Evaluation with High Levels of Correlation with Human Judgments, WMT
2007. Words match if they are equal, share a stem (Porter), or are synonyms in WordNet, regardless of case.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from evalhaven.graders.similarity.wordnet import SynonymSet, WordNet

WITHOUT_WORDNET = "meteor_without_wordnet"
"""Name of the note on a score for which no synonyms were known."""


class _NoSynonyms:
    def synsets(self, word: str) -> Sequence[SynonymSet]:
        return ()


def meteor(text: str, reference: str, wordnet: Path | None) -> float:
    """Return the weighted mean of precision and recall of words, reduced by the penalty for a different word order.

    Args:
        text: What is judged; tokens are split at white space.
        reference: What it should be.
        wordnet: The directory or archive of WordNet; None leaves synonyms out.
    """
    # Importing NLTK takes a third of a second, and most processes never need it.
    from nltk.translate.meteor_score import single_meteor_score  # noqa: PLC0415

    synonyms = cast("Any", _opened(wordnet))
    return single_meteor_score(reference.split(), text.split(), wordnet=synonyms)


@lru_cache(maxsize=1)
def _opened(place: Path | None) -> WordNet | _NoSynonyms:
    return _NoSynonyms() if place is None else WordNet(place)
