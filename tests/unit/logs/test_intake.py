"""Facts about the intake, on both stores: a call is stored once, also within a batch and after it was deleted."""

import json
from functools import partial
from typing import Any

from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.logs.ingest.intake import CallIntake, IntakeOutcome
from evalhaven.logs.ingest.lines import read_line
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore
from tests.unit.domain.still_clock import StillClock
from tests.unit.logs.logged import NOON


def line(number: int, **more: Any) -> bytes:
    """Return a line with a chat completion."""
    reply = {"id": f"chatcmpl-{number}", "object": "chat.completion", "created": NOON - number, "choices": [], **more}
    return json.dumps({"request": {"model": "m", "messages": []}, "reply": reply}).encode()


async def take(store: LogStore, *lines: bytes, is_check: bool = False) -> tuple[int, int, int]:
    """Take in lines; return how many were stored, known and refused."""

    def read(raw: bytes, *arguments: Any) -> Any:
        return read_line(raw, *arguments)

    calls = [(number, partial(read, raw)) for number, raw in enumerate(lines)]
    intake = CallIntake(store, Redaction(), StillClock(NOON), 30)
    outcome: IntakeOutcome = await intake.take(SCOPE, calls, is_check=is_check)
    return outcome.stored, outcome.known, len(outcome.refused)


async def test_a_call_that_is_twice_in_a_batch_is_stored_once(store: LogStore) -> None:
    lines = [line(1), line(2), line(1), b"{", line(2)]
    assert await take(store, *lines, is_check=True) == (2, 2, 1)
    assert await take(store, *lines) == (2, 2, 1)
    assert await take(store, *lines) == (0, 4, 1)

    page = await store.page(SCOPE, CallFilter(), limit=10, order="desc")
    assert [call.id for call in page.calls] == ["chatcmpl-1", "chatcmpl-2"]


async def test_a_call_that_was_deleted_stays_deleted(store: LogStore) -> None:
    await take(store, line(1), line(2))
    await store.delete(SCOPE, CallKind.CHAT, "chatcmpl-1")

    assert await take(store, line(1), line(2), line(3), is_check=True) == (1, 2, 0)
    assert await take(store, line(1), line(2), line(3)) == (1, 2, 0)
    assert await store.find(SCOPE, CallKind.CHAT, "chatcmpl-1") is None


async def test_calls_of_many_days_are_stored_with_their_days(store: LogStore) -> None:
    lines = [line(number, created=NOON - 86_400 * number) for number in range(32)]
    assert await take(store, *lines) == (31, 0, 1)

    page = await store.page(SCOPE, CallFilter(), limit=100, order="desc")
    assert [call.id for call in page.calls] == [f"chatcmpl-{number}" for number in range(31)]
