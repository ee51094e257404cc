"""What users and models wrote is shown, letter by letter, and none of it is executed."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.dashboard.conftest import Tab, running_server, settle, visit
from tests.dashboard.hostile import HOSTILE_TEXTS, TEXTS, fitting, joined, shown
from tests.dashboard.judged import CONFIG, ended, make_eval, run_items, sent
from tests.dashboard.test_files import upload
from tests.dashboard.test_logs import chat, send
from tests.server import Server
from tests.webhook_receiver import WebhookReceiver

# What can name a model: a configuration speaks Unicode, and its names of models may be patterns.
_OF_MODELS = [text for text in HOSTILE_TEXTS if "\ud800" not in text and not set("*?[") & set(text)]
_NAMES = joined(_OF_MODELS)
_SETTINGS = {"EVALHAVEN_LOG_DAYS": "3650", "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.1"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, so that other pages do not list all of this."""
    endpoints = (
        f"""
[endpoints.e{number}]
scripted = true
models = ["m{number}"]
aliases = {{ {json.dumps(text)} = "m{number}" }}
prices = [{{ model = {json.dumps(text)}, input = 1.0, output = 1.0 }}]
"""
        for number, text in enumerate(_NAMES)
    )
    config = CONFIG + "".join(endpoints)
    with running_server(tmp_path_factory.mktemp("hostile"), config, **_SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def hostile(http: httpx2.Client) -> list[str]:
    """Make an eval of each of TEXTS, whose criterion and run are called so too, and items with it; return the runs."""
    pages: list[str] = []
    for text in TEXTS:
        criterion = {
            "type": "string_check",
            "name": text,
            "input": "{{ item.a }}",
            "reference": "x",
            "operation": "eq",
        }
        body = {
            "name": text,
            "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
            "testing_criteria": [criterion],
            "metadata": {"note": text[:500]},
        }
        made = http.post("/v1/evals", content=json.dumps(body))
        assert made.status_code == 201, made.text
        rows = [{"item": {"a": text, "kind": text}}, {"item": {"a": "x", "kind": "plain"}}]
        source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        run = http.post(
            f"/v1/evals/{made.json()['id']}/runs", content=json.dumps({"name": text, "data_source": source})
        )
        assert run.status_code == 201, run.text
        pages.append(f"/ui/evals/{made.json()['id']}/runs/{run.json()['id']}?by=kind")
    return pages


@pytest.fixture(scope="module")
def seen(tab: Tab) -> list[str]:
    """What was executed in the tab, or loaded from elsewhere."""
    seen: list[str] = []
    page = tab.page
    page.expose_function("hit", lambda: seen.append("executed"))

    def dismiss(dialog: Dialog) -> None:
        seen.append("dialog")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("popup", lambda _popup: seen.append("popup"))
    page.on("request", lambda request: None if request.url.startswith("http://127.0.0.1") else seen.append(request.url))
    return seen


def test_no_name_in_the_list_of_evals_is_executed_and_each_is_shown(
    page: Page, hostile: list[str], seen: list[str]
) -> None:
    assert len(HOSTILE_TEXTS) >= 50
    page.goto("/ui/evals")
    page.get_by_role("rowheader").first.wait_for()
    settle(page)
    names = page.locator("[data-row]").all_text_contents()

    assert {shown(text) for text in TEXTS} <= set(names)
    assert seen == []


def test_no_text_on_the_pages_of_runs_is_executed_and_each_is_shown(
    page: Page, hostile: list[str], seen: list[str]
) -> None:
    page.goto(hostile[0])
    for text, address in zip(TEXTS, hostile, strict=True):
        visit(page, address)
        expect(page.get_by_role("heading", level=1)).to_have_text(shown(text))
        row = page.get_by_role("region", name="Table of criteria").get_by_role("rowheader").first
        expect(row).to_have_text(shown(text))
        assert row.text_content() == shown(text)
    assert seen == []


def test_no_text_on_the_pages_of_evals_and_in_the_list_of_runs_is_executed_and_each_is_shown(
    page: Page, hostile: list[str], seen: list[str]
) -> None:
    page.goto("/ui/runs")
    page.get_by_role("rowheader").first.wait_for()
    assert {shown(text) for text in TEXTS} <= set(page.locator("[data-row]").all_text_contents())
    for text, address in zip(TEXTS, hostile, strict=True):
        eval_page = address.split("/runs/")[0]
        visit(page, eval_page)
        expect(page.get_by_role("heading", level=1)).to_have_text(shown(text))
        expect(page.locator(".metadata")).to_have_text(f"note: {shown(text[:500])}")
        expect(page.get_by_role("region", name="Table of runs").locator("[data-row]")).to_have_text(shown(text))
        assert page.locator("[data-row]").text_content() == shown(text)
        assert page.locator(".c-criterion").text_content() == shown(text)
        visit(page, f"{eval_page}/definition")
        expect(page.locator(".definition h3")).to_have_text(f"{shown(text)} string_check")
    assert seen == []


def test_no_text_of_an_item_its_answer_or_its_judge_is_executed_and_each_is_shown(
    page: Page, http: httpx2.Client, seen: list[str]
) -> None:
    # Models speak Unicode, and the rules' patterns find no text beyond a line's end.
    texts = joined([text for text in HOSTILE_TEXTS if "\ud800" not in text])
    parent = make_eval(http, "Hostile")
    items = [
        {"question": f"echo {text}", "expected": text, "verdict": f"verdict {json.dumps(_verdict(text))}", text: text}
        for text in texts
    ]
    run = run_items(http, parent, "Hostile", items)
    other = run_items(http, parent, HOSTILE_TEXTS[0], items)
    listed = http.get(f"/api/runs/{run}/items", params={"limit": 500, "sort": "position"}).json()["data"]
    assert [each["status"] for each in listed].count("error") == 0

    page.goto(f"/ui/evals/{parent}/runs/{run}/items?item={listed[0]['id']}")
    for number, text in enumerate(texts):
        drawer = page.get_by_role("complementary", name=f"Item {number}", exact=True)
        told = shown(text)
        # The answer, beside what was expected.
        expect(drawer.get_by_role("region", name="Output and expectation")).to_contain_text(told)
        # The judge's reason, its answer, and the field of the item that is called so.
        grades = drawer.get_by_role("region", name="Grades")
        grades.get_by_text("clear reasoning").click()
        expect(grades.get_by_role("listitem")).to_have_text([f"{told}\n{told}"], use_inner_text=True)
        drawer.get_by_role("heading", name="Item", exact=True).click()
        expect(drawer.get_by_text(told, exact=True).last).to_be_visible()
        page.keyboard.press("r")
        expect(drawer.get_by_text('"object": "eval.run.output_item"')).to_be_visible()
        page.keyboard.press("]")

    visit(page, f"/ui/evals/{parent}/runs/{run}/items")
    grid = page.get_by_role("grid")
    expect(grid.get_by_role("row").nth(1)).to_contain_text(shown(texts[0]))
    visit(page, f"/ui/compare?runs={run},{other}&change=all")
    for number, text in enumerate(texts):
        detail = page.get_by_role("region", name=f"Item {number}", exact=True)
        expect(detail.get_by_role("heading", name=f"New: {HOSTILE_TEXTS[0]}")).to_be_visible()
        # The answers of both, and what their judge said.
        told = shown(text)
        sides = detail.locator(".side-by-side > div")
        expect(sides).to_contain_text([told, told])
        expect(sides.get_by_role("heading", name="Judge of clear reasoning")).to_have_count(2)
        page.keyboard.press("]")
    assert seen == []


def test_no_text_on_the_pages_of_models_and_of_a_run_s_setup_is_executed_and_each_is_shown(
    page: Page, http: httpx2.Client, seen: list[str]
) -> None:
    assert len(_OF_MODELS) >= 50
    runs: list[str] = []
    for number, text in enumerate(_NAMES):
        judged = {
            "type": "score_model",
            "name": text,
            "model": f"m{number}",
            "input": [{"role": "user", "content": "ANSWER: 1"}],
        }
        config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
        parent = sent(http, "/v1/evals", {"data_source_config": config, "testing_criteria": [judged]})["id"]
        source = {
            "type": "completions",
            "model": text,
            "input_messages": {"type": "template", "template": [{"role": "user", "content": text}]},
            "source": {"type": "file_content", "content": [{"item": {}}]},
        }
        body = {"name": text, "metadata": {"note": text[:500]}, "data_source": source}
        run = ended(http, sent(http, f"/v1/evals/{parent}/runs", body))
        runs.append(f"/ui/evals/{parent}/runs/{run['id']}")

    page.goto("/ui/models")
    for number, text in enumerate(_NAMES):
        endpoint = page.get_by_role("region", name=f"e{number}", exact=True)
        told = shown(text)
        expect(endpoint.locator(".tag")).to_have_text([f"m{number}", f"{told} → m{number}"])
        prices = endpoint.get_by_role("region", name=f"Prices of e{number}", exact=True)
        expect(prices.get_by_role("rowheader")).to_have_text(told)
        calls = endpoint.get_by_role("region", name=f"Recent calls to e{number}", exact=True)
        expect(calls.get_by_role("rowheader")).to_have_text([told, told])
        expect(calls.locator(".c-for")).to_have_text([told, f"judge of {told}"])
        assert calls.get_by_role("link").first.get_attribute("href") == runs[number]
    for text, address in zip(_NAMES, runs, strict=True):
        visit(page, f"{address}/configuration")
        expect(page.get_by_role("region", name="Model", exact=True)).to_contain_text(shown(text))
        expect(page.get_by_role("region", name="Metadata")).to_contain_text(shown(text[:500]))
        expect(page.get_by_role("region", name="Prompt")).to_contain_text(shown(text))
    page.keyboard.press("Control+k")
    palette = page.get_by_role("dialog", name="Search")
    expect(palette.get_by_role("combobox")).to_be_focused()
    palette.get_by_role("combobox").fill("hit()")
    expect(palette.get_by_role("option").filter(has_text="run of").first).to_contain_text("hit()", timeout=30_000)
    page.keyboard.press("Escape")
    assert seen == []


def test_no_name_and_no_content_of_a_file_is_executed_and_each_is_shown(
    page: Page, http: httpx2.Client, seen: list[str]
) -> None:
    sendable = [text for text in HOSTILE_TEXTS if len(text) < 200 and "\ud800" not in text]
    # A form carries no control characters in a name.
    plain = [text for text in sendable if any(ord(character) < 0x20 for character in text)]
    texts = [*joined([text for text in sendable if text not in plain]), *plain]
    ids: list[str] = []
    for text in texts:
        lines = json.dumps({"item": {"a": text, text: "field"}}).encode() + b"\n"
        ids.append(upload(http, "hostile.jsonl" if text in plain else text, lines))
    page.goto("/ui/files?search=hit")
    expect(page.get_by_role("rowheader").first).to_be_visible()
    for text, file_id in zip(texts, ids, strict=True):
        visit(page, f"/ui/files/{file_id}")
        name = http.get(f"/v1/files/{file_id}").json()["filename"]
        expect(page.get_by_role("heading", level=1)).to_have_text(shown(name))
        cells = page.get_by_role("region", name="Table of rows").locator("td")
        expect(cells.first).to_have_text(shown(text))
        expect(page.get_by_role("columnheader").nth(2)).to_have_text(shown(text))
    assert seen == []


def test_no_text_of_a_call_is_executed_and_each_is_shown(page: Page, http: httpx2.Client, seen: list[str]) -> None:
    texts = joined([text for text in HOSTILE_TEXTS if "\ud800" not in text and "\x00" not in text])
    send(http, [chat(number, text, text, metadata={"hostile": text[:500]}) for number, text in enumerate(texts)])
    page.goto("/ui/logs?metadata=%5B%22hostile%3D__proto__%22%5D")
    table = page.get_by_role("region", name="Table of calls")
    expect(table.locator("tbody tr")).to_have_count(1)
    visit(page, "/ui/logs")
    expect(table.locator("tbody tr")).to_have_count(len(texts))
    for number, text in enumerate(texts):
        visit(page, f"/ui/logs/chatcmpl-{number}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_role("region", name="Conversation")).to_contain_text(shown(text))
        expect(page.get_by_role("region", name="Metadata")).to_contain_text(shown(text[:500]))
    assert seen == []


def test_no_name_url_or_answer_of_a_webhook_is_executed_and_each_is_shown(
    page: Page, http: httpx2.Client, seen: list[str]
) -> None:
    names = fitting(HOSTILE_TEXTS, 256)
    ids: dict[str, str] = {}
    for text in names:
        body = {"name": text, "url": "https://example.org/hook", "event_types": ["eval.run.failed"]}
        made = http.post("/v1/webhook_endpoints", content=json.dumps(body))
        assert made.status_code == 200, made.text
        ids[text] = made.json()["id"]
    addresses: list[str] = []
    for text in HOSTILE_TEXTS:
        url = f"https://example.org/?{text}"
        body = {"name": "hostile address", "url": url, "event_types": ["eval.run.failed"]}
        made = http.post("/v1/webhook_endpoints", content=json.dumps(body))
        assert made.status_code in {200, 400}, made.text
        addresses += [url] if made.is_success else []
    assert len(addresses) >= 20
    page.goto("/ui/webhooks")
    table = page.get_by_role("region", name="Webhooks")
    table.get_by_role("rowheader").first.wait_for()
    settle(page)
    assert {shown(text) for text in names} <= set(table.get_by_role("rowheader").all_text_contents())
    assert {shown(url) for url in addresses} <= set(table.locator(".c-address").all_text_contents())
    for text in names:
        visit(page, f"/ui/webhooks/{ids[text]}")
        expect(page.get_by_role("heading", level=1)).to_have_text(shown(text))

    reply = " ".join(text for text in HOSTILE_TEXTS if len(text) < 200 and "\ud800" not in text)[:900]
    with WebhookReceiver(500) as receiver:
        receiver.reply = reply.encode()[:900]
        body = {"name": "answers", "url": receiver.hook, "event_types": ["eval.run.succeeded"]}
        made = sent(http, "/v1/webhook_endpoints", body)
        parent = make_eval(http, HOSTILE_TEXTS[0])
        run = run_items(http, parent, HOSTILE_TEXTS[0], [{"question": "x", "expected": "x", "verdict": "x"}])
        visit(page, f"/ui/webhooks/{made['id']}")
        row = page.get_by_role("region", name="Log", exact=True).locator("tbody tr")
        expect(row).to_contain_text(run)
        row.get_by_text(re.compile(r"^\d+ attempts?$")).click()
        expect(row.get_by_role("listitem").first).to_contain_text(shown(receiver.reply.decode()))
    assert seen == []


def test_no_name_of_a_key_a_project_or_a_person_is_executed_and_each_is_shown(
    page: Page, http: httpx2.Client, server: Server, seen: list[str]
) -> None:
    """The last one here: from the first key on, nothing is open to requests without one."""
    names = fitting(HOSTILE_TEXTS, 200)
    headers: dict[str, str] = {}

    def made(path: str, body: dict[str, str]) -> httpx2.Response:
        answer = http.post(path, content=json.dumps(body), headers=headers)
        assert answer.is_success, answer.text
        return answer

    key = made("/api/admin_keys", {"name": HOSTILE_TEXTS[0]}).json()["value"]
    headers = {"authorization": f"Bearer {key}"}
    for text in names:
        made("/api/keys", {"name": text})
        made("/v1/organization/projects", {"name": text})
    with contextlib.closing(sqlite3.connect(server.database_path, timeout=30)) as database, database:
        columns = "public_id, issuer, subject, email, name, created_at, is_email_verified"
        for number, text in enumerate(names):
            issuer, named = text.encode("utf-8", "replace").decode(), json.dumps(text)
            row = (f"user-{number}", issuer, str(number), named, named, 1, 1)
            database.execute(f"insert into people ({columns}) values (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - those columns
    for number in range(len(names)):
        made("/api/members", {"person": f"user-{number}", "role": "viewer"})

    told = [shown(text) for text in names]
    page.set_extra_http_headers(headers)
    page.goto("/ui/keys")
    rows = page.get_by_role("region", name="Table of keys").get_by_role("rowheader")
    expect(rows).to_have_text(told[::-1])
    visit(page, "/ui/projects")
    rows = page.get_by_role("region", name="Table of projects").get_by_role("rowheader")
    expect(rows).to_have_count(len(names) + 1)
    assert all(any(text in name for name in rows.all_text_contents()) for text in told)
    visit(page, "/ui/members")
    members = page.get_by_role("region", name="Members").locator("tbody tr")
    expect(members.get_by_role("rowheader")).to_have_text(told)
    expect(members.locator("td:nth-of-type(1)")).to_have_text(told)
    visit(page, "/ui/audit?of=organization")
    entries = page.get_by_role("region", name="Table of entries").locator("tbody tr")
    expect(entries.first).to_contain_text("a member")
    for text in told:
        expect(entries.filter(has_text=text).first).to_be_visible()

    # Who is nobody is asked for a key, and told of no more than the address says.
    page.set_extra_http_headers({})
    for text in (HOSTILE_TEXTS[0], "javascript:hit()", "//example.org/"):
        page.goto("/ui/login?" + str(httpx2.QueryParams(problem=text, request=text, to=text)))
        expect(page.get_by_role("heading", name="Log in to Evalhaven")).to_be_visible()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Log in with the key").click()
    expect(page.get_by_role("navigation", name="Main").get_by_role("button", name=HOSTILE_TEXTS[0])).to_be_visible()
    assert page.url.startswith(server.url)
    assert seen == []


def _verdict(text: str) -> dict[str, object]:
    return {"steps": [{"description": text, "conclusion": text}], "result": 4}
