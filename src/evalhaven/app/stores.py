"""What is stored on disk or in a database: where it is, and how it is opened safely."""

from pathlib import Path

import structlog
from sqlalchemy import URL

from evalhaven.domain.clock import Clock
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.partitions.store import PartitionStore
from evalhaven.logs.store import LogStore
from evalhaven.runs.vault import Vault
from evalhaven.settings import Settings
from evalhaven.storage.database import Database, postgresql_url, sqlite_url
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.storage.lock import DataDirectoryInUseError, DataDirectoryLock, lock_data_directory
from evalhaven.storage.privacy import OpenToOthersError, close_to_others


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


class InUseError(StartError):
    """Another server holds the data directory; `url` is its address, if it gave one."""

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


def database_path(data_dir: Path) -> Path:
    """Return the path of the SQLite database of a data directory."""
    return data_dir / "evalhaven.db"


def blob_store(settings: Settings) -> LocalBlobStore:
    """Return the blob store of the directory that holds files and inline rows."""
    return LocalBlobStore(settings.stored_dir / "blobs")


def log_store(settings: Settings, database: Database) -> LogStore:
    """Return the store of logged calls: the PostgreSQL that is named, else files of days in the data directory."""
    if settings.database_url is None:
        return DayFileStore(settings.data_dir / "logs", Clock())
    return PartitionStore(database, Clock())


def log_ledger_path(data_dir: Path) -> Path:
    """Return the path of the ledger of calls that servers of a data directory hand over to be stored."""
    return data_dir / "log-ledger"


def hold_data_directory(data_dir: Path, wait_s: float = 5.0) -> DataDirectoryLock:
    """Create the data directory if there is none, close it to other users, and lock it.

    Raises:
        StartError: The directory cannot be used or closed, or another server uses it.
    """
    make_data_directory(data_dir)
    try:
        return lock_data_directory(data_dir, wait_s)
    except DataDirectoryInUseError as error:
        raise InUseError(str(error), error.url) from error
    except OSError as error:
        raise _unusable(data_dir, error) from error


def make_data_directory(data_dir: Path) -> None:
    """Create the data directory if there is none, and close it to other users.

    Raises:
        StartError: The directory cannot be used or closed.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        closed = close_to_others(data_dir)
    except OpenToOthersError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise _unusable(data_dir, error) from error
    if closed:
        log = structlog.get_logger("evalhaven")
        log.warning("closed_to_other_users", first=str(closed[0]), count=len(closed))


def _unusable(data_dir: Path, error: OSError) -> StartError:
    return StartError(f"The data directory {str(data_dir)!r} cannot be used: {error.strerror}.")


def database_url(settings: Settings) -> URL:
    """Return where the database is: the PostgreSQL that is named, else the SQLite file of the data directory.

    Raises:
        StartError: The setting does not name a PostgreSQL database.
    """
    if settings.database_url is None:
        return sqlite_url(database_path(settings.data_dir))
    try:
        return postgresql_url(settings.database_url.get_secret_value())
    except ValueError as error:
        raise StartError(f"EVALHAVEN_DATABASE_URL {error}") from error


def vault(settings: Settings) -> Vault:
    """Return the vault for secrets; its keys are the configured ones, else those beside the data."""
    keys = settings.secret_key
    return Vault(settings.stored_dir / "secret.key", None if keys is None else keys.get_secret_value())
