"""WordNet's synonyms, looked up in its own files.

Format: the manual pages wndb(5) and morphy(7) of WordNet 3. NLTK's reader finds the same synonyms, but it wants files
that Debian does not ship (`lexnames`), and holds the whole dictionary in memory; this one searches the files in place.
"""

import mmap
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

DEBIAN_DIRECTORY = Path("/usr/share/wordnet")
INSTALL_HINT = "install Debian's package wordnet-base, or set NLTK_DATA to a directory with corpora/wordnet"
_PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_FILES = tuple(f"{kind.format(part)}" for part in _PARTS_OF_SPEECH for kind in ("index.{}", "data.{}", "{}.exc"))
_MARKER = re.compile(r"\([^()]*\)$")  # of an adjective: its possible positions
_KNOWN_WORDS = 16_384
# Endings and what replaces them in the base form, as morphy applies them.
_ENDINGS: dict[str, tuple[tuple[str, str], ...]] = {
    "noun": (
        *(("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z")),
        *(("ches", "ch"), ("shes", "sh"), ("men", "man"), ("ies", "y")),
    ),
    "verb": (
        *(("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", "")),
        *(("ing", "e"), ("ing", "")),
    ),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}


@dataclass(frozen=True, slots=True)
class Lemma:
    """A word of a synonym set."""

    text: str

    def name(self) -> str:
        """Return the word, under the name that NLTK uses."""
        return self.text


@dataclass(frozen=True, slots=True)
class SynonymSet:
    """Words that mean the same."""

    words: tuple[Lemma, ...]

    def lemmas(self) -> Sequence[Lemma]:
        """Return the words, under the name that NLTK uses."""
        return self.words


def find_wordnet(nltk_data: str | None, debian: Path = DEBIAN_DIRECTORY) -> Path | None:
    """Return the directory or zip archive that holds WordNet, or None.

    Args:
        nltk_data: The value of NLTK_DATA: directories, separated as in PATH.
        debian: Where Debian's packages put it.
    """
    corpora = [Path(directory) / "corpora" for directory in (nltk_data or "").split(":") if directory]
    places = [path for corpus in corpora for path in (corpus / "wordnet", corpus / "wordnet.zip")]
    return next((place for place in (*places, debian) if _is_complete(place)), None)


class WordNet:
    """The synonyms of one installed WordNet."""

    def __init__(self, place: Path) -> None:
        """Open the files.

        Args:
            place: The directory or zip archive that holds them.
        """
        files = dict(_contents(place))
        self._index = {part: files[f"index.{part}"] for part in _PARTS_OF_SPEECH}
        self._data = {part: files[f"data.{part}"] for part in _PARTS_OF_SPEECH}
        self._irregular = {part: _irregular_forms(bytes(files[f"{part}.exc"])) for part in _PARTS_OF_SPEECH}
        self._find = lru_cache(_KNOWN_WORDS)(self._find_sets)

    def synsets(self, word: str) -> Sequence[SynonymSet]:
        """Return the synonym sets of a word and its base forms, for each part of speech."""
        return self._find(word.lower())

    def _find_sets(self, word: str) -> Sequence[SynonymSet]:
        return tuple(
            self._set_at(part, offset)
            for part in _PARTS_OF_SPEECH
            for form in self._forms_of(word, part)
            for offset in self._offsets_of(form, part)
        )

    def _forms_of(self, word: str, part: str) -> Iterator[str]:
        """Yield a word and what may be its base forms; an irregular word has no regular ones."""
        forms = self._irregular[part].get(word)
        if forms is None:
            forms = [word.removesuffix(old) + new for old, new in _ENDINGS[part] if word.endswith(old)]
        # The lines of the licence at the top of each index begin with spaces.
        yield from dict.fromkeys(form for form in (word, *forms) if form and form[0] != " ")

    def _offsets_of(self, form: str, part: str) -> list[int]:
        fields = _find_line(self._index[part], f"{form} ".encode("utf-8", "surrogatepass")).split()
        # lemma, part of speech, number of sets, …, and as many offsets at the end
        return [int(offset) for offset in fields[-int(fields[2]) :]] if fields else []

    def _set_at(self, part: str, offset: int) -> SynonymSet:
        data = self._data[part]
        fields = data[offset : data.find(b"\n", offset)].decode().split()
        # offset, file number, type, number of words in hexadecimal, then pairs of a word and its number
        count = int(fields[3], 16)
        return SynonymSet(tuple(Lemma(_MARKER.sub("", word)) for word in fields[4 : 4 + 2 * count : 2]))


def _is_complete(place: Path) -> bool:
    try:
        if place.suffix == ".zip":
            with zipfile.ZipFile(place) as archive:
                return {f"wordnet/{name}" for name in _FILES} <= set(archive.namelist())
        return all((place / name).is_file() for name in _FILES)
    except (OSError, zipfile.BadZipFile):
        return False


def _contents(place: Path) -> Iterator[tuple[str, bytes | mmap.mmap]]:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            for name in _FILES:
                yield name, archive.read(f"wordnet/{name}")
        return
    for name in _FILES:
        with (place / name).open("rb") as file:
            yield name, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _irregular_forms(text: bytes) -> dict[str, list[str]]:
    lines = (line.split() for line in text.decode().splitlines())
    return {fields[0]: fields[1:] for fields in lines if fields}


def _find_line(lines: bytes | mmap.mmap, beginning: bytes) -> bytes:
    """Return the line of a sorted file with this beginning, or nothing."""
    low, high = 0, len(lines)
    while low < high:
        middle = (low + high) // 2
        start = lines.rfind(b"\n", low, middle) + 1 or low
        end = lines.find(b"\n", middle, high)
        end = high if end < 0 else end
        line = lines[start:end]
        if line.startswith(beginning):
            return line
        if line < beginning:
            low = end + 1
        else:
            high = start
    return b""
