"""`evalhaven compare`: shows how a run differs from another."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalhaven.cli.common_options import ServedDataDir, Url
from evalhaven.cli.option_values import parse_rate

if TYPE_CHECKING:
    from evalhaven.settings import Settings

EPILOG = "Exit status: 0 the runs were compared, whatever came out, 1 they cannot be, 2 the command line is wrong."


def compare(  # noqa: PLR0917 - typer calls it by name
    baseline: Annotated[
        str, typer.Argument(metavar="A", help="The baseline: id of the run, or the address of its page.")
    ],
    run: Annotated[str, typer.Argument(metavar="B", help="The run that is compared with it.")],
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD", help="Field that names an item, instead of its whole content; may be repeated."),
    ] = None,
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
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")] = False,
) -> None:
    """Compare run B with the baseline A, item by item: what it comes to, each criterion, and the items that flipped."""
    import anyio

    from evalhaven.cli.asking import AnswerError
    from evalhaven.cli.comparison_texts import print_comparison, render_markdown
    from evalhaven.cli.downloads import download
    from evalhaven.cli.figure_texts import make_printable
    from evalhaven.cli.shell import fail, read_settings
    from evalhaven.cli.watch import parse_reference, server_settings
    from evalhaven.domain import jsontext
    from evalhaven.telemetry import configure_logging

    base_id, _ = parse_reference(baseline)
    run_id, page_url = parse_reference(run)
    settings = server_settings(read_settings(data_dir=data_dir, url=url), url, data_dir, page_url)
    configure_logging("warning", settings.log_format)
    query = {"runs": run_id, "base": base_id, "key": key, "margin": margin, "cluster": cluster}
    try:
        found = anyio.run(_ask, settings, query, items)
    except AnswerError as error:
        fail(make_printable(str(error)))
    if as_json:
        sys.stdout.write(jsontext.render(found) + "\n")
    elif as_markdown:
        sys.stdout.write(render_markdown(found))
    else:
        print_comparison(found)
    if html is not None:
        of_page = {"run": run_id, "base": base_id, "key": key, "margin": margin, "cluster": cluster, "items": items}
        download(settings, "/api/compare/report.html", of_page, html)


async def _ask(settings: "Settings", query: dict[str, Any], count: int) -> dict[str, Any]:
    from evalhaven.cli.asking import open_asker

    async with open_asker(settings) as asker:
        comparison = await asker.ask("GET", "/api/compare", query)
        flipped: dict[str, Any] = {}
        for change in ("regressed", "fixed"):
            of_page = {"run": query["runs"], "base": query["base"], "key": query["key"], "change": change}
            paired = comparison["comparisons"][0]["paired_by"] is not None
            is_asked = count and paired
            page = await asker.ask("GET", "/api/compare/items", {**of_page, "limit": count}) if is_asked else None
            flipped[change] = [] if page is None else page["data"]
        return {**comparison, "items": flipped}
