"""What the gateway adds to a call: the same calls through it and directly, in turns, with every call kept.

LiteLLM's proxy is called at a rate that it can bear, beside the gateway at the same rate, if it is installed.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx2
import psutil
import uvloop
from rich.console import Console

from benchmarks.callers import Way, call_steadily, read_streams, way
from benchmarks.server import BenchmarkError, free_port, started_server
from benchmarks.verdicts import Verdict, print_verdicts, table

RATES = (100, 300)
PEER_RATE = 30
SECONDS = 20.0
STREAMS = 200
CHUNKS_A_SECOND = 20
DIRECT, OURS, PEER = "directly", "gateway", "LiteLLM"
_P50_MS, _P99_MS = 1.0, 5.0
_UPSTREAM_READY_S, _PEER_READY_S = 10.0, 120.0
_MESSAGE = "A question with some context, as programs ask it. " * 30
_CONFIG = '[endpoints.one]\nbase_url = "http://127.0.0.1:{port}/v1"\napi_key_env = "BENCHMARK_KEY"\n'


@dataclass(frozen=True, slots=True)
class Added:
    """What a way added to the first byte of calls at a rate.

    Attributes:
        name: The way.
        rate: Calls a second.
        calls: How many were measured.
        p50_ms: Median, less that of direct calls.
        p99_ms: 99th percentile, less that of direct calls.
        cpu_us: CPU of its process for a call, in microseconds; None if it has several.
    """

    name: str
    rate: int
    calls: int
    p50_ms: float
    p99_ms: float
    cpu_us: float | None


@dataclass(frozen=True, slots=True)
class Streamed:
    """How long chunks of many streams at once took from the endpoint to their reader."""

    name: str
    chunks: int
    p50_ms: float
    p99_ms: float
    cores: float | None


def measure_gateway(litellm: str | None, directory: Path, console: Console) -> tuple[list[Added], list[Streamed]]:
    """Measure the gateway.

    Args:
        litellm: The command that starts LiteLLM's proxy; without one, `litellm` on the path.
        directory: An empty directory for everything that is written.
        console: Told what is not measured.
    """
    chunks = round(SECONDS * CHUNKS_A_SECOND)
    config = directory / "evalhaven.toml"
    with _streaming_upstream(chunks) as port:
        config.write_text(_CONFIG.format(port=port))
        settings = {"EVALHAVEN_CONFIG": str(config), "BENCHMARK_KEY": "sk-made-up"}
        with started_server(directory / "data", settings) as server:
            direct = way(DIRECT, port, _body(is_stream=False))
            ours = way(OURS, server.client.base_url.port or 0, _body(is_stream=False))
            added = [each for rate in RATES for each in _compare([direct, ours], rate, server.process)]
            streamed = _compare_streams(port, ours.port, chunks, server.process)
            command = litellm or shutil.which("litellm")
            if command is None:
                console.print("LiteLLM is not installed, so it is not measured (--litellm).")
            else:
                with _litellm(command, port, directory) as peer_port:
                    peer = way(PEER, peer_port, _body(is_stream=False))
                    added += _compare([direct, ours, peer], PEER_RATE, server.process)
    return added, streamed


def print_gateway(added: Sequence[Added], streamed: Sequence[Streamed], console: Console) -> None:
    """Print the tables and the targets."""
    shown = table("What is added to the first byte", "Calls a second", "Calls", "p50 ms", "p99 ms", "CPU µs a call")
    for each in added:
        cpu = "" if each.cpu_us is None else f"{each.cpu_us:.0f}"
        shown.add_row(each.name, str(each.rate), str(each.calls), f"{each.p50_ms:.2f}", f"{each.p99_ms:.2f}", cpu)
    console.print(shown)
    head = f"{STREAMS} streams at once, {CHUNKS_A_SECOND} chunks a second"
    shown = table(head, "Chunks", "p50 ms", "p99 ms", "Cores")
    for one in streamed:
        cores = "" if one.cores is None else f"{one.cores:.2f}"
        shown.add_row(one.name, f"{one.chunks:,}", f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", cores)
    console.print(shown)
    ours = [each for each in added if each.name == OURS and each.rate in RATES]
    verdicts = [Verdict(f"p50 added at {each.rate} a second, ms", each.p50_ms, _P50_MS) for each in ours]
    verdicts += [Verdict(f"p99 added at {each.rate} a second, ms", each.p99_ms, _P99_MS) for each in ours]
    print_verdicts(verdicts, console)


def gateway_document(added: Sequence[Added], streamed: Sequence[Streamed]) -> dict[str, Any]:
    """Return everything measured, for JSON."""
    return {"added": [asdict(each) for each in added], "streamed": [asdict(each) for each in streamed]}


def _compare(ways: list[Way], rate: int, process: psutil.Process) -> list[Added]:
    before = process.cpu_times()
    waits = uvloop.run(call_steadily(ways, rate, SECONDS))
    after = process.cpu_times()
    cpu_s = after.user + after.system - before.user - before.system
    calls = sum(map(len, waits.values())) / len(ways) + 2 * rate  # those that warmed it up
    direct_p50, direct_p99 = _percentiles(waits[DIRECT])
    found: list[Added] = []
    for each in ways[1:]:
        p50, p99 = _percentiles(waits[each.name])
        cpu_us = cpu_s / calls * 1e6 if each.name == OURS else None
        found.append(Added(each.name, rate, len(waits[each.name]), p50 - direct_p50, p99 - direct_p99, cpu_us))
    return found


def _compare_streams(upstream: int, gateway: int, chunks: int, process: psutil.Process) -> list[Streamed]:
    found: list[Streamed] = []
    for name, port in ((DIRECT, upstream), (OURS, gateway)):
        before, began = process.cpu_times(), time.perf_counter()
        waits = uvloop.run(read_streams(way(name, port, _body(is_stream=True)), STREAMS, chunks))
        after, took_s = process.cpu_times(), time.perf_counter() - began
        cores = (after.user + after.system - before.user - before.system) / took_s
        found.append(Streamed(name, len(waits), *_percentiles(waits), cores if name == OURS else None))
    return found


def _percentiles(waits: list[float]) -> tuple[float, float]:
    cuts = quantiles(waits, n=100)
    return cuts[49], cuts[98]


def _body(*, is_stream: bool) -> bytes:
    messages = [{"role": "system", "content": "Answer."}, {"role": "user", "content": _MESSAGE}]
    body = {"model": "gpt-4.1", "store": True, "metadata": {"part": "gateway"}, "messages": messages}
    return json.dumps({**body, "stream": is_stream}).encode()


@contextlib.contextmanager
def _streaming_upstream(chunks: int) -> Generator[int]:
    """Start the endpoint, and yield its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.streaming_upstream", str(port)]
    child = subprocess.Popen([*command, f"--chunks={chunks}", f"--pause-ms={1000 / CHUNKS_A_SECOND}"])
    try:
        deadline = time.monotonic() + _UPSTREAM_READY_S
        while child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        else:
            raise BenchmarkError("The endpoint does not listen.")
        yield port
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def _litellm(command: str, upstream: int, directory: Path) -> Generator[int]:
    """Start LiteLLM's proxy, and yield its port."""
    port = free_port()
    params = {"model": "openai/gpt-4.1", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": "sk-made-up"}
    config = directory / "litellm.json"  # JSON is YAML too
    # It would ask for a key otherwise, and check it at each call.
    settings = {"dangerously_permit_weak_or_unset_master_key": True}
    models = [{"model_name": "gpt-4.1", "litellm_params": params}]
    config.write_text(json.dumps({"model_list": models, "general_settings": settings}))
    log = (directory / "litellm.log").open("wb")
    child = subprocess.Popen(
        [command, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"], stdout=log, stderr=log
    )
    try:
        deadline = time.monotonic() + _PEER_READY_S
        while child.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"http://127.0.0.1:{port}/health/liveliness").is_success:
                    break
            time.sleep(0.5)
        else:
            raise BenchmarkError(f"LiteLLM did not start: {(directory / 'litellm.log').read_text()[-500:]}")
        yield port
    finally:
        child.terminate()
        child.wait()
        log.close()
