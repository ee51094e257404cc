"""Facts about endpoints that cannot be reached: when that is reported, and when it ends a run."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from evalhaven.sampling.calls.caller import Asker, ModelCaller
from evalhaven.sampling.transport.client import TransportError
from tests.unit.sampling.test_caller import ENDPOINT, Answer, Asked, Stage, ok, refusal
from tests.virtual_time import VIRTUAL_TIME

REASON = "lab: no connection to lab.test: refused"
UNREACHED = TransportError("connect", "no connection to lab.test: refused")
BAD_CERTIFICATE = TransportError("connect", "the certificate of lab.test is not trusted: it has expired")
FRESH = replace(ENDPOINT, retry_for_s=600, strange_for_s=60)


@pytest.fixture(scope="module")
def anyio_backend() -> object:
    return VIRTUAL_TIME


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
async def caller(stage: Stage) -> AsyncIterator[ModelCaller]:
    async with ModelCaller(stage.opened_for) as opened:
        yield opened


@pytest.fixture
def asked(caller: ModelCaller) -> Asked:
    return Asked(caller, FRESH)


def events(logs: Any) -> list[str]:
    return [entry["event"] for entry in logs]


async def test_an_endpoint_that_is_not_there_is_told_at_the_first_attempt(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: UNREACHED
    with capture_logs() as logs, anyio.move_on_after(0.1):
        await asked.call_all([b"{}"] * 20, tasks=20)

    unreachable = asked.caller.find_unreachable(asked.target)
    assert unreachable is not None
    assert unreachable.to_json() == {"reason": REASON, "since": unreachable.since}
    [entry] = logs
    assert (entry["event"], entry["endpoint"], entry["reason"]) == ("endpoint_unreachable", "lab", REASON)
    assert entry["log_level"] == "warning"


async def test_one_line_says_that_it_goes_and_one_that_it_is_back(stage: Stage, asked: Asked) -> None:
    stage.latency_s = 0.01
    gone_at = anyio.current_time() + 2
    stage.answer = lambda _body: UNREACHED if gone_at <= anyio.current_time() < gone_at + 30 else ok()
    told_at: list[float] = []

    async def look() -> None:
        while not told_at:
            await anyio.sleep(0.01)
            if asked.caller.find_unreachable(asked.target) is not None:
                told_at.append(anyio.current_time())

    with capture_logs() as logs:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            tasks.start_soon(asked.call_all, [b"{}"] * 20_000, 20)

    assert events(logs) == ["endpoint_unreachable", "endpoint_reachable"]
    assert told_at[0] - gone_at <= 0.6
    assert asked.caller.find_unreachable(asked.target) is None
    assert asked.failures == []


async def test_a_connection_that_fails_among_others_that_are_answered_is_not_told(stage: Stage, asked: Asked) -> None:
    attempts = iter(range(1_000_000))
    stage.answer = lambda _body: UNREACHED if next(attempts) % 50 == 0 else ok()
    await asked.call()
    with capture_logs() as logs:
        await asked.call_all([b"{}"] * 5000, tasks=50)

    assert events(logs) == []
    assert len(asked.answers) == 5000


async def test_a_run_that_was_never_answered_is_given_up_after_a_minute(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: UNREACHED
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 20, tasks=20)

    assert 59.9 <= anyio.current_time() - began_at <= 65
    assert {(failed.error.code, failed.is_unreachable, failed.is_fatal_for_run) for failed in asked.failures} == {
        ("upstream_unreachable", True, True)
    }
    assert asked.failures[0].error.message == REASON


async def test_one_call_at_a_time_is_given_up_after_a_minute_too(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: UNREACHED
    began_at = anyio.current_time()
    failed = await asked.fail()

    assert failed.is_unreachable
    assert 59.9 <= anyio.current_time() - began_at <= 65


async def test_a_run_that_begins_within_the_outage_has_its_own_minute(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: UNREACHED
    await asked.call_all([b"{}"] * 20, tasks=20)
    asked.asker = Asker()
    began_at = anyio.current_time()

    assert (await asked.fail()).is_unreachable
    assert 59.9 <= anyio.current_time() - began_at <= 65


@pytest.mark.parametrize("failure", [UNREACHED, BAD_CERTIFICATE, TransportError("broken", "reset"), refusal(502)])
async def test_after_an_answer_every_failure_to_connect_is_an_outage(
    stage: Stage, asked: Asked, failure: Answer
) -> None:
    await asked.call()
    gone_until = anyio.current_time() + 500
    stage.answer = lambda _body: failure if anyio.current_time() < gone_until else ok()
    await asked.call_all([b"{}"] * 20, tasks=20)
    assert (len(asked.answers), asked.failures) == (20, [])

    stage.answer = lambda _body: failure
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 20, tasks=20)
    assert 599.9 <= anyio.current_time() - began_at <= 612
    assert {failed.is_unreachable for failed in asked.failures} == {False}


@pytest.mark.parametrize("failure", [TransportError("broken", "reset"), TransportError("timeout", ""), refusal(502)])
async def test_an_endpoint_that_is_there_and_fails_has_the_whole_time(
    stage: Stage, asked: Asked, failure: Answer
) -> None:
    stage.answer = lambda _body: failure
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 20, tasks=20)

    assert anyio.current_time() - began_at >= 240
    assert {failed.is_unreachable for failed in asked.failures} == {False}
    assert asked.caller.find_unreachable(asked.target) is None


async def test_a_time_that_somebody_chose_holds(stage: Stage, caller: ModelCaller) -> None:
    asked = Asked(caller, ENDPOINT)
    stage.answer = lambda _body: UNREACHED
    began_at = anyio.current_time()
    await asked.call_all([b"{}"] * 20, tasks=20)

    assert 179.9 <= anyio.current_time() - began_at <= 190
    assert {failed.is_unreachable for failed in asked.failures} == {False}


async def test_a_certificate_that_was_never_good_is_final_and_told(stage: Stage, asked: Asked) -> None:
    stage.answer = lambda _body: BAD_CERTIFICATE
    failed = await asked.fail()

    assert (failed.error.code, failed.attempts, failed.is_fatal_for_run) == ("upstream_certificate_invalid", 1, True)
    unreachable = asked.caller.find_unreachable(asked.target)
    assert unreachable is not None
    assert "it has expired" in unreachable.reason


async def test_what_nobody_has_tried_for_a_minute_is_not_told_of_a_run_that_begins_then(
    stage: Stage, asked: Asked
) -> None:
    stage.answer = lambda _body: UNREACHED
    with anyio.move_on_after(200):
        await asked.fail()
    assert asked.caller.find_unreachable(asked.target) is not None
    await anyio.sleep(61)

    assert asked.caller.find_unreachable(asked.target) is None
