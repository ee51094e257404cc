"""`evalhaven compare`: shows how a run differs from another."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalhaven.cli.common_options import AsMarkdown, Keys, ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate
from evalhaven.cli.references import parse_run, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 the runs were compared, whatever came out, 64 the command line is wrong, 70 they cannot be."


def compare(  # noqa: PLR0917 - typer calls it by name
    baseline: Annotated[
        str, typer.Argument(metavar="A", help="The baseline: id of the run, or the address of its page.")
    ],
    run: Annotated[str, typer.Argument(metavar="B", help="The run that is compared with it.")],
    key: Keys = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="RATE",
            parser=parse_rate,
            help="How much worse B may be: 0.02 is two points; default: it is only asked which one is better.",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="FIELD",
            help="Field whose values make groups of items that are not independent; default: none.",
        ),
    ] = None,
    items: Annotated[
        int, typer.Option(metavar="N", min=0, help="Most items shown that are fixed, and that have regressed.")
    ] = 5,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Also write the comparison as one HTML file, to be printed, kept or passed on; default: none.",
        ),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison and these items as JSON.")] = False,
    as_markdown: AsMarkdown = False,
) -> None:
    """Compare run B with the baseline A, item by item: what it comes to, each criterion, and the items that flipped."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.comparison_texts import print_comparison, render_markdown
    from evalhaven.cli.downloads import download
    from evalhaven.cli.terminal import print_json

    base, candidate = parse_run(baseline), parse_run(run)
    settings = settings_for(candidate.server, url, data_dir)
    query = {"runs": candidate.id, "base": base.id, "key": key, "margin": margin, "cluster": cluster}
    found = answer_of(settings, partial(_ask, query=query, count=items))
    if as_json:
        print_json(found)
    elif as_markdown:
        sys.stdout.write(render_markdown(found))
    else:
        print_comparison(found)
    if html is not None:
        of_page = {
            "run": candidate.id,
            "base": base.id,
            "key": key,
            "margin": margin,
            "cluster": cluster,
            "items": items,
        }
        download(settings, "/api/compare/report.html", of_page, html)


async def _ask(asker: "Asker", query: dict[str, Any], count: int) -> dict[str, Any]:
    comparison = await asker.ask("GET", "/api/compare", query)
    is_paired = comparison["comparisons"][0]["paired_by"] is not None
    flipped: dict[str, Any] = {}
    for change in ("regressed", "fixed"):
        flipped[change] = []
        if count and is_paired:
            of_page = {"run": query["runs"], "base": query["base"], "key": query["key"], "change": change}
            page = await asker.ask("GET", "/api/compare/items", {**of_page, "limit": count})
            flipped[change] = page["data"]
    return {**comparison, "items": flipped}
