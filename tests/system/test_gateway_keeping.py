"""Responses that continue earlier ones through the gateway, also after a restart and a kill, on both databases."""

import openai
import pytest

from tests.server import Server


@pytest.fixture
def has_gateway() -> bool:
    return True


def _client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0)


def test_a_conversation_goes_on_at_once_and_after_a_restart(server: Server) -> None:
    client = _client(server)
    first = client.responses.create(model="any", input="ANSWER: one")
    second = client.responses.create(model="any", input="ANSWER: two", previous_response_id=first.id)
    with client.responses.stream(model="any", input="ANSWER: three", previous_response_id=second.id) as stream:
        third = stream.get_final_response()
    assert third.output_text == "three"
    assert third.usage is not None
    assert third.usage.input_tokens == 8, "every word that was said: ANSWER: one one ANSWER: two two ANSWER: three"
    server.restart()
    fourth = _client(server).responses.create(model="any", input="ANSWER: four", previous_response_id=third.id)
    assert fourth.usage is not None
    assert fourth.usage.input_tokens == third.usage.input_tokens + 3


def test_what_was_not_to_be_kept_cannot_be_continued(server: Server) -> None:
    client = _client(server)
    unkept = client.responses.create(model="any", input="ANSWER: one", store=False)
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="any", input="ANSWER: two", previous_response_id=unkept.id)
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")
