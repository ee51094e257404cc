"""What other programs need for the same items at the same endpoint, if they are installed.

promptfoo (npm) and lm-eval (PyPI, `lm_eval[api]`) ask the endpoint of `benchmarks.upstream` the questions of
`benchmarks.tickets` and compare the answers. Loading either takes seconds, so two sizes are run, and the cost of an
item is computed from the difference between them. Their telemetry is turned off.

A first start reads the program from the disk, compiles it and fills caches. If the smaller size bore that cost, an item
would seem to cost next to nothing. So each program is started once before it is measured, and then measured several
times in turn with the others, each round in a different order; the median counts, and the spread is shown beside it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import TypeVar

from benchmarks.cores import MEASURED, on_core
from benchmarks.endpoint import started_upstream
from benchmarks.server import BenchmarkError
from benchmarks.tickets import MODEL, QUESTION, question
from benchmarks.upstream import Behaviour

SIZES = (500, 4_500)
ROUNDS = 3
_ROLES = {message["role"]: message["content"].replace("item.", "") for message in QUESTION}
_KEY = "sk-made-up"

T = TypeVar("T")

Sizes = tuple[int, int]
Command = tuple[list[str], dict[str, str]]
"""Arguments, and variables beside those of this process."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A program that can be run.

    Attributes:
        prepare: Writes what the program needs into a directory, for a number of items, an endpoint and a number of
            calls at once; returns how to start it there.
    """

    name: str
    prepare: Callable[[Path, int, str, int], Command]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a program needed in one round.

    Attributes:
        start_s: Seconds that do not depend on the number of items.
        items_a_second: The rate without the start.
        cpu_us_an_item: CPU an item, also without the start.
        peak_memory_bytes: With the larger number of items.
        bytes_an_item: What it left on disk for each of the larger number.
    """

    name: str
    in_flight: int
    start_s: float
    items_a_second: float
    cpu_us_an_item: float
    peak_memory_bytes: int
    bytes_an_item: float


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Compared:
    """What a program needed, round by round."""

    name: str
    rounds: Sequence[Peer]

    def spread(self, figure: Callable[[Peer], float]) -> Spread:
        """Return a figure with its spread over the rounds."""
        found = [figure(each) for each in self.rounds]
        return Spread(median(found), min(found), max(found))


@dataclass(frozen=True, slots=True)
class Contestant:
    """A program in the comparison.

    Attributes:
        warm_up: Starts it once, so that caches and compiled files of a first start are there.
        measure: Measures it once.
    """

    name: str
    warm_up: Callable[[], None]
    measure: Callable[[], Peer]


@dataclass(frozen=True, slots=True)
class Took:
    """What a program needed for one number of items, including its start."""

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    written_bytes: int


def find_peers(promptfoo: str | None, lm_eval: str | None) -> tuple[list[Installed], list[str]]:
    """Return what is installed, and the names of what is not.

    Args:
        promptfoo: Its command; None: look for it.
        lm_eval: A Python that has it; None: look for its command.
    """
    found: list[Installed] = []
    missing: list[str] = []
    promptfoo = _found(promptfoo or "promptfoo")
    if promptfoo:
        found.append(Installed("promptfoo", _promptfoo_at(promptfoo)))
    else:
        missing.append("promptfoo")
    start = _found(lm_eval or "lm_eval")
    if start:
        found.append(Installed("lm-eval", _lm_eval_at([start, "-m", "lm_eval"] if lm_eval else [start])))
    else:
        missing.append("lm-eval")
    return found, missing


def _found(command: str) -> str | None:
    """Return the absolute path of a command; None if there is none."""
    path = shutil.which(command)
    return None if path is None else str(Path(path).absolute())


def measure_in_turn(contestants: Sequence[Contestant], rounds: int, say: Callable[[str], None]) -> list[Compared]:
    """Measure programs for some rounds, none of them always first or always after the same other one.

    Args:
        contestants: The programs.
        rounds: How many times each is measured.
        say: Is told what is being measured.
    """
    for each in contestants:
        say(f"{each.name}, to warm up")
        each.warm_up()
    found: dict[str, list[Peer]] = {each.name: [] for each in contestants}
    for number in range(rounds):
        for each in turn_order(contestants, number):
            say(f"{each.name}, round {number + 1} of {rounds}")
            found[each.name].append(each.measure())
    return [Compared(name, measured) for name, measured in found.items()]


def turn_order(contestants: Sequence[T], number: int) -> list[T]:
    """Return the order of a round: each comes first in turn, and the direction changes with each round."""
    first = number % len(contestants) if contestants else 0
    turned = [*contestants[first:], *contestants[:first]]
    return turned if number % 2 == 0 else [turned[0], *turned[:0:-1]]


def contestant(peer: Installed, sizes: Sizes, in_flight: int, latency_ms: float, directory: Path) -> Contestant:
    """Return how to measure a program.

    Args:
        peer: The program.
        sizes: Two numbers of items, whose difference is measured.
        in_flight: How many calls it may have in flight.
        latency_ms: Latency of the endpoint.
        directory: An empty directory for everything that is written; caches stay there from start to start.
    """
    starts = count()

    def run(items: int) -> Took:
        return _run(peer, items, in_flight, latency_ms, directory / f"start-{next(starts)}")

    def warm_up() -> None:
        run(sizes[0])

    def measure() -> Peer:
        return difference(peer.name, in_flight, sizes, (run(sizes[0]), run(sizes[1])))

    return Contestant(peer.name, warm_up, measure)


def difference(name: str, in_flight: int, sizes: Sizes, took: tuple[Took, Took]) -> Peer:
    """Return what the larger size needed beyond the smaller one.

    Raises:
        BenchmarkError: The larger size took less time.
    """
    small, large = took
    more = sizes[1] - sizes[0]
    seconds = large.wall_s - small.wall_s
    if seconds <= 0:
        raise BenchmarkError(
            f"{name} took {large.wall_s:.1f} s for {sizes[1]:,} items and {small.wall_s:.1f} s for {sizes[0]:,}: "
            "something else keeps this machine busy, or the sizes are too close for its start to be told apart."
        )
    return Peer(
        name,
        in_flight,
        small.wall_s - sizes[0] * seconds / more,
        more / seconds,
        1e6 * (large.cpu_s - small.cpu_s) / more,
        large.peak_memory_bytes,
        (large.written_bytes - small.written_bytes) / more,
    )


def _run(peer: Installed, items: int, in_flight: int, latency_ms: float, directory: Path) -> Took:
    directory.mkdir(parents=True)
    with started_upstream(Behaviour(latency_ms)) as upstream:
        arguments, variables = peer.prepare(directory, items, upstream.base_url, in_flight)
        before = _size_of(directory)
        started = time.perf_counter()
        log = directory / "log"
        with on_core(MEASURED), log.open("wb") as output:
            process = subprocess.Popen(
                arguments, cwd=directory, env=_environment(variables), stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)  # what it used, as far as the system can tell
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - started
        answers = upstream.stats()["by_status"].get("200", 0)
    if answers != items:
        end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchmarkError(f"{peer.name} asked {answers} of {items} questions: {end}")
    return Took(
        wall_s,
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        _size_of(directory) - before - log.stat().st_size,
    )


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {**os.environ, "OPENAI_API_KEY": _KEY, **variables}


def _size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


def _promptfoo_at(command: str) -> Callable[[Path, int, str, int], Command]:
    def prepare(directory: Path, items: int, base_url: str, in_flight: int) -> Command:
        prompt = [{"role": role, "content": content} for role, content in _ROLES.items()]
        _write(directory / "prompt.json", prompt)
        checked = [{"type": "equals", "value": "{{ ideal }}"}]
        _write(directory / "tests.json", [{"vars": question(number), "assert": checked} for number in range(items)])
        config = {
            "prompts": ["file://prompt.json"],
            "providers": [{"id": f"openai:chat:{MODEL}", "config": {"apiBaseUrl": base_url, "apiKey": _KEY}}],
            "tests": "file://tests.json",
        }
        _write(directory / "config.json", config)
        options = ["-c", "config.json", "-j", str(in_flight), "--no-cache", "--no-progress-bar", "--no-table"]
        quiet = ("TELEMETRY", "UPDATE", "REMOTE_GENERATION", "SHARING")
        variables = {f"PROMPTFOO_DISABLE_{name}": "1" for name in quiet}
        return [command, "eval", *options], {**variables, "PROMPTFOO_CONFIG_DIR": str(directory / "state")}

    return prepare


def _lm_eval_at(command: Sequence[str]) -> Callable[[Path, int, str, int], Command]:
    def prepare(directory: Path, items: int, base_url: str, in_flight: int) -> Command:
        rows = directory / "questions.jsonl"
        rows.write_text("".join(json.dumps(question(number)) + "\n" for number in range(items)), encoding="utf-8")
        task = {
            "task": "tickets",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(rows)}},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_text": _ROLES["user"],
            "doc_to_target": "{{ ideal }}",
            "generation_kwargs": {"until": ["\n\n"], "max_gen_toks": 16},
            "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        }
        _write(directory / "tickets.yaml", task)  # JSON is YAML
        model = f"model={MODEL},base_url={base_url}/chat/completions,num_concurrent={in_flight}"
        options = ["--model", "local-chat-completions", "--model_args", model, "--tasks", "tickets"]
        options += ["--include_path", str(directory), "--apply_chat_template", "--system_instruction", _ROLES["system"]]
        options += ["--output_path", str(directory / "out"), "--log_samples"]
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(directory.parent / "cache")}
        return [*command, *options], offline

    return prepare


def _write(path: Path, document: object) -> None:
    path.write_text(json.dumps(document), encoding="utf-8")
