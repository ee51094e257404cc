"""`evalhaven projects …`: projects created, listed and archived."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, Limit, ServedDataDir, Url
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or not with that."
_PATH = "/v1/organization/projects"

project_commands = typer.Typer(
    cls=NounCommands, help="Create, list and archive projects. Without a command, list them."
)


@project_commands.command("create", epilog=EPILOG)
def create_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called.")],
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Create a project: what it holds is seen by its own keys, and by admin keys."""
    _tell(settings_for(None, url, data_dir), "POST", _PATH, {"name": name}, as_json=as_json)


@project_commands.command("list", epilog=EPILOG)
def list_projects(
    limit: Limit = 20,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    archived: Annotated[bool, typer.Option("--archived", help="Archived ones, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List projects."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.listing import take
    from evalhaven.cli.project_texts import print_projects
    from evalhaven.cli.terminal import print_json

    query = {"include_archived": "true" if archived else None}
    found = answer_of(settings_for(None, url, data_dir), partial(take, path=_PATH, query=query, limit=limit))
    if as_json:
        print_json(found)
    else:
        print_projects(found, limit)


@project_commands.command("archive", epilog=EPILOG)
def archive_project(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Id of the project (proj_…).")],
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Archive a project: its keys are refused within a second. What it holds stays, and runs under way are canceled."""
    path = f"{_PATH}/{quote(project, safe='')}/archive"
    _tell(settings_for(None, url, data_dir), "POST", path, None, as_json=as_json)


def _tell(settings: Any, method: str, path: str, body: dict[str, Any] | None, *, as_json: bool) -> None:
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.project_texts import print_project
    from evalhaven.cli.terminal import print_json

    async def ask(asker: "Asker") -> dict[str, Any]:
        return await asker.ask(method, path, body=body)

    project = answer_of(settings, ask)
    if as_json:
        print_json(project)
    else:
        print_project(project)
