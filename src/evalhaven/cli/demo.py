"""The tour that `evalhaven demo` gives: a throw-away server, a run of the example eval on it, the results.

Whatever ends the demo also ends its server and removes the server's files.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import httpx2
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from evalhaven.app.own_server import stop_server
from evalhaven.cli.ending import end_like_ctrl_c
from evalhaven.cli.shell import EXIT_INTERRUPTED
from evalhaven.stats.intervals import wilson_interval

JsonObject = dict[str, Any]

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "support_tickets"
NO_EXAMPLE = "The demo's example is not in the installed package: clone the repository, `make demo` there."
HOST = "127.0.0.1"
READY_TIMEOUT_S = 30.0
RUN_TIMEOUT_S = 120.0
REQUEST_TIMEOUT_S = 30.0
POLL_INTERVAL_S = 0.1
LOG_TAIL_LINES = 20
FAILURES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class RecordedPrompt:
    """The recorded answers to one prompt: the file that holds them, and how their run is called."""

    file: str
    run: str


FIRST_PROMPT = RecordedPrompt("tickets.jsonl", "First prompt")
SECOND_PROMPT = RecordedPrompt("tickets-second-prompt.jsonl", "Second prompt")


class DemoError(Exception):
    """The demo ended early; the message tells its user why."""


@dataclass(frozen=True, slots=True)
class DemoServer:
    """The server that the demo started: its process, its address and its log."""

    child: subprocess.Popen[bytes]
    url: str
    log: Path

    def failure(self, what: str) -> DemoError:
        """Return the error that says what the server did, with the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return DemoError("\n".join([f"The server {what}. Its log ends with:", *(lines or ["(nothing)"])]))


def demo(exit_when_done: bool, console: Console) -> int:
    """Start a server on a free port, run the example eval on it, show the results, wait for Ctrl-C.

    Args:
        exit_when_done: Stop the server as soon as the results are shown.
        console: Where everything is printed, errors included.

    Returns:
        The exit code: 0, 1 after an error, 130 when interrupted before the results were shown.
    """
    if not (EXAMPLE / "eval.json").is_file():
        console.print(Text(NO_EXAMPLE, style="red"), soft_wrap=True)
        return 1
    try:
        # A process that was killed may still be writing; a leftover file does not warrant a traceback.
        with (
            end_like_ctrl_c(),
            tempfile.TemporaryDirectory(prefix="evalhaven-demo-", ignore_cleanup_errors=True) as directory,
            run_server(Path(directory)) as server,
        ):
            give_tour(server, console)
            if not exit_when_done:
                wait_for_ctrl_c(server, console)
    except DemoError as error:
        console.print(Text(str(error), style="red"), soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return 0


@contextmanager
def run_server(directory: Path) -> Generator[DemoServer]:
    """Run `evalhaven serve` on a free loopback port; everything it writes stays below the directory."""
    port = find_free_port()
    command = [sys.executable, "-m", "evalhaven", "serve", "--host", HOST, "--port", str(port)]
    # Settings meant for another server (keys, a public URL, a database) must not change the tour.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
    log = directory / "server.log"
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments made here.
            [*command, "--data-dir", str(directory)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # In its own session, so that Ctrl-C reaches only the demo, which then stops the server in order.
            start_new_session=True,
        )
    try:
        yield DemoServer(child, f"http://{HOST}:{port}", log)
    finally:
        stop_server(child)


def find_free_port() -> int:
    """Return a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def give_tour(server: DemoServer, console: Console) -> None:
    """Run the example's eval on the answers to two prompts; print what came out, and where both can be read."""
    # Without the environment's proxies, which cannot reach this machine's loopback address.
    with httpx2.Client(base_url=server.url, timeout=REQUEST_TIMEOUT_S, trust_env=False) as client:
        try:
            wait_until_ready(server, client)
            console.print(Text(f"Server ready at {server.url}"), soft_wrap=True)
            evaluation = create_eval(client, console)
            first = finish_run(client, evaluation, FIRST_PROMPT, console)
            print_results(evaluation, first, console)
            print_failures(client, evaluation, first, console)
            second = finish_run(client, evaluation, SECOND_PROMPT, console)
            print_results(evaluation, second, console)
        except httpx2.TransportError as error:
            raise server.failure(f"did not answer ({type(error).__name__})") from error
    print_next_steps(server, first, second, console)


def wait_until_ready(server: DemoServer, client: httpx2.Client) -> None:
    """Wait until the server says that it is ready; raise if it ends or takes too long."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if server.child.poll() is not None:
            raise server.failure(f"ended with exit code {server.child.returncode} before it was ready")
        with suppress(httpx2.TransportError):
            if client.get("/readyz", timeout=1.0).is_success:
                return
        time.sleep(POLL_INTERVAL_S)
    raise server.failure(f"was not ready after {READY_TIMEOUT_S:.0f} seconds")


def read_answer(response: httpx2.Response) -> JsonObject:
    """Return the body of a successful answer; raise with OpenAI's error message and the request id."""
    if response.is_success:
        return response.json()
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text.strip() or "(no body)"
    request = f"{response.request.method} {response.request.url.path}"
    request_id = response.headers.get("x-request-id", "none")
    raise DemoError(f"{request} answered {response.status_code}: {message} (x-request-id: {request_id})")


def create_eval(client: httpx2.Client, console: Console) -> JsonObject:
    """Create the example's eval and return it."""
    definition = json.loads((EXAMPLE / "eval.json").read_text(encoding="utf-8"))
    evaluation = read_answer(client.post("/v1/evals", json=definition))
    console.print(Text(f"Created eval {evaluation['name']!r} as {evaluation['id']}"))
    return evaluation


def finish_run(client: httpx2.Client, evaluation: JsonObject, prompt: RecordedPrompt, console: Console) -> JsonObject:
    """Upload the answers to a prompt and run the eval over them; return the completed run."""
    upload = {"file": (prompt.file, (EXAMPLE / prompt.file).read_bytes(), "application/jsonl")}
    file = read_answer(client.post("/v1/files", data={"purpose": "evals"}, files=upload))
    console.print(Text(f"Uploaded {file['filename']} ({file['bytes']:,} bytes) as {file['id']}"))
    source = {"type": "file_id", "id": file["id"]}
    body = {"name": prompt.run, "data_source": {"type": "jsonl", "source": source}}
    run = read_answer(client.post(f"/v1/evals/{evaluation['id']}/runs", json=body))
    console.print(Text(f"Started run {run['name']!r} as {run['id']}"))
    return follow_run(client, run, console)


def follow_run(client: httpx2.Client, run: JsonObject, console: Console) -> JsonObject:
    """Show a run's progress until it ends; return the completed run, raise if it ended otherwise."""
    deadline = time.monotonic() + RUN_TIMEOUT_S
    # A pipe or a file gets only the last state of the bar: rich draws no others without a terminal.
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[tally]}", markup=False))
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("items", total=None, tally="")
        while True:
            run = read_answer(client.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}"))
            counts = run["result_counts"]
            tally = ", ".join(f"{counts[name]} {name}" for name in ("passed", "failed", "errored"))
            planned = run.get("evalhaven", {}).get("items_planned")
            progress.update(bar, total=planned, completed=counts["total"], tally=tally)
            if run["status"] not in ("queued", "in_progress"):
                break
            if time.monotonic() > deadline:
                raise DemoError(f"The run is still {run['status']} after {RUN_TIMEOUT_S:.0f} seconds.")
            time.sleep(POLL_INTERVAL_S)
    if run["status"] != "completed":
        reason = run["error"]["message"] if run["error"] else "no reason given"
        raise DemoError(f"The run ended {run['status']}: {reason}")
    return run


def print_results(evaluation: JsonObject, run: JsonObject, console: Console) -> None:
    """Print a row per testing criterion and one for whole items, each with its 95 % interval."""
    table = Table("Criterion", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("Passed", "Failed", "Errored", "Pass rate", "95 % interval"):
        table.add_column(heading, justify="right")
    tallies = {tally["testing_criteria"]: tally for tally in run["per_testing_criteria_results"]}
    for criterion in evaluation["testing_criteria"]:
        table.add_row(Text(criterion["name"]), *format_tally(tallies[criterion["id"]]))
    table.add_section()
    table.add_row(Text("All criteria (items)"), *format_tally(run["result_counts"]), style="bold")
    console.print(table)
    console.print(Text("Wilson intervals; errored items count in neither the pass rate nor its interval.\n"))


def format_tally(tally: JsonObject) -> Sequence[str]:
    """Return the cells passed, failed, errored, pass rate and interval of one tally."""
    passed, failed, errored = tally["passed"], tally["failed"], tally.get("errored", 0)
    graded = passed + failed
    low, high = wilson_interval(passed, graded)
    rate = f"{passed / graded:.1%}" if graded else "-"
    return str(passed), str(failed), str(errored), rate, f"{low:.1%} to {high:.1%}"


def print_failures(client: httpx2.Client, evaluation: JsonObject, run: JsonObject, console: Console) -> None:
    """Print the first items that failed: the expected answer, the actual one, and the criteria that failed it."""
    query = {"status": "fail", "limit": FAILURES_SHOWN, "order": "asc"}
    page = read_answer(client.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items", params=query))
    names = {criterion["id"]: criterion["name"] for criterion in evaluation["testing_criteria"]}
    table = Table("Failed ticket", "Expected", "Got", "Failed criteria", box=box.SIMPLE_HEAD, pad_edge=False)
    for output_item in page["data"]:
        ticket = output_item["datasource_item"]
        expected = f"{ticket['category']}, {ticket['priority']}"
        got = describe_answer(output_item["sample"]["output"][0]["content"])
        failed = ", ".join(names[result["name"]] for result in output_item["results"] if not result["passed"])
        table.add_row(*map(Text, (ticket["ticket_id"], expected, got, failed)))
    console.print(table)
    print_rest(run["result_counts"], len(page["data"]), console)


def print_rest(counts: JsonObject, shown: int, console: Console) -> None:
    """Print how many more items did not pass, beyond the failed ones that were shown."""
    more = counts["failed"] - shown
    left = [f"{more:,} more failed"] if more else []
    left += [f"{counts['errored']:,} errored"] if counts["errored"] else []
    if left:
        console.print(Text(f"{' and '.join(left)}; the report lists every one.\n"))


def describe_answer(content: str) -> str:
    """Return the category and priority that the model gave, or the start of an answer that has none."""
    try:
        answer = json.loads(content)
        return f"{answer['category']}, {answer['priority']}"
    except (ValueError, KeyError, TypeError):
        return "no JSON: " + shorten(content, width=40, placeholder=" ...")


def print_next_steps(server: DemoServer, first: JsonObject, second: JsonObject, console: Console) -> None:
    """Print how the SDK reaches this server, where the first run can be read, and what the other prompt changed."""
    client = f'OpenAI(base_url="{server.url}/v1", api_key="anything")'
    comparison = f"{server.url}/ui/compare?runs={first['id']},{second['id']}"
    lines = {
        "API": f"{server.url}/v1",
        "SDK": client,
        "Report": first["report_url"],
        "Compare": comparison,
    }
    for name, line in lines.items():
        console.print(Text(f"{name + ':':<9}{line}"), soft_wrap=True)


def wait_for_ctrl_c(server: DemoServer, console: Console) -> None:
    """Keep the server up until Ctrl-C; raise if it ends by itself."""
    console.print(Text("Press Ctrl-C to stop"))
    try:
        server.child.wait()
    except KeyboardInterrupt:
        return
    raise server.failure(f"ended with exit code {server.child.returncode}")
