"""Stored chat completions: made through the server, then listed, read, changed and deleted."""

from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, refusal_of

Stored = list[str]
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def ask(client: openai.OpenAI, text: str, **changes: Any) -> str:
    """Have a chat completion stored and return its id."""
    asked: dict[str, Any] = {"messages": [{"role": "user", "content": f"Say it. ANSWER: {text}"}], **changes}
    made = client.chat.completions.create(model="scripted", store=True, **asked)
    # Another server finds it only once it is stored, so that calls are stored in the order in which they were made.
    client.chat.completions.retrieve(made.id)
    return made.id


@pytest.fixture(scope="module")
def suite() -> str:
    """A value of metadata that nothing else has."""
    return uuid4().hex


@pytest.fixture(scope="module")
def stored(client: openai.OpenAI, suite: str) -> Stored:
    """Seven stored completions, oldest first; their ids."""
    return [
        ask(client, str(number), metadata={"suite": suite, "parity": "odd" if number % 2 else "even"})
        for number in range(7)
    ]


def ids_of(answer: httpx2.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    page = answer.json()
    ids = [each["id"] for each in page["data"]]
    assert page["object"] == "list"
    assert (page["first_id"], page["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids


def query(suite: str, **more: Any) -> dict[str, Any]:
    return {"metadata[suite]": suite, **more}


def test_the_list_is_newest_first_unless_asked_otherwise(http: httpx2.Client, stored: Stored, suite: str) -> None:
    assert ids_of(http.get("/v1/chat/completions", params=query(suite))) == stored[::-1]
    assert ids_of(http.get("/v1/chat/completions", params=query(suite, order="desc"))) == stored[::-1]
    assert ids_of(http.get("/v1/chat/completions", params=query(suite, order="asc"))) == stored


def test_data_0_of_the_whole_list_is_what_was_just_stored(client: openai.OpenAI) -> None:
    made = ask(client, "newest")
    assert client.chat.completions.list().data[0].id == made


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_joined_are_the_whole_list(
    client: openai.OpenAI, stored: Stored, suite: str, order: Any, limit: int
) -> None:
    found = [each.id for each in client.chat.completions.list(metadata={"suite": suite}, order=order, limit=limit)]
    assert found == (stored if order == "asc" else stored[::-1])


def test_the_list_can_be_filtered(client: openai.OpenAI, stored: Stored, suite: str) -> None:
    both = client.chat.completions.list(metadata={"suite": suite, "parity": "odd"}, order="asc")
    assert [each.id for each in both] == stored[1::2]
    assert [each.id for each in client.chat.completions.list(metadata={"suite": suite}, model="scripted")] == stored[
        ::-1
    ]
    assert list(client.chat.completions.list(metadata={"suite": suite}, model="other")) == []
    assert list(client.chat.completions.list(metadata={"suite": suite, "parity": "none"})) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize("form", ["metadata=k", 'metadata={"k":"v"}', "metadata="])
def test_metadata_in_another_form_is_refused(http: httpx2.Client, form: str) -> None:
    assert refusal_of(http.get(f"/v1/chat/completions?{form}"))["param"] == "metadata"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("form", "param"),
    [("limit=0", "limit"), ("limit=ten", "limit"), ("order=up", "order"), ("after=chatcmpl-nonsense", "after")],
)
def test_a_query_that_cannot_be_is_refused(http: httpx2.Client, stored: Stored, form: str, param: str) -> None:
    assert refusal_of(http.get(f"/v1/chat/completions?{form}"))["param"] == param
    assert refusal_of(http.get(f"/v1/chat/completions/{stored[0]}/messages?{form}"))["param"] == param


def test_a_stored_completion_has_its_reply_and_the_parameters_of_its_request(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    made = client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": "ANSWER: Paris"}],
        store=True,
        metadata={"k": "v"},
        temperature=0.25,
        tools=[tool],
    )
    found: Any = client.chat.completions.retrieve(made.id)

    assert found.choices[0].message.content == "Paris"
    assert (found.id, found.created, found.model, found.usage) == (made.id, made.created, made.model, made.usage)
    assert (found.metadata, found.temperature, found.tools) == ({"k": "v"}, 0.25, [tool])
    assert found.evalhaven["asked_model"] == "scripted"


def test_a_stream_is_stored_as_one_completion(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="scripted",
        messages=[{"role": "user", "content": "ANSWER: one two three"}],
        store=True,
        stream=True,
        metadata={"k": "streamed"},
    ) as stream:
        chunks = list(stream)
    found = client.chat.completions.retrieve(chunks[0].id)

    assert len(chunks) > 1
    assert found.choices[0].message.content == "one two three"
    assert (found.object, found.metadata) == ("chat.completion", {"k": "streamed"})


def test_the_same_call_made_twice_is_stored_twice(client: openai.OpenAI) -> None:
    suite = uuid4().hex
    made = [ask(client, "same", metadata={"suite": suite}) for _ in range(3)]

    assert len(set(made)) == 3
    assert [each.id for each in client.chat.completions.list(metadata={"suite": suite}, limit=1)] == made[::-1]


def test_what_is_not_to_be_stored_is_not(client: openai.OpenAI) -> None:
    messages: Any = [{"role": "user", "content": "ANSWER: secret"}]
    changes: dict[str, Any]
    for changes in ({}, {"store": False}, {"store": None}):
        made = client.chat.completions.create(model="scripted", messages=messages, **changes)
        client.chat.completions.list(limit=1)  # waits for what was called before it
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.retrieve(made.id)


def test_metadata_is_replaced(client: openai.OpenAI, http: httpx2.Client) -> None:
    suite = uuid4().hex
    made = ask(client, "x", metadata={"suite": suite, "old": "1"})

    assert client.chat.completions.update(made, metadata={"suite": suite, "new": "2"}).metadata == {
        "suite": suite,
        "new": "2",
    }
    assert client.chat.completions.retrieve(made).metadata == {"suite": suite, "new": "2"}
    assert [each.id for each in client.chat.completions.list(metadata={"suite": suite, "new": "2"})] == [made]
    assert list(client.chat.completions.list(metadata={"suite": suite, "old": "1"})) == []
    cleared = http.post(f"/v1/chat/completions/{made}", json={"metadata": None})
    assert (cleared.status_code, cleared.json()["metadata"]) == (200, {})
    assert list(client.chat.completions.list(metadata={"suite": suite})) == []


@ON_ONE_DATABASE
@pytest.mark.parametrize("body", [{}, {"metadata": {"k": 1}}, {"metadata": "x"}, {"metadata": {"k" * 65: "v"}}, []])
def test_metadata_that_cannot_be_is_refused_and_changes_nothing(
    client: openai.OpenAI, http: httpx2.Client, stored: Stored, body: Any
) -> None:
    before = client.chat.completions.retrieve(stored[0]).metadata
    refusal_of(http.post(f"/v1/chat/completions/{stored[0]}", json=body))
    assert client.chat.completions.retrieve(stored[0]).metadata == before


def test_a_deleted_completion_is_gone(client: openai.OpenAI) -> None:
    suite = uuid4().hex
    made = ask(client, "x", metadata={"suite": suite})
    deleted = client.chat.completions.delete(made)

    assert (deleted.id, deleted.object, deleted.deleted) == (made, "chat.completion.deleted", True)
    assert list(client.chat.completions.list(metadata={"suite": suite})) == []
    for again in (
        lambda: client.chat.completions.retrieve(made),
        lambda: client.chat.completions.delete(made),
        lambda: client.chat.completions.update(made, metadata={}),
        lambda: client.chat.completions.messages.list(made),
    ):
        with pytest.raises(openai.NotFoundError):
            again()


@pytest.mark.parametrize("call_id", ["chatcmpl-unknown", "resp_unknown", "x", "%00", "ü", "x" * 3000])
def test_an_unknown_completion_is_404(http: httpx2.Client, call_id: str) -> None:
    for method, tail in (("GET", ""), ("POST", ""), ("DELETE", ""), ("GET", "/messages")):
        body = {"metadata": {}} if method == "POST" else None
        error = refusal_of(http.request(method, f"/v1/chat/completions/{call_id}{tail}", json=body), 404)
        assert (error["param"], error["code"]) == ("completion_id", "not_found")


@pytest.fixture(scope="module")
def conversation(client: openai.OpenAI) -> str:
    """A completion with messages of several kinds; its id."""
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is this? ANSWER: a dot"}, IMAGE]},
        {"role": "assistant", "content": "A dot."},
        {"role": "user", "content": "Sure? ANSWER: yes"},
    ]
    return ask(client, "", messages=messages)


def test_messages_are_listed_as_they_were_sent(client: openai.OpenAI, conversation: str) -> None:
    found: list[Any] = list(client.chat.completions.messages.list(conversation))

    assert [each.role for each in found] == ["developer", "user", "assistant", "user"]
    assert [each.content for each in found][2:] == ["A dot.", "Sure? ANSWER: yes"]
    assert found[1].content_parts[1].image_url.url == IMAGE["image_url"]["url"]  # type: ignore[index]
    assert len({each.id for each in found}) == 4


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 4])
def test_pages_of_messages_joined_are_all_of_them(
    client: openai.OpenAI, conversation: str, order: Any, limit: int
) -> None:
    whole = [each.id for each in client.chat.completions.messages.list(conversation)]
    found = [each.id for each in client.chat.completions.messages.list(conversation, order=order, limit=limit)]
    assert found == (whole if order == "asc" else whole[::-1])
