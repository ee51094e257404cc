"""The answer of the grader endpoint: a grade in the published form, with a flag for each kind of error."""

from collections.abc import Iterator

from evalhaven.api.rendering.extensions import grade_extension
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError
from evalhaven.graders.multi import FORMULA_ERROR_CODE

_JUDGE_FLAGS = {
    "judge_refused": "model_grader_refusal_error",
    "judge_filtered": "model_grader_refusal_error",
    "judge_truncated": "model_grader_exceeded_max_tokens_error",
    "judge_unparsable": "model_grader_parse_error",
}


def run_answer(grader: JsonObject, grade: Grade, seconds: float) -> JsonObject:
    """Return the answer of a grading.

    Args:
        grader: The grader's document, with its name.
        grade: Its grade.
        seconds: How long it took.
    """
    usage = dict(_usage(grade))
    models = list(usage)
    answer: JsonObject = {
        "reward": grade.score,
        "metadata": {
            "name": grader["name"],
            "type": grader["type"],
            "errors": _flags(grade),
            "execution_time": seconds,
            "scores": _part_scores(grade),
            "token_usage": sum(counts["total_tokens"] for counts in usage.values()) if usage else None,
            "sampled_model_name": models[0] if models else None,
        },
        "sub_rewards": _part_scores(grade),
        "model_grader_token_usage_per_model": {model: dict(counts) for model, counts in usage.items()},
    }
    more = grade_extension(grade)
    if grade.sample is not None:
        more["sample"] = grade.sample
    return {**answer, "evalhaven": more} if more else answer


def _flags(grade: Grade) -> JsonObject:
    """Return the flags in the order of the answer recorded from the hosted API."""
    flags: JsonObject = {
        "formula_parse_error": False,
        "sample_parse_error": False,
        "sample_parse_error_details": None,
        "truncated_observation_error": False,
        "unresponsive_reward_error": False,
        "invalid_variable_error": False,
        "invalid_variable_error_details": None,
        "other_error": False,
        "python_grader_server_error": False,
        "python_grader_server_error_type": None,
        "python_grader_runtime_error": False,
        "python_grader_runtime_error_details": None,
        "model_grader_server_error": False,
        "model_grader_refusal_error": False,
        "model_grader_refusal_error_details": None,
        "model_grader_parse_error": False,
        "model_grader_parse_error_details": None,
        "model_grader_exceeded_max_tokens_error": False,
        "model_grader_server_error_details": None,
        "endpoint_grader_internal_error": False,
        "endpoint_grader_internal_error_details": None,
        "endpoint_grader_server_error": False,
        "endpoint_grader_server_error_details": None,
        "endpoint_grader_safety_check_error": False,
    }
    for each in (grade, *(part for _, part in grade.parts)):
        if each.unresolved:
            _raise_variables(flags, each.unresolved)
        if each.error is not None:
            _raise_error(flags, each.error)
        if each.fault is not None:
            _raise_error(flags, each.fault)
    return flags


def _raise_variables(flags: JsonObject, unresolved: tuple[str, ...]) -> None:
    flags["invalid_variable_error"] = True
    flags["invalid_variable_error_details"] = f"no value for {', '.join(unresolved)}"
    if any(text.startswith("sample.output_json") for text in unresolved):
        flags["sample_parse_error"] = True
        flags["sample_parse_error_details"] = "'model_sample' is not JSON, or has no such part"


def _raise_error(flags: JsonObject, error: ItemError) -> None:
    if error.code == FORMULA_ERROR_CODE:
        flags["formula_parse_error"] = True
    elif error.origin == "judge":
        flag = _JUDGE_FLAGS.get(error.code, "model_grader_server_error")
        flags[flag] = True
        if f"{flag}_details" in flags:
            flags[f"{flag}_details"] = error.message
    elif error.origin == "user_code":
        flags["python_grader_runtime_error"] = True
        flags["python_grader_runtime_error_details"] = error.message
    elif error.origin == "sandbox":
        flags["python_grader_server_error"] = True
        flags["python_grader_server_error_type"] = error.code
    else:
        flags["other_error"] = True


def _part_scores(grade: Grade) -> JsonObject:
    return {name: part.score for name, part in grade.parts}


def _usage(grade: Grade) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield the tokens of each model that was asked, in the form of the published usage."""
    summed: dict[str, dict[str, int]] = {}
    for call in grade.calls:
        if call.model:
            counts = summed.setdefault(
                call.model, dict.fromkeys(("total_tokens", "completion_tokens", "prompt_tokens", "cached_tokens"), 0)
            )
            for name in counts:
                counts[name] += getattr(call.usage, name)
    yield from summed.items()
