"""Facts about `evalhaven run` as a user of the shell sees them, beside a server that is up."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import anyio
import httpx2
import pytest

from evalhaven.eval_files.calling import CALL, ORIGIN, PART, RUNS, create_run, plan_call
from evalhaven.eval_files.origins import origin_of
from evalhaven.eval_files.reading import read_eval_file
from evalhaven.eval_files.selecting import Selection
from evalhaven.eval_files.talking import Talker
from evalhaven.eval_files.upserting import upsert_eval
from tests.server import SLOW_MODEL, Server
from tests.system.client import wait_until
from tests.system.commands import call_command

COUNT = 40
ROWS = [{"question": f"Question {n}?", "answer": f"answer {n}"} for n in range(COUNT)]
RIGHT, WRONG = "{{ item.question }} ANSWER: {{ item.answer }}", "{{ item.question }} ANSWER: nothing"
CRITERION = {
    "type": "string_check",
    "name": "exact",
    "input": "{{ sample.output_text }}",
    "operation": "eq",
    "reference": "{{ item.answer }}",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("run")).running() as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        yield client


class EvalOfTest:
    """An eval file of one test, called by the test's name, so that its eval is the test's own."""

    def __init__(self, directory: Path, url: str, name: str) -> None:
        self.directory = directory
        self.path = directory / "eval.json"
        self.url = url
        self.name = name

    def write(self, **changes: Any) -> None:
        document = {
            "name": self.name,
            "data": ROWS,
            "models": ["scripted"],
            "prompts": {"right": RIGHT, "wrong": WRONG},
            "testing_criteria": [CRITERION],
            **changes,
        }
        self.path.write_text(json.dumps(document))

    def run(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return call_command("run", str(self.path), "--url", self.url, *options, directory=None, **environment)

    def started(self) -> subprocess.Popen[str]:
        """Start the command in a process of its own."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
        command = [sys.executable, "-m", "evalhaven", "run", str(self.path), "--url", self.url]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=inherited, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def run_json(self, *options: str, status: int = 0) -> dict[str, Any]:
        done = self.run("--json", *options)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def of_test(tmp_path: Path, server: Server, request: pytest.FixtureRequest) -> EvalOfTest:
    made = EvalOfTest(tmp_path, server.url, request.node.name)
    made.write()
    return made


def runs_of(client: httpx2.Client, eval_id: str) -> list[dict[str, Any]]:
    return client.get("/api/runs", params={"eval": eval_id}).json()["data"]


def eval_of(client: httpx2.Client, of_test: EvalOfTest) -> str:
    """Return the id of the eval of a test."""
    return client.get("/api/evals", params={"search": of_test.name}).json()["data"][0]["id"]


def figures_of(called: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Return of each variant how many items passed and failed."""
    return {run["variant"]: (run["passed"], run["failed"]) for run in called["runs"]}


def outcomes_of(called: dict[str, Any]) -> dict[str, str]:
    return {run["variant"]: run["outcome"] for run in called["runs"]}


def test_each_variant_has_a_run_that_says_where_it_comes_from(of_test: EvalOfTest, client: httpx2.Client) -> None:
    done = of_test.run()
    assert done.returncode == 0, done.stderr
    (row,) = [line.split() for line in done.stdout.splitlines() if line.startswith("wrong ")]
    assert row == ["wrong", "40", "0", "40", "0", "0.0", "%", "completed"]

    (found,) = client.get("/api/evals", params={"search": of_test.name}).json()["data"]
    runs = runs_of(client, found["id"])
    assert {run["name"] for run in runs} == {"right", "wrong"}
    assert len({run["metadata"]["evalhaven_call"] for run in runs}) == 1
    assert len({run["file_id"] for run in runs}) == 1
    assert {run["metadata"]["evalhaven_variant"] for run in runs} == {"right", "wrong"}


def test_an_unchanged_eval_is_found_again_and_its_data_is_not_sent_again(
    of_test: EvalOfTest, client: httpx2.Client
) -> None:
    first = of_test.run_json()
    of_test.write(metadata={"team": "a"}, prompts={"other": RIGHT})
    second = of_test.run_json()

    assert (first["is_new"], second["is_new"], second["follows"]) == (True, False, None)
    assert second["eval_id"] == first["eval_id"]
    assert len({run["file_id"] for run in runs_of(client, first["eval_id"])}) == 1
    assert client.get(f"/v1/evals/{first['eval_id']}").json()["metadata"]["team"] == "a"


def test_a_changed_definition_is_a_new_eval_that_follows_the_last(of_test: EvalOfTest) -> None:
    first = of_test.run_json("--limit", "2")
    of_test.write(testing_criteria=[{**CRITERION, "operation": "ilike"}], policy={"margin": 0.5})
    done = of_test.run("--limit", "2")
    assert "The eval has changed: this is its next version" in done.stdout
    of_test.write(testing_criteria=[{**CRITERION, "operation": "like"}], policy={"margin": 0.5})
    third = of_test.run_json("--limit", "2", status=2)

    assert third["eval_id"] != first["eval_id"]
    assert third["follows"] != first["eval_id"]
    # The baseline is the last run of the same variant, whatever version it is of.
    assert all(run["baseline"] for run in third["runs"])


def test_the_policy_decides_by_a_threshold(of_test: EvalOfTest) -> None:
    of_test.write(prompts={"right": RIGHT}, policy={"threshold": 0.8})
    assert of_test.run_json()["runs"][0]["outcome"] == "pass"
    of_test.write(policy={"threshold": 0.8})
    assert outcomes_of(of_test.run_json(status=1)) == {"right": "pass", "wrong": "fail"}


def test_a_margin_is_inconclusive_without_a_baseline_and_says_what_to_do(of_test: EvalOfTest) -> None:
    of_test.write(policy={"margin": 0.1})
    done = of_test.run()
    assert done.returncode == 2
    assert "There is no baseline yet, so a margin decides nothing" in done.stdout
    of_test.write(prompts={"right": RIGHT}, policy={"margin": 0.1, "threshold": 0.5})
    told = of_test.run_json("--baseline", "none", status=2)
    assert outcomes_of(told) == {of_test.name: "inconclusive"}


def test_a_variant_is_the_baseline_of_the_others(of_test: EvalOfTest) -> None:
    of_test.write(prompts={"right": RIGHT, "wrong": WRONG, "again": RIGHT + " "}, policy={"margin": 0.2})
    called = of_test.run_json("--baseline", "right", status=1)
    base = next(run for run in called["runs"] if run["variant"] == "right")

    assert base["role"] == "baseline"
    assert {run["baseline"] for run in called["runs"] if run is not base} == {base["run_id"]}
    assert outcomes_of(called) == {"right": None, "wrong": "fail", "again": "pass"}


def test_the_last_run_of_the_same_variant_is_the_baseline_and_a_part_has_one_of_its_own(of_test: EvalOfTest) -> None:
    whole = of_test.run_json()
    part = of_test.run_json("--limit", "5")
    again = of_test.run_json()
    of_test.write(policy={"margin": 0.2})
    last = of_test.run_json("--limit", "5", status=2)

    def by_variant(called: dict[str, Any], key: str) -> dict[str, Any]:
        return {run["variant"]: run[key] for run in called["runs"]}

    assert by_variant(part, "baseline") == {"right": None, "wrong": None}
    assert by_variant(again, "baseline") == by_variant(whole, "run_id")
    assert by_variant(last, "baseline") == by_variant(part, "run_id")
    assert again["runs"][0]["comparison"]["comparisons"][0]["paired_by"] == "content"


def test_recorded_answers_are_a_baseline_that_is_graded_anew(of_test: EvalOfTest) -> None:
    record = of_test.directory / "answers-{variant}.jsonl"
    of_test.run_json("--record", str(record))
    recorded = of_test.directory / "answers-right.jsonl"
    rows = [json.loads(line) for line in recorded.read_text().splitlines()]
    assert [row["item"] for row in rows] == ROWS
    assert {row["sample"]["output"][0]["content"] for row in rows} == {row["answer"] for row in ROWS}

    of_test.write(policy={"margin": 0.2}, baseline=recorded.name)
    called = of_test.run_json(status=1)
    assert [run["role"] for run in called["runs"]] == ["baseline", "candidate", "candidate"]
    assert outcomes_of(called) == {"recorded answers": None, "right": "pass", "wrong": "fail"}


def test_a_part_of_the_items_is_chosen(of_test: EvalOfTest) -> None:
    of_test.write(prompts={"mixed": "{{ item.question }} ANSWER: answer 7"})
    whole = of_test.run_json()["runs"][0]
    assert (whole["passed"], whole["failed"]) == (1, 39)
    assert of_test.run_json("--limit", "3")["runs"][0]["total"] == 3
    sampled = [of_test.run_json("--sample", "5", "--seed", seed)["runs"][0] for seed in ("1", "1", "2")]
    assert [run["total"] for run in sampled] == [5, 5, 5]
    assert sampled[1]["baseline"] == sampled[0]["run_id"]

    of_test.write(prompts={"right": RIGHT}, policy={"threshold": 0.5})
    failing = of_test.run_json("--filter-failing", whole["run_id"])
    assert (failing["runs"][0]["total"], failing["runs"][0]["outcome"]) == (39, None)
    assert failing["part"] == f"failing={whole['run_id']}"
    done = of_test.run("--filter-failing", failing["runs"][0]["run_id"])
    assert done.returncode == 64
    assert "No row of the data is left to run" in done.stderr


def test_what_came_out_is_told_as_markdown_in_the_jobs_summary_and_as_junit(of_test: EvalOfTest) -> None:
    of_test.write(policy={"threshold": 0.8})
    junit, summary = of_test.directory / "gate.xml", of_test.directory / "summary.md"
    done = of_test.run("--markdown", "--junit", str(junit), GITHUB_STEP_SUMMARY=str(summary))

    assert done.returncode == 1
    assert summary.read_text() == done.stdout + "\n"
    assert "| wrong | 40 | 0 | 40 | 0 | 0.0 % | fail |" in done.stdout
    assert "wrong: completed 40 / 40" in done.stderr
    suites = ET.parse(junit).getroot()  # noqa: S314 - our own
    assert [(suite.get("failures"), suite.get("errors")) for suite in suites] == [("0", "0"), ("1", "0")]
    unwritable = of_test.run("--junit", str(of_test.directory / "no" / "gate.xml"))
    assert unwritable.returncode == 70
    assert "The JUnit XML is missing" in unwritable.stderr


def test_errors_of_items_are_no_success(of_test: EvalOfTest) -> None:
    reference = {"type": "item_reference", "item_reference": "item.messages"}
    of_test.write(prompts={"referred": reference}, data=[{"messages": "none", "answer": "b"}])
    called = of_test.run_json(status=2)
    assert called["runs"][0]["errored"] == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--resume", "--restart"), "--resume and --restart exclude each other"),
        (("--resume", "--limit", "2"), "--resume and --limit exclude each other"),
        (("--json", "--markdown"), "--json and --markdown exclude each other"),
        (("--seed", "2"), "--seed has no effect without --sample"),
        (("--record", "a.jsonl"), "such as a-{variant}.jsonl"),
        (("--baseline", "rigt"), "There is no baseline 'rigt'"),
        (("--baseline", "evalrun_0"), "no run on this server has this id"),
        (("--filter-failing", "evalrun_0"), "--filter-failing: no run on this server has the id 'evalrun_0'"),
        (("--baseline", "pinned"), "No run of this eval is pinned"),
        (("--resume",), "There is nothing to take up"),
    ],
)
def test_a_wrong_command_line_says_so_before_anything_is_run(
    of_test: EvalOfTest, client: httpx2.Client, options: tuple[str, ...], expected: str
) -> None:
    done = of_test.run(*options)
    assert done.returncode == 64
    assert expected in " ".join(done.stderr.replace("│", " ").split())
    assert client.get("/api/evals", params={"search": of_test.name}).json()["data"] == []


def test_rows_without_answers_are_no_baseline(of_test: EvalOfTest, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    done = of_test.run("--baseline", str(tmp_path / "rows.jsonl"))
    assert (done.returncode, "rows.jsonl:1: This row is no recorded answer" in done.stderr) == (64, True), done.stderr


def test_a_wrong_file_is_refused_with_every_place(of_test: EvalOfTest) -> None:
    of_test.write(polcy={}, testing_criteria=[{**CRITERION, "reference": "{{ item.anser }}"}])
    done = of_test.run()
    assert done.returncode == 64
    assert "Did you mean 'policy'?" in done.stderr
    assert "the item schema has no field 'anser'" in done.stderr


def test_a_call_that_is_refused_in_the_middle_leaves_nothing_to_take_up(
    of_test: EvalOfTest, client: httpx2.Client
) -> None:
    of_test.write(models=[SLOW_MODEL, {"model": "scripted", "name": "long" * 200}])
    done = of_test.run()
    assert (done.returncode, "'metadata.evalhaven_variant'" in done.stderr) == (64, True), done.stderr
    assert {run["status"] for run in runs_of(client, eval_of(client, of_test))} == {"canceled"}
    of_test.write()
    of_test.run_json()


def test_a_model_that_is_no_application_needs_prompts(of_test: EvalOfTest) -> None:
    of_test.write(prompts=None)
    done = of_test.run()
    assert (done.returncode, "'scripted' has to be asked something: add 'prompts'" in done.stderr) == (64, True)


def test_answers_that_cannot_be_written_do_not_lose_the_decision(of_test: EvalOfTest, tmp_path: Path) -> None:
    of_test.write(policy={"threshold": 0.5})
    called = of_test.run_json("--record", str(tmp_path / "nowhere" / "{variant}.jsonl"), status=70)
    assert outcomes_of(called) == {"right": "pass", "wrong": "fail"}


def test_the_progress_need_not_be_read(of_test: EvalOfTest) -> None:
    of_test.write(policy={"threshold": 0.5}, data=ROWS * 3)
    with of_test.started() as call:
        assert call.stdout is not None
        call.stdout.readline()
        call.stdout.close()
        assert (call.wait(60), call.stderr.read() if call.stderr else "") == (1, "")


def test_a_call_that_has_not_ended_is_taken_up_or_started_anew(of_test: EvalOfTest, client: httpx2.Client) -> None:
    of_test.write(models=[SLOW_MODEL], data=[{"question": str(n), "answer": "b"} for n in range(400)])
    first = of_test.run_json("--limit", "1")
    eval_id = first["eval_id"]
    with of_test.started() as call:
        wait_until(lambda: len(runs_of(client, eval_id)) == 4, "both runs are created")
        call.send_signal(signal.SIGINT)
        _, said = call.communicate(timeout=60)
    assert call.returncode == 130
    assert f"`evalhaven run {of_test.path} --url {of_test.url} --resume` goes on" in said

    refused = of_test.run()
    assert refused.returncode == 64
    assert "take it up with --resume, or cancel it and start anew with --restart" in refused.stderr
    of_test.write(models=[SLOW_MODEL], data=[{"question": "x", "answer": "b"}])
    changed = of_test.run("--resume")
    assert changed.returncode == 64
    assert "have changed since" in changed.stderr
    of_test.run_json("--restart")
    assert [run["status"] for run in runs_of(client, eval_id)].count("canceled") == 2
    # A call that has ended is told again.
    assert of_test.run_json("--resume")["runs"][0]["total"] == 1
    assert len(runs_of(client, eval_id)) == 6


def test_a_call_that_was_killed_before_it_had_all_runs_creates_the_others(
    of_test: EvalOfTest, client: httpx2.Client
) -> None:
    async def begin_call() -> str:
        async with httpx2.AsyncClient(base_url=of_test.url, trust_env=False) as asynchronous:
            talker, file = Talker(asynchronous), read_eval_file(of_test.path)
            planned = await plan_call(talker, file, Selection(limit=3))
            placed = await upsert_eval(talker, file, of_test.name)
            shared = {CALL: "call", RUNS: "2", PART: "limit=3", ORIGIN: origin_of(of_test.path)}
            await create_run(talker, placed.id, planned[0], shared)
            return placed.id

    eval_id = anyio.run(begin_call)
    refused = of_test.run()
    assert (refused.returncode, "(1 of 2 runs are left)" in refused.stderr) == (64, True), refused.stderr
    assert figures_of(of_test.run_json("--resume")) == {"right": (3, 0), "wrong": (0, 3)}
    assert len(runs_of(client, eval_id)) == 2


def test_what_init_writes_runs_at_once_and_is_never_overwritten(of_test: EvalOfTest) -> None:
    first = call_command("init", directory=of_test.directory)
    done = call_command("run", "evals/tickets.yaml", "--url", of_test.url, directory=of_test.directory)
    assert (done.returncode, first.returncode) == (0, 0), done.stderr
    assert "28       2        0  93.3 %  pass" in done.stdout

    (of_test.directory / "evals" / "tickets.yaml").write_text("mine")
    (of_test.directory / ".gitignore").write_text("/dist/\n")
    again = call_command("init", "--ci", "gitlab", directory=of_test.directory)
    assert "kept  evals/tickets.yaml, which was there before" in again.stdout
    assert "wrote .gitlab-ci.yml" in again.stdout
    assert "Add /evalhaven-data/ to .gitignore" in again.stderr
    assert (of_test.directory / "evals" / "tickets.yaml").read_text() == "mine"


def test_with_a_key_no_model_stands_in(tmp_path: Path) -> None:
    done = call_command("init", str(tmp_path / "new"), "--ci", "none", OPENAI_API_KEY="key")
    assert "stands in" not in done.stdout
    file = read_eval_file(tmp_path / "new" / "evals" / "tickets.yaml")
    assert file.models == ["gpt-4.1-mini"]
    assert "ANSWER" not in file.path.read_text()
    assert set(file.schema_of_items["properties"]) == {"ticket", "label"}  # type: ignore[arg-type]
    (tmp_path / "file").touch()
    assert call_command("init", str(tmp_path / "file")).returncode == 64
