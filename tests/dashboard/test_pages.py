"""Each page in a real Chromium, light and dark: it shows what the API says, and axe finds nothing."""

import json
import re
from itertools import pairwise
from urllib.parse import urljoin, urlsplit

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import Look, Tickets, enlarge_and_print, judge, picture, settle


def test_the_list_of_evals_leads_to_an_eval(page: Page, look: Look, tickets: Tickets) -> None:
    look("/ui/evals", "evals")

    link = page.get_by_role("rowheader").get_by_role("link", name="Support ticket triage")
    assert link.get_attribute("href") == f"/ui/evals/{tickets.eval_id}"
    expect(page.get_by_text(re.compile(r"^\d+ evals?, newest run first$"))).to_be_visible()
    changed = page.get_by_role("link", name=re.compile(r"^\W*\d+ (better|worse)")).first
    words = changed.inner_text().split()
    number, change = next((each, word) for each, word in pairwise(words) if each.isdigit())
    changed.click()
    expect(page.get_by_text(re.compile(rf"^{number} of \d+ evals?, newest run first$"))).to_be_visible()
    expect(page.get_by_role("region", name="Table of evals").get_by_role("rowheader")).to_have_count(int(number))
    expect(page.locator(f".evals-table .delta.{change}")).to_have_count(int(number))
    assert page.url.endswith(f"?change={change}")


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
    page.get_by_label("Search runs").fill(tickets.second)
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Table of runs").locator("[data-row]")).to_have_text(["Prompt 2"])

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


def test_the_palette_finds_everything_by_its_id_and_goes_at_once_to_what_is_pasted(
    page: Page, http: httpx2.Client, tickets: Tickets
) -> None:
    item = http.get(f"/v1/evals/{tickets.eval_id}/runs/{tickets.first}/output_items?limit=1").json()["data"][0]
    rows = {"file": ("rows for the palette.jsonl", b'{"item": {}}')}
    file = http.post("/v1/files", files=rows, data={"purpose": "evals"}).json()
    reply = {"object": "chat.completion", "id": "chatcmpl-palette", "model": "some model", "choices": []}
    asked = {"model": "some model", "messages": [{"role": "user", "content": "Where is the key?"}]}
    http.post("/api/logs", content=json.dumps({"request": asked, "reply": reply})).raise_for_status()
    run_page = tickets.run_page(tickets.first)
    places = {
        tickets.eval_id: f"/ui/evals/{tickets.eval_id}",
        tickets.first: run_page,
        item["id"]: f"{run_page}/items/{item['id']}",
        file["id"]: f"/ui/files/{file['id']}",
        "chatcmpl-palette": "/ui/logs/chatcmpl-palette",
    }
    page.goto("/ui/models")
    search = page.get_by_role("combobox", name="Name or id")
    for wanted, place in places.items():
        settle(page)
        title = page.title()
        page.keyboard.press("Control+k")
        expect(search).to_be_focused()
        search.fill(f"{wanted}")
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+x")
        page.keyboard.press("Control+v")
        expect(page).to_have_url(re.compile(f"{re.escape(place)}(?:$|[?])"))
        expect(search).to_be_hidden()
        # The address changes before the page does, and each page has a palette of its own.
        expect(page).not_to_have_title(title)

    # What is typed is offered, and Enter opens it.
    page.keyboard.press("Control+k")
    search.press_sequentially(item["id"])
    expect(page.get_by_role("option", name="item of Prompt 1")).to_have_attribute("aria-selected", "true")
    picture(page, "palette-item")
    search.fill("for the palette")
    expect(page.get_by_role("option", name="rows for the palette.jsonl file")).to_be_visible()
    search.fill("outputitem_00000000000000000000000000000000")
    expect(page.get_by_text("Nothing has this name or id.")).to_be_visible()
    page.keyboard.press("Escape")


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
    page.goto(tickets.run_page(tickets.second))
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()
    settle(page)
    enlarge_and_print(page, "run")
    printed = page.get_by_text("Evalhaven · Evals · Support ticket triage · Prompt 2 · printed")
    expect(printed).to_be_hidden()
    page.emulate_media(media="print")
    expect(printed).to_be_visible()
