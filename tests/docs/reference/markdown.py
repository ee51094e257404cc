"""What the pages are put together from."""

import re
from collections.abc import Iterable, Sequence

NOTE = "<!-- Generated from the code by `python -m tests.docs.reference --write`; edit the texts there. -->"


def page(title: str, parts: Iterable[str]) -> str:
    """Return a page from its title and its parts; empty parts are left out."""
    return "\n\n".join([f"# {title}", NOTE, *filter(None, parts)]) + "\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; "" without rows."""
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines]) if lines else ""


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, each on a line."""
    return [" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip())]


def code(text: str) -> str:
    """Return a text as code."""
    return f"`{text}`"


def choices(values: Iterable[object]) -> str:
    """Return what a value is one of: `a`, `b` or `c`."""
    *others, last = [code(str(value)) for value in values]
    return f"{', '.join(others)} or {last}" if others else last


def link(heading: str) -> str:
    """Return a link to a heading of the same page."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"[{heading}](#{anchor})"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
