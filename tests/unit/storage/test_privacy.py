"""Facts about who has access to a data directory: its owner alone, whatever it was before."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalhaven.app.stores import StartError, blob_store, hold_data_directory, log_store, vault
from evalhaven.app.upgrade import upgraded_database
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database
from evalhaven.storage.privacy import close_to_others
from tests.unit.logs.logged import chat

_NOBODY = 65534


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def opened_to_all(directory: Path) -> set[Path]:
    """Return the paths to which users other than the owner have any access."""
    return {path for path in (directory, *directory.rglob("*")) if mode_of(path) & 0o077}


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Set a umask under which others may do everything."""
    before = os.umask(0)
    yield
    os.umask(before)


async def use(data_dir: Path) -> None:
    """Use a data directory as a server does."""
    lock = hold_data_directory(data_dir, wait_s=0)
    settings = Settings.model_validate({"data_dir": data_dir})
    database = open_database(upgraded_database(settings))
    blobs = blob_store(settings)
    with blobs.writer() as writer:
        writer.write(b"x")
        writer.commit(DEFAULT_PROJECT, "file-1")
    blobs.confirm(DEFAULT_PROJECT, "file-1")
    vault(settings).seal("secret")
    calls = log_store(settings, database)
    await calls.add([chat(1)])
    async with database.write() as tx:
        await tx.exec_driver_sql("UPDATE projects SET tried_at = 1")
        assert (data_dir / "evalhaven.db-wal").exists()
        assert opened_to_all(data_dir) == set()
    await calls.close()
    await database.close()
    lock.release()


async def test_what_a_server_makes_is_for_its_owner_only(tmp_path: Path) -> None:
    await use(tmp_path / "data")

    assert opened_to_all(tmp_path / "data") == set()


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o770, 0o701, 0o1777])
async def test_a_new_data_directory_that_existed_before_is_closed(tmp_path: Path, mode: int) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "lost+found").mkdir(mode=0o700)
    data_dir.chmod(mode)
    await use(data_dir)

    assert mode_of(data_dir) == 0o700


async def test_one_that_was_used_before_is_closed_with_all_that_is_in_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    await use(data_dir)
    everything = [data_dir, *data_dir.rglob("*")]
    (data_dir / "blobs" / "parts" / "left").touch()
    for path in everything:
        path.chmod(0o755 if path.is_dir() else 0o644)
    await use(data_dir)

    assert opened_to_all(data_dir) == set()
    assert mode_of(data_dir / "secret.key") == 0o600
    assert close_to_others(data_dir) == []


async def test_files_that_stand_elsewhere_by_a_link_are_closed_too(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.mkdir(mode=0o755)
    (large / "file-0").touch(mode=0o644)
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    (data_dir / "blobs").symlink_to(large)
    close_to_others(data_dir)

    assert opened_to_all(large) == set()


@pytest.mark.parametrize(("mode", "name"), [(0o755, "holiday.jpg"), (0o1777, "evalhaven.db"), (0o777, "etc")])
def test_a_directory_with_other_things_is_not_closed_but_refused(tmp_path: Path, mode: int, name: str) -> None:
    (tmp_path / name).touch()
    tmp_path.chmod(mode)
    with pytest.raises(StartError, match=f"Other users have access to {tmp_path}.*such as {tmp_path}/evalhaven-data"):
        hold_data_directory(tmp_path, wait_s=0)

    assert mode_of(tmp_path) == mode
    assert [entry.name for entry in tmp_path.iterdir()] == [name]
    hold_data_directory(tmp_path / "evalhaven-data", wait_s=0).release()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_what_belongs_to_another_user_is_refused() -> None:
    data_dir = Path(tempfile.mkdtemp())
    data_dir.chmod(0o777)
    os.seteuid(_NOBODY)
    try:
        with pytest.raises(StartError, match=r"cannot be changed .* it belongs to user 0"):
            hold_data_directory(data_dir, wait_s=0)
        assert list(data_dir.iterdir()) == []
    finally:
        os.seteuid(0)
        shutil.rmtree(data_dir)


def test_a_directory_that_is_closed_already_may_hold_anything(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "holiday.jpg").touch(mode=0o644)
    hold_data_directory(tmp_path, wait_s=0).release()

    assert mode_of(tmp_path / "holiday.jpg") == 0o644
