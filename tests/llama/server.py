"""The fixture `llama_server`: llama.cpp's server in a process of its own, once a session."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx2
import pytest

LLAMA_MODULE = "xllamacpp"
MODEL = "random-text"

_REPOSITORY = Path(__file__).resolve().parents[2]
_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.01


class LlamaServer:
    """A server that is up.

    Attributes:
        address: Where it listens, such as http://127.0.0.1:12345.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    @property
    def base_url(self) -> str:
        """The base URL to give to OpenAI's clients."""
        return f"{self.address}/v1"

    @property
    def written_tokens(self) -> int:
        """How many tokens it has written; each request that reached it has added some."""
        text = httpx2.get(f"{self.address}/metrics").raise_for_status().text
        values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return int(values["llamacpp:tokens_predicted_total"])


@contextlib.contextmanager
def running_llama(log_path: Path) -> Generator[LlamaServer]:
    """Start a server for a block; what it logs is added to a file."""
    command = [sys.executable, "-m", "tests.llama", "--port", "0"]
    with (
        log_path.open("ab") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=_REPOSITORY, text=True
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(f"llama.cpp's server did not start:\n{log_path.read_text(errors='replace')}")
            _wait_until_ready(address)
            yield LlamaServer(address)
        finally:
            process.stdin.close()
            try:
                process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    with httpx2.Client(base_url=address, timeout=5, trust_env=False, verify=False) as probe:  # as in tests/server.py
        while probe.get("/health").status_code != 200:
            if time.monotonic() > deadline:
                raise RuntimeError(f"llama.cpp's server was not ready within {_READY_TIMEOUT_S:.0f} s")
            time.sleep(_POLL_S)


@pytest.fixture(scope="session")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    """Run a server for the whole session; skip where this machine has none."""
    pytest.importorskip(LLAMA_MODULE, reason=f"{LLAMA_MODULE} has no wheel for this machine", exc_type=ImportError)
    with running_llama(tmp_path_factory.mktemp("llama") / "llama.log") as server:
        yield server
