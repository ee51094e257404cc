"""GLEU of one sentence against one reference.

Wu et al.: Google's Neural Machine Translation System, 2016, section 4.3. Equal to NLTK's `sentence_gleu`.
"""

from evalhaven.graders.similarity.ngrams import count_all, count_shared

_NGRAMS = (1, 2, 3, 4)


def gleu(text: str, reference: str) -> float:
    """Return the smaller of precision and recall over all 1- to 4-grams.

    Args:
        text: What is judged; tokens are split at white space, and case counts.
        reference: What it should be.
    """
    tokens, expected = text.split(), reference.split()
    longest = max(len(tokens), len(expected))
    if longest == 0:
        return 0.0
    of_longest = tokens if longest == len(tokens) else expected
    return sum(count_shared(tokens, expected, n) for n in _NGRAMS) / sum(count_all(of_longest, n) for n in _NGRAMS)
