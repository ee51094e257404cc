"""Lists that are longer than what is shown at first say so, and show the rest on demand."""

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.dashboard.conftest import visit
from tests.dashboard.judged import ended, sent

_PAGE, _ALL = 2, 3
_NAME = "One of several"


@pytest.fixture(scope="module")
def eval_id(http: httpx2.Client) -> str:
    """Three evals, files and runs, which no other test's name is like; the id of the eval with the runs."""
    body = {
        "name": _NAME,
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [
            {"type": "string_check", "name": "c", "input": "{{ item.a }}", "reference": "1", "operation": "eq"}
        ],
    }
    ids = [sent(http, "/v1/evals", body)["id"] for _ in range(_ALL)]
    source: dict[str, Any] = {"type": "file_content", "content": [{"item": {"a": "1"}}]}
    for _ in range(_ALL):
        run = {"name": _NAME, "data_source": {"type": "jsonl", "source": source}}
        ended(http, sent(http, f"/v1/evals/{ids[0]}/runs", run))
        file = {"file": (f"{_NAME}.jsonl", b'{"item": {"a": "1"}}\n')}
        http.post("/v1/files", files=file, data={"purpose": "evals"}).raise_for_status()
    return ids[0]


def test_every_list_says_that_there_are_more_and_shows_them(page: Page, eval_id: str) -> None:
    def ask_for_less(route: Route) -> None:
        route.continue_(url=re.sub(r"\blimit=(50|100)\b", f"limit={_PAGE}", route.request.url))

    page.route(re.compile(r"/api/(evals|runs|files)\?"), ask_for_less)
    page.goto("/ui/evals?search=nothing+is+called+so")
    for address, noun, beginning in (
        (f"/ui/evals?search={_NAME}", "eval", "the first "),
        (f"/ui/evals/{eval_id}", "run", "the first "),
        (f"/ui/runs?search={_NAME}", "run", "the first "),
        (f"/ui/files?search={_NAME}", "file", "the newest "),
    ):
        visit(page, address)
        rows = page.get_by_role("rowheader")
        more = page.get_by_role("button", name="Show more")
        expect(page.get_by_text(re.compile(rf"^{beginning}{_PAGE} {noun}s\b"))).to_be_visible()
        expect(rows).to_have_count(_PAGE)
        more.click()
        expect(rows).to_have_count(_ALL)
        expect(page.get_by_text(re.compile(rf"^{_ALL} {noun}s\b"))).to_be_visible()
        expect(more).to_be_hidden()
