"""The backup of docs/how-to/back-up.md: taken from a busy server, it starts with all that was there."""

import re
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2

from tests.server import Server, show_server_logs

pytest_runtest_makereport = show_server_logs

BACKUP = re.compile(r"sqlite3 evalhaven-data/evalhaven\.db \"(VACUUM INTO '(backup/evalhaven\.db)')\"")
ITEMS = 2_000
EVAL: dict[str, Any] = {
    "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
    "testing_criteria": [
        {"type": "string_check", "name": "a", "input": "1", "operation": "eq", "reference": "{{ item.a }}"}
    ],
}


def ended_run(http: httpx2.Client, path: str) -> dict[str, Any]:
    """Return a run once it has ended."""
    deadline = time.monotonic() + 60
    while (run := http.get(path).json())["status"] in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return run


def take_backup(page: Path, server: Server, directory: Path) -> Path:
    """Do what the page says, with the library in place of the `sqlite3` command; return the new data directory."""
    match = BACKUP.search(page.read_text(encoding="utf-8"))
    assert match
    copy = directory / match[2]
    copy.parent.mkdir(parents=True)
    with closing(sqlite3.connect(server.database_path)) as connection:
        connection.execute(match[1].replace(match[2], str(copy)))
    shutil.copytree(server.data_dir / "blobs", copy.parent / "blobs")
    return copy.parent


def test_a_backup_of_a_busy_server_has_everything_and_its_run_goes_on(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    rows = [{"item": {"a": number % 2}} for number in range(ITEMS)]
    body = {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}
    with Server(tmp_path / "first").running() as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        form = {"file": ("rows.jsonl", b"some bytes")}
        file = http.post("/v1/files", data={"purpose": "evals"}, files=form).json()
        parent = http.post("/v1/evals", json=EVAL).json()
        run = http.post(f"/v1/evals/{parent['id']}/runs", json=body).json()
        backup = take_backup(repository / "docs" / "how-to" / "back-up.md", server, tmp_path)
    restored = Server(tmp_path / "second")
    shutil.copytree(backup, restored.data_dir)
    with restored.running(), httpx2.Client(base_url=restored.url, timeout=30) as http:
        ended = ended_run(http, f"/v1/evals/{parent['id']}/runs/{run['id']}")
        content = http.get(f"/v1/files/{file['id']}/content").content

    assert (ended["status"], ended["result_counts"]["passed"]) == ("completed", ITEMS // 2)
    assert ended["data_source"]["source"]["content"] == rows
    assert content == b"some bytes"
