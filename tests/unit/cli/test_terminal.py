"""Facts about what commands print of texts that come from anybody."""

import json

import pytest

from evalhaven.cli.terminal import escape_text, plain_console, print_json, print_text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("Windows\r\nlines", "Windows\nlines"),
        ("over\rwritten", "over\\rwritten"),
        ("\x1b]0;title\x07\x1b[2J", "\\x1b]0;title\\x07\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\U000e0041", "\\U000e0041"),
        ("a\u00a0b\u3000c 👩\u200d🚀 ❤\ufe0f", "a\u00a0b\u3000c 👩\u200d🚀 ❤\ufe0f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_steers_a_terminal_is_written_as_an_escape(text: str, shown: str) -> None:
    assert escape_text(text) == shown


def test_json_keeps_every_value_and_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": "\x1b[31m\x7f\x9b\u202e\u2028é漢"}
    print_json(value)  # type: ignore[arg-type]
    printed = capsys.readouterr().out

    assert json.loads(printed) == value
    assert printed.endswith('é漢"}\n')
    assert printed[:-1].isprintable()


def test_a_text_is_wrapped_on_a_terminal_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "It is worse than main: two points\n[bold]:smile: x"
    print_text(plain_console(), text, "! ", "  ")
    assert capsys.readouterr().out == "! It is worse than main: two points\n  [bold]:smile: x\n"

    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "16")
    print_text(plain_console(), text, "! ", "  ")
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["! It is worse", "  than main: two", "  points", "  [bold]:smile:", "  x"]
