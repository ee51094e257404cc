"""`evalhaven secrets …`: the keys that encrypt secrets."""

from typing import TYPE_CHECKING

import typer

from evalhaven.cli.common_options import DataDir

if TYPE_CHECKING:
    from evalhaven.app.rotation import Rotation
    from evalhaven.settings import Settings

secret_commands = typer.Typer(help="Manage the keys that encrypt secrets.", no_args_is_help=True)


@secret_commands.command("rotate")
def rotate(data_dir: DataDir = None) -> None:
    """Encrypt all stored secrets with a new key. Servers and workers may be at work meanwhile.

    Without EVALHAVEN_SECRET_KEY the new key is made and kept in the file `secret.key`. With it, the first of its keys
    is the new one: put it in front of the old one, separated by a comma, and leave the old one out afterwards.

    Exit status: 0 all are encrypted with the new key, 1 some cannot be decrypted with any of the keys.
    """
    import anyio

    from evalhaven.app.rotation import rotate_secrets
    from evalhaven.app.stores import StartError
    from evalhaven.cli.shell import fail, read_settings

    settings = read_settings(data_dir=data_dir)
    if (problem := _keys_differ(settings)) is not None:
        fail(problem)
    try:
        rotation = anyio.run(rotate_secrets, settings)
    except StartError as error:
        fail(str(error))
    for line in _told(rotation):
        print(line)
    raise typer.Exit(1 if rotation.resealed.unreadable else 0)


def _keys_differ(settings: "Settings") -> str | None:
    """Return what is wrong if the running server takes its keys from elsewhere: it could read nothing afterwards."""
    from evalhaven.app.stores import StartError
    from evalhaven.cli.running_server import NoTalkError, ask_server

    try:
        # Whoever rotates can read the data directory, and so the token that stands for a key there.
        running = ask_server(settings.model_copy(update={"url": None, "api_key": None}))
    except (NoTalkError, StartError):
        return None
    if running is None:
        return None
    is_set = any(each.name == "EVALHAVEN_SECRET_KEY" and each.value is not None for each in running.told.settings)
    if is_set and settings.secret_key is None:
        return (
            f"The server at {running.url} has its keys from EVALHAVEN_SECRET_KEY, which is not set here. Nothing was "
            "changed: set it to the same value, and rotate again."
        )
    if settings.secret_key is not None and not is_set:
        return (
            f"The server at {running.url} has its keys from the file secret.key, and EVALHAVEN_SECRET_KEY is set here. "
            "Nothing was changed: leave it out, or restart the server with the same value first."
        )
    return None


def _told(rotation: "Rotation") -> list[str]:
    """Return what was done, in sentences."""
    resealed = rotation.resealed
    total = resealed.changed + resealed.unchanged + resealed.unreadable
    if not rotation.keys and not rotation.has_new_key and not total:
        return ["No secret was ever stored here, so there is no key to replace."]
    lines = ["A new key stands first in secret.key."] if rotation.has_new_key else []
    lines.append(f"Secrets that are stored: {total}; encrypted anew: {resealed.changed}.")
    if resealed.unreadable:
        lines.append(
            f"{resealed.unreadable} of them cannot be decrypted with any of the keys. Name the key that encrypted "
            "them, behind the others, and rotate again."
        )
    elif rotation.keys > 1:
        lines.append("Nothing needs the other keys any more: leave them out of EVALHAVEN_SECRET_KEY, and restart.")
    elif rotation.keys:
        lines.append("EVALHAVEN_SECRET_KEY has one key. To replace it, put the new one in front: NEW,OLD.")
    return lines
