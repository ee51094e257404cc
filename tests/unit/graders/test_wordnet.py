"""Facts about WordNet: its synonyms are those that NLTK finds, wherever it is installed."""

import random
from pathlib import Path
from typing import Any

import pytest

from evalhaven.graders.similarity.wordnet import WordNet, find_wordnet
from tests.sizes import SEED
from tests.unit.graders.dictionaries import PARTS_OF_SPEECH, write_dictionary, zip_dictionary

ENDINGS = ("", "s", "ed", "ing", "es", "er", "est", "men", "ies")
ODD_WORDS = [
    "",
    "s",
    "ing",
    "'",
    "(p)",
    "1",
    "  1",
    "the",
    "geese",
    "Dogs",
    "ran",
    "better",
    "aardvark's",
    "é",
    "\ud800",
]


def names(dictionary: Any, word: str) -> set[str]:
    """Return all words that mean the same as a word."""
    return {lemma.name() for synonyms in dictionary.synsets(word) for lemma in synonyms.lemmas()}


def test_synonyms_are_those_that_nltk_finds(wordnet_place: Path, nltk_wordnet: Any) -> None:
    ours = WordNet(wordnet_place)
    known = sorted(nltk_wordnet._lemma_pos_offset_map)
    words = [word + ending for word in random.Random(SEED).sample(known, 500) for ending in ENDINGS]

    assert len(known) > 100_000
    assert [word for word in [*words, *ODD_WORDS] if names(ours, word) != names(nltk_wordnet, word)] == []
    assert {"goose", "fathead"} <= names(ours, "geese")


def test_every_word_of_the_index_is_found(wordnet_place: Path) -> None:
    ours = WordNet(wordnet_place)
    indexes = [(wordnet_place / f"index.{part}").read_text(encoding="utf-8") for part in PARTS_OF_SPEECH]
    lines = [line for index in indexes for line in index.splitlines()]
    words = [line.split()[0] for line in lines if not line.startswith(" ")]
    chosen = [words[0], words[-1], *random.Random(SEED).sample(words, 5_000)]

    assert [word for word in chosen if not ours.synsets(word)] == []


def test_nltk_data_comes_first_and_may_be_packed(tmp_path: Path) -> None:
    debian, first, second = tmp_path / "debian", tmp_path / "first", tmp_path / "second"
    for place in (debian, first / "corpora" / "wordnet"):
        write_dictionary(place)
    (second / "corpora").mkdir(parents=True)
    zip_dictionary(debian, second / "corpora" / "wordnet.zip")

    assert find_wordnet(None, debian) == debian
    assert find_wordnet("", debian) == debian
    assert find_wordnet(f"{tmp_path / 'nowhere'}:{second}:{first}", debian) == second / "corpora" / "wordnet.zip"
    assert find_wordnet(f"{first}:{second}", debian) == first / "corpora" / "wordnet"


@pytest.mark.parametrize("is_packed", [False, True])
def test_synonyms_and_base_forms_are_read_from_directories_and_archives(tmp_path: Path, *, is_packed: bool) -> None:
    place = tmp_path / "wordnet"
    write_dictionary(place)
    if is_packed:
        zip_dictionary(place, tmp_path / "wordnet.zip")
    dictionary = WordNet(tmp_path / "wordnet.zip" if is_packed else place)

    assert names(dictionary, "car") == names(dictionary, "AUTOS") == {"car", "auto"}
    assert names(dictionary, "geese") == {"goose"}
    assert names(dictionary, "gooses") == {"goose"}
    assert names(dictionary, "gees") == names(dictionary, "ca") == names(dictionary, "1") == set()


def test_an_incomplete_or_damaged_wordnet_counts_as_none(tmp_path: Path) -> None:
    place = tmp_path / "data" / "corpora" / "wordnet"
    write_dictionary(place)
    (place / "verb.exc").unlink()
    (tmp_path / "data" / "corpora" / "wordnet.zip").write_bytes(b"no archive")

    assert find_wordnet(str(tmp_path / "data"), tmp_path / "nowhere") is None
