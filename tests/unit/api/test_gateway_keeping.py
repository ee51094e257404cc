"""Which calls through the gateway are kept, and what of them; and responses that continue kept ones."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from evalhaven.access.callers import ANYONE
from evalhaven.api.connections import CUT
from evalhaven.api.gateway.calls import Gateway, GatewayConfig
from evalhaven.api.gateway.requests import LogCalls
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.exchanges import Exchange
from evalhaven.logs.finder import CallFinder
from evalhaven.logs.handover.ledger import Ledger
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.reading.calls import read_reply
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.runs.telling import Teller
from evalhaven.sampling.catalog import Catalog, Endpoint
from evalhaven.sampling.scripted.endpoint import Script
from tests.streaming_upstream import Answer, StreamingUpstream, open_streaming_upstream
from tests.unit.domain.still_clock import StillClock

CHAT, RESPONSE = CallKind.CHAT, CallKind.RESPONSE
SAID: list[dict[str, Any]] = [{"role": "user", "content": "ANSWER: yes"}]


@dataclass
class Asked:
    """A client: what it sends, what it is sent, and when it hangs up.

    Attributes:
        until: It hangs up once it has received this; None: never.
    """

    body: dict[str, Any]
    until: bytes | None = None
    status: int = 0
    received: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    is_sent: bool = False

    async def receive(self) -> Message:
        if not self.is_sent:
            self.is_sent = True
            return {"type": "http.request", "body": json.dumps(self.body).encode(), "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.status = message.get("status", self.status)
        self.received += message.get("body", b"")
        if self.until is not None and self.until in self.received:
            self.gone.set()

    async def ask(self, gateway: Gateway, kind: CallKind | None) -> "Asked":
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST",
            "headers": [],
            "extensions": {CUT: {"cut": self.gone.set}},
        }
        scope["state"] = {"caller": ANYONE}
        with suppress(ClientDisconnect):
            await gateway.answer(kind, scope, self.receive, self.send)
        return self


@dataclass
class Kept:
    """A gateway with what it keeps."""

    gateway: Gateway
    sender: LogSender
    store: DayFileStore
    upstream: StreamingUpstream

    async def ask(self, kind: CallKind | None, until: bytes | None = None, **body: Any) -> Asked:
        return await Asked({"model": "m", **body}, until).ask(self.gateway, kind)

    def pending(self, kind: CallKind, call_id: str) -> LoggedCall:
        found = self.sender.pending(DEFAULT_PROJECT, kind, call_id)
        assert found is not None
        return found

    @property
    def count(self) -> int:
        return self.sender.counts.pending


@pytest.fixture
def log_calls() -> LogCalls:
    return "asked"


async def nobody() -> bool:
    return False


@pytest.fixture
async def kept(log_calls: LogCalls, tmp_path: Path) -> AsyncIterator[Kept]:
    clock = StillClock()
    store = DayFileStore(tmp_path / "logs", clock)
    sender = LogSender(Ledger.in_memory("test", 100), store, Redaction(), 64 * 1024 * 1024)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(open_streaming_upstream())
        endpoints = (
            Endpoint("rules", "", models=("scripted",), script=Script()),
            Endpoint("old", upstream.url, models=("old",), protocols=frozenset({"chat"})),
            Endpoint("up", upstream.url, aliases={"short": "long"}),
        )
        gateway = Gateway(
            GatewayConfig(True, log_calls, 1_000_000),
            Catalog(endpoints),
            IdFactory(clock),
            clock,
            sender,
            CallFinder(sender, store, nobody),
            Teller(),
        )
        await stack.enter_async_context(gateway)
        yield Kept(gateway, sender, store, upstream)
        await store.close()


@pytest.mark.parametrize(
    ("log_calls", "kind", "store", "is_kept"),
    [
        ("asked", CHAT, True, True),
        ("asked", CHAT, False, False),
        ("asked", CHAT, None, False),
        ("asked", RESPONSE, True, True),
        ("asked", RESPONSE, False, False),
        ("asked", RESPONSE, None, True),
        ("all", CHAT, None, True),
        ("all", CHAT, False, True),
        ("all", RESPONSE, False, True),
        ("none", CHAT, True, False),
        ("none", RESPONSE, None, False),
        ("all", None, True, False),
        ("asked", None, True, False),
    ],
)
async def test_what_is_kept_is_what_was_asked_for(
    kept: Kept, kind: CallKind, store: bool | None, is_kept: bool
) -> None:
    asked: dict[str, Any] = {} if store is None else {"store": store}
    content = {"messages": SAID} if kind is CHAT else {"input": "ANSWER: yes"}
    assert (await kept.ask(kind, **content, **asked)).status == 200
    assert kept.count == is_kept


async def test_a_call_is_kept_as_the_client_made_it_and_got_it(kept: Kept) -> None:
    asked = await kept.ask(CHAT, model="short", messages=SAID, store=True, metadata={"a": "b"})
    call = kept.pending(CHAT, "chatcmpl-1")
    assert json.loads(call.request) == {
        "model": "short", "messages": SAID, "store": True, "metadata": {"a": "b"},
    }  # fmt: skip
    assert json.loads(call.reply) == json.loads(asked.received)
    assert (call.asked_model, call.model, call.metadata) == ("short", "long", {"a": "b"})
    assert call.first_byte_ms is not None
    assert call.latency_ms is not None
    assert 0 <= call.first_byte_ms <= call.latency_ms


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_failures_are_not_kept(kept: Kept, status: int) -> None:
    kept.upstream.answers["/chat/completions"] = Answer(b'{"id":"chatcmpl-1"}', status)
    assert (await kept.ask(CHAT, messages=SAID, store=True)).status == status
    assert kept.count == 0


async def test_a_stream_is_kept_as_one_reply(kept: Kept) -> None:
    chunk = {"id": "chatcmpl-9", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    choices = [{"index": 0, "delta": {"content": "yes"}, "finish_reason": "stop"}]
    event = b"data: " + json.dumps({**chunk, "choices": choices}).encode() + b"\n\n"
    kept.upstream.answers["/chat/completions"] = Answer([event, b"data: [DONE]\n\n"])
    await kept.ask(CHAT, messages=SAID, store=True, stream=True)
    reply = json.loads(kept.pending(CHAT, "chatcmpl-9").reply)
    assert reply["choices"][0]["message"]["content"] == "yes"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("kind", "model"), [(CHAT, "m"), (CHAT, "scripted"), (RESPONSE, "scripted"), (RESPONSE, "old")]
)
async def test_a_call_is_kept_before_the_client_gets_the_end_of_its_answer(
    kept: Kept, kind: CallKind, model: str, *, stream: bool
) -> None:
    kept_at_the_end: list[int] = []

    class Watching(Asked):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if self.received.startswith(b"data:") and b"[DONE]" not in self.received:
                return
            with suppress(UnreadableReplyError):
                read_reply(Exchange(DEFAULT_PROJECT, kind, 0, b"{}", self.received, stream, 0, 0))
                kept_at_the_end.append(kept.count)

    content = {"messages": SAID} if kind is CHAT else {"input": "ANSWER: yes"}
    asked = await Watching({"model": model, **content, "store": True, "stream": stream}).ask(kept.gateway, kind)

    assert asked.status == 200
    # As soon as what it has is the whole answer, it may ask for the call.
    assert kept_at_the_end
    assert set(kept_at_the_end) == {1}


async def test_a_client_that_leaves_after_the_last_event_has_its_call_kept(kept: Kept) -> None:
    told = {"parts": 3, "linger_ms": 60_000}
    asked = await kept.ask(CHAT, until=b"[DONE]\n\n", messages=SAID, store=True, stream=True, told=told)
    assert asked.received.endswith(b"data: [DONE]\n\n")
    assert kept.count == 1


async def test_a_response_whose_last_event_was_read_is_kept(kept: Kept) -> None:
    said = {"id": "resp_9", "object": "response", "status": "completed", "output": [], "model": "m"}
    event = b"event: response.completed\ndata: " + json.dumps(
        {"type": "response.completed", "sequence_number": 0, "response": said}
    ).encode() + b"\n\n"  # fmt: skip
    kept.upstream.answers["/responses"] = Answer([event], linger_s=60)
    await kept.ask(RESPONSE, until=b'"resp_9"', input="x", stream=True)
    assert kept.pending(RESPONSE, "resp_9").id == "resp_9"


@pytest.mark.parametrize("told", [{"parts": 5, "cut_after": 3}, {"parts": 5, "cut_after": 3, "reset": True}])
async def test_a_reply_that_was_cut_is_not_kept(kept: Kept, told: dict[str, Any]) -> None:
    asked = await kept.ask(CHAT, messages=SAID, store=True, stream=True, told=told)
    assert asked.gone.is_set(), "the connection was cut"
    assert kept.count == 0


async def test_a_client_that_leaves_early_has_nothing_kept(kept: Kept) -> None:
    told = {"parts": 5, "pause_ms": 20}
    await kept.ask(CHAT, until=b"data", messages=SAID, store=True, stream=True, told=told)
    assert kept.count == 0
    await asyncio.sleep(0.1)
    assert (kept.upstream.under_way, kept.upstream.hung_up) == (0, 1)


async def test_a_reply_that_is_too_large_to_keep_passes_and_is_counted(kept: Kept) -> None:
    told = {"parts": 20, "part_bytes": 800_000}
    asked = await kept.ask(CHAT, messages=SAID, store=True, stream=True, told=told)
    assert asked.received.endswith(b"data: [DONE]\n\n")
    assert (kept.count, kept.sender.counts.losses.overflow) == (0, 1)


async def test_a_response_is_continued_the_moment_it_was_made(kept: Kept) -> None:
    first = json.loads((await kept.ask(RESPONSE, input="ANSWER: one", instructions="Be brief.")).received)
    second = json.loads(
        (await kept.ask(RESPONSE, model="short", input="ANSWER: two", previous_response_id=first["id"])).received
    )
    await kept.ask(RESPONSE, input=SAID, previous_response_id=second["id"])
    sent = [json.loads(each.body) for each in kept.upstream.requests]
    whole = [{"role": "user", "content": "ANSWER: one"}, *first["output"], {"role": "user", "content": "ANSWER: two"}]
    assert sent[1] == {"model": "long", "input": whole}, "without the instructions, as the hosted API does"
    assert sent[2] == {"model": "m", "input": [*whole, *second["output"], *SAID]}
    call = kept.pending(RESPONSE, second["id"])
    assert json.loads(call.request) == {"model": "short", "input": whole, "previous_response_id": first["id"]}


async def test_a_stored_response_is_continued(kept: Kept) -> None:
    """As after a restart, when nothing waits to be stored."""
    reply = {"id": "resp_old", "output": [{"role": "assistant", "content": "one"}]}
    asked = {"input": "ANSWER: one"}
    call = LoggedCall(
        DEFAULT_PROJECT, "resp_old", RESPONSE, 1, "m", "m", json.dumps(asked), json.dumps(reply), {}, "an-origin"
    )
    await kept.store.add([call])
    await kept.ask(RESPONSE, input="ANSWER: two", previous_response_id="resp_old")
    sent = json.loads(kept.upstream.requests[0].body)["input"]
    assert [each["content"] for each in sent] == ["ANSWER: one", "one", "ANSWER: two"]


async def test_thoughts_that_only_their_endpoint_could_read_are_not_sent_on(kept: Kept) -> None:
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "A"}]},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "sealed"},
    ]
    reply = {"id": "resp_1", "object": "response", "status": "completed", "model": "m", "output": output}
    kept.upstream.answers["/responses"] = Answer(json.dumps(reply).encode())
    await kept.ask(RESPONSE, input="Hi")
    await kept.ask(RESPONSE, input="And?", previous_response_id="resp_1")
    sent = json.loads(kept.upstream.requests[1].body)["input"]
    said = {key: value for key, value in output[1].items() if key != "id"}
    assert sent == [{"role": "user", "content": "Hi"}, said, output[2], {"role": "user", "content": "And?"}]


async def test_an_unknown_response_is_refused_and_nothing_is_asked(kept: Kept) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await kept.ask(RESPONSE, input="x", previous_response_id="resp_0")
    assert (caught.value.param, caught.value.code) == ("previous_response_id", "previous_response_not_found")
    assert kept.upstream.requests == []


async def test_a_translated_response_is_kept_and_continued_as_a_response(kept: Kept) -> None:
    asked = await kept.ask(RESPONSE, model="old", input="ANSWER: one", instructions="Be brief.")
    made = json.loads(asked.received)
    call = kept.pending(RESPONSE, made["id"])
    assert json.loads(call.reply) == made
    assert json.loads(call.request) == {"model": "old", "input": "ANSWER: one", "instructions": "Be brief."}
    await kept.ask(RESPONSE, model="old", input="ANSWER: two", previous_response_id=made["id"])
    assert json.loads(kept.upstream.requests[1].body)["messages"] == [
        {"role": "user", "content": "ANSWER: one"},
        {"role": "assistant", "content": "one"},
        {"role": "user", "content": "ANSWER: two"},
    ]
    streamed = await kept.ask(RESPONSE, model="scripted", input="ANSWER: three", stream=True)
    response_id = json.loads(streamed.received.split(b"data: ")[1].split(b"\n")[0])["response"]["id"]
    assert json.loads(kept.pending(RESPONSE, response_id).reply)["output"][0]["content"][0]["text"] == "three"
