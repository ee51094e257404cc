"""Facts about the words that calls are found by."""

import pytest

from evalhaven.logs.words import spaced_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  Hello, World! hello_there ", ["hello", "world", "there"]),
        ("a" * 64 + " b", ["a" * 64, "b"]),
        ("b " + "a" * 65, ["b", "a" * 64]),
        ("a" * 65 + " b", ["a" * 64, "b"]),
        ("b " * 40 + "a" * 65 + " c" * 40, ["b", "a" * 64, "c"]),
        ("b " * 40 + "a" * 64 + " c" * 40, ["b", "a" * 64, "c"]),
        (" " * 200 + "A-B" + " " * 200, ["a", "b"]),
        ("Café " + "É" * 65, ["cafe", "e" * 64]),
    ],
)
def test_words_are_cut_to_64_characters_and_come_once(text: str, words: list[str]) -> None:
    assert words_of([text]) == words
    assert list(dict.fromkeys(spaced_words([text]).split())) == words


def test_no_more_words_are_kept_than_an_index_takes() -> None:
    words = [f"w{number}" for number in range(60_000)]
    kept = words_of(words)

    assert kept == words[: len(kept)]
    assert 149_990 < len("".join(kept)) < 150_010
    assert words_of([f"{word}é" for word in words])[0] == "w0e"
