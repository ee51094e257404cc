"""Facts about calls over real connections to an upstream that fails in every way, and about that upstream itself."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from evalhaven.domain.samples import Sample
from evalhaven.sampling.calls.caller import Asker, CallFailedError, ModelCaller
from evalhaven.sampling.catalog import Endpoint, Target
from evalhaven.sampling.protocols.replies import read_reply
from tests.embeddings_endpoint import vector_of
from tests.sizes import SEED
from tests.upstream import Behaviour, Upstream, open_upstream

CHAT, RESPONSES = "/chat/completions", "/responses"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream(Behaviour(latency_ms=10, seed=SEED)) as opened:
        yield opened


@pytest.fixture
async def caller() -> AsyncIterator[ModelCaller]:
    async with ModelCaller() as opened:
        yield opened


def target_at(upstream: Upstream, **settings: Any) -> Target:
    headers = {"authorization": "Bearer made-up-key"}
    return Target(Endpoint("faulty", upstream.url, headers, max_concurrency=100, **settings), "faulty-1")


def asked(number: int, path: str = CHAT) -> bytes:
    messages = [{"role": "user", "content": f"Item {number}. ANSWER: {number}"}]
    return json.dumps({"model": "faulty-1", "messages" if path == CHAT else "input": messages}).encode()


async def ask(caller: ModelCaller, target: Target, number: int, path: str = CHAT) -> Sample:
    return (await caller.call(target, path, asked(number, path), partial(read_reply, path))).value


async def test_a_held_upstream_answers_what_it_answered_before_and_nothing_new(
    upstream: Upstream, caller: ModelCaller
) -> None:
    upstream.behaviour.hold_after = 1
    target = target_at(upstream)
    await ask(caller, target, 1)
    answers: list[Sample] = []

    async def ask_anew() -> None:
        answers.append(await ask(caller, target, 2))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask_anew)
        await ask(caller, target, 1)
        await anyio.sleep(0.05)
        assert (answers, upstream.in_flight) == ([], 1)
        upstream.change("hold_after=0")
    assert answers[0].output[0] == {"role": "assistant", "content": "2"}


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_both_protocols_answer_what_the_prompt_says(upstream: Upstream, caller: ModelCaller, path: str) -> None:
    sample = await ask(caller, target_at(upstream), 7, path)

    assert sample.output[0] == {"role": "assistant", "content": "7"}
    assert (sample.model, sample.usage.total_tokens) == ("faulty-1", 6)
    assert upstream.stats()["by_path"] == {path: 1}


async def test_embeddings_are_answered_as_numbers_or_base64(upstream: Upstream) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        body = {"model": "faulty-1", "input": ["a", "b"]}
        numbers = (await client.post(f"{upstream.url}/embeddings", json=body)).json()
        coded = (await client.post(f"{upstream.url}/embeddings", json={**body, "encoding_format": "base64"})).json()

    assert [each["embedding"] for each in numbers["data"]] == [vector_of("a"), vector_of("b")]
    assert all(isinstance(each["embedding"], str) for each in coded["data"])


async def test_each_item_is_answered_once_whatever_the_upstream_does(upstream: Upstream, caller: ModelCaller) -> None:
    behaviour = upstream.behaviour
    behaviour.p429, behaviour.retry_after_s = 0.1, 0.2
    behaviour.p500, behaviour.p_reset, behaviour.p_cut, behaviour.p_invalid = 0.05, 0.03, 0.03, 0.03
    behaviour.p_stall, behaviour.stall_s = 0.01, 2
    behaviour.gone_after, behaviour.gone_s = 300, 2
    target = target_at(upstream, timeout_s=1)
    answers = dict[int, Any]()
    left = iter(range(600))

    async def work() -> None:
        for number in left:
            answers[number] = (await ask(caller, target, number)).output[0]

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(work)

    assert answers == {number: {"role": "assistant", "content": str(number)} for number in range(600)}
    stats = upstream.stats()
    assert stats["distinct"] == 600
    # A connection that breaks after its answer was written makes one more.
    assert stats["answered"] <= 600 + 60
    assert {"200", "429", "500", "reset", "cut", "invalid"} <= stats["by_status"].keys()
    state = caller.find_state(target)
    assert state is not None
    assert (state.in_flight, state.waiting, stats["in_flight"]) == (0, 0, 0)


async def test_a_cancel_closes_connections_at_once(upstream: Upstream, caller: ModelCaller) -> None:
    upstream.behaviour.latency_ms = 30_000
    target = target_at(upstream)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(ask, caller, target, number)
            while upstream.in_flight < 20:  # noqa: ASYNC110 - the upstream counts in this loop too
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        with anyio.fail_after(2):
            while upstream.connections:  # noqa: ASYNC110 - see above
                await anyio.sleep(0.01)

    state = caller.find_state(target)
    assert state is not None
    assert (state.in_flight, state.waiting) == (0, 0)


async def test_a_wrong_key_is_told_without_a_second_attempt(upstream: Upstream, caller: ModelCaller) -> None:
    upstream.behaviour.refuse = 401
    with pytest.raises(CallFailedError) as caught:
        await ask(caller, target_at(upstream), 1)

    assert (caught.value.error.code, caught.value.is_fatal_for_run) == ("invalid_api_key", True)
    assert upstream.stats()["by_status"] == {"401": 1}


async def test_an_upstream_of_few_places_is_found_out(upstream: Upstream, caller: ModelCaller) -> None:
    upstream.behaviour.capacity, upstream.behaviour.retry_after_s = 12, 0.1
    target = target_at(upstream)
    retries = Counter[str]()

    async def work() -> None:
        for number in range(30):
            await caller.call(target, CHAT, asked(number), partial(read_reply, CHAT), 0, Asker(on_retry=note))

    def note(kind: str) -> None:
        retries[kind] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(work)

    state = caller.find_state(target)
    assert state is not None
    assert state.concurrency <= 16
    assert retries["rate_limit"] <= 120


@pytest.fixture
def process(repository: Path) -> Iterator[dict[str, str]]:
    command = [sys.executable, "-m", "tests.upstream", "--p500", "1", "--seed", "7"]
    with subprocess.Popen(command, cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        yield json.loads(started.stdout.readline())
        assert started.stdin is not None
        started.stdin.close()
        assert started.wait(10) == 0


def test_the_upstream_is_a_process_that_is_changed_and_asked_while_it_runs(process: dict[str, str]) -> None:
    with httpx2.Client(trust_env=False) as client:
        url, control = process["url"], process["control_url"]
        assert client.post(f"{url}{CHAT}", content=asked(1)).status_code == 500
        assert client.get(f"{url.removesuffix('/v1')}/config?p500=0&retry_after_s=0.5").json()["p500"] == 0
        assert client.get(f"{control}/config?p500=much").status_code == 400
        assert client.get(f"{control}/config?p501=1").status_code == 400
        for number in (1, 2, 2):
            assert client.post(f"{url}{CHAT}", content=asked(number)).status_code == 200
        stats = client.get(f"{control}/stats").json()
        assert (stats["requests"], stats["by_status"]) == (4, {"500": 1, "200": 3})
        assert (stats["distinct"], stats["answered_times"]) == (2, {"1": 1, "2": 1})
        assert client.get(f"{control}/stats/prompts").json() == {"Item 1. ANSWER: 1": 1, "Item 2. ANSWER: 2": 2}

        client.get(f"{control}/config?gone_s=0.5")
        with pytest.raises(httpx2.TransportError):
            client.post(f"{url}{CHAT}", content=asked(3))
        deadline = time.monotonic() + 10
        while True:
            try:
                assert client.post(f"{url}{CHAT}", content=asked(3)).status_code == 200
                break
            except httpx2.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
