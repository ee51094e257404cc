"""Facts about the flags of a grading: each kind of error raises its own."""

from typing import Any

import pytest

from evalhaven.api.grader_answers import run_answer
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample, Usage

GRADER: Any = {"name": "g", "type": "score_model"}


@pytest.mark.parametrize(
    ("code", "origin", "flags"),
    [
        ("judge_refused", "judge", {"model_grader_refusal_error": True, "model_grader_refusal_error_details": "why"}),
        ("judge_filtered", "judge", {"model_grader_refusal_error": True, "model_grader_refusal_error_details": "why"}),
        ("judge_unparsable", "judge", {"model_grader_parse_error": True, "model_grader_parse_error_details": "why"}),
        ("judge_truncated", "judge", {"model_grader_exceeded_max_tokens_error": True}),
        ("rate_limited", "judge", {"model_grader_server_error": True, "model_grader_server_error_details": "why"}),
        (
            "grader_exception",
            "user_code",
            {"python_grader_runtime_error": True, "python_grader_runtime_error_details": "why"},
        ),
        (
            "grader_timeout",
            "sandbox",
            {"python_grader_server_error": True, "python_grader_server_error_type": "grader_timeout"},
        ),
        ("formula_has_no_value", "user_code", {"formula_parse_error": True}),
        ("template_too_large", "template", {"other_error": True}),
        ("internal_error", "", {"other_error": True}),
    ],
)
def test_each_kind_of_error_raises_its_own_flag(code: str, origin: str, flags: dict[str, Any]) -> None:
    error = ItemError(code, "why", origin)
    for grade in (Grade(0.0, passed=False, error=error), Grade(0.0, passed=False, parts=(("p", _errored(error)),))):
        answer: Any = run_answer(GRADER, grade, 0.5)
        assert {name: value for name, value in answer["metadata"]["errors"].items() if value} == flags
        assert (answer["reward"], answer["metadata"]["execution_time"]) == (0.0, 0.5)


def _errored(error: ItemError) -> Grade:
    return Grade(0.0, passed=False, error=error)


def test_tokens_are_summed_by_model() -> None:
    calls = tuple(Sample(model=model, usage=Usage(1, 2, 3, 1)) for model in ("a", "b", "a"))
    answer: Any = run_answer(GRADER, Grade(1.0, passed=True, calls=calls), 0.0)

    once = {"total_tokens": 3, "completion_tokens": 2, "prompt_tokens": 1, "cached_tokens": 1}
    twice = {name: 2 * count for name, count in once.items()}
    assert answer["model_grader_token_usage_per_model"] == {"a": twice, "b": once}
    assert (answer["metadata"]["token_usage"], answer["metadata"]["sampled_model_name"]) == (9, "a")
