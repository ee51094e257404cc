"""Facts about the token of commands on the server's machine."""

import os
import stat
from pathlib import Path

import pytest

from evalhaven.app.local_token import leave_local_token, read_local_token


def test_each_start_leaves_a_token_that_only_its_owner_can_read(tmp_path: Path) -> None:
    assert read_local_token(tmp_path) is None
    assert leave_local_token(tmp_path, "local-1") == "local-1"
    assert leave_local_token(tmp_path, "local-2") == read_local_token(tmp_path) == "local-2"
    assert stat.S_IMODE((tmp_path / "local.token").stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["local.token"]


def test_on_a_full_disk_the_token_of_the_start_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    leave_local_token(tmp_path, "local-1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert leave_local_token(tmp_path, "local-2") == "local-1"
    assert read_local_token(tmp_path) == "local-1"
