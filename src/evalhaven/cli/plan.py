"""`evalhaven plan`: says how many items a question about an eval needs."""

import re
import sys
from typing import Annotated, Any
from urllib.parse import quote, unquote, urlsplit

import typer

from evalhaven.cli.common_options import ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate

EPILOG = "Exit status: 0 the plan is shown, 1 there is none, 2 the command line is wrong."

_EVAL_PAGE = re.compile(r"(.*)/(?:ui|v1)/evals/([^/]+)(?:/.*)?")


def plan(
    evaluation: Annotated[str, typer.Argument(metavar="EVAL", help="Id of the eval, or the address of its page.")],
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
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Say how many items, and samples of each, a difference, a margin or a threshold needs, from the eval's runs."""
    import anyio

    from evalhaven.cli.asking import AnswerError
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.shell import fail, read_settings
    from evalhaven.cli.watch import server_settings
    from evalhaven.domain import jsontext
    from evalhaven.telemetry import configure_logging

    eval_id, page_url = _parse_eval(evaluation)
    settings = server_settings(read_settings(data_dir=data_dir, url=url), url, data_dir, page_url)
    configure_logging("warning", settings.log_format)
    query = {"difference": difference, "margin": margin, "threshold": threshold, "criteria": criteria}
    try:
        found = anyio.run(_ask, settings, eval_id, query)
    except AnswerError as error:
        fail(make_printable(str(error)))
    if as_json:
        sys.stdout.write(jsontext.render(found) + "\n")
    else:
        _print_plan(found)


async def _ask(settings: Any, eval_id: str, query: dict[str, Any]) -> dict[str, Any]:
    from evalhaven.cli.asking import open_asker

    async with open_asker(settings) as asker:
        return await asker.ask("GET", f"/api/evals/{quote(eval_id, safe='')}/plan", query)


def _parse_eval(text: str) -> tuple[str, str | None]:
    if "/" not in text:
        return text, None
    parts = urlsplit(text)
    match = _EVAL_PAGE.fullmatch(parts.path)
    if parts.scheme in ("http", "https") and match:
        return unquote(match[2]), f"{parts.scheme}://{parts.netloc}{match[1]}"
    raise typer.BadParameter(
        f"{text!r} is neither the id of an eval (eval_…) nor the address of its page (http://HOST/ui/evals/EVAL)."
    )


def _print_plan(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from evalhaven.cli.figure_texts import make_printable

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(make_printable(found["sentence"]), style="bold")
    asked = [name for name in ("difference", "margin", "threshold") if any(each[name] for each in found["plans"])]
    table = Table(box=None, pad_edge=False)
    for name in ("samples", *(f"items for the {each}" for each in asked), "visible"):
        table.add_column(name, justify="right")
    for each in found["plans"]:
        visible = "-" if each["visible"] is None else f"{100 * each['visible']:.1f} points"
        needed = ["-" if each[name] is None else f"{each[name]:,}" for name in asked]
        table.add_row(str(each["repeats"]), *needed, visible)
    console.print(table)
    for note in found["notes"]:
        console.print(f"! {make_printable(note)}", style="yellow")
