"""`evalhaven import promptfoo|inspect|csv`: results of other tools become evals with runs, which reports can read."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from evalhaven.importers.inspect_logs import find_inspect
from tests.contract.conftest import items_of
from tests.importing.moving import Json, Outcome, run_import, stored_rows
from tests.server import Server

PEERS = Path(__file__).with_name("peers")
RESULTS = PEERS / "promptfoo" / "results.json"
LOG = PEERS / "inspect" / "capitals.json"
TABLE = """\
id,question,model,answer,quality,ok,trouble
1,Capital of France?,small,Paris,0.9,yes,
2,Capital of Spain?,small,"Madrid,
I think",0.4,no,
2,Capital of Spain?,large,Madrid,1,yes,
1,Capital of France?,large,,,,no answer
1,Capital of France?,large,Paris,0.7,yes,
"""
AS_TABLE = [
    "--output",
    "answer",
    "--model",
    "model",
    "--id",
    "id",
    "--score",
    "quality=0.7",
    "--pass",
    "ok",
    "--error",
    "trouble",
]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "answers.csv"
    path.write_text(TABLE)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")).running() as running:
        for kind, *arguments in (("promptfoo", RESULTS), ("inspect", LOG), ("csv", table, *AS_TABLE)):
            outcome = run_import(kind, *arguments, "--url", running.url)
            assert outcome.status == 0, outcome
        yield running


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=30) as opened:
        yield opened


def the_eval(http: httpx2.Client, name: str) -> Json:
    (found,) = [each for each in http.get("/v1/evals").json()["data"] if each["name"] == name]
    return found


def runs_of(http: httpx2.Client, name: str) -> dict[str, Json]:
    return {run["name"]: run for run in http.get(f"/v1/evals/{the_eval(http, name)['id']}/runs").json()["data"]}


def counts_of(http: httpx2.Client, run: Json) -> dict[str, tuple[int, int, int]]:
    """Return how many items passed, failed and erred by each criterion, as the report counts them."""
    report = http.get(f"/api/runs/{run['id']}/report").json()
    return {each["name"]: (each["passed"], each["failed"], each["errored"]) for each in report["criteria"]}


def test_a_pair_of_provider_and_prompt_of_promptfoo_is_a_run_with_the_same_verdicts(http: httpx2.Client) -> None:
    runs = runs_of(http, "Capitals")
    (short,) = [run for name, run in runs.items() if name.startswith("short")]
    verdicts = {"pass": 0, "fail": 0, "error": 0}
    for result in json.loads(RESULTS.read_text())["results"]["results"]:
        verdict = "error" if result["failureReason"] == 2 else "pass" if result["success"] else "fail"
        verdicts[verdict] += result["promptIdx"] == 0

    assert len(runs) == 2
    assert {key: len(items_of(http, short, status=key)) for key in verdicts} == verdicts
    assert short["result_counts"] == {
        "total": 8,
        "passed": verdicts["pass"],
        "failed": verdicts["fail"],
        "errored": verdicts["error"],
    }
    assert [(item["datasource_item_id"], item["datasource_item"]["country"]) for item in items_of(http, short)] == [
        (position, country)
        for position, country in enumerate(("France", "Spain", "Portugal", "Atlantis"))
        for _ in range(2)
    ]


def test_an_assertion_that_only_some_tests_have_counts_for_those_alone(http: httpx2.Client) -> None:
    counts = {name: counts_of(http, run) for name, run in runs_of(http, "Capitals").items()}
    short = next(found for name, found in counts.items() if name.startswith("short"))

    assert short == {
        "correct": (4, 2, 0),
        "llm-rubric": (2, 0, 0),
        "not-contains": (2, 0, 0),
        "assert-set": (2, 0, 0),
        "equals": (0, 2, 0),
        "contains": (2, 0, 0),
        "levenshtein": (2, 0, 0),
    }


def test_reasons_errors_tokens_latency_and_cost_are_kept(http: httpx2.Client) -> None:
    run = next(run for name, run in runs_of(http, "Capitals").items() if name.startswith("short"))
    items = items_of(http, run)
    judged = {result["name"]: result for result in items[0]["results"]}
    report = http.get(f"/api/runs/{run['id']}/report").json()

    assert judged["llm-rubric"]["sample"]["output"][0]["content"] == "It names a capital."
    assert judged["correct"]["evalhaven"]["reason"] == "Assertion passed"
    assert judged.keys() == {"correct", "llm-rubric", "not-contains"}
    assert items[0]["sample"]["input"] == [{"role": "user", "content": "Capital of France?"}]
    assert items[0]["sample"]["usage"]["total_tokens"] == 12
    assert items[0]["evalhaven"]["cost"] == 0.001
    assert items[-1]["sample"]["error"]["message"] == "no such country"
    assert run["evalhaven"]["cost"]["target"] == pytest.approx(0.006)
    assert [(each["model"], each["role"], each["calls"], each["cost"]) for each in report["usage"]] == [
        ("small", "target", 6, pytest.approx(0.006)),
        ("file://answers.js", "judge", 2, None),
    ]


def test_an_epoch_of_inspect_is_a_repeat_and_each_value_of_a_score_a_criterion(http: httpx2.Client) -> None:
    (run,) = runs_of(http, "capitals").values()
    items = items_of(http, run)
    report = http.get(f"/api/runs/{run['id']}/report").json()

    assert counts_of(http, run) == {
        "includes": (3, 1, 0),
        "match": (3, 1, 0),
        "both.length": (4, 0, 0),
        "both.word": (2, 2, 0),
    }
    assert sorted(item["datasource_item_id"] for item in items) == [0, 0, 1, 1]
    assert items[2]["datasource_item"]["target"] == ["Madrid"]
    assert [each["role"] for each in items[2]["sample"]["input"]] == ["system", "user"]
    assert items[2]["sample"]["output"] == [{"content": "I think Madrid", "role": "assistant"}]
    assert (report["passed"], report["failed"]) == (2, 2)


def test_the_lowest_score_that_passes_can_be_said_of_a_log(server: Server) -> None:
    outcome = run_import("inspect", LOG, "--pass-from", "13", "--name", "Longer", "--check", "--url", server.url)

    assert (outcome.status, outcome.counts["runs"]) == (3, (0, 0, 1))
    assert "a run of this id is here already, of eval" in outcome.out


def test_a_table_has_a_run_for_each_model_and_its_other_columns_are_the_item(http: httpx2.Client) -> None:
    runs = runs_of(http, "answers")
    large = items_of(http, runs["large"])

    assert runs["small"]["result_counts"] == {"total": 2, "passed": 1, "failed": 1, "errored": 0}
    assert runs["large"]["result_counts"] == {"total": 3, "passed": 2, "failed": 0, "errored": 1}
    assert counts_of(http, runs["large"]) == {"quality": (2, 0, 0), "ok": (2, 0, 0)}
    assert [item["datasource_item_id"] for item in large] == [0, 0, 1]
    assert large[2]["datasource_item"] == {"id": "2", "question": "Capital of Spain?"}
    assert large[0]["sample"]["error"]["message"] == "no answer"


def test_runs_of_a_table_can_be_compared(http: httpx2.Client) -> None:
    runs = runs_of(http, "answers")
    answer = http.get("/api/compare", params={"runs": [runs["large"]["id"]], "base": runs["small"]["id"]})

    assert answer.status_code == 200, answer.text
    assert answer.json()["comparisons"][0]["counts"]["fixed"] == 1


@pytest.mark.parametrize("kind", ["promptfoo", "inspect", "csv"])
def test_a_second_import_of_the_same_results_changes_nothing(server: Server, table: Path, kind: str) -> None:
    arguments = {"promptfoo": [RESULTS], "inspect": [LOG], "csv": [table, *AS_TABLE]}[kind]
    before = stored_rows(server)
    outcome = run_import(kind, *arguments, "--data-dir", server.data_dir)

    assert outcome.status == 0, outcome
    assert {made for made, _, _ in outcome.counts.values()} == {0}
    assert stored_rows(server) == before


def test_what_is_not_taken_over_is_said(tmp_path: Path) -> None:
    promptfoo = run_import("promptfoo", RESULTS, "--check", "--data-dir", tmp_path / "data")
    inspect = run_import("inspect", LOG, "--check", "--data-dir", tmp_path / "data")

    assert "Not taken over: 1\n  The configuration with its assertions" in promptfoo.out
    assert "Inspect does not say which scores pass: those from 1 on do here" in inspect.out
    assert not (tmp_path / "data").exists()


def test_broken_results_are_named_and_the_others_come_over(tmp_path: Path) -> None:
    document = json.loads(RESULTS.read_text())
    document["results"]["results"][2]["testIdx"] = "first"
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps(document))
    cut = tmp_path / "cut.json"
    text = RESULTS.read_text()
    cut.write_text(text[: text.index('"testIdx":3')])
    lines = tmp_path / "results.jsonl"
    lines.write_text("".join(json.dumps(each) + "\n" for each in document["results"]["results"][:3]))
    outcomes = [run_import("promptfoo", path, "--check", "--data-dir", tmp_path / "d") for path in (broken, cut, lines)]

    assert [outcome.status for outcome in outcomes] == [3, 3, 3]
    assert outcomes[0].counts["output items"] == (15, 0, 0)
    assert f"{broken}, line 1, result 3: its 'testIdx' is missing or not an index." in outcomes[0].out
    assert "Cannot be read" in outcomes[1].out
    assert outcomes[1].counts["output items"][0] > 0
    assert f"{lines}, line 3, result 3: its 'testIdx' is missing or not an index." in outcomes[2].out


def test_a_cell_that_is_not_what_its_column_is_for_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("q;output;score\na;b;1\nc;d;much\ne;f\n\ng;h;0,5\n")
    outcome = run_import("csv", path, "--score", "score", "--check", "--data-dir", tmp_path / "data")

    assert outcome.status == 3
    assert outcome.counts["output items"] == (1, 0, 0)
    assert f"{path}, line 3: its 'score' is 'much', which is not a number." in outcome.out
    assert f"{path}, line 4: it has 2 cells, and the header 3." in outcome.out
    assert f"{path}, line 6: its 'score' is '0,5', which is not a number." in outcome.out


def refusal(tmp_path: Path, kind: str, content: str | bytes, *arguments: str, suffix: str = "json") -> Outcome:
    path = tmp_path / f"file.{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    outcome = run_import(kind, path, *arguments, "--data-dir", tmp_path / "data")
    assert outcome.status == 1, outcome
    assert not (tmp_path / "data").exists()
    return outcome


def test_what_is_no_file_of_the_tool_is_refused_with_the_cure(tmp_path: Path) -> None:
    old = json.dumps({"evalId": "e", "results": {"version": 2, "results": [], "table": {}}})

    assert "promptfoo export eval EVAL_ID" in refusal(tmp_path, "promptfoo", old).err
    assert "promptfoo eval -o results.json" in refusal(tmp_path, "promptfoo", LOG.read_bytes()).err
    assert "`inspect eval` writes logs into ./logs" in refusal(tmp_path, "inspect", RESULTS.read_bytes()).err
    started = LOG.read_text().replace('"status":"success"', '"status":"started"')
    assert "has not ended: its status is 'started'" in refusal(tmp_path, "inspect", started).err
    assert "no column 'output'. Its columns are: 'a', 'b'" in refusal(tmp_path, "csv", "a,b\n1,2\n").err
    assert "iconv -f latin1" in refusal(tmp_path, "csv", "output\nK\xf6ln\n".encode("latin1")).err


def test_a_log_in_its_own_form_is_refused_without_inspect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evalhaven.importers.inspect_logs.find_inspect", lambda: None)
    outcome = run_import("inspect", PEERS / "inspect" / "capitals.eval", "--data-dir", tmp_path / "data")

    assert outcome.status == 1
    assert "pip install inspect_ai" in outcome.err
    assert "inspect log convert capitals.eval --to json" in outcome.err


@pytest.mark.soak
def test_a_log_in_its_own_form_is_read_by_inspect(tmp_path: Path) -> None:
    if find_inspect() is None:
        pytest.skip("the command `inspect` of inspect_ai is not installed")
    outcome = run_import("inspect", PEERS / "inspect" / "capitals.eval", "--check", "--data-dir", tmp_path / "data")

    assert outcome.status == 0, outcome
    assert outcome.counts["output items"] == (4, 0, 0)


def test_a_large_cell_of_a_table_comes_over(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    with path.open("w", newline="") as lines:
        csv.writer(lines).writerows([["q", "output"], ["a", "x" * 300_000]])
    outcome = run_import("csv", path, "--check", "--data-dir", tmp_path / "data")

    assert outcome.counts["output items"] == (1, 0, 0), outcome
