"""N-grams of a list of tokens, and how many of them two lists share."""

from collections import Counter
from collections.abc import Iterable, Sequence


def count_shared(tokens: Sequence[str], others: Sequence[str], n: int) -> int:
    """Return how many n-grams two lists share; a repeated one counts as many times as both have it."""
    if len(tokens) < n or len(others) < n:
        return 0
    left = Counter(_ngrams_of(tokens, n))
    find = left.get
    shared = 0
    # Crossing off matches needs one dictionary and no second pass.
    for ngram in _ngrams_of(others, n):
        count = find(ngram)
        if count:
            left[ngram] = count - 1
            shared += 1
    return shared


def count_all(tokens: Sequence[str], n: int) -> int:
    """Return the number of n-grams of a list."""
    return max(0, len(tokens) - n + 1)


def _ngrams_of(tokens: Sequence[str], n: int) -> Iterable[str | tuple[str, ...]]:
    """Return each sequence of `n` tokens; for `n` = 1, the tokens themselves."""
    return tokens if n == 1 else zip(*(tokens[start:] for start in range(n)), strict=False)
