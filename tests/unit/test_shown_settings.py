"""Facts about settings as they may be shown, and about a command that takes over those of a server."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from evalhaven.app.shown_settings import shown_settings, taken_over
from evalhaven.settings import Settings
from evalhaven.wire.server import MASK


def settings(**given: object) -> Settings:
    return Settings(**given)  # pyright: ignore[reportArgumentType, reportCallIssue]


def shown(of: Settings) -> dict[str, tuple[object, str]]:
    return {each.name: (each.value, each.origin) for each in shown_settings(of).settings}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"EVALHAVEN_{name.upper()}", raising=False)


def test_a_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_PORT", "1")
    monkeypatch.setenv("evalhaven_log_level", "error")
    told = shown(settings(port=2, list_order="asc"))

    # What the command line says wins over the environment, and is not to be taken for it.
    assert told["EVALHAVEN_PORT"] == (2, "command line")
    assert told["EVALHAVEN_LIST_ORDER"] == ("asc", "command line")
    assert told["EVALHAVEN_LOG_LEVEL"] == ("error", "environment")
    assert told["EVALHAVEN_MAX_BODY_MB"] == (128, "default")


def test_paths_mean_the_same_everywhere(tmp_path: Path) -> None:
    (tmp_path / "evalhaven.toml").touch()
    told = shown(settings())

    assert told["EVALHAVEN_DATA_DIR"] == (str(tmp_path / "evalhaven-data"), "default")
    assert told["EVALHAVEN_CONFIG"] == (str(tmp_path / "evalhaven.toml"), "default")


def test_a_command_takes_over_what_a_server_tells_and_keeps_its_own_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = settings(port=7, data_dir=tmp_path / "s", list_order="asc", upstream_api_key=SecretStr("sk-server"))
    told = shown_settings(server)
    monkeypatch.setenv("EVALHAVEN_MAX_BODY_MB", "9")
    monkeypatch.setenv("EVALHAVEN_PUBLIC_URL", "https://of-the-shell.example")
    own = settings(api_key=SecretStr("sk-own"))
    taken = taken_over(told, own)

    assert MASK in told.model_dump_json()
    assert (taken.port, taken.data_dir, taken.list_order) == (7, tmp_path / "s", "asc")
    assert (taken.max_body_mb, taken.public_url) == (128, None)
    assert taken.upstream_api_key is None
    assert taken.api_key == own.api_key


def test_settings_of_several_values_are_taken_over_too(tmp_path: Path) -> None:
    origins, patterns = ("http://localhost:3000", "https://a.example"), (r"\d{16}", "a,b")
    server = settings(data_dir=tmp_path, allowed_origins=origins, log_redact=patterns)

    taken = taken_over(shown_settings(server), settings())

    assert (taken.allowed_origins, taken.log_redact) == (origins, patterns)


def test_whatever_sounds_secret_is_masked() -> None:
    words = {"key", "secret", "token", "password"}
    secret = [name for name in Settings.model_fields if words & set(name.split("_"))]
    values = {name: SecretStr("c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM=") for name in secret}
    told = shown(settings(**values))

    assert len(secret) == 6
    assert all(told[f"EVALHAVEN_{name.upper()}"][0] == MASK for name in secret)
