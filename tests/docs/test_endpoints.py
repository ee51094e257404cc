"""Facts about the pages on endpoints: each block asks as its provider wants it, and nothing is missing."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import pytest

from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Ability, Catalog, Endpoint, Target
from evalhaven.sampling.configuration.loading import Upstream, load_catalog
from tests.listening_endpoint import Arrived, ListeningEndpoint

KEY = "sk-made-up"
BLOCK = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#{2,3} (.*)$", re.MULTILINE)
OWN = {"accept", "accept-encoding", "content-length", "content-type", "host", "user-agent", "x-evalhaven-hop"}


@dataclass(frozen=True)
class Form:
    """How a provider wants to be asked: model, path, and the headers beyond those of every request."""

    model: str
    sent: str
    path: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    query: str = ""
    chat_only: bool = False


BEARER = {"authorization": f"Bearer {KEY}"}
FORMS = {
    "OpenAI": Form("gpt-4.1", "gpt-4.1", "/v1", BEARER),
    "Azure OpenAI": Form("gpt-4.1", "my-gpt-4.1", "/openai/v1", {"api-key": KEY}),
    "Azure OpenAI, dated API": Form(
        "my-gpt-4.1",
        "my-gpt-4.1",
        "/openai/deployments/my-gpt-4.1",
        {"api-key": KEY},
        "api-version=2024-10-21",
        chat_only=True,
    ),
    "Anthropic": Form("claude-9", "claude-9", "/v1", BEARER, chat_only=True),
    "Google Gemini": Form("gemini-9", "gemini-9", "/v1beta/openai", BEARER, chat_only=True),
    "OpenRouter": Form(
        "vendor/model:free",
        "vendor/model:free",
        "/api/v1",
        {**BEARER, "http-referer": "https://evals.example.org", "x-title": "Evals"},
        chat_only=True,
    ),
    "vLLM": Form("Qwen/Qwen3-4B", "Qwen/Qwen3-4B", "/v1"),
    "Ollama": Form("llama3.1:8b", "llama3.1:8b", "/v1"),
    "llama.cpp": Form("local-qwen3", "local-qwen3", "/v1", chat_only=True),
}


@pytest.fixture(scope="module")
def page(repository: Path) -> str:
    """Return the page that shows how endpoints are described."""
    return (repository / "docs" / "how-to" / "connect-models.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def offline(repository: Path) -> str:
    """Return the page about endpoints that answer by rules."""
    return (repository / "docs" / "how-to" / "work-offline.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def reference(repository: Path) -> str:
    """Return the page that lists every key."""
    return (repository / "docs" / "reference" / "endpoints.md").read_text(encoding="utf-8")


@pytest.fixture
def listening() -> Iterator[ListeningEndpoint]:
    with ListeningEndpoint() as opened:
        yield opened


def blocks(page: str) -> dict[str, str]:
    """Return the first block of TOML under each heading."""
    found: dict[str, str] = {}
    for match in BLOCK.finditer(page):
        heading = HEADING.findall(page[: match.start()])[-1]
        assert heading not in found
        found[heading] = match[1]
    return found


def load(text: str, directory: Path) -> Catalog:
    """Load a block where all that it refers to exists."""
    path = directory / "evalhaven.toml"
    path.write_text(text)
    (directory / "gateway-token").write_text(KEY)
    named = re.findall(r'(?:env|api_key_env) = "(\w+)"', text)
    return load_catalog(path, Upstream(), {name: "http://gateway/v1" if "URL" in name else KEY for name in named})


def section(page: str, heading: str) -> str:
    text = page.partition(f"\n### {heading}\n")[2]
    assert text
    return re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]


def rows(page: str, heading: str) -> dict[str, str]:
    """Return the first two cells of the table in a section, without their backticks."""
    cells = [line.split("|") for line in section(page, heading).splitlines() if line.startswith("| `")]
    return {cell[1].strip().strip("`"): cell[2].strip().strip("`") for cell in cells}


async def ask(endpoint: Endpoint, listening: ListeningEndpoint, target: Target, path: str) -> Arrived:
    """Ask a model as runs do, at a server of the test's own; return what arrived there."""
    base_url = f"{listening.url}{urlsplit(endpoint.base_url).path}"
    listening.answers[f"{urlsplit(base_url).path}{path}"] = (200, {"answered": True})
    body = json.dumps({"model": target.model}).encode()
    async with ModelCaller() as caller:
        called = await caller.call(Target(replace(endpoint, base_url=base_url), target.model), path, body, json.loads)
    assert called.value == {"answered": True}
    return listening.requests[-1]


def test_every_block_can_be_loaded(page: str, tmp_path: Path) -> None:
    found = blocks(page)

    assert FORMS.keys() < found.keys()
    for text in found.values():
        names = [*tomllib.loads(text)["endpoints"], "scripted"]
        assert [endpoint.name for endpoint in load(text, tmp_path).endpoints] == names


@pytest.mark.parametrize("provider", FORMS)
async def test_a_provider_is_asked_in_its_form(
    page: str, listening: ListeningEndpoint, tmp_path: Path, provider: str
) -> None:
    form = FORMS[provider]
    target = load(blocks(page)[provider], tmp_path).find(form.model)
    paths = {"chat": "/chat/completions", "responses": "/responses"}

    assert target.model == form.sent
    assert target.endpoint.protocols == ({"chat"} if form.chat_only else {"chat", "responses"})
    for protocol in target.endpoint.protocols:
        arrived = await ask(target.endpoint, listening, target, paths[protocol])
        assert (arrived.method, arrived.path) == ("POST", f"{form.path}{paths[protocol]}")
        assert arrived.query == form.query
        assert {name: value for name, value in arrived.headers.items() if name not in OWN} == form.headers
        assert (arrived.headers["content-type"], arrived.headers["x-evalhaven-hop"]) == ("application/json", "1")
        assert json.loads(arrived.body) == {"model": form.sent}


def test_the_address_of_a_provider_is_reached_by_name(page: str, tmp_path: Path) -> None:
    hosts = {
        provider: urlsplit(load(blocks(page)[provider], tmp_path).endpoints[0].base_url).netloc for provider in FORMS
    }

    assert hosts == {
        "OpenAI": "api.openai.com",
        "Azure OpenAI": "YOUR-RESOURCE.openai.azure.com",
        "Azure OpenAI, dated API": "YOUR-RESOURCE.openai.azure.com",
        "Anthropic": "api.anthropic.com",
        "Google Gemini": "generativelanguage.googleapis.com",
        "OpenRouter": "openrouter.ai",
        "vLLM": "localhost:8000",
        "Ollama": "localhost:11434",
        "llama.cpp": "localhost:8080",
    }


async def test_the_rules_that_are_shown_answer(offline: str, tmp_path: Path) -> None:
    target = load(blocks(offline)["An endpoint with rules"], tmp_path).find("fake-judge")
    body = json.dumps({"messages": [{"role": "user", "content": "the capital of France?"}]}).encode()
    async with ModelCaller() as caller:
        called = await caller.call(target, "/chat/completions", body, json.loads)

    assert called.value["choices"][0]["message"]["content"] == "The capital of France is unknown."


def test_everything_that_an_endpoint_may_lack_is_documented(reference: str) -> None:
    assert rows(reference, "What an endpoint lacks").keys() == set(get_args(Ability))


def test_the_order_in_which_names_are_looked_for_is_as_documented(page: str, tmp_path: Path) -> None:
    text = "".join(blocks(page)[provider] for provider in ("OpenAI", "OpenRouter", "vLLM"))
    catalog = load(text, tmp_path)
    found = {
        name: (catalog.find(name).endpoint.name, catalog.find(name).model)
        for name in ("gpt-4.1", "meta-llama/llama-3", "openai/gpt-4.1", "openrouter/openai/gpt-4.1", "x-ai/grok")
    }

    assert found == {
        "gpt-4.1": ("openai", "gpt-4.1"),
        "meta-llama/llama-3": ("vllm", "meta-llama/llama-3"),
        "openai/gpt-4.1": ("openai", "gpt-4.1"),
        "openrouter/openai/gpt-4.1": ("openrouter", "openai/gpt-4.1"),
        "x-ai/grok": ("openrouter", "x-ai/grok"),
    }
