"""`evalhaven report`: writes the report of a run to a file that anybody can open."""

from typing import Annotated

import typer

from evalhaven.cli.common_options import ServedDataDir, Url
from evalhaven.cli.export import Output
from evalhaven.cli.references import parse_run, settings_for

EPILOG = (
    "Exit status: 0 the file is whole, 64 the command line is wrong, 70 it cannot be written, or the server refused, "
    "130 interrupted. A file that is not whole is removed."
)


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the address of its page.")],
    output: Output = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="Field to break it down by; may be repeated; default: up to three fields that have a few values.",
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(metavar="N", min=0, max=100, help="Most items shown that failed, and that have no result.")
    ] = 10,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the figures as JSON instead, as the API answers them.")
    ] = False,
) -> None:
    """Write the report of a run as one HTML file, to be printed, kept or passed on: no network, no script."""
    from evalhaven.cli.downloads import download

    reference = parse_run(run)
    settings = settings_for(reference.server, url, data_dir)
    if as_json:
        download(settings, f"/api/runs/{reference.id}/report", {"by": by or None}, output)
    else:
        download(settings, f"/api/runs/{reference.id}/report.html", {"by": by or None, "examples": examples}, output)
