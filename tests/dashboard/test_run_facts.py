"""What a run's page says before its figures: errors, where samples come from, what cannot be reached."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.dashboard.conftest import Tickets, judge, picture
from tests.dashboard.judged import ended, make_eval, run_items
from tests.server import Server


def created(http: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = http.post(path, content=json.dumps(body))
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def eval_of(criterion: dict[str, Any]) -> dict[str, Any]:
    config = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
    return {"name": "Facts", "data_source_config": config, "testing_criteria": [criterion]}


def test_a_run_with_errors_never_looks_clean(page: Page, http: httpx2.Client) -> None:
    check = {"type": "string_check", "name": "s", "input": "a", "reference": "a", "operation": "eq"}
    nothing = {"type": "multi", "name": "no value", "graders": {"s": check}, "calculate_output": "1 / (s - 1)"}
    parent = created(http, "/v1/evals", eval_of(nothing))
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"a": 1}}]}}
    run = created(http, f"/v1/evals/{parent['id']}/runs", {"name": "Errors", "data_source": source})
    page.goto(f"/ui/evals/{parent['id']}/runs/{run['id']}")

    expect(page.locator(".facts-line")).to_contain_text("1 error")
    errors = page.get_by_role("region", name="Errors")
    expect(errors.get_by_role("row").nth(1)).to_contain_text("error")
    expect(page.get_by_text("not counted as failed")).to_be_visible()
    untold = page.get_by_role("region", name="What cannot be told")
    expect(untold).to_contain_text("1 item erred: whether it passes is not known.")
    expect(page.get_by_role("button", name="Retry 1")).to_be_visible()
    judge(page)


def test_a_regraded_run_leads_to_the_run_whose_samples_it_grades(page: Page, http: httpx2.Client) -> None:
    parent = make_eval(http, "Regraded")
    first = run_items(http, parent, "Before", [{"question": "What is 2 + 3?", "expected": "5", "verdict": ""}])
    run = created(http, f"/api/runs/{first}/regrade", {"name": "Graded again"})
    page.goto(f"/ui/evals/{parent}/runs/{run['id']}")
    expect(page.get_by_text("graded by the eval's criteria")).to_be_visible()
    page.locator(".facts-line").get_by_role("link").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Before")


def test_items_and_the_report_are_downloaded(page: Page, http: httpx2.Client, tickets: Tickets) -> None:
    run = http.get(f"/api/runs/{tickets.second}?rows=false").json()

    def downloaded(name: str) -> str:
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert tickets.second in download.value.suggested_filename
        return download.value.path().read_text()

    page.goto(f"{tickets.run_page(tickets.second)}/items?status=fail&sort=score&order=desc&text=ACCOUNT")
    export = page.get_by_role("button", name="Export")
    seen = {"status": "fail", "sort": "score", "order": "desc", "text": "account", "limit": 500}
    rows = http.get(f"/api/runs/{tickets.second}/items", params=seen).json()["data"]
    lines: dict[str, list[str]] = {}
    for name in ("These items JSONL", "All items JSONL", "These items CSV"):
        export.click()
        lines[name] = downloaded(name).splitlines()
    chosen, every, table = lines.values()
    assert [json.loads(line)["id"] for line in chosen] == [row["id"] for row in rows]
    assert 0 < len(chosen) < run["result_counts"]["failed"]
    assert len(every) == run["result_counts"]["total"]
    assert "status" in table[0].split(",")
    export.click()
    judge(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="More actions").click()
    assert "<title>" in downloaded("Report in one file HTML")


def test_a_field_of_any_number_of_values_is_broken_down_with_progress_until_it_is_canceled(
    page: Page, http: httpx2.Client
) -> None:
    check = {"type": "string_check", "name": "s", "input": "{{item.a}}", "reference": "y", "operation": "eq"}
    rows: list[dict[str, Any]] = [{"item": {"a": "n" if n < 4 else "y", "id": n // 2}} for n in range(404)]
    rows += [{"item": {"a": "y", "id": 7}}, {"item": {"a": "y", "id": "7"}}]
    parent = created(http, "/v1/evals", eval_of(check))
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    run = ended(http, created(http, f"/v1/evals/{parent['id']}/runs", {"name": "Many values", "data_source": source}))
    asked = "**/breakdown?*"
    page.route(asked, lambda _route: None)
    page.goto(f"/ui/evals/{parent['id']}/runs/{run['id']}?by=id")
    broken_down = page.get_by_role("region", name="Rate by")
    expect(broken_down.get_by_role("progressbar")).to_be_visible()
    judge(page)
    broken_down.get_by_role("button", name="Cancel").click()
    page.unroute(asked)
    broken_down.get_by_role("button", name="Start again").click()
    expect(broken_down.get_by_role("row").nth(1)).to_contain_text("7")
    expect(broken_down.get_by_role("row").nth(1).get_by_role("cell").first).to_have_text("3")
    expect(broken_down).to_contain_text("The 12 largest of 203 values.")
    expect(broken_down.get_by_role("progressbar")).to_have_count(0)
    picture(page, "run-breakdown")


def test_groups_stand_in_the_order_of_their_values_and_scores_beside_what_they_need(
    page: Page, http: httpx2.Client
) -> None:
    similar = {
        "type": "text_similarity",
        "name": "similar",
        "input": "{{ item.a }}",
        "reference": "abcdef",
        "evaluation_metric": "fuzzy_match",
        "pass_threshold": 0.7,
    }
    parent = created(http, "/v1/evals", eval_of(similar))
    sizes = ["10", "10", "10", "9", "9", "2 or less", None]
    rows = [{"item": {"a": "abcdef"[: place % 6 + 1], "size": size}} for place, size in enumerate(sizes)]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    run = created(http, f"/v1/evals/{parent['id']}/runs", {"name": "Sizes", "data_source": source})
    page.goto(f"/ui/evals/{parent['id']}/runs/{run['id']}?by=size")

    groups = page.get_by_role("region", name="Rate by").get_by_role("rowheader")
    expect(groups).to_have_text(["2 or less", "9", "10", "(none)"])
    scores = page.get_by_role("region", name="Scores")
    expect(scores.get_by_role("img")).to_have_accessible_name(re.compile("needs 0.7"))
    page.goto(f"/ui/evals/{parent['id']}/runs/{run['id']}/items")
    expect(page.get_by_role("columnheader", name="similar")).to_be_visible()


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Server]:
    """A server whose models are at an address where nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        with Server(tmp_path, EVALHAVEN_UPSTREAM_BASE_URL=address).running() as running:
            yield running


def test_an_endpoint_that_cannot_be_reached_is_named_at_once(browser: Browser, lonely: Server) -> None:
    check = {"type": "string_check", "name": "s", "input": "a", "reference": "a", "operation": "eq"}
    source = {
        "type": "completions",
        "model": "far",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "?"}]},
        "source": {"type": "file_content", "content": [{"item": {}}] * 3},
    }
    with httpx2.Client(base_url=lonely.url) as http:
        parent = created(http, "/v1/evals", eval_of(check))
        run = created(http, f"/v1/evals/{parent['id']}/runs", {"name": "Alone", "data_source": source})
    context = browser.new_context(base_url=lonely.url)
    page = context.new_page()
    page.goto(f"/ui/evals/{parent['id']}/runs/{run['id']}")

    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("cannot be reached since", timeout=30_000)
    expect(alert).to_contain_text("no connection to 127.0.0.1")
    expect(alert).to_contain_text("none of those that wait is counted as an error")
    page.get_by_role("link", name="Events").click()
    life = page.get_by_role("region", name="What happened to the run")
    expect(life.get_by_role("row").last).to_contain_text(re.compile("cannot be reached .*no connection to 127.0.0.1"))
    context.close()
