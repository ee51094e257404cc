"""What other programs take for the same items at the same endpoint, where they are installed.

promptfoo (npm) and lm-eval (PyPI, `lm_eval[api]`) ask the endpoint of `benchmarks.upstream` the questions of
`benchmarks.tickets` and compare the answers. Loading either takes seconds, so two sizes are run, and what the larger
one takes beyond the smaller one is what an item costs. They are told not to report to anybody.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import MEASURED, on_core
from benchmarks.endpoint import started_upstream
from benchmarks.server import BenchmarkError
from benchmarks.tickets import MODEL, QUESTION, question
from benchmarks.upstream import Behaviour

SIZES = (500, 4_500)
_ROLES = {message["role"]: message["content"].replace("item.", "") for message in QUESTION}
_KEY = "sk-made-up"

Command = tuple[list[str], dict[str, str]]
"""Arguments, and variables beside those of this process."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A program that can be run.

    Attributes:
        prepare: Writes what it needs into a directory, for so many items, an endpoint and a number of calls at once;
            returns how to start it there.
    """

    name: str
    prepare: Callable[[Path, int, str, int], Command]


@dataclass(frozen=True, slots=True)
class Peer:
    """What a program took.

    Attributes:
        start_s: Seconds that pass whatever the number of items.
        items_a_second: The rate beyond that.
        cpu_us_an_item: Beyond the start, too.
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
class _Took:
    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    written_bytes: int


def find_peers(promptfoo: str | None, lm_eval: str | None) -> tuple[list[Installed], list[str]]:
    """Return what is installed, and the names of what is not.

    Args:
        promptfoo: Its command; None looks for it.
        lm_eval: A Python that has it; None looks for its command.
    """
    found: list[Installed] = []
    missing: list[str] = []
    promptfoo = promptfoo or shutil.which("promptfoo")
    if promptfoo:
        found.append(Installed("promptfoo", _promptfoo_at(promptfoo)))
    else:
        missing.append("promptfoo")
    beside = shutil.which("lm_eval")
    command = [lm_eval, "-m", "lm_eval"] if lm_eval else [beside] if beside else None
    if command:
        found.append(Installed("lm-eval", _lm_eval_at(command)))
    else:
        missing.append("lm-eval")
    return found, missing


def measure_peer(peer: Installed, in_flight: int, latency_ms: float, directory: Path) -> Peer:
    """Measure one program.

    Args:
        peer: The program.
        in_flight: How many calls it may have under way.
        latency_ms: Of the endpoint.
        directory: An empty directory for everything that is written.
    """
    small, large = (_run(peer, items, in_flight, latency_ms, directory / str(items)) for items in SIZES)
    more = SIZES[1] - SIZES[0]
    seconds = large.wall_s - small.wall_s
    return Peer(
        peer.name,
        in_flight,
        small.wall_s - SIZES[0] * seconds / more,
        more / seconds,
        1e6 * (large.cpu_s - small.cpu_s) / more,
        large.peak_memory_bytes,
        (large.written_bytes - small.written_bytes) / more,
    )


def _run(peer: Installed, items: int, in_flight: int, latency_ms: float, directory: Path) -> _Took:
    directory.mkdir()
    with started_upstream(Behaviour(latency_ms)) as upstream:
        arguments, variables = peer.prepare(directory, items, upstream.base_url, in_flight)
        before = _size_of(directory)
        started = time.perf_counter()
        log = directory / "log"
        with on_core(MEASURED), log.open("wb") as output:
            process = subprocess.Popen(
                arguments, cwd=directory, env=_environment(variables), stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)  # what it used, as far as the system knows
            process.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.perf_counter() - started
        answers = upstream.stats()["by_status"].get("200", 0)
    if answers != items:
        end = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchmarkError(f"{peer.name} asked {answers} of {items} questions: {end}")
    return _Took(
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
