"""`evalhaven doctor`: what this installation is set up to do, and what it lacks."""

import contextlib
import os
import shutil
import sqlite3
import sys
from pathlib import Path

import anyio
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from evalhaven import __version__
from evalhaven.app.endpoints import (
    embeddings_come_from_openai,
    embeddings_target,
    installed_wordnet,
    open_catalog,
)
from evalhaven.app.python_graders import grader_environments
from evalhaven.app.stores import StartError, database_path, database_url
from evalhaven.cli.endpoints import examine_endpoints
from evalhaven.cli.grader_report import choose, is_pinned_in_vain, isolation_note, library_note, pinned_problem
from evalhaven.graders.registry import SUPPORTED_GRADERS
from evalhaven.graders.similarity.wordnet import INSTALL_HINT
from evalhaven.sampling.catalog import Target
from evalhaven.sampling.embeddings.embedder import EmbeddingError, try_endpoint
from evalhaven.settings import PREFIX, Settings, unknown_variables
from evalhaven.storage.database import sqlite_url
from evalhaven.storage.lock import DataDirectoryInUseError, lock_data_directory
from evalhaven.storage.schema import schema_revisions

_LOW_DISK_BYTES = 1 << 30
_EMBEDDINGS_TIMEOUT_S = 10.0
_SECRET_WORDS = ("key", "secret", "token", "password")


def examine(settings: Settings, console: Console) -> int:
    """Print the report; return 0, or 1 where something keeps the server from working.

    Args:
        settings: The effective settings.
        console: Where to print.
    """
    console.print(f"Evalhaven {__version__}, Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}")
    console.print(_settings_table(settings))
    problems: list[str] = []
    notes = [
        *_database_notes(settings, problems),
        *_disk_notes(settings.data_dir, problems),
        *_endpoint_notes(settings, problems),
        *_part_notes(),
        _wordnet_note(),
        *_embeddings_notes(settings, problems),
        *_python_notes(settings, problems),
    ]
    for note in notes:
        console.print(f"- {note}", highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(f"! {problem}", style="red", highlight=False, soft_wrap=True)
    console.print("Something needs attention." if problems else "All is well.")
    return 1 if problems else 0


def _settings_table(settings: Settings) -> Table:
    table = Table("setting", "value", "from", box=None, title="Settings", title_justify="left")
    for name in Settings.model_fields:
        variable = PREFIX + name.upper()
        value = getattr(settings, name)
        is_secret = any(word in name.split("_") for word in _SECRET_WORDS) and value is not None
        origin = "environment" if variable in os.environ else "default"
        if name in settings.model_fields_set and variable not in os.environ:
            origin = "command line"
        table.add_row(variable, "********" if is_secret else str(value), origin)
    for name in unknown_variables():
        table.add_row(name, "?", "environment; no such setting, ignored")
    return table


def _database_notes(settings: Settings, problems: list[str]) -> list[str]:
    notes = _postgresql_notes if settings.database_url is not None else _sqlite_notes
    return [*notes(settings, problems), *_server_notes(settings)]


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
    return [f"Database: PostgreSQL, {shown}, revision {current or 'none'}.", *_revision_notes(current, wanted)]


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


def _revision_notes(current: str | None, wanted: str | None) -> list[str]:
    if current == wanted:
        return []
    return [f"The database is at revision {current or 'none'}, this release wants {wanted}: `serve` upgrades it."]


def _server_notes(settings: Settings) -> list[str]:
    if not settings.data_dir.exists():
        return []
    try:
        lock_data_directory(settings.data_dir, wait_s=0).release()
    except DataDirectoryInUseError as error:
        return [f"Server: running. {error}"]
    return ["Server: none is running on this data directory."]


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


def _endpoint_notes(settings: Settings, problems: list[str]) -> list[str]:
    try:
        catalog = open_catalog(settings)
    except StartError as error:
        problems.extend(str(error).splitlines())
        return []
    where = catalog.source or (
        f"none is configured, so no model can be called but the scripted one. {PREFIX}UPSTREAM_BASE_URL, "
        f"OPENAI_API_KEY or evalhaven.toml names one"
    )
    findings = examine_endpoints(catalog)
    problems.extend(finding.text for finding in findings if finding.is_problem)
    notes = [f"Endpoints: {where}.", *catalog.notes]
    return [*notes, *(finding.text for finding in findings if not finding.is_problem)]


def _part_notes() -> list[str]:
    return [
        f"Graders that runs execute: {', '.join(SUPPORTED_GRADERS)}; runs with other types end as failed and say so.",
        "API keys: not in this release; the server listens on loopback only unless told otherwise.",
    ]


def _wordnet_note() -> str:
    place = installed_wordnet()
    if place is None:
        return f"WordNet: not found, so the metric meteor counts no synonyms. To mend it, {INSTALL_HINT}."
    return f"WordNet: {place}, for the synonyms of the metric meteor."


def _embeddings_notes(settings: Settings, problems: list[str]) -> list[str]:
    if embeddings_come_from_openai(settings):
        # The endpoint's own line says whether it is there; each question for embeddings costs money.
        return [f"Embeddings: {settings.embeddings_model} at OpenAI, because OPENAI_API_KEY is set."]
    try:
        target = embeddings_target(settings, open_catalog(settings))
    except StartError:
        return []  # The lines on endpoints say why.
    if target is None:
        cure = f"{PREFIX}EMBEDDINGS_BASE_URL names one"
        return [f"Embeddings: no endpoint, so runs with the metric cosine end as failed; {cure}."]
    url, model = target.endpoint.base_url, target.model
    try:
        length = anyio.run(_try_embeddings, target)
    except (EmbeddingError, TimeoutError) as error:
        reason = str(error).rstrip(".") or f"no answer within {_EMBEDDINGS_TIMEOUT_S:g} s"
        problems.append(f"Embeddings: {url} does not work for {model!r}: {reason}.")
        return []
    return [f"Embeddings: {model} at {url} answers vectors of {length} numbers."]


def _python_notes(settings: Settings, problems: list[str]) -> list[str]:
    isolation = choose(settings)
    notes = [library_note(grader_environments(settings))]
    if is_pinned_in_vain(settings, isolation):
        problems.append(pinned_problem(isolation))
        return notes
    return [isolation_note(isolation), *notes]


async def _try_embeddings(target: Target) -> int:
    with anyio.fail_after(_EMBEDDINGS_TIMEOUT_S):
        return await try_endpoint(target)
