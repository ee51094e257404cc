"""`python` criteria through the OpenAI SDK: what they are given, what counts, what is refused."""

import json
import textwrap
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    MakeRun,
    RunToEnd,
    eval_body,
    inline_source,
    items_of,
    refusal_of,
    wait_for_end,
)
from tests.python_graders import python_check

GRADE = "def grade(sample, item):\n"
ERROR_KEYS = {"code", "message", "origin", "retryable"}


def body_of(text: str) -> str:
    """Return a source whose `grade` has this body."""
    return GRADE + textwrap.indent(textwrap.dedent(text).strip(), "    ") + "\n"


def answered(text: str, **item: Any) -> dict[str, Any]:
    """Return a row with a sample."""
    return {"item": item, "sample": {"choices": [{"message": {"role": "assistant", "content": text}}]}}


@pytest.fixture(scope="session")
def grade_rows(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> Any:
    """Run one criterion with the body of `grade` over rows; return the run and its output items."""

    def grade(body: str, rows: list[Any], **changes: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        run = run_to_end(make_eval(testing_criteria=[python_check(body_of(body), **changes)]), rows)
        assert run["status"] == "completed", run["error"]
        return run, items_of(http, run)

    return grade


def test_a_grader_scores_and_the_threshold_decides(client: openai.OpenAI) -> None:
    half = python_check(body_of("return item['n']"), "half")
    strict = python_check(body_of("return float(sample['output_text'])"), "strict", pass_threshold=1.0)
    evaluation = client.evals.create(**eval_body(testing_criteria=[half, strict]))
    rows = [answered(text, n=n) for n, text in [(0.5, "1"), (0.49, "1"), (True, "0.99"), (7, " 2.5 ")]]
    run = client.evals.runs.create(evaluation.id, data_source=inline_source(rows))  # pyright: ignore[reportArgumentType]
    while run.status in ("queued", "in_progress"):
        run = client.evals.runs.retrieve(run.id, eval_id=evaluation.id)
    items = sorted(
        client.evals.runs.output_items.list(run.id, eval_id=evaluation.id), key=lambda i: i.datasource_item_id
    )

    assert run.status == "completed"
    assert [[(result.score, result.passed) for result in item.results] for item in items] == [
        [(0.5, True), (1.0, True)],
        [(0.49, False), (1.0, True)],
        [(1.0, True), (0.99, False)],
        [(7.0, True), (2.5, True)],
    ]
    assert [item.status for item in items] == ["pass", "fail", "fail", "pass"]
    assert {result.type for item in items for result in item.results} == {"python-grader"}  # pyright: ignore[reportAttributeAccessIssue]
    assert (run.result_counts.passed, run.result_counts.failed, run.result_counts.errored) == (2, 2, 0)


def test_a_grader_sees_the_item_and_the_sample_as_templates_do(grade_rows: Any) -> None:
    sample = {
        "choices": [{"message": {"role": "assistant", "content": '{"a": [1]}', "tool_calls": [{"id": "c"}]}}],
        "model": "m",
    }
    _, [item] = grade_rows(
        "import json; print(json.dumps([sample, item], sort_keys=True)); return 1",
        [{"item": {"n": 2**70, "x": "\u00e9\U0001f600", "none": None, "list": [1.5, {"y": False}]}, "sample": sample}],
    )

    shown, seen = json.loads(item["results"][0]["evalhaven"]["output"])
    assert seen == {"n": 2**70, "x": "\u00e9\U0001f600", "none": None, "list": [1.5, {"y": False}]}
    assert shown == {
        **sample,
        "output_text": '{"a": [1]}',
        "output_json": {"a": [1]},
        "output_tools": [{"id": "c"}],
    }


def test_without_a_sample_a_grader_gets_an_empty_object(grade_rows: Any) -> None:
    run, _ = grade_rows("return sample == {} and item == {'a': 1}", [{"item": {"a": 1}}])
    assert run["result_counts"]["passed"] == 1


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("x = {}\nreturn x['key']", "grader_exception", "KeyError: 'key'"),
        ("import sys\nsys.exit(3)", "grader_exception", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "grader_exception", "KeyboardInterrupt"),
        ("import no_such_module", "grader_import", "No module named 'no_such_module'"),
        ("return None", "grader_invalid_result", "None"),
        ("return '1.0'", "grader_invalid_result", "'1.0'"),
        ("return float('nan')", "grader_invalid_result", "nan"),
        ("return float('inf')", "grader_invalid_result", "inf"),
        ("return {'score': 1}", "grader_invalid_result", "{'score': 1}"),
    ],
)
def test_what_the_code_does_wrong_scores_0_and_is_kept(grade_rows: Any, body: str, code: str, message: str) -> None:
    run, [item] = grade_rows(body, [answered("x")])

    [result] = item["results"]
    assert (item["status"], result["score"], result["passed"]) == ("fail", 0.0, False)
    error = result["evalhaven"]["error"]
    assert error.keys() == ERROR_KEYS
    assert (error["code"], error["origin"], error["retryable"]) == (code, "user_code", False)
    assert message in error["message"]
    assert (run["result_counts"]["failed"], run["result_counts"]["errored"]) == (1, 0)
    assert run["per_testing_criteria_results"][0]["failed"] == 1


def test_an_exception_is_reported_with_the_lines_that_led_to_it(grade_rows: Any) -> None:
    _, [item] = grade_rows("def inner():\n    return item['n'] / 0\nreturn inner()", [answered("x", n=1)])

    message = item["results"][0]["evalhaven"]["error"]["message"]
    assert "line 3, in inner" in message
    assert "return item['n'] / 0" in message
    assert "ZeroDivisionError: division by zero" in message


def test_a_host_that_dies_is_an_error_of_its_item_alone(grade_rows: Any) -> None:
    rows = [answered("x", n=n) for n in range(40)]
    run, items = grade_rows("if item['n'] == 17:\n    import os\n    os._exit(1)\nreturn 1", rows)

    assert [item["datasource_item_id"] for item in items if item["status"] == "error"] == [17]
    error = items[17]["results"][0]["evalhaven"]["error"]
    assert (error["code"], error["origin"]) == ("grader_crashed", "sandbox")
    assert run["result_counts"] == {"total": 40, "passed": 39, "failed": 0, "errored": 1}
    assert run["per_testing_criteria_results"][0]["errored"] == 1


def test_memory_beyond_the_limit_is_an_error(grade_rows: Any) -> None:
    _, [item] = grade_rows("return len(bytearray(3 << 30))", [answered("x")])

    error = item["results"][0]["evalhaven"]["error"]
    assert (item["status"], error["code"], error["origin"]) == ("error", "grader_memory", "sandbox")


def test_a_library_that_is_not_installed_is_an_error_that_says_how_to_install_it(grade_rows: Any) -> None:
    _, [item] = grade_rows("import rdkit\nreturn 1", [answered("x")])

    error = item["results"][0]["evalhaven"]["error"]
    assert (item["status"], error["code"], error["origin"]) == ("error", "grader_import", "sandbox")
    assert "No module named 'rdkit'" in error["message"]
    assert "run `evalhaven graders install` on the server" in error["message"]


def test_what_is_printed_stands_in_the_result(grade_rows: Any) -> None:
    body = "import sys\nprint('to stdout')\nprint('to stderr', file=sys.stderr)\nreturn item['n']"
    _, items = grade_rows(body, [answered("x", n=n) for n in (0, 1)])

    told = [item["results"][0]["evalhaven"] for item in items]
    assert [list(each) for each in told] == [["output"]] * 2
    assert [each["output"].strip() for each in told] == ["to stdout\nto stderr"] * 2


def test_a_grader_that_prints_nothing_adds_nothing(grade_rows: Any) -> None:
    _, [item] = grade_rows("return 1", [answered("x")])

    assert item["results"][0].keys() == {"name", "type", "score", "passed", "sample"}
    assert item["results"][0]["sample"] is None


def test_many_graders_of_an_item_have_processes_of_their_own(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = "import os\nSEEN = []\n" + body_of("SEEN.append(item['n'])\nprint(os.getpid())\nreturn len(SEEN) > 0")
    evaluation = make_eval(testing_criteria=[python_check(source, f"code {n}") for n in range(3)])
    run = run_to_end(evaluation, [answered("x", n=n) for n in range(5)])

    assert run["result_counts"]["passed"] == 5
    for item in items_of(http, run):
        assert [result["name"] for result in item["results"]] == [each["id"] for each in evaluation["testing_criteria"]]


def test_a_run_tells_how_its_graders_are_isolated(http: httpx2.Client, grade_rows: Any, make_eval: MakeEval) -> None:
    run, _ = grade_rows("return 1", [answered("x")])
    told = http.get("/readyz").json()["python_graders"]

    assert told["status"] == "ok"
    assert run["evalhaven"]["sandbox"] == {
        "tier": told["tier"],
        "rejected": told["rejected"],
        "environments": ["standard library"],
    }
    assert run["evalhaven"]["limiter"] is None


def test_a_run_without_python_tells_of_no_sandbox(make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    assert run_to_end(make_eval())["evalhaven"]["sandbox"] is None


def test_a_run_warns_of_an_image_that_is_not_installed(grade_rows: Any) -> None:
    run, _ = grade_rows("return 1", [answered("x")], image_tag="2025-05-08")

    [warning] = run["evalhaven"]["warnings"]
    assert warning["pointer"] == "/testing_criteria/0"
    assert "'2025-05-08' is not installed here, so the grader has the standard library alone" in warning["message"]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = 1\ndef grade(sample, item)\n    return 1\n", "is not valid Python: expected ':' (line 2)."),
        ("def grade(sample):\n    return 1\n", "whatever other parameters it has need defaults (line 1)."),
        ("score = 1\n", "does not define 'grade': define `def grade(sample, item):` at the top level"),
        ("x = " + "(" * 100_000, "too many nested parentheses"),
        ("x = '\ud800'\n" + GRADE + "    return 1\n", "is not valid Unicode"),
    ],
    ids=["syntax", "parameters", "no grade", "nested", "surrogate"],
)
def test_a_source_that_is_no_grader_is_refused_with_the_line(http: httpx2.Client, source: str, said: str) -> None:
    body = eval_body(testing_criteria=[python_check(body_of("return 1")), python_check(source)])
    error = refusal_of(http.post("/v1/evals", content=json.dumps(body)))

    assert (error["param"], error["code"]) == ("testing_criteria[1].source", "invalid_value")
    assert error["message"].startswith("'testing_criteria[1].source' ")
    assert said in error["message"]


@pytest.mark.parametrize(
    ("graders", "param"),
    [
        ([python_check("x", "a")], "testing_criteria[0].graders[0].source"),
        ({"a": python_check("x", "part")}, "testing_criteria[0].graders.a.source"),
        (python_check("x", "a"), "testing_criteria[0].graders.source"),
    ],
)
def test_a_source_inside_a_multi_grader_is_checked_too(http: httpx2.Client, graders: Any, param: str) -> None:
    multi = {"type": "multi", "name": "all", "graders": graders, "calculate_output": "a"}
    error = refusal_of(http.post("/v1/evals", json=eval_body(testing_criteria=[multi])))

    assert error["param"] == param


@ON_ONE_DATABASE
def test_a_broken_source_is_refused_in_the_same_words_alone_and_as_the_one_part_of_a_formula(
    http: httpx2.Client,
) -> None:
    broken = {"type": "python", "name": "p", "source": "def grade(sample, item"}
    multi = {"type": "multi", "name": "m", "calculate_output": "p", "graders": broken}
    made = [refusal_of(http.post("/v1/evals", json=eval_body(testing_criteria=[each]))) for each in (broken, multi)]
    checked = [refusal_of(http.post(VALIDATE_GRADER, json={"grader": each})) for each in (broken, multi)]

    assert [error["param"] for error in made] == ["testing_criteria[0].source", "testing_criteria[0].graders.source"]
    assert [error["param"] for error in checked] == ["grader.source", "grader.graders.source"]
    for alone, inside in (made, checked):
        assert (inside["code"], inside["type"]) == (alone["code"], alone["type"])
        assert inside["message"].partition("' ")[2] == alone["message"].partition("' ")[2] != ""


def test_a_run_with_python_can_be_canceled_while_it_waits(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun
) -> None:
    evaluation = make_eval(testing_criteria=[python_check(body_of("import time\ntime.sleep(60)\nreturn 1"))])
    run = make_run(evaluation, [answered("x")])
    canceled = http.post(f"/v1/evals/{evaluation['id']}/runs/{run['id']}").json()
    after = wait_for_end(
        http, make_run(make_eval(testing_criteria=[python_check(body_of("return 1"))]), [answered("x")])
    )

    assert canceled["status"] == "canceled"
    assert after["result_counts"]["passed"] == 1


RUN_GRADER = "/v1/fine_tuning/alpha/graders/run"
VALIDATE_GRADER = "/v1/fine_tuning/alpha/graders/validate"


def lone_grader(source: str) -> dict[str, Any]:
    return {"type": "python", "name": "mine", "source": source}


def test_the_grader_endpoint_executes_python(http: httpx2.Client) -> None:
    source = body_of("return len(sample['output_text']) / item['most']")
    body = {"grader": lone_grader(source), "model_sample": "abc", "item": {"most": 4}}
    answer = http.post(RUN_GRADER, json=body).json()

    assert (answer["reward"], answer["metadata"]["type"]) == (0.75, "python")
    assert not any(answer["metadata"]["errors"].values())


def test_an_exception_is_a_flag_of_the_grader_endpoint_beside_a_reward_of_0(http: httpx2.Client) -> None:
    answer = http.post(RUN_GRADER, json={"grader": lone_grader(body_of("return item['no']")), "model_sample": "x"})
    errors = answer.json()["metadata"]["errors"]

    assert answer.json()["reward"] == 0.0
    assert {name for name, value in errors.items() if value is True} == {"python_grader_runtime_error"}
    assert "KeyError: 'no'" in errors["python_grader_runtime_error_details"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("path", [RUN_GRADER, "/v1/fine_tuning/alpha/graders/validate"])
def test_the_grader_endpoints_refuse_a_source_that_is_no_grader(http: httpx2.Client, path: str) -> None:
    body = {"grader": lone_grader("def grade(sample):\n    return 1"), "model_sample": "x"}

    assert refusal_of(http.post(path, json=body))["param"] == "grader.source"


def test_a_formula_computes_with_what_python_returns(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parts = {"long": python_check(body_of("return len(sample['output_text'])"), "long")}
    parts["short"] = python_check(body_of("return 1 / (len(sample['output_text']) - 1)"), "short")
    multi = {"type": "multi", "name": "all", "graders": parts, "calculate_output": "long + short", "pass_threshold": 3}
    evaluation = make_eval(testing_criteria=[multi])
    run = run_to_end(evaluation, [answered("abc"), answered("x")])
    items = http.get(f"/v1/evals/{evaluation['id']}/runs/{run['id']}/output_items").json()["data"]
    results = [item["results"][0] for item in sorted(items, key=lambda item: item["datasource_item_id"])]

    assert [(result["score"], result["passed"]) for result in results] == [(3.5, True), (1.0, False)]
    assert "ZeroDivisionError" in results[1]["evalhaven"]["error"]["message"]


def test_recorded_answers_are_graded_again_by_python(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    evaluation = make_eval()
    run = run_to_end(evaluation, [answered("abc"), answered("abcdef")])
    criterion = python_check(body_of("return len(sample['output_text']) > 4"))
    refused = http.post(f"/api/runs/{run['id']}/regrade", json={"testing_criteria": [python_check("grade = 1")]})
    again = http.post(f"/api/runs/{run['id']}/regrade", json={"testing_criteria": [criterion]}).json()

    assert refusal_of(refused)["param"] == "testing_criteria[0].source"
    assert wait_for_end(http, again)["result_counts"] == {"total": 2, "errored": 0, "failed": 1, "passed": 1}
