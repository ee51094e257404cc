"""What commands print: texts of anybody without what steers a terminal, JSON for programs, lines for people."""

import re
import sys
import unicodedata
from typing import TYPE_CHECKING

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue

if TYPE_CHECKING:
    from rich.console import Console

_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"  # emoji and some scripts are written with them
# JSON itself escapes what is below U+0020; terminals obey some of these, too, and show text backwards at others.
_STEERING = re.compile("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_text(text: str) -> str:
    """Return a text of anybody for a terminal: lines stay, other control characters are written as escapes."""
    return "".join(map(_escaped, text.replace("\r\n", "\n")))


def print_json(value: JsonValue) -> None:
    """Print a value as JSON on one line; no character of it steers a terminal."""
    text = jsontext.render(value)
    sys.stdout.write(_STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def plain_console() -> "Console":
    """Return a console that prints lines as they are: they are not wrapped, and no text in them is markup."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_hint(console: "Console", text: str) -> None:
    """Print what may come next; programs that read the output do not want it."""
    if console.is_terminal:
        console.print(text, style="dim")


def print_nothing(text: str) -> None:
    """Say why there is nothing to show, and what would change that: beside the output, which stays empty."""
    sys.stderr.write(f"{text}\n")


def print_text(console: "Console", text: str, first: str = "", rest: str = "", style: str | None = None) -> None:
    """Print a text: on a terminal it is wrapped between words, elsewhere its lines stay as they are.

    Args:
        console: Where it is printed.
        text: The text; nothing in it may steer a terminal.
        first: What its first line begins with.
        rest: What its other lines begin with.
        style: How it looks on a terminal.
    """
    from rich.text import Text

    lines = text.split("\n")
    if console.is_terminal:
        room = max(1, console.width - max(len(first), len(rest)))
        lines = [part.plain for line in lines for part in Text(line).wrap(console, room) or [Text()]]
    for number, line in enumerate(lines):
        console.print(f"{rest if number else first}{line.rstrip()}", style=style)


def _escaped(char: str) -> str:
    if char.isprintable() or char in "\n\t" or char in _JOINERS or unicodedata.category(char) == "Zs":
        return char
    # As Python writes it: an escape of two, four or eight digits.
    return ascii(char)[1:-1]
