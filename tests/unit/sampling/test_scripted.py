"""Facts about the scripted endpoint: what it answers, in both protocols, and that it does so at once."""

import json
import time
from typing import Any

import pytest

from evalhaven.domain.schemas import ItemSchema
from evalhaven.sampling.protocols.replies import read_reply
from evalhaven.sampling.scripted.endpoint import Rule, RuleError, Script, ScriptedTransport, When
from evalhaven.sampling.scripted.replies import Tokens
from evalhaven.sampling.transport.client import HttpReply, Transport, TransportError


async def post(body: dict[str, Any], *rules: Rule, path: str = "/chat/completions", timeout_s: float = 5) -> HttpReply:
    transport: Transport = ScriptedTransport(Script(rules))
    return await transport.post(path, {}, json.dumps({"model": "scripted", **body}).encode(), timeout_s)


async def chat(text: str, *rules: Rule, **parameters: Any) -> dict[str, Any]:
    reply = await post({"messages": [{"role": "user", "content": text}], **parameters}, *rules)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def respond(content: Any, *rules: Rule, **parameters: Any) -> dict[str, Any]:
    reply = await post({"input": content, **parameters}, *rules, path="/responses")
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


async def text_of(text: str, *rules: Rule, **parameters: Any) -> str:
    return (await chat(text, *rules, **parameters))["choices"][0]["message"]["content"]


def rule(when: str, answer: str | None = None, **others: Any) -> Rule:
    made = Rule(When.of(when), answer, **others)
    made.check()
    return made


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "made", "strict": True, "schema": schema}}


async def test_a_chat_completion_is_whole() -> None:
    assert await chat("What is the capital?  ANSWER: Paris \nReally.") == {
        "id": (await chat("What is the capital?  ANSWER: Paris \nReally."))["id"],
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Paris", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 1,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


async def test_a_response_is_whole() -> None:
    content = [{"role": "user", "content": [{"type": "input_text", "text": "Say: ANSWER: Bern"}]}]
    answer = await respond(content, instructions="Be brief.")

    assert (answer["object"], answer["status"], answer["incomplete_details"]) == ("response", "completed", None)
    (message,) = answer["output"]
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    assert message["content"] == [{"type": "output_text", "text": "Bern", "annotations": []}]
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (5, 1)


async def test_without_a_mark_the_last_user_message_comes_back() -> None:
    messages = [
        {"role": "user", "content": "first ANSWER: one"},
        {"role": "assistant", "content": "ANSWER: no"},
        {"role": "user", "content": [{"type": "text", "text": "second"}, {"type": "image_url"}, {"type": "text"}]},
        {"role": "assistant", "content": None},
    ]
    reply = json.loads((await post({"messages": messages})).body)

    assert reply["choices"][0]["message"]["content"] == "second"
    assert reply["usage"]["prompt_tokens"] == 3 + 2 + 1
    assert (await respond("as text"))["output"][0]["content"][0]["text"] == "as text"


async def test_the_last_mark_counts_up_to_the_end_of_its_line() -> None:
    assert await text_of("ANSWER: one\nANSWER: two ANSWER:  three, four \nfive") == "three, four"
    assert await text_of("ANSWER:") == ""


@pytest.mark.parametrize("path", ["/chat/completions", "/responses"])
async def test_both_forms_are_read_like_those_of_a_model(path: str) -> None:
    usage = Tokens(10, 4, 3, 1)
    body = {"messages": [{"role": "user", "content": "x"}], "input": "x"}
    reply = await post(body, Rule(answer="ja", usage=usage), path=path)
    sample = read_reply(path, reply.body)

    assert sample.error is None
    assert sample.namespace is not None
    assert (sample.namespace["output_text"], sample.finish_reason, sample.model) == ("ja", "stop", "scripted")
    assert (sample.usage.prompt_tokens, sample.usage.cached_tokens, sample.usage.total_tokens) == (10, 4, 13)


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": ["x", {"role": 3}]}, {"messages": {"a": 1}}])
async def test_a_request_without_text_is_answered_with_none(body: dict[str, Any]) -> None:
    assert json.loads((await post(body)).body)["choices"][0]["message"]["content"] == ""


async def test_the_first_rule_that_fits_answers_and_may_quote() -> None:
    rules = (
        rule(r"capital of (\w+) or (\w+)", "{1}, {2}, {{0}} {x}"),
        rule("capital", answer="some city"),
        rule("(?i)LOUD"),
    )

    assert await text_of("the capital of France or Spain", *rules) == "France, Spain, {capital of France or Spain} {x}"
    assert await text_of("the capital of nothing", *rules) == "some city"
    assert await text_of("loud\nANSWER: quiet", *rules) == "quiet"
    assert await text_of("anything", *rules, Rule(answer="the rest: {0}")) == "the rest: anything"


async def test_a_rule_sets_usage_and_finish_reason_in_both_protocols() -> None:
    cut = rule("cut", "par", finish_reason="length", usage=Tokens(100, 60, 20, 15))
    filtered = rule("bad", "", finish_reason="content_filter")
    completion, response = await chat("cut", cut), await respond("cut", cut)

    assert completion["choices"][0]["finish_reason"] == "length"
    assert completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 60}
    assert completion["usage"]["completion_tokens_details"] == {"reasoning_tokens": 15}
    assert completion["usage"]["total_tokens"] == 120
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert response["usage"]["total_tokens"] == 120
    assert (await chat("bad", filtered))["choices"][0]["finish_reason"] == "content_filter"
    assert (await respond("bad", filtered))["incomplete_details"] == {"reason": "content_filter"}


async def test_a_rule_can_be_an_error() -> None:
    reply = await post({"messages": [{"role": "user", "content": "x"}]}, Rule(answer="slow down", status=429))
    error = {"message": "slow down", "type": "invalid_request_error", "param": None, "code": "rate_limit_exceeded"}

    assert (reply.status, json.loads(reply.body)) == (429, {"error": error})


async def test_a_rule_can_take_its_time_and_longer_than_is_waited() -> None:
    slow = Rule(answer="late", latency_ms=60)
    started = time.perf_counter()
    assert await text_of("x", slow) == "late"
    assert time.perf_counter() - started >= 0.05

    with pytest.raises(TransportError) as failure:
        await post({"input": "x"}, slow, path="/responses", timeout_s=0.02)
    assert failure.value.kind == "timeout"


@pytest.mark.parametrize("limit", ["max_completion_tokens", "max_tokens", "max_output_tokens"])
async def test_an_answer_over_the_limit_of_tokens_is_cut(limit: str) -> None:
    answer = await chat("one  two three", **{limit: 2})

    assert answer["choices"][0]["message"]["content"] == "one  two"
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 2
    assert (await chat("one two", **{limit: 2}))["choices"][0]["finish_reason"] == "stop"


async def test_a_pattern_that_would_never_end_is_stopped() -> None:
    started = time.perf_counter()
    reply = await post({"messages": [{"role": "user", "content": "a" * 200 + "b"}]}, rule("^(a|aa)+$", "never"))

    assert reply.status == 400
    assert b"takes too long" in reply.body
    assert time.perf_counter() - started < 5


def test_a_rule_that_cannot_be_is_refused() -> None:
    with pytest.raises(RuleError, match="not a regular expression"):
        When.of("[")
    with pytest.raises(RuleError, match=r"has \{1\}, but `when` has 0 groups"):
        Rule(answer="{1}").check()


async def test_what_is_neither_protocol_is_refused() -> None:
    transport = ScriptedTransport(Script())

    assert (await post({}, path="/embeddings")).status == 404
    assert (await transport.post("/chat/completions", {}, b"{", 1)).status == 400
    assert (await transport.get("/files", {}, 1)).status == 404
    assert json.loads((await transport.get("/models", {}, 1)).body) == {"object": "list", "data": []}


async def test_a_json_object_is_made_of_a_text_that_is_none() -> None:
    assert await text_of("ANSWER: Bern", response_format={"type": "json_object"}) == '{"answer":"Bern"}'
    assert await text_of('ANSWER: {"a": 1}', response_format={"type": "json_object"}) == '{"a": 1}'
    answer = await respond("x", text={"format": {"type": "json_object"}})
    assert answer["output"][0]["content"][0]["text"] == '{"answer":"x"}'


SCORE = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 7}},
    "required": ["score"],
    "additionalProperties": False,
}


async def test_structured_output_is_the_marked_text_where_it_fits_and_else_the_least_value() -> None:
    assert await text_of('ANSWER: {"score": 5}', response_format=json_schema(SCORE)) == '{"score": 5}'
    assert await text_of('ANSWER: {"score": 9}', response_format=json_schema(SCORE)) == '{"score":1}'
    assert await text_of("no JSON", response_format=json_schema(SCORE)) == '{"score":1}'
    assert await text_of("x", rule("x", "as told"), response_format=json_schema(SCORE)) == "as told"
    response = await respond("x", text={"format": {"type": "json_schema", "name": "made", "schema": SCORE}})
    assert response["output"][0]["content"][0]["text"] == '{"score":1}'


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "string", "minLength": 3},
        {"type": ["string", "null"]},
        {"enum": ["b", "a"]},
        {"const": {"x": [1]}},
        {"type": "boolean"},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "integer", "minimum": 5, "multipleOf": 4},
        {"type": "integer", "maximum": -3},
        {"type": "number", "exclusiveMinimum": 2},
        {"minItems": 2, "items": {"type": "integer"}},
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "minItems": 2, "items": False},
        {"anyOf": [{"type": "object", "required": ["a"]}, {"type": "string"}]},
        {"allOf": [{"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"required": ["b"]}]},
        {"required": ["a", "b"], "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"enum": [7]}}},
        {
            "type": "object",
            "required": ["steps", "result"],
            "properties": {
                "steps": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "properties": {"description": {"type": "string"}, "conclusion": {"type": "string"}},
                        "required": ["description", "conclusion"],
                        "additionalProperties": False,
                    },
                },
                "result": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["next"], "properties": {
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}}},
    ],
)  # fmt: skip
async def test_the_least_value_satisfies_its_schema(schema: dict[str, Any]) -> None:
    made = json.loads(await text_of("no JSON\x00", response_format=json_schema(schema)))

    assert ItemSchema(schema).is_valid(made)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "string", "pattern": "^[a-z]{4}$"}, "add a rule"),
        ({"type": "nothing"}, "not a valid JSON Schema"),
        ({"$ref": "https://example.org/schema"}, "outside itself"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"required": ["b", "c"], "properties": {
                "b": {"$ref": "#/$defs/a"}, "c": {"$ref": "#/$defs/a"}}}}},
            "no value of more than 10,000 parts",
        ),
    ],
)  # fmt: skip
async def test_a_schema_without_a_value_is_refused(schema: dict[str, Any], said: str) -> None:
    reply = await post({"messages": [], "response_format": json_schema(schema)})

    assert reply.status == 400
    assert said in json.loads(reply.body)["error"]["message"]


async def test_hundreds_of_schemas_are_answered_and_not_all_remembered() -> None:
    transport = ScriptedTransport(Script())
    for number in range(200):
        form = json_schema({"const": number})
        body = json.dumps({"model": "m", "messages": [], "response_format": form}).encode()
        reply = await transport.post("/chat/completions", {}, body, 1)
        assert json.loads(json.loads(reply.body)["choices"][0]["message"]["content"]) == number


@pytest.mark.parametrize(
    ("result", "said", "expected"),
    [
        ({"type": "number"}, "ANSWER: 0.7", 0.7),
        ({"enum": ["yes", "no"]}, "ANSWER: no", "no"),
        ({"enum": ["yes", "no"]}, 'ANSWER: "no"', "no"),
        ({"type": "number"}, "no number", 0),
    ],
)
async def test_a_text_that_fits_as_the_result_of_a_schema_stands_there(
    result: dict[str, Any], said: str, expected: float | str
) -> None:
    properties = {"steps": {"type": "array", "items": {"type": "string"}}, "result": result}
    schema = {"type": "object", "properties": properties, "required": ["steps", "result"]}

    assert json.loads(await text_of(said, response_format=json_schema(schema))) == {"steps": [], "result": expected}


async def test_a_rule_with_a_model_answers_for_that_model_alone() -> None:
    rules = (rule("x", "one", model="strict-*"), rule("x", "other"))

    assert await text_of("x", *rules, model="strict-judge") == "one"
    assert await text_of("x", *rules) == "other"


async def test_a_rule_refuses_in_both_protocols() -> None:
    refusing = rule("x", "I will not judge {0}.", refuses=True)
    bodies: dict[str, dict[str, Any]] = {
        "/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
        "/responses": {"input": "x"},
    }
    for path, body in bodies.items():
        sample = read_reply(path, (await post(body, refusing, path=path)).body)
        assert sample.output == [{"role": "assistant", "content": "", "refusal": "I will not judge x."}]
