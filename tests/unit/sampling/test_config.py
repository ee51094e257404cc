"""Facts about evalhaven.toml and the variables in its place: what they make."""

from pathlib import Path

import certifi
import pytest

from evalhaven.sampling.catalog import CatalogError, Endpoint, Price
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from evalhaven.sampling.scripted.endpoint import Rule
from evalhaven.sampling.scripted.replies import Tokens
from tests.unit.sampling.configured import KEY, Load, endpoint, load

__all__ = ["load"]


FULL = """
[endpoints.openai]
base_url = "https://api.openai.com/v1/"
api_key_env = "MY_KEY"
headers = { OpenAI-Project = "proj_1", x-team = { env = "TEAM" } }
query = { api-version = "2024-10-21", region = { file = "region" } }
protocol = "chat"
models = ["gpt-*", "o1*"]
aliases = { "my-judge" = "gpt-4.1-mini" }
max_concurrency = 500
start_concurrency = 50
requests_per_minute = 10000
tokens_per_minute = 2_000_000
timeout_s = 120
connect_timeout_s = 3.5
retry_for_s = 0
max_reply_mb = 8
proxy = "http://proxy.example.org:3128"
lacks = ["developer_role", "seed"]
check = "none"

[[endpoints.openai.prices]]
model = "gpt-4.1-mini*"
input = 0.4
cached_input = 0.1
output = 1.6

[[endpoints.openai.prices]]
model = "*"
input = 2
output = 8

[endpoints.made-up]
scripted = true
models = ["fake"]

[[endpoints.made-up.rules]]
when = "capital of (\\\\w+)"
answer = "{1}ville"
latency_ms = 5
usage = { input = 10, output = 2 }

[[endpoints.made-up.rules]]
status = 429
finish_reason = "length"
"""
ENVIRONMENT = {"MY_KEY": f" {KEY}\n", "TEAM": "blue"}


def test_every_key_arrives(load: Load, tmp_path: Path) -> None:
    (tmp_path / "region").write_text("west europe\n")
    catalog = load(FULL, **ENVIRONMENT)
    openai, made_up, scripted = catalog.endpoints

    assert catalog.source == str(tmp_path / "evalhaven.toml")
    assert (openai.name, openai.base_url) == ("openai", "https://api.openai.com/v1")
    assert dict(openai.headers) == {
        "accept": "application/json",
        "content-type": "application/json",
        "x-evalhaven-hop": "1",
        "authorization": f"Bearer {KEY}",
        "openai-project": "proj_1",
        "x-team": "blue",
    }
    assert openai.query == "api-version=2024-10-21&region=west+europe"
    assert openai.protocols == {"chat"}
    assert (openai.models, openai.aliases) == (("gpt-*", "o1*"), {"my-judge": "gpt-4.1-mini"})
    assert (openai.max_concurrency, openai.start_concurrency) == (500, 50)
    assert (openai.requests_per_minute, openai.tokens_per_minute) == (10_000, 2_000_000)
    assert (openai.timeout_s, openai.retry_for_s, openai.strange_for_s) == (120, 0, None)
    assert openai.lacks == {"developer_role", "seed"}
    assert openai.prices == (Price("gpt-4.1-mini*", 0.4, 0.1, 1.6), Price("*", 2, None, 8))
    assert not openai.lists_models
    options = openai.transport
    assert (options.connect_timeout_s, options.max_reply_bytes) == (3.5, 8 * 1024 * 1024)
    assert (options.proxy, options.trust_env) == ("http://proxy.example.org:3128", False)
    assert made_up.script is not None
    first, second = made_up.script.rules
    assert first.when is not None
    assert first.when.find("the capital of France?") == ["capital of France", "France"]
    assert (first.answer, first.latency_ms, first.usage) == ("{1}ville", 5, Tokens(10, 0, 2, 0))
    assert second == Rule(status=429, finish_reason="length")
    assert scripted.is_scripted
    assert KEY not in repr(catalog)


def test_an_address_is_enough(load: Load) -> None:
    made, _ = load(endpoint()).endpoints

    defaults = Endpoint("a", "http://host/v1", headers=made.headers, transport=made.transport, strange_for_s=60)
    assert made == defaults
    assert "authorization" not in made.headers
    assert (made.transport.trust_env, made.transport.proxy) == (True, None)


@pytest.mark.parametrize("end", ["", "/", "/chat/completions", "/responses", "/models"])
def test_the_address_may_end_as_in_other_programs(load: Load, end: str) -> None:
    assert load(endpoint(base_url=f"https://host/v1{end}")).endpoints[0].base_url == "https://host/v1"


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [("bearer", "authorization", f"Bearer {KEY}"), ("api-key", "api-key", KEY), ("x-api-key", "x-api-key", KEY)],
)
def test_a_key_is_sent_in_the_form_asked_for(load: Load, tmp_path: Path, auth: str, header: str, value: str) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    made, _ = load(endpoint(f'api_key_file = "key"\nauth = "{auth}"')).endpoints

    assert made.headers[header] == value
    assert [name for name, sent in made.headers.items() if KEY in sent] == [header]


def test_a_small_limit_is_where_calls_start(load: Load) -> None:
    assert load(endpoint("max_concurrency = 4")).endpoints[0].start_concurrency == 4
    assert load(endpoint("max_concurrency = 400")).endpoints[0].start_concurrency == 20


def test_the_environments_proxies_can_be_left_out(load: Load) -> None:
    options = load(endpoint('proxy = "none"')).endpoints[0].transport

    assert (options.proxy, options.trust_env) == (None, False)


def test_certificates_are_looked_for_beside_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())

    assert load(endpoint('ca_file = "ca.pem"')).endpoints[0].transport.ca_file == tmp_path / "ca.pem"


def test_a_file_of_windows_is_read(load: Load) -> None:
    assert load(b"\xef\xbb\xbf" + endpoint().replace("\n", "\r\n").encode()).endpoints[0].name == "a"


class TestWithoutFile:
    """The variables that replace a file."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)

    def test_nothing_configured_leaves_the_scripted_endpoint(self) -> None:
        catalog = load_catalog(None, Upstream(), {"OPENAI_BASE_URL": "http://elsewhere"})
        (scripted,) = catalog.endpoints

        assert (scripted.name, scripted.models, catalog.source) == ("scripted", ("scripted", "scripted/*"), "")
        assert scripted.script is not None
        assert scripted.script.rules == ()

    def test_an_upstream_serves_every_model(self) -> None:
        upstream = Upstream("http://localhost:8000/v1", KEY, 8)
        catalog = load_catalog(None, upstream, {"OPENAI_API_KEY": "sk-other"})
        first, _ = catalog.endpoints

        assert (first.name, first.base_url, first.models) == ("upstream", "http://localhost:8000/v1", ("*",))
        assert first.headers["authorization"] == f"Bearer {KEY}"
        assert (first.max_concurrency, first.start_concurrency) == (8, 8)
        assert catalog.source == "EVALHAVEN_UPSTREAM_BASE_URL"
        assert catalog.find("scripted").endpoint.is_scripted

    def test_openais_key_is_enough_and_its_base_url_is_never_read(self) -> None:
        environment = {"OPENAI_API_KEY": f"{KEY}\n", "OPENAI_BASE_URL": "http://127.0.0.1:8765/v1"}
        catalog = load_catalog(None, Upstream(max_concurrency=1000), environment)
        first, _ = catalog.endpoints

        assert (first.name, first.base_url, first.models) == ("openai", "https://api.openai.com/v1", ("*",))
        assert first.headers["authorization"] == f"Bearer {KEY}"
        assert first.headers["x-evalhaven-hop"] == "1"
        assert (first.max_concurrency, first.start_concurrency) == (1000, 20)
        assert catalog.source == "OPENAI_API_KEY"

    @pytest.mark.parametrize("key", ["sk é", "sk two"])
    def test_an_invalid_openai_key_is_refused_and_not_shown(self, key: str) -> None:
        with pytest.raises(CatalogError, match="OPENAI_API_KEY holds no key") as refusal:
            load_catalog(None, Upstream(), {"OPENAI_API_KEY": key})
        assert "sk" not in str(refusal.value)

    def test_an_empty_openai_key_counts_as_none(self) -> None:
        assert load_catalog(None, Upstream(), {"OPENAI_API_KEY": " "}).source == ""

    def test_a_key_for_nobody_is_refused(self) -> None:
        with pytest.raises(CatalogError, match="EVALHAVEN_UPSTREAM_API_KEY is set, but not whom it is for"):
            load_catalog(None, Upstream(None, KEY), {})

    def test_a_file_in_the_working_directory_is_taken(self, tmp_path: Path) -> None:
        (tmp_path / "evalhaven.toml").write_text(endpoint())

        assert load_catalog(None, Upstream(), {}).source == "evalhaven.toml"

    def test_beside_a_file_the_upstream_has_no_effect_and_that_is_said(self, load: Load) -> None:
        catalog = load(endpoint(), Upstream("http://localhost:8000/v1"))

        assert [each.name for each in catalog.endpoints] == ["a", "scripted"]
        assert "EVALHAVEN_UPSTREAM_* have no effect" in catalog.notes[0]


def test_an_endpoint_named_scripted_takes_the_place_of_the_built_in_one(load: Load) -> None:
    catalog = load("[endpoints.scripted]\nscripted = true\nmodels = ['fake']")

    assert [(each.name, each.models) for each in catalog.endpoints] == [("scripted", ("fake",))]
