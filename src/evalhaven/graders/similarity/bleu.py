"""BLEU of one sentence against one reference.

Papineni, Roukos, Ward, Zhu: BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002; smoothed by
method 1 of Chen, Cherry: A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU, WMT 2014. Equal to
NLTK's `sentence_bleu` with `SmoothingFunction().method1`.
"""

import math

from evalhaven.graders.similarity.ngrams import count_all, count_shared

_LONGEST_NGRAM = 4
_SMALL_COUNT = 0.1  # what method 1 uses if nothing matches


def bleu(text: str, reference: str) -> float:
    """Return the geometric mean of the precisions of 1- to 4-grams, reduced by the penalty for a short text.

    Args:
        text: What is judged; tokens are split at white space, and case counts.
        reference: What it should be.
    """
    tokens, expected = text.split(), reference.split()
    logarithms: list[float] = []
    for n in range(1, _LONGEST_NGRAM + 1):
        shared = count_shared(tokens, expected, n)
        if n == 1 and shared == 0:
            return 0.0
        # A text too short for any n-gram counts as having one that does not match.
        logarithms.append(math.log((shared or _SMALL_COUNT) / max(1, count_all(tokens, n))))
    mean = math.exp(math.fsum(logarithms) / _LONGEST_NGRAM)
    return mean if len(tokens) > len(expected) else mean * math.exp(1 - len(expected) / len(tokens))
