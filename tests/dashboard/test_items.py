"""The items of a run, in a real Chromium: a table of any size, and each item beside it and on a page of its own."""

import json
import re
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.dashboard.conftest import THEMES, Look, judge, picture, settle
from tests.dashboard.judged import ELSEWHERE, NO_ANSWER, PIXEL, REASON, make_eval, run_items

_PLAIN = 240
_MILLION = 1_000_000


@dataclass(frozen=True)
class Judged:
    """An eval with two runs of the same items: most failed, one passed, two ended in errors."""

    eval_id: str
    run_id: str
    other: str

    @property
    def items(self) -> str:
        return f"/ui/evals/{self.eval_id}/runs/{self.run_id}/items"


@pytest.fixture(scope="module")
def judged(http: httpx2.Client) -> Judged:
    items = [item(f"Gary walks {number} times", "5" if number % 3 else "7") for number in range(_PLAIN)]
    items[2] |= {"verdict": 'verdict {"steps":[],"result":5}'}
    items[3] |= {"question": "This is out of order"}
    items[5] |= {"verdict": "unsure"}
    items[7] |= {"picture": PIXEL, "photo": ELSEWHERE}
    parent = make_eval(http, "Judged")
    first = run_items(http, parent, "First", items)
    return Judged(parent, run_items(http, parent, "Second", items), first)


def item(question: str, expected: str) -> dict[str, Any]:
    return {"question": question, "expected": expected, "verdict": "", "topic": "even" if expected == "5" else "odd"}


def rows(http: httpx2.Client, judged: Judged, **query: Any) -> dict[str, Any]:
    """Return what the API lists."""
    answer = http.get(f"/api/runs/{judged.run_id}/items", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def id_at(http: httpx2.Client, judged: Judged, position: int) -> str:
    return rows(http, judged, **{"from": position, "limit": 1})["data"][0]["id"]


def row_at(page: Page, number: int) -> Locator:
    """Return the row with a number from 1 on."""
    return page.locator(f'[role="row"][aria-rowindex="{number + 1}"]')


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Items")


def test_the_table_tells_failed_errored_and_passed_apart(
    page: Page, look: Look, http: httpx2.Client, judged: Judged
) -> None:
    look(judged.items, "items")

    expect(grid(page)).to_have_attribute("aria-rowcount", str(_PLAIN + 1))
    expect(row_at(page, 1)).to_contain_text("failed")
    expect(row_at(page, 3)).to_contain_text("passed 5")
    expect(row_at(page, 4)).to_contain_text(NO_ANSWER)
    expect(row_at(page, 6)).to_contain_text("judge_unparsable")
    page.get_by_role("button", name="Filter", exact=True).click()
    judge(page, THEMES)
    picture(page, "items-filter")


def test_an_item_is_shown_with_all_that_led_to_its_grades(
    page: Page, look: Look, http: httpx2.Client, judged: Judged
) -> None:
    look(f"{judged.items}/{id_at(http, judged, 0)}", "item")

    expect(page.get_by_role("heading", level=1)).to_have_text("Item 0")
    expect(page.get_by_role("navigation", name="This item in other runs")).to_contain_text("First")
    conversation = page.get_by_role("region", name="Conversation")
    expect(conversation).to_contain_text("Solve it.")
    expect(conversation).to_contain_text("Gary walks 0 times")
    expect(page.locator("ins")).to_have_text(["It is 5"])
    expect(page.locator("del")).to_have_text(["7"])
    grades = page.get_by_role("region", name="Grades")
    for told in (REASON, "You grade a solution from 1 to 5.", "2 of 5, needs 4", "judge,", "$"):
        expect(grades).to_contain_text(told)
    page.keyboard.press("r")
    expect(page.get_by_text('"object": "eval.run.output_item"')).to_be_visible()
    judge(page, THEMES)


def test_the_drawer_shows_an_errored_item_beside_the_table(
    page: Page, look: Look, http: httpx2.Client, judged: Judged
) -> None:
    look(f"{judged.items}?item={id_at(http, judged, 5)}", "drawer")

    drawer = page.get_by_role("complementary", name="Item 5")
    expect(drawer).to_contain_text("6 of 240")
    expect(drawer).to_contain_text("counts neither as passed nor as failed")
    # The table beside it has no more columns than there is room for: what tells rows apart.
    grid = page.get_by_role("grid")
    expect(grid.get_by_role("columnheader", name="Input")).to_be_in_viewport(ratio=0.99)
    expect(grid.get_by_role("columnheader", name="Output")).to_have_count(0)
    assert grid.evaluate("grid => grid.scrollWidth <= grid.clientWidth")
    assert grid.evaluate("grid => grid.clientWidth") > 420
    expect(drawer.get_by_role("region", name="Grades")).to_contain_text("I cannot say")
    # The tabs of the run keep to their lines in what room is left.
    tabs = page.locator(".tabs a")
    expect(tabs.first).to_be_visible()
    assert tabs.evaluate_all("links => links.every(link => link.scrollHeight <= link.clientHeight)")
    # The table beside it goes to the row, and stays usable.
    expect(row_at(page, 6)).to_have_attribute("aria-selected", "true")
    row_at(page, 1).click()
    expect(page.get_by_role("complementary", name="Item 0")).to_be_visible()


def test_every_filter_is_a_chip_and_in_the_address(page: Page, http: httpx2.Client, judged: Judged) -> None:
    page.goto(judged.items)
    page.get_by_role("button", name="Filter", exact=True).click()
    by_criterion = page.get_by_role("form", name="By criterion")
    by_criterion.get_by_label("Criterion").select_option("right answer")
    by_criterion.get_by_role("button", name="Add").click()
    failed = rows(http, judged, failed="right answer", limit=1)["total"]
    expect(page.get_by_text(f"{failed} of {_PLAIN} items: right answer failed")).to_be_visible()

    page.get_by_role("button", name="Filter", exact=True).click()
    by_group = page.get_by_role("form", name="By a field of the item")
    by_group.get_by_label("Field").select_option("topic")
    by_group.get_by_label("Value").select_option("odd")
    by_group.get_by_role("button", name="Add").click()
    expect(page.get_by_text("right answer failed, topic odd")).to_be_visible()

    page.get_by_role("button", name="Filter", exact=True).click()
    by_range = page.get_by_role("form", name="By score, latency or tokens")
    by_range.get_by_label("Figure").select_option("score clear reasoning")
    by_range.get_by_label("To").fill("2")
    by_range.get_by_role("button", name="Add").click()
    query = {
        "failed": "right answer",
        "group": "topic:odd",
        "criterion": "clear reasoning",
        "most_score": 2,
        "limit": 1,
    }
    total = rows(http, judged, **query)["total"]
    assert 0 < total < _PLAIN
    expect(page.get_by_text(f"{total} of {_PLAIN} items")).to_be_visible()

    page.reload()
    expect(page.get_by_text(f"{total} of {_PLAIN} items")).to_be_visible()
    for name in ("right answer failed", "topic odd", "clear reasoning at most 2"):
        page.get_by_role("button", name=f"Remove filter: {name}").click()
    expect(page.locator(".table-foot [role=status]")).to_have_text(f"{_PLAIN} items")


def test_errors_are_filtered_by_message_and_tried_again(page: Page, http: httpx2.Client, judged: Judged) -> None:
    page.goto(judged.items)
    page.get_by_role("button", name="Filter", exact=True).click()
    by_error = page.get_by_role("form", name="By error")
    by_error.get_by_label("Message of the error").select_option(NO_ANSWER)
    by_error.get_by_role("button", name="Add").click()
    expect(page.get_by_text(f"1 of {_PLAIN} items: error {NO_ANSWER}")).to_be_visible()
    with page.expect_request("**/retry") as asked:
        page.get_by_role("button", name="Retry this item").click()

    assert asked.value.post_data_json == {"errors": [NO_ANSWER]}
    answer = asked.value.response()
    assert answer is not None
    assert answer.status == 200, answer.text()
    expect(page.get_by_text(f"1 of {_PLAIN} items: error {NO_ANSWER}")).to_be_visible()
    run = http.get(f"/api/runs/{judged.run_id}", params={"rows": False}).json()
    assert run["evalhaven"]["times_retried"] == 1


def test_columns_sort_and_the_address_keeps_it(page: Page, http: httpx2.Client, judged: Judged) -> None:
    page.goto(judged.items)
    for order in ("ascending", "descending"):
        grid(page).get_by_role("columnheader", name="Tokens").get_by_role("link").click()
        expect(grid(page).get_by_role("columnheader", name="Tokens")).to_have_attribute("aria-sort", order)
    first = rows(http, judged, sort="tokens", order="desc", limit=1)["data"][0]
    expect(row_at(page, 1)).to_contain_text(first["input"])

    page.reload()
    expect(row_at(page, 1)).to_contain_text(first["input"])


def test_words_are_searched_and_items_that_were_found_are_neighbours(page: Page, judged: Judged) -> None:
    page.goto(judged.items)
    expect(grid(page)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("walks 11")
    expect(page.get_by_text(re.compile(r"11 items of 240: text walks 11"))).to_be_visible()
    row_at(page, 1).click()
    expect(page.get_by_role("complementary", name="Item 11")).to_contain_text("match 1")
    page.keyboard.press("]")
    expect(page.get_by_role("complementary", name="Item 110")).to_contain_text("match 2")


def test_the_keyboard_alone_walks_from_the_table_through_items(page: Page, judged: Judged) -> None:
    page.goto(f"/ui/evals/{judged.eval_id}/runs/{judged.run_id}")
    settle(page)
    page.get_by_role("link", name="Items 240").focus()
    page.keyboard.press("Enter")
    expect(grid(page)).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_text("items: outcome failed")).to_be_visible()
    grid(page).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("j")
    expect(row_at(page, 3)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    drawer = page.get_by_role("complementary")
    expect(drawer).to_contain_text("3 of 237, outcome failed")
    expect(drawer).to_be_focused()
    judge(page)
    page.keyboard.press("]")
    expect(drawer).to_contain_text("4 of 237")
    page.keyboard.press("[")
    expect(drawer).to_contain_text("3 of 237")
    page.keyboard.press("d")
    expect(drawer.get_by_role("button", name="Plain")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    expect(grid(page)).to_be_focused()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    last_rows = re.compile(r"/items\?.*from=200")
    page.route(last_rows, hold)
    with page.expect_request(last_rows):
        page.keyboard.press("End")
    expect(row_at(page, 237)).to_have_attribute("aria-selected", "true")
    expect(row_at(page, 237)).to_be_in_viewport()
    # A row that is opened before it has come opens when it comes.
    page.keyboard.press("Enter")
    expect(drawer).to_be_hidden()
    for route in held:
        route.continue_()
    expect(drawer).to_contain_text("237 of 237")


def test_the_page_of_an_item_goes_through_the_filter_and_back(page: Page, http: httpx2.Client, judged: Judged) -> None:
    [first, second] = rows(http, judged, status="fail", limit=2)["data"]
    page.goto(f"{judged.items}/{first['id']}?status=fail")
    expect(page.get_by_text("1 of 237, outcome failed")).to_be_visible()
    expect(page.get_by_role("button", name="Previous item")).to_be_disabled()
    page.keyboard.press("]")
    expect(page.get_by_text("2 of 237, outcome failed")).to_be_visible()
    assert second["id"] in page.url
    page.get_by_role("navigation", name="This item in other runs").get_by_role("link").click()
    expect(page.get_by_text("First").first).to_be_visible()
    assert judged.other in page.url

    page.go_back()
    page.keyboard.press("Escape")
    expect(row_at(page, 2)).to_have_attribute("aria-selected", "true")


def test_keys_that_are_pressed_before_the_neighbours_are_known_are_heard_when_they_are(
    page: Page, http: httpx2.Client, judged: Judged
) -> None:
    listed = rows(http, judged, status="fail", limit=4)["data"]
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def release() -> None:
        while not held:
            page.wait_for_timeout(10)
        held.pop().continue_()

    places = re.compile(r"/api/runs/[^/]+/items/outputitem_\w+\?")
    page.route(places, hold)
    for address, shown in (
        (f"{judged.items}/{listed[0]['id']}?status=fail", page.get_by_role("main")),
        (f"{judged.items}?status=fail&item={listed[0]['id']}", page.get_by_role("complementary")),
    ):
        page.goto(address)
        for number, each in enumerate(listed[:3], start=1):
            # The item is there, its place is not.
            expect(shown.get_by_role("region", name="Conversation")).to_contain_text(each["input"])
            expect(shown).not_to_contain_text(f"{number} of 237")
            page.keyboard.press("]")
            release()
            expect(shown.get_by_role("region", name="Conversation")).to_contain_text(listed[number]["input"])
        release()
        expect(shown).to_contain_text("4 of 237")


def test_images_of_an_item_are_shown_and_others_are_not_loaded(page: Page, http: httpx2.Client, judged: Judged) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.goto(f"{judged.items}/{id_at(http, judged, 7)}")
    # What comes later moves what stands below it.
    expect(page.get_by_role("region", name="Output and expectation")).to_be_visible()
    page.get_by_role("heading", name="Item", exact=True).click()
    expect(page.get_by_role("img", name="From the item")).to_have_js_property("naturalWidth", 1)
    link = page.get_by_role("link", name="images.example.test")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(link).to_have_attribute("href", ELSEWHERE)
    judge(page)

    assert [url for url in seen if "example.test" in url] == []


def test_a_table_of_a_million_rows_holds_few_and_reaches_the_last(page: Page, judged: Judged) -> None:
    """The server's side of a million rows is measured elsewhere: here a run says that it has so many."""

    def widen(route: Route) -> None:
        query = dict(part.split("=") for part in route.request.url.partition("?")[2].split("&"))
        start, limit = int(query.get("from", 0)), int(query["limit"])
        body = route.fetch(url=re.sub(r"from=\d+", "from=0", route.request.url)).json()
        sample = body["data"][0]
        ranks = range(start, min(_MILLION, start + limit))
        told = [{**sample, "rank": rank, "datasource_item_id": rank, "input": f"row {rank}"} for rank in ranks]
        body |= {"from": start, "total": _MILLION, "items": _MILLION, "items_planned": _MILLION, "data": told}
        route.fulfill(body=json.dumps(body), content_type="application/json")

    page.route(re.compile(r"/api/runs/[^/]+/items\?"), widen)
    page.goto(judged.items)
    expect(row_at(page, 1)).to_contain_text("row 0")
    area = grid(page)
    # Firefox caps the height of an element at about 17.9 million pixels.
    assert area.evaluate("area => area.scrollHeight") < 16_100_000
    area.focus()
    page.keyboard.press("End")
    expect(row_at(page, _MILLION)).to_contain_text(f"row {_MILLION - 1}")
    expect(row_at(page, _MILLION)).to_be_in_viewport()
    page.keyboard.press("ArrowUp")
    expect(row_at(page, _MILLION - 1)).to_have_attribute("aria-selected", "true")

    page.get_by_label("Go to row").fill("500001")
    page.keyboard.press("Enter")
    expect(row_at(page, 500_001)).to_contain_text("row 500000")
    expect(row_at(page, 500_001)).to_be_in_viewport()
    before = int(page.locator('[role="row"]').nth(1).get_attribute("aria-rowindex") or 0)
    area.hover()
    # The wheel moves by rows although the scroll bar's pixels are coarser.
    page.mouse.wheel(0, 280)
    expect(page.locator(f'[role="row"][aria-rowindex="{before + 10}"]')).to_be_attached()
    expect(page.locator(f'[role="row"][aria-rowindex="{before + 9}"]')).not_to_be_attached()
    area.evaluate("area => { area.scrollTop = area.scrollHeight / 4 }")
    shown = page.locator('[role="row"]').nth(5)
    expect(shown).to_contain_text(re.compile(r"row 2[45]\d{4}"))
    assert page.locator('[role="row"]').count() < 80


def test_items_are_usable_at_200_percent_and_print(page: Page, http: httpx2.Client, judged: Judged) -> None:
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(judged.items)
    expect(grid(page)).to_be_visible()
    picture(page, "items-200-percent")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto(f"{judged.items}?item={id_at(http, judged, 0)}")
    expect(page.get_by_role("region", name="Grades")).to_be_attached()
    judge(page)
    picture(page, "drawer-200-percent")

    page.set_viewport_size({"width": 1280, "height": 1000})
    page.goto(f"{judged.items}/{id_at(http, judged, 0)}")
    expect(page.get_by_role("region", name="Grades")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    picture(page, "item-print")
    assert page.pdf().startswith(b"%PDF")


def test_an_item_that_there_is_not_says_so(page: Page, judged: Judged) -> None:
    page.goto(f"{judged.items}/outputitem_none")
    expect(page.get_by_role("alert").first).to_contain_text("outputitem_none")
    judge(page)
