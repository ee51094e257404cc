"""Tables and sections, as every page has them."""

from collections.abc import Mapping, Sequence

from evalhaven.api.html_report.elements import Content, Markup, element, together

RIGHT = "r"
BAR = "bar"
NARROW = "n"


def table(heads: Sequence[tuple[Content, str | None]], rows: Sequence[Sequence[Content]], sums: int = 0) -> Markup:
    """Return a table whose first column names its rows.

    Args:
        heads: The name of each column, and the class of its cells.
        rows: The cells of each row.
        sums: How many of the last rows add up the others.
    """
    head = [element("th", {"scope": "col", "class": kind}, name) for name, kind in heads]
    body: list[Markup] = []
    for number, row in enumerate(rows):
        first = element("th", {"scope": "row"}, row[0])
        rest = [element("td", {"class": kind}, cell) for cell, (_, kind) in zip(row[1:], heads[1:], strict=True)]
        kind = "sum" if number >= len(rows) - sums else None
        body.append(element("tr", {"class": kind}, first, *rest))
    whole = element("table", {}, element("thead", {}, element("tr", {}, *head)), element("tbody", {}, *body))
    has_bars = any(kind == BAR for _, kind in heads)
    return element("div", {"class": "wide rates" if has_bars else "wide"}, whole)


def scale() -> Markup:
    """Return the head of a column of rates."""
    marks = [element("span", {}, mark) for mark in ("0", "50", "100 %")]
    return element("span", {"class": "scale"}, *marks)


def section(title: Content, *children: Content) -> Markup:
    """Return a part of the page under its title."""
    return element("section", {}, element("h2", {}, title), *children)


def note(*children: Content) -> Markup:
    """Return a remark."""
    return element("p", {"class": "note"}, *children)


def figures(values: Sequence[tuple[str, Content, str, str]]) -> Markup:
    """Return the main figures: a name, the figure, its unit, and a remark for each."""
    parts: list[Markup] = []
    for name, value, unit, remark in values:
        shown = element("dd", {"class": "v"}, value, element("small", {}, unit) if unit else None)
        told = element("dd", {"class": "note"}, remark)
        parts.append(element("div", {}, element("dt", {}, name), shown, told))
    return element("dl", {"class": "kpi"}, *parts)


def facts(values: Mapping[str, Content], kind: str | None = "facts") -> Markup:
    """Return names with what they stand for."""
    pairs = [
        together(element("dt", {}, name), element("dd", {"class": "text"}, value)) for name, value in values.items()
    ]
    return element("dl", {"class": kind}, *pairs)
