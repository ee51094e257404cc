"""The page of workers: who executes runs, what waits for whom, and how to start one."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import THEMES, enlarge_and_print, judge, opened_tab, picture, settle, visit
from tests.databases import PostgresServer
from tests.server import SLOW_ENDPOINT, SLOW_MODEL, Server
from tests.worker import Worker

_ROWS = 3_000


@pytest.fixture
def shared(tmp_path: Path, postgres: PostgresServer) -> Iterator[Server]:
    """A server that leaves runs to workers, none of which is there."""
    config = tmp_path / "evalhaven.toml"
    config.write_text(SLOW_ENDPOINT)
    with postgres.temporary_database() as url:
        server = Server(tmp_path, url, "--no-worker", EVALHAVEN_CONFIG=str(config), EVALHAVEN_WORKER_LEASE_S="3")
        with server.running():
            yield server
            assert "Traceback" not in server.log


@pytest.fixture
def shown(browser: Browser, shared: Server) -> Iterator[Page]:
    with opened_tab(browser, shared) as tab:
        yield tab.page
        assert tab.said == []


def _run(server: Server, name: str) -> tuple[str, str]:
    rows = [{"item": {"q": str(number)}} for number in range(_ROWS)]
    schema = {"type": "object", "properties": {"q": {"type": "string"}}}
    judged = {"type": "string_check", "name": "g", "operation": "eq", "input": "{{ sample.output_text }}"}
    source = {"type": "custom", "item_schema": schema, "include_sample_schema": True}
    asked = {"type": "template", "template": [{"role": "user", "content": "{{ item.q }}"}]}
    data = {"type": "completions", "model": SLOW_MODEL, "input_messages": asked}
    with httpx2.Client(base_url=server.url, timeout=60) as http:
        body = {"data_source_config": source, "testing_criteria": [{**judged, "reference": "Yes."}]}
        eval_id = http.post("/v1/evals", json=body).raise_for_status().json()["id"]
        data_source = {**data, "source": {"type": "file_content", "content": rows}}
        run = http.post(f"/v1/evals/{eval_id}/runs", json={"name": name, "data_source": data_source})
        return eval_id, run.raise_for_status().json()["id"]


def test_workers_come_and_go_on_the_page_and_a_run_says_that_it_waits_for_one(
    shown: Page, shared: Server, tmp_path: Path
) -> None:
    shown.goto("/ui/evals")
    shown.locator("h1").wait_for()
    shown.keyboard.type("gw")
    expect(shown.get_by_role("heading", level=1)).to_have_text("Workers")
    expect(shown.get_by_text("Workers: none is there")).to_have_count(0)
    expect(shown.get_by_role("heading", name="No worker is at work")).to_be_visible()
    snippet = shown.get_by_role("region", name="This machine snippet")
    expect(snippet).to_contain_text(f"evalhaven worker --data-dir '{shared.data_dir}'")
    judge(shown, THEMES)

    eval_id, run_id = _run(shared, "waits <b>long</b>")
    queue = shown.get_by_role("region", name="Runs under way").locator("tbody tr")
    expect(queue).to_contain_text("waits for a worker")
    expect(queue).to_contain_text("rows are not checked yet")
    expect(shown.get_by_text(re.compile(r"^1 run waits, for \d+ s by now, and no worker is there\."))).to_be_visible()
    for theme in THEMES:
        shown.emulate_media(color_scheme=theme)
        picture(shown, f"workers-none-{theme}")
    command = shlex.split(snippet.inner_text())

    visit(shown, f"/ui/evals/{eval_id}/runs/{run_id}")
    expect(shown.get_by_text("This run waits: no worker is there.")).to_be_visible()
    settle(shown)
    judge(shown)
    picture(shown, "workers-run-waits")
    shown.get_by_role("main").get_by_role("link", name="Workers").click()
    expect(shown.get_by_role("heading", level=1)).to_have_text("Workers")

    # What the page says is what a worker is started with here, the address of the database in its environment.
    config = shared.environment["EVALHAVEN_CONFIG"]
    assert command[:1] == ["export"]
    assert command[2:] == ["evalhaven", "worker", "--data-dir", str(shared.data_dir), "--config", config]
    worker = Worker(shared, tmp_path / "worker.log")
    with worker.running():
        expect(shown.get_by_role("heading", name="No worker is at work")).to_have_count(0)
        (row,) = shown.get_by_role("region", name="At work").locator("tbody tr").all()
        expect(row).to_contain_text("live")
        expect(row.get_by_role("link", name="waits <b>long</b>")).to_be_visible()
        expect(queue).to_contain_text("Running")
        expect(shown.get_by_role("region", name="Shared limits")).to_contain_text(SLOW_MODEL)
        settle(shown)
        for theme in THEMES:
            shown.emulate_media(color_scheme=theme)
            picture(shown, f"workers-{theme}")
        judge(shown, THEMES)
        enlarge_and_print(shown, "workers")
        visit(shown, f"/ui/evals/{eval_id}/runs/{run_id}")
        expect(shown.get_by_role("heading", level=1)).to_have_text("waits <b>long</b>")
        settle(shown)
        expect(shown.get_by_text("This run waits")).to_have_count(0)
        visit(shown, "/ui/workers")
        worker.kill()
        expect(row).to_contain_text("silent")
        expect(shown.get_by_text(re.compile("^The worker .* has been silent for "))).to_be_visible()


def test_with_sqlite_the_executor_is_shown(page: Page) -> None:
    page.goto("/ui/workers")
    expect(page.get_by_role("heading", level=1)).to_have_text("Workers")
    expect(page.get_by_text(re.compile("^with SQLite the server.s own executor is the only one$"))).to_be_visible()
    expect(page.get_by_role("region", name="At work").locator("tbody tr")).to_contain_text("live")
    expect(page.get_by_role("heading", name="No worker is at work")).to_have_count(0)
    judge(page, THEMES)
