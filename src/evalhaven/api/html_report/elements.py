"""HTML and SVG built of elements: whatever is not an element is text and is escaped."""

import html
from collections.abc import Mapping
from dataclasses import dataclass

_EMPTY = frozenset({"meta", "col", "line", "rect", "circle", "br"})
# Browsers and printers drop control characters or choke on them; characters that turn text round would let an answer
# change how its surroundings read.
_UNSEEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    "\N{REPLACEMENT CHARACTER}",
)


@dataclass(frozen=True, slots=True)
class Markup:
    """HTML that is safe as it is; only this module makes it of texts."""

    text: str


Content = Markup | str | int | None


def element(name: str, attributes: Mapping[str, str | float | None] | None = None, *children: Content) -> Markup:
    """Return an element.

    Args:
        name: Its name.
        attributes: Their values are escaped; None leaves an attribute out.
        children: Elements, or texts, which are escaped; None is left out.
    """
    given = "".join(f' {key}="{_escaped(value)}"' for key, value in (attributes or {}).items() if value is not None)
    if name in _EMPTY:
        return Markup(f"<{name}{given}>" if name in {"meta", "col", "br"} else f"<{name}{given}/>")
    return Markup(f"<{name}{given}>{together(*children).text}</{name}>")


def together(*children: Content) -> Markup:
    """Return elements and texts one after the other."""
    return Markup("".join(each.text if isinstance(each, Markup) else _escaped(each) for each in children))


def document(*children: Markup) -> str:
    """Return the text of a whole page."""
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, *children).text}\n"


def verbatim_style(sheet: str) -> Markup:
    """Return a style sheet of our own."""
    return Markup(f"<style>{sheet}</style>")


def _escaped(value: str | float | None) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return html.escape(text.encode("utf-8", "replace").decode().translate(_UNSEEN))
