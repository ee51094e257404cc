"""Facts about replies that real servers have sent and that HTTP does not want: what a call makes of each.

`odd_replies.json` says it by name: the text of the answer, or the code of the item's error and the reason for it.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from evalhaven.sampling.calls.caller import CallFailedError, ModelCaller
from evalhaven.sampling.catalog import Endpoint, Target
from evalhaven.sampling.messages.making import CHAT_PATH
from evalhaven.sampling.protocols.replies import read_reply

_TABLE: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("odd_replies.json").read_text())


@pytest.fixture(scope="module")
def cases(shared_dir: Path) -> Path:
    return shared_dir / "cases"


@pytest.fixture(scope="module")
def server(cases: Path) -> Iterator[str]:
    """Run the server of odd replies; return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    child = subprocess.Popen([sys.executable, str(cases / "http_quirks.py"), str(port)])
    try:
        ends = time.monotonic() + 30
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            assert child.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.terminate()
        child.wait()


async def outcome_of(caller: ModelCaller, url: str, name: str) -> dict[str, str]:
    """Ask once for a reply; return the answer, or the error that an item would show."""
    endpoint = Endpoint("odd", f"{url}/{name}/v1", timeout_s=20, retry_for_s=0)
    body = b"{}" + b" " * (5_000_000 if name.startswith("early") else 0)
    try:
        called = await caller.call(Target(endpoint, name), CHAT_PATH, body, partial(read_reply, CHAT_PATH))
    except CallFailedError as error:
        return {"error": error.error.code}
    message: Any = called.value.output[0]
    return {"answer": message["content"]}


@pytest.mark.parametrize("name", _TABLE)
async def test_odd_reply_is_what_the_table_says_twice(server: str, name: str) -> None:
    async with ModelCaller() as caller:
        outcomes = [await outcome_of(caller, server, name) for _ in range(2)]
    expected = {key: value for key, value in _TABLE[name].items() if key != "because"}
    assert outcomes == [expected, expected]


def test_each_refusal_has_a_reason() -> None:
    assert [name for name, row in _TABLE.items() if ("error" in row) != bool(row.get("because"))] == []


def test_every_reply_is_in_the_table_and_what_two_of_three_clients_read_is_read(cases: Path) -> None:
    known: dict[str, dict[str, Any]] = json.loads((cases / "http_quirks.json").read_text(encoding="utf-8"))
    assert _TABLE.keys() == known.keys()
    libraries = ("httpx", "aiohttp", "pyqwest")
    read = {name for name, row in known.items() if sum(row[each].endswith(" ok") for each in libraries) > 1}
    # Their statuses are no success, or say that something is missing, whatever the body says.
    unsuccessful = {"s600", "s999"}
    assert sorted(name for name in read - unsuccessful if "error" in _TABLE[name]) == []
