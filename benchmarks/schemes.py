"""Sampled runs over HTTP and over HTTPS: of this checkout and, in turn with it, of another one.

For HTTPS, a front of our own terminates TLS for the endpoint. It shares the endpoint's core, and its cost is shown: if
the two fill their core, they limit the rate, and only the CPU time of the server can be compared.
"""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import trustme
from rich.console import Console

from benchmarks.cores import ENDPOINT, MEASURED, on_core
from benchmarks.endpoint import CONFIG, Upstream, started_upstream
from benchmarks.measure import Cost, measure_run, scratch
from benchmarks.sampling import LATENCY_MS, WARM_UPS, Shape
from benchmarks.server import BenchmarkError, free_port
from benchmarks.tickets import write_questions
from benchmarks.upstream import Behaviour
from benchmarks.verdicts import table

SCHEMES = ("http", "https")
SHAPES = (Shape(10_000, 200), Shape(10_000, 1_000))
_ROUNDS = 3
_START_TIMEOUT_S = 10.0
_MB = 1e6


@dataclass(frozen=True, slots=True)
class SchemeCost:
    """What a run cost over one scheme.

    Attributes:
        checkout: The checkout whose server executed it.
        front_us: Microseconds of CPU an item in the front that terminates TLS; 0 without TLS.
    """

    checkout: str
    scheme: str
    in_flight: int
    cost: Cost
    front_us: float


def measure_schemes(against: Path | None, console: Console) -> list[SchemeCost]:
    """Measure runs of each shape over each scheme; of each, the fastest round counts.

    Args:
        against: Another checkout, with its .venv made, to measure in turn with this one.
        console: Is told what is being measured.
    """
    pythons = {"here": sys.executable}
    if against is not None:
        python = (against / ".venv" / "bin" / "python").absolute()
        if not python.exists():
            raise BenchmarkError(f"{python} is missing: run `make setup` in {against}.")
        pythons[str(against)] = str(python)
    costs: list[SchemeCost] = []
    for shape in SHAPES:
        for scheme in SCHEMES:
            console.print(f"sampling: {shape.items:,} items, {shape.in_flight:,} in flight, {scheme} …")
            rounds = [
                [_measure(name, python, shape, scheme) for name, python in pythons.items()] for _ in range(_ROUNDS)
            ]
            costs += [min(each, key=lambda measured: measured.cost.wall_s) for each in zip(*rounds, strict=True)]
    return costs


def print_schemes(costs: Sequence[SchemeCost], console: Console) -> None:
    """Print a table for each shape and scheme; ratios are to the other checkout, if there is one."""
    groups: dict[tuple[int, str], list[SchemeCost]] = {}
    for each in costs:
        groups.setdefault((each.in_flight, each.scheme), []).append(each)
    for (in_flight, scheme), group in groups.items():
        columns = ("items/s", "of the other", "CPU µs an item", "peak MB, server", "executor", "TLS front, µs")
        figures = table(f"{in_flight:,} in flight, {LATENCY_MS:g} ms, {scheme}", *columns)
        for each in group:
            others = [other for other in group if other is not each]
            ratio = f"{each.cost.items_a_second / others[0].cost.items_a_second:.2f}" if others else "-"
            peaks = each.cost.peak_memory_bytes
            figures.add_row(
                each.checkout,
                f"{each.cost.items_a_second:,.0f}",
                ratio,
                f"{each.cost.cpu_us_an_item:,.0f}",
                f"{peaks['server'] / _MB:,.0f}",
                f"{peaks['executor'] / _MB:,.0f}",
                f"{each.front_us:,.0f}" if each.front_us else "-",
            )
        console.print(figures)


def _measure(checkout: str, python: str, shape: Shape, scheme: str) -> SchemeCost:
    with scratch() as directory, started_upstream(Behaviour(shape.latency_ms)) as upstream:
        rows, config = directory / "questions.jsonl", directory / "bench.toml"
        write_questions(rows, shape.items)
        with contextlib.ExitStack() as stack:
            front = stack.enter_context(_front(upstream, directory)) if scheme == "https" else None
            url = upstream.base_url if front is None else front.base_url
            text = CONFIG.format(url=url, in_flight=shape.in_flight)
            config.write_text(text if front is None else f'{text}ca_file = "{front.ca_file}"\n', encoding="utf-8")
            settings = {"EVALHAVEN_CONFIG": str(config)}
            with on_core(MEASURED):
                cost = measure_run(rows, shape.items, directory / "data", settings, is_sampled=True, python=python)
            front_us = 0.0 if front is None else 1e6 * sum(front.process.cpu_times()[:2]) / shape.items
        answers = upstream.stats()["by_status"]
        if answers.get("200") != shape.items + WARM_UPS:
            raise BenchmarkError(f"{shape.items + WARM_UPS} items have an answer, and the endpoint gave {answers}.")
    return SchemeCost(checkout, scheme, shape.in_flight, cost, front_us)


@dataclass(frozen=True, slots=True)
class _Front:
    """The front that terminates TLS for an endpoint."""

    base_url: str
    ca_file: Path
    process: psutil.Process


@contextlib.contextmanager
def _front(upstream: Upstream, directory: Path) -> Generator[_Front]:
    authority = trustme.CA()
    ca_file, certificate = directory / "authority.pem", directory / "server.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    port, target = free_port(), upstream.base_url.removesuffix("/v1").rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.tls_front", str(port), target, str(certificate)]
    with on_core(ENDPOINT):
        child = subprocess.Popen(command)
    try:
        _wait_until_listening(port, child)
        yield _Front(f"https://localhost:{port}/v1", ca_file, psutil.Process(child.pid))
    finally:
        child.terminate()
        child.wait()


def _wait_until_listening(port: int, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchmarkError(f"The TLS front did not listen within {_START_TIMEOUT_S:.0f} seconds.")
