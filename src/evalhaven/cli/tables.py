"""Tables: columns with two spaces between, as wide as their texts, or as a narrow terminal allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evalhaven.cli.figure_texts import make_printable

if TYPE_CHECKING:
    from rich.console import Console

_GAP = "  "
_INDENT = "  "
_FEWEST_CELLS = 12  # of a text that is cut: fewer say nothing


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        name: Its head.
        is_figure: Whether it stands to the right.
        may_be_cut: Whether its texts may lose their ends on a narrow terminal.
    """

    name: str
    is_figure: bool = False
    may_be_cut: bool = False


@dataclass(frozen=True, slots=True)
class TableLines:
    """A table, line by line.

    Attributes:
        heads: The lines of the heads.
        rows: The lines of the rows; on a narrow terminal two for each.
    """

    heads: list[str]
    rows: list[str]


def print_table(console: "Console", columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: on a terminal in its width, elsewhere a line a row with every text in full."""
    lines = table_lines(columns, rows, console.width if console.is_terminal else None)
    for line in lines.heads:
        console.print(line, style="bold")
    for line in lines.rows:
        console.print(line)


def table_lines(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> TableLines:
    """Return the lines of a table.

    If it does not fit although texts are cut, the first column has lines of its own, above those of the others.

    Args:
        columns: Its columns.
        rows: Their texts, which may be anybody's.
        width: Cells of a line; None if there is no limit.
    """
    told = [[make_printable(" ".join(text.split())) for text in row] for row in rows]
    widths = _widths(columns, told, width)
    if widths is not None:
        return TableLines([_line(columns, widths, [each.name for each in columns])],
                          [_line(columns, widths, row) for row in told])  # fmt: skip
    rest = columns[1:]
    room = None if width is None else width - len(_INDENT)
    below = [row[1:] for row in told]
    widths = _widths(rest, below, room) or _natural(rest, below)

    def stacked(texts: Sequence[str]) -> list[str]:
        return [_cut(texts[0], width), _INDENT + _line(rest, widths, texts[1:])]

    return TableLines(stacked([each.name for each in columns]), [line for row in told for line in stacked(row)])


def _natural(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    from rich.cells import cell_len

    return [max(map(cell_len, (column.name, *(row[n] for row in rows)))) for n, column in enumerate(columns)]


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """Return the width of each column; None if they do not fit."""
    widths = _natural(columns, rows)
    if width is None:
        return widths
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0:
        least = [max(_FEWEST_CELLS, len(each.name)) for each in columns]
        able = [n for n, each in enumerate(columns) if each.may_be_cut and widths[n] > least[n]]
        if not able:
            return None
        widest = max(able, key=lambda n: widths[n])
        widths[widest] -= 1
        excess -= 1
    return widths


def _line(columns: Sequence[Column], widths: Sequence[int], texts: Sequence[str]) -> str:
    from rich.cells import cell_len

    cells: list[str] = []
    for column, width, text in zip(columns, widths, texts, strict=True):
        shown = _cut(text, width)
        blank = " " * (width - cell_len(shown))
        cells.append(blank + shown if column.is_figure else shown + blank)
    return _GAP.join(cells).rstrip()


def _cut(text: str, width: int | None) -> str:
    from rich.cells import cell_len, set_cell_size

    if width is None or cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, width - 1).rstrip()}…"
