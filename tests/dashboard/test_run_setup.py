"""What a run was made of, and what happened to it, on tabs of their own."""

import contextlib
import io
import json
import re
import subprocess
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Look, Tickets, judge, picture, settle, visit
from tests.dashboard.judged import RIGHT_ANSWER, ended, sent
from tests.dashboard.test_live_runs import address, cancel, start

_LARGE_SEED = 2**63 + 1  # a JavaScript number cannot hold it
_CRITERIA: list[dict[str, Any]] = [
    RIGHT_ANSWER,
    {
        "type": "score_model",
        "name": "clear reasoning",
        "model": "judge",
        "range": [1, 5],
        "pass_threshold": 4,
        "sampling_params": {"seed": _LARGE_SEED},
        "input": [{"role": "user", "content": "Grade this from 1 to 5: {{ item.question }}"}],
    },
]


@pytest.fixture(scope="module")
def parent(http: httpx2.Client) -> str:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    body = {"name": "Setups", "data_source_config": config, "testing_criteria": _CRITERIA}
    return sent(http, "/v1/evals", body)["id"]


def run_of(http: httpx2.Client, parent: str, name: str, source: dict[str, Any], **more: Any) -> str:
    return ended(http, sent(http, f"/v1/evals/{parent}/runs", {"name": name, "data_source": source, **more}))["id"]


def asked(prompt: str, **more: Any) -> dict[str, Any]:
    """Return a data source that samples."""
    template = [{"role": "developer", "content": prompt}, {"role": "user", "content": "{{ item.question }}"}]
    rows = [{"item": {"question": "2 + 3", "expected": "5"}}]
    return {
        "type": "completions",
        "model": "target",
        "input_messages": {"type": "template", "template": template},
        "source": {"type": "file_content", "content": rows},
        **more,
    }


def executed(snippet: str) -> str:
    """Execute a Python snippet that prints the address of a run's page; return the run's id."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(snippet, "snippet", "exec"), {})  # noqa: S102 - our own page
    return said.getvalue().strip().rpartition("/")[2]


@pytest.fixture(scope="module")
def pair(http: httpx2.Client, parent: str) -> tuple[str, str]:
    """Two runs, the second of which has another prompt, other parameters and a file, and options."""
    first = run_of(http, parent, "First", asked("Solve it quickly.", sampling_params={"temperature": 0.5}))
    row = json.dumps({"item": {"question": "2 + 3", "expected": "5"}})
    uploaded = http.post("/v1/files", files={"file": ("sums.jsonl", row)}, data={"purpose": "evals"}).json()["id"]
    tool = {"type": "function", "function": {"name": "calculator", "parameters": {"type": "object"}}}
    source = asked("Solve it carefully.", sampling_params={"temperature": 0, "seed": 7, "tools": [tool]})
    source["source"] = {"type": "file_id", "id": uploaded}
    extension = {"repeats": 2, "budget": {"tokens": 50_000}, "labels": ["nightly"]}
    return first, run_of(http, parent, "Second", source, metadata={"team": "maths"}, evalhaven=extension)


def test_the_configuration_of_a_run_reads_as_text_and_says_what_changed(
    page: Page, look: Look, parent: str, pair: tuple[str, str]
) -> None:
    first, second = pair
    look(f"/ui/evals/{parent}/runs/{second}/configuration", "configuration")

    changed = page.get_by_role("region", name="Since the run before")
    expect(changed).to_contain_text("What differs: the prompt, the sampling parameters and the items' source.")
    assert changed.get_by_role("link", name="First").get_attribute("href") == f"/ui/evals/{parent}/runs/{first}"
    expect(changed.locator("del", has_text="quickly")).to_be_visible()
    expect(changed.locator("ins", has_text="carefully")).to_be_visible()
    expect(changed).to_contain_text("rows sent along")
    prompt = page.get_by_role("region", name="Prompt", exact=True)
    expect(prompt).to_contain_text("Solve it carefully.")
    assert prompt.locator("mark").all_text_contents() == ["{{ item.question }}"]
    prompt.get_by_text("tools").click()
    expect(prompt).to_contain_text("calculator")
    model = page.get_by_role("region", name="Model", exact=True)
    for words in ("modeltarget", "endpointrules", "APIchat completions", "temperature0", "seed7"):
        expect(model).to_contain_text(words)
    items = page.get_by_role("region", name="Items", exact=True)
    expect(items.get_by_role("link", name="sums.jsonl")).to_have_attribute("href", re.compile(r"^/ui/files/file-\w+$"))
    criteria = page.get_by_role("region", name="Criteria")
    for words in ("contains, whatever the case,", "Grade this from 1 to 5:", "from 4 on", f"{_LARGE_SEED}"):
        expect(criteria).to_contain_text(words)
    options = page.get_by_role("region", name="Execution")
    for words in ("samples of each item2", "budget50,000 tokens", "judge of clear reasoningrules", "nightly"):
        expect(options).to_contain_text(words)
    expect(page.get_by_role("region", name="Metadata")).to_contain_text("teammaths")
    page.reload()
    expect(options).to_contain_text("nightly")
    expect(page.get_by_role("link", name="Configuration")).to_have_attribute("aria-current", "page")

    visit(page, f"/ui/evals/{parent}/runs/{first}/configuration")
    expect(page.get_by_text("This is the eval's first run.")).to_be_visible()
    expect(items).to_contain_text("1 row sent along")
    expect(page.get_by_role("region", name="Metadata")).to_contain_text("None was sent.")


def test_the_code_of_a_run_makes_the_same_run_once_more(
    page: Page, http: httpx2.Client, parent: str, pair: tuple[str, str]
) -> None:
    first, second = pair
    again = page.get_by_role("region", name="Run it again")
    python = page.get_by_role("region", name="Python snippet")
    page.goto(f"/ui/evals/{parent}/runs/{second}")
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("link", name="Run it again, as code").click()
    expect(again).to_be_in_viewport()
    made = http.get(f"/api/runs/{second}").json()
    anew = http.get(f"/api/runs/{executed(python.text_content() or '')}").json()
    for key in ("name", "data_source", "metadata"):
        assert anew[key] == made[key]
    for key in ("repeats", "budget", "labels", "cache"):
        assert anew["evalhaven"][key] == made["evalhaven"][key]

    visit(page, f"/ui/evals/{parent}/runs/{first}/configuration")
    expect(python).to_contain_text("First")
    by_python = executed(python.text_content() or "")
    again.get_by_role("button", name="curl").click()
    curl = page.get_by_role("region", name="curl snippet").text_content() or ""
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True)
    source = http.get(f"/api/runs/{first}").json()["data_source"]
    for run_id in (by_python, json.loads(done.stdout)["id"]):
        assert http.get(f"/api/runs/{run_id}").json()["data_source"] == source

    run_of(http, parent, "Third", asked("Solve it."))
    same = run_of(http, parent, "Fourth", asked("Solve it."))
    visit(page, f"/ui/evals/{parent}/runs/{same}/configuration")
    expect(page.get_by_role("region", name="Since the run before")).to_contain_text("Nothing differs from Third.")


def test_rows_with_answers_logged_calls_and_runs_graded_again_say_where_their_items_come_from(
    page: Page, http: httpx2.Client, tickets: Tickets, parent: str
) -> None:
    page.goto(f"{tickets.run_page(tickets.second)}/configuration")
    expect(page.get_by_text("each row brings its answer along")).to_be_visible()
    expect(page.get_by_text("rows sent along")).to_be_visible()
    expect(page.get_by_text("are of different length")).to_be_visible()
    expect(page.get_by_text("calls at once")).to_be_hidden()

    graded = run_of(http, parent, "Graded", asked("Solve it."))
    again = ended(http, sent(http, f"/api/runs/{graded}/regrade", {"name": "Graded again"}))["id"]
    visit(page, f"/ui/evals/{parent}/runs/{again}/configuration")
    expect(page.get_by_text("the answers are those of another run")).to_be_visible()
    assert page.get_by_role("link", name="another run").get_attribute("href") == f"/ui/evals/{parent}/runs/{graded}"
    python = page.get_by_role("region", name="Python snippet").text_content() or ""
    anew = http.get(f"/api/runs/{executed(python)}").json()
    assert (anew["name"], anew["evalhaven"]["regraded"]["run_id"]) == ("Graded again", graded)

    wanted = {"type": "stored_completions", "model": "gpt-5", "metadata": {"team": "maths"}, "created_after": 86_400}
    source = {"type": "completions", "source": wanted}
    logged = run_of(http, parent, "Logged", source)
    visit(page, f"/ui/evals/{parent}/runs/{logged}/configuration")
    items = page.get_by_role("region", name="Items", exact=True)
    expect(items).to_contain_text("2 Jan 1970, 00:00")
    link = items.get_by_role("link", name="chat completions").get_attribute("href") or ""
    for part in ("kind=chat", "model=gpt-5", "team%3Dmaths", "since=86400"):
        assert part in link
    judge(page)


@pytest.mark.parametrize("name", ["configuration", "events"])
def test_tabs_of_a_run_are_usable_at_200_percent_and_print(page: Page, tickets: Tickets, name: str) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(f"{tickets.run_page(tickets.second)}/{name}")
    expect(page.locator("main h2").first).to_be_visible()
    settle(page)
    picture(page, f"{name}-200-percent")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # As narrow as beside an open item: tabs may come to stand below each other, but no word leaves its tab.
    page.set_viewport_size({"width": 400, "height": 500})
    tabs = page.get_by_role("navigation", name="Run").get_by_role("link")
    assert tabs.evaluate_all("links => links.filter(each => each.scrollHeight > each.clientHeight + 1).length") == 0

    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_text("Support ticket triage · Prompt 2 · printed")).to_be_visible()
    picture(page, f"{name}-print")


def test_the_life_of_a_run_is_listed_and_goes_on_while_the_run_does(
    page: Page, look: Look, http: httpx2.Client
) -> None:
    run = start(http, "Lived", 4_000)
    page.goto(f"{address(run)}/events")
    life = page.get_by_role("region", name="What happened to the run")
    expect(life).to_contain_text("Planned the rows are checked: 4,000 items to come")
    expect(life).not_to_contain_text("Canceled")
    cancel(http, run)
    expect(life).to_contain_text("Canceled items that had ended stay")
    http.post(f"/api/runs/{run['id']}/retry", json={}).raise_for_status()
    page.reload()
    expect(life).to_contain_text(re.compile(r"Tried again [\d,]+ items without a result"))
    cancel(http, run)
    expect(life.get_by_text("Canceled")).to_have_count(2)
    look(f"{address(run)}/events", "events")

    told = [each["type"] for each in http.get(f"/api/runs/{run['id']}/events").json()["data"]]
    words = {"retried": "Tried again"}
    shown = [each.inner_text() for each in life.get_by_role("row").locator("b").all()]
    assert shown == [words.get(each, each.capitalize()) for each in told]


def test_runs_that_failed_or_were_imported_say_so_and_that_nothing_else_is_known(
    page: Page, http: httpx2.Client, parent: str, pair: tuple[str, str]
) -> None:
    uploaded = http.post("/v1/files", files={"file": ("bad.jsonl", "no JSON")}, data={"purpose": "evals"}).json()["id"]
    source = {"type": "jsonl", "source": {"type": "file_id", "id": uploaded}}
    failed = run_of(http, parent, "Bad rows", source)
    page.goto(f"/ui/evals/{parent}/runs/{failed}/events")
    life = page.get_by_role("region", name="What happened to the run")
    expect(life.get_by_role("row").last).to_contain_text("Failed")
    expect(life.get_by_role("row").last).to_contain_text("invalid_data_source")
    expect(page.get_by_text("Nothing else is recorded of this run")).to_be_visible()

    made = http.get(f"/api/runs/{pair[0]}").json()
    moved = {**made, "id": f"evalrun_{made['id'].removeprefix('evalrun_')[::-1]}", "evalhaven": {}}
    answer = http.post(f"/api/import/evals/{parent}/runs?origin=elsewhere", content=json.dumps(moved))
    assert answer.json()["refused"] == []
    visit(page, f"/ui/evals/{parent}/runs/{moved['id']}/events")
    expect(life).to_contain_text("Imported it was executed elsewhere")
    expect(page.get_by_text("Nothing else is recorded of this run")).to_be_visible()
    visit(page, f"/ui/evals/{parent}/runs/{moved['id']}/configuration")
    expect(page.get_by_role("region", name="Prompt", exact=True)).to_contain_text("Solve it quickly.")
    judge(page)
