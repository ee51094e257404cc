"""ROUGE-N and ROUGE-L of one text against one reference, as F-measures.

Lin: ROUGE: a Package for Automatic Evaluation of Summaries, ACL workshop 2004. Equal to the package rouge-score with
its default tokenizer and no stemmer: lower case, and tokens are runs of a-z and 0-9.
"""

import re

from rapidfuzz.distance import LCSseq

from evalhaven.graders.similarity.ngrams import count_all, count_shared

_TOKEN = re.compile(r"[a-z0-9]+")


def rouge_n(text: str, reference: str, n: int) -> float:
    """Return the F-measure of the n-grams that both texts have.

    Args:
        text: What is judged.
        reference: What it should be.
        n: Tokens of an n-gram.
    """
    tokens, expected = _tokens_of(text), _tokens_of(reference)
    return _f_measure(count_shared(tokens, expected, n), count_all(tokens, n), count_all(expected, n))


def rouge_l(text: str, reference: str) -> float:
    """Return the F-measure of the longest common subsequence of tokens.

    Args:
        text: What is judged.
        reference: What it should be.
    """
    tokens, expected = _tokens_of(text), _tokens_of(reference)
    if not tokens or not expected:
        return 0.0
    return _f_measure(LCSseq.similarity(tokens, expected), len(tokens), len(expected))


def _tokens_of(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())


def _f_measure(shared: int, given: int, expected: int) -> float:
    """Return the harmonic mean of `shared / given` and `shared / expected`; 0 if nothing is shared."""
    if shared == 0:
        return 0.0
    precision, recall = shared / given, shared / expected
    return 2 * precision * recall / (precision + recall)
