"""Facts about the settings of the embeddings endpoint."""

import pytest

from evalhaven.app import embeddings_endpoint
from evalhaven.cli.main import read_settings
from evalhaven.sampling.embeddings import EmbeddingsEndpoint


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BASE_URL", "API_KEY", "MODEL"):
        monkeypatch.delenv(f"EVALHAVEN_EMBEDDINGS_{name}", raising=False)


def endpoint_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> EmbeddingsEndpoint | None:
    for name, value in variables.items():
        monkeypatch.setenv(f"EVALHAVEN_EMBEDDINGS_{name}", value)
    return embeddings_endpoint(read_settings())


def test_there_is_no_endpoint_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert endpoint_of(monkeypatch) is None
    assert endpoint_of(monkeypatch, API_KEY="sk-1", BASE_URL="") is None


@pytest.mark.parametrize("url", ["https://host/v1", "https://host/v1/", "https://host/v1/embeddings"])
def test_the_address_may_end_as_in_other_programs(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert endpoint_of(monkeypatch, BASE_URL=url) == EmbeddingsEndpoint("https://host/v1", "text-embedding-3-large")


def test_key_and_model_are_taken_over_without_space_around_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = endpoint_of(monkeypatch, BASE_URL="http://[::1]:8080/v1", API_KEY=" sk-1\n", MODEL="bge-m3")

    assert endpoint == EmbeddingsEndpoint("http://[::1]:8080/v1", "bge-m3", "sk-1")
    assert endpoint_of(monkeypatch, API_KEY=" ") == EmbeddingsEndpoint("http://[::1]:8080/v1", "bge-m3")


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "no address", "http://user:secret@host/v1", "http://host:99999/v1", "http://host/v1?a=b"]
)
def test_what_is_no_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    with pytest.raises(SystemExit):
        endpoint_of(monkeypatch, BASE_URL=url)

    told = capsys.readouterr().err
    assert "EVALHAVEN_EMBEDDINGS_BASE_URL" in told
    assert "secret" not in told


@pytest.mark.parametrize("key", ["sk-é", "sk 1", "sk-1\nx: y"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    with pytest.raises(SystemExit):
        endpoint_of(monkeypatch, BASE_URL="http://host/v1", API_KEY=key)

    told = capsys.readouterr().err
    assert "EVALHAVEN_EMBEDDINGS_API_KEY" in told
    assert "sk" not in told
