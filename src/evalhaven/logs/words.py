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
    text = " ".join(texts)
    # Splitting is several times as fast as a search for words.
    found = text.translate(_SEPARATED).split() if text.isascii() else _WORD.findall(_without_accents(text))
    words = list(dict.fromkeys(found))
    if len(text) <= _MOST_BYTES // _BYTES_A_LETTER and max(map(len, words), default=0) <= _LONGEST_WORD:
        return words
    return _within_limits(words)


def _within_limits(words: list[str]) -> list[str]:
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
