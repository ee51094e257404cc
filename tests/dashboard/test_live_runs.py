"""A run is followed while it goes on, by events and, where these are blocked, by asking."""

import json
import re
from typing import Any

import httpx2
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import Look, judge, visit
from tests.dashboard.held import HELD_MODEL, HeldAnswers
from tests.server import SLOW_MODEL

_ITEMS = 120
# So that it goes on until it is canceled, on a slow machine, too.
_MANY_ITEMS = 8_000
_WAIT_MS = 60_000


def start(http: httpx2.Client, name: str, items: int, model: str = SLOW_MODEL) -> dict[str, Any]:
    """Start a run that goes on for a while."""
    criterion = {
        "type": "string_check",
        "name": "says yes",
        "input": "{{ sample.output_text }}",
        "reference": "Yes.",
        "operation": "eq",
    }
    body = {
        "name": name,
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True},
        "testing_criteria": [criterion],
    }
    parent = http.post("/v1/evals", content=json.dumps(body)).json()
    source = {
        "type": "completions",
        "model": model,
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "Question {{ item.q }}"}]},
        "source": {"type": "file_content", "content": [{"item": {"q": f"{n}"}} for n in range(items)]},
    }
    answer = http.post(f"/v1/evals/{parent['id']}/runs", content=json.dumps({"name": name, "data_source": source}))
    assert answer.status_code == 201, answer.text
    return answer.json()


def address(run: dict[str, Any]) -> str:
    return f"/ui/evals/{run['eval_id']}/runs/{run['id']}"


def cancel(http: httpx2.Client, run: dict[str, Any]) -> None:
    http.post(f"/v1/evals/{run['eval_id']}/runs/{run['id']}").raise_for_status()


def test_a_run_is_followed_to_its_end_and_never_looks_final_before(
    page: Page, http: httpx2.Client, held: HeldAnswers
) -> None:
    held.gate.clear()
    run = start(http, "Followed", _ITEMS, HELD_MODEL)
    page.goto(address(run))
    progress = page.get_by_role("region", name="Progress")

    expect(progress).to_contain_text("Rate so far")
    expect(progress).to_contain_text("partial: ")
    expect(progress).to_contain_text("to come")
    expect(page.get_by_role("banner")).to_contain_text("1 running")
    judge(page)
    expect(page.get_by_text("Completed")).to_be_hidden()
    held.gate.set()
    expect(page.get_by_text("Completed")).to_be_visible(timeout=_WAIT_MS)
    expect(progress).to_be_hidden()
    expect(page.get_by_text(f"{_ITEMS} of {_ITEMS}, ")).to_be_visible()
    expect(page.get_by_role("region", name="Criteria", exact=True)).not_to_contain_text("partial", timeout=_WAIT_MS)


def test_a_page_whose_events_are_blocked_asks_by_itself(page: Page, http: httpx2.Client) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=502, body="blocked")

    page.route("**/api/events**", refuse)
    run = start(http, "Asked", _MANY_ITEMS)
    page.goto(address(run))

    expect(page.get_by_role("region", name="Progress")).to_contain_text("to come")
    counted = page.get_by_role("region", name="Progress").inner_text()
    expect(page.get_by_role("region", name="Progress")).not_to_have_text(counted, use_inner_text=True, timeout=_WAIT_MS)
    cancel(http, run)
    expect(page.get_by_text("Canceled.")).to_be_visible(timeout=_WAIT_MS)


def test_a_run_is_canceled_from_its_page(page: Page, http: httpx2.Client) -> None:
    run = start(http, "Canceled", _MANY_ITEMS)
    page.goto(address(run))
    # Before that it may not be known yet how many items there will be.
    expect(page.get_by_role("region", name="Progress")).to_contain_text("Rate so far", timeout=_WAIT_MS)
    page.get_by_role("button", name="Cancel run").click()

    expect(page.get_by_text("Canceled.")).to_be_visible()
    expect(page.get_by_text("Its figures are partial")).to_be_visible()


def test_a_run_under_way_is_readable_in_both_themes(look: Look, http: httpx2.Client, page: Page) -> None:
    run = start(http, "Watched", _MANY_ITEMS)
    page.goto(address(run))
    expect(page.get_by_text("Time left")).to_be_visible(timeout=_WAIT_MS)
    look(address(run), "live")
    # Nowhere do its figures pass for those of its end.
    partial = re.compile(rf"[\d,]+ of {_MANY_ITEMS:,}")
    expect(page.get_by_role("navigation", name="Main")).to_contain_text("1 running")
    criteria = page.get_by_role("region", name="Criteria", exact=True)
    expect(criteria).to_contain_text(re.compile(rf"partial, [\d,]+ of {_MANY_ITEMS:,}"), timeout=_WAIT_MS)
    for listed in ("/ui/runs?search=Watched", f"/ui/evals/{run['eval_id']}"):
        visit(page, listed)
        row = page.get_by_role("region", name="Table of runs").get_by_role("row", name="Watched")
        expect(row).to_contain_text(partial)
        expect(row).to_contain_text("Running")
        expect(row.locator("b")).to_have_count(0)
    expect(row.get_by_role("checkbox")).to_be_disabled()
    visit(page, "/ui/evals?search=Watched")
    overview = page.get_by_role("region", name="Table of evals").get_by_role("row", name="Watched")
    expect(overview).to_contain_text(re.compile(rf"partial, [\d,]+ of {_MANY_ITEMS:,}"))
    expect(overview.locator("b")).to_have_count(0)
    visit(page, f"{address(run)}/items")
    expect(page.get_by_text(re.compile(rf"Partial, [\d,]+ of {_MANY_ITEMS:,} items"))).to_be_visible()
    cancel(http, run)
