"""Facts about requests that are under way when whoever sent them loses what let them in."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import httpx2
import pytest
from starlette.types import Message, Receive, Scope, Send

from evalhaven.access.permissions import Permission, Role
from evalhaven.api.access import door as door_module
from evalhaven.api.access import routes as routes_module
from evalhaven.api.access.door import Door
from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.access.keys import list_keys, revoke_key
from evalhaven.storage.access.members import delete_member
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.test_sessions import OWN, browsing, clock_of, log_person_in, store_key, store_person
from tests.unit.storage.stored import store_active_run

Loss = Callable[[], Awaitable[object]]
_STREAMS = 5
_ENDS_WITHIN_S = 30.0  # on a loaded machine


@ON_SQLITE_ONLY
async def test_a_stream_ends_with_what_let_it_in_and_the_others_go_on(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_streams, all_are_open = set[int](), anyio.Event()
    still_admits = Door.still_admits

    async def noted(door: Door, scope: Scope, permission: Permission) -> bool:
        open_streams.add(id(scope["state"]))
        if len(open_streams) == _STREAMS:
            all_are_open.set()
        return await still_admits(door, scope, permission)

    monkeypatch.setattr(Door, "still_admits", noted)
    run = await store_active_run(services.database)
    revoked_id, revoked = await store_key(services, Role.VIEWER)
    _, expiring = await store_key(services, Role.VIEWER, expires_at=services.now() + 60)
    _, lasting = await store_key(services, Role.VIEWER)
    ann = await store_person(services, "ann", Role.VIEWER)
    bob = await store_person(services, "bob", Role.VIEWER)

    async with (
        browsing(services) as one,
        browsing(services) as two,
        browsing(services) as three,
        browsing(services) as four,
        browsing(services) as five,
        anyio.create_task_group() as tasks,
    ):
        for client, key in ((one, revoked), (two, expiring), (five, lasting)):
            client.headers["authorization"] = f"Bearer {key}"
        await log_person_in(services, three, ann)
        await log_person_in(services, four, bob)
        told: dict[httpx2.AsyncClient, str] = {}
        ends = {client: anyio.Event() for client in (one, two, three, four, five)}

        async def watch(client: httpx2.AsyncClient) -> None:
            told[client] = (await client.get("/api/events", params={"runs": run.id})).text
            ends[client].set()

        async def revoke() -> None:
            async with services.database.write() as tx:
                await revoke_key(tx, DEFAULT_PROJECT, revoked_id, services.now())

        async def remove() -> None:
            async with services.database.write() as tx:
                await delete_member(tx, DEFAULT_PROJECT, ann.key)

        async def expire() -> None:
            clock_of(services).time += 60

        losses: dict[httpx2.AsyncClient, Loss] = {
            one: revoke,
            two: expire,
            three: remove,
            four: lambda: four.delete("/api/session", headers=OWN),
        }
        for client in ends:
            tasks.start_soon(watch, client)
        with anyio.fail_after(_ENDS_WITHIN_S):
            await all_are_open.wait()
            for gone, (client, lose) in enumerate(losses.items(), start=1):
                await lose()
                await ends[client].wait()
                assert len(told) == gone
                assert told[client].count("event: progress") == 1
        tasks.cancel_scope.cancel()


@pytest.fixture
def _asks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_module, "_READ_AGAIN_S", 0.0)
    monkeypatch.setattr(routes_module, "READ_AGAIN_S", 0.0)


@ON_SQLITE_ONLY
@pytest.mark.usefixtures("_asks_each_time")
async def test_what_a_key_has_begun_changes_nothing_once_it_is_revoked(services: Services) -> None:
    key_id, key = await store_key(services, Role.ADMIN)

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"name": "afterwards",'
        async with services.database.write() as tx:
            await revoke_key(tx, DEFAULT_PROJECT, key_id, services.now())
        yield b'"role": "admin"}'

    async with browsing(services) as client:
        answer = await client.post("/api/keys", content=slowly(), headers={"authorization": f"Bearer {key}"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    async with services.database.read() as tx:
        assert [each.id for each in await list_keys(tx, DEFAULT_PROJECT)] == [key_id]


@ON_SQLITE_ONLY
@pytest.mark.usefixtures("_asks_each_time")
async def test_an_answer_is_broken_off_once_the_key_is_revoked(services: Services) -> None:
    key_id, key = await store_key(services, Role.EDITOR)
    bearer = {"authorization": f"Bearer {key}"}
    content, received = b"x" * 500_000, bytearray()
    async with browsing(services) as client:
        file = {"file": ("a.jsonl", content)}
        stored = (await client.post("/v1/files", files=file, data={"purpose": "evals"}, headers=bearer)).json()
        answers = client._transport  # a part that is sent is what revokes the key
        assert isinstance(answers, httpx2.ASGITransport)
        app = answers.app

        async def revoking(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_and_revoke(message: Message) -> None:
                received.extend(message.get("body", b""))
                if message.get("more_body"):
                    async with services.database.write() as tx:
                        await revoke_key(tx, DEFAULT_PROJECT, key_id, services.now())
                await send(message)

            await app(scope, receive, send_and_revoke)

        answers.app = revoking
        with suppress(AssertionError):  # the transport misses the end
            await client.get(f"/v1/files/{stored['id']}/content", headers=bearer)

    assert 0 < len(received) < len(content)
