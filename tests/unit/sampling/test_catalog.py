"""Facts about the catalogue: which endpoint serves a name, and what it is sent."""

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.sampling.catalog import Catalog, Endpoint, Price, UnknownModelError

OPENAI = Endpoint("openai", "https://api.openai.com/v1", models=("gpt-*", "o1*"), aliases={"my-judge": "gpt-4.1-mini"})
AZURE = Endpoint("azure", "https://r.openai.azure.com/openai/v1", models=("gpt-4.1", "gpt-?o"))
ROUTER = Endpoint("router", "https://openrouter.ai/api/v1", models=("meta-llama/*", "*/*"))
LOCAL = Endpoint("local", "http://127.0.0.1:8000/v1", models=("*",), aliases={"small": "Qwen/Qwen3-4B"})
ALL = Catalog((OPENAI, AZURE, ROUTER, LOCAL), "evalhaven.toml")


def found(catalog: Catalog, model: str) -> tuple[str, str]:
    """Return the endpoint that serves a model, and the name that it is sent."""
    target = catalog.find(model)
    return target.endpoint.name, target.model


@pytest.mark.parametrize(
    ("model", "endpoint", "sent"),
    [
        ("gpt-5", "openai", "gpt-5"),
        ("o1-preview", "openai", "o1-preview"),
        ("my-judge", "openai", "gpt-4.1-mini"),
        ("small", "local", "Qwen/Qwen3-4B"),
        ("mistral:7b", "local", "mistral:7b"),
        ("qwen/qwen-2.5", "router", "qwen/qwen-2.5"),
    ],
)
def test_the_first_endpoint_whose_alias_or_pattern_fits_serves_a_model(model: str, endpoint: str, sent: str) -> None:
    assert found(ALL, model) == (endpoint, sent)


def test_a_name_that_is_written_out_wins_over_a_pattern_that_stands_before_it() -> None:
    assert found(ALL, "gpt-4.1") == ("azure", "gpt-4.1")
    assert found(ALL, "gpt-4o") == ("openai", "gpt-4o")


def test_an_endpoint_may_be_named_before_a_slash() -> None:
    assert found(ALL, "azure/gpt-4o") == ("azure", "gpt-4o")
    assert found(ALL, "local/gpt-4.1") == ("local", "gpt-4.1")
    assert found(ALL, "router/openai/gpt-4.1") == ("router", "openai/gpt-4.1")
    assert found(ALL, "openai/my-judge") == ("openai", "gpt-4.1-mini")


def test_a_vendor_that_is_called_like_an_endpoint_is_told_from_it() -> None:
    # The endpoint openai does not serve that model, so the name is one of the router's.
    assert found(ALL, "openai/whisper") == ("router", "openai/whisper")
    written_out = Catalog((OPENAI, Endpoint("router", "https://openrouter.ai/api/v1", models=("openai/*",))))
    assert found(written_out, "openai/gpt-4.1") == ("router", "openai/gpt-4.1")


def test_names_are_case_sensitive_and_patterns_have_sets() -> None:
    catalog = Catalog((Endpoint("a", "http://a", models=("GPT-*", "o[13]")),))

    assert found(catalog, "o3") == ("a", "o3")
    for model in ("gpt-4", "o2", "O3"):
        with pytest.raises(UnknownModelError):
            catalog.find(model)


def test_a_model_that_nobody_serves_is_a_fault_of_the_request_that_names_patterns_and_cure() -> None:
    catalog = Catalog((OPENAI, AZURE), "evalhaven.toml")
    with pytest.raises(InvalidRequestError) as refusal:
        catalog.find("claude-9", "data_source.model")

    assert refusal.value.message == (
        "No endpoint serves the model 'claude-9': openai serves my-judge, gpt-*, o1*; azure serves gpt-4.1, gpt-?o. "
        "Add the name to `models` of an endpoint in evalhaven.toml."
    )
    assert (refusal.value.param, refusal.value.code) == ("data_source.model", "model_not_found")


def test_without_a_configuration_the_cure_is_a_variable() -> None:
    with pytest.raises(UnknownModelError, match=r"Set EVALHAVEN_UPSTREAM_BASE_URL .*, or OPENAI_API_KEY"):
        Catalog(()).find("gpt-5")


@pytest.mark.parametrize("model", ["", "openai/", "/gpt-5"])
def test_an_empty_name_is_nobodys(model: str) -> None:
    with pytest.raises(UnknownModelError):
        Catalog((OPENAI, AZURE)).find(model)
    with pytest.raises(UnknownModelError):
        ALL.find("")


def test_names_and_patterns_are_told_apart_and_no_name_twice() -> None:
    catalog = Catalog((OPENAI, AZURE, Endpoint("b", "http://b", models=("gpt-4.1", "x"))))

    assert [(name, endpoint.name) for name, endpoint in catalog.names()] == [
        ("my-judge", "openai"),
        ("gpt-4.1", "azure"),
        ("x", "b"),
    ]
    assert [(pattern, endpoint.name) for pattern, endpoint in catalog.patterns()] == [
        ("gpt-*", "openai"),
        ("o1*", "openai"),
        ("gpt-?o", "azure"),
    ]


def test_the_first_price_whose_pattern_fits_holds() -> None:
    prices = (Price("gpt-4.1-mini*", 0.4, 0.1, 1.6), Price("gpt-4.1*", 2.0, None, 8.0))
    endpoint = Endpoint("openai", "https://api.openai.com/v1", prices=prices)

    assert endpoint.price_of("gpt-4.1-mini-2025-04-14") == prices[0]
    assert endpoint.price_of("gpt-4.1") == prices[1]
    assert endpoint.price_of("gpt-5") is None


def test_addresses_end_in_the_query() -> None:
    dated = Endpoint("azure", "https://r.openai.azure.com/openai/deployments/d", query="api-version=2024-10-21")

    assert OPENAI.url_of("/responses") == "https://api.openai.com/v1/responses"
    assert dated.url_of("/chat/completions").endswith("/deployments/d/chat/completions?api-version=2024-10-21")


def test_an_endpoint_can_be_a_key_and_shows_no_secret() -> None:
    endpoint = Endpoint("a", "http://a", headers={"authorization": "Bearer sk-made-up"}, query="key=made-up")

    assert {endpoint: 1}[Endpoint("a", "http://a", headers={"authorization": "Bearer sk-made-up"}, query="key=made-up")]
    assert "made-up" not in repr(Catalog((endpoint,)))
