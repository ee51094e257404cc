"""The list of logged calls and the page of one, by mouse and by keyboard alone."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.dashboard.conftest import THEMES, Look, enlarge_and_print, judge, picture, running_server, settle
from tests.dashboard.judged import ELSEWHERE, PIXEL
from tests.server import Server

_CALLS = 60
_FIRST = 1_780_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, since they count its calls."""
    with running_server(tmp_path_factory.mktemp("logs"), EVALHAVEN_LOG_DAYS="3650") as running:
        yield running


def chat(number: int, question: str, answer: str, **call: Any) -> dict[str, Any]:
    """Return a chat completion as a recorder has it; the higher its number, the newer."""
    message = {"role": "assistant", "content": answer}
    return {
        "request": {
            "model": "fast",
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": question}],
            "temperature": 0.2,
        },
        "reply": {
            "object": "chat.completion",
            "id": f"chatcmpl-{number}",
            "model": "gpt-5-mini-2026",
            "choices": [{"index": 0, "message": message, "finish_reason": "length" if number % 7 == 0 else "stop"}],
            "usage": {
                "prompt_tokens": 20 + number,
                "completion_tokens": 9,
                "total_tokens": 29 + number,
                "prompt_tokens_details": {"cached_tokens": 16},
            },
        },
        "metadata": {"app": "shop" if number % 2 else "desk", "number": str(number)},
        "created_at": _FIRST + 60 * number,
        "latency_ms": 900 + number,
        **call,
    }


_TOOL = {"type": "function", "name": "weather", "description": "Looks outside.", "parameters": {"type": "object"}}
_AGENT: dict[str, Any] = {
    "request": {
        "model": "thinker",
        "instructions": "Use the tool.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Shall I take an umbrella?"},
                    {"type": "input_image", "image_url": PIXEL},
                    {"type": "input_image", "image_url": ELSEWHERE},
                ],
            },
            {"type": "function_call", "call_id": "call_7", "name": "weather", "arguments": '{"town":"Bath"}'},
            {"type": "function_call_output", "call_id": "call_7", "output": "rain all day"},
        ],
        "tools": [_TOOL],
        "previous_response_id": "resp_before",
    },
    "reply": {
        "object": "response",
        "id": "resp_agent",
        "model": "thinker-2",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "It rains."}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Take one.", "annotations": []}],
            },
        ],
        "usage": {"input_tokens": 40, "output_tokens": 12, "total_tokens": 52},
    },
    "metadata": {"app": "agent"},
    "created_at": _FIRST + 60 * (_CALLS + 1),
    "latency_ms": 4100,
}


@pytest.fixture(scope="module")
def logged(http: httpx2.Client) -> None:
    calls = [chat(number, f"Question {number}?", f"Answer {number}.") for number in range(_CALLS)]
    send(http, [*calls, _AGENT])


def send(http: httpx2.Client, calls: list[dict[str, Any]]) -> None:
    answer = http.post("/api/logs", content="\n".join(map(json.dumps, calls)))
    assert answer.json()["stored"] == len(calls), answer.text


def rows(page: Page) -> Locator:
    return page.get_by_role("region", name="Table of calls").locator("tbody tr")


def drawer(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Call")


def test_without_calls_the_page_says_how_to_send_one_here(page: Page, look: Look, server: Server) -> None:
    look("/ui/logs", "logs-empty")

    snippet = page.get_by_role("region", name="Python snippet")
    expect(snippet).to_contain_text(f'base_url="{server.url}/v1"')
    expect(snippet).to_contain_text("store=True")
    page.get_by_role("button", name="curl", exact=True).click()
    expect(page.get_by_role("region", name="curl snippet")).to_contain_text('"store": true')


def test_calls_are_listed_newest_first_and_filtered_in_the_address(
    page: Page, look: Look, logged: None, http: httpx2.Client
) -> None:
    look("/ui/logs", "logs")

    expect(rows(page)).to_have_count(50)
    expect(rows(page).first).to_contain_text("Shall I take an umbrella?")
    expect(rows(page).nth(1)).to_contain_text("Question 59?")
    for told in ("gpt-5-mini-2026", "chat", "Answer 59.", "79", "9", "0.96", "stop", "app=shop, number=59"):
        expect(rows(page).nth(1)).to_contain_text(told)
    expect(page.get_by_text(f"{_CALLS + 1} calls stored")).to_be_visible()
    page.get_by_role("button", name="Show more").click()
    expect(rows(page)).to_have_count(_CALLS + 1)

    page.get_by_role("button", name="Filter", exact=True).click()
    by_metadata = page.get_by_role("form", name="Metadata")
    by_metadata.get_by_label("Key").fill("app")
    by_metadata.get_by_label("Value").fill("desk")
    by_metadata.get_by_role("button", name="Add").click()
    expect(rows(page)).to_have_count(30)
    page.get_by_role("button", name="Filter", exact=True).click()
    by_time = page.get_by_role("form", name="Time")
    by_time.get_by_label("Until").fill("2026-05-28T20:36:40")
    by_time.get_by_role("button", name="Add").click()
    query = {"metadata[app]": "desk", "created_before": _FIRST + 600}
    found = http.get("/api/logs/calls", params=query).json()["data"]
    assert len(found) == 6
    expect(rows(page)).to_have_count(6)
    page.get_by_label("Search calls").fill("question 8")
    expect(rows(page)).to_have_count(1)
    page.reload()
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="Remove filter: app desk").click()
    expect(page.get_by_role("button", name="Remove filter: app desk")).to_have_count(0)
    # Few rows, since axe looks at each.
    page.get_by_role("button", name="Filter", exact=True).click()
    judge(page, THEMES)
    picture(page, "logs-filter")
    page.keyboard.press("Escape")
    page.get_by_label("Search calls").fill("nobody said this")
    expect(page.get_by_text("No call is like this")).to_be_visible()


def test_a_call_is_shown_whole(page: Page, look: Look, logged: None) -> None:
    look("/ui/logs/resp_agent", "call")
    enlarge_and_print(page, "call")

    conversation = page.get_by_role("region", name="Conversation")
    for told in ("Use the tool.", "Shall I take an umbrella?", "weather(", "Bath", "rain all day", "Take one."):
        expect(conversation).to_contain_text(told)
    expect(conversation.locator(f'img[src="{PIXEL}"]')).to_be_visible()
    expect(page.locator(f'img[src="{ELSEWHERE}"]')).to_have_count(0)
    main = page.get_by_role("main")
    for told in ("thinker-2", "asked for thinker", "4.10 s", "40 in", "max_output_tokens", "agent"):
        expect(main).to_contain_text(told)
    expect(page.get_by_role("region", name="Usage")).to_contain_text("output_tokens")
    page.get_by_role("heading", name="Tools").click()
    expect(main).to_contain_text("Looks outside.")
    page.keyboard.press("r")
    expect(page.get_by_text('"max_output_tokens"')).to_be_visible()
    judge(page, THEMES)
    page.get_by_role("link", name="resp_before").click()
    # The response that it goes on from is not stored here.
    expect(page.get_by_role("alert")).to_contain_text("resp_before")
    judge(page)


def test_the_keyboard_alone_leads_through_the_calls(page: Page, logged: None) -> None:
    page.goto("/ui/evals")
    settle(page)
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.get_by_role("heading", level=1)).to_have_text("Logs")
    expect(rows(page).first).to_be_visible()
    for key in ("j", "j", "Enter"):
        page.keyboard.press(key)
    expect(drawer(page)).to_contain_text("Answer 59.")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        picture(page, f"logs-drawer-{theme}")
    judge(page, THEMES)
    page.keyboard.press("]")
    expect(drawer(page)).to_contain_text("Answer 58.")
    expect(rows(page).nth(2)).to_have_class("current")
    page.keyboard.press("[")
    expect(drawer(page)).to_contain_text("Answer 59.")
    page.reload()
    expect(drawer(page)).to_contain_text("Answer 59.")
    page.keyboard.press("Escape")
    expect(drawer(page)).to_have_count(0)

    page.goto("/ui/logs/chatcmpl-59?kind=chat")
    expect(page.get_by_role("button", name="Next call")).to_be_enabled()
    page.keyboard.press("]")
    expect(page.get_by_role("region", name="Conversation")).to_contain_text("Answer 58.")
    page.keyboard.press("Escape")
    expect(page).to_have_url("/ui/logs?kind=chat")


def test_the_calls_of_the_filter_are_graded_as_they_are_stored(page: Page, http: httpx2.Client, logged: None) -> None:
    page.goto("/ui/logs?kind=responses")
    page.get_by_role("button", name="Grade these").click()
    panel = page.get_by_role("dialog", name="Grade these calls")
    panel.get_by_label("Name").fill("It's graded")
    panel.get_by_label("Text", exact=True).fill("take ONE")
    judge(page, THEMES)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        picture(page, f"logs-grade-{theme}")
    panel.get_by_role("button", name="curl").click()
    expect(panel.get_by_role("region", name="curl snippet")).to_contain_text("It'\\''s graded")
    panel.get_by_role("button", name="Create and run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("As stored")
    expect(page.get_by_text("Completed").first).to_be_visible()
    assert counts_of(http, page) == {"total": 1, "passed": 1, "failed": 0, "errored": 0}


def test_the_calls_of_the_filter_are_replayed_by_keyboard_alone(page: Page, http: httpx2.Client, logged: None) -> None:
    page.goto(f"/ui/logs?since={_FIRST + 60 * (_CALLS - 3)}&metadata=%5B%22app%3Dshop%22%5D")
    page.get_by_role("button", name="Replay these").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="Replay these calls")
    expect(panel.get_by_label("Name")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("scripted")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("nobody says this")
    expect(panel.get_by_role("region", name="Python snippet")).to_contain_text('"model": "scripted"')
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Replayed with scripted")
    expect(page.get_by_text("Completed").first).to_be_visible()
    assert counts_of(http, page) == {"total": 2, "passed": 0, "failed": 2, "errored": 0}


def test_the_calls_of_the_filter_are_labelled_by_a_model(page: Page, http: httpx2.Client, logged: None) -> None:
    page.goto("/ui/logs?kind=responses")
    page.get_by_role("button", name="Grade these").click()
    panel = page.get_by_role("dialog", name="Grade these calls")
    panel.get_by_label("An answer passes if it").select_option("is given a label by a model")
    expect(panel.get_by_label("Text", exact=True)).to_have_count(0)
    panel.get_by_label("Judge", exact=True).fill("scripted")
    panel.get_by_label("What the judge is asked").fill("Is it helpful? ANSWER: partly")
    panel.get_by_label("Labels that pass").fill("yes, partly")
    judge(page, THEMES)
    picture(page, "logs-grade-label")
    panel.get_by_role("button", name="Create and run").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("As stored")
    expect(page.get_by_text("Completed").first).to_be_visible()
    assert counts_of(http, page) == {"total": 1, "passed": 1, "failed": 0, "errored": 0}
    [item] = http.get(f"/api/runs/{page.url.rsplit('/', 1)[1]}/items").json()["data"]
    whole = http.get(f"/v1/evals/{page.url.split('/')[-3]}/runs/{page.url.split('/')[-1]}/output_items").json()
    assert item["status"] == "pass"
    asked = json.dumps(whole["data"][0]["results"])
    assert "Shall I take an umbrella?" in asked
    assert "Take one." in asked


def test_however_far_somebody_goes_back_so_many_calls_are_kept(page: Page, http: httpx2.Client, logged: None) -> None:
    many = [chat(5000 + number, f"Bulk {number}?", "Yes.", metadata={"bulk": "yes"}) for number in range(360)]
    send(http, many)
    page.goto("/ui/logs?metadata=%5B%22bulk%3Dyes%22%5D")
    for kept in (100, 150, 200, 250, 300, 300):
        page.get_by_role("button", name="Show more").click()
        expect(page.get_by_role("button", name="Show more")).to_be_enabled()
        expect(rows(page)).to_have_count(kept)
    expect(rows(page).first).to_contain_text("Bulk 309?")
    page.get_by_role("button", name="Show more").click()
    expect(rows(page).last).to_contain_text("Bulk 0?")
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)

    page.get_by_role("button", name="Show newer ones").click()
    expect(rows(page).first).to_contain_text("Bulk 309?")
    page.get_by_role("button", name="Show newer ones").click()
    expect(rows(page).first).to_contain_text("Bulk 359?")
    expect(page.get_by_role("button", name="Show newer ones")).to_have_count(0)
    expect(rows(page)).to_have_count(300)
    assert rows(page).locator("td:nth-child(4)").all_inner_texts() == [f"Bulk {359 - each}?" for each in range(300)]
    page.get_by_role("button", name="Show more").click()
    expect(rows(page).last).to_contain_text("Bulk 10?")
    page.get_by_role("button", name="Refresh").click()
    expect(rows(page)).to_have_count(50)
    expect(rows(page).first).to_contain_text("Bulk 359?")


def counts_of(http: httpx2.Client, page: Page) -> dict[str, int]:
    return http.get(f"/api/runs/{page.url.rsplit('/', 1)[1]}").json()["result_counts"]
