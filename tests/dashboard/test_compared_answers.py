"""Answers side by side in a comparison: long ones, strange ones, and the keyboard, the printer and the zoom."""

import re

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import THEMES, judge, picture, settle
from tests.dashboard.judged import ended, sent

_WORDS = [f"word{number}" for number in range(16_000)]
_LONG = " ".join(_WORDS)
_STRANGERS = " ".join(f"other{number}" for number in range(16_000))
_EVERY_FOURTH = " ".join(f"{word}!" if number % 4 == 0 else word for number, word in enumerate(_WORDS))
_SCRIPT = "<script>document.title='hit'</script> \u202egnirts <b>bold</b> \u0000"
# Each item's answer in the base and in the new run.
_ANSWERS = {
    "a word": (_LONG, _LONG.replace("word8000 ", "changed ")),
    "no word": (_LONG, _STRANGERS),
    "every fourth": (_LONG, _EVERY_FOURTH),
    "equal": ("the same answer", "the same answer"),
    "right to left": ("\u0634\u0643\u0631\u0627 \u062c\u0632\u064a\u0644\u0627 yes", "\u0634\u0643\u0631\u0627 no"),
    "hostile": (_SCRIPT, f"{_SCRIPT} more <img src=x onerror=document.title='hit'>"),
    "one letter": ("\U0001f600", "\U0001f601"),
}


@pytest.fixture(scope="module")
def address(http: httpx2.Client) -> str:
    """The comparison of two runs whose answers differ in all these ways."""
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    criterion = {"type": "string_check", "name": "short", "input": "{{ sample.output_text }}", "operation": "like"}
    body = {"name": "Answers", "data_source_config": config, "testing_criteria": [{**criterion, "reference": "e"}]}
    parent = sent(http, "/v1/evals", body)["id"]

    def run(side: int) -> str:
        content = [
            {"item": {"question": name}, "sample": {"output_text": answers[side]}} for name, answers in _ANSWERS.items()
        ]
        source = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
        return ended(http, sent(http, f"/v1/evals/{parent}/runs", {"name": f"Run {side}", "data_source": source}))["id"]

    base, new = run(0), run(1)
    return f"/ui/compare?runs={base},{new}&base={base}&change=all"


def _opened(page: Page, name: str) -> Locator:
    page.get_by_role("region", name="Compared items").get_by_role("link", name=name, exact=True).click()
    detail = page.locator(".detail")
    expect(detail.locator(".question")).to_have_text(name)
    return detail


def _marked(detail: Locator) -> list[str]:
    texts: list[str] = detail.locator("del, ins").all_inner_texts()
    return [text.strip() for text in texts]


def test_long_and_strange_answers_are_compared_as_far_as_that_is_quick(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)

    # A word in the middle of a hundred thousand letters: beyond what is shown at first, but found.
    detail = _opened(page, "a word")
    assert _marked(detail) == []
    buttons = detail.get_by_role("button", name="Show all")
    expect(buttons).to_have_count(2)
    buttons.first.click()
    buttons.first.click()
    assert _marked(detail) == ["word8000", "changed"]
    assert detail.locator(".side-by-side .text").first.inner_text() == _LONG
    picture(page, "compare-long-answer")

    # Nothing in common: one mark a side, and not one for each blank.
    detail = _opened(page, "no word")
    assert len(_marked(detail)) == 2

    # Very much to mark: as far as it goes, and it says how far, or that it is too much.
    detail = _opened(page, "every fourth")
    detail.get_by_role("button", name="Show all").first.click()
    note = detail.locator(".diff-note")
    expect(note.first).to_have_text(re.compile("Compared up to here|Too different to be compared"))
    assert "word15999" in detail.locator(".side-by-side .text").first.inner_text()

    detail = _opened(page, "equal")
    expect(detail).to_contain_text("Both answers are the same.")
    assert _marked(detail) == []

    detail = _opened(page, "right to left")
    assert _marked(detail)[-1] == "no"
    assert detail.locator(".side-by-side .text").first.evaluate("text => getComputedStyle(text).direction") == "rtl"
    picture(page, "compare-right-to-left")

    detail = _opened(page, "hostile")
    expect(detail.locator("ins")).to_contain_text("<img src=x onerror=document.title='hit'>")
    expect(detail).to_contain_text("<script>document.title='hit'</script> U+202Egnirts <b>bold</b>")
    assert "hit" not in page.title()

    detail = _opened(page, "one letter")
    assert _marked(detail) == ["\U0001f600", "\U0001f601"]


def test_the_keyboard_alone_works_on_a_comparison(page: Page, address: str) -> None:
    page.goto(address)
    settle(page)
    table, detail = page.get_by_role("region", name="Compared items"), page.locator(".detail")
    expect(detail).to_contain_text("1 of 7")

    # The changes are links, and so is the head that sorts.
    page.get_by_role("navigation", name="Changes").get_by_role("link", name="Same").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="All 7")).to_be_focused()
    page.keyboard.press("Enter")
    head = table.get_by_role("columnheader", name="Change")
    head.get_by_role("link").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    expect(page.locator(".split.stale")).to_have_count(0)

    # Next, previous, close, open.
    page.keyboard.press("]")
    expect(detail).to_contain_text("2 of 7")
    page.keyboard.press("[")
    expect(detail).to_contain_text("1 of 7")
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)
    # Only the row is the current one, and not what sorts.
    row = table.locator("[aria-current]")
    expect(row).to_be_focused()
    expect(table.get_by_role("columnheader", name="Answer")).to_have_count(2)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        picture(page, f"compare-table-{theme}")
    judge(page, THEMES)
    page.keyboard.press("j")
    expect(table.get_by_role("row").nth(2).get_by_role("link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(detail).to_contain_text("2 of 7")

    # What lies above the page closes first.
    page.get_by_role("button", name="Export").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Figures and intervals")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Figures and intervals")).to_be_hidden()
    expect(detail).to_be_visible()

    # Closed is part of the address.
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)
    page.reload()
    expect(row).to_be_visible()
    expect(detail).to_have_count(0)
    page.keyboard.press("o")
    expect(detail).to_contain_text("2 of 7")
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile(r"/items/outputitem_"))


def test_a_comparison_can_be_zoomed_and_printed(page: Page, address: str) -> None:
    # Twice as large on the same screen: half as many CSS pixels.
    page.set_viewport_size({"width": 640, "height": 500})
    page.goto(address)
    settle(page)
    expect(page.locator(".detail")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 640
    judge(page)
    picture(page, "compare-zoomed")

    page.set_viewport_size({"width": 1060, "height": 1400})
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_text("printed", exact=False).first).to_be_visible()
    for gone in (
        page.get_by_role("button", name="Export"),
        page.get_by_role("navigation", name="Changes"),
        page.get_by_role("button", name="Close item"),
        page.get_by_role("navigation", name="Places"),
    ):
        expect(gone).to_be_hidden()
    expect(page.get_by_role("region", name="Verdict")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(20, 23, 28)"
    # Widths are rounded up.
    assert page.evaluate("document.documentElement.scrollWidth") <= 1061
    picture(page, "compare-printed")
    assert len(page.pdf(format="A4", landscape=True)) > 10_000
