"""Facts about `evalhaven evals`, `runs`, `items`, `retry`, `regrade`, `pin` and `unpin` as users see them."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import wait_for_end
from tests.server import Server
from tests.system.commands import call_command

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e</td>"
UNKNOWN = "evalrun_00000000000000000000000000000000"


@dataclass(frozen=True)
class Objects:
    """Ids of an eval, and of two of its runs: one of which every item passes, and one of which two of three fail."""

    eval_id: str
    good: str
    bad: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("objects")).running() as running:
        yield running


@pytest.fixture(scope="module")
def objects(server: Server) -> Objects:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        criterion = {"type": "string_check", "name": f"right {HOSTILE}", "input": "{{ sample.output_text }}",
                     "reference": "x", "operation": "eq"}  # fmt: skip
        schema = {"type": "object", "properties": {"n": {"type": "integer"}, "q": {}}, "required": ["n"]}
        config = {"type": "custom", "item_schema": schema}
        body = {"name": f"Tickets {HOSTILE}", "metadata": {"team": "a"}, "data_source_config": config}
        eval_id = client.post("/v1/evals", json={**body, "testing_criteria": [criterion]}).json()["id"]

        def run(name: str, wrong: int) -> str:
            rows: list[dict[str, Any]] = [
                {"item": {"n": n, "q": HOSTILE}, "sample": {"output_text": f"no\n{HOSTILE}" if n < wrong else "x"}}
                for n in range(3)
            ]
            source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
            made = client.post(f"/v1/evals/{eval_id}/runs", json={"name": name, "data_source": source})
            return wait_for_end(client, made.json())["id"]

        return Objects(eval_id, run("main", 0), run(f"branch {HOSTILE}", 2))


def call(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the server; what it prints must never steer a terminal."""
    done = call_command(*arguments, "--url", server.url)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr), "it steers the terminal"
    return done


def words(text: str) -> list[list[str]]:
    """Return the words of each line."""
    return [line.split() for line in text.splitlines()]


def test_evals_are_listed_with_their_last_rate(server: Server, objects: Objects) -> None:
    done = call(server, "evals")

    assert (done.returncode, done.stderr) == (0, "")
    [heads, row] = words(done.stdout)
    assert heads == ["eval", "runs", "passed", "%", "last", "run", "(UTC)", "name"]
    assert row[:3] == [objects.eval_id, "2", "33.3"]
    assert row[5] == "Tickets"


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (["--search", "TICK"], 1),
        (["--search", "absent"], 0),
        (["--metadata", "team=a"], 1),
        (["--metadata", "team=b"], 0),
        (["--type", "custom", "--status", "completed"], 1),
        (["--status", "none"], 0),
    ],
)
def test_evals_are_filtered(server: Server, objects: Objects, options: list[str], count: int) -> None:
    found = json.loads(call(server, "evals", *options, "--json").stdout)

    assert [each["id"] for each in found["data"]] == [objects.eval_id] * count
    assert found["has_more"] is False


def test_an_eval_is_shown_with_fields_criteria_and_runs(server: Server, objects: Objects) -> None:
    done = call(server, "evals", "show", f"{server.url}/ui/evals/{objects.eval_id}")

    assert (done.returncode, done.stderr) == (0, "")
    lines = words(done.stdout)
    for line in (["metadata", "team=a"], ["n", "integer", "yes"], ["q", "any", "no"]):
        assert line in lines
    assert "string_check  {{ sample.output_text }} eq x" in done.stdout
    assert [line[0] for line in lines if line and line[0].startswith("evalrun_")] == [objects.bad, objects.good]
    assert json.loads(call(server, "evals", "show", objects.eval_id, "--json").stdout)["object"] == "eval"


def test_a_version_of_an_eval_is_shown_with_what_it_changed_and_what_follows_it(tmp_path: Path) -> None:
    criterion = {"type": "string_check", "name": "right", "input": "{{ item.a }}", "reference": "x", "operation": "eq"}
    body = {"data_source_config": {"type": "custom", "item_schema": {}}, "testing_criteria": [criterion]}
    changed = {**body, "testing_criteria": [{**criterion, "operation": "ne"}]}
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        first = client.post("/v1/evals", json=body).json()["id"]
        second, same = (
            client.post("/v1/evals", json={**each, "evalhaven": {"follows": first}}).json()["id"]
            for each in (changed, body)
        )
        listed = words(call(server, "evals").stdout)
        shown = {each: call(server, "evals", "show", each).stdout for each in (first, second, same)}
        client.delete(f"/v1/evals/{first}")
        orphan = call(server, "evals", "show", second).stdout

    assert listed[0][:2] == ["eval", "version"]
    assert sorted(line[:2] for line in listed[1:]) == sorted([[first, "1"], [second, "2"], [same, "2"]])
    assert ["followed", "by", same, "(version", "2),", second, "(version", "2)"] in words(shown[first])
    assert "version  " not in shown[first]
    assert ["version", "2,", "follows", first] in words(shown[second])
    assert ["changed", "criterion", "'right'", "differs", "in", "'operation'"] in words(shown[second])
    assert ["changed", "neither", "the", "criteria", "nor", "the", "items"] in words(shown[same])
    assert ["changed", "unknown:", "the", "eval", "that", "it", "follows", "was", "deleted"] in words(orphan)


def test_runs_of_all_evals_and_of_one_are_listed(server: Server, objects: Objects) -> None:
    everything = call(server, "runs")
    of_eval = call(server, "runs", "list", "--eval", objects.eval_id, "--status", "completed", "--limit", "1")

    assert [line[0] for line in words(everything.stdout)][1:] == [objects.bad, objects.good]
    assert words(of_eval.stdout)[1][:4] == [objects.bad, "completed", "3", "33.3"]
    assert words(call(server, "runs", "--search", "MAIN").stdout)[1][0] == objects.good


def test_a_list_says_whether_there_is_more(server: Server, objects: Objects) -> None:
    shown = json.loads(call(server, "runs", "--eval", objects.eval_id, "--limit", "1", "--json").stdout)
    on_terminal = call_command("runs", "--limit", "1", "--url", server.url, TTY_COMPATIBLE="1", NO_COLOR="1")

    assert ([each["id"] for each in shown["data"]], shown["has_more"]) == ([objects.bad], True)
    assert "There are more: --limit 10 shows them." in on_terminal.stdout


def test_a_run_is_shown_with_the_interval_of_each_criterion(server: Server, objects: Objects) -> None:
    done = call(server, "runs", "show", objects.bad)

    assert (done.returncode, done.stderr) == (0, "")
    lines = words(done.stdout)
    assert ["items", "3:", "1", "passed,", "2", "failed,", "0", "errored"] in lines
    assert ["all", "criteria", "1", "2", "0", "33.3", "6.1", "to", "79.2"] in lines
    assert json.loads(call(server, "runs", "show", objects.bad, "--json").stdout)["id"] == objects.bad


def test_a_run_is_shown_with_what_cannot_be_told(server: Server) -> None:
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        config = {"type": "custom", "item_schema": {"type": "object"}}
        check = {"type": "string_check", "name": "s", "input": "a", "reference": "a", "operation": "eq"}
        nothing = {"type": "multi", "name": "none", "graders": {"s": check}, "calculate_output": "1 / (s - 1)"}
        body = {"name": "Gaps", "data_source_config": config, "testing_criteria": [nothing]}
        eval_id = client.post("/v1/evals", json=body).json()["id"]
        source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {}}]}}
        run = wait_for_end(client, client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source}).json())
        shown = call(server, "runs", "show", run["id"]).stdout
        client.delete(f"/v1/evals/{eval_id}")

    told = shown.partition("What cannot be told:\n")[2].splitlines()
    assert told == [
        "- 1 item erred: whether it passes is not known. A retry of the run executes it again.",
        "- No item has a result.",
        "- No item has a result of 'none'.",
    ]


def test_what_comes_next_is_said_on_a_terminal_alone(server: Server, objects: Objects) -> None:
    arguments = ("runs", "show", objects.bad, "--url", server.url)
    shown = call_command(*arguments, TTY_COMPATIBLE="1", NO_COLOR="1")

    assert f"evalhaven items {objects.bad} --failed" in shown.stdout
    assert "--failed" not in call_command(*arguments).stdout


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ([], ["0", "1", "2"]),
        (["--failed"], ["0", "1"]),
        (["--errored"], []),
        (["--failed", "--errored"], ["0", "1"]),
        (["--status", "pass"], ["2"]),
        (["--limit", "2"], ["0", "1"]),
    ],
)
def test_items_of_a_run_are_listed_by_status(
    server: Server, objects: Objects, options: list[str], rows: list[str]
) -> None:
    done = call(server, "items", objects.bad, *options)

    assert done.returncode == 0
    assert [line[1] for line in words(done.stdout)[1:]] == rows
    assert bool(done.stderr) == (not rows)


def test_an_item_is_shown_with_what_was_answered_and_each_grade(server: Server, objects: Objects) -> None:
    [item] = json.loads(call(server, "items", objects.bad, "--failed", "--limit", "1", "--json").stdout)["data"]
    done = call(server, "items", "show", objects.bad, item["id"])

    assert (done.returncode, done.stderr) == (0, "")
    assert '"n": 0' in done.stdout
    assert "Answered: assistant\n  no\n  \\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e</td>\n" in done.stdout
    assert re.search(r"Grade: right .*: fail\n  score 0\n", done.stdout)
    assert json.loads(call(server, "items", "show", objects.bad, item["id"], "--json").stdout) == item


def test_a_run_is_graded_again_by_criteria_of_its_own(server: Server, objects: Objects, tmp_path: Path) -> None:
    criteria = [{"type": "string_check", "name": "any", "input": "a", "reference": "a", "operation": "eq"}]
    (tmp_path / "criteria.json").write_text(json.dumps(criteria))
    options = ("--criteria", str(tmp_path / "criteria.json"), "--name", "Again", "--metadata", "why=test", "--strict")
    made = json.loads(call(server, "regrade", objects.bad, *options, "--json").stdout)
    with httpx2.Client(base_url=server.url, timeout=60) as client:
        ended = wait_for_end(client, made)

    assert (made["name"], made["metadata"]) == ("Again", {"why": "test"})
    assert ended["result_counts"]["passed"] == 3
    assert "any 1" in call(server, "items", ended["id"], "--limit", "1").stdout


def test_a_retry_says_that_nothing_is_tried_where_every_item_has_a_result(server: Server, objects: Objects) -> None:
    done = call(server, "retry", objects.good, "--budget", "1", "--budget-tokens", "1000")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Run {objects.good} is completed: every item has a result, and nothing is tried again.\n"


def test_a_run_is_pinned_and_unpinned(server: Server, objects: Objects) -> None:
    pinned = call(server, "pin", objects.good)
    gate = call(server, "gate", objects.bad, "--baseline", "pinned", "--threshold", "0.1", "--json")
    unpinned = json.loads(call(server, "unpin", objects.good, "--json").stdout)

    assert pinned.stdout == f"Run {objects.good} is the baseline of eval {objects.eval_id} from now on.\n"
    assert json.loads(gate.stdout)["baseline"]["run_id"] == objects.good
    assert unpinned["pinned"] is False
    assert call(server, "gate", objects.bad, "--baseline", "pinned", "--margin", "0.1").returncode == 64


def test_the_retention_of_calls_is_shown_checked_and_set(server: Server) -> None:
    def retention(*arguments: str) -> tuple[int, str, str]:
        done = call(server, "logs", "retention", *arguments)
        return done.returncode, done.stdout, done.stderr

    reply = {"object": "chat.completion", "id": "chatcmpl-1", "model": "m", "choices": []}
    made_at = int(time.time()) - 10 * 86_400
    line = {"request": {"model": "m", "messages": []}, "reply": reply, "created_at": made_at}
    assert httpx2.post(f"{server.url}/api/logs", content=json.dumps(line), timeout=60).json()["stored"] == 1

    assert retention() == (0, "Calls of this project are kept for 30 days, as on the whole server.\n", "")
    assert retention("--days", "12", "--check") == (0, "No stored call of this project is older.\n", "")
    assert retention("--days", "7", "--check") == (0, "Would be dropped: 1 call of 1 day.\n", "")
    assert retention("--days", "7") == (
        0,
        "Calls of this project are kept for 7 days; the server keeps others for up to 30.\n",
        "Dropped for good within an hour, being older: 1 call of 1 day.\n",
    )
    assert json.loads(retention("--json")[1])["days"] == 7
    for arguments, says in (
        (["--days", "31"], "Pass 30 or less"),
        (["--days", "0"], "at least 1"),
        (["--days", "week"], "--days takes a number of days or `none`, not 'week'."),
        (["--check"], "--check needs --days"),
    ):
        status, out, told = retention(*arguments)
        assert (status, out) == (64, "")
        assert says in told
    assert retention("--days", "none")[1] == "Calls of this project are kept for 30 days, as on the whole server.\n"


def test_an_empty_server_teaches_the_first_step(tmp_path: Path) -> None:
    with Server(tmp_path).running() as empty:
        evals, runs = call(empty, "evals"), call(empty, "runs")

    assert (evals.returncode, evals.stdout, runs.returncode, runs.stdout) == (0, "", 0, "")
    assert "call evals.create" in evals.stderr
    assert "call evals.runs.create" in runs.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "show", UNKNOWN],
        ["items", UNKNOWN],
        ["items", "show", UNKNOWN, "outputitem_1"],
        ["evals", "show", "eval_unknown"],
        ["runs", "--eval", "eval_unknown"],
        ["retry", UNKNOWN],
        ["regrade", UNKNOWN],
        ["pin", UNKNOWN],
        ["unpin", UNKNOWN],
    ],
    ids=" ".join,
)
def test_what_is_not_there_is_a_failure_of_the_tool(server: Server, arguments: list[str]) -> None:
    done = call(server, *arguments)

    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.startswith("Error: ")
    assert "not found" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runs", "shwo"], "Did you mean 'show'?"),
        (["evals", "--status", "done"], "Invalid value for '--status'"),
        (["evals", "--metadata", "team"], "with = between"),
        (["runs", "--limit", "0"], "Invalid value for '--limit'"),
        (["items"], "Missing argument 'RUN'"),
        (["runs", "show", "http://127.0.0.1:1/nothing"], "neither the id of a run"),
        (["regrade", UNKNOWN, "--criteria", "nowhere.json"], "cannot be read"),
        (["completion", "csh"], "Invalid value for 'SHELL'"),
        (["watch"], "Missing argument 'RUN'"),
        (["serve", "--port", "many"], "Invalid value for '--port'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_use_has_one_status_for_every_command(arguments: list[str], says: str) -> None:
    done = call_command(*arguments)

    assert done.returncode == 64
    assert says in " ".join(done.stderr.replace("│", " ").split())
