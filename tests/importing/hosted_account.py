"""Fills the hosted stand-in with evals, runs and files, and compares archives with it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2

from evalhaven.importers.archive import Archive
from tests.importing.hosted_standin import KEY
from tests.system.client import CRITERIA, ITEM_SCHEMA, Client, item_rows
from tests.system.commands import call_command

JsonObject = dict[str, Any]

INCOMPLETE = 3
INTERRUPTED = 130
_TIMEOUT_S = 3_600


class Account:
    """What was put into the stand-in through its own server."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.run_ids: list[tuple[str, str]] = []

    def fill(self, evals: int, runs: int, items: int) -> None:
        """Create evals, with the runs spread over them; every fifth run reads a file, the others inline rows.

        The first run has a quarter of all items, so that there is one of many pages.
        """
        eval_ids = [self.create_eval(f"eval {n}", {"team": "a" if n % 2 else "b"}) for n in range(evals)]
        large = items // 4
        rows = [{"item": item} for item in item_rows(large)]
        for n in range(runs):
            own = rows if n == 0 else rows[: (items - large) // (runs - 1) + (n <= (items - large) % (runs - 1))]
            content = "\n".join(map(json.dumps, own)).encode() + b"\n" * (n % 7)
            file_id = self.client.upload(content) if n % 5 == 0 else None
            self.create_run(eval_ids[n % evals], own, {"number": str(n)}, file_id)
        for eval_id, run_id in self.run_ids:
            run = self.client.wait_for_end(eval_id, run_id, timeout_s=_TIMEOUT_S)
            assert run["status"] == "completed"

    def create_eval(self, name: str, metadata: dict[str, str] | None = None) -> str:
        config = {"type": "custom", "item_schema": ITEM_SCHEMA}
        body = {"name": name, "metadata": metadata or {}, "data_source_config": config, "testing_criteria": CRITERIA}
        return created(self.client.post("/v1/evals", json=body))["id"]

    def create_run(
        self, eval_id: str, rows: list[JsonObject], metadata: dict[str, str], file_id: str | None = None
    ) -> str:
        source = {"type": "file_id", "id": file_id} if file_id else {"type": "file_content", "content": rows}
        body = {"metadata": metadata, "data_source": {"type": "jsonl", "source": source}}
        run_id: str = created(self.client.post(f"/v1/evals/{eval_id}/runs", json=body))["id"]
        self.run_ids.append((eval_id, run_id))
        return run_id

    def list_all(self, path: str) -> Iterator[JsonObject]:
        """Yield every object of a list, as the server itself answers it."""
        query: dict[str, str | int] = {"order": "asc", "limit": 1000}
        while True:
            page = self.client.get(f"/v1{path}", params=query).raise_for_status().json()
            yield from page["data"]
            if not page["has_more"]:
                return
            query["after"] = page["last_id"]


def created(response: httpx2.Response) -> JsonObject:
    assert response.status_code == 201, response.text
    return response.json()


def assert_archive_equals_account(directory: Path, account: Account) -> dict[str, int]:
    """Compare every object of an archive with what the server lists; return the counts by kind."""
    archive = Archive.open(directory)
    assert list(archive.verify()) == []
    counts = {"evals": 0, "runs": 0, "output_items": 0, "files": 0}
    file_ids: set[str] = set()
    evals = list(map(json.loads, archive.evals()))
    assert evals == list(account.list_all("/evals"))
    for each in evals:
        counts["evals"] += 1
        runs = list(map(json.loads, archive.runs(each["id"])))
        assert runs == list(account.list_all(f"/evals/{each['id']}/runs"))
        for run in runs:
            counts["runs"] += 1
            items = list(map(json.loads, archive.output_items(run["id"])))
            assert items == list(account.list_all(f"/evals/{each['id']}/runs/{run['id']}/output_items"))
            counts["output_items"] += len(items)
            if run["data_source"]["source"]["type"] == "file_id":
                file_ids.add(run["data_source"]["source"]["id"])
    for file in archive.files():
        counts["files"] += 1
        assert json.loads(file.document) == account.client.get(f"/v1/files/{file.id}").json()
        assert file.content is not None
        assert file.content.read_bytes() == account.client.get(f"/v1/files/{file.id}/content").content
        file_ids.remove(file.id)
    assert file_ids == set()
    held = archive.manifest.counts
    assert counts == {name: held[name] for name in counts}
    return counts


def unit_states(directory: Path) -> dict[str, tuple[int, str]]:
    """Return the modification time and the hash of every file of an archive except the manifest."""
    paths = [path for path in directory.rglob("*") if path.is_file() and path.name not in ("manifest.json", ".lock")]
    return {
        str(path.relative_to(directory)): (path.stat().st_mtime_ns, sha256(path.read_bytes()).hexdigest())
        for path in paths
    }


def start_export(base_url: str | None, directory: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    """Start `evalhaven export-hosted` with the account's key."""
    command = [sys.executable, "-m", "evalhaven", *_words(base_url, directory, options)]
    own = ("EVALHAVEN_", "OPENAI_", "AZURE_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**inherited, "COLUMNS": "200", "OPENAI_API_KEY": KEY, **environment},
    )


def _words(base_url: str | None, directory: Path, options: Sequence[str]) -> list[str]:
    address = [] if base_url is None else ["--base-url", base_url]
    return ["export-hosted", "--to-dir", str(directory), *options, *address]


def export(base_url: str | None, directory: Path, *options: str, status: int = 0, **environment: str) -> str:
    """Export to the end, expect an exit status, return what was printed."""
    words = _words(base_url, directory, options)
    done = call_command(*words, directory=None, **{"OPENAI_API_KEY": KEY, **environment})
    output = done.stdout + done.stderr
    assert done.returncode == status, output
    assert KEY not in output
    return output
