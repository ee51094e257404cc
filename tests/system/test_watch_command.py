"""`evalhaven watch` as a user runs it: without a server, across its restart, on a terminal, interrupted."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.databases import ON_SQLITE_ONLY
from tests.server import Server
from tests.system.client import PATIENCE_S, Client, item_rows, wait_until, write_rows
from tests.system.commands import call_command, run_command
from tests.system.inside import stop_outside_transactions
from tests.system.watch import watch_of
from tests.unit.cli.watching import LIMITER, SAMPLED, STARTED_AT, run_object

Answer = tuple[int, Any]
ROWS = 300
# More than are ever done while a command starts, however slow the machine is.
MANY_ROWS = 4_000
LIVELY: dict[str, Any] = {
    **SAMPLED,
    "limiter": LIMITER,
    "errors": {"rate_limit_exceeded": 5},
    "budget": {"cost": 5.0, "tokens": None},
}
ENDED: dict[str, Any] = {"status": "completed", "ended_at": STARTED_AT + 50}


@pytest.fixture
def stopped_server(shared_server: Server) -> Server:
    return shared_server


@contextlib.contextmanager
def standing_in(answers: Sequence[Answer]) -> Generator[str]:
    """Serve the answers one after another, repeating the last one; yield the address."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/api/runs/evalrun_1?rows=false"
            status, body = left.pop(0) if len(left) > 1 else left[0]
            is_page = isinstance(body, str) and body.startswith("<")
            content = body.encode() if is_page else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(STARTED_AT + 20)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def inherited() -> dict[str, str]:
    """Return the variables of the tests' own process without settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}


class Watching:
    """A running `evalhaven watch`, and what it has printed so far.

    Args:
        arguments: What follows `evalhaven watch`.
        is_on_terminal: Give it a terminal instead of a pipe.
        environment: Variables beyond those of the tests' own process.
    """

    def __init__(self, *arguments: str, is_on_terminal: bool = False, **environment: str) -> None:
        ours, theirs = pty.openpty() if is_on_terminal else os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "evalhaven", "watch", *arguments],
            env={**inherited(), "TERM": "xterm", "COLUMNS": "100", "LINES": "40", **environment},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.STDOUT,
        )
        os.close(theirs)
        self._output = b""
        self._reader = threading.Thread(target=self._read, args=(ours,))
        self._reader.start()

    @property
    def output(self) -> str:
        return self._output.decode()

    def wait_for(self, holds: Callable[[str], object], what: str) -> None:
        wait_until(lambda: holds(self.output) or self.process.poll() is not None, what)
        assert holds(self.output), f"not shown: {what}\n{self.output}"

    def end(self) -> int:
        """Return the exit status once the command has ended."""
        status = self.process.wait(PATIENCE_S)
        self._reader.join()
        return status

    def _read(self, descriptor: int) -> None:
        # Reading past the end of a terminal is an error.
        with contextlib.suppress(OSError):
            while block := os.read(descriptor, 4096):
                self._output += block
        os.close(descriptor)


@contextlib.contextmanager
def watching(*arguments: str, is_on_terminal: bool = False, **environment: str) -> Generator[Watching]:
    """Run the command, which does not outlive the test."""
    found = Watching(*arguments, is_on_terminal=is_on_terminal, **environment)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
        found.end()


def start_run(client: Client, directory: Path, rows: int = ROWS) -> tuple[str, str]:
    file_id = client.upload_path(write_rows(directory / "rows.jsonl", item_rows(rows)))
    eval_id = client.create_eval()
    return eval_id, client.start_slow_run(eval_id, file_id)


@ON_SQLITE_ONLY
def test_watching_goes_on_when_its_server_is_killed_and_comes_back(
    server: Server, client: Client, tmp_path: Path
) -> None:
    eval_id, run_id = start_run(client, tmp_path)
    client.wait_for_items(eval_id, run_id)
    with watch_of(server) as looked:
        executor = stop_outside_transactions(server, looked)
    with watching(run_id, "--data-dir", str(server.data_dir), "--interval", "0.2") as watched:
        watched.wait_for(lambda output: "in_progress" in output, "the run")
        executor.resume()
        server.kill()
        watched.wait_for(lambda output: "no answer for 0:0" in output, "the loss")
        server.restart()
        watched.wait_for(lambda output: "connected again after" in output, "the return")
        client.wait_for_end(eval_id, run_id)
        assert watched.end() == 0

    last = watched.output.splitlines()[-1]
    assert last.startswith(f"completed {ROWS} / {ROWS} (100.0 %) | ")
    assert "Traceback" not in watched.output


@ON_SQLITE_ONLY
def test_a_run_that_has_ended_is_shown_without_a_server(server: Server, client: Client, tmp_path: Path) -> None:
    eval_id, run_id = start_run(client, tmp_path, 10)
    client.wait_for_end(eval_id, run_id)
    server.stop()
    watched = run_command("watch", run_id, EVALHAVEN_DATA_DIR=str(server.data_dir))

    assert (watched.returncode, watched.stderr) == (0, "")
    assert watched.stdout.startswith("completed 10 / 10 (100.0 %) | passed ")


@ON_SQLITE_ONLY
def test_a_run_that_stands_still_is_watched_until_a_server_takes_it_up(
    server: Server, client: Client, tmp_path: Path
) -> None:
    eval_id, run_id = start_run(client, tmp_path)
    client.wait_for_items(eval_id, run_id)
    server.kill()
    # The data directory stays free for a server to start.
    with watching(run_id, "--data-dir", str(server.data_dir), "--interval", "0.2") as watched:
        watched.wait_for(lambda output: "no server is running on the data directory; start one" in output, "no server")
        assert "in_progress" in watched.output.splitlines()[0]
        server.restart()
        client.wait_for_end(eval_id, run_id)
        assert watched.end() == 0

    assert "connected again after" in watched.output


@ON_SQLITE_ONLY
def test_a_run_that_is_deleted_cannot_be_watched_any_more(server: Server, client: Client, tmp_path: Path) -> None:
    eval_id, run_id = start_run(client, tmp_path, MANY_ROWS)
    with watching(run_id, "--url", server.url, "--interval", "0.2") as watched:
        watched.wait_for(lambda output: "in_progress" in output, "the run")
        assert client.delete(f"/v1/evals/{eval_id}/runs/{run_id}").is_success
        assert watched.end() == 70

    assert watched.output.splitlines()[-1] == f"Error: Run '{run_id}' was deleted."


def test_a_run_is_watched_at_the_server_of_the_data_directory_whatever_its_database(
    server: Server, client: Client, tmp_path: Path
) -> None:
    eval_id, run_id = start_run(client, tmp_path, 10)
    client.wait_for_end(eval_id, run_id)
    # The shell does not know about the database.
    watched = call_command("watch", run_id, "--data-dir", str(server.data_dir))

    assert (watched.returncode, watched.stderr) == (0, "")
    assert watched.stdout.startswith("completed 10 / 10 (100.0 %) | passed ")


def test_only_flags_make_a_failure_of_a_run_that_completed() -> None:
    with standing_in([(200, run_object(1, 2, 3, **ENDED))]) as url:
        found = {
            flags: call_command("watch", "evalrun_1", "--url", url, "--json", *flags.split())
            for flags in ("", "--fail-under 0.3", "--fail-under 0.4", "--fail-on-error", "--once --fail-on-error")
        }

    assert {flags: watched.returncode for flags, watched in found.items()} == {
        "": 0,
        "--fail-under 0.3": 0,
        "--fail-under 0.4": 1,
        "--fail-on-error": 1,
        "--once --fail-on-error": 1,
    }
    # The reason is printed apart from the figures, which a program reads.
    assert all(json.loads(watched.stdout)["errored"] == 3 for watched in found.values())
    assert found["--fail-under 0.3"].stderr == ""
    assert found["--fail-under 0.4"].stderr == (
        "Error: 1 of 3 graded items passed, 33.3 %: less than 40 % (--fail-under).\n"
    )
    assert found["--fail-on-error"].stderr == "Error: 3 items are errored (--fail-on-error).\n"


def test_a_server_that_stays_away_ends_watching_where_that_is_asked_for() -> None:
    with standing_in([(200, run_object(5)), (503, {"error": {"message": "Busy."}})]) as url:
        watched = call_command("watch", "evalrun_1", "--url", url, "--interval", "0.1", "--give-up-after", "0.3")

    assert watched.returncode == 4
    assert "answers 503: Busy." in watched.stderr
    assert "Traceback" not in watched.stderr


@pytest.mark.parametrize("arguments", [("--fail-under", "90"), ("--interval", "nan"), ("--give-up-after", "0")])
def test_a_value_that_makes_no_sense_is_refused_before_anybody_is_asked(arguments: tuple[str, str]) -> None:
    watched = call_command("watch", "evalrun_1", "--url", "http://127.0.0.1:1", *arguments)

    assert watched.returncode == 64
    assert f"Invalid value for '{arguments[0]}': '{arguments[1]}' is not a number " in watched.stderr


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("is_on_terminal", [False, True])
def test_an_interruption_ends_watching(end: signal.Signals, is_on_terminal: bool) -> None:
    with (
        standing_in([(200, run_object(5))]) as url,
        watching("evalrun_1", "--url", url, is_on_terminal=is_on_terminal) as watched,
    ):
        watched.wait_for(lambda output: "5 / 100" in output, "the run")
        watched.process.send_signal(end)
        assert watched.end() == 130

    assert "Traceback" not in watched.output
    # A terminal gets its cursor back.
    assert watched.output.count("\x1b[?25l") == watched.output.count("\x1b[?25h") == int(is_on_terminal)


def test_a_terminal_shows_one_block_that_changes_in_its_place() -> None:
    answers = [(200, run_object(passed, **LIVELY)) for passed in (5, 15)]
    ended = (200, run_object(100, **LIVELY, **ENDED))
    with (
        standing_in([*answers, (503, {"error": {"message": "Busy."}}), ended]) as url,
        watching("evalrun_1", "--url", url, "--interval", "0.1", is_on_terminal=True, NO_COLOR="1") as watched,
    ):
        assert watched.end() == 0

    screen = screen_of(watched.output)
    assert "5 / 100 (5.0 %)" in watched.output
    assert "503: Busy.)" in watched.output
    assert [line for line in screen if line] == [
        "completed  Tickets  evalrun_1",
        f"[{'=' * 60}] 100 / 100 (100.0 %)",
        "passed 100   failed 0   errored 0",
        "2.0 items/s overall   took 0:50",
        "tokens    1,234: in 880, of them 100 cached; out 354, of them 20 reasoning",
        "cost      $1.2500 of $5.00 (25.0 %)",
        "latency   p50 812 ms, p95 1,920 ms",
        "retries   12: rate_limit 10, timeout 2",
        "limiter   mock: 48 of 64 calls at once; shrunk once; paused 2.0 s in all",
        "errors    rate_limit_exceeded 5",
        "http://127.0.0.1:8765/ui/evals/eval_1/runs/evalrun_1",
    ]


def test_a_terminal_that_can_move_no_cursor_gets_lines() -> None:
    with (
        standing_in([(200, run_object(100, **ENDED))]) as url,
        watching("evalrun_1", "--url", url, is_on_terminal=True, TERM="dumb") as watched,
    ):
        assert watched.end() == 0

    assert watched.output.startswith("completed 100 / 100 (100.0 %) | ")
    assert "\x1b" not in watched.output


def test_a_reader_that_goes_away_ends_watching_without_a_traceback() -> None:
    with standing_in([(200, run_object(5))]) as url:
        watched = subprocess.Popen(
            [sys.executable, "-m", "evalhaven", "watch", "evalrun_1", "--url", url, "--json", "--interval", "0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=inherited(),
        )
        assert watched.stdout is not None
        assert watched.stderr is not None
        with watched, watched.stdout, watched.stderr:
            assert json.loads(watched.stdout.readline())["done"] == 5
            watched.stdout.close()
            assert watched.wait(PATIENCE_S) == 70
            assert watched.stderr.read() == b""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((200, {"object": "list"}), "is not a run of Evalhaven"),
        ((401, {"error": {"message": "No [/key]."}}), "answers 401: No [/key]."),
        ((302, "elsewhere"), "answers 302: "),
        ((200, "<html><title>Welcome</title></html>"), "is not a run of Evalhaven: an HTML page."),
        ((403, "<html><script>x()</script><body>Denied &amp; logged</body></html>"), "answers 403: Denied & logged\n"),
    ],
)
def test_a_server_that_refuses_ends_watching(answer: Answer, message: str) -> None:
    with standing_in([answer]) as url:
        watched = call_command("watch", "evalrun_1", "--url", url)

    assert watched.returncode == 70
    assert message in watched.stderr
    assert "Traceback" not in watched.stderr


def test_nothing_is_made_where_there_is_nothing_to_watch(tmp_path: Path) -> None:
    watched = call_command("watch", "evalrun_1", "--data-dir", str(tmp_path / "none"))

    assert watched.returncode == 70
    assert "neither a server nor a database" in watched.stderr
    assert not (tmp_path / "none").exists()


def test_the_help_says_what_the_exit_status_means() -> None:
    shown = run_command("watch", "--help")

    assert shown.returncode == 0
    parts = (
        "0 the run completed",
        "1 it failed",
        "3 it was canceled",
        "4 its server",
        "130 interrupted",
    )
    for part in parts:
        assert part in " ".join(shown.stdout.split())


def screen_of(output: str) -> list[str]:
    """Return the lines that a terminal shows after an output; it knows the few controls that draw a block."""
    lines = [""]
    row = 0
    for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\x1b[2K":
            lines[row] = ""
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part[0] not in "\r\x1b":
            lines[row] = lines[row] + part
        elif part not in ("\r", "\x1b[?25l", "\x1b[?25h") and not part.endswith("m"):
            raise AssertionError(f"unknown control {part!r}")
    return [line.rstrip() for line in lines]
