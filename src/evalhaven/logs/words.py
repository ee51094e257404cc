"""The words of a text, as both stores index and look for them.

They are made here rather than by the databases, so that a search finds the same on each.
"""

import re
import unicodedata
from collections.abc import Iterable

import regex

_WORD = re.compile(r"[^\W_]+")
# Written without spaces between words: each letter counts as a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_ACCENTS = regex.compile(r"\p{Mn}+")
# Of ASCII, letters in lower case and digits make words; all else separates them.
_SEPARATED = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_LONGEST_WORD, _BYTES_A_LETTER = 64, 4
_MOST_BYTES = 150_000  # PostgreSQL refuses a megabyte of words, and has those of instructions twice


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words of texts, each once: in lower case, without accents, cut to 64 characters."""
    return list(dict.fromkeys(spaced_words(texts).split()))


def spaced_words(texts: Iterable[str]) -> str:
    """Return the same words with spaces between them, and perhaps more than once: an index knows them apart itself."""
    text = " ".join(texts)
    # Nearly all texts are like this. To make a list of their words would cost more than to store a call.
    if text.isascii() and len(text) <= _MOST_BYTES // _BYTES_A_LETTER:
        spaced = text.translate(_SEPARATED)
        return spaced if _has_short_words(spaced) else " ".join(_within_limits(spaced.split()))
    found = text.translate(_SEPARATED).split() if text.isascii() else _WORD.findall(_without_accents(text))
    if len(text) <= _MOST_BYTES // _BYTES_A_LETTER and max(map(len, found), default=0) <= _LONGEST_WORD:
        return " ".join(found)
    return " ".join(_within_limits(dict.fromkeys(found)))


def _has_short_words(spaced: str) -> bool:
    """Tell whether no word needs to be cut, in a few steps: the last space within reach ends all words before it."""
    start, end = 0, len(spaced) - _LONGEST_WORD
    while start < end:
        start = spaced.rfind(" ", start, start + _LONGEST_WORD + 1) + 1
        if not start:
            return False
    return True


def _within_limits(words: Iterable[str]) -> list[str]:
    kept: dict[str, None] = {}
    left = _MOST_BYTES
    for word in words:
        kept[word[:_LONGEST_WORD]] = None
        left -= len(word[:_LONGEST_WORD].encode())
        if left < 0:
            break
    return list(kept)


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    return _UNSPACED.sub(r" \g<0> ", _ACCENTS.sub("", apart))
