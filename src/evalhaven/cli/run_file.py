"""`evalhaven run`: executes an eval that stands in a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from evalhaven.cli.common_options import AsMarkdown, Config, Url, prefer_command_line
from evalhaven.cli.references import parse_run

EPILOG = (
    "Exit status: 0 every run passes (without a policy: has completed without errors), 1 one fails, 2 it cannot be "
    "told, or a run has errors or did not complete, 64 the file or the command line is wrong, or an earlier call of "
    "the file has not ended, 70 the server does not answer, 130 interrupted: --resume goes on."
)


def run(  # noqa: PLR0917 - typer calls it by name
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The eval: YAML, or JSON if its name ends so.", dir_okay=False, show_default=False
        ),
    ],
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Only the first N items; default: all.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Only N items, chosen by chance; default: all.")
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="S", help="What chance goes by: the same S chooses the same items; default: 0."),
    ] = None,
    filter_failing: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Only items that failed or erred in this run; decides nothing; default: all."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="BASELINE",
            help="What runs are compared with, instead of what the file says: auto, pinned, none, a run, a variant or "
            "a JSONL file of recorded answers; default: the file's.",
        ),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Write the answers there as JSONL, to be a baseline later; {variant} in the name stands for the "
            "variant; default: nowhere.",
        ),
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write JUnit XML there; default: nowhere.")] = None,
    url: Url = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory whose server is used; if there is none, one is started for this call "
            "(EVALHAVEN_DATA_DIR); default: ./evalhaven-data. It wins over EVALHAVEN_URL.",
        ),
    ] = None,
    config: Config = None,
    *,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the last call of the file, and wait for its runs.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Cancel what the last call has left unfinished, and start anew.")
    ] = False,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Run again whenever the file, its data, prompts or graders change, until Ctrl-C."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what came out as JSON; progress goes to stderr.")
    ] = False,
    as_markdown: AsMarkdown = False,
) -> None:
    """Run an eval that stands in a file: every model with every prompt, compared with the baseline, and decided.

    The server is the one that --url names or that holds the data directory, else one that lives as long as the
    command. The eval is found again by its name; a changed one becomes its next version.
    """
    from evalhaven.cli.file_session import Wishes, execute
    from evalhaven.cli.shell import read_settings
    from evalhaven.eval_files.selecting import Selection
    from evalhaven.telemetry import configure_logging

    _refuse_contradictions(
        {"--json": as_json, "--markdown": as_markdown},
        {"--resume": resume, "--restart": restart},
        {"--resume": resume, "--watch": watch},
        {"--json": as_json, "--watch": watch},
        {"--resume": resume, "--limit": limit is not None},
        {"--resume": resume, "--sample": sample is not None},
        {"--resume": resume, "--filter-failing": filter_failing is not None},
    )
    if seed is not None and sample is None:
        raise typer.BadParameter("--seed has no effect without --sample.")
    settings = prefer_command_line(read_settings(url=url, data_dir=data_dir, config=config), data_dir, url)
    configure_logging("warning", settings.log_format)
    failing = None if filter_failing is None else parse_run(filter_failing).id
    wishes = Wishes(
        file,
        Selection(limit, sample, seed or 0, failing),
        baseline=baseline,
        record=record,
        junit=junit,
        config=config,
        resume=resume,
        restart=restart,
        watch=watch,
        form="json" if as_json else "markdown" if as_markdown else "text",
    )
    sys.exit(execute(wishes, settings))


def _refuse_contradictions(*pairs: dict[str, bool]) -> None:
    for pair in pairs:
        if all(pair.values()):
            raise typer.BadParameter(f"{' and '.join(pair)} exclude each other.")
