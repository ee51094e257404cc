"""`evalhaven doctor`: what this installation is set up to do, and what is missing."""

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy.exc import DBAPIError

from evalhaven import __version__
from evalhaven.app.endpoints import open_catalog
from evalhaven.app.examination import examine_parts
from evalhaven.app.python_graders import grader_environments
from evalhaven.app.shown_settings import shown_settings
from evalhaven.app.stores import InUseError, StartError, database_path, database_url
from evalhaven.cli.grader_report import choose, is_pinned_in_vain, isolation_note, library_note, pinned_problem
from evalhaven.cli.log_status import log_notes
from evalhaven.cli.running_server import NoTalkError, RunningServer, ask_server, examine_at
from evalhaven.cli.worker_notes import served_worker_notes, stored_worker_notes
from evalhaven.graders.registry import SUPPORTED_GRADERS
from evalhaven.settings import PREFIX, Settings
from evalhaven.storage.access.inspecting import has_any_key
from evalhaven.storage.database import sqlite_url
from evalhaven.storage.revisions import is_usable_though_newer, schema_revisions
from evalhaven.wire.server import ServerSettings

_LOW_DISK_BYTES = 1 << 30


def examine(settings: Settings, console: Console, *, has_own_config: bool) -> int:
    """Print the report; return 0, or 1 if something keeps the server from working.

    If a server is running, the report is about that server: its settings, its data, its endpoints.

    Args:
        settings: The effective settings of this process.
        console: Where to print.
        has_own_config: Whether the command line names the file of the endpoints to look at.
    """
    problems: list[str] = []
    running, note = _find_running(settings, problems)
    console.print(f"Evalhaven {__version__}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    console.print(_whose(running), soft_wrap=True, highlight=False)
    console.print(_settings_table(shown_settings(settings) if running is None else running.told))
    notes = [note]
    if running is None:
        notes += [*_database_notes(settings, problems), *_disk_notes(settings.data_dir, problems)]
    elif running.is_here:
        notes += [*_served_database_notes(running, problems), *_disk_notes(running.settings.data_dir, problems)]
    else:
        notes.append("Its data directory is on another machine: database, disk and python graders are not checked.")
    if running is not None:
        asked = settings.model_copy(update={"url": settings.url or running.url})
        notes += [*served_worker_notes(asked, problems), *log_notes(asked, problems)]
    notes += [
        *_part_notes(settings, running, problems, has_own_config=has_own_config),
        *_release_notes(),
        *_access_notes(settings, running),
    ]
    if running is None or running.is_here:
        notes += _python_notes(settings if running is None else running.settings, problems)
    for each in notes:
        console.print(f"- {each}", highlight=False, soft_wrap=True, markup=False)
    for problem in problems:
        console.print(f"! {problem}", style="red", highlight=False, soft_wrap=True, markup=False)
    console.print("Something needs attention." if problems else "All is well.")
    return 1 if problems else 0


def _find_running(settings: Settings, problems: list[str]) -> tuple[RunningServer | None, str]:
    """Return the server whose settings are shown, and the line about servers."""
    try:
        running = ask_server(settings)
    except InUseError as error:
        return None, str(error)
    except (NoTalkError, StartError) as error:
        problems.append(str(error))
        return None, "Server: there is one, but the settings shown are those of this shell."
    if running is None:
        return None, "Server: none is running on this data directory."
    if not running.is_ready:
        problems.append(f"The server at {running.url} is not ready: {running.readiness}.")
    release = "" if running.told.version == __version__ else f", Evalhaven {running.told.version}"
    return running, f"Server: running at {running.url} (process {running.told.process}{release}): {running.readiness}."


def _whose(running: RunningServer | None) -> str:
    if running is None:
        return "Settings of this shell, with which a server would start here:"
    return f"Settings of the running server at {running.url}, whatever this shell's are:"


def _settings_table(shown: ServerSettings) -> Table:
    table = Table("setting", "value", "from", box=None)
    for each in (*shown.settings, *shown.environment):
        table.add_row(each.name, Text(str(each.value)), each.origin)
    for name in shown.unknown_variables:
        table.add_row(name, "?", "environment; no such setting, ignored")
    return table


def _database_notes(settings: Settings, problems: list[str]) -> list[str]:
    notes = _postgresql_notes if settings.database_url is not None else _sqlite_notes
    return notes(settings, problems)


def _served_database_notes(running: RunningServer, problems: list[str]) -> list[str]:
    """Check the file that a server uses; a database elsewhere works, since the server has just answered from it."""
    is_elsewhere = any(each.name == f"{PREFIX}DATABASE_URL" and each.value for each in running.told.settings)
    return ["Database: PostgreSQL, the server's."] if is_elsewhere else _sqlite_notes(running.settings, problems)


def _postgresql_notes(settings: Settings, problems: list[str]) -> list[str]:
    try:
        url = database_url(settings)
        current, wanted = schema_revisions(url)
    except StartError as error:
        problems.append(str(error))
        return []
    except DBAPIError as error:
        problems.append(f"The database cannot be opened: {str(error.orig).strip()}")
        return []
    shown = url.render_as_string(hide_password=True)
    notes = [f"Database: PostgreSQL, {shown}, revision {current or 'none'}."]
    if current != wanted and not (current and is_usable_though_newer(url)):
        return [*notes, *_revision_notes(current, wanted)]
    return [*notes, *_newer_notes(current, wanted), *stored_worker_notes(settings, problems)]


def _sqlite_notes(settings: Settings, problems: list[str]) -> list[str]:
    path = database_path(settings.data_dir)
    if not path.exists():
        return [f"Database: none yet; `evalhaven serve` makes {path}."]
    try:
        current, wanted = schema_revisions(sqlite_url(path))
        found = _quick_check(path)
    except (DBAPIError, sqlite3.DatabaseError) as error:
        problems.append(f"The database {path} cannot be read: {error}. Restore a backup.")
        return []
    if found != "ok":
        problems.append(f"The database is damaged: {found}. Restore a backup.")
    size_mb = path.stat().st_size / 1e6
    return [f"Database: SQLite, {path}, {size_mb:,.1f} MB, revision {current}.", *_revision_notes(current, wanted)]


def _newer_notes(current: str | None, wanted: str) -> list[str]:
    if current == wanted:
        return []
    return [f"The database is of a newer release, which this one (revision {wanted}) can use: finish the upgrade."]


def _revision_notes(current: str | None, wanted: str | None) -> list[str]:
    if current == wanted:
        return []
    return [f"The database is at revision {current or 'none'}, this release wants {wanted}: `serve` upgrades it."]


def _quick_check(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA quick_check(1)").fetchone()[0]


def _disk_notes(data_dir: Path, problems: list[str]) -> list[str]:
    existing = data_dir.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < _LOW_DISK_BYTES:
        problems.append(f"Less than 1 GB is free at {existing}.")
    if not os.access(existing, os.W_OK):
        problems.append(f"{existing} cannot be written.")
    return [f"Disk: {free / 1e9:,.1f} GB free at {existing}."]


def _part_notes(
    settings: Settings, running: RunningServer | None, problems: list[str], *, has_own_config: bool
) -> list[str]:
    """Let the server ask its endpoints, since it has the keys; ask from here if there is none or for --config."""
    try:
        if running is None or has_own_config:
            findings = anyio.run(examine_parts, settings, open_catalog(settings))
        else:
            findings = examine_at(running, settings)
    except StartError as error:
        problems.extend(str(error).splitlines())
        return []
    except NoTalkError as error:
        problems.append(str(error))
        return []
    problems.extend(finding.text for finding in findings if finding.is_problem)
    whose = [] if running is None or not has_own_config else ["The endpoints are asked from this shell, for --config."]
    return [*whose, *(finding.text for finding in findings if not finding.is_problem)]


def _release_notes() -> list[str]:
    return [
        f"Graders that runs execute: {', '.join(SUPPORTED_GRADERS)}; runs with other types end as failed and say so.",
    ]


def _access_notes(settings: Settings, running: RunningServer | None) -> list[str]:
    """Say whether callers need keys, unless the database cannot tell."""
    needs_keys = running.needs_keys if running is not None else _has_stored_keys(settings)
    if needs_keys is None:
        return []
    if needs_keys:
        return ["API keys: every request needs one; on the server's machine, commands do without."]
    reached = "only this machine reaches the server" if settings.is_local else "whoever reaches the server is let in"
    return [f"API keys: there are none, and {reached}. `evalhaven keys create` makes the first one."]


def _has_stored_keys(settings: Settings) -> bool | None:
    """Tell whether the database of no running server has keys; None if it cannot tell."""
    try:
        if settings.database_url is None and not database_path(settings.data_dir).exists():
            return False
        return has_any_key(database_url(settings))
    except (StartError, DBAPIError):
        return None


def _python_notes(settings: Settings, problems: list[str]) -> list[str]:
    isolation = choose(settings)
    notes = [library_note(grader_environments(settings))]
    if is_pinned_in_vain(settings, isolation):
        problems.append(pinned_problem(isolation))
        return notes
    return [isolation_note(isolation), *notes]
