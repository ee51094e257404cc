"""Facts about `evalhaven secrets rotate`: what it says, and what it leaves."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import anyio
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import URL

from evalhaven.runs.vault import Vault
from evalhaven.storage.database import Database, open_database
from tests.system.commands import call_command
from tests.unit.runs.test_resealing import keep_secret, secret_of

T = TypeVar("T")


@pytest.fixture
def data_dir(sqlite_database_url: URL) -> Path:
    """Return a data directory with a database."""
    assert sqlite_database_url.database is not None
    return Path(sqlite_database_url.database).parent


def within(data_dir: Path, work: Callable[[Database], Awaitable[T]]) -> T:
    """Return what a piece of work returns that is given the database."""

    async def open_and_work() -> T:
        database = open_database(URL.create("sqlite+aiosqlite", database=str(data_dir / "evalhaven.db")))
        try:
            return await work(database)
        finally:
            await database.close()

    return anyio.run(open_and_work)


def rotate(data_dir: Path, keys: str = "") -> tuple[int, str]:
    """Return the status of the command, and what it says."""
    done = call_command("secrets", "rotate", "--data-dir", str(data_dir), EVALHAVEN_SECRET_KEY=keys)
    return done.returncode, done.stdout + done.stderr


def test_the_file_gets_a_new_key_that_encrypts_what_is_stored(data_dir: Path) -> None:
    vault = Vault(data_dir / "secret.key")
    run = within(data_dir, lambda database: keep_secret(database, vault, 1, "one"))
    before = (data_dir / "secret.key").read_text().split()

    assert rotate(data_dir) == (
        0,
        "A new key stands first in secret.key.\nSecrets that are stored: 1; encrypted anew: 1.\n",
    )
    new, kept = (data_dir / "secret.key").read_text().split()
    assert [kept] == before
    assert within(data_dir, lambda database: secret_of(database, Vault(data_dir, new), run)) == "one"


def test_the_first_key_of_the_setting_takes_the_place_of_the_others(data_dir: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    run = within(data_dir, lambda database: keep_secret(database, Vault(data_dir, old), 1, "one"))

    status, said = rotate(data_dir, f"{new}, {old}")
    assert (status, "leave them out of EVALHAVEN_SECRET_KEY" in said) == (0, True)
    assert within(data_dir, lambda database: secret_of(database, Vault(data_dir, new), run)) == "one"
    status, said = rotate(data_dir, old)
    assert (status, "1 of them cannot be decrypted" in said) == (1, True)


def test_what_there_is_not_is_not_rotated(data_dir: Path, tmp_path: Path) -> None:
    assert rotate(data_dir) == (0, "No secret was ever stored here, so there is no key to replace.\n")
    status, said = rotate(tmp_path / "nowhere")
    assert (status, "There is no database" in said) == (1, True)
    assert not (tmp_path / "nowhere").exists()


def test_a_wrong_key_among_several_is_refused(data_dir: Path) -> None:
    status, said = rotate(data_dir, f"{Fernet.generate_key().decode()},short")

    assert status != 0
    assert "32 bytes in URL-safe base64" in said
    assert "short" not in said
