"""What users and models wrote is shown, letter by letter, and none of it is executed."""

import json
from collections.abc import Iterator, Sequence

import httpx2
import pytest
from playwright.sync_api import Dialog, Page, expect

from tests.dashboard.conftest import Tab, settle, visit
from tests.dashboard.judged import CONFIG, make_eval, run_items
from tests.server import Server

HOSTILE_TEXTS = (
    "<script>hit()</script>",
    "<img src=x onerror=hit()>",
    "<svg onload=hit()>",
    "<svg><script>hit()</script></svg>",
    "<iframe srcdoc='<script>parent.hit()</script>'>",
    "<iframe src=javascript:hit()>",
    "<a href=javascript:hit()>x</a>",
    "[x](javascript:hit())",
    "![x](javascript:hit())",
    "![x](x onerror=hit())",
    "javascript:hit()",
    "data:text/html,<script>hit()</script>",
    "'-hit()-'",
    '"-hit()-"',
    '" autofocus onfocus=hit() x="',
    "' onmouseover=hit() x='",
    "`${hit()}`",
    "${hit()}",
    "{{hit()}}",
    "{{constructor.constructor('hit()')()}}",
    "<%= hit() %>",
    "]]><script>hit()</script>",
    "<!--><script>hit()</script>-->",
    "</title><script>hit()</script>",
    "</style><script>hit()</script>",
    "</script><script>hit()</script>",
    "</textarea><script>hit()</script>",
    "<style>@import 'x';*{background:url(javascript:hit())}</style>",
    "<link rel=stylesheet href=javascript:hit()>",
    "<base href=javascript:hit()//>",
    "<meta http-equiv=refresh content='0;url=javascript:hit()'>",
    "<form action=javascript:hit()><button autofocus>x</form>",
    "<details open ontoggle=hit()>",
    "<video><source onerror=hit()></video>",
    "<audio src=x onerror=hit()>",
    "<object data=javascript:hit()>",
    "<embed src=javascript:hit()>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=hit()>",
    "<marquee onstart=hit()>",
    "<body onload=hit()>",
    "<input autofocus onfocus=hit()>",
    "<xss style=animation-name:x onanimationstart=hit()>",
    "&lt;script&gt;hit()&lt;/script&gt;",
    "\\u003cscript\\u003ehit()\\u003c/script\\u003e",
    "%3Cscript%3Ehit()%3C/script%3E",
    "\uff1cscript\uff1ehit()\uff1c/script\uff1e",
    "\u202egnirts desrever",
    "\u2066hidden\u2069",
    "a\u200bb\ufeffc",
    "\x1b[31mred\x1b[0m",
    "bell\x07 and null\x00",
    "\ud800 alone",
    "Z̷͎͝a̵͔͗l̶͚̓g̸̞͛o̶͉͝",
    "x" * 4000,
    "../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "constructor",
)
# What means something only where nothing stands beside it: as a key, an address, a path, a cell or the whole of a line.
_ALONE = (
    "javascript:hit()",
    "data:text/html,<script>hit()</script>",
    "x" * 4000,
    "../../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "__proto__",
    "constructor",
)
_SIDE_BY_SIDE = 6
_SHOWN = {
    "\u202egnirts desrever": "U+202Egnirts desrever",
    "\u2066hidden\u2069": "U+2066hiddenU+2069",
    "a\u200bb\ufeffc": "aU+200BbU+FEFFc",
    "\x1b[31mred\x1b[0m": "␛[31mred␛[0m",
    "bell\x07 and null\x00": "bell␇ and null␀",
    "\ud800 alone": "U+D800 alone",
}


def joined(texts: Sequence[str]) -> list[str]:
    """Return all the texts in fewer, some side by side, since every page that is opened costs."""
    others = [text for text in texts if text not in _ALONE]
    starts = range(0, len(others), _SIDE_BY_SIDE)
    return [
        *(" ".join(others[start : start + _SIDE_BY_SIDE]) for start in starts),
        *(text for text in texts if text in _ALONE),
    ]


TEXTS = joined(HOSTILE_TEXTS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, so that other pages do not list all of this."""
    directory = tmp_path_factory.mktemp("hostile")
    config = directory / "evalhaven.toml"
    config.write_text(CONFIG)
    with Server(directory, EVALHAVEN_CONFIG=str(config)).running() as running:
        yield running
        assert "Traceback" not in running.log


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


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


def shown(text: str) -> str:
    for raw, told in _SHOWN.items():
        text = text.replace(raw, told)
    return text


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
    assert seen == []


def _verdict(text: str) -> dict[str, object]:
    return {"steps": [{"description": text, "conclusion": text}], "result": 4}
