"""The words of a text, as both stores index and look for them.

They are made here rather than by the databases, so that a search finds the same on each.
"""

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+")
# Written without spaces between words: each letter counts as a word.
_UNSPACED = re.compile(
    "[\u0e00-\u0e7f\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_LONGEST_WORD = 64
_MOST_CHARACTERS = 200_000  # of a call; PostgreSQL refuses a megabyte of words


def words_of(texts: Iterable[str]) -> list[str]:
    """Return the words of texts, each once: in lower case, without accents, cut to 64 characters."""
    found: dict[str, None] = {}
    left = _MOST_CHARACTERS
    for text in texts:
        plain = text.lower() if text.isascii() else _without_accents(text)
        for word in _WORD.findall(plain):
            if word not in found:
                left -= len(word)
                if left < 0:
                    return list(found)
                found[word[:_LONGEST_WORD]] = None
    return list(found)


def _without_accents(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(letter for letter in apart if unicodedata.category(letter) != "Mn")
    return _UNSPACED.sub(r" \g<0> ", letters)
