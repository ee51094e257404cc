"""The pairing of a database with the blob store that holds the files its rows name.

A server with the wrong database would show none of the existing files, and one with the wrong data directory would
find none of those it shows: both refuse to start. SQLite databases are paired too: one may be lost, emptied or copied.
"""

import secrets

from sqlalchemy import URL, Connection, or_, select, update

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import sync_engine
from evalhaven.storage.tables import files, projects, runs


class PairingError(Exception):
    """The database and the blob store do not belong together; the message says what to do."""


def pair_blob_store(url: URL, blobs: BlobStore) -> None:
    """Check that a migrated database belongs to a blob store; if both are new, pair them.

    Raises:
        PairingError: The database or the blob store belongs to a different one, or was lost.
    """
    engine = sync_engine(url)
    try:
        with engine.begin() as connection:
            _pair(connection, blobs)
    finally:
        engine.dispose()


def _pair(connection: Connection, blobs: BlobStore) -> None:
    default = projects.c.id == DEFAULT_PROJECT.project_id
    wanted = connection.execute(select(projects.c.blob_store).where(default).with_for_update()).scalar_one()
    found = blobs.identity()
    if wanted is not None and wanted == found:
        return
    if wanted is not None:
        raise PairingError(
            f"The database belongs to another data directory, not to {blobs.place}: start with that one, "
            f"move its blobs/ here, or restore them. If its files are lost for good, write {wanted} into "
            f"{blobs.identity_place}."
        )
    known = or_(select(files.c.key).exists(), select(runs.c.key).exists())
    names_blobs: bool = connection.execute(select(known)).scalar_one()
    if not names_blobs and not blobs.is_empty():
        raise PairingError(
            f"{blobs.place} holds files, and the database knows none of them. Name the database that they "
            "belong to, restore that database, or move blobs/ away."
        )
    # A SQLite database of the previous release was not paired; it is in the same directory as its files.
    if names_blobs and connection.dialect.name != "sqlite":
        raise PairingError("The database names files of a data directory that it does not know; restore a backup.")
    identity = found or secrets.token_hex(16)
    blobs.save_identity(identity)
    connection.execute(update(projects).where(default).values(blob_store=identity))
