"""What a read costs: the server's CPU time for one request, compared with `/healthz`, which reads nothing.

The kinds of requests take turns, round by round, and the median of the rounds counts: CPU time hardly depends on what
else the machine does, and where it does, all kinds are affected alike.
"""

import http.client
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from rich.console import Console

from benchmarks.server import BenchmarkError, Server, answer_of, started_server
from benchmarks.tickets import recorded_row
from benchmarks.verdicts import Verdict, print_verdicts, table

HEALTH = "/healthz"
_OBJECTS = 20  # of each kind: a page has as many, unless the request says otherwise
_POLL_S = 0.05
_TARGETS_MS = {"GET eval": 1.0, "GET run": 1.0, f"list {_OBJECTS} items": 1.5}


@dataclass(frozen=True, slots=True)
class ReadCost:
    """What requests of one kind cost.

    Attributes:
        cpu_ms: CPU milliseconds of the server process for a request, in each round.
        wall_ms: Milliseconds that the client waited for an answer, in each round.
    """

    request: str
    cpu_ms: list[float]
    wall_ms: list[float]


def measure_reads(rounds: int, requests: int, directory: Path, settings: Mapping[str, str]) -> list[ReadCost]:
    """Measure the kinds of requests in turn.

    Args:
        rounds: How many turns each kind gets.
        requests: How many requests are sent in a turn.
        directory: An empty directory for everything that is written.
        settings: The server's variables `EVALHAVEN_…`.
    """
    with started_server(directory / "data", settings) as server:
        paths = _paths(server)
        costs = {name: ReadCost(name, [], []) for name in paths}
        clock = _cpu_clock(server.process)
        # The first round does not count: caches fill, statements are compiled.
        for number in range(rounds + 1):
            for name, path in paths.items():
                cpu_ms, wall_ms = _ask(server, path, requests, clock)
                if number:
                    costs[name].cpu_ms.append(cpu_ms)
                    costs[name].wall_ms.append(wall_ms)
    return list(costs.values())


def print_reads(costs: list[ReadCost], console: Console) -> None:
    """Print the table and the targets."""
    health = median(next(each.cpu_ms for each in costs if each.request == HEALTH))
    shown = table("CPU of the server for a request", "ms", "(least, most)", f"of {HEALTH}", "Client waits, ms")
    for each in costs:
        cpu_ms = median(each.cpu_ms)
        spread = f"({min(each.cpu_ms):.2f}, {max(each.cpu_ms):.2f})"
        ratio = f"{cpu_ms / health:.1f} x"
        shown.add_row(each.request, f"{cpu_ms:.2f}", spread, ratio, f"{median(each.wall_ms):.2f}")
    console.print(shown)
    found = {each.request: median(each.cpu_ms) for each in costs}
    print_verdicts([Verdict(f"{name}, ms", found[name], target) for name, target in _TARGETS_MS.items()], console)


def _paths(server: Server) -> dict[str, str]:
    """Fill a server, and return the path of each kind of request."""
    eval_id = [server.create_eval() for _ in range(_OBJECTS)][-1]
    source = {"type": "file_content", "content": [recorded_row(number) for number in range(_OBJECTS)]}
    run_id = [server.create_run(eval_id, source) for _ in range(_OBJECTS)][-1]
    while any(run["status"] != "completed" for run in server.list_runs(eval_id)):
        time.sleep(_POLL_S)
    of_eval = f"/v1/evals/{eval_id}"
    paths = {
        HEALTH: HEALTH,
        "GET eval": of_eval,
        "GET run": f"{of_eval}/runs/{run_id}",
        "GET item": "",
        f"list {_OBJECTS} evals": "/v1/evals",
        f"list {_OBJECTS} runs": f"{of_eval}/runs",
        f"list {_OBJECTS} items": f"{of_eval}/runs/{run_id}/output_items",
    }
    items = answer_of(server.client.get(paths[f"list {_OBJECTS} items"]))["data"]
    if len(items) != _OBJECTS:
        raise BenchmarkError(f"The run has {len(items)} items instead of {_OBJECTS}.")
    return {**paths, "GET item": f"{of_eval}/runs/{run_id}/output_items/{items[0]['id']}"}


def _ask(server: Server, path: str, requests: int, clock: Callable[[], float]) -> tuple[float, float]:
    """Send requests one after another; return the milliseconds of CPU and of waiting for one."""
    address = server.client.base_url
    # The client of the other benchmarks would use more of the machine than the server does.
    connection = http.client.HTTPConnection(address.host, address.port)
    cpu_s, wall_s = clock(), time.perf_counter()
    for _ in range(requests):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise BenchmarkError(f"GET {path} was answered with {answer.status}.")
    cpu_s, wall_s = clock() - cpu_s, time.perf_counter() - wall_s
    connection.close()
    return 1000 * cpu_s / requests, 1000 * wall_s / requests


def _cpu_clock(process: psutil.Process) -> Callable[[], float]:
    """Return a function that tells the CPU seconds of a process, over all of its threads."""
    # What clock_getcpuclockid(3) returns on Linux. /proc counts hundredths of a second: too coarse for a round.
    clock_id = ~process.pid << 3 | 2
    try:
        time.clock_gettime(clock_id)
    except OSError:

        def read_times() -> float:
            times = process.cpu_times()
            return times.user + times.system

        return read_times
    return lambda: time.clock_gettime(clock_id)
