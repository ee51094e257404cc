"""Every snippet of a page does what its page says, as it stands, against the server that shows it."""

import contextlib
import io
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import running_server, visit
from tests.dashboard.judged import ended, sent
from tests.dashboard.test_logs import chat, send
from tests.server import SLOW_MODEL, Server
from tests.system.commands import call_command

_OF_SAMPLES = {"type": "string_check", "name": "c", "input": "{{ sample.output_text }}", "reference": "x"}
_OF_ITEMS = {"type": "string_check", "name": "it's c", "input": "{{ item.a }}", "reference": "…"}
_FIELDS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own: it has nothing yet, and passes calls on."""
    directory = tmp_path_factory.mktemp("snippets")
    with running_server(directory, EVALHAVEN_GATEWAY="on", EVALHAVEN_LOG_DAYS="3650") as running:
        yield running


def executed(shown: Page | Locator) -> tuple[str, str]:
    """Execute the snippets of a page or of a part of it; return what the one in Python said, and then curl."""
    python = shown.get_by_role("region", name="Python snippet").inner_text()
    shown.get_by_role("button", name="curl", exact=True).click()
    curl = shown.get_by_role("region", name="curl snippet").inner_text()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(python, "<snippet>", "exec"), {"__name__": "__main__"})  # noqa: S102 - as its reader does
    done = subprocess.run(
        ["sh", "-e", "-c", curl.replace("curl ", "curl -f ")], capture_output=True, text=True, check=True
    )
    return said.getvalue(), done.stdout


def runs_of(http: httpx2.Client, eval_id: str) -> list[dict[str, Any]]:
    """Return the runs of an eval when they have ended."""
    listed = http.get(f"/v1/evals/{eval_id}/runs").json()["data"]
    return [ended(http, each) for each in listed]


def test_the_snippets_of_empty_lists_put_something_there(page: Page, http: httpx2.Client, server: Server) -> None:
    page.goto("/ui/runs")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    first = page.get_by_role("region", name="Python snippet").inner_text()
    visit(page, "/ui/evals")
    expect(page.get_by_role("heading", name="No evals yet")).to_be_visible()
    assert page.get_by_role("region", name="Python snippet").inner_text() == first
    python, _ = executed(page)
    made = http.get("/v1/evals", params={"order": "asc"}).json()["data"]
    assert [each["name"] for each in made] == ["Capitals", "Capitals"]
    [run] = runs_of(http, made[0]["id"])
    assert (run["status"], run["result_counts"]["passed"], run["result_counts"]["failed"]) == ("completed", 1, 1)
    assert python.strip() == f"{server.url}/ui/evals/{made[0]['id']}/runs/{run['id']}"

    page.goto("/ui/files")
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()
    python, _ = executed(page)
    files = http.get("/v1/files").json()["data"]
    assert [each["filename"] for each in files] == ["capitals.jsonl", "capitals.jsonl"]
    assert python.strip() in [each["id"] for each in files]
    contents = {http.get(f"/v1/files/{each['id']}/content").text for each in files}
    assert len(contents) == 1

    page.goto("/ui/logs")
    expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    expect(page.get_by_role("region", name="Python snippet")).to_contain_text(f'model="{SLOW_MODEL}"')
    executed(page)
    page.get_by_role("button", name="Refresh").click()
    expect(page.get_by_role("region", name="Table of calls").locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("region", name="Table of calls")).to_contain_text("app=capitals")


@pytest.mark.parametrize(
    ("config", "criterion", "fails"),
    [
        ({"type": "custom", "item_schema": _FIELDS}, _OF_ITEMS, 0),
        ({"type": "custom", "item_schema": _FIELDS, "include_sample_schema": True}, _OF_SAMPLES, 1),
        ({"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}, _OF_SAMPLES, 1),
        ({"type": "logs", "metadata": {"of": "snippets"}}, _OF_SAMPLES, 1),
    ],
    ids=["items", "answers", "answers without fields", "logged calls"],
)
def test_the_snippets_of_an_eval_without_runs_make_its_first_and_repeat_it(
    page: Page, http: httpx2.Client, config: dict[str, Any], criterion: dict[str, str], fails: int
) -> None:
    if config["type"] == "logs" and http.get("/v1/chat/completions/chatcmpl-1").status_code != 200:
        send(http, [chat(1, "Q?", "A.", metadata={"of": "snippets"})])
    body = {"name": "E", "data_source_config": config, "testing_criteria": [{**criterion, "operation": "eq"}]}
    parent = sent(http, "/v1/evals", body)["id"]

    page.goto(f"/ui/evals/{parent}")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    executed(page)
    page.goto(f"/ui/evals/{parent}/definition")
    expect(page.get_by_role("heading", name="Run it again")).to_be_visible()
    executed(page)

    runs = runs_of(http, parent)
    assert len(runs) == 4
    for run in runs:
        assert run["status"] == "completed"
        assert run["result_counts"]["errored"] == 0
        assert run["result_counts"]["total"] > 0
        assert run["result_counts"]["failed"] == fails * run["result_counts"]["total"]


def test_the_snippets_that_grade_and_replay_calls_do_so(page: Page, http: httpx2.Client) -> None:
    send(http, [chat(100 + number, f"It's {number}?", f"A {number}.", metadata={"of": "steps"}) for number in range(3)])
    for button, panel_name in (("Grade these", "Grade these calls"), ("Replay these", "Replay these calls")):
        for kind in ("ilike", "label"):
            page.goto("/ui/logs?metadata=%5B%22of%3Dsteps%22%5D")
            page.get_by_role("button", name=button).click()
            panel = page.get_by_role("dialog", name=panel_name)
            panel.get_by_label("Name").fill(f"{button} it's {kind}")
            panel.get_by_label("An answer passes if it").select_option(kind)
            if kind == "label":
                panel.get_by_label("Judge", exact=True).fill("scripted")
                panel.get_by_label("What the judge is asked").fill("Isn't it? ANSWER: yes")
            else:
                panel.get_by_label("Text", exact=True).fill("it's")
            if button == "Replay these":
                panel.get_by_role("textbox", name="Model", exact=True).fill("scripted")
            executed(panel)
            made = [each for each in http.get("/v1/evals").json()["data"] if each["name"] == f"{button} it's {kind}"]
            assert len(made) == 2
            for parent in made:
                [run] = runs_of(http, parent["id"])
                assert run["status"] == "completed"
                assert run["result_counts"]["total"] == 3
                assert run["result_counts"]["errored"] == 0
                if kind == "label":
                    assert run["result_counts"]["passed"] == 3


def test_the_snippets_of_limits_set_them(page: Page, http: httpx2.Client, server: Server) -> None:
    removed: dict[str, None] = {"requests_per_minute": None, "month_cost": None}
    for kind in ("Shell", "curl"):
        page.goto("/ui/limits")
        page.get_by_role("button", name=kind, exact=True).click()
        code = page.get_by_role("region", name=f"{kind} snippet").inner_text()
        if kind == "curl":
            subprocess.run(["sh", "-e", "-c", code.replace("curl ", "curl -f ")], capture_output=True, check=True)
        else:
            # Playwright's own event loop runs in this thread.
            with ThreadPoolExecutor(1) as thread:
                done = thread.submit(call_command, *code.split()[1:], EVALHAVEN_URL=server.url).result()
            assert done.returncode == 0, done.stderr
        limits = http.get("/api/limits").json()
        assert (limits["requests_per_minute"], limits["month_cost"]) == (600, 500)
        assert http.post("/api/limits", json=removed).json()["month_cost"] is None
