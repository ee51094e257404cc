"""The page of an eval: what the last run changed, all runs with a column a criterion, and the trend."""

import re

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Look, Tickets, judge, picture, settle, visit


def test_an_eval_shows_its_runs_and_how_the_rate_went(
    page: Page, look: Look, http: httpx2.Client, tickets: Tickets
) -> None:
    look(f"/ui/evals/{tickets.eval_id}", "eval")

    runs = http.get("/api/runs", params={"eval": tickets.eval_id}).json()["data"]
    expect(page.get_by_role("heading", level=1)).to_have_text("Support ticket triage")
    expect(page.get_by_role("region", name="Last change")).to_contain_text("Prompt 2 is better than Prompt 1")
    table = page.get_by_role("region", name="Table of runs")
    assert table.get_by_role("rowheader").all_text_contents() == [run["name"] for run in runs]
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
    page.get_by_role("checkbox", name="Compare Prompt 2").check()
    page.get_by_role("checkbox", name="Compare Prompt 1").check()
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


@pytest.mark.parametrize("media", ["screen", "print"])
def test_the_page_of_an_eval_is_usable_at_200_percent_and_prints(page: Page, tickets: Tickets, media: str) -> None:
    if media == "screen":
        page.set_viewport_size({"width": 640, "height": 500})
    page.goto(f"/ui/evals/{tickets.eval_id}")
    page.get_by_role("region", name="Trend").wait_for()
    settle(page)
    if media == "print":
        page.emulate_media(media="print")
        expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    picture(page, f"eval-{media}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
