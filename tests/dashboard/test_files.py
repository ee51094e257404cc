"""The list of files and the page of one, by mouse and by keyboard alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.conftest import THEMES, Look, enlarge_and_print, judge, picture, running_server, settle, visit
from tests.dashboard.judged import sent
from tests.server import Server

_ROWS = [{"item": {"question": f"What is {number} + 1?", "right": str(number + 1)}} for number in range(3000)]
_LINES = "".join(json.dumps(row) + "\n" for row in _ROWS).encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of these tests' own, since they count its files."""
    with running_server(tmp_path_factory.mktemp("files")) as running:
        yield running


def upload(http: httpx2.Client, name: str, lines: bytes) -> str:
    answer = http.post("/v1/files", files={"file": (name, lines)}, data={"purpose": "evals"})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def test_a_file_is_uploaded_looked_at_downloaded_and_deleted(
    page: Page, look: Look, server: Server, tmp_path: Path
) -> None:
    look("/ui/files", "files-empty")
    expect(page.get_by_role("region", name="Python snippet")).to_contain_text(f'base_url="{server.url}/v1"')
    path = tmp_path / "sums.jsonl"
    path.write_bytes(_LINES)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload").click()
    chooser.value.set_files(path)
    row = page.get_by_role("region", name="Table of files").get_by_role("row", name="sums.jsonl")
    expect(row).to_contain_text("no run")

    row.get_by_role("link", name="sums.jsonl").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("sums.jsonl")
    rows = page.get_by_role("region", name="Table of rows").get_by_role("row")
    expect(rows).to_have_count(21)
    expect(rows.nth(1)).to_contain_text("What is 0 + 1?")
    expect(page.get_by_text("its beginning; the download has all of it")).to_be_visible()
    written = page.get_by_text('{"item": {"question": "What is 0 + 1?"')
    expect(written).to_be_hidden()
    page.get_by_role("heading", name="As it is written").click()
    expect(written).to_be_visible()
    page.reload()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "sums.jsonl"
    assert Path(download.value.path()).read_bytes() == _LINES

    page.get_by_role("button", name="Delete").click()
    judge(page, THEMES)
    picture(page, "file-delete")
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete the file").click()
    expect(page.get_by_role("heading", name="No files yet")).to_be_visible()


def test_the_keyboard_alone_leads_to_a_file_and_the_run_that_read_it(
    page: Page, look: Look, http: httpx2.Client
) -> None:
    file_id = upload(http, "read.jsonl", _LINES[: _LINES.index(b"\n", 200) + 1])
    body = {
        "name": "Sums",
        "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
        "testing_criteria": [
            {"type": "string_check", "name": "c", "input": "{{ item.right }}", "reference": "1", "operation": "eq"}
        ],
    }
    parent = sent(http, "/v1/evals", body)["id"]
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
    sent(http, f"/v1/evals/{parent}/runs", {"name": "Reader", "data_source": source})
    upload(http, "notes.txt", b'{"item": {"a": 1}}\n')

    page.goto("/ui/evals")
    settle(page)
    page.keyboard.press("g")
    page.keyboard.press("f")
    expect(page.get_by_role("rowheader")).to_have_count(2)
    for key in ("j", "j", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_role("heading", level=1)).to_have_text("read.jsonl")
    expect(page.get_by_role("region", name="Read by")).to_contain_text("Reader of Sums")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_have_text("Files")
    look("/ui/files", "files")
    look(f"/ui/files/{file_id}", "file")
    enlarge_and_print(page, "file")
    visit(page, "/ui/files/file-none")
    expect(page.get_by_role("alert")).to_contain_text("file-none")
    judge(page)
