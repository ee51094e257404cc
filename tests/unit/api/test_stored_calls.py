"""The routes of stored calls over a store and a queue: what is stored, and what is still on its way."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from evalhaven.api.services import Services
from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.access.tables import audit
from tests.unit.api.conftest import calling
from tests.unit.logs.exchanged import completion, exchange
from tests.unit.logs.made_calls import chat_call, response_call
from tests.unit.storage.stored import OTHER_PROJECT

COMPLETIONS = "/v1/chat/completions"


def pending_response(call_id: str) -> Any:
    reply = {"id": call_id, "object": "response", "created_at": 5, "model": "answered", "output": []}
    return exchange(reply, {"model": "asked", "input": "Hello"}, kind=CallKind.RESPONSE)


async def test_a_call_is_found_before_it_is_stored_and_says_so(services: Services, client: httpx2.AsyncClient) -> None:
    services.log_sender.offer(exchange(completion("Yes.", "chatcmpl-1")))
    services.log_sender.offer(pending_response("resp_1"))
    completion_found = (await client.get(f"{COMPLETIONS}/chatcmpl-1")).json()
    response_found = (await client.get("/v1/responses/resp_1")).json()

    assert completion_found["choices"][0]["message"]["content"] == "Yes."
    assert (completion_found["evalhaven"]["pending"], response_found["evalhaven"]["pending"]) == (True, True)
    assert (await client.get(f"{COMPLETIONS}/chatcmpl-1/messages")).status_code == 200
    [item] = (await client.get("/v1/responses/resp_1/input_items")).json()["data"]
    assert item["content"] == [{"type": "input_text", "text": "Hello"}]


async def test_a_call_that_cannot_be_stored_in_time_cannot_be_changed_either(
    services: Services, client: httpx2.AsyncClient
) -> None:
    services.log_sender.offer(exchange(completion("Yes.", "chatcmpl-1")))
    for answer in (
        await client.post(f"{COMPLETIONS}/chatcmpl-1", json={"metadata": {}}),
        await client.delete(f"{COMPLETIONS}/chatcmpl-1"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_stored_yet")
        assert answer.headers["x-should-retry"] == "true"


async def test_calls_of_another_project_are_not_there(services: Services, client: httpx2.AsyncClient) -> None:
    await services.log_store.add([chat_call(1, scope=OTHER_PROJECT), response_call(2, scope=OTHER_PROJECT)])
    async with calling(services, OTHER_PROJECT) as other:
        assert (await other.get(f"{COMPLETIONS}/chatcmpl-1")).status_code == 200
        for method, path in (
            ("GET", f"{COMPLETIONS}/chatcmpl-1"),
            ("DELETE", f"{COMPLETIONS}/chatcmpl-1"),
            ("GET", f"{COMPLETIONS}/chatcmpl-1/messages"),
            ("GET", "/v1/responses/resp_2"),
            ("DELETE", "/v1/responses/resp_2"),
        ):
            assert (await client.request(method, path)).status_code == 404
        assert (await client.get(COMPLETIONS)).json()["data"] == []
        assert (await other.delete("/v1/responses/resp_2")).status_code == 200


async def test_an_id_is_looked_for_among_calls_of_its_own_api(services: Services, client: httpx2.AsyncClient) -> None:
    await services.log_store.add([chat_call(1), response_call(2)])

    assert (await client.get("/v1/responses/chatcmpl-1")).status_code == 404
    assert (await client.get(f"{COMPLETIONS}/resp_2")).status_code == 404
    assert [each["id"] for each in (await client.get(COMPLETIONS)).json()["data"]] == ["chatcmpl-1"]


async def test_imported_metadata_of_any_type_is_shown(services: Services, client: httpx2.AsyncClient) -> None:
    await services.log_store.add([chat_call(1, metadata={"n": 1, "list": [None, {"a": 1.5}]})])

    assert (await client.get(f"{COMPLETIONS}/chatcmpl-1")).json()["metadata"] == {"n": 1, "list": [None, {"a": 1.5}]}
    assert (await client.get(f"{COMPLETIONS}?metadata[n]=1")).json()["data"] == [], "texts are texts"


async def test_a_background_response_that_has_ended_is_answered_as_it_is(
    services: Services, client: httpx2.AsyncClient
) -> None:
    await services.log_store.add([response_call(1, request={"background": True}), response_call(2)])
    ended = await client.post("/v1/responses/resp_1/cancel")
    refused = await client.post("/v1/responses/resp_2/cancel")

    assert (ended.status_code, ended.json()["status"]) == (200, "completed")
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_deleting_while_paging_reaches_every_call(
    services: Services, client: httpx2.AsyncClient, limit: int
) -> None:
    await services.log_store.add([chat_call(number) for number in range(1, 6)])
    query: dict[str, Any] = {"limit": limit}
    deleted: list[str] = []
    has_more = True
    while has_more:
        page = (await client.get(COMPLETIONS, params=query)).json()
        for each in page["data"]:
            assert (await client.delete(f"{COMPLETIONS}/{each['id']}")).status_code == 200
            deleted.append(each["id"])
        has_more, query["after"] = page["has_more"], page["last_id"]

    assert deleted == [f"chatcmpl-{number}" for number in (5, 4, 3, 2, 1)]
    call = chat_call(1)
    assert await services.log_store.find(DEFAULT_PROJECT, call.kind, call.id) is None
    async with services.database.read() as tx:
        audited = await tx.execute(select(audit.c.action, audit.c.target_id).order_by(audit.c.key))
        assert [tuple(each) for each in audited] == [("call.deleted", call_id) for call_id in deleted]
