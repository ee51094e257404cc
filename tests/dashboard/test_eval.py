"""The page of an eval: what the last run changed, all runs with a column a criterion, and the trend."""

import json
import re
import subprocess
from typing import Any

import httpx2
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Look, Tickets, enlarge_and_print, judge, picture, settle, visit
from tests.dashboard.judged import RIGHT_ANSWER, ended, make_eval, run_items, sent
from tests.server import SLOW_MODEL, Server


def test_an_eval_shows_its_runs_and_how_the_rate_went(
    page: Page, look: Look, http: httpx2.Client, tickets: Tickets
) -> None:
    look(f"/ui/evals/{tickets.eval_id}", "eval")

    runs = http.get("/api/runs", params={"eval": tickets.eval_id}).json()["data"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Support ticket triage")
    expect(page.get_by_role("region", name="Last change")).to_contain_text("Prompt 2 is better than Prompt 1")
    table = page.get_by_role("region", name="Table of runs")
    expect(table.get_by_role("rowheader")).to_have_text([run["name"] for run in runs])
    for criterion in runs[0]["criteria"]:
        expect(table.get_by_role("columnheader", name=criterion["name"], exact=True)).to_be_visible()
    row = table.get_by_role("row", name="Prompt 2")
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text(f"{runs[0]['rate']['value'] * 100:.1f}")
    for criterion in runs[0]["criteria"]:
        expect(row).to_contain_text(f"{criterion['rate']['value'] * 100:.1f}")
    trend = page.get_by_role("region", name="Trend")
    expect(trend.get_by_role("img", name="Pass rate of 2 runs")).to_be_visible()
    trend.get_by_role("button", name="Show as table").click()
    expect(trend.get_by_role("rowheader", name="2. Prompt 2")).to_be_visible()


def test_chosen_runs_stay_in_the_address_and_are_compared_the_oldest_first(page: Page, tickets: Tickets) -> None:
    page.goto(f"/ui/evals/{tickets.eval_id}")
    # It is checked once the address has it, which `check` does not wait for.
    for name in ("Compare Prompt 2", "Compare Prompt 1"):
        page.get_by_role("checkbox", name=name).click()
        expect(page.get_by_role("checkbox", name=name)).to_be_checked()
    expect(page).to_have_url(re.compile(r"\?selected="))
    page.reload()
    expect(page.get_by_role("checkbox", name="Compare Prompt 2")).to_be_checked()
    picture(page, "eval-selected")
    judge(page)
    page.get_by_role("link", name="Compare 2").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("Prompt 2")
    assert tickets.first in page.url
    assert page.url.index(tickets.first) < page.url.index(tickets.second)


def test_the_keyboard_alone_chooses_runs_and_compares_them(page: Page, tickets: Tickets) -> None:
    page.goto("/ui/evals")
    page.get_by_role("rowheader").first.wait_for()
    visit(page, f"/ui/evals/{tickets.eval_id}")
    page.get_by_role("region", name="Table of runs").wait_for()
    for key in ("j", "x", "j", "x"):
        page.keyboard.press(key)
    expect(page.get_by_role("link", name="Compare 2")).to_be_visible()
    page.keyboard.press("c")

    expect(page).to_have_url(re.compile(rf"/ui/compare\?runs={tickets.first}(,|%2C){tickets.second}"))


def test_no_more_runs_are_chosen_than_are_compared(page: Page, tickets: Tickets) -> None:
    others = ",".join(f"evalrun_{number}" for number in range(5))
    page.goto(f"/ui/evals/{tickets.eval_id}?selected={others}")

    expect(page.get_by_role("checkbox", name="Compare Prompt 1")).to_be_disabled()


def test_an_eval_without_runs_says_how_to_start_one_and_an_unknown_one_that_there_is_none(
    page: Page, http: httpx2.Client
) -> None:
    body = {
        "name": "Nothing yet",
        "metadata": {"team": "maths"},
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [
            {"type": "string_check", "name": "a", "input": "{{ item.a }}", "reference": "a", "operation": "eq"}
        ],
    }
    empty = http.post("/v1/evals", json=body).json()["id"]
    page.goto(f"/ui/evals/{empty}")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    expect(page.get_by_text("team: maths")).to_be_visible()
    expect(page.get_by_role("region", name="Python snippet")).to_contain_text(empty)
    judge(page)

    visit(page, "/ui/evals/eval_none")
    expect(page.get_by_role("alert").first).to_contain_text("no eval with id 'eval_none'")
    judge(page)


def test_the_page_of_an_eval_is_usable_at_200_percent_and_prints(page: Page, tickets: Tickets) -> None:
    page.goto(f"/ui/evals/{tickets.eval_id}")
    page.get_by_role("region", name="Trend").wait_for()
    settle(page)
    enlarge_and_print(page, "eval")


def test_the_definition_of_an_eval_reads_as_text_and_repeats_its_last_run(
    page: Page, look: Look, http: httpx2.Client, server: Server
) -> None:
    check = {"type": "string_check", "name": "right", "input": "{{ item.a }}", "reference": "a", "operation": "eq"}
    judge_of_tone = {
        "type": "label_model",
        "name": "tone",
        "model": "rules",
        "input": [{"role": "user", "content": "Is this kind?\n{{ item.a }}"}],
        "labels": ["kind", "rude"],
        "passing_labels": ["kind"],
    }
    python = {
        "type": "python",
        "name": "own code",
        "source": "def grade(sample, item):\n    return 1.0",
        "pass_threshold": 0.5,
    }
    similar = {
        "type": "text_similarity",
        "name": "near",
        "input": "{{ item.a }}",
        "reference": "{{ item.inner.b }}",
        "evaluation_metric": "bleu",
        "pass_threshold": 0.25,
    }
    multi = {"type": "multi", "name": "all", "graders": {"first": check}, "calculate_output": "first * 2"}
    properties = {
        "a": {"type": "string", "description": "what is asked"},
        "inner": {"type": "object", "properties": {"b": {"enum": ["x", "y"]}}},
    }
    schema = {"type": "object", "properties": properties, "required": ["a"]}
    body = {
        "name": "All graders",
        "data_source_config": {"type": "custom", "item_schema": schema},
        "testing_criteria": [check, judge_of_tone, python, similar, multi],
    }
    made = http.post("/v1/evals", json=body)
    assert made.status_code == 201, made.text
    parent = made.json()["id"]
    rows = [{"item": {"a": "it's", "inner": {"b": "x"}}}]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    http.post(f"/v1/evals/{parent}/runs", json={"name": "Run's", "data_source": source}).raise_for_status()
    look(f"/ui/evals/{parent}/definition", "eval-definition")
    enlarge_and_print(page, "eval-definition")

    criteria = page.get_by_role("region", name="Criteria")
    for words in (
        "{{ item.a }}",
        "equals",
        "Is this kind?",
        "kind passes",
        "return 1.0",
        "from 0.5 on",
        "by bleu",
        "first * 2",
    ):
        expect(criteria).to_contain_text(words)
    assert criteria.locator("mark").first.text_content() == "{{ item.a }}"
    items = page.get_by_role("region", name="Items", exact=True)
    expect(items.get_by_role("row", name="inner")).to_contain_text("object")
    expect(items.get_by_role("row", name="b anything")).to_contain_text("one of x, y")
    expect(items.get_by_role("row", name="a string")).to_contain_text("yes")
    expect(items).to_contain_text('"b": "x"')

    expect(page.get_by_role("region", name="Python snippet")).to_contain_text("Run's")
    python_code = page.get_by_role("region", name="Python snippet").text_content() or ""
    compile(python_code, "snippet", "exec")
    page.get_by_role("button", name="curl").click()
    curl = page.get_by_role("region", name="curl snippet").text_content() or ""
    done = subprocess.run(["sh", "-c", curl], capture_output=True, text=True, timeout=60, check=True)
    again = json.loads(done.stdout)
    assert again["name"] == "Run's"
    assert server.url in curl
    assert len(http.get("/api/runs", params={"eval": parent}).json()["data"]) == 2


def test_all_runs_are_listed_filtered_in_the_address_and_opened_by_keyboard(
    page: Page, look: Look, http: httpx2.Client, tickets: Tickets
) -> None:
    # What is cut off of its name must not lie over the link beside it.
    item = {"question": "What is 2 + 3?", "expected": "5", "verdict": ""}
    run_items(http, make_eval(http, "Short"), "A name that is longer by some words than its column", [item])
    look("/ui/runs", "runs")
    page.goto("/ui/evals")
    page.get_by_role("rowheader").first.wait_for()
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    page.keyboard.press("/")
    page.keyboard.type(tickets.second)
    expect(page).to_have_url(re.compile(rf"search={tickets.second}"))
    row = page.get_by_role("region", name="Table of runs").get_by_role("row", name="Prompt 2")
    expect(row).to_contain_text("Support ticket triage")
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.get_by_role("link", name="failed to run").click()
    expect(page.get_by_text("No run is like this.")).to_be_visible()
    page.get_by_role("link", name="failed to run").click()
    expect(page.get_by_role("rowheader")).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Prompt 2")


def test_the_list_of_runs_is_usable_at_200_percent(page: Page, tickets: Tickets) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto("/ui/runs")
    page.get_by_role("rowheader").first.wait_for()
    picture(page, "runs-200-percent")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_goes_on_is_followed_what_is_partial_is_hollow_and_what_changed_is_marked(
    page: Page, http: httpx2.Client
) -> None:
    check = {
        "type": "string_check",
        "name": "says yes",
        "input": "{{ sample.output_text }}",
        "reference": "Yes.",
        "operation": "eq",
    }
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    parent = sent(http, "/v1/evals", {"name": "Marks", "data_source_config": config, "testing_criteria": [check]})["id"]

    def begin(name: str, prompt: str, items: int) -> dict[str, Any]:
        source = {
            "type": "completions",
            "model": SLOW_MODEL,
            "input_messages": {"type": "template", "template": [{"role": "user", "content": prompt}]},
            "source": {"type": "file_content", "content": [{"item": {"q": f"{n}"}} for n in range(items)]},
        }
        return sent(http, f"/v1/evals/{parent}/runs", {"name": name, "data_source": source})

    first = ended(http, begin("First", "{{ item.q }}", 2))
    ended(http, begin("Second", "Now: {{ item.q }}", 2))
    http.post(f"/api/runs/{first['id']}/pin").raise_for_status()
    going = begin("Third", "Now: {{ item.q }}", 4_000)
    page.goto(f"/ui/evals/{parent}")
    row = page.get_by_role("row", name="Third")
    expect(row).to_contain_text("Running")
    expect(row).to_contain_text(re.compile(r"[1-9]\d* of 4,000"), timeout=30_000)
    expect(page.get_by_role("checkbox", name="Compare Third")).to_be_disabled()
    expect(page.get_by_role("row", name="First")).to_contain_text("baseline")
    http.post(f"/v1/evals/{parent}/runs/{going['id']}").raise_for_status()

    expect(row).to_contain_text(re.compile(r"Canceled partial, \d+ of 4,000"), timeout=30_000)
    trend = page.get_by_role("region", name="Trend")
    chart = trend.get_by_role("img", name="Pass rate of 3 runs")
    expect(chart.locator("circle.c-dot")).to_have_count(2)
    expect(chart.locator("circle.c-baseline")).to_have_count(1)
    expect(chart.locator("[data-lane]")).to_have_count(1)
    expect(chart.locator("[data-lane=Prompt]")).to_have_count(1)
    picture(page, "eval-marks")
    trend.get_by_role("button", name="Show as table").click()
    expect(trend.get_by_role("row", name="2. Second")).to_contain_text("Prompt")
    expect(trend.get_by_role("row", name="3. Third")).to_contain_text("partial")


def test_the_trend_goes_over_the_versions_of_an_eval_and_says_what_each_changed(
    page: Page, look: Look, http: httpx2.Client
) -> None:
    criterion = {**RIGHT_ANSWER, "name": "right"}
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}

    def version(criteria: list[dict[str, Any]], follows: str | None) -> str:
        body = {"name": "Capitals", "data_source_config": config, "testing_criteria": criteria}
        return sent(http, "/v1/evals", body | {"evalhaven": {"follows": follows}})["id"]

    def run(parent: str, name: str, right: int) -> str:
        rows = [
            {"item": {"n": n, "expected": "yes"}, "sample": {"output_text": "yes" if n < right else "no"}}
            for n in range(40)
        ]
        source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        return ended(http, sent(http, f"/v1/evals/{parent}/runs", {"name": name, "data_source": source}))["id"]

    first = version([criterion], None)
    old = [run(first, f"first {n}", 20 + 2 * n) for n in range(3)][-1]
    second = version([{**criterion, "operation": "eq"}], first)
    for n in range(2):
        run(second, f"second {n}", 28 + 3 * n)
    third = version([{**criterion, "operation": "eq"}, {**criterion, "name": "also"}], second)
    new = run(third, "third", 36)
    look(f"/ui/evals/{third}", "eval-versions")

    expect(page.get_by_text("version 3, follows version 2")).to_be_visible()
    trend = page.get_by_role("region", name="Trend")
    chart = trend.get_by_role("img", name="Pass rate of 6 runs over 3 versions")
    expect(chart.locator("circle.c-dot")).to_have_count(6)
    expect(chart.locator("[data-version]")).to_have_count(2)
    expect(chart.locator("[data-lane=Criteria]")).to_have_count(2)
    expect(trend.get_by_role("list", name="What the versions changed").get_by_role("listitem")).to_have_text(
        [
            "Version 3 changed: criterion 'also' is new",
            "Version 2 changed: criterion 'right' differs in 'operation'",
            "Version 1 is the first one",
        ]
    )
    expect(page.get_by_role("region", name="Table of runs").get_by_role("rowheader")).to_have_text(["third"])
    trend.get_by_role("button", name="Show as table").click()
    expect(trend.get_by_role("row", name="6. third")).to_contain_text("Criteria")

    page.goto(f"/ui/evals/{third}/runs/{new}/configuration")
    page.get_by_role("link", name="second 1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("second 1")

    page.goto(f"/ui/evals/{first}")
    trend = page.get_by_role("region", name="Trend")
    expect(trend.get_by_role("img", name="Pass rate of 3 runs,")).to_be_visible()
    expect(trend.locator("[data-version]")).to_have_count(0)
    http.delete(f"/v1/evals/{second}").raise_for_status()
    page.goto(f"/ui/evals/{third}")
    expect(page.get_by_text("version 3, follows one that was deleted")).to_be_visible()
    expect(page.get_by_role("img", name="Pass rate of 4 runs over 2 versions")).to_be_visible()
    page.goto(f"/ui/compare?runs={new}")
    expect(page.get_by_role("main")).to_contain_text("The baseline is of version 1 of the eval")
    assert old in (page.get_by_role("main").inner_html())
