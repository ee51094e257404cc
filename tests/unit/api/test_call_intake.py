"""Facts about calls that come from elsewhere: stored once, refused one by one, and without what must not be stored."""

import errno
import gzip
import json
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from evalhaven.api.services import Services
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.logs.ingest.intake import CallIntake
from evalhaven.logs.reading.redaction import Redaction
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.conftest import calling
from tests.unit.logs.keeping import KeepingStore
from tests.unit.logs.test_spans import BASICS, INPUT, OUTPUT, STARTED_NS, body_of, protobuf_of
from tests.unit.storage.stored import OTHER_PROJECT, add_project

# These calls stand in day files, whichever the database is.
pytestmark = ON_SQLITE_ONLY

NOW = 1_746_133_283  # of the still clock
DAY_S = 86_400
PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
CONTENT = {"gen_ai.input.messages": json.dumps(INPUT), "gen_ai.output.messages": json.dumps(OUTPUT)}


def chat(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return a line with a chat completion."""
    message = {"role": "assistant", "content": f"Answer {number}"}
    reply = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": NOW - number,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    request = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}], "metadata": {"of": "request"}}
    return {"request": request, "reply": reply, **more}


def response(number: int = 1, **more: Any) -> dict[str, Any]:
    """Return a line with a response."""
    reply = {"id": f"resp_{number}", "object": "response", "created_at": NOW - number, "model": "m", "output": []}
    return {"request": {"model": "m", "input": "Hi"}, "reply": reply, **more}


async def send(client: httpx2.AsyncClient, *lines: Any, **query: str) -> dict[str, Any]:
    """Send lines and return what came of them."""
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    answer = await client.post("/api/logs", params=query, content=b"\n".join(texts))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def stored(services: Services, wanted: CallFilter | None = None) -> list[LoggedCall]:
    """Return the stored calls, the oldest first."""
    page = await services.log_store.page(SCOPE, wanted or CallFilter(), limit=100, order="asc")
    return list(page.calls)


async def test_both_kinds_are_stored_and_found(services: Services, client: httpx2.AsyncClient) -> None:
    outcome = await send(client, chat(5, latency_ms=70), b"", response(4), b"  ")

    needed = {"days_needed": None, "project_days_needed": None}
    assert outcome == {"stored": 2, "known": 0, "refused": 0, "refusals": [], "too_old": 0, **needed}
    first, second = await stored(services)
    assert (first.id, first.kind, first.created_at, first.latency_ms) == ("chatcmpl-5", CallKind.CHAT, NOW - 5, 70)
    assert (first.asked_model, first.model) == ("gpt-4.1", "gpt-4.1-2025-04-14")
    assert json.loads(first.request) == chat(5)["request"]
    assert json.loads(first.reply) == chat(5)["reply"]
    assert (second.id, second.kind, second.created_at) == ("resp_4", CallKind.RESPONSE, NOW - 4)
    assert [each.id for each in await stored(services, CallFilter(metadata={"of": "request"}))] == ["chatcmpl-5"]


async def test_a_line_says_more_than_its_reply(services: Services, client: httpx2.AsyncClient) -> None:
    await send(client, chat(1, metadata={"n": 1, "deep": {"x": [True]}}, created_at=NOW - 100))

    [call] = await stored(services, CallFilter(metadata={"deep": {"x": [True]}}))
    assert (call.metadata, call.created_at) == ({"n": 1, "deep": {"x": [True]}}, NOW - 100)


async def test_lines_that_are_sent_again_are_known(services: Services, client: httpx2.AsyncClient) -> None:
    nameless = {**chat(3), "reply": {**chat(3)["reply"], "id": None}}
    lines = [chat(1), chat(2), nameless, response(1)]
    assert (await send(client, *lines, check="true"))["stored"] == 4
    assert await stored(services) == []
    assert (await send(client, *lines[:2]))["stored"] == 2
    outcome = await send(client, *lines, check="true")
    assert (outcome["stored"], outcome["known"]) == (2, 2)
    for new in (2, 0):
        outcome = await send(client, *lines)
        assert (outcome["stored"], outcome["known"], outcome["refused"]) == (new, 4 - new, 0)

    assert len(await stored(services)) == 4


async def test_what_was_stored_by_the_gateway_is_another_call_than_what_is_imported(
    services: Services, client: httpx2.AsyncClient
) -> None:
    # To look for each id in all days would cost more than to store it, and an endpoint may give an id twice.
    await send(client, chat(1))
    [imported] = await stored(services)
    await services.log_store.add([replace(imported, origin="sender-1")])

    assert (await send(client, chat(1)))["known"] == 1
    assert [each.id for each in await stored(services)] == ["chatcmpl-1", "chatcmpl-1"]


async def test_a_call_that_does_not_say_when_was_made_now(services: Services, client: httpx2.AsyncClient) -> None:
    await send(client, {**chat(), "reply": {**chat()["reply"], "created": 0}})

    assert [each.created_at for each in await stored(services)] == [NOW]


REFUSED: dict[str, tuple[Any, str]] = {
    "no JSON": (b"{", "it is not JSON"),
    "bytes": (b"\xff\xfe", "it is not JSON"),
    "no object": ([], "it is not a JSON object; each call has a line of its own"),
    "no reply": ({"request": {}}, "'reply' is missing; a line has a call's 'request' and its 'reply'"),
    "no request": ({"reply": {}}, "'request' is missing; a line has a call's 'request' and its 'reply'"),
    "a text as reply": (chat(reply="x"), "'reply' is not an object"),
    "an unknown object": (chat(reply={"object": "list"}), "the 'object' of its reply is not"),
    "neither": ({"request": {}, "reply": {}}, "the 'object' of its reply is not"),
    "no choices": (chat(reply={"object": "chat.completion"}), "it has no 'choices'"),
    "no output": (response(reply={"object": "response"}), "it has no 'output'"),
    "a text as metadata": (chat(metadata="x"), "'metadata' is not an object"),
    "a text as time": (chat(created_at="now"), "'created_at' is not a number"),
    "a negative time": (chat(created_at=-1), "'created_at' is not a number"),
    "a huge time": (chat(created_at=10**300), "'created_at' is not a number"),
    "a text as latency": (chat(latency_ms="x"), "'latency_ms' is not a number"),
    "too old": (
        chat(created_at=NOW - 31 * DAY_S),
        "raise EVALHAVEN_LOG_DAYS to 31 or more, restart the server, and send it again",
    ),
    "in the future": (chat(created_at=NOW + 2 * DAY_S), "it was made in the future"),
    "milliseconds": (chat(created_at=NOW * 1000), "it was made in the future"),
    "too long": (b'"' + b"x" * (33 << 20) + b'"', "larger than 32 MB"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_line_that_cannot_be_stored_is_refused_alone(services: Services, name: str) -> None:
    services_of_long_lines = replace(services, config=replace(services.config, max_file_bytes=100 << 20))
    line, reason = REFUSED[name]
    async with calling(services_of_long_lines) as client:
        outcome = await send(client, chat(1), line, chat(2))

    assert (outcome["stored"], outcome["known"], outcome["refused"]) == (2, 0, 1)
    [refusal] = outcome["refusals"]
    assert refusal["line"] == 2
    assert reason in refusal["reason"]
    assert [each.id for each in await stored(services)] == ["chatcmpl-2", "chatcmpl-1"]


async def test_calls_that_are_only_too_old_are_counted_with_the_days_that_would_keep_them(
    services: Services, client: httpx2.AsyncClient
) -> None:
    ages = (30, 31, 400, 75)
    old = [chat(number, created_at=NOW - days * DAY_S) for number, days in enumerate(ages)]
    outcome = await send(client, *old, b"{")

    assert (outcome["stored"], outcome["refused"], outcome["too_old"], outcome["days_needed"]) == (1, 4, 3, 400)
    assert [each["too_old"] for each in outcome["refusals"]] == [True, True, True, False]
    kept = CallIntake(services.log_store, Redaction(), services.clock, 400)
    async with calling(replace(services, log_intake=kept)) as later:
        outcome = await send(later, *old)
    assert (outcome["stored"], outcome["known"], outcome["too_old"], outcome["days_needed"]) == (3, 1, 0, None)


async def test_only_some_refusals_are_reported(client: httpx2.AsyncClient) -> None:
    outcome = await send(client, *[b"{"] * 1_200, chat())

    assert (outcome["stored"], outcome["refused"], len(outcome["refusals"])) == (1, 1_200, 100)
    assert [each["line"] for each in outcome["refusals"]] == list(range(1, 101))


async def test_what_must_not_be_stored_is_not(services: Services) -> None:
    redaction = Redaction.of([r"\d{4}-\d{4}"])
    intake = CallIntake(services.log_store, redaction, services.clock, 30)
    line = chat(1, metadata={"card": "1234-5678"})
    line["request"]["messages"][0]["content"] = "1234-5678"
    line["request"]["tools"] = [{"type": "mcp", "server_label": "s", "authorization": "sesame"}]
    line["reply"]["choices"][0]["message"]["content"] = "1234-5678 sesame"
    async with calling(replace(services, log_intake=intake)) as client:
        await send(client, line)
        attributes = {**BASICS, **CONTENT, "session.id": "9876-5432"}
        await client.post("/v1/traces", json=body_of(attributes, startTimeUnixNano=str(NOW * 10**9)))

    calls = await stored(services)
    assert len(calls) == 2
    for call in calls:
        for text in (call.request, call.reply, json.dumps(call.metadata)):
            assert not any(secret in text for secret in ("1234-5678", "9876-5432", "sesame"))


async def test_calls_belong_to_the_project_that_sends_them(services: Services, client: httpx2.AsyncClient) -> None:
    await add_project(services.database)
    await send(client, chat(1))
    async with calling(services, OTHER_PROJECT) as other:
        assert (await send(other, chat(1), chat(2)))["stored"] == 2

    assert [each.id for each in await stored(services)] == ["chatcmpl-1"]


async def test_lines_over_the_limit_of_files_are_refused(services: Services, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/logs", content=b" " * (services.config.max_file_bytes + 1))

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("is_packed", [True, False])
@pytest.mark.parametrize("encoding", ["json", "protobuf"])
async def test_spans_are_stored_once(
    services: Services, client: httpx2.AsyncClient, encoding: str, *, is_packed: bool
) -> None:
    services.clock.time = STARTED_NS / 1e9 + 60  # pyright: ignore[reportAttributeAccessIssue] - a still clock
    attributes = {**BASICS, **CONTENT}
    content = json.dumps(body_of(attributes)).encode() if encoding == "json" else protobuf_of(attributes)
    headers = {**(JSON if encoding == "json" else PROTOBUF), **({"content-encoding": "gzip"} if is_packed else {})}
    for _ in range(2):
        answer = await client.post(
            "/v1/traces", content=gzip.compress(content) if is_packed else content, headers=headers
        )
        assert answer.status_code == 200
        assert answer.headers["content-type"] == headers["content-type"]
        assert answer.content == (b"{}" if encoding == "json" else b"")

    [call] = await stored(services)
    assert (call.id, call.latency_ms) == ("chatcmpl-1", 1500)


async def test_calls_without_content_are_a_partial_success(services: Services, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/traces", content=protobuf_of(BASICS), headers=PROTOBUF)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success

    assert answer.status_code == 200
    assert partial.rejected_spans == 1
    assert partial.error_message.startswith("1 of 1 calls: it does not hold what was asked and answered")
    assert await stored(services) == []


async def test_spans_of_other_things_are_taken_and_left(services: Services, client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/traces", json=body_of({"http.request.method": "GET"}))

    assert (answer.status_code, answer.json()) == (200, {})
    assert await stored(services) == []


LARGE_INSIDE = b"200 MiB"  # packed when they are sent: that takes half a second
BAD_EXPORTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no JSON": (b"{", JSON, 400, "invalid_spans"),
    "no protobuf": (b"\x0a\xff\xff", PROTOBUF, 400, "invalid_spans"),
    "another type": (b"{}", {"content-type": "text/plain"}, 415, "unsupported_encoding"),
    "no type": (b"{}", {}, 415, "unsupported_encoding"),
    "another encoding": (b"{}", {**JSON, "content-encoding": "br"}, 415, "unsupported_encoding"),
    "two encodings": (b"{}", {**JSON, "content-encoding": "gzip, gzip"}, 415, "unsupported_encoding"),
    "no gzip": (b"{}", {**JSON, "content-encoding": "gzip"}, 400, "invalid_gzip"),
    "half a gzip": (gzip.compress(b"{}")[:-5], {**JSON, "content-encoding": "gzip"}, 400, "invalid_gzip"),
    "too large": (b" " * (2 << 20), JSON, 413, "request_too_large"),
    "too large inside": (LARGE_INSIDE, {**JSON, "content-encoding": "gzip"}, 413, "request_too_large"),
}


@pytest.mark.parametrize("name", BAD_EXPORTS)
async def test_an_export_that_cannot_be_read_is_refused(
    services: Services, client: httpx2.AsyncClient, name: str
) -> None:
    content, headers, status, code = BAD_EXPORTS[name]
    if content is LARGE_INSIDE:
        content = gzip.compress(b" " * (200 << 20), compresslevel=1)
    answer = await client.post("/v1/traces", content=content, headers=headers)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert await stored(services) == []


@pytest.mark.parametrize("path", ["/api/logs", "/v1/traces"])
async def test_a_store_that_cannot_be_used_now_is_reported_and_tried_again(services: Services, path: str) -> None:
    store = KeepingStore()
    store.errors.append(OSError(errno.ENOSPC, "No space left on device"))
    intake = CallIntake(store, Redaction(), services.clock, 30)
    export = body_of({**BASICS, **CONTENT}, startTimeUnixNano=str(NOW * 10**9))
    content = json.dumps(chat() if path == "/api/logs" else export)
    async with calling(replace(services, log_intake=intake)) as client:
        refused = await client.post(path, content=content, headers=JSON)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_unavailable")
        assert refused.headers["retry-after"]
        assert store.calls == []
        assert (await client.post(path, content=content, headers=JSON)).status_code == 200

    assert len(store.calls) == 1
