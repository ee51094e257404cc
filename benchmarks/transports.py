"""What a request costs in each HTTP client: in ours, and in every other one that is installed.

    python -m benchmarks.transports --mock DIR [--clients evalhaven aiohttp …] [--json FILE]

DIR holds the source of a model endpoint, `mock.c`: a program that takes `port=` and `latency_ms=` and answers
`POST /v1/chat/completions`. It is compiled into a temporary directory, so gcc is needed.

Each client sends requests of 600 bytes, the next one on a connection as soon as its reply of 600 bytes is there. It
runs in its own process under uvloop, pinned to one core; the endpoint has another one. For HTTPS, a front of our own
terminates TLS for the endpoint. Its cost is a column of its own, because it shares the endpoint's core: if the front is
busy, it limits the requests a second, and only the client's CPU time can be compared. The same holds if anything else
runs on the machine: a client with threads of its own then gets more turns on its core. After a warm-up, every client
is measured for some seconds, in turn, and the median of the turns counts.

`floor` is the least possible: it writes bytes, searches bytes for the length, and checks nothing. Clients that are not
installed are left out: pip install pyreqwest wreq aiohttp niquests httpx.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import trustme
import uvloop
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.http_clients import CLIENTS, PATH
from benchmarks.machine import machine_facts

SHAPES = ((256, 0), (1000, 50), (200, 50))  # requests in flight, latency in ms
TURNS = 3
_WARM_UP_S = 1.0
_CLIENT_CORE, _SERVER_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What requests of one client cost, in one turn.

    Attributes:
        cpu_us: Microseconds of CPU a request, of the client's process.
        peak_mb: The most memory that the process had.
        front_us: Microseconds of CPU a request, of the front that terminates TLS; 0 without TLS.
    """

    requests_a_second: float
    cpu_us: float
    peak_mb: float
    front_us: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """A client at one number of requests in flight."""

    client: str
    scheme: str
    in_flight: int
    latency_ms: int
    cost: Cost


@dataclass(frozen=True, slots=True)
class Place:
    """Where the endpoint is reached.

    Attributes:
        front: Process id of the front that terminates TLS, or 0.
    """

    url: str
    ca_file: Path
    front: int


async def _measure_here(name: str, place: Place, in_flight: int, seconds: float) -> Cost:
    """Measure one client in this process."""
    front = psutil.Process(place.front) if place.front else None

    def front_s() -> float:
        return sum(front.cpu_times()[:2]) if front is not None else 0.0

    async with CLIENTS[name](place.url, place.ca_file, in_flight) as send:

        async def send_until(end: float) -> int:
            count = 0
            while time.perf_counter() < end:
                body = await send()
                if body[:1] != b"{" or body[-1:] != b"}":
                    raise RuntimeError(f"{name} returned {body[:200]!r}")
                count += 1
            return count

        async def send_for(duration_s: float) -> int:
            end = time.perf_counter() + duration_s
            return sum(await asyncio.gather(*(send_until(end) for _ in range(in_flight))))

        await send_for(_WARM_UP_S)
        began, cpu_s, front_cpu_s = time.perf_counter(), time.process_time(), front_s()
        count = await send_for(seconds)
        wall_s = time.perf_counter() - began
        cpu_us = (time.process_time() - cpu_s) / count * 1e6
        front_us = (front_s() - front_cpu_s) / count * 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Cost(count / wall_s, cpu_us, peak / 1e6, front_us)


def _measure_apart(name: str, place: Place, in_flight: int, seconds: float) -> Cost:
    """Measure one client in a process of its own, so that the memory is its alone."""
    arguments = [name, place.url, str(place.ca_file), str(place.front), str(in_flight), str(seconds)]
    command = [sys.executable, "-m", "benchmarks.transports", "--here", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{name} failed: {done.stderr.strip().splitlines()[-1:]}")
    return Cost(**json.loads(done.stdout))


def _measure_and_tell(arguments: Sequence[str]) -> None:
    name, url, ca_file, front, in_flight, seconds = arguments
    _pin(_CLIENT_CORE)
    place = Place(url, Path(ca_file), int(front))
    print(json.dumps(asdict(uvloop.run(_measure_here(name, place, int(in_flight), float(seconds))))), flush=True)
    os._exit(0)  # Some clients take seconds to end their threads.


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def _running(command: Sequence[str], port: int) -> Generator[int]:
    """Run a server on the servers' core; yield its process id once it listens."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=lambda: _pin(_SERVER_CORE))  # noqa: PLW1509 - no threads here yet
    try:
        ends = time.monotonic() + 10
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if time.monotonic() > ends or process.poll() is not None:
                raise RuntimeError(f"{command[0]} does not listen")
            time.sleep(0.05)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@contextmanager
def _endpoint(mock: Path, latency_ms: int, directory: Path) -> Generator[dict[str, Place]]:
    """Run the endpoint and its front; yield where it is reached, by scheme."""
    authority = trustme.CA()
    ca_file, certificate = directory / "authority.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    plain, secure = _free_port(), _free_port()
    front = [sys.executable, "-m", "benchmarks.tls_front", str(secure), str(plain), str(certificate)]
    with (
        _running([str(mock), f"port={plain}", f"latency_ms={latency_ms}"], plain),
        _running(front, secure) as front_id,
    ):
        yield {
            "http": Place(f"http://127.0.0.1:{plain}{PATH}", ca_file, 0),
            "https": Place(f"https://localhost:{secure}{PATH}", ca_file, front_id),
        }


def compare_clients(mock_source: Path, names: Sequence[str], seconds: float, console: Console) -> list[Measurement]:
    """Measure every client in every shape, over HTTP and HTTPS, in turn."""
    measurements: list[Measurement] = []
    with tempfile.TemporaryDirectory(prefix="evalhaven-bench-") as scratch:
        directory = Path(scratch)
        mock = directory / "mock"
        subprocess.run(["gcc", "-O2", "-o", str(mock), str(mock_source), "-lm"], check=True)  # noqa: S607 - from PATH
        for in_flight, latency_ms in SHAPES:
            with _endpoint(mock, latency_ms, directory) as places:
                for scheme, place in places.items():
                    console.print(f"{in_flight} in flight, {latency_ms} ms, {scheme} …")
                    turns = [
                        {name: _measure_apart(name, place, in_flight, seconds) for name in names} for _ in range(TURNS)
                    ]
                    measurements += [
                        Measurement(name, scheme, in_flight, latency_ms, _median([turn[name] for turn in turns]))
                        for name in names
                    ]
    return measurements


def _median(costs: Sequence[Cost]) -> Cost:
    documents = [asdict(cost) for cost in costs]
    return Cost(**{name: statistics.median(document[name] for document in documents) for name in documents[0]})


def print_measurements(measurements: Sequence[Measurement], console: Console) -> None:
    """Print a table for each shape and scheme; ratios are to the best client except the floor."""
    groups: dict[tuple[int, int, str], list[Measurement]] = {}
    for each in measurements:
        groups.setdefault((each.in_flight, each.latency_ms, each.scheme), []).append(each)
    for (in_flight, latency_ms, scheme), group in groups.items():
        real = [each.cost for each in group if each.client != "floor"] or [group[0].cost]
        most, least = max(cost.requests_a_second for cost in real), min(cost.cpu_us for cost in real)
        table = Table(f"{in_flight} in flight, {latency_ms} ms, {scheme}", box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("requests/s", "of the best", "CPU µs a request", "times the best", "peak MB", "TLS front, µs"):
            table.add_column(column, justify="right")
        for each in sorted(group, key=lambda each: each.cost.cpu_us):
            cost = each.cost
            table.add_row(
                each.client,
                f"{cost.requests_a_second:,.0f}",
                f"{cost.requests_a_second / most:.2f}",
                f"{cost.cpu_us:,.1f}",
                f"{cost.cpu_us / least:.2f}",
                f"{cost.peak_mb:,.0f}",
                f"{cost.front_us:,.1f}" if cost.front_us else "-",
            )
        console.print(table)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transports", description=__doc__)
    parser.add_argument("--mock", type=Path, metavar="DIR", help="where mock.c, the source of the endpoint, is")
    parser.add_argument("--clients", nargs="+", choices=tuple(CLIENTS), metavar="NAME", help=", ".join(CLIENTS))
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="how long each turn takes (3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to a JSON file")
    parser.add_argument("--here", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        _measure_and_tell(arguments.here)
    if arguments.mock is None:
        parser.error("--mock is needed: the directory of mock.c")
    asked = arguments.clients or CLIENTS
    names = [name for name in asked if name in {"floor", "evalhaven"} or find_spec(name) is not None]
    console = Console(width=110, highlight=False)
    facts = machine_facts()
    for name, fact in facts.items():
        console.print(f"{name}: {fact}")
    for name in set(asked) - set(names):
        console.print(f"{name} is not installed, and left out")
    measurements = compare_clients(arguments.mock / "mock.c", names, arguments.seconds, console)
    print_measurements(measurements, console)
    if arguments.json is not None:
        document = {"machine": facts, "measurements": [asdict(each) for each in measurements]}
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
