"""Facts about calls to models: what is sent, what is repeated and for how long, and what an item is told."""

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from zlib import crc32

import anyio
import msgspec
import pytest

from evalhaven.domain.samples import Sample, Usage
from evalhaven.sampling.calls.caller import Asker, CallFailedError, ModelCaller
from evalhaven.sampling.calls.slots import Slots
from evalhaven.sampling.catalog import Endpoint, Target
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError
from evalhaven.sampling.scripted.endpoint import Rule, Script
from evalhaven.sampling.transport.client import HttpReply, TransportError, TransportOptions
from tests.virtual_time import VIRTUAL_TIME

KEY = "sk-made-up-and-secret"
ENDPOINT = Endpoint(
    "lab", "http://lab.test/v1", {"authorization": f"Bearer {KEY}"}, retry_for_s=180, timeout_s=30, max_concurrency=100
)
CHAT = "/chat/completions"

Answer = HttpReply | TransportError | None


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    return VIRTUAL_TIME


def ok(text: str = "yes") -> HttpReply:
    return HttpReply(200, {}, text.encode())


def refusal(status: int, code: str | None = None, message: str = "No.", **headers: str) -> HttpReply:
    body = msgspec.json.encode({"error": {"message": message, "type": "made_up", "param": None, "code": code}})
    return HttpReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class Stage:
    """A transport whose answers a test decides, and which remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.answer: Callable[[bytes], Answer] = lambda _body: ok()
        self.latency_s = 0.05
        self.asked: list[tuple[str, Mapping[str, str], bytes]] = []
        self.asked_at: list[float] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.opened: list[Endpoint] = []
        self.open = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.asked.append((url, headers, body))
        self.asked_at.append(anyio.current_time())
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            answer = self.answers.pop(0) if self.answers else self.answer(body)
            if isinstance(answer, TransportError) and answer.kind == "timeout":
                await anyio.sleep(timeout_s)
            elif not (isinstance(answer, TransportError) and answer.kind == "connect"):
                await anyio.sleep(self.latency_s)
            if answer is None:
                await anyio.sleep_forever()
            if isinstance(answer, TransportError):
                raise answer
            assert answer is not None
            return answer
        finally:
            self.in_flight -= 1

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        raise NotImplementedError

    @asynccontextmanager
    async def opened_for(self, endpoint: Endpoint) -> AsyncGenerator["Stage"]:
        self.opened.append(endpoint)
        self.open += 1
        yield self
        self.open -= 1


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def caller(stage: Stage) -> AsyncIterator[ModelCaller]:
    async with ModelCaller(stage.opened_for) as opened:
        yield opened


def parse(body: bytes) -> str:
    if body.startswith(b"<"):
        raise UnusableReplyError("it is not JSON")
    return body.decode()


def refuse(body: bytes) -> str:
    raise UnusableReplyError(f"it is of no use: {len(body)} bytes")


class Asked:
    """Calls through a caller, with what became of them."""

    def __init__(self, caller: ModelCaller, endpoint: Endpoint = ENDPOINT) -> None:
        self.caller = caller
        self.target = Target(endpoint, "made-up")
        self.retries = Counter[str]()
        self.asker = Asker(on_retry=self.note)
        self.answers: list[str] = []
        self.failures: list[CallFailedError] = []
        self.parse = parse

    async def call(self, body: bytes = b"{}") -> Any:
        return await self.caller.call(self.target, CHAT, body, self.parse, 0, self.asker)

    def note(self, kind: str) -> None:
        self.retries[kind] += 1

    async def fail(self) -> CallFailedError:
        with pytest.raises(CallFailedError) as caught:
            await self.call()
        return caught.value

    async def call_all(self, bodies: Sequence[bytes], tasks: int) -> None:
        left = iter(bodies)

        async def work() -> None:
            for body in left:
                try:
                    self.answers.append((await self.call(body)).value)
                except CallFailedError as error:
                    self.failures.append(error)

        async with anyio.create_task_group() as group:
            for _ in range(tasks):
                group.start_soon(work)


@pytest.fixture
def asked(caller: ModelCaller) -> Asked:
    return Asked(caller)


async def test_an_answer_comes_with_its_attempts_and_latency(stage: Stage, asked: Asked) -> None:
    stage.latency_s = 0.25
    called = await asked.call(b'{"model": "made-up"}')

    assert (called.value, called.attempts, called.latency_ms) == ("yes", 1, 250)
    [(url, headers, body)] = stage.asked
    assert url == "http://lab.test/v1/chat/completions"
    assert headers == {
        "authorization": f"Bearer {KEY}",
        "content-type": "application/json",
        "x-evalhaven-hop": "1",
    }
    assert body == b'{"model": "made-up"}'


async def test_the_query_of_an_endpoint_follows_each_address(stage: Stage, caller: ModelCaller) -> None:
    asked = Asked(caller, replace(ENDPOINT, query="api-version=2024-10-21"))
    await asked.call()

    assert stage.asked[0][0] == "http://lab.test/v1/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (refusal(408), "busy"),
        (refusal(409), "busy"),
        (refusal(425), "busy"),
        (refusal(429), "rate_limit"),
        (refusal(500), "server_error"),
        (refusal(502), "server_error"),
        (refusal(503), "server_error"),
        (refusal(529), "server_error"),
        (TransportError("connect", "refused"), "connection"),
        (TransportError("broken", "reset"), "connection"),
        (TransportError("timeout", "nothing came"), "timeout"),
        (ok("<html>"), "invalid_reply"),
        (TransportError("malformed", "lab.test sent what is not HTTP/1.1"), "invalid_reply"),
    ],
    ids=str,
)
async def test_what_may_pass_is_repeated(stage: Stage, asked: Asked, failure: Answer, kind: str) -> None:
    stage.answers = [failure, failure]
    called = await asked.call()

    assert (called.value, called.attempts) == ("yes", 3)
    assert asked.retries == {kind: 2}
    assert called.latency_ms == 50
    first, second, third = stage.asked_at
    assert third - second > second - first - 0.3


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 413, 415, 422, 301])
async def test_what_will_not_pass_is_not_repeated(stage: Stage, asked: Asked, status: int) -> None:
    stage.answer = lambda _body: refusal(status)
    failed = await asked.fail()

    assert (len(stage.asked), failed.attempts, asked.retries) == (1, 1, {})
    assert failed.error.origin == "sampling"


async def test_an_endpoint_that_forbids_to_repeat_is_obeyed(stage: Stage, asked: Asked) -> None:
    stage.answers = [refusal(500, x_should_retry="false")]

    assert (await asked.fail()).attempts == 1


async def test_an_exhausted_quota_is_not_repeated_and_stops_the_run(stage: Stage, asked: Asked) -> None:
    stage.answers = [refusal(429, "insufficient_quota", "You exceeded your current quota.", retry_after="1")]
    failed = await asked.fail()

    assert (failed.error.code, failed.attempts, failed.is_fatal_for_run) == ("insufficient_quota", 1, True)


async def test_an_item_is_told_the_words_of_the_endpoint_without_the_key(stage: Stage, asked: Asked) -> None:
    words = f"Timeout while downloading https://img.test/{KEY}/1.png."
    stage.answers = [refusal(400, "invalid_image_url", words)]
    failed = await asked.fail()

    assert failed.error.code == "invalid_image_url"
    assert failed.error.message == "Timeout while downloading https://img.test/***/1.png."
    assert not failed.error.retryable
    assert not failed.is_fatal_for_run


async def test_an_unusable_answer_is_asked_for_four_times(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: ok("<html>")
    failed = await asked.fail()

    assert (failed.attempts, len(stage.asked)) == (4, 4)
    assert (failed.error.code, failed.error.retryable) == ("invalid_reply", True)
    assert failed.error.message == ("lab answered 200 (no content type) with an HTML page. It begins: <html>")
    assert not failed.is_fatal_for_run


REFUSED_REPLIES: list[Answer] = [
    ok("<html>"),
    TransportError("malformed", "lab.test answered 200 with a reply that cannot be uncompressed"),
    HttpReply(200, {}, b'<{"error": {"message": "Provider returned error", "code": 502}}'[1:]),
]


@pytest.mark.parametrize("answer", REFUSED_REPLIES, ids=["page", "malformed", "tells of a 502"])
async def test_replies_that_come_and_are_refused_are_no_outage_and_cost_four_calls_an_item(
    stage: Stage, asked: Asked, answer: Answer
) -> None:
    stage.answer = lambda _body: answer
    began_at = anyio.current_time()
    asked.parse = refuse
    await asked.call_all([b"{}"] * 60, tasks=20)

    assert [failed.attempts for failed in asked.failures] == [4] * 60
    assert len(stage.asked) == 240
    assert not any(failed.is_fatal_for_run for failed in asked.failures)
    assert anyio.current_time() - began_at <= 20


async def test_replies_that_are_refused_cost_four_calls_also_while_another_model_has_an_outage(
    stage: Stage, caller: ModelCaller
) -> None:
    one, other = Asked(caller), Asked(caller)
    other.target = Target(ENDPOINT, "another")
    stage.answer = lambda body: ok("<html>") if body == b"refused" else refusal(503)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other.call_all, [b"{}"] * 20, 20)
        tasks.start_soon(one.call_all, [b"refused"] * 6, 6)

    assert sum(body == b"refused" for _, _, body in stage.asked) <= 24


async def test_a_reply_that_is_too_large_is_no_outage(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: TransportError("too_large", "more than 64 MB")
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 500, tasks=5)

    assert [failed.attempts for failed in asked.failures] == [1] * 500
    assert anyio.current_time() - began_at <= 30


async def test_a_bug_of_a_parser_is_no_failure_of_the_endpoint(stage: Stage, caller: ModelCaller) -> None:
    def broken(_body: bytes) -> str:
        raise KeyError("bug")

    target = Target(ENDPOINT, "made-up")
    with pytest.raises(KeyError):
        await caller.call(target, CHAT, b"{}", broken)
    state = caller.find_state(target)
    assert state is not None
    assert state.in_flight == 0


async def test_a_request_that_breaks_the_server_is_given_up_while_others_are_answered(
    stage: Stage, asked: Asked
) -> None:
    stage.answer = lambda body: refusal(500) if body == b"poison" else ok()
    bodies = [b"fine"] * 100_000
    bodies[50] = b"poison"
    with anyio.move_on_after(120):
        await asked.call_all(bodies, tasks=20)

    [failed] = asked.failures
    assert (failed.attempts, failed.error.code, failed.is_fatal_for_run) == (8, "server_error", False)


async def test_a_pause_that_the_endpoint_asks_for_is_kept_by_all(stage: Stage, asked: Asked) -> None:
    stage.answers = [refusal(429, retry_after="7")]
    began_at = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.call)
        await anyio.sleep(1)
        tasks.start_soon(asked.call)

    assert [at - began_at for at in stage.asked_at] == pytest.approx([0, 7.05, 7.05])


async def test_a_pause_of_longer_than_anybody_waits_is_given_up_and_stops_the_run(stage: Stage, asked: Asked) -> None:
    stage.answers = [refusal(429, "rate_limit_exceeded", retry_after="7200")]
    failed = await asked.fail()

    assert (failed.error.code, failed.attempts, failed.is_fatal_for_run) == ("rate_limit_exceeded", 1, True)
    assert (await asked.call()).value == "yes"


async def test_an_endpoint_that_refuses_everything_is_given_up(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: refusal(429, retry_after="10")
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 50, tasks=50)

    assert len(asked.failures) == 50
    assert all(failed.is_fatal_for_run for failed in asked.failures)
    assert anyio.current_time() - began_at <= 800
    assert len(stage.asked) <= 300


async def test_a_call_that_sleeps_holds_no_slot_and_no_place_of_its_run(stage: Stage, caller: ModelCaller) -> None:
    asked = Asked(caller, replace(ENDPOINT, max_concurrency=1))
    asked.asker.limit = Slots(1)
    stage.answers = [refusal(503, retry_after="30")]
    began_at = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.call)
        await anyio.sleep(0.1)
        for _ in range(5):
            await asked.call()
        assert anyio.current_time() - began_at < 1

    assert anyio.current_time() - began_at == pytest.approx(30.1)
    assert stage.most_in_flight == 1


async def test_no_more_calls_of_a_run_are_under_way_than_it_may(stage: Stage, asked: Asked) -> None:
    asked.asker.limit = Slots(3)
    await asked.call_all([b"{}"] * 60, tasks=30)

    assert stage.most_in_flight == 3
    assert asked.asker.limit.in_use == 0


async def test_an_upstream_gone_for_a_minute_costs_no_item_and_is_not_hammered(stage: Stage, asked: Asked) -> None:
    gone_at = anyio.current_time() + 2

    def answer(_body: bytes) -> Answer:
        if gone_at <= anyio.current_time() < gone_at + 60:
            return TransportError("connect", "no connection to lab.test: refused")
        return ok()

    stage.answer = answer
    await asked.call_all([b"{}"] * 20_000, tasks=100)

    assert len(asked.answers) == 20_000
    while_gone = [at for at in stage.asked_at if gone_at + 2 <= at < gone_at + 60]
    assert 10 <= len(while_gone) <= 25
    back = min(at for at in stage.asked_at if at >= gone_at + 60)
    assert back - gone_at - 60 <= 5.1
    # Then all of them go on at once.
    assert sum(back + 0.05 <= at <= back + 0.1 for at in stage.asked_at) >= 90


async def test_a_gateway_that_answers_502_for_a_minute_costs_no_item(stage: Stage, asked: Asked) -> None:
    gone_at = anyio.current_time() + 2
    stage.answer = lambda _body: refusal(502) if gone_at <= anyio.current_time() < gone_at + 60 else ok()
    await asked.call_all([b"{}"] * 20_000, tasks=100)

    assert len(asked.answers) == 20_000
    assert asked.retries["server_error"] <= 350


async def test_one_call_at_a_time_outlasts_an_outage_too(stage: Stage, asked: Asked) -> None:
    gone_until = anyio.current_time() + 60
    stage.answer = lambda _body: TransportError("broken", "reset") if anyio.current_time() < gone_until else ok()
    called = await asked.call()

    assert called.value == "yes"
    assert called.attempts <= 25
    assert anyio.current_time() - gone_until <= 5.1


async def test_an_upstream_that_stays_away_is_given_up_and_stops_the_run(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: TransportError("connect", "no connection to lab.test: refused")
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 20, tasks=20)

    assert {(failed.error.code, failed.is_fatal_for_run) for failed in asked.failures} == {
        ("upstream_unreachable", True)
    }
    assert asked.failures[0].error.message == "lab: no connection to lab.test: refused"
    assert 180 <= anyio.current_time() - began_at <= 190

    # A later caller waits for one or two attempts, not for three minutes more.
    began_at = anyio.current_time()
    await asked.fail()
    assert anyio.current_time() - began_at <= 10.1


async def test_a_call_that_comes_after_a_long_outage_finds_out_that_it_is_over(stage: Stage, asked: Asked) -> None:
    gone_until = anyio.current_time() + 300
    stage.answer = lambda _body: TransportError("connect", "refused") if anyio.current_time() < gone_until else ok()
    await asked.fail()
    await anyio.sleep(gone_until - anyio.current_time() + 1)
    await asked.call_all([b"{}"] * 50, tasks=50)

    assert len(asked.answers) == 50


async def test_stalled_calls_are_cut_and_repeated(stage: Stage, asked: Asked) -> None:
    stalled = iter([True, False] * 50)
    stage.answer = lambda _body: TransportError("timeout", "nothing came") if next(stalled, False) else ok()
    await asked.call_all([b"{}"] * 100, tasks=100)

    assert len(asked.answers) == 100
    assert asked.retries == {"timeout": 50}


async def test_faults_of_all_kinds_by_chance_cost_no_item(stage: Stage, asked: Asked) -> None:
    faults: list[Answer] = [
        refusal(429, retry_after="1"),
        refusal(429),
        refusal(500),
        refusal(503),
        TransportError("broken", "reset"),
        ok("<html>"),
    ]
    attempts = Counter[bytes]()

    def answer(body: bytes) -> Answer:
        attempts[body] += 1
        # A fifth of all replies, and for each call the same ones in whatever order they come.
        drawn = crc32(b"%s attempt %d" % (body, attempts[body])) / 2**32
        return faults[int(drawn * 30)] if drawn < 0.2 else ok()

    stage.answer = answer
    began_at = anyio.current_time()
    await asked.call_all([b"%d" % number for number in range(5000)], tasks=100)

    assert len(asked.answers) == 5000
    assert len(stage.asked) == 5000 + asked.retries.total()
    assert anyio.current_time() - began_at <= 60


@pytest.mark.parametrize("answer", [None, refusal(503, retry_after="100"), TransportError("timeout", "stalled")])
async def test_a_canceled_call_ends_at_once_and_leaves_its_slot(
    stage: Stage, caller: ModelCaller, answer: Answer
) -> None:
    asked = Asked(caller, replace(ENDPOINT, max_concurrency=1))
    asked.asker.limit = Slots(2)
    stage.answers = [answer]
    began_at = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(asked.call)
        tasks.start_soon(asked.call)
        tasks.start_soon(asked.call)
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert anyio.current_time() - began_at == pytest.approx(0.01)
    state = caller.find_state(asked.target)
    assert state is not None
    assert (state.in_flight, state.waiting, stage.in_flight, asked.asker.limit.in_use) == (0, 0, 0, 0)
    assert (await asked.call()).value == "yes"


async def test_a_call_canceled_while_its_endpoint_is_gone_leaves_nothing(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: TransportError("connect", "refused")
    with anyio.move_on_after(20):
        await asked.call_all([b"{}"] * 20, tasks=20)
    stage.answer = lambda _body: ok()

    began_at = anyio.current_time()
    assert (await asked.call()).value == "yes"
    assert anyio.current_time() - began_at <= 5.1


async def test_each_model_has_a_limit_of_its_own_and_runs_share_it(stage: Stage, caller: ModelCaller) -> None:
    endpoint = replace(ENDPOINT, max_concurrency=2)
    one, same, other = Asked(caller, endpoint), Asked(caller, endpoint), Asked(caller, endpoint)
    other.target = Target(endpoint, "another")
    async with anyio.create_task_group() as tasks:
        for asked in (one, same, other):
            tasks.start_soon(asked.call_all, [b"{}"] * 20, 10)

    assert stage.most_in_flight == 4
    assert caller.find_state(Target(endpoint, "unused")) is None


async def test_an_outage_is_noticed_by_all_models_of_an_endpoint(stage: Stage, caller: ModelCaller) -> None:
    stage.answer = lambda _body: TransportError("connect", "refused")
    one, other = Asked(caller), Asked(caller)
    other.target = Target(ENDPOINT, "another")
    with anyio.move_on_after(10):
        await one.call_all([b"{}"] * 5, tasks=5)
    asked_before = len(stage.asked)
    with anyio.move_on_after(1):
        await other.call_all([b"{}"] * 100, tasks=100)

    assert len(stage.asked) - asked_before <= 1


async def test_endpoints_share_a_transport_where_they_are_reached_alike(stage: Stage) -> None:
    own = replace(ENDPOINT, name="own", transport=TransportOptions(connect_timeout_s=1))
    async with ModelCaller(stage.opened_for) as caller:
        assert stage.opened == []
        async with anyio.create_task_group() as tasks:
            for endpoint in (ENDPOINT, replace(ENDPOINT, name="twin"), own):
                tasks.start_soon(Asked(caller, endpoint).call_all, [b"{}"] * 20, 10)
        assert [endpoint.name for endpoint in stage.opened] == ["lab", "own"]
        assert stage.open == 2

    assert stage.open == 0


async def test_a_transport_that_cannot_be_opened_stops_the_run(stage: Stage) -> None:
    def open_none(_endpoint: Endpoint) -> Any:
        raise ValueError("proxy: no such scheme")

    async with ModelCaller(open_none) as caller:
        failed = await Asked(caller).fail()

    assert (failed.error.code, failed.attempts, failed.is_fatal_for_run) == ("upstream_misconfigured", 0, True)
    assert failed.error.message == "lab cannot be asked as it is configured: proxy: no such scheme"


async def test_a_scripted_endpoint_answers_without_a_network() -> None:
    script = Script((Rule(answer="by rule"),))
    body = b'{"model": "m", "messages": [{"role": "user", "content": "hello"}]}'
    async with ModelCaller() as caller:
        called = await Asked(caller, Endpoint("script", "", script=script)).call(body)

    assert b"by rule" in called.value.encode()


async def test_tokens_a_minute_are_charged_by_what_a_sample_used(stage: Stage, caller: ModelCaller) -> None:
    target = Target(replace(ENDPOINT, tokens_per_minute=60_000), "made-up")

    def sample(_body: bytes) -> Sample:
        return Sample(usage=Usage(200, 50, 250))

    finished = 0

    async def work() -> None:
        nonlocal finished
        while True:
            await caller.call(target, CHAT, b"{}", sample, expected_tokens=1000)
            finished += 1

    with anyio.move_on_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(work)

    assert finished == pytest.approx(240, rel=0.1)
