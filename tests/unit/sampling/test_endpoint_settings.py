"""Facts about the settings of endpoints: of the embeddings, and of the models."""

from pathlib import Path

import pytest
import trustme

from evalhaven.app.endpoints import embeddings_target, open_catalog
from evalhaven.app.server import executor_command
from evalhaven.app.stores import StartError
from evalhaven.cli.shell import read_settings
from evalhaven.sampling.catalog import Target


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("EMBEDDINGS_BASE_URL", "EMBEDDINGS_API_KEY", "EMBEDDINGS_MODEL", "CONFIG"):
        monkeypatch.delenv(f"EVALHAVEN_{name}", raising=False)
    for name in ("BASE_URL", "API_KEY", "MAX_CONCURRENCY"):
        monkeypatch.delenv(f"EVALHAVEN_UPSTREAM_{name}", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


def target_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Target | None:
    for name, value in variables.items():
        monkeypatch.setenv(f"EVALHAVEN_EMBEDDINGS_{name}", value)
    settings = read_settings()
    return embeddings_target(settings, open_catalog(settings))


def found(target: Target | None) -> tuple[str, str, str | None] | None:
    """Return where embeddings are asked for, of which model, and with which authorization."""
    if target is None:
        return None
    return target.endpoint.base_url, target.model, target.endpoint.headers.get("authorization")


def test_there_is_no_endpoint_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert target_of(monkeypatch) is None
    assert target_of(monkeypatch, API_KEY="sk-1", BASE_URL="") is None


@pytest.mark.parametrize("url", ["https://host/v1", "https://host/v1/", "https://host/v1/embeddings"])
def test_the_address_may_end_as_in_other_programs(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert found(target_of(monkeypatch, BASE_URL=url)) == ("https://host/v1", "text-embedding-3-large", None)


def test_key_and_model_are_taken_over_without_space_around_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_of(monkeypatch, BASE_URL="http://[::1]:8080/v1", API_KEY=" sk-1\n", MODEL="bge-m3")

    assert found(target) == ("http://[::1]:8080/v1", "bge-m3", "Bearer sk-1")
    assert "sk-1" not in repr(target)
    assert found(target_of(monkeypatch, API_KEY=" ")) == ("http://[::1]:8080/v1", "bge-m3", None)


_FILE = """
[endpoints.company]
base_url = "http://models.example/v1/"
api_key_env = "COMPANY_KEY"
proxy = "http://proxy.example:3128"
ca_file = "authority.pem"
retry_for_s = 30
prices = [{ model = "bge-*", input = 0.5, output = 0 }]
models = ["gpt-*", "bge-m3"]
aliases = { "house-embeddings" = "bge-m3" }

[endpoints.other]
base_url = "http://other.example/v1"
"""


@pytest.fixture
def _company(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    (tmp_path / "evalhaven.toml").write_text(_FILE)
    monkeypatch.setenv("COMPANY_KEY", "sk-company")


@pytest.mark.usefixtures("_company")
def test_endpoint_of_the_file_at_the_same_address_lends_what_it_has(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target = target_of(monkeypatch, BASE_URL="http://models.example/v1", MODEL="bge-large")

    assert found(target) == ("http://models.example/v1", "bge-large", "Bearer sk-company")
    assert target is not None
    transport = target.endpoint.transport
    assert (transport.proxy, transport.ca_file) == ("http://proxy.example:3128", tmp_path / "authority.pem")
    price = target.endpoint.price_of(target.model)
    assert price is not None
    assert (price.input, target.endpoint.retry_for_s) == (0.5, 30)
    with_key = target_of(monkeypatch, API_KEY="sk-own")
    assert found(with_key) == ("http://models.example/v1", "bge-large", "Bearer sk-own")
    assert with_key is not None
    assert with_key.endpoint.transport == transport
    assert with_key.endpoint.name != target.endpoint.name, "a key has limits of its own"


@pytest.mark.usefixtures("_company")
@pytest.mark.parametrize("model", ["bge-m3", "house-embeddings"])
def test_endpoint_of_the_file_that_names_the_model_is_asked(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    assert found(target_of(monkeypatch, MODEL=model)) == ("http://models.example/v1", "bge-m3", "Bearer sk-company")


@pytest.mark.usefixtures("_company")
def test_pattern_that_happens_to_match_names_no_endpoint_of_embeddings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert target_of(monkeypatch, MODEL="gpt-embed") is None


@pytest.mark.parametrize(
    "url", ["ftp://host/v1", "no address", "http://user:secret@host/v1", "http://host:99999/v1", "http://host/v1?a=b"]
)
def test_what_is_no_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    with pytest.raises(SystemExit):
        target_of(monkeypatch, BASE_URL=url)

    told = capsys.readouterr().err
    assert "EVALHAVEN_EMBEDDINGS_BASE_URL" in told
    assert "secret" not in told


@pytest.mark.parametrize("key", ["sk-é", "sk 1", "sk-1\nx: y"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    with pytest.raises(SystemExit):
        target_of(monkeypatch, BASE_URL="http://host/v1", API_KEY=key)

    told = capsys.readouterr().err
    assert "EVALHAVEN_EMBEDDINGS_API_KEY" in told
    assert "sk" not in told


def test_openais_key_alone_is_enough_for_embeddings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-1\n")

    assert found(target_of(monkeypatch)) == ("https://api.openai.com/v1", "text-embedding-3-large", "Bearer sk-1")
    assert found(target_of(monkeypatch, BASE_URL="http://host/v1")) == (
        "http://host/v1",
        "text-embedding-3-large",
        None,
    )
    monkeypatch.delenv("EVALHAVEN_EMBEDDINGS_BASE_URL")
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("EVALHAVEN_UPSTREAM_BASE_URL", "http://host/v1")
        assert target_of(monkeypatch) is None
    (tmp_path / "evalhaven.toml").write_text("[endpoints.a]\nscripted = true\n")
    assert target_of(monkeypatch) is None


def test_the_upstream_is_set_by_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVALHAVEN_UPSTREAM_BASE_URL", "http://localhost:8000/v1/chat/completions")
    monkeypatch.setenv("EVALHAVEN_UPSTREAM_API_KEY", " sk-1\n")
    monkeypatch.setenv("EVALHAVEN_UPSTREAM_MAX_CONCURRENCY", "7")
    target = open_catalog(read_settings()).find("any/model")

    assert (target.endpoint.name, target.endpoint.base_url) == ("upstream", "http://localhost:8000/v1")
    assert target.endpoint.headers["authorization"] == "Bearer sk-1"
    assert target.endpoint.max_concurrency == 7


def test_variables_that_are_empty_count_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "UPSTREAM_BASE_URL", "UPSTREAM_API_KEY", "UPSTREAM_MAX_CONCURRENCY"):
        monkeypatch.setenv(f"EVALHAVEN_{name}", "")

    assert [endpoint.name for endpoint in open_catalog(read_settings()).endpoints] == ["scripted"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BASE_URL", "no address"),
        ("BASE_URL", "http://user:secret@host/v1"),
        ("BASE_URL", "http://host/v1?key=secret"),
        ("API_KEY", "secret two"),
        ("MAX_CONCURRENCY", "0"),
    ],
)
def test_an_upstream_that_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(f"EVALHAVEN_UPSTREAM_{name}", value)
    with pytest.raises(SystemExit):
        read_settings()

    told = capsys.readouterr().err
    assert f"EVALHAVEN_UPSTREAM_{name}" in told
    assert "secret" not in told


def test_the_executor_reads_the_same_file_wherever_it_starts(tmp_path: Path) -> None:
    assert "--config" not in executor_command(read_settings())
    (tmp_path / "evalhaven.toml").write_text("[endpoints.a]\nscripted = true\n")

    assert executor_command(read_settings())[-2:] == ["--config", str(tmp_path / "evalhaven.toml")]
    assert executor_command(read_settings(config=Path("b.toml")))[-2:] == ["--config", str(tmp_path / "b.toml")]


def test_a_configuration_that_cannot_be_keeps_a_server_from_starting(tmp_path: Path) -> None:
    (tmp_path / "evalhaven.toml").write_text("[endpoints.a]\nscripted = 1\n")

    with pytest.raises(StartError, match=r"evalhaven\.toml: \[endpoints\.a\] scripted: should be a valid boolean\."):
        open_catalog(read_settings())
