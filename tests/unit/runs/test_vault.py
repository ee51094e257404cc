"""Facts about the encryption of the secrets of tools."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from evalhaven.domain.jsontext import JsonValue
from evalhaven.runs.vault import Vault, VaultError

TOOLS: list[JsonValue] = [{"type": "mcp", "authorization": "t0ps3cret", "server_label": "x"}]


def test_what_was_sealed_is_opened_by_the_next_process(tmp_path: Path) -> None:
    key_file = tmp_path / "secret.key"
    sealed = Vault(key_file).seal(TOOLS)

    assert b"t0ps3cret" not in sealed
    assert Vault(key_file).open(sealed) == TOOLS
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_another_machine_is_making_is_left_alone(tmp_path: Path) -> None:
    # Containers often have the same numbers of processes.
    others = tmp_path / f"secret.key.{os.getpid()}"
    others.write_bytes(b"the key of the other")
    Vault(tmp_path / "secret.key").seal(TOOLS)

    assert others.read_bytes() == b"the key of the other"


def test_a_key_that_is_given_needs_no_file(tmp_path: Path) -> None:
    key = Fernet.generate_key().decode()
    sealed = Vault(tmp_path / "secret.key", key).seal(TOOLS)

    assert Vault(tmp_path / "elsewhere", key).open(sealed) == TOOLS
    assert list(tmp_path.iterdir()) == []


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "one").seal(TOOLS)
    Vault(tmp_path / "two").seal(TOOLS)

    with pytest.raises(VaultError, match="another key"):
        Vault(tmp_path / "two").open(sealed)


@pytest.mark.parametrize("key", ["", "short", "ü" * 44, "x" * 44])
def test_a_key_that_is_none_is_named(tmp_path: Path, key: str) -> None:
    with pytest.raises(VaultError, match="32 bytes"):
        Vault(tmp_path / "secret.key", key).seal(TOOLS)


def test_a_key_file_that_is_gone_is_named(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "secret.key").seal(TOOLS)
    (tmp_path / "secret.key").unlink()

    with pytest.raises(VaultError, match=r"secret\.key cannot be read"):
        Vault(tmp_path / "secret.key").open(sealed)


def test_the_first_of_several_keys_seals_and_all_open(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    sealed = Vault(tmp_path, old).seal(TOOLS)
    both = Vault(tmp_path, f"{new},{old}")

    assert both.open(sealed) == TOOLS
    resealed = both.reseal(sealed)
    assert resealed is not None
    assert both.reseal(resealed) is None
    assert Vault(tmp_path, new).open(resealed) == TOOLS
    with pytest.raises(VaultError, match="another key"):
        Vault(tmp_path, old).open(resealed)


def test_a_new_key_of_the_file_keeps_the_one_before_for_what_is_just_being_stored(tmp_path: Path) -> None:
    key_file = tmp_path / "secret.key"
    vault = Vault(key_file)
    assert not vault.put_new_key()
    first = vault.seal(TOOLS)
    assert vault.put_new_key()
    second = vault.seal(TOOLS)
    assert Vault(key_file).open(first) == Vault(key_file).open(second) == TOOLS
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    vault.put_new_key()

    assert Vault(key_file).open(second) == TOOLS
    with pytest.raises(VaultError, match="another key"):
        Vault(key_file).open(first)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
