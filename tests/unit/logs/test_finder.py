"""Facts about finding a call by its id while another server is still storing it."""

import anyio
import pytest

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs import finder
from evalhaven.logs.finder import CallFinder, FoundCall
from evalhaven.logs.handover.ledger import Ledger
from evalhaven.logs.handover.sender import LogSender
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore
from tests.databases import ON_SQLITE_ONLY
from tests.unit.logs.exchanged import completion, exchange
from tests.unit.logs.logged import CHAT, OTHER_PROJECT, RESPONSE, chat, response

KINDS = (CHAT, RESPONSE)


def finder_of(store: LogStore, *, has_others: bool, sender: LogSender | None = None) -> CallFinder:
    async def are_others_recording() -> bool:
        return has_others

    return CallFinder(sender or sender_of(store), store, are_others_recording)


def sender_of(store: LogStore) -> LogSender:
    return LogSender(Ledger.in_memory("test", 10), store, Redaction(), 1_000_000)


async def found_while_stored(through: CallFinder, store: LogStore, call_id: str, **more: float) -> FoundCall | None:
    """Look for a call that is stored a moment later."""
    found: list[FoundCall | None] = []

    async def look() -> None:
        found.append(await through.find(DEFAULT_PROJECT, KINDS, call_id, **more))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await anyio.sleep(0.1)
        await store.add([chat(1), response(2)])
    return found[0]


async def test_a_call_of_another_server_is_waited_for(store: LogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "STORED_WITHIN_S", 60.0)  # however slow this machine is
    found = await found_while_stored(finder_of(store, has_others=True), store, "resp_2")
    assert found is not None
    assert (found.call.id, found.is_pending) == ("resp_2", False)


@ON_SQLITE_ONLY
async def test_where_there_is_one_server_nothing_is_waited_for_unless_asked(store: LogStore) -> None:
    alone = finder_of(store, has_others=False)
    assert await found_while_stored(alone, store, "chatcmpl-1") is None
    found = await found_while_stored(alone, store, "chatcmpl-3", within_s=0.01)
    assert found is None


@ON_SQLITE_ONLY
async def test_a_call_that_waits_here_is_found_as_it_will_be(store: LogStore) -> None:
    sender = sender_of(store)
    sender.offer(exchange(completion(call_id="chatcmpl-7")))
    alone = finder_of(store, has_others=False, sender=sender)
    found = await alone.find(DEFAULT_PROJECT, KINDS, "chatcmpl-7")
    assert found is not None
    assert (found.call.id, found.is_pending) == ("chatcmpl-7", True)
    assert await alone.find(OTHER_PROJECT, KINDS, "chatcmpl-7") is None
    assert await alone.find(DEFAULT_PROJECT, (RESPONSE,), "chatcmpl-7") is None
