"""What stands on disk or in a database: where it is, and opening it safely."""

import time
from pathlib import Path

import structlog
from alembic.util import CommandError
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from evalhaven.runs.vault import Vault
from evalhaven.settings import Settings
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import (
    UnusableDatabaseError,
    is_unavailable,
    postgresql_url,
    schema_revisions,
    sqlite_url,
    upgrade_database,
)
from evalhaven.storage.lock import DataDirectoryInUseError, DataDirectoryLock, lock_data_directory
from evalhaven.storage.pairing import PairingError, pair_blob_store

_DATABASE_WAIT_S = 30.0
_DATABASE_POLL_S = 0.5


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class InUseError(StartError):
    """Another server holds the data directory; `url` is where it is reached, if it said so."""

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


def database_path(data_dir: Path) -> Path:
    """Return where the SQLite database of a data directory stands."""
    return data_dir / "evalhaven.db"


def blob_store(data_dir: Path) -> BlobStore:
    """Return the blob store of a data directory."""
    return BlobStore(data_dir / "blobs")


def hold_data_directory(data_dir: Path, wait_s: float = 5.0) -> DataDirectoryLock:
    """Make the data directory where there is none, and lock it.

    Raises:
        StartError: It cannot be used, or another server uses it.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        return lock_data_directory(data_dir, wait_s)
    except DataDirectoryInUseError as error:
        raise InUseError(str(error), error.url) from error
    except OSError as error:
        raise StartError(f"The data directory {str(data_dir)!r} cannot be used: {error.strerror}.") from error


def database_url(settings: Settings) -> URL:
    """Return where the database is: the PostgreSQL that is named, else the SQLite file of the data directory.

    Raises:
        StartError: What is named is no PostgreSQL database.
    """
    if settings.database_url is None:
        return sqlite_url(database_path(settings.data_dir))
    try:
        return postgresql_url(settings.database_url.get_secret_value())
    except ValueError as error:
        raise StartError(f"EVALHAVEN_DATABASE_URL {error}") from error


def upgraded_database(settings: Settings) -> URL:
    """Bring the database that belongs to a locked data directory to this release and return its URL.

    Raises:
        StartError: It is damaged, of a newer release, cannot be written, or is not the one of these files.
    """
    url = database_url(settings)
    blobs = blob_store(settings.data_dir)
    is_sqlite = settings.database_url is None
    if is_sqlite and not database_path(settings.data_dir).exists() and next(blobs.names(at_once=1), None):
        # To an empty database every file would be one that nothing names, and be swept.
        raise StartError(
            f"{settings.data_dir} holds files but no database. Restore evalhaven.db, or move blobs/ away; if a "
            "PostgreSQL database has their records, name it in EVALHAVEN_DATABASE_URL."
        )
    shown = str(database_path(settings.data_dir)) if is_sqlite else url.render_as_string(hide_password=True)
    try:
        if is_sqlite:
            upgrade_database(url)
        else:
            _wait_for_database(url)
            upgrade_database(url)
            pair_blob_store(url, blobs)
    except PairingError as error:
        raise StartError(str(error)) from error
    except CommandError as error:
        raise StartError(f"The database {shown} was made by a newer release of Evalhaven: {error}.") from error
    except (DBAPIError, UnusableDatabaseError) as error:
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().rstrip(".")
        cure = " Restore a backup?" if is_sqlite else ""
        raise StartError(f"The database {shown} cannot be opened: {reason}.{cure}") from error
    return url


def _wait_for_database(url: URL) -> None:
    """Return when a PostgreSQL server answers: services that start together do not start in order.

    Raises:
        DBAPIError: It still does not, or it refuses.
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


def vault(settings: Settings) -> Vault:
    """Return what seals the secrets of runs, with the key that is configured or that stands beside the data."""
    key = settings.secret_key
    return Vault(settings.data_dir / "secret.key", None if key is None else key.get_secret_value())
