"""Fuzzy match: `fuzz.ratio` of rapidfuzz (the normalised indel distance) in the range 0 to 1."""

from rapidfuzz import fuzz


def fuzzy_match(text: str, reference: str) -> float:
    """Return twice the length of the longest common subsequence of characters over the length of both texts.

    Args:
        text: What is judged.
        reference: What it should be.
    """
    return fuzz.ratio(text, reference) / 100
