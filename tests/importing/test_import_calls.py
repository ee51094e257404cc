"""`evalhaven logs import`: calls of a file are stored once, through a server or without one."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server import Server
from tests.system.commands import call_command

COUNT = 5_000


def line(number: int) -> str:
    reply: dict[str, Any] = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()) - number,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ü"}, "finish_reason": "stop"}],
    }
    return json.dumps(
        {"request": {"model": "m", "messages": [{"role": "user", "content": str(number)}]}, "reply": reply}
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file of calls; its third line is not a call."""
    lines = [line(number) for number in range(COUNT)]
    lines[2] = "{"
    path = tmp_path / "calls.jsonl"
    path.write_text("\n".join(lines))
    return path


def told(done: Any) -> str:
    return " ".join(done.stdout.split())


def test_calls_of_a_file_are_stored_once_without_a_server(path: Path, tmp_path: Path) -> None:
    options = ("--data-dir", str(tmp_path / "data"))
    checked = call_command("logs", "import", str(path), "--check", *options)
    assert (checked.returncode, checked.stderr) == (3, "")
    assert told(checked).startswith("Would be: 4,999 stored, 0 known already, 1 refused. line 3: it is not JSON")
    first = call_command("logs", "import", str(path), *options)
    assert first.returncode == 3
    assert told(first).startswith("Calls: 4,999 stored, 0 known already, 1 refused. line 3: it is not JSON")
    packed = tmp_path / "calls.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    again = call_command("logs", "import", str(packed), "--from-line", "4", *options)
    assert (again.returncode, told(again)) == (0, "Calls: 0 stored, 4,997 known already, 0 refused.")
    status = call_command("logs", "status", *options)
    assert "Stored calls: 4,999 in" in told(status)


def test_an_import_that_the_server_ends_says_where_to_go_on(path: Path, tmp_path: Path) -> None:
    refused = call_command("logs", "import", str(path), "--url", "http://127.0.0.1:9", "--from-line", "7")
    assert refused.returncode == 1
    assert "Until then: 0 stored, 0 known already, 0 refused." in told(refused)
    assert "--from-line 7" in told(refused)
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(path.read_bytes(), 1)[:-100])
    cut = call_command("logs", "import", str(broken), "--data-dir", str(tmp_path / "data"))
    assert cut.returncode == 1
    assert "--from-line 4001" in told(cut)


def test_a_server_that_does_not_answer_is_named(path: Path) -> None:
    failed = call_command("logs", "import", str(path), "--url", "http://127.0.0.1:9")
    assert failed.returncode == 1
    assert "The server at http://127.0.0.1:9 does not answer:" in " ".join(failed.stderr.split())
    assert "--from-line 1" in told(failed)


def test_calls_of_a_file_go_through_the_server_of_the_directory(path: Path, tmp_path: Path) -> None:
    with Server(tmp_path).running() as server:
        done = call_command("logs", "import", str(path), "--data-dir", str(server.data_dir))
        assert told(done).startswith("Calls: 4,999 stored, 0 known already, 1 refused.")
        assert httpx2.get(f"{server.url}/api/logs").json()["stored"]["calls"] == 4_999
        assert "Traceback" not in server.log
