"""Facts about `/v1/fine_tuning/alpha/graders`: what a grading answers, every flag, and what is refused."""

import json
import re
from typing import Any

import httpx2
import openai
import pytest

from evalhaven.wire.graders import CRITERION_TYPES
from tests.contract.conftest import ON_ONE_DATABASE, refusal_of, string_check

RUN, VALIDATE = "/v1/fine_tuning/alpha/graders/run", "/v1/fine_tuning/alpha/graders/validate"
SAYS_YES = string_check(name="yes", input="{{ sample.output_text }}", reference="{{ item.answer }}")
ALIKE = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{ sample.output_json.said }}",
    "reference": "{{ item.answer }}",
    "evaluation_metric": "fuzzy_match",
}
JUDGE: dict[str, Any] = {
    "type": "score_model",
    "name": "judge",
    "model": "scripted",
    "input": [{"role": "user", "content": 'Rate {{ sample.output_text }}. ANSWER: {"steps": [], "result": 0.75}'}],
}
CUT_OFF = JUDGE | {"sampling_params": {"max_completions_tokens": 1}}


def multi(formula: str, **graders: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "all", "graders": graders or {"yes": SAYS_YES}, "calculate_output": formula}


def run(http: httpx2.Client, grader: dict[str, Any], said: str = "yes", **more: Any) -> dict[str, Any]:
    body = {"grader": grader, "model_sample": said, "item": {"answer": "yes"}, **more}
    answer = http.post(RUN, content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def raised(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the flags and details that are set."""
    return {name: value for name, value in answer["metadata"]["errors"].items() if value}


def test_the_sdk_runs_and_validates_a_grader(client: openai.OpenAI) -> None:
    grader: Any = SAYS_YES
    ran = client.fine_tuning.alpha.graders.run(grader=grader, model_sample="yes", item={"answer": "yes"})
    assert (ran.reward, ran.metadata.name, ran.metadata.type) == (1.0, "yes", "string_check")
    assert ran.metadata.errors.other_error is False
    assert ran.metadata.execution_time >= 0
    assert (ran.sub_rewards, ran.api_model_grader_token_usage_per_model) == ({}, {})

    validated = client.fine_tuning.alpha.graders.validate(grader=grader)
    assert validated.grader is not None
    assert validated.grader.to_dict() == grader


@ON_ONE_DATABASE
def test_an_answer_has_the_keys_of_the_recorded_one_in_their_order(http: httpx2.Client, shared_dir: Any) -> None:
    recorded = json.loads((shared_dir / "spec" / "recorded" / "grader_run_python__2025-late.json").read_text())
    answer = run(http, SAYS_YES)

    assert list(answer) == list(recorded)
    assert list(answer["metadata"]) == list(recorded["metadata"])
    assert answer["metadata"]["errors"] == recorded["metadata"]["errors"]
    assert list(answer["metadata"]["errors"]) == list(recorded["metadata"]["errors"])
    assert {**answer, "metadata": {}, "reward": 0} == {**recorded, "metadata": {}, "reward": 0}


@ON_ONE_DATABASE
def test_a_grader_without_a_name_is_given_one(http: httpx2.Client) -> None:
    for nameless in ({key: value for key, value in SAYS_YES.items() if key != "name"}, {**SAYS_YES, "name": None}):
        validated = http.post(VALIDATE, json={"grader": nameless}).json()["grader"]
        assert re.fullmatch(r"grader-[0-9A-Za-z]{12}", validated["name"])
        assert {**validated, "name": None} == {**nameless, "name": None}
        assert re.fullmatch(r"grader-[0-9A-Za-z]{12}", run(http, nameless)["metadata"]["name"])


@ON_ONE_DATABASE
def test_text_similarity_needs_no_threshold_and_json_is_read(http: httpx2.Client) -> None:
    assert run(http, ALIKE, '{"said": "yes"}')["reward"] == 1.0
    assert run(http, ALIKE, '{"said": "yet"}')["reward"] == pytest.approx(2 / 3)


@ON_ONE_DATABASE
def test_a_formula_shows_the_scores_of_its_parts(http: httpx2.Client) -> None:
    answer = run(http, multi("0.25 * yes + alike / 2", yes=SAYS_YES, alike={**ALIKE, "input": "yet"}))
    assert answer["reward"] == pytest.approx(0.25 + 1 / 3)
    assert answer["sub_rewards"] == answer["metadata"]["scores"] == {"yes": 1.0, "alike": pytest.approx(2 / 3)}
    assert raised(answer) == {}
    assert run(http, multi("yes", **SAYS_YES))["reward"] == 1.0


def test_a_judge_shows_its_model_and_its_tokens(http: httpx2.Client) -> None:
    for grader in (JUDGE, multi("judge", judge=JUDGE)):
        answer = run(http, grader)
        assert (answer["reward"], raised(answer)) == (0.75, {})
        metadata = answer["metadata"]
        [(model, usage)] = answer["model_grader_token_usage_per_model"].items()
        assert metadata["sampled_model_name"] == model
        assert metadata["token_usage"] == usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        assert usage["total_tokens"] > 0


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("grader", "said", "flags"),
    [
        (SAYS_YES | {"reference": "{{ item.no }}"}, "x", {"invalid_variable_error": True}),
        (ALIKE, "no JSON", {"invalid_variable_error": True, "sample_parse_error": True}),
        (multi("1 / (yes - yes)"), "x", {"formula_parse_error": True}),
        (multi("yes", yes=SAYS_YES | {"input": "{{ item.no }}"}), "x", {"invalid_variable_error": True}),
        (CUT_OFF, "x", {"model_grader_exceeded_max_tokens_error": True}),
        (multi("j", j=CUT_OFF), "x", {"model_grader_exceeded_max_tokens_error": True}),
    ],
)
def test_what_goes_wrong_is_a_flag_beside_a_reward_of_0(
    http: httpx2.Client, grader: dict[str, Any], said: str, flags: dict[str, Any]
) -> None:
    answer = run(http, grader, said)
    found = raised(answer)
    assert {name: value for name, value in found.items() if not name.endswith("_details")} == flags
    assert all(found[f"{name}_details"] for name in flags if f"{name}_details" in answer["metadata"]["errors"])
    assert answer["reward"] == 0.0
    assert answer["evalhaven"].keys() & {"error", "unresolved"}


def test_a_judge_answers_its_reward_though_a_variable_has_no_value(http: httpx2.Client) -> None:
    asked = 'Rate {{ item.no }} and {{ sample.output_json.x }}. ANSWER: {"steps": [], "result": 0.75}'
    judge = JUDGE | {"input": [{"role": "user", "content": asked}]}
    for grader, reward in ((judge, 0.75), (multi("1 - judge", judge=judge), 0.25), (multi("judge", **judge), 0.75)):
        answer = run(http, grader, "words")
        assert answer["reward"] == reward
        assert raised(answer) == {
            "invalid_variable_error": True,
            "invalid_variable_error_details": "no value for item.no, sample.output_json.x",
            "sample_parse_error": True,
            "sample_parse_error_details": "'model_sample' is not JSON, or has no such part",
        }
        assert answer["evalhaven"]["unresolved"] == ["item.no", "sample.output_json.x"]


@ON_ONE_DATABASE
def test_the_item_may_be_absent(http: httpx2.Client) -> None:
    assert http.post(RUN, json={"grader": SAYS_YES | {"reference": "x"}, "model_sample": "x"}).json()["reward"] == 1.0


@ON_ONE_DATABASE
@pytest.mark.parametrize("formula", ["", "yes +", "nobody", "__import__('os')", "yes.real", "(" * 3000, "9" * 5000])
@pytest.mark.parametrize("path", [RUN, VALIDATE])
def test_what_is_no_formula_is_refused_with_its_column(http: httpx2.Client, path: str, formula: str) -> None:
    error = refusal_of(http.post(path, json={"grader": multi(formula), "model_sample": "x"}))
    assert error["param"] == "grader.calculate_output"
    assert "column" in error["message"] or not formula


@ON_ONE_DATABASE
def test_what_is_no_grader_is_refused_by_name(http: httpx2.Client) -> None:
    for body, param in (
        ({"model_sample": "x"}, "grader"),
        ({"grader": SAYS_YES}, "model_sample"),
        ({"grader": {"type": "other"}, "model_sample": "x"}, "grader.type"),
        ({"grader": SAYS_YES, "model_sample": "x", "item": 5}, "item"),
        ({"grader": multi("m", m=multi("yes")), "model_sample": "x"}, "grader.graders.m.type"),
        ({"grader": {**ALIKE, "evaluation_metric": "cosine"}, "model_sample": "{}"}, "grader"),
    ):
        assert refusal_of(http.post(RUN, json=body))["param"] == param


@ON_ONE_DATABASE
def test_every_type_is_executed_or_refused_by_name(http: httpx2.Client) -> None:
    messages = JUDGE["input"]
    documents: dict[str, dict[str, Any]] = {
        "string_check": SAYS_YES,
        "text_similarity": ALIKE,
        "label_model": {"model": "scripted", "input": messages, "labels": ["a"], "passing_labels": ["a"]},
        "score_model": JUDGE,
        "python": {"source": "def grade(sample, item):\n    return 1.0\n"},
        "multi": multi("yes"),
    }
    assert documents.keys() == set(CRITERION_TYPES)
    for kind, document in documents.items():
        grader = {"name": "its name", **document, "type": kind}
        answer = http.post(RUN, json={"grader": grader, "model_sample": "{}"})
        if answer.status_code == 200:
            assert answer.json()["metadata"]["type"] == kind
        else:
            assert kind in refusal_of(answer)["message"]
