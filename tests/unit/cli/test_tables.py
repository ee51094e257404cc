"""Facts about tables in terminals of any width, and elsewhere."""

import pytest

from evalhaven.cli.tables import Column, table_lines

COLUMNS = (Column("criterion", may_be_cut=True), Column("fixed", is_figure=True), Column("verdict"))
ROWS = [["exact", "1,204", "no regression"], ["tells the customer what comes next", "7", "better"]]


def test_a_table_without_a_limit_shows_every_text_in_full() -> None:
    lines = table_lines(COLUMNS, ROWS, None)

    assert lines.heads == ["criterion                           fixed  verdict"]
    assert lines.rows == [
        "exact                               1,204  no regression",
        "tells the customer what comes next      7  better",
    ]


def test_a_narrow_terminal_costs_the_ends_of_long_names_only() -> None:
    lines = table_lines(COLUMNS, ROWS, 40)

    assert lines.rows == ["exact               1,204  no regression", "tells the custome…      7  better"]


def test_a_very_narrow_terminal_gives_each_name_a_line_of_its_own() -> None:
    lines = table_lines(COLUMNS, ROWS, 30)

    assert lines.heads == ["criterion", "  fixed  verdict"]
    assert lines.rows == ["exact", "  1,204  no regression", "tells the customer what comes…", "      7  better"]


@pytest.mark.parametrize("width", [24, 30, 44, 79, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = table_lines(COLUMNS, [*ROWS, ["漢字" * 40, "1", "worse"]], width)

    # A Chinese character takes two cells.
    assert all(sum(2 if sign in "漢字" else 1 for sign in line) <= width for line in [*lines.heads, *lines.rows])


def test_no_text_steers_the_terminal_or_breaks_the_table() -> None:
    [line] = table_lines(COLUMNS, [["a\nb\x1b[31m\x9b\u202e", "1", "better"]], None).rows

    assert line.isprintable()
    assert line.startswith("a b\ufffd[31m\ufffd\ufffd")
