"""The page of models: each endpoint with its limits, names, prices and state."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import THEMES, enlarge_and_print, judge, picture, running_server
from tests.server import Server
from tests.system.commands import run_command

_CONFIG = """
[endpoints.rules]
scripted = true
models = ["small-*"]
aliases = { fast = "small-1" }
max_concurrency = 40
requests_per_minute = 600
prices = [{ model = "small-*", input = 1.25, cached_input = 0.125, output = 10.0 }]

[endpoints.gone]
base_url = "http://127.0.0.1:9/v1"
models = ["elsewhere-*"]
api_key_env = "KEY_OF_GONE"
"""
_SECRET = "the-key-of-gone"


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("models"), _CONFIG, KEY_OF_GONE=_SECRET) as running:
        yield running


def test_endpoints_show_limits_names_and_prices_and_are_tested_on_demand(page: Page, configured: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    page.goto(f"{configured.url}/ui/evals")
    page.locator("h1").wait_for()
    page.keyboard.type("gm")
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    rules = page.get_by_role("region", name="rules", exact=True)
    expect(rules).to_contain_text("answers by rules, without a network")
    expect(rules).to_contain_text("Calls at once, each model40")
    expect(rules).to_contain_text("Requests a minute600")
    expect(rules).to_contain_text("Tokens a minuteno limit")
    expect(rules).to_contain_text("fast → small-1")
    expect(rules.get_by_role("row", name="small-*")).to_have_text("small-*$1.25$0.125$10")
    gone = page.get_by_role("region", name="gone", exact=True)
    expect(gone).to_contain_text("elsewhere-*")
    expect(gone).to_contain_text("none of the last 100 runs asked it")
    expect(gone).to_contain_text("********is sent with each call")
    expect(rules).to_contain_text("it needs none")
    assert _SECRET not in page.content()
    assert set(asked) == {"GET"}

    rules.get_by_role("button", name="Test connection to rules").focus()
    page.keyboard.press("Enter")
    alone = rules.get_by_role("list", name="What the test of rules found").get_by_role("listitem")
    expect(alone).to_have_text(re.compile("in order: Endpoint rules: answers offline"))
    gone.get_by_role("button", name="Test connection to gone").click()
    expect(gone.get_by_role("listitem")).to_contain_text("needs attention: Endpoint gone: http://127.0.0.1:9/v1")
    page.get_by_role("button", name="Test connections", exact=True).click()
    found = page.get_by_role("list", name="What the test found", exact=True)
    expect(found.get_by_role("listitem").filter(has_text="Endpoint gone")).to_contain_text("needs attention")
    expect(found.get_by_role("listitem").filter(has_text="Endpoint rules")).to_contain_text("in order")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        picture(page, f"models-{theme}")
    judge(page, THEMES)
    enlarge_and_print(page, "models")


def test_the_lines_for_a_server_without_endpoints_are_accepted(repository: Path, tmp_path: Path) -> None:
    page = (repository / "web/src/pages/models/NoEndpoints.tsx").read_text(encoding="utf-8")
    snippets = re.findall(r"`(\[endpoints[^`]*)`", page)
    assert len(snippets) == 3
    config = tmp_path / "evalhaven.toml"
    for snippet in snippets:
        config.write_text(snippet, encoding="utf-8")
        doctor = run_command(
            "doctor", "--config", str(config), "--data-dir", str(tmp_path / "data"), OPENAI_API_KEY="sk-made-up"
        )
        assert f"Endpoints: {config}" in doctor.stdout
