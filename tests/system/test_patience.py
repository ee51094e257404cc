"""Commands wait while a server prepares what they ask for, as after the end of a large run."""

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from evalhaven.cli.asking import AnswerError, Asker
from tests.listening_endpoint import ListeningEndpoint
from tests.system.commands import call_command

RUN = f"evalrun_{'0' * 32}"
NOT_READY = "The items of run 'r' are still being prepared for comparisons. Ask again in a moment."
NO_BASELINE: tuple[int, Any] = (400, {"error": {"message": "There is no baseline.", "code": "no_baseline"}})


class PreparingServer(ListeningEndpoint):
    """A server that is not ready for some requests before it answers."""

    def __init__(self, code: str, times: int) -> None:
        super().__init__()
        self._code = code
        self._times = times

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]
        is_ready = len(self.requests) >= self._times
        refusal = {"error": {"message": NOT_READY, "code": self._code}}
        self.answers[path] = NO_BASELINE if is_ready else (400, refusal)
        super().answer(handler)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("gate", RUN, "--margin", "0.02"), "comparison_not_ready"),
        (("compare", RUN, RUN), "comparison_not_ready"),
        (("report", RUN, "--by", "topic", "-o", "report.html"), "report_not_ready"),
    ],
)
def test_a_command_waits_for_what_is_being_prepared_and_says_so_once(
    tmp_path: Path, command: tuple[str, ...], code: str
) -> None:
    with PreparingServer(code, times=2) as server:
        done = call_command(*command, "--url", server.url, directory=tmp_path)

    assert len(server.requests) == 3
    first, *rest = done.stderr.splitlines()
    said = "The items of run 'r' are still being prepared for comparisons."
    assert first == f"{said} Waiting for that, up to 300 s …"
    assert rest == ["Error: There is no baseline."]
    assert done.returncode == 64
    assert list(tmp_path.iterdir()) == []


def test_patience_ends() -> None:
    async def ask(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url) as client:
            await Asker(client, patience_s=0.5).ask("GET", "/api/compare")

    with PreparingServer("comparison_not_ready", times=1000) as server, pytest.raises(AnswerError) as refused:
        anyio.run(ask, server.url)

    assert (str(refused.value), refused.value.code) == (NOT_READY, "comparison_not_ready")
    assert len(server.requests) > 1


def test_another_refusal_is_not_waited_for() -> None:
    with PreparingServer("something_else", times=1000) as server:
        done = call_command("gate", RUN, "--margin", "0.02", "--url", server.url)

    assert (done.returncode, len(server.requests)) == (70, 1)
    assert done.stderr.startswith("Error: ")
