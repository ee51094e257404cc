"""WordNet as NLTK reads it, to compare with, and a small one of its form."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from evalhaven.graders.similarity.wordnet import DEBIAN_DIRECTORY, find_wordnet

PARTS_OF_SPEECH = ("noun", "verb", "adj", "adv")
_LICENCE = "  1 This software and database is being provided to you, the LICENSEE, by nobody.  \n"


@pytest.fixture(scope="session")
def wordnet_place() -> Path:
    """Return where Debian's WordNet is."""
    place = find_wordnet(None)
    if place is None:
        pytest.skip(f"Debian's package wordnet-base is not installed: {DEBIAN_DIRECTORY} is incomplete")
    return place


@pytest.fixture(scope="session")
def nltk_wordnet(wordnet_place: Path) -> Any:
    """Return NLTK's reader of the same files."""
    import nltk.data  # noqa: PLC0415 - takes more than a second, and the tests of few processes need it

    from tests.unit.graders.nltk_wordnet import DebianReader  # noqa: PLC0415 - the same

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # It reads only below directories that it was told of.
        patch.setattr(nltk.data, "path", [*nltk.data.path, str(wordnet_place)])
        reader = DebianReader(str(wordnet_place), None)
        for part in ("n", "v", "a", "r"):
            reader._data_file(part)
        yield reader


def write_dictionary(directory: Path) -> None:
    """Write a WordNet of two words that mean the same, `car` and `auto`, and an irregular one, `geese`."""
    directory.mkdir(parents=True)
    for part in PARTS_OF_SPEECH:
        (directory / f"{part}.exc").write_text("geese goose\n" if part == "noun" else "x y\n")
        for kind in ("index", "data"):
            (directory / f"{kind}.{part}").write_text(_LICENCE)
    data = directory / "data.noun"
    offsets: list[int] = []
    for words in ("02 car 0 auto 0", "01 goose 0"):
        offsets.append(data.stat().st_size)
        with data.open("a") as file:
            file.write(f"{offsets[-1]:08d} 05 n {words} 000 | a gloss  \n")
    with (directory / "index.noun").open("a") as file:
        for word, offset in (("auto", offsets[0]), ("car", offsets[0]), ("goose", offsets[1])):
            file.write(f"{word} n 1 0 1 0 {offset:08d}  \n")


def zip_dictionary(directory: Path, archive: Path) -> None:
    """Pack a WordNet as NLTK's downloads are."""
    with zipfile.ZipFile(archive, "w") as packed:
        for path in directory.iterdir():
            packed.write(path, f"wordnet/{path.name}")
