"""A comparison in a terminal and as Markdown."""

from typing import Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.gate_texts import escape_markdown
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import escape_text, plain_console, print_text
from evalhaven.domain import jsontext
from evalhaven.domain.wording import counted, signed_points

_SHOWN_CHARS = 300
# So that usual figures fit a terminal of 80 columns.
_COLUMNS = (
    Column("criterion", may_be_cut=True),
    Column("A %", is_figure=True),
    Column("B %", is_figure=True),
    Column("points (95 %)", is_figure=True),
    Column("fixed", is_figure=True),
    Column("regressed", is_figure=True),
    Column("verdict"),
)
_CHANGES = ("fixed", "regressed", "passed", "failed", "errored", "missing", "new")
_TITLES = {"regressed": "Regressed", "fixed": "Fixed"}


def print_comparison(found: dict[str, Any]) -> None:
    """Print a comparison with the items that flipped."""
    console = plain_console()
    one = found["comparisons"][0]
    style = {"better": "bold green", "worse": "bold red", "regression": "bold red"}.get(
        one["difference"]["verdict"], "bold"
    )
    print_text(console, make_printable(one["sentence"]), style=style)
    counts = one["counts"]
    told = [f"{counts[name]:,} {name}" for name in _CHANGES if counts[name]]
    print_text(console, ", ".join(told) or "no items")
    print_table(console, _COLUMNS, _rows(one))
    print_text(console, _footnote(one))
    for warning in one["warnings"]:
        print_text(console, make_printable(warning["message"]), "! ", "  ", "yellow")
    for change, items in found["items"].items():
        if items:
            console.print()
            console.print(_of_count(change, len(items), counts[change]), style="bold")
        for item in items:
            print_text(console, escape_text(_shortened(jsontext.render(item["item"]))), "- ", "  ")
            for name, side in (("A", "baseline"), ("B", "candidate")):
                print_text(console, escape_text(_answer(item[side])), f"    {name}: ", " " * 7)


def render_markdown(found: dict[str, Any]) -> str:
    """Return a comparison with the items that flipped as Markdown."""
    one = found["comparisons"][0]
    lines = [f"### {escape_markdown(one['sentence'])}", "", f"| {' | '.join(each.name for each in _COLUMNS)} |"]
    lines.append(f"|{'---|' * len(_COLUMNS)}")
    lines += [f"| {' | '.join(map(escape_markdown, row))} |" for row in _rows(one)]
    lines += ["", _footnote(one)]
    lines += [f"- ⚠ {escape_markdown(warning['message'])}" for warning in one["warnings"]]
    for change, items in found["items"].items():
        if items:
            lines += ["", f"**{_of_count(change, len(items), one['counts'][change])}**", ""]
        for item in items:
            lines.append(f"- {escape_markdown(_shortened(jsontext.render(item['item'])))}")
            lines += [
                f"  - {name}: {escape_markdown(_answer(item[side]))}"
                for name, side in (("A", "baseline"), ("B", "candidate"))
            ]
    return "\n".join(lines) + "\n"


def _rows(one: dict[str, Any]) -> list[list[str]]:
    whole = {
        "name": "all criteria",
        "baseline": one["baseline_rate"],
        "candidate": one["candidate_rate"],
        "difference": one["difference"],
        "counts": one["counts"],
    }
    return [_row(each) for each in (whole, *one["criteria"])]


def _row(criterion: dict[str, Any]) -> list[str]:
    difference = criterion["difference"]
    return [
        criterion["name"],
        _percent(criterion["baseline"]["value"]),
        _percent(criterion["candidate"]["value"]),
        _points(difference),
        f"{criterion['counts']['fixed']:,}",
        f"{criterion['counts']['regressed']:,}",
        difference["verdict"].replace("_", " "),
    ]


def _footnote(one: dict[str, Any]) -> str:
    difference = one["difference"]
    how = {"content": "by their content", "fields": "by the fields that were named", "position": "by position"}
    paired = "not paired" if one["paired_by"] is None else f"paired {how[one['paired_by']]}"
    seen = difference["visible"]
    visible = "no difference can be seen" if seen is None else f"{100 * seen:.1f} points can be seen"
    p = "" if difference["p"] is None else f"; p = {difference['p']:.3g}"
    return f"{counted(difference['items'], 'item')}, {paired}; {visible}{p} ({difference['method'].replace('_', ' ')})."


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _points(difference: dict[str, Any]) -> str:
    shown = signed_points(difference["value"])
    if difference["low"] is None:
        return shown
    return f"{shown} ({signed_points(difference['low'])} to {signed_points(difference['high'])})"


def _of_count(change: str, shown: int, count: int) -> str:
    return f"{_TITLES[change]} ({count:,}):" if shown == count else f"{_TITLES[change]} ({shown:,} of {count:,}):"


def _answer(samples: list[dict[str, Any]]) -> str:
    first = next(iter(samples), None)
    if first is None:
        return "-"
    if first["error"] is not None:
        return f"error: {_shortened(first['error']['message'])}"
    return _shortened(first["output_text"] or "-")


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN_CHARS else f"{flat[:_SHOWN_CHARS]}…"
