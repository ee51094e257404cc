"""Facts about a PostgreSQL database and the blob store that it belongs to."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import URL

from evalhaven.app.stores import StartError, blob_store
from evalhaven.app.upgrade import upgraded_database
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.settings import Settings
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import postgresql_url
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.storage.pairing import PairingError, pair_blob_store
from evalhaven.storage.schema import upgrade_database
from tests.databases import PASSWORD, PostgresServer
from tests.unit.storage.stored import blob_path, opened, store_file


def settings_of(data_dir: Path, address: str) -> Settings:
    return Settings.model_validate({"data_dir": data_dir, "database_url": address})


def add_blob(blobs: BlobStore, name: str) -> None:
    with blobs.writer() as writer:
        writer.write(b"{}\n")
        writer.commit(DEFAULT_PROJECT, name)


def test_what_is_new_on_both_sides_is_paired_once(postgresql_database_url: URL, tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    pair_blob_store(postgresql_database_url, blobs)
    identity = blobs.identity()
    add_blob(blobs, "file-1")
    pair_blob_store(postgresql_database_url, blobs)

    assert identity is not None
    assert blobs.identity() == identity
    assert list(blobs.names(at_once=9)) == [(DEFAULT_PROJECT, ["file-1"])]


def test_a_kill_between_the_two_sides_is_made_up_for(postgresql_database_url: URL, tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    blobs.save_identity("written-before-the-kill")
    pair_blob_store(postgresql_database_url, blobs)
    pair_blob_store(postgresql_database_url, blobs)

    assert blobs.identity() == "written-before-the-kill"


def test_an_empty_database_does_not_sweep_the_files_of_another(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.new_database()
    settings = settings_of(tmp_path, address)
    blobs = blob_store(settings)
    add_blob(blobs, "file-1")

    with pytest.raises(StartError, match="the database knows none of them"):
        upgraded_database(settings)
    assert blob_path(blobs, "file-1").exists()


def test_a_database_is_not_served_from_another_data_directory(postgresql_database_url: URL, tmp_path: Path) -> None:
    first, second = LocalBlobStore(tmp_path / "one" / "blobs"), LocalBlobStore(tmp_path / "two" / "blobs")
    pair_blob_store(postgresql_database_url, first)

    with pytest.raises(PairingError, match="belongs to another data directory"):
        pair_blob_store(postgresql_database_url, second)
    # As the message suggests, the operator confirms that the old files are gone.
    shutil.copy(first.identity_path, second.identity_path)
    pair_blob_store(postgresql_database_url, second)


async def test_records_without_any_files_are_refused(postgresql_database_url: URL, tmp_path: Path) -> None:
    async with opened(postgresql_database_url) as database:
        await store_file(database)

    with pytest.raises(PairingError, match="restore a backup"):
        pair_blob_store(postgresql_database_url, LocalBlobStore(tmp_path / "blobs"))


def test_a_database_of_a_newer_release_is_named_without_its_password(postgres: PostgresServer, tmp_path: Path) -> None:
    address = postgres.new_database()
    upgrade_database(postgresql_url(address))
    with postgres.connected(address) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.execute("UPDATE compatibility SET oldest_revision = '9999'")

    with pytest.raises(StartError, match="newer release") as refused:
        upgraded_database(settings_of(tmp_path, address))
    assert PASSWORD not in str(refused.value)
