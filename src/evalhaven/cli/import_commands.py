"""`evalhaven import …`: the commands; what they do is in `imports`."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalhaven.cli import export_hosted as export
from evalhaven.cli.common_options import prefer_command_line

if TYPE_CHECKING:
    from evalhaven.settings import Settings

import_commands = typer.Typer(
    help="Import evals, runs, results and files from elsewhere. What is here already stays as it is.",
    no_args_is_help=True,
)
_EPILOG = (
    "If a server is running on the data directory, the import goes through it. Otherwise the import writes to the data "
    "directory itself.\n\n"
    "Exit status: 0 everything came over, 1 the import failed, 3 something did not come over, 130 interrupted."
)

Check = Annotated[bool, typer.Option("--check", help="Store nothing. Say what would come over and what would not.")]
DataDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Data directory to import into (EVALHAVEN_DATA_DIR); default: ./evalhaven-data."),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Server to import into, such as http://127.0.0.1:8765 (EVALHAVEN_URL; its key: EVALHAVEN_API_KEY); "
        "default: the data directory.",
    ),
]
ArchiveDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Directory for the archive, which is kept; default: evalhaven-archive beside the data directory.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the eval that each file becomes; default: the file's name."),
]
ToolName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the eval; default: the name that the file says, else the file's own."),
]


@import_commands.command("archive", epilog=_EPILOG)
def import_archive(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Archive made by `evalhaven export-hosted`.")],
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import an archive that `evalhaven export-hosted` made."""
    from evalhaven.cli.imports import run_archive_import

    raise typer.Exit(run_archive_import(directory, _settings(data_dir, url), is_check=check))


@import_commands.command("openai", epilog=_EPILOG)
def import_openai(  # noqa: PLR0917 - typer makes options of them, never positional
    base_url: export.BaseUrl = None,
    api_version: export.ApiVersion = None,
    eval_ids: export.EvalIds = None,
    since: export.Since = None,
    until: export.Until = None,
    metadata: export.Pairs = None,
    archive_dir: ArchiveDir = None,
    data_dir: DataDir = None,
    url: Url = None,
    *,
    all_files: export.AllFiles = False,
    logs: export.Logs = None,
    concurrency: export.Concurrency = None,
    tries: export.Tries = None,
    timeout: export.Timeout = None,
    check: Check = False,
) -> None:
    """Copy an account of the hosted API into an archive, as `evalhaven export-hosted` does, and import the archive.

    The key comes from OPENAI_API_KEY (Azure: AZURE_OPENAI_API_KEY). With --check the archive is made too, but not
    imported.
    """
    from evalhaven.cli.imports import run_archive_import

    settings = _settings(data_dir, url)
    directory = archive_dir or settings.data_dir.absolute().parent / "evalhaven-archive"
    print(f"Archive: {directory}", flush=True)
    try:
        export.export_hosted(
            to_dir=directory,
            base_url=base_url,
            api_version=api_version,
            eval_ids=eval_ids,
            since=since,
            until=until,
            metadata=metadata,
            all_files=all_files,
            logs=logs,
            concurrency=concurrency,
            tries=tries,
            timeout=timeout,
        )
    except typer.Exit as ended:
        exported = ended.exit_code
        if exported not in (export.EXIT_COMPLETE, export.EXIT_INCOMPLETE):
            raise
    else:
        exported = export.EXIT_COMPLETE
    # What the export could not copy did not come over, even if the rest of the archive is complete.
    raise typer.Exit(run_archive_import(directory, settings, is_check=check) or exported)


@import_commands.command("dashboard", epilog=_EPILOG)
def import_dashboard(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files that were exported from the hosted dashboard.")
    ],
    name: Name = None,
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import results that were exported from the hosted dashboard as JSON lines.

    Each file becomes an eval with its runs. The files hold grades, but not the definitions of the graders.
    """
    from evalhaven.cli.imports import open_and_import
    from evalhaven.importers.dashboard import DashboardSource

    settings = _settings(data_dir, url)
    raise typer.Exit(open_and_import(lambda: DashboardSource.open(files, name), settings, is_check=check))


@import_commands.command("langfuse", epilog=_EPILOG)
def import_langfuse(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files that the script wrote, or directories of them.")
    ],
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import what the published export script for Langfuse wrote.

    These are files with {eval, rows, runs}, and files/ beside them.
    """
    from evalhaven.cli.imports import open_and_import
    from evalhaven.importers.langfuse import LangfuseSource

    settings = _settings(data_dir, url)
    raise typer.Exit(open_and_import(lambda: LangfuseSource.open(paths), settings, is_check=check))


@import_commands.command("promptfoo", epilog=_EPILOG)
def import_promptfoo(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files that promptfoo wrote with `-o`, as .json or .jsonl."),
    ],
    name: ToolName = None,
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import results of promptfoo: of `promptfoo eval -o results.json`, or `promptfoo export eval ID -o results.json`.

    Each file becomes an eval. Each pair of a provider and a prompt becomes a run of it, and each assertion a criterion;
    assertions with the same metric, or of the same type, are one.
    """
    from evalhaven.cli.imports import import_results
    from evalhaven.importers.promptfoo import PromptfooFile

    settings = _settings(data_dir, url)
    raise typer.Exit(
        import_results(lambda: nullcontext([PromptfooFile(path, name) for path in files]), settings, is_check=check)
    )


@import_commands.command("inspect", epilog=_EPILOG)
def import_inspect(
    logs: Annotated[
        list[Path],
        typer.Argument(metavar="LOG...", help="Eval logs (.eval or .json), or directories of them."),
    ],
    pass_from: Annotated[
        float, typer.Option(metavar="SCORE", help="The lowest score that passes; Inspect's logs do not say it.")
    ] = 1.0,
    name: ToolName = None,
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import eval logs of Inspect.

    Logs of the same task with the same scorers become runs of one eval. Each score of a scorer becomes a criterion,
    and each epoch a repeat. A .eval file is converted by the `inspect` command, which has to be installed; .json files
    need nothing.
    """
    from evalhaven.cli.imports import import_results
    from evalhaven.importers.inspect_logs import opened_logs

    settings = _settings(data_dir, url)
    raise typer.Exit(import_results(lambda: opened_logs(logs, pass_from, name), settings, is_check=check))


@import_commands.command("csv", epilog=_EPILOG)
def import_csv(  # noqa: PLR0917 - typer makes options of them, never positional
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="CSV files with a header, in UTF-8.")],
    output: Annotated[str, typer.Option(metavar="COLUMN", help="Column of what was answered.")] = "output",
    model: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column of the model that answered; each model becomes a run.")
    ] = "",
    row_id: Annotated[
        str,
        typer.Option(
            "--id", metavar="COLUMN", help="Column that names the item: the same in another run, or as a repeat."
        ),
    ] = "",
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[=PASS_FROM]",
            help="Column of scores, which becomes a criterion, and the lowest score that passes (default: 0.5). May be "
            "repeated.",
        ),
    ] = None,
    passed: Annotated[
        list[str] | None,
        typer.Option(
            "--pass", metavar="COLUMN", help="Column of yes or no, which becomes a criterion. May be repeated."
        ),
    ] = None,
    error: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column that says why there is no answer; empty where there is one.")
    ] = "",
    delimiter: Annotated[
        str | None,
        typer.Option(metavar="CHARACTER", help="What stands between cells; default: what the header has most of."),
    ] = None,
    name: Name = None,
    data_dir: DataDir = None,
    url: Url = None,
    *,
    check: Check = False,
) -> None:
    """Import a table of outputs. All columns that no option names are the item.

    Each file becomes an eval with a run for each model. What has only outputs can be graded here: by a run that grades
    the samples of the imported one.
    """
    from evalhaven.cli.imports import import_results
    from evalhaven.cli.shell import EXIT_USAGE, fail
    from evalhaven.importers.tables import DEFAULT_PASS_FROM, Columns, Table

    if delimiter is not None and len(delimiter) != 1:
        fail(f"--delimiter is one character, not {delimiter!r}.", EXIT_USAGE)
    scores: dict[str, float] = {}
    for each in score or ():
        column, sign, number = each.rpartition("=")
        try:
            scores[column if sign else each] = float(number) if sign else DEFAULT_PASS_FROM
        except ValueError:
            scores[each] = DEFAULT_PASS_FROM
    columns = Columns(output, model, row_id, error, scores, passed or ())
    settings = _settings(data_dir, url)
    raise typer.Exit(
        import_results(
            lambda: nullcontext([Table(path, columns, name, delimiter) for path in files]), settings, is_check=check
        )
    )


def _settings(data_dir: Path | None, url: str | None) -> "Settings":
    from evalhaven.cli.shell import read_settings

    return prefer_command_line(read_settings(data_dir=data_dir, url=url), data_dir, url)
