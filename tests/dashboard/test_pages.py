"""Each page in a real Chromium, light and dark: it shows what the API says, and axe finds nothing."""

import re
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Look, Tickets, judge, picture, settle


def test_the_list_of_evals_leads_to_an_eval(page: Page, look: Look, tickets: Tickets) -> None:
    look("/ui/evals", "evals")

    link = page.get_by_role("rowheader").get_by_role("link", name="Support ticket triage")
    assert link.get_attribute("href") == f"/ui/evals/{tickets.eval_id}"
    expect(page.get_by_text(re.compile(r"^\d+ evals?, newest run first$"))).to_be_visible()
    page.get_by_role("link", name=re.compile(r"\d+ better")).click()
    expect(page.get_by_text(re.compile(r"^\d+ of \d+ evals?, newest run first$"))).to_be_visible()
    expect(link).to_be_visible()
    assert page.url.endswith("?change=better")


def test_the_report_of_a_run_begins_with_what_changed(page: Page, look: Look, tickets: Tickets) -> None:
    look(tickets.run_page(tickets.second), "run")

    expect(page.get_by_role("heading", level=1)).to_have_text("Prompt 2")
    expect(page.get_by_role("region", name="Verdict")).to_contain_text("Better than Prompt 1")
    row = page.get_by_role("region", name="Table of criteria").get_by_role("row", name="category")
    expect(row).to_contain_text("string_check")


def test_every_address_of_the_dashboard_can_be_reloaded(page: Page, tickets: Tickets) -> None:
    page.goto(f"{tickets.run_page(tickets.first)}?by=priority")
    expect(page.get_by_role("heading", name="Rate by")).to_be_visible()
    page.reload()

    expect(page.get_by_role("rowheader", name="high")).to_be_visible()
    assert page.url.endswith("?by=priority")


@pytest.mark.parametrize(
    ("old", "tail"), [("/evaluations/{eval}", ""), ("/evaluation/evals/{eval}?run_id={run}", "/runs/{run}")]
)
def test_links_of_the_hosted_dashboard_lead_to_the_same_object(
    page: Page, tickets: Tickets, old: str, tail: str
) -> None:
    answer = page.request.get(old.format(eval=tickets.eval_id, run=tickets.first), max_redirects=0)

    assert answer.status == 307
    leads_to = urlsplit(urljoin(answer.url, answer.headers["location"])).path
    assert leads_to == f"/ui/evals/{tickets.eval_id}{tail.format(run=tickets.first)}"


def test_an_unknown_address_and_an_unknown_run_say_what_to_do(page: Page, tickets: Tickets) -> None:
    page.goto("/ui/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
    judge(page)

    page.goto(tickets.run_page("evalrun_none"))
    alert = page.get_by_role("alert").first
    expect(alert).to_contain_text("no run with id 'evalrun_none'")
    expect(alert).to_contain_text("req_")
    judge(page)


def test_the_keyboard_alone_leads_from_the_list_through_the_palette_to_a_run(page: Page, tickets: Tickets) -> None:
    page.goto("/ui/")
    settle(page)
    page.get_by_role("rowheader").first.wait_for()
    page.keyboard.press("j")
    expect(page.locator("[data-row]").first).to_be_focused()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("next row")
    judge(page)
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type(tickets.second)
    expect(page.get_by_role("option", name="Prompt 2")).to_be_visible()
    judge(page)
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=1)).to_have_text("Prompt 2")
    page.keyboard.press("g")
    page.keyboard.press("e")
    expect(page.get_by_role("heading", level=1)).to_have_text("Evals")


def test_the_theme_is_kept_and_no_script_of_the_page_is_inline(page: Page, tickets: Tickets) -> None:
    answer = page.goto("/ui/evals")
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    page.get_by_role("button", name="Theme: automatic").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_page_is_usable_at_200_percent_and_prints(page: Page, tickets: Tickets) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(tickets.run_page(tickets.second))
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()
    settle(page)
    picture(page, "run-200-percent")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    page.set_viewport_size({"width": 1280, "height": 1000})
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.get_by_text("Evalhaven · Evals · Support ticket triage · Prompt 2 · printed")).to_be_visible()
    picture(page, "run-print")
    assert page.pdf().startswith(b"%PDF")
