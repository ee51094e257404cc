"""How long clients wait that ask for a run once a second, beside a run that saturates the executor.

Then the same beside thousands of connections that send a byte now and then.
"""

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop
from rich.console import Console

from benchmarks.server import Server, started_server
from benchmarks.slow_connections import Slow
from benchmarks.tickets import write_rows
from benchmarks.verdicts import Verdict, print_verdicts, table

POLLERS = 200
SLOW = 10_000
P99_MS = 50.0
_ITEMS = 100_000
_WARM_UP_S = 3.0  # connections open, and the server compiles its statements
_SLOW_WARM_UP_S = 12.0  # the slow connections are there, and the first of them are refused
_PATIENCE_S = 10.0


@dataclass(slots=True)
class Polled:
    """What pollers saw.

    Attributes:
        name: Beside what they asked.
        waits_ms: Milliseconds from the moment at which a request was due to the end of its answer.
        errors: What went wrong instead of an answer.
        slow: What became of the slow connections; None without.
    """

    name: str
    waits_ms: list[float] = field(default_factory=list[float])
    errors: list[str] = field(default_factory=list[str])
    slow: Slow | None = None

    def percentile(self, share: float) -> float:
        """Return what so many of the waits are no longer than."""
        waits = sorted(self.waits_ms) or [float("inf")]
        return waits[min(len(waits) - 1, int(share * len(waits)))]


class _Poller(asyncio.Protocol):
    """A client as cheap as can be: the machine has few processors, and it shares them with what is measured."""

    transport: asyncio.Transport

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._answer: asyncio.Future[bytes] | None = None
        self._received = b""

    def ask(self) -> asyncio.Future[bytes]:
        self._answer = asyncio.get_running_loop().create_future()
        self._received = b""
        self.transport.write(self._request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or self._answer is None or self._answer.done():
            return
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        if len(body) >= length:
            self._answer.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("closed"))


def measure_pollers(seconds: float, slow: int, directory: Path, console: Console) -> list[Polled]:
    """Ask for a run 200 times a second while there is always one in progress, without and with slow connections.

    Args:
        seconds: How long to ask, each time.
        slow: How many slow connections there are the second time; with 0 there is no second time.
        directory: An empty directory for everything that is written.
        console: Where to say what is done.
    """
    rows = directory / "rows.jsonl"
    write_rows(rows, _ITEMS)
    with started_server(directory / "data", {"EVALHAVEN_GATEWAY": "off"}) as server:
        eval_id = server.create_eval()
        server.warm_up(eval_id)
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        polled_id = server.create_run(eval_id, source)
        port = server.client.base_url.port or 80
        path = f"/v1/evals/{eval_id}/runs/{polled_id}"
        found: list[Polled] = []
        with _always_a_run(server, eval_id, polled_id, source):
            console.print(f"asking with {POLLERS} pollers for {seconds:.0f} seconds …")
            found.append(_poll("a saturating run", port, path, seconds, _WARM_UP_S))
            if slow:
                console.print(f"again beside {slow:,} slow connections …")
                command = [sys.executable, "-m", "benchmarks.slow_connections", str(port), str(slow)]
                command.append(str(seconds + _SLOW_WARM_UP_S))
                with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
                    found.append(_poll(f"the run and {slow:,} slow connections", port, path, seconds, _SLOW_WARM_UP_S))
                    found[-1].slow = Slow(**json.loads(attacker.communicate(timeout=60)[0]))
    return found


def print_pollers(found: list[Polled], console: Console) -> None:
    """Print the table and the targets."""
    waits = table("Pollers beside", "Requests", "Errors", "p50 ms", "p99 ms", "p99.9 ms", "Longest ms")
    for each in found:
        figures = [f"{each.percentile(share):.1f}" for share in (0.5, 0.99, 0.999, 1.0)]
        waits.add_row(each.name, f"{len(each.waits_ms):,}", f"{len(each.errors):,}", *figures)
    console.print(waits)
    for each in found:
        for error in sorted(set(each.errors))[:3]:
            console.print(f"{each.name}: {error}")
        if each.slow is not None:
            said = f"{each.slow.most:,} open at once, {each.slow.opened:,} opened, {each.slow.refused:,} refused (408)"
            console.print(f"slow connections: {said}, {each.slow.failed:,} could not be opened")
    verdicts = [Verdict(f"p99 beside {each.name}, ms", each.percentile(0.99), P99_MS) for each in found[:1]]
    verdicts += [Verdict(f"errors beside {each.name}", len(each.errors), 0) for each in found]
    print_verdicts(verdicts, console)


@contextlib.contextmanager
def _always_a_run(server: Server, eval_id: str, run_id: str, source: dict[str, str]) -> Generator[None]:
    """Start a run whenever the last one has ended."""
    is_over = threading.Event()

    def keep_running(current: str) -> None:
        while not is_over.wait(0.5):
            if server.get_run(eval_id, current)["status"] not in ("queued", "in_progress"):
                current = server.create_run(eval_id, source)

    thread = threading.Thread(target=keep_running, args=(run_id,))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _poll(name: str, port: int, path: str, seconds: float, warm_up_s: float) -> Polled:
    polled = Polled(name)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    async def poll_all() -> None:
        loop = asyncio.get_running_loop()
        start = time.monotonic() + 0.5
        counted_from, end = start + warm_up_s, start + warm_up_s + seconds

        async def poll(number: int) -> None:
            client: _Poller | None = None
            due = start + number / POLLERS
            while due < end:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                try:
                    async with asyncio.timeout(_PATIENCE_S):
                        if client is None or client.transport.is_closing():
                            transport, client = await loop.create_connection(
                                lambda: _Poller(request), "127.0.0.1", port
                            )
                            client.transport = transport
                        head = await client.ask()
                    error = "" if head.startswith(b"HTTP/1.1 200") else head.partition(b"\r\n")[0].decode()
                except (OSError, TimeoutError) as failed:
                    error, client = f"{type(failed).__name__}: {failed}", None
                if due >= counted_from and error:
                    polled.errors.append(error)
                elif due >= counted_from:
                    polled.waits_ms.append(1000 * (time.monotonic() - due))
                due += 1.0

        await asyncio.gather(*(poll(number) for number in range(POLLERS)))

    gc.collect()
    gc.freeze()
    uvloop.run(poll_all())
    return polled
