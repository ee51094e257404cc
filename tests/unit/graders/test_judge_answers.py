"""Facts about the reading of judges' answers: what was asked for, what clearly means the same, and nothing else."""

import json
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.graders.judges.answers import Reading, read_answer, read_reasoning
from evalhaven.graders.judges.forms import Form, LabelForm, ScoreForm
from tests.recorded import read_recorded

SCORE = ScoreForm(0, 10, 5)
LABEL = LabelForm(["good", "bad", "Bad one", "1"], ["good"])
STEP = {"description": "Looked.", "conclusion": "Fine."}

READ: dict[str, tuple[str, Form, Reading | None]] = {
    "what was asked for": ('{"steps":[],"result":7}', SCORE, Reading(7.0, "json")),
    "white space around it": (' \n{"steps":[],"result":7.5}\n', SCORE, Reading(7.5, "json")),
    "without steps": ('{"result":7}', SCORE, Reading(7.0, "json")),
    "a label": ('{"steps":[],"result":"bad"}', LABEL, Reading("bad", "json")),
    "a number as a text": ('{"result":"7"}', SCORE, Reading(7.0, "text")),
    "a label in other letters": ('{"result":"GOOD "}', LABEL, Reading("good", "text")),
    "a bare number": ("5", SCORE, Reading(5.0, "text")),
    "a bare negative number": ("-0.5", SCORE, Reading(-0.5, "text")),
    "a bare label": ("Bad one\n", LABEL, Reading("Bad one", "text")),
    "a bare label that is a number too": ("1", LABEL, Reading("1", "text")),
    "a label in quotes": ('"good"', LABEL, Reading("good", "text")),
    "a fence": ('Here:\n```json\n{"result": 3}\n```\nDone.', SCORE, Reading(3.0, "text")),
    "an object within words": ('I would say {"steps":[],"result": 3}.', SCORE, Reading(3.0, "text")),
    "thoughts before it": ('<think>{"result":1}</think>\n{"result":3}', SCORE, Reading(3.0, "text")),
    "an object inside it": ('{"steps":[{"result":1}],"result":3}', SCORE, Reading(3.0, "json")),
    "a raw line feed": ('{"steps":["a\nb"],"result":7}', SCORE, Reading(7.0, "json", True)),
    "a raw tab": ('{"steps":[{"conclusion":"a\tb"}],"result":"bad"}', LABEL, Reading("bad", "json", True)),
    "a raw Windows line break": ('{"steps":["a\r\nb"],"result":7}', SCORE, Reading(7.0, "json", True)),
    "a raw line feed after an escaped quote": ('{"steps":["a\\"\nb"],"result":7}', SCORE, Reading(7.0, "json", True)),
    "a raw line feed in a fence": ('So:\n```json\n{"why":"a\nb","result":3}\n```', SCORE, Reading(3.0, "text", True)),
    "a raw line feed within words": ('So {"why":"a\nb","result":3}.', SCORE, Reading(3.0, "text", True)),
    "line feeds between members": ('{\n\t"result": 7\n}', SCORE, Reading(7.0, "json")),
    "an escaped line feed": ('{"steps":["a\\nb"],"result":7}', SCORE, Reading(7.0, "json")),
    "two objects, one with a raw line feed": ('{"why":"a\nb","result":1} {"result":2}', SCORE, None),
    "another control character": ('{"steps":["a\x01b"],"result":7}', SCORE, None),
    "another one within words": ('So {"why":"a\x01\nb","result":3}.', SCORE, None),
    "a raw line feed and a missing end": ('{"steps":["a\nb"],"result":7', SCORE, None),
    "nothing": ("", SCORE, None),
    "words": ("It is good.", LABEL, None),
    "a number within words": ("I give it a 7.", SCORE, None),
    "two objects": ('{"result":1} or {"result":2}', SCORE, None),
    "two fences": ('```\n{"result":1}\n```\n```\n{"result":2}\n```', SCORE, None),
    "no result": ('{"score":7}', SCORE, None),
    "true": ('{"result":true}', SCORE, None),
    "null": ("null", SCORE, None),
    "a list": ("[7]", SCORE, None),
    "a result inside": ('{"answer":{"result":7}}', SCORE, None),
    "no finite number": ('{"result":1e999}', SCORE, None),
    "NaN": ("NaN", SCORE, None),
    "a huge integer": ('{"result":1' + "0" * 400 + "}", SCORE, None),
    "a fraction in words": ("7/10", SCORE, None),
    "an unknown label": ('{"result":"fair"}', LABEL, None),
    "a label for a score": ('{"result":"good"}', SCORE, None),
    "an answer that was cut": ('{"steps":[{"description":"a","concl', SCORE, None),
}


@pytest.mark.parametrize(("text", "form", "expected"), READ.values(), ids=READ)
def test_an_answer_is_read_as(text: str, form: Form, expected: Reading | None) -> None:
    assert read_answer(text, form) == expected


THOUGHT: dict[str, tuple[str, Form, Reading | None]] = {
    "the whole text": (' {"steps":[],"result":7}\n', SCORE, Reading(7.0, "reasoning")),
    "a label": ('{"steps":[],"result":"bad"}', LABEL, Reading("bad", "reasoning")),
    "a raw line feed in it": ('{"steps":["a\nb"],"result":7}', SCORE, Reading(7.0, "reasoning", True)),
    "its one fence": ('I think so.\n```json\n{"result":7}\n```\n', SCORE, Reading(7.0, "reasoning")),
    "an object within words": ('Perhaps {"result":7}. Or not.', SCORE, None),
    "two fences": ('```\n{"result":1}\n```\n```\n{"result":2}\n```', SCORE, None),
    "a fence and one that is cut": ('```\n{"result":1}\n```\nNo:\n```\n{"result":2', SCORE, None),
    "a bare number": ("7", SCORE, None),
    "a number as a text": ('{"result":"7"}', SCORE, None),
    "a label in other letters": ('{"result":"GOOD"}', LABEL, None),
    "no result": ('{"score":7}', SCORE, None),
    "words": ("It is good.", LABEL, None),
    "nothing": ("", LabelForm([""], []), None),
}


@pytest.mark.parametrize(("text", "form", "expected"), THOUGHT.values(), ids=THOUGHT)
def test_reasoning_is_an_answer_only_where_it_cannot_be_a_draft(
    text: str, form: Form, expected: Reading | None
) -> None:
    assert read_reasoning(text, form) == expected


def test_letters_that_alone_tell_two_labels_apart_are_never_guessed() -> None:
    form = LabelForm(["yes", "Yes"], ["yes"])

    assert read_answer("Yes", form) == Reading("Yes", "text")
    assert read_answer("YES", form) is None


JSON_NUMBERS = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
TEXTS = st.text(max_size=60)


@given(result=JSON_NUMBERS, steps=st.lists(st.fixed_dictionaries({"description": TEXTS, "conclusion": TEXTS})))
def test_every_structured_answer_gives_its_own_score(result: float, steps: list[dict[str, str]]) -> None:
    answer = json.dumps({"steps": steps, "result": result})

    assert read_answer(answer, SCORE) == Reading(float(result), "json")
    assert read_answer(f"```json\n{answer}\n```", ScoreForm(0, 1, 0)) in (Reading(float(result), "text"), None)


@given(labels=st.lists(TEXTS, min_size=1, unique=True), data=st.data())
def test_every_structured_answer_gives_its_own_label(labels: list[str], data: st.DataObject) -> None:
    label = data.draw(st.sampled_from(labels))

    assert read_answer(json.dumps({"steps": [STEP], "result": label}), LabelForm(labels, [])) == Reading(label, "json")


@given(text=st.text() | st.text(alphabet='{}[]",:0123456789.eE+-`nulltrueresult \n', max_size=300))
def test_any_answer_is_read_as_a_finite_score_a_known_label_or_nothing(text: str) -> None:
    score, label = read_answer(text, SCORE), read_answer(text, LABEL)

    assert score is None or (isinstance(score.result, float) and math.isfinite(score.result))
    assert label is None or label.result in ("good", "bad", "Bad one", "1")


@given(given_score=JSON_NUMBERS, low=st.floats(-100, 99), width=st.floats(0.5, 100), threshold=st.floats(-200, 200))
def test_a_score_is_always_in_its_range_and_passes_from_the_threshold_on(
    given_score: float, low: float, width: float, threshold: float
) -> None:
    verdict = ScoreForm(low, low + width, threshold).judge(given_score)

    assert low <= verdict.score <= low + width
    assert verdict.passed == (verdict.score >= threshold)
    assert (verdict.notes == ("score_clamped",)) == (verdict.score != given_score)


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        '{"a":' * 100_000,
        "```\n" * 200_000,
        "9" * 500_000,
        "x" * 2_000_000,
        "[" * 200_000,
        '{"\n' * 200_000,
        '{"a\n":1,' * 100_000,
    ],
)
def test_no_answer_is_slow_to_read(text: str) -> None:
    began_s = time.process_time()

    assert read_answer(text, SCORE) is None
    assert read_answer(text, LABEL) is None
    assert read_reasoning(text, SCORE) is None
    assert time.process_time() - began_s < 5


def test_answers_that_judges_of_the_hosted_api_gave_are_read(shared_dir: Path) -> None:
    row = json.loads((shared_dir / "spec/recorded/export_row_model_graders_2024-12.json").read_text(encoding="utf-8"))
    said = {name: sample["outputs"][0]["content"] for name, sample in row["grader_samples"].items()}
    item = read_recorded(shared_dir / "spec/recorded/output_item_image_score_model__cookbook_2025-07.txt")
    scored = item["results"][0]

    assert read_answer(said["Custom prompt"], SCORE) == Reading(5.0, "text")
    assert read_answer(said["Criteria match"], LabelForm(["pass", "fail"], ["pass"])) == Reading("pass", "json")
    sentiments = LabelForm(["positive", "neutral", "negative"], ["positive"])
    assert read_answer(said["Sentiment classification"], sentiments) == Reading("positive", "json")
    assert read_answer(scored["sample"]["output"][0]["content"], SCORE) == Reading(scored["score"], "json")
