"""Facts about judges: what they ask for, what an answer comes to, and that nothing that went wrong is a score."""

from typing import Any

import msgspec
import pytest

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.schemas import ItemSchema
from evalhaven.graders.asking import AskedFor
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.registry import build_grader
from tests.unit.graders.judged import TalkingModel, judge, label_model, said, score_model

NAMESPACES: dict[str, Any] = {"item": {"a": 1}, "sample": {"output_text": "x"}}


async def graded(answer: Sample, criterion: dict[str, Any], asked_for: AskedFor = "strict_schema") -> Grade:
    return await judge(TalkingModel(answer, asked_for), criterion).grade(NAMESPACES)


def schema_of(criterion: dict[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema that a criterion's judge is asked to follow."""
    model = TalkingModel(said(""))
    judge(model, criterion)
    answer_format: Any = model.prompts[0].answer_format
    assert answer_format["type"] == "json_schema"
    assert answer_format["json_schema"]["strict"] is True
    return answer_format["json_schema"]["schema"]


async def test_a_score_from_the_threshold_on_passes() -> None:
    answer = said('{"steps":[],"result":0.7}')
    below = await graded(answer, score_model(pass_threshold=0.71))
    at = await graded(answer, score_model(pass_threshold=0.7))

    assert (below.score, below.passed, at.score, at.passed) == (0.7, False, 0.7, True)
    assert at.judge == {"asked_for": "strict_schema", "result": 0.7, "read_from": "json"}
    assert (at.notes, at.error, at.calls) == ((), None, (answer,))


@pytest.mark.parametrize(("bounds", "middle"), [(None, 0.5), ([0, 1], 0.5), ([1, 5], 3.0), ([-1, 1], 0.0)])
async def test_without_a_threshold_the_middle_of_the_range_passes(bounds: list[float] | None, middle: float) -> None:
    at = await graded(said(f'{{"result":{middle}}}'), score_model(range=bounds))
    below = await graded(said(f'{{"result":{middle - 0.01}}}'), score_model(range=bounds))

    assert (at.passed, below.passed) == (True, False)


@pytest.mark.parametrize(("given", "score"), [(7, 5.0), (-3, 1.0), (5, 5.0)])
async def test_a_score_beyond_its_range_is_moved_into_it_and_said_so(given: float, score: float) -> None:
    grade = await graded(said(f'{{"steps":[],"result":{given}}}'), score_model(range=[1, 5]))

    assert grade.score == score
    assert grade.judge is not None
    assert grade.judge["result"] == given
    assert grade.notes == (() if score == given else ("score_clamped",))


@pytest.mark.parametrize(("label", "passed"), [("good", True), ("bad", False), ("ugly", True)])
async def test_a_passing_label_scores_one(label: str, passed: bool) -> None:
    grade = await graded(said(f'{{"steps":[],"result":"{label}"}}'), label_model())

    assert (grade.score, grade.passed) == (float(passed), passed)
    assert grade.judge is not None
    assert grade.judge["result"] == label


def test_the_answers_asked_for_are_those_recorded() -> None:
    score, label = ItemSchema(schema_of(score_model(range=[1, 5]))), ItemSchema(schema_of(label_model()))
    steps: list[Any] = [{"description": "a", "conclusion": "b"}]

    assert score.is_valid({"steps": steps, "result": 0.0})
    assert label.is_valid({"steps": [], "result": "ugly"})
    wrongs: list[dict[str, Any]] = [
        {"result": 1},
        {"steps": steps},
        {"steps": steps, "result": "1"},
        {"steps": [{"description": "a"}], "result": 1},
        {"steps": steps, "result": 1, "more": 1},
    ]
    assert [wrong for wrong in wrongs if score.is_valid(wrong)] == []
    assert not label.is_valid({"steps": [], "result": "fair"})
    assert list(schema_of(score_model())["properties"]) == ["steps", "result"]
    assert "from 1 to 5" in schema_of(score_model(range=[1, 5]))["properties"]["result"]["description"]


def test_a_label_given_twice_is_offered_once() -> None:
    offered = schema_of(label_model(labels=["a", "b", "a"], passing_labels=["a"]))["properties"]["result"]["enum"]

    assert offered == ["a", "b"]


FAILURES: dict[str, tuple[Sample, str, str]] = {
    "refused": (said("", refusal="I will not."), "judge_refused", "I will not."),
    "refused with half an answer": (said('{"result":1}', refusal="No."), "judge_refused", "No."),
    "truncated": (said('{"steps":[{"descr', "length"), "judge_truncated", "max_completions_tokens"),
    "truncated after the answer": (said('{"result":1}', "length"), "judge_truncated", "cut off"),
    "filtered": (said("", "content_filter"), "judge_filtered", "filtered"),
    "empty": (said(""), "judge_unparsable", "answered nothing"),
    "silent": (Sample(output=[{"role": "assistant", "content": None}]), "judge_unparsable", "answered nothing"),
    "unparsable": (said("Rather good."), "judge_unparsable", "Rather good."),
    "not finite": (said('{"result":1e999}'), "judge_unparsable", "no score"),
    "call failed": (
        Sample(error=ItemError("upstream_timeout", "No answer in time.", "sampling", retryable=True), attempts=3),
        "upstream_timeout",
        "No answer in time.",
    ),
}


@pytest.mark.parametrize(("answer", "code", "words"), FAILURES.values(), ids=FAILURES)
async def test_an_answer_without_a_conclusion_is_an_error_and_never_a_score(
    answer: Sample, code: str, words: str
) -> None:
    grade = await graded(answer, score_model())

    assert grade.error is not None
    assert (grade.error.code, grade.error.origin) == (code, "judge")
    assert words in grade.error.message
    assert (grade.score, grade.passed) == (0.0, False)
    assert grade.sample is not None
    assert grade.sample["error"] == {"code": code, "message": grade.error.message}
    assert [call.request_hash for call in grade.calls] == [None], "it must not be remembered"
    assert grade.calls[0].usage == answer.usage


async def test_an_error_of_the_prompt_keeps_its_origin() -> None:
    broken = Sample(error=ItemError("template_too_large", "Too long.", "template"))

    assert (await graded(broken, score_model())).error == broken.error


async def test_a_judge_is_asked_without_what_has_no_value_and_its_grade_names_it() -> None:
    grade = await graded(msgspec.structs.replace(said('{"result":0.75}'), unresolved=("item.b",)), score_model())

    assert (grade.score, grade.passed, grade.unresolved, grade.error) == (0.75, True, ("item.b",), None)


async def test_a_judge_that_errs_names_what_had_no_value_too() -> None:
    grade = await graded(msgspec.structs.replace(said("Rather good."), unresolved=("item.b",)), score_model())

    assert grade.error is not None
    assert (grade.error.code, grade.unresolved) == ("judge_unparsable", ("item.b",))


def thought(text: str, finish_reason: str = "stop", **message: Any) -> Sample:
    """Return an answer without content, whose reasoning is this."""
    return msgspec.structs.replace(said("", finish_reason, **message), reasoning=text)


async def test_a_verdict_that_stands_in_the_reasoning_is_read_and_can_be_read_back() -> None:
    grade = await graded(thought('{"steps":[],"result":0.75}'), score_model())

    assert (grade.score, grade.error, grade.notes) == (0.75, None, ("read_from_reasoning",))
    assert grade.judge == {"asked_for": "strict_schema", "result": 0.75, "read_from": "reasoning"}
    assert grade.sample is not None
    assert grade.sample["output"] == [
        {"role": "assistant", "content": "", "reasoning_content": '{"steps":[],"result":0.75}'}
    ]
    assert [call.request_hash for call in grade.calls] == [None], "what is remembered has no reasoning"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (thought('{"steps":[],"result":0.75}', "length"), "judge_truncated"),
        (thought('{"steps":[],"result":0.75}', ""), "judge_unparsable"),
        (thought('{"steps":[],"result":0.75}', "tool_calls"), "judge_unparsable"),
        (thought('{"steps":[],"result":0.75}', refusal="No."), "judge_refused"),
        (thought('Maybe {"result":0.75}?'), "judge_unparsable"),
    ],
)
async def test_a_draft_in_the_reasoning_never_becomes_a_verdict(answer: Sample, code: str) -> None:
    grade = await graded(answer, score_model())

    assert grade.error is not None
    assert (grade.error.code, grade.score) == (code, 0.0)


@pytest.mark.parametrize(
    ("asked_for", "text", "notes"),
    [
        ("strict_schema", '{"result":1}', ()),
        ("strict_schema", "1", ("read_from_text",)),
        ("schema", '{"result":1}', ("without_strict_schema",)),
        ("json_object", '{"result":1}', ("without_schema",)),
        ("text", '{"result":1}', ("without_json_mode",)),
        ("text", "1", ("without_json_mode", "read_from_text")),
        ("strict_schema", '{"steps":["a\nb"],"result":1}', ("unescaped_white_space",)),
        ("text", 'So {"why":"a\tb","result":1}', ("without_json_mode", "read_from_text", "unescaped_white_space")),
    ],
)
async def test_a_grade_says_how_sure_its_form_is(asked_for: AskedFor, text: str, notes: tuple[str, ...]) -> None:
    assert (await graded(said(text), score_model(), asked_for)).notes == notes


def test_what_is_adapted_is_reported_before_the_first_grade() -> None:
    told = judge(TalkingModel(said(""), "json_object", "It knows no schemas.", "No seed."), score_model())

    assert told.caution == "It knows no schemas. No seed."
    assert judge(TalkingModel(said("")), score_model()).caution is None
    assert (told.concurrency, told.waits) == (5, True)


SHOWN: dict[str, tuple[dict[str, Any] | None, dict[str, Any]]] = {
    "nothing": (None, {}),
    "null": ({"temperature": None, "seed": None}, {}),
    "all": (
        {"temperature": 0, "top_p": 1, "seed": 4, "reasoning_effort": "low", "max_completions_tokens": 9},
        {"temperature": 0.0, "seed": 4, "reasoning_effort": "low", "max_completions_tokens": 9},
    ),
    "other spelling": (
        {"max_completion_tokens": 9},
        {"max_completions_tokens": 9, "max_completion_tokens": 9},
    ),
}


@pytest.mark.parametrize(("params", "changed"), SHOWN.values(), ids=SHOWN)
async def test_the_call_is_shown_with_its_parameters(params: dict[str, Any] | None, changed: dict[str, Any]) -> None:
    sample = (await graded(said('{"result":1}'), score_model(sampling_params=params))).sample

    assert sample == {
        "input": [{"role": "user", "content": "Is it good?"}],
        "output": [{"role": "assistant", "content": '{"result":1}'}],
        "finish_reason": "stop",
        "model": "judge-1",
        "usage": {"total_tokens": 13, "completion_tokens": 4, "prompt_tokens": 9, "cached_tokens": 0},
        "error": None,
        "seed": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "reasoning_effort": None,
        "max_completions_tokens": None,
        **changed,
    }
    assert sample is not None
    assert isinstance(sample["temperature"], float)


@pytest.mark.parametrize("criterion", [score_model(), label_model()])
def test_where_no_models_can_be_asked_a_judge_is_refused(criterion: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedGraderError, match=r"'Good' asks a model"):
        build_grader(Criterion(criterion), Facilities())


@pytest.mark.parametrize("lacking", ["model", "labels"])
def test_an_imported_judge_that_lacks_something_is_refused_with_its_name(lacking: str) -> None:
    criterion = {key: value for key, value in label_model().items() if key != lacking}

    with pytest.raises(UnsupportedGraderError, match=lacking):
        build_grader(Criterion(criterion), Facilities(open_judge=TalkingModel(said("")).open))
