"""`evalhaven plan`: says how many items a question about an eval needs."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, EvalArgument, Keys, ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate
from evalhaven.cli.references import parse_eval, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 the plan is shown, 64 the command line is wrong, 70 there is none."


def plan(  # noqa: PLR0917 - typer calls it by name
    evaluation: EvalArgument,
    difference: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=parse_rate,
            help="Difference that is to be seen: 0.03 is three points; default: none.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", parser=parse_rate, help="How much worse a run may be: 0.02 is two points; default: none."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="RATE", parser=parse_rate, help="Share of items that has to pass; default: none."),
    ] = None,
    criteria: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="How many criteria have to pass together.")
    ] = 1,
    key: Keys = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Say how many items, and samples of each, a difference, a margin or a threshold needs, from the eval's runs."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.terminal import print_json

    asked = parse_eval(evaluation)
    query = {"difference": difference, "margin": margin, "threshold": threshold, "criteria": criteria, "key": key}
    found = answer_of(settings_for(asked.server, url, data_dir), partial(_ask, eval_id=asked.id, query=query))
    if as_json:
        print_json(found)
    else:
        _print_plan(found)


async def _ask(asker: "Asker", eval_id: str, query: dict[str, Any]) -> dict[str, Any]:
    return await asker.ask("GET", f"/api/evals/{quote(eval_id, safe='')}/plan", query)


def _print_plan(found: dict[str, Any]) -> None:
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.tables import Column, print_table
    from evalhaven.cli.terminal import plain_console, print_text

    console = plain_console()
    print_text(console, make_printable(found["sentence"]), style="bold")
    asked = [name for name in ("difference", "margin", "threshold") if any(each[name] for each in found["plans"])]
    names = ("samples", *(f"items for the {each}" for each in asked), "visible")
    rows: list[list[str]] = []
    for each in found["plans"]:
        visible = "-" if each["visible"] is None else f"{100 * each['visible']:.1f} points"
        needed = ["-" if each[name] is None else f"{each[name]:,}" for name in asked]
        rows.append([str(each["repeats"]), *needed, visible])
    print_table(console, [Column(name, is_figure=True) for name in names], rows)
    for note in found["notes"]:
        print_text(console, make_printable(note), "! ", "  ", "yellow")
