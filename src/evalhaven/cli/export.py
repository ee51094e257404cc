"""`evalhaven export`: writes the output items of a run to a file."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalhaven.cli.common_options import ServedDataDir, Url
from evalhaven.cli.references import parse_run, settings_for

EPILOG = (
    "Exit status: 0 the file is whole, 64 the command line is wrong, 70 it cannot be written, or the server refused or "
    "broke off, 130 interrupted. A file that is not whole is removed."
)


class ExportFormat(StrEnum):
    """How output items are written."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Where to write; default: standard output."),
]


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the address of its page.")],
    format_name: Annotated[
        ExportFormat | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="jsonl (an output item a line, as the API shows it), csv, or parquet (the server needs pyarrow); "
            "default: by the end of FILE's name, else jsonl.",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help="Columns with commas between, such as item.FIELD, output_text or results.CRITERION.score; may be "
            "repeated; default: the usual ones, in jsonl whole output items.",
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only items of this status: pass, fail or error; default: all."),
    ] = None,
    output: Output = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
) -> None:
    """Export the output items of a run as JSON lines, CSV or Parquet. A run that goes on gives what is stored."""
    from evalhaven.cli.downloads import download

    reference = parse_run(run)
    chosen = format_name or _format_of(output)
    if chosen is ExportFormat.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for terminals: name a file with -o.", param_hint="--format")
    query = {"format": chosen.value, "columns": columns or None, "status": status}
    settings = settings_for(reference.server, url, data_dir)
    download(settings, f"/api/runs/{reference.id}/export", query, output)


def _format_of(output: Path | None) -> ExportFormat:
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    return ExportFormat(ending) if ending in set(ExportFormat) else ExportFormat.JSONL
