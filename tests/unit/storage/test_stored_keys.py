"""What is stored of API keys."""

from dataclasses import asdict
from pathlib import Path

from tests.system.access import store_keys


def test_no_key_can_be_read_in_the_files_of_the_database(tmp_path: Path) -> None:
    keys = asdict(store_keys(tmp_path / "data"))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())

    assert b"SQLite format 3" in stored
    assert [name for name, secret in keys.items() if secret.encode() in stored] == []
    # Nor most of one: what is shown of a key are its last characters.
    assert [name for name, secret in keys.items() if secret[:-8].encode() in stored] == []
