"""Facts about judges whose endpoint refuses the form of answer that it is asked for."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import anyio
import pytest

from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.spending import NO_SPENDING
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.answer_forms import refuses_form
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.grader_calls import grade_once
from evalhaven.sampling.transport.client import HttpReply
from tests.unit.runs.answering import Answering, calling, completion, refusal
from tests.unit.runs.executed import CRITERIA, inline_run, lines, read_items, read_run, row_of
from tests.unit.storage.stored import make_eval, store_eval

SAID = {
    "json_schema": "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    "json_object": "This response_format type is unavailable now",
}


class Choosy(Answering):
    """An endpoint that refuses forms of answers with 400, and records which ones it was asked for."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.asked: list[str] = []
        self.questions: list[dict[str, Any]] = []
        self.said = SAID
        self.hopeless = False

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        question = json.loads(body)
        asked = str(question.get("response_format", {}).get("type", "text"))
        self.asked.append(asked)
        self.questions.append(question)
        await anyio.sleep(0.001)
        if asked in self.refused:
            return refusal(400, "invalid_request_error", self.said[asked])
        return refusal(400, "bad", "Something else.") if self.hopeless else completion("j", '{"result":1}')


@pytest.fixture
async def judging(engine: Engine) -> AsyncGenerator[tuple[Engine, Choosy]]:
    """Return an engine and its endpoint, which knows no JSON Schemas."""
    endpoint = Choosy("json_schema")
    async with calling(engine, endpoint) as calls:
        yield calls, endpoint


def judge(model: str) -> dict[str, Any]:
    message = {"role": "user", "content": "Rate {{ item.n }}"}
    return {"type": "score_model", "name": model, "id": f"{model}-1", "model": model, "input": [message]}


async def conducted(engine: Engine, count: int, *models: str, number: int = 1) -> Run:
    parent = await store_eval(engine.database, make_eval(number, [CRITERIA[0], *map(judge, models)]))
    run = await inline_run(engine, lines([row_of(each) for each in range(count)]), number=number, parent=parent)
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def test_a_judge_whose_endpoint_knows_no_schemas_is_asked_for_a_json_object(
    judging: tuple[Engine, Choosy],
) -> None:
    engine, endpoint = judging
    run = await conducted(engine, 300, "a")
    items = await read_items(engine, run)
    asked = Counter(endpoint.asked)

    assert (run.status, run.tally.total, run.tally.errored) == (RunStatus.COMPLETED, 300, 0)
    assert asked["json_object"] == 300
    assert 1 <= asked["json_schema"] <= 60, "only calls that were under way before the first answer"
    assert {grade.notes for item in items for grade in item.grades[1:]} == {("without_schema",)}
    assert {str((item.grades[1].judge or {})["asked_for"]) for item in items} == {"json_object"}
    assert sum(call.attempts for item in items for call in item.grades[1].calls) == len(endpoint.asked)
    last: Any = endpoint.questions[-1]["messages"][0]
    assert (last["role"], '"result"' in last["content"]) == ("system", True)
    [warning] = run.warnings
    assert warning.pointer == "/testing_criteria/1"
    assert "knows no JSON Schemas: it is asked for a JSON object" in warning.message


async def test_one_that_knows_no_formats_is_asked_without(judging: tuple[Engine, Choosy]) -> None:
    engine, endpoint = judging
    endpoint.refused = ("json_schema", "json_object")
    run = await conducted(engine, 1, "a")
    [item] = await read_items(engine, run)

    assert endpoint.asked == ["json_schema", "json_object", "text"]
    assert item.grades[1].notes == ("without_json_mode",)
    assert [call.attempts for call in item.grades[1].calls] == [3]


async def test_what_was_answered_is_remembered_for_the_model_and_for_no_other(
    judging: tuple[Engine, Choosy],
) -> None:
    engine, endpoint = judging
    await conducted(engine, 1, "a")
    endpoint.asked.clear()
    again = await conducted(engine, 1, "a", number=2)
    asked: Any = {"grader": judge("a"), "item": {"n": 1}, "model_sample": "x"}
    alone = await grade_once(engine, again.scope, asked, RunGuard(None, NO_SPENDING, anyio.Event()))
    before = list(endpoint.asked)
    await conducted(engine, 1, "b", number=3)

    assert before == ["json_object", "json_object"]
    assert len(again.warnings) == 1
    assert alone.notes == ("without_schema",)
    assert endpoint.asked[2:] == ["json_schema", "json_object"]


async def test_refusals_that_lead_on_stop_no_run_and_those_that_do_not_stop_it(
    judging: tuple[Engine, Choosy],
) -> None:
    engine, endpoint = judging
    endpoint.hopeless = True
    run = await conducted(engine, 600, "a")
    refused = Counter(endpoint.asked)

    assert run.status is RunStatus.FAILED
    assert run.error is not None
    assert (run.error.code, run.error.message, run.error.origin) == ("bad", "Something else.", "judge")
    assert refused["json_object"] >= 100, "the refusals of the schema, which came first, stopped nothing"
    assert engine.answer_forms.lacks_of(engine.catalog.find("a")) == frozenset(), "nothing was answered"


async def test_any_number_of_refusals_that_lead_on_is_no_verdict() -> None:
    stop = anyio.Event()
    guard = RunGuard(None, NO_SPENDING, stop)
    judge_guard = guard.watch_judge()
    error = ItemError("invalid_request_error", SAID["json_schema"], "sampling")
    for _ in range(500):
        judge_guard.passing(refuses_form).note_failure(error, is_fatal=False)
    assert not stop.is_set()

    for _ in range(100):
        judge_guard.note_failure(error, is_fatal=False)
    assert stop.is_set()


async def test_an_endpoint_that_refuses_every_form_says_so_on_the_item(judging: tuple[Engine, Choosy]) -> None:
    engine, endpoint = judging
    endpoint.refused = ("json_schema", "json_object", "text")
    endpoint.said = {**SAID, "text": "No response_format pleases me."}
    [item] = await read_items(engine, await conducted(engine, 1, "a"))

    assert endpoint.asked == ["json_schema", "json_object", "text"]
    assert item.grades[1].error is not None
    assert item.grades[1].error.message == "No response_format pleases me."


REFUSALS: dict[str, tuple[ItemError, bool]] = {
    "OpenAI": (ItemError("invalid_request_error", SAID["json_schema"], "sampling"), True),
    "DeepSeek": (ItemError("invalid_request_error", SAID["json_object"], "sampling"), True),
    "Groq": (ItemError("x", "This model does not support response format `json_schema`.", "sampling"), True),
    "vLLM": (ItemError("x", "[{'loc': ('body', 'response_format', 'type')}]", "sampling"), True),
    "Responses": (ItemError("x", "Unsupported parameter: 'text.format'", "sampling"), True),
    "llama.cpp": (ItemError("x", "Failed to parse grammar", "sampling"), True),
    "Azure": (ItemError("x", "Structured Outputs are not enabled for this deployment.", "sampling"), True),
    "another refusal": (ItemError("x", "Unknown parameter: 'seed'.", "sampling"), False),
    "an outage": (ItemError("x", "response_format", "sampling", retryable=True), False),
    "a long prompt": (ItemError("context_length_exceeded", "response_format", "sampling"), False),
    "a template": (ItemError("template_too_large", "response_format", "template"), False),
}


@pytest.mark.parametrize(("error", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_of_the_form_are_known_by_their_words(error: ItemError, expected: bool) -> None:
    assert refuses_form(error) is expected
