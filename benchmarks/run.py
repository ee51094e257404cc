"""`make bench`: measures what items cost in runs that grade recorded answers and in runs that ask a model.

Each figure is shown beside the limit, a minimal design of the same job measured within the same minutes: absolute
figures belong to one machine and one hour, but the ratios carry over. Metrics of `text_similarity` are compared with
their libraries, and sampled runs with other programs if those are installed.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.comparisons import measure_comparison, print_comparison
from benchmarks.dashboard import measure_dashboard, print_dashboard
from benchmarks.gateway import gateway_document, measure_gateway, print_gateway
from benchmarks.graded_report import graded_document, print_graded
from benchmarks.keys import measure_keys, print_keys
from benchmarks.latency import measure_latency, print_latencies
from benchmarks.logs import measure_logs, print_logs
from benchmarks.machine import machine_facts
from benchmarks.measure import Measurement, measure, scratch
from benchmarks.one_machine import checkouts, measure_one_machine, print_one_machine
from benchmarks.peers import ROUNDS, find_peers
from benchmarks.peers import SIZES as PEER_SIZES
from benchmarks.peers_report import compare_peers, print_peers
from benchmarks.pollers import SLOW, measure_pollers, print_pollers
from benchmarks.python_graders import measure_python, print_python, python_document
from benchmarks.reads import measure_reads, print_reads
from benchmarks.run_sizes import TIMES, measure_run_sizes, print_run_sizes
from benchmarks.sampling_processes import measure_processes, print_processes
from benchmarks.sampling_report import measure_sampling, print_sampling
from benchmarks.schemes import measure_schemes, print_schemes
from benchmarks.server import BenchmarkError
from benchmarks.similarity import compare_metrics, print_comparisons
from benchmarks.workers import measure_workers, print_workers

SIZES = (10_000, 1_000_000)
SMALL_ITEMS = 50_000  # a run of up to this many items takes only seconds, so it is measured three times
PROBE_SECONDS = 30.0
POLL_SECONDS = 60.0
PYTHON_ITEMS = 20_000
READ_ROUNDS = 7
READS = 300  # of each kind in a round
LARGE, MILLION = 100_000, 1_000_000
LOGGED_CALLS, LOGGED_DAYS = 1_000_000, 10
PROCESSES, PROCESS_ITEMS, PROCESS_CALLS = (1, 2), 20_000, 400
WORKERS, WORKER_ITEMS, WORKER_CALLS = (1, 2, 4), 20_000, 200

Document = dict[str, Any]


def _measure_graded(arguments: argparse.Namespace, console: Console) -> Document:
    measurements: list[Measurement] = []
    for items in sorted(arguments.items):
        rounds = 3 if items <= SMALL_ITEMS else 1
        console.print(f"measuring {items:,} items{f', {rounds} times' if rounds > 1 else ''} …")
        with scratch() as directory:
            measurements.append(measure(items, rounds, directory))
    print_graded(measurements, console)
    return graded_document(measurements)


def _measure_api(arguments: argparse.Namespace, console: Console) -> Document:
    if arguments.probe_seconds <= 0:
        return {}
    console.print(f"asking the API for {arguments.probe_seconds:.0f} seconds …")
    with scratch() as directory:
        latencies = measure_latency(arguments.probe_seconds, directory)
    print_latencies("While runs keep the executor busy", latencies, console)
    return {"latencies": [asdict(each) for each in latencies]}


def _measure_pollers(arguments: argparse.Namespace, console: Console) -> Document:
    with scratch() as directory:
        found = measure_pollers(arguments.poll_seconds, arguments.slow_connections, directory, console)
    print_pollers(found, console)
    return {"pollers": [{**asdict(each), "p99_ms": each.percentile(0.99)} for each in found]}


def _measure_reads(arguments: argparse.Namespace, console: Console) -> Document:
    console.print(f"reading {READS} objects or pages of each kind, {READ_ROUNDS} times …")
    settings = {"EVALHAVEN_DATABASE_URL": arguments.database_url} if arguments.database_url else {}
    with scratch() as directory:
        costs = measure_reads(READ_ROUNDS, READS, directory, settings)
    print_reads(costs, console)
    return {"reads": [asdict(each) for each in costs]}


def _compare_metrics(_arguments: argparse.Namespace, console: Console) -> Document:
    console.print("comparing metrics with their libraries …")
    comparisons = compare_metrics()
    print_comparisons(comparisons, console)
    return {"similarity": [{**asdict(each), "ratio": each.ratio} for each in comparisons]}


def _measure_keys(_arguments: argparse.Namespace, console: Console) -> Document:
    costs = measure_keys()
    print_keys(costs, console)
    return {"keys": [asdict(each) for each in costs]}


def _measure_python(_arguments: argparse.Namespace, console: Console) -> Document:
    console.print(f"executing python graders over {PYTHON_ITEMS:,} items …")
    costs = measure_python(PYTHON_ITEMS)
    print_python(costs, console)
    return {"python": python_document(costs)}


def _measure_comparisons(arguments: argparse.Namespace, console: Console) -> Document:
    with scratch() as directory:
        place = arguments.comparison_directory or directory
        place.mkdir(parents=True, exist_ok=True)
        found = measure_comparison(arguments.compared_items, place, arguments.database_url, console)
    print_comparison(found, console)
    return {"comparisons": asdict(found)}


def _measure_dashboard(arguments: argparse.Namespace, console: Console) -> Document:
    with scratch() as directory:
        found = measure_dashboard(arguments.dashboard_items, directory, console)
    print_dashboard(found, console)
    return {"dashboard": asdict(found)}


def _measure_run_sizes(arguments: argparse.Namespace, console: Console) -> Document:
    settings = {"EVALHAVEN_DATABASE_URL": arguments.database_url} if arguments.database_url else {}
    with scratch() as directory:
        found = measure_run_sizes(arguments.large_items, directory, settings, console)
    print_run_sizes(found, console)
    return {"run_sizes": asdict(found)}


def _measure_sampling(arguments: argparse.Namespace, console: Console) -> Document:
    schemes = measure_schemes(arguments.against, console)
    print_schemes(schemes, console)
    large = MILLION if arguments.million else LARGE
    report = measure_sampling(large, arguments.probe_seconds, console)
    print_sampling(report, console)
    return {"sampling": report.document(), "schemes": [asdict(each) for each in schemes]}


def _measure_one_machine(arguments: argparse.Namespace, console: Console) -> Document:
    sizes = (SIZES[0], LARGE, *((MILLION,) if arguments.million else ()))
    pythons = checkouts(arguments.against)
    found = measure_one_machine(pythons, arguments.rounds, sizes, arguments.database_url, console)
    print_one_machine(found, console)
    return {"one_machine": found.document()}


def _compare_peers(arguments: argparse.Namespace, console: Console) -> Document:
    small, large = arguments.peer_items
    peers, missing = find_peers(arguments.promptfoo, arguments.lm_eval)
    report = compare_peers(peers, missing, (small, large), arguments.peer_rounds, console)
    print_peers(report, console)
    return {"peers": report.document()}


def _measure_workers(arguments: argparse.Namespace, console: Console) -> Document:
    each, in_flight = arguments.worker_items, arguments.worker_calls
    with scratch() as directory:
        found = measure_workers(arguments.workers, each, in_flight, arguments.huge_items, directory, console)
    print_workers(found, console)
    return {"workers": asdict(found)}


def _measure_processes(arguments: argparse.Namespace, console: Console) -> Document:
    with scratch() as directory:
        found = measure_processes(
            arguments.processes, arguments.rounds, PROCESS_ITEMS, PROCESS_CALLS, directory, console
        )
    print_processes(found, console)
    return {"sampling_processes": [asdict(each) for each in found]}


def _measure_gateway(arguments: argparse.Namespace, console: Console) -> Document:
    console.print("calling a model through the gateway and directly …")
    with scratch() as directory:
        added, streamed = measure_gateway(arguments.litellm, directory, console)
    print_gateway(added, streamed, console)
    return {"gateway": gateway_document(added, streamed)}


def _measure_logs(arguments: argparse.Namespace, console: Console) -> Document:
    console.print(f"keeping {arguments.log_calls:,} logged calls …")
    with scratch() as directory:
        place = arguments.log_directory or directory
        figures = measure_logs(place, arguments.log_calls, arguments.log_days, arguments.database_url, console)
    print_logs(figures, console)
    return {"logs": figures.document()}


_PARTS: dict[str, Callable[[argparse.Namespace, Console], Document]] = {
    "graded": _measure_graded,
    "api": _measure_api,
    "pollers": _measure_pollers,
    "reads": _measure_reads,
    "comparisons": _measure_comparisons,
    "dashboard": _measure_dashboard,
    "run-sizes": _measure_run_sizes,
    "similarity": _compare_metrics,
    "keys": _measure_keys,
    "python": _measure_python,
    "sampling": _measure_sampling,
    "one-machine": _measure_one_machine,
    "workers": _measure_workers,
    "sampling-processes": _measure_processes,
    "gateway": _measure_gateway,
    "logs": _measure_logs,
    "peers": _compare_peers,
}


def _parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    only = f"what to measure: {', '.join(_PARTS)} (all)"
    parser.add_argument("--only", nargs="+", choices=tuple(_PARTS), default=list(_PARTS), metavar="PART", help=only)
    sizes = "sizes of the runs that grade recorded answers, ascending (10000 1000000)"
    parser.add_argument("--items", type=int, nargs="+", default=list(SIZES), metavar="N", help=sizes)
    probe = "how long to ask the API while runs are executed; 0 leaves it out (30)"
    parser.add_argument("--probe-seconds", type=float, default=PROBE_SECONDS, metavar="S", help=probe)
    polls = "how long 200 pollers ask for a run, beside a run and then beside slow connections, too (60)"
    parser.add_argument("--poll-seconds", type=float, default=POLL_SECONDS, metavar="S", help=polls)
    slow = f"how many slow connections there are; 0 leaves them out ({SLOW})"
    parser.add_argument("--slow-connections", type=int, default=SLOW, metavar="N", help=slow)
    database = "an empty PostgreSQL database for what is read, logged, compared and sized, instead of SQLite"
    parser.add_argument("--database-url", metavar="URL", help=database)
    calls = "how many logged calls are kept (1000000); 10000000 over 100 days is the size of a soak"
    parser.add_argument("--log-calls", type=int, default=LOGGED_CALLS, metavar="N", help=calls)
    parser.add_argument("--log-days", type=int, default=LOGGED_DAYS, metavar="N", help="over how many days (10)")
    place = "where day files are kept for another measurement, which then need not make them"
    parser.add_argument("--log-directory", type=Path, metavar="DIR", help=place)
    large = f"let the largest sampled run have {MILLION:,} items instead of {LARGE:,}"
    parser.add_argument("--million", action="store_true", help=large)
    compared = f"items of each of two runs that are compared ({MILLION})"
    parser.add_argument("--compared-items", type=int, default=MILLION, metavar="N", help=compared)
    shown = f"items of the run that is shown in the dashboard ({MILLION})"
    parser.add_argument("--dashboard-items", type=int, default=MILLION, metavar="N", help=shown)
    sized = f"items of a run whose reads are compared with those of one with {TIMES} times fewer ({MILLION})"
    parser.add_argument("--large-items", type=int, default=MILLION, metavar="N", help=sized)
    processes = f"how many sampling processes an executor has, ascending ({' '.join(map(str, PROCESSES))})"
    parser.add_argument("--processes", type=int, nargs="+", default=list(PROCESSES), metavar="N", help=processes)
    workers = f"how many workers share a run in PostgreSQL, ascending ({' '.join(map(str, WORKERS))})"
    parser.add_argument("--workers", type=int, nargs="+", default=list(WORKERS), metavar="N", help=workers)
    shared = f"how many items each of them gets ({WORKER_ITEMS})"
    parser.add_argument("--worker-items", type=int, default=WORKER_ITEMS, metavar="N", help=shared)
    called = f"how many calls each of them has in flight ({WORKER_CALLS})"
    parser.add_argument("--worker-calls", type=int, default=WORKER_CALLS, metavar="N", help=called)
    huge = f"items of the run behind which a short one starts ({MILLION})"
    parser.add_argument("--huge-items", type=int, default=MILLION, metavar="N", help=huge)
    kept = "where the two runs are kept for another measurement, which then need not execute them"
    parser.add_argument("--comparison-directory", type=Path, metavar="DIR", help=kept)
    parser.add_argument("--promptfoo", metavar="COMMAND", help="promptfoo, if it is not on the path")
    parser.add_argument("--lm-eval", metavar="PYTHON", help="a Python that has lm_eval, if that is not on the path")
    parser.add_argument("--litellm", metavar="COMMAND", help="LiteLLM's proxy, if it is not on the path")
    sizes = f"two numbers of items for other programs, whose difference counts ({' '.join(map(str, PEER_SIZES))})"
    parser.add_argument("--peer-items", type=int, nargs=2, default=PEER_SIZES, metavar="N", help=sizes)
    rounds = f"how many times each of them is measured ({ROUNDS})"
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="turns of one-machine and sampling-processes (5)"
    )
    parser.add_argument("--peer-rounds", type=int, default=ROUNDS, metavar="N", help=rounds)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to a JSON file")
    against = "another checkout, whose sampled runs are measured in turn with ours, over HTTP and HTTPS"
    parser.add_argument("--against", type=Path, metavar="DIR", help=against)
    return parser


def main() -> None:
    """Measure what the command line asks for."""
    parser = _parser()
    arguments = parser.parse_args()
    few, many = arguments.peer_items
    if not 0 < few < many or arguments.peer_rounds < 1:
        parser.error("--peer-items takes two numbers, the smaller one first, and --peer-rounds one from 1 up")
    if arguments.workers != sorted(arguments.workers) or arguments.workers[0] < 1 or arguments.workers[-1] < 2:
        parser.error("--workers takes ascending numbers, the last of them 2 or more: one worker is killed")
    console = Console(width=100, highlight=False)
    facts = machine_facts()
    for name, fact in facts.items():
        console.print(f"{name}: {fact}")
    document: Document = {"machine": facts}
    for name, measure_part in _PARTS.items():
        if name in arguments.only:
            try:
                document |= measure_part(arguments, console)
            except BenchmarkError as error:
                parser.exit(1, f"{name}: {error}\n")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
