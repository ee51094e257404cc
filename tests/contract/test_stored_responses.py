"""Stored responses: made through the server, then read, continued, listed by item and deleted."""

from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, refusal_of

INPUT: Any = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "input_text", "text": "What is it? ANSWER: a dot"}]},
    {"role": "assistant", "content": "A dot."},
    {"role": "user", "content": "Sure? ANSWER: yes"},
]


def ask(client: openai.OpenAI, **changes: Any) -> Any:
    asked: dict[str, Any] = {"model": "scripted", "input": "ANSWER: Paris", **changes}
    return client.responses.create(**asked)


@pytest.fixture(scope="module")
def stored(client: openai.OpenAI) -> str:
    """The id of a stored response with four input items."""
    return ask(client, input=INPUT).id


def test_a_response_is_stored_unless_it_says_otherwise(client: openai.OpenAI) -> None:
    kept = ask(client, metadata={"k": "v"}, temperature=0.25, instructions="Be brief.")
    found = client.responses.retrieve(kept.id)

    assert (found.id, found.output_text, found.model) == (kept.id, "Paris", kept.model)
    assert (found.metadata, found.temperature, found.instructions) == ({"k": "v"}, 0.25, "Be brief.")
    assert client.responses.retrieve(ask(client, store=True).id).output_text == "Paris"
    dropped = ask(client, store=False)
    client.chat.completions.list(limit=1)  # waits for what was called before it
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(dropped.id)


def test_a_stream_is_stored_as_one_response(client: openai.OpenAI) -> None:
    with client.responses.create(model="scripted", input="ANSWER: one two three", stream=True) as stream:
        events = list(stream)
    last: Any = events[-1]
    found = client.responses.retrieve(last.response.id)

    assert last.type == "response.completed"
    assert (found.output_text, found.status) == ("one two three", "completed")


def test_a_response_is_continued_the_moment_it_was_answered(client: openai.OpenAI) -> None:
    first = ask(client, input="Remember this. ANSWER: noted")
    second = ask(client, input="What did I say? ANSWER: this", previous_response_id=first.id)
    items: list[Any] = list(client.responses.input_items.list(second.id, order="asc"))

    assert client.responses.retrieve(second.id).previous_response_id == first.id
    assert [each.role for each in items] == ["user", "assistant", "user"]
    assert items[1].content[0].text == "noted"


def test_an_unknown_previous_response_is_refused(http: httpx2.Client) -> None:
    body = {"model": "scripted", "input": "x", "previous_response_id": "resp_unknown"}
    error = refusal_of(http.post("/v1/responses", json=body))

    assert error["param"] == "previous_response_id"
    assert "resp_unknown" in error["message"]


@pytest.mark.parametrize("query", ["", "?include=reasoning.encrypted_content&include=code_interpreter_call.outputs"])
def test_a_stored_response_is_answered_whole(http: httpx2.Client, stored: str, query: str) -> None:
    answer = http.get(f"/v1/responses/{stored}{query}")
    assert (answer.status_code, answer.json()["object"]) == (200, "response")


def test_a_stored_response_cannot_be_streamed_again(http: httpx2.Client, stored: str) -> None:
    error = refusal_of(http.get(f"/v1/responses/{stored}", params={"stream": "true"}))

    assert error["param"] == "stream"
    assert "stream" in error["message"]
    assert http.get(f"/v1/responses/{stored}", params={"stream": "false"}).status_code == 200


def test_a_response_that_is_not_in_the_background_cannot_be_canceled(client: openai.OpenAI, stored: str) -> None:
    with pytest.raises(openai.BadRequestError, match="Cannot cancel a synchronous response"):
        client.responses.cancel(stored)
    assert client.responses.retrieve(stored).status == "completed"


def test_a_response_can_be_deleted(client: openai.OpenAI, http: httpx2.Client) -> None:
    first, second = ask(client), ask(client)
    client.responses.delete(first.id)
    answer = http.delete(f"/v1/responses/{second.id}")

    assert answer.json() == {"id": second.id, "object": "response", "deleted": True}
    for gone in (first.id, second.id):
        for method, tail in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
            error = refusal_of(http.request(method, f"/v1/responses/{gone}{tail}"), 404)
            assert (error["param"], error["code"]) == ("response_id", "not_found")
        body = {"model": "scripted", "input": "x", "previous_response_id": gone}
        assert refusal_of(http.post("/v1/responses", json=body))["param"] == "previous_response_id"


@pytest.mark.parametrize("call_id", ["resp_unknown", "chatcmpl-unknown", "x", "%00", "x" * 3000])
def test_an_unknown_response_is_404(http: httpx2.Client, call_id: str) -> None:
    assert refusal_of(http.get(f"/v1/responses/{call_id}"), 404)["param"] == "response_id"


def test_input_items_are_listed_from_the_last_one_on(client: openai.OpenAI, stored: str) -> None:
    found: list[Any] = list(client.responses.input_items.list(stored))

    assert [each.role for each in found] == ["user", "assistant", "user", "developer"]
    assert found[0].content[0].text == "Sure? ANSWER: yes"
    assert {each.type for each in found} == {"message"}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 4])
def test_pages_of_input_items_joined_are_all_of_them(
    client: openai.OpenAI, stored: str, order: Any, limit: int
) -> None:
    whole = [each.id for each in client.responses.input_items.list(stored, order="asc")]
    found = [each.id for each in client.responses.input_items.list(stored, order=order, limit=limit)]

    assert len(set(whole)) == 4
    assert found == (whole if order == "asc" else whole[::-1])


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("form", "param"),
    [("limit=0", "limit"), ("order=up", "order"), ("after=msg_nonsense", "after"), ("include=x", "include")],
)
def test_a_query_that_cannot_be_is_refused(http: httpx2.Client, stored: str, form: str, param: str) -> None:
    error = refusal_of(http.get(f"/v1/responses/{stored}/input_items?{form}"))
    assert error["param"] == param
