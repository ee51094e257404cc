"""`evalhaven run` with a server of its own: what is left of it, and what a kill costs."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evalhaven.storage.lock import find_holder
from tests.figures import Say
from tests.sizes import SEED, SIZES
from tests.system.client import wait_until
from tests.system.commands import run_command
from tests.system.faulty import FaultyUpstream, faulty_upstream

IN_FLIGHT = 20
# Answers that an executor may have, but not yet stored: a few times what is stored at once at this pace. A call that
# began anew after each kill would pay for more than that.
UNSTORED = 150
CONFIG = """
[endpoints.faulty]
base_url = "{url}"
models = ["*"]
max_concurrency = {in_flight}
start_concurrency = {in_flight}
"""
CRITERION = {
    "type": "string_check",
    "name": "exact",
    "input": "{{ sample.output_text }}",
    "operation": "eq",
    "reference": "{{ item.answer }}",
}


class Alone:
    """An eval file with its directory, called without a server."""

    def __init__(self, directory: Path, config: str = "") -> None:
        self.directory = directory
        self.data_dir = directory / "evalhaven-data"
        if config:
            (directory / "evalhaven.toml").write_text(config)

    def write(self, count: int, **changes: Any) -> None:
        rows = [{"answer": f"a{n}"} for n in range(count)]
        (self.directory / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        document = {
            "name": "Alone",
            "data": "rows.jsonl",
            "models": ["scripted"],
            "prompts": {"one": "One. ANSWER: {{ item.answer }}", "two": "Two. ANSWER: {{ item.answer }}"},
            "testing_criteria": [CRITERION],
            **changes,
        }
        (self.directory / "eval.json").write_text(json.dumps(document))

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return run_command("run", "eval.json", *options, directory=self.directory)

    @contextmanager
    def started(self, *options: str) -> Generator[subprocess.Popen[str]]:
        """Start the command in a process group of its own."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))
        }
        with (self.directory / "output.txt").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "evalhaven", "run", "eval.json", *options],
                cwd=self.directory,
                env=inherited,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    @property
    def output(self) -> str:
        return (self.directory / "output.txt").read_text()

    def wait_until_released(self) -> None:
        wait_until(lambda: find_holder(self.data_dir) is None, "no process holds the data directory")


def test_without_a_server_one_is_started_and_ends_with_the_command(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    alone.write(40, policy={"threshold": 0.8})
    first = alone.run("--json")
    assert first.returncode == 0, first.stderr
    assert [run["outcome"] for run in json.loads(first.stdout)["runs"]] == ["pass", "pass"]
    assert find_holder(alone.data_dir) is None

    alone.write(40, policy={"threshold": 0.8}, prompts={"one": "One. ANSWER: no"})
    failing = alone.run()
    assert failing.returncode == 1, failing.stderr
    assert not json.loads(first.stdout)["follows"]


def test_a_server_that_cannot_start_is_told_with_its_log(tmp_path: Path) -> None:
    alone = Alone(tmp_path, "[endpoints.x]\nbase_ur = 1\n")
    alone.write(1)
    done = alone.run()
    assert done.returncode == 70
    assert "ended before it was ready" in done.stderr
    assert "base_ur" in done.stderr


@pytest.mark.slow
def test_a_watched_file_is_run_again_when_it_changes(tmp_path: Path) -> None:
    alone = Alone(tmp_path)
    alone.write(3)
    with alone.started("--watch") as process:
        wait_until(lambda: "Waiting for a change" in alone.output, "the first call has ended")
        alone.write(3, nme="x")
        wait_until(lambda: "Did you mean 'name'?" in alone.output, "the mistake is told")
        alone.write(4, prompts={"one": "ANSWER: no"})
        wait_until(lambda: "passed 0, failed 4" in alone.output, "the changed file is run")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    alone.wait_until_released()


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_call_is_taken_up_and_pays_twice_only_for_what_was_under_way(tmp_path: Path, say: Say) -> None:
    count, kills = SIZES.file_kill_items, SIZES.file_kills
    chance = random.Random(SEED)
    with faulty_upstream(latency_ms=40, hold_after=2 * count - IN_FLIGHT) as upstream:
        alone = Alone(tmp_path, CONFIG.format(url=upstream.url, in_flight=IN_FLIGHT))
        alone.write(count, models=["m"])
        whom = Counter[str]()
        for number in range(kills):
            with alone.started(*(["--resume"] if number else [])) as process:
                wait_until_answered(upstream, process, (number + 1) * 2 * count // (kills + 2))
                time.sleep(chance.uniform(0.0, 0.3))
                assert process.poll() is None, alone.output
                is_group = bool(number % 2)
                whom["group" if is_group else "command"] += 1
                (os.killpg if is_group else os.kill)(process.pid, signal.SIGKILL)
            alone.wait_until_released()
        upstream.change(hold_after=0)
        # A plain call would pay for all of it again.
        refused = alone.run()
        assert (refused.returncode, "--resume" in refused.stderr) == (64, True), refused.stderr
        done = alone.run("--resume", "--json")
        answered = upstream.answered()
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert [(run["variant"], run["total"], run["passed"]) for run in runs] == [
        ("one", count, count),
        ("two", count, count),
    ]
    with contextlib.closing(sqlite3.connect(alone.data_dir / "evalhaven.db")) as database:
        stored = database.execute("SELECT count(*), count(DISTINCT position) FROM output_items GROUP BY run_key")
        assert list(stored) == [(count, count)] * 2
        assert list(database.execute("SELECT count(*) FROM runs")) == [(2,)]
    paid_twice = sum(answered.values()) - 2 * count
    assert set(answered) == {f"{word}. ANSWER: a{n}" for word in ("One", "Two") for n in range(count)}
    assert paid_twice <= kills * (IN_FLIGHT + UNSTORED)
    say(f"seed {SEED}: {2 * count:,} items, killed {dict(whom)}, {paid_twice:,} calls paid twice")


def wait_until_answered(upstream: FaultyUpstream, process: subprocess.Popen[str], count: int) -> None:
    """Wait until so many different prompts were answered, or the command has ended."""
    wait_until(
        lambda: process.poll() is not None or len(upstream.answered()) >= count, f"{count} answers", pause_s=0.05
    )
