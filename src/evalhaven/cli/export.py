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
_FILTERS = (
    "status", "passed", "failed", "errored", "criterion", "least_score", "most_score", "least_latency", "most_latency",
    "least_tokens", "most_tokens", "error", "error_code", "group", "text", "sort", "order",
)  # fmt: skip


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
            "repeated; * stands for the usual ones; default: the usual ones, in jsonl whole output items.",
        ),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(metavar="STATUS", help="Only items of this status: pass, fail or error; default: all."),
    ] = None,
    output: Output = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    where: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="A filter or the order of the dashboard's table of items, such as failed=CRITERION, least_score=0.5, "
            "text=refund or sort=score; may be repeated; default: all, in their order. The reference of the API has "
            "the names.",
        ),
    ] = None,
) -> None:
    """Export the output items of a run as JSON lines, CSV or Parquet. A run that goes on gives what is stored."""
    from evalhaven.cli.downloads import download

    reference = parse_run(run)
    chosen = format_name or _format_of(output)
    if chosen is ExportFormat.PARQUET and output is None and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for terminals: name a file with -o.", param_hint="--format")
    filters = _filters_of(where)
    if status is not None:
        filters.setdefault("status", []).append(status)
    query = {"format": chosen.value, "columns": columns or None, **filters}
    settings = settings_for(reference.server, url, data_dir)
    download(settings, f"/api/runs/{reference.id}/export", query, output)


def _filters_of(pairs: list[str] | None) -> dict[str, list[str]]:
    """Return the filters of the command line by name.

    Raises:
        typer.BadParameter: One is not written as NAME=VALUE, or names no filter.
    """
    filters: dict[str, list[str]] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or name not in _FILTERS:
            # A server ignores what it does not know, and all items would look like those that were asked for.
            raise typer.BadParameter(
                f"{pair!r} must be a name and its value with = between; the names are {', '.join(_FILTERS)}.",
                param_hint="--where",
            )
        filters.setdefault(name, []).append(value)
    return filters


def _format_of(output: Path | None) -> ExportFormat:
    ending = "" if output is None else output.suffix.lower().removeprefix(".")
    return ExportFormat(ending) if ending in set(ExportFormat) else ExportFormat.JSONL
