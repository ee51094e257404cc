"""Facts about the pytest plugin: what becomes a run, what decides the session, and what it costs others."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server import Server
from tests.system.commands import call_command

FILE: dict[str, Any] = {
    "data": "capitals.jsonl",
    "testing_criteria": [
        {
            "type": "string_check",
            "name": "right",
            "input": "{{ sample.output_text }}",
            "operation": "eq",
            "reference": "{{ item.capital }}",
        }
    ],
    "policy": {"threshold": 0.5},
}
CAPITALS = {f"country {at:02}": f"capital {at:02}" for at in range(40)}
ITEMS = [{"country": country, "capital": capital} for country, capital in CAPITALS.items()]
TEST = """
import pytest

@pytest.mark.evalhaven("capitals.json")
def test_capital(item, evalhaven):
    wrong = int(item["country"][-2:]) < {wrong}
    evalhaven.output("no idea" if wrong else item["capital"])
    {more}
"""
ASSERTING = "assert not wrong"

RunTests = Callable[..., pytest.RunResult]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pytest-plugin")).running() as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=server.url, timeout=60) as opened:
        yield opened


@pytest.fixture
def run_tests(pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch) -> RunTests:
    """Run the tests of an eval named after the test that asks; the words of a run are in `outlines`."""
    monkeypatch.setenv("EVALHAVEN_URL", server.url)

    def run(*options: str, wrong: int = 0, more: str = "", **changes: Any) -> pytest.RunResult:
        pytester.makepyfile(TEST.format(wrong=wrong, more=more))
        rows = "".join(f"{json.dumps(item)}\n" for item in ITEMS)
        (pytester.path / "capitals.jsonl").write_text(rows)
        document = {"name": pytester.path.name, **FILE, **changes}
        given = {key: value for key, value in document.items() if value is not None}
        (pytester.path / "capitals.json").write_text(json.dumps(given))
        return pytester.runpytest_inprocess(*options)

    return run


def last_run(http: httpx2.Client, name: str) -> dict[str, Any]:
    """Return the last run of the eval whose name begins so."""
    runs = http.get("/api/runs", params={"limit": "100"}).json()["data"]
    found = [each for each in runs if each["name"].startswith(name)]
    assert found, [each["name"] for each in runs]
    answer = http.get(f"/v1/evals/{found[0]['eval_id']}/runs/{found[0]['id']}")
    return answer.json()


def rates(run: dict[str, Any]) -> dict[str, tuple[int, int]]:
    per_criterion = run["per_testing_criteria_results"]
    return {each["testing_criteria"].rsplit("-", 5)[0]: (each["passed"], each["failed"]) for each in per_criterion}


def test_tolerated_failures_are_counted_and_do_not_fail_the_session(
    run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester
) -> None:
    result = run_tests("-rx", wrong=4, more=ASSERTING)

    result.assert_outcomes(passed=36, xfailed=4)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= eval: capitals.json, *::test_capital =*", "all criteria *reached*"])
    result.stdout.fnmatch_lines(["XFAIL *::test_capital[[]0[]] - judged by the policy of capitals.json"])
    run = last_run(http, pytester.path.name)
    assert run["result_counts"] == {"total": 40, "passed": 36, "failed": 4, "errored": 0}
    assert rates(run) == {"right": (36, 4), "test": (36, 4)}


@pytest.mark.parametrize(
    ("wrong", "status", "sentence"),
    [
        (4, pytest.ExitCode.OK, None),
        (20, pytest.ExitCode.TESTS_FAILED, "it cannot be told whether the eval passes"),
        (38, pytest.ExitCode.TESTS_FAILED, "the eval fails"),
    ],
)
def test_the_policy_decides_the_session_as_it_decides_evalhaven_run(
    run_tests: RunTests, pytester: pytest.Pytester, server: Server, wrong: int, status: int, sentence: str | None
) -> None:
    result = run_tests(wrong=wrong)
    answers = ["no idea" if at < wrong else item["capital"] for at, item in enumerate(ITEMS)]
    rows = [{"item": item, "sample": {"output_text": each}} for item, each in zip(ITEMS, answers, strict=True)]
    (pytester.path / "same.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    file = pytester.path / "same.json"
    file.write_text(json.dumps({"name": f"{pytester.path.name} same", **FILE, "data": "same.jsonl"}))
    done = call_command("run", str(file), EVALHAVEN_URL=server.url)

    result.assert_outcomes(passed=40)
    assert (result.ret, bool(done.returncode)) == (status, status != pytest.ExitCode.OK)
    (check,) = [line for line in done.stdout.splitlines() if line.startswith("all criteria")]
    assert check in result.outlines
    told = [line for line in result.outlines if line.startswith("The session fails: ")]
    assert told == ([f"The session fails: by the policy of capitals.json, {sentence}."] if sentence else [])


def test_scores_and_labels_become_part_of_the_eval(
    run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester
) -> None:
    more = """evalhaven.score("short", not wrong)
    evalhaven.score("length", len(item["capital"]), threshold=12)
    evalhaven.label("kind", "city")"""
    result = run_tests(wrong=1, more=more, policy={"criteria": {"right": {"threshold": 0.5}}})

    assert result.ret == 0
    run = last_run(http, pytester.path.name)
    assert rates(run) == {"right": (39, 1), "test": (40, 0), "short": (39, 1), "length": (0, 40)}


def test_an_item_whose_test_raises_is_errored_with_what_was_raised(
    run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester
) -> None:
    result = run_tests(wrong=1, more="{}[item['country']] if wrong else None")

    result.assert_outcomes(passed=39, xfailed=1)
    run = last_run(http, pytester.path.name)
    assert run["result_counts"] == {"total": 40, "passed": 39, "failed": 0, "errored": 1}
    items = http.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items", params={"status": "error"}).json()
    (error,) = [each["sample"]["error"] for each in items["data"] if each["status"] == "error"]
    assert error == {"code": "KeyError", "message": "'country 00'"}


def test_with_strict_each_failing_test_fails_the_session(run_tests: RunTests) -> None:
    result = run_tests("--evalhaven-strict", wrong=1, more=ASSERTING)

    result.assert_outcomes(passed=39, failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["all criteria *reached*"])


def test_without_a_policy_tests_are_tests_and_the_run_is_kept(
    run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester
) -> None:
    result = run_tests(wrong=1, more=ASSERTING, policy=None)

    result.assert_outcomes(passed=39, failed=1)
    assert last_run(http, pytester.path.name)["result_counts"]["total"] == 40


def test_a_choice_of_items_decides_nothing_and_is_kept_apart(
    run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester
) -> None:
    result = run_tests("-k", "test_capital and (1 or 2)", wrong=39, more=ASSERTING)

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["failed"] > 1
    result.stdout.fnmatch_lines(["Partial: * of 40 items. Nothing is decided, and the run is no baseline."])
    run = last_run(http, pytester.path.name)
    assert run["name"].endswith("(partial)")


def test_workers_of_xdist_make_one_run(run_tests: RunTests, http: httpx2.Client, pytester: pytest.Pytester) -> None:
    result = run_tests("-n", "2", wrong=4, more=ASSERTING)

    result.assert_outcomes(passed=36, xfailed=4)
    assert result.ret == 0
    run = last_run(http, pytester.path.name)
    assert run["result_counts"] == {"total": 40, "passed": 36, "failed": 4, "errored": 0}


def test_without_runs_tests_are_tests(run_tests: RunTests) -> None:
    result = run_tests("--evalhaven-off", wrong=1, more=ASSERTING)

    result.assert_outcomes(passed=39, failed=1)
    result.stdout.no_fnmatch_line("*eval: capitals.json*")


def test_a_mistake_in_the_file_is_told_with_its_line(run_tests: RunTests) -> None:
    result = run_tests(nmae="x")

    assert result.ret != 0
    result.stdout.fnmatch_lines(["*capitals.json:1: Unknown key 'nmae'. Did you mean 'name'?*"])


def test_a_server_that_cannot_be_reached_fails_the_session(run_tests: RunTests) -> None:
    result = run_tests("--evalhaven-url", "http://127.0.0.1:9")

    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["Error: The server does not answer: *"])


def test_a_session_without_such_tests_loads_nothing_of_evalhaven(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text(
        "import sys\n\ndef test_it():\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] in ('evalhaven', 'pydantic', 'httpx2')}\n"
        "    assert loaded == {'evalhaven', 'evalhaven.pytest_plugin', 'evalhaven.pytest_plugin.hooks'}\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:schemathesis", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_options_are_a_group_of_their_own(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--help")

    result.stdout.fnmatch_lines(["tests of evals (evalhaven):", "*--evalhaven-url=URL*", "*--evalhaven-strict*"])
