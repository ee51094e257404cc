"""Facts about new keys: all that is stored is sealed with them, and nothing stops being readable meanwhile."""

from pathlib import Path

from cryptography.fernet import Fernet

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.resealing import explain_unreadable, reseal_everything
from evalhaven.runs.vault import Vault
from evalhaven.storage.database import Database
from evalhaven.storage.run_secrets import find_secrets, insert_secrets
from evalhaven.storage.sealed import SEALED_COLUMNS, Resealed
from evalhaven.storage.tables import metadata
from tests.unit.storage.stored import database, make_eval, make_run, store_eval, store_run

__all__ = ["database"]


async def keep_secret(database: Database, vault: Vault, number: int, secret: str) -> int:
    """Store a run with a secret; return the run's key."""
    run = await store_run(database, make_run(await store_eval(database, make_eval(number)), number))
    async with database.write() as tx:
        await insert_secrets(tx, DEFAULT_PROJECT, run.key, vault.seal(secret))
    return run.key


async def secret_of(database: Database, vault: Vault, run_key: int) -> object:
    """Return the secret of a run."""
    async with database.read() as tx:
        sealed = await find_secrets(tx, DEFAULT_PROJECT, run_key)
    assert sealed is not None
    return vault.open(sealed)


async def test_what_an_older_key_sealed_is_sealed_again(database: Database, tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    first = await keep_secret(database, Vault(tmp_path, old), 1, "one")
    second = await keep_secret(database, Vault(tmp_path, new), 2, "two")
    both = Vault(tmp_path, f"{new},{old}")

    assert await reseal_everything(database, both) == Resealed(changed=1, unchanged=1)
    assert await reseal_everything(database, both) == Resealed(unchanged=2)
    only_new = Vault(tmp_path, new)
    assert [await secret_of(database, only_new, run) for run in (first, second)] == ["one", "two"]


async def test_what_no_key_opens_is_left_alone_and_counted(database: Database, tmp_path: Path) -> None:
    lost = Vault(tmp_path, Fernet.generate_key().decode())
    run = await keep_secret(database, lost, 1, "one")

    assert await reseal_everything(database, Vault(tmp_path / "secret.key")) == Resealed(unreadable=1)
    assert await secret_of(database, lost, run) == "one"


async def test_secrets_that_no_key_opens_are_explained(database: Database, tmp_path: Path) -> None:
    vault = Vault(tmp_path, Fernet.generate_key().decode())
    await keep_secret(database, vault, 1, "one")
    assert await explain_unreadable(database, vault) is None
    await keep_secret(database, Vault(tmp_path, Fernet.generate_key().decode()), 2, "two")

    told = await explain_unreadable(database, vault)
    assert told is not None
    assert told.startswith("1 of 2 stored secrets cannot be read: the secrets were encrypted with another key")
    assert "EVALHAVEN_SECRET_KEY" in told


def test_every_column_of_that_name_is_sealed_again() -> None:
    sealed = {column for table in metadata.tables.values() for column in table.columns if "sealed" in column.name}

    assert sealed <= set(SEALED_COLUMNS)
