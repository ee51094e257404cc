"""Options that several commands share, and which server a command works with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalhaven.settings import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Directory of the database and files (EVALHAVEN_DATA_DIR); default: ./evalhaven-data."
    ),
]
ServedDataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Data directory whose server is asked (EVALHAVEN_DATA_DIR); default: ./evalhaven-data. It wins over "
        "EVALHAVEN_URL.",
    ),
]
Url = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Server to ask, such as http://127.0.0.1:8765 (EVALHAVEN_URL; its key: EVALHAVEN_API_KEY); default: the "
        "one that holds the data directory.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="File that describes the endpoints of models (EVALHAVEN_CONFIG); default: ./evalhaven.toml if there "
        "is one.",
    ),
]
Project = Annotated[
    str | None,
    typer.Option(
        metavar="PROJECT",
        help="Id of the project, proj_… (EVALHAVEN_PROJECT); default: that of the key that is sent, else the default "
        "project.",
    ),
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="Id of the run, or the address of its page.")]
EvalArgument = Annotated[str, typer.Argument(metavar="EVAL", help="Id of the eval, or the address of its page.")]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key", metavar="FIELD", help="Field that names an item, instead of its whole content; may be repeated."
    ),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Most of them that are shown.")]
OnlyPairs = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="Only those with this pair of metadata; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the API answers, as JSON.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown, for a pull request.")]


def prefer_command_line(settings: "Settings", data_dir: Path | None, url: str | None) -> "Settings":
    """Return the settings, without the environment's server if the command line names only a data directory.

    Args:
        settings: What the command line and the environment say.
        data_dir: The data directory that the command line names.
        url: The server that the command line names.
    """
    return settings.model_copy(update={"url": None}) if data_dir is not None and url is None else settings
