"""Brings the database of a data directory to this release, before anything else opens it."""

import time
from pathlib import Path

import structlog
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from evalhaven.app.stores import StartError, blob_store, database_path, database_url, make_data_directory
from evalhaven.settings import Settings
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.storage.pairing import PairingError, pair_blob_store
from evalhaven.storage.revisions import (
    NewerDatabaseError,
    UnusableDatabaseError,
    is_usable_though_newer,
    schema_revisions,
)

_DATABASE_WAIT_S = 30.0
_DATABASE_POLL_S = 0.5
_NEEDED_BYTES = 1024 * 1024


def upgraded_database(settings: Settings) -> URL:
    """Bring the database that belongs to a locked data directory to this release and return its URL.

    Raises:
        StartError: The database is damaged, of a newer release, not writable, or does not belong to these files.
    """
    url = database_url(settings)
    if settings.shared_dir is not None:
        make_data_directory(settings.shared_dir)
    blobs = blob_store(settings)
    is_sqlite = settings.database_url is None
    shown = str(database_path(settings.data_dir)) if is_sqlite else url.render_as_string(hide_password=True)
    try:
        if is_sqlite:
            _refuse_lost_database(settings.data_dir, url, blobs)
            # Its write-ahead log gets the same permissions.
            database_path(settings.data_dir).touch(mode=0o600)
        else:
            _wait_for_database(url)
        _upgrade(url)
        pair_blob_store(url, blobs)
        _move_blobs(blobs)
    except PairingError as error:
        raise StartError(str(error)) from error
    except NewerDatabaseError as error:
        raise StartError(f"The database {shown} was made by a newer release of Evalhaven: {error}.") from error
    except (DBAPIError, UnusableDatabaseError) as error:
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().rstrip(".")
        # On a full disk, even an undamaged database cannot be opened.
        full = blobs.find_problem(_NEEDED_BYTES) if is_sqlite else None
        cure = f" {full or 'Restore a backup?'}" if is_sqlite else ""
        raise StartError(f"The database {shown} cannot be opened: {reason}.{cure}") from error
    return url


def _upgrade(url: URL) -> None:
    current, wanted = schema_revisions(url)
    if current == wanted:
        return
    from evalhaven.storage.schema import upgrade_database  # noqa: PLC0415 - loads Alembic

    try:
        upgrade_database(url)
    except NewerDatabaseError:
        # Of the next release, whose servers and workers may be at work beside those of this one during an upgrade.
        if not is_usable_though_newer(url):
            raise
        structlog.get_logger("evalhaven").warning("newer_database", revision=current, own_revision=wanted)


def _move_blobs(blobs: LocalBlobStore) -> None:
    """Move the blobs of a release without projects to the project that owns them, as the database now does."""
    left = blobs.move_into_projects()
    if left:
        log = structlog.get_logger("evalhaven")
        log.warning("files_left_in_blobs", count=len(left), such_as=", ".join(sorted(left)[:10]), directory=blobs.place)


def _refuse_lost_database(data_dir: Path, url: URL, blobs: BlobStore) -> None:
    """Refuse to make a new SQLite database beside files that an older one knew.

    Raises:
        StartError: There are files, but their records are gone: a new database would know none of them.
    """
    path = database_path(data_dir)
    if blobs.is_empty() or (path.exists() and schema_revisions(url)[0] is not None):
        return
    what = "its evalhaven.db is empty" if path.exists() else "no database"
    raise StartError(
        f"{data_dir} holds files but {what}. Restore evalhaven.db, or move blobs/ away; if a PostgreSQL database has "
        "their records, name it in EVALHAVEN_DATABASE_URL."
    )


def _wait_for_database(url: URL) -> None:
    """Wait until a PostgreSQL server answers: services that start together do not start in order.

    Raises:
        DBAPIError: The server still does not answer, or refuses the connection.
    """
    deadline = time.monotonic() + _DATABASE_WAIT_S
    has_told = False
    while True:
        try:
            schema_revisions(url)
        except DBAPIError as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
            if not has_told:
                structlog.get_logger("evalhaven").warning("waiting_for_database", reason=str(error.orig).strip())
                has_told = True
            time.sleep(_DATABASE_POLL_S)
        else:
            return
