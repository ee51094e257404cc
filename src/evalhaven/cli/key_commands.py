"""`evalhaven keys …`: API keys made, listed and revoked."""

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, Project, ServedDataDir, Url
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or not with that."

key_commands = typer.Typer(cls=NounCommands, help="Make, list and revoke API keys. Without a command, list them.")

_MOST_UNITS = 99_999
_NOT_FOUND = 404
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class RoleName(StrEnum):
    """Roles that stand for scopes."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


OfAdmins = Annotated[bool, typer.Option("--admin", help="Admin keys, which allow everything in every project.")]


@key_commands.command("create", epilog=EPILOG)
def create_key(
    name: Annotated[str, typer.Option(metavar="NAME", help="What lists call it, such as `ci` or a person's name.")],
    project: Project = None,
    scopes: Annotated[
        str | None,
        typer.Option(
            metavar="SCOPES",
            help="What it allows, with commas between: read, write, models (calls through the gateway), manage (keys, "
            "members, webhooks and the audit log of the project); default: what the role allows.",
        ),
    ] = None,
    role: Annotated[
        RoleName | None,
        typer.Option(
            metavar="ROLE",
            help="viewer (read), editor (read, write, models) or admin (all four); default: editor.",
        ),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="From when on it is refused: 30m, 12h, 90d or 8w from now; default: never."),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    admin: OfAdmins = False,
    as_json: AsJson = False,
) -> None:
    """Make an API key and show it, once. From the first key on, every request needs one.

    On the server's own machine no key is needed for this, whether the server is running or not.
    """
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.key_texts import print_new_key
    from evalhaven.cli.terminal import print_json

    if admin and (project or scopes or role):
        raise typer.BadParameter(
            "An admin key allows everything in every project: leave out --project, --scopes, --role."
        )
    if scopes and role:
        raise typer.BadParameter("--scopes and --role exclude each other.")
    body: dict[str, Any] = {"name": name}
    if scopes is not None:
        body["scopes"] = [each.strip() for each in scopes.split(",") if each.strip()]
    if role is not None:
        body["role"] = str(role)
    if expires is not None:
        body["expires_at"] = _time_after(expires)
    made = answer_of(settings_for(None, url, data_dir), partial(_ask, "POST", _path(admin), body), project=project)
    if as_json:
        print_json(made)
    else:
        print_new_key(made)


@key_commands.command("list", epilog=EPILOG)
def list_keys(
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    admin: OfAdmins = False,
    as_json: AsJson = False,
) -> None:
    """List the keys of a project, newest first, with their last use."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.key_texts import print_keys
    from evalhaven.cli.terminal import print_json

    found = answer_of(settings_for(None, url, data_dir), partial(_ask, "GET", _path(admin), None), project=project)
    if as_json:
        print_json(found)
    else:
        print_keys(found["data"], is_admin=admin)


@key_commands.command("revoke", epilog=EPILOG)
def revoke_key(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Id of the key (key_…), as `evalhaven keys` shows it.")],
    project: Project = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    admin: OfAdmins = False,
    as_json: AsJson = False,
) -> None:
    """Revoke a key: every server refuses it within a second."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.key_texts import print_revoked
    from evalhaven.cli.terminal import print_json

    path = f"{_path(admin)}/{quote(key, safe='')}"
    revoked = answer_of(settings_for(None, url, data_dir), partial(_revoke, path, is_admin=admin), project=project)
    if as_json:
        print_json(revoked)
    else:
        print_revoked(revoked)


async def _ask(method: str, path: str, body: dict[str, Any] | None, asker: "Asker") -> dict[str, Any]:
    return await asker.ask(method, path, body=body)


async def _revoke(path: str, asker: "Asker", *, is_admin: bool) -> dict[str, Any]:
    from evalhaven.eval_files.talking import RefusedError

    try:
        return await asker.ask("DELETE", path)
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
        where = "among admin keys" if is_admin else "in this project; --project names another one, --admin admin keys"
        raise RefusedError(f"{error} It was looked for {where}.", error.code, error.status) from error


def _path(is_admin: bool) -> str:
    return "/api/admin_keys" if is_admin else "/api/keys"


def _time_after(text: str) -> int:
    """Return the Unix second that is so far from now.

    Raises:
        typer.BadParameter: The text is no such time.
    """
    import time

    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isascii() or not number.isdecimal() or not 0 < int(number) <= _MOST_UNITS:
        raise typer.BadParameter(f"{text!r} is not a time from now, such as 30m, 12h, 90d or 8w.")
    return int(time.time()) + int(number) * _UNITS[unit]
