"""Facts about the door: which routes are behind it, whom it lets in, and how soon it hears of changes."""

import ast
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
import structlog
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy import select, text, update

from evalhaven.access.permissions import OF_ROLES, Role
from evalhaven.api.access import door as door_module
from evalhaven.api.access.door import Door
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.api.access.permissions import PERMISSIONS, UnlistedRouteError, permission_for
from evalhaven.api.access.routes import GuardedRoute, guard_routes
from evalhaven.api.application import build_application
from evalhaven.api.services import Services
from evalhaven.app.first_key import FIRST_KEY_NAME, make_first_key
from evalhaven.domain.errors import UnknownCallerError
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.storage.access.keys import get_key, insert_key, revoke_key
from evalhaven.storage.access.tables import api_keys
from evalhaven.storage.database import Database
from evalhaven.storage.tables import projects
from tests.databases import ON_POSTGRESQL_ONLY, ON_SQLITE_ONLY
from tests.unit.domain.still_clock import StillClock


@asynccontextmanager
async def _lifespan(_application: FastAPI):  # type: ignore[no-untyped-def]
    yield


async def _store_key(database: Database, role: Role = Role.EDITOR, **more: int) -> tuple[str, str]:
    """Store a key; return its id and its secret."""
    key, secret = make_key(IdFactory(StillClock()), "a key", OF_ROLES[role], 100)
    async with database.write() as tx:
        await insert_key(tx, DEFAULT_PROJECT, replace(key, **more))
    return key.id, secret


@ON_SQLITE_ONLY
async def test_the_table_has_every_route_and_no_other(services: Services) -> None:
    application = build_application(services, _lifespan)
    routes = {
        (method, context.path)
        for context in iter_route_contexts(application.routes)
        for method in (context.methods or set()) - {"HEAD"}
    }

    assert routes == PERMISSIONS.keys()


def test_a_route_without_an_entry_is_not_even_made() -> None:
    router = APIRouter(route_class=GuardedRoute)

    async def answer() -> None:
        pass

    with pytest.raises(UnlistedRouteError, match="/api/new"):
        router.add_api_route("/api/new", answer)
    with pytest.raises(UnlistedRouteError, match="/v1/evals"):
        permission_for({"GET", "PUT"}, "/v1/evals")


@ON_SQLITE_ONLY
async def test_no_application_has_a_route_that_does_not_ask(services: Services) -> None:
    async def answer() -> None:
        pass

    plain = FastAPI(openapi_url=None)
    plain.add_api_route("/v1/evals", answer)
    moved = APIRouter(route_class=GuardedRoute)
    moved.add_api_route("/v1/evals", answer)
    elsewhere = FastAPI(openapi_url=None)
    elsewhere.include_router(moved, prefix="/elsewhere")
    mounted = FastAPI(openapi_url=None)
    mounted.mount("/v1", FastAPI())
    for application in (plain, elsewhere, mounted):
        with pytest.raises(UnlistedRouteError):
            guard_routes(application, services.door)


_CALLERS = ("DEFAULT_PROJECT", "LOCAL_OPERATOR")


def test_only_the_door_decides_about_the_project(repository: Path) -> None:
    naming = [
        str(path.relative_to(repository))
        for path in (repository / "src/evalhaven/api").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        # A refused login is nobody's, and is noted as that.
        if (isinstance(node, ast.Name) and node.id in (*_CALLERS, *(() if path.name == "logins.py" else ("ANYONE",))))
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ProjectScope")
    ]

    assert set(naming) == {"src/evalhaven/api/access/door.py"}


async def test_the_first_key_closes_the_server_and_revoking_it_does_not_open_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "_READ_AGAIN_S", 0.0)
    door = Door(database, StillClock())
    assert (await door.identify(None, None)).kind == "anyone"
    assert (await door.identify(b"anything", "proj_of_another_account")).scope == DEFAULT_PROJECT

    key_id, secret = await _store_key(database)
    with structlog.testing.capture_logs() as lines:
        caller = await door.identify(secret.encode(), None)
        assert (caller.id, caller.permissions) == (key_id, OF_ROLES[Role.EDITOR])
        with pytest.raises(UnknownCallerError, match="needs an API key"):
            await door.identify(None, None)
    assert [line["needs"] for line in lines] == ["an API key for every request, since there is one now"]
    async with database.write() as tx:
        assert await revoke_key(tx, DEFAULT_PROJECT, key_id, 200)
    with pytest.raises(UnknownCallerError, match="was revoked on 1970-01-01 00:03 UTC"):
        await door.identify(secret.encode(), None)
    with pytest.raises(UnknownCallerError, match="not one of this server's"):
        await door.identify(secret.encode()[:-1] + (b"1" if secret.endswith("0") else b"0"), None)


@ON_POSTGRESQL_ONLY
async def test_a_database_that_stands_still_keeps_nobody_out_of_an_open_server(
    services: Services, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = services.door
    assert not await door.needs_keys()
    monkeypatch.setattr(door_module, "_TELLS_WITHIN_S", 0.05)
    looks: list[object] = []
    look = door_module.has_keys

    async def counted(tx: object, scope: object) -> bool:
        looks.append(tx)
        return await look(tx, scope)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(door_module, "has_keys", counted)
    async with database.write() as tx:
        await tx.execute(text(f"LOCK TABLE {api_keys.name} IN ACCESS EXCLUSIVE MODE"))
        door.forget()
        # They would wait for as long as the lock is held, which is until they are through.
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                for _ in range(50):
                    tasks.start_soon(door.identify, b"anything", None)
            assert len(looks) <= 1
            door.forget()
            transport = httpx2.ASGITransport(build_application(services, _lifespan))
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
                assert (await client.get("/api/server")).json() == {"access": "open"}
                assert (await client.get("/api/session")).json()["access"] == "open"
            assert len(looks) <= 2
    monkeypatch.undo()
    await _store_key(database)
    door.forget()
    assert await door.needs_keys()


@ON_POSTGRESQL_ONLY
async def test_of_several_servers_that_start_at_once_one_makes_the_first_key(services: Services) -> None:
    shown: list[str] = []
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            server = replace(services, door=Door(services.database, StillClock()))
            tasks.start_soon(make_first_key, server, shown.append)
    (secret,) = shown
    assert (await services.door.identify(secret.encode(), None)).id.startswith("key_")
    async with services.database.read() as tx:
        (only,) = (await tx.execute(select(api_keys.c.public_id, api_keys.c.name))).all()
    assert only.name == FIRST_KEY_NAME


@ON_SQLITE_ONLY
async def test_a_key_that_another_server_revokes_is_refused_within_a_second(database: Database) -> None:
    one, other = Door(database, StillClock()), Door(database, StillClock())
    key_id, secret = await _store_key(database)
    for door in (one, other):
        await door.identify(secret.encode(), None)
    async with database.write() as tx:
        await revoke_key(tx, DEFAULT_PROJECT, key_id, 200)
    one.forget()
    with pytest.raises(UnknownCallerError, match="revoked"):
        await one.identify(secret.encode(), None)
    await anyio.sleep(1.0)
    with pytest.raises(UnknownCallerError, match="revoked"):
        await other.identify(secret.encode(), None)


@ON_SQLITE_ONLY
async def test_a_key_is_read_once_for_all_who_ask_meanwhile_and_no_text_that_is_no_key(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await _store_key(database)
    reads: list[bytes] = []
    find = door_module.find_held_key

    async def counted(tx: object, scope: object, digest: bytes) -> object:
        reads.append(digest)
        return await find(tx, scope, digest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(door_module, "find_held_key", counted)
    door = Door(database, StillClock())
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(door.identify, secret.encode(), None)
    assert len(reads) == 1
    for sent in (b"anything", b"sk-short", b"x" * 100_000, secret.encode()[:-1] + "é".encode()):
        with pytest.raises(UnknownCallerError):
            await door.identify(sent, None)
    assert len(reads) == 1
    for _ in range(2):
        with pytest.raises(UnknownCallerError):
            await door.identify(b"sk-" + b"0" * 43, None)
    assert len(reads) == 2


@ON_SQLITE_ONLY
async def test_a_key_ends_when_it_expires_and_with_its_project(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "_READ_AGAIN_S", 0.0)
    clock = StillClock()
    door = Door(database, clock)
    _, short = await _store_key(database, expires_at=int(clock.now()))
    _, lasting = await _store_key(database, expires_at=int(clock.now()) + 1)
    with pytest.raises(UnknownCallerError, match="expired on"):
        await door.identify(short.encode(), None)
    await door.identify(lasting.encode(), None)
    async with database.write() as tx:
        await tx.execute(update(projects).values(archived_at=1))
    with pytest.raises(UnknownCallerError, match="'proj_default', which is archived"):
        await door.identify(lasting.encode(), None)


async def test_the_last_use_of_a_key_is_noted_at_most_once_a_minute(database: Database) -> None:
    clock = StillClock()
    door = Door(database, clock)
    key_id, secret = await _store_key(database)

    async def last_use() -> int | None:
        await door.identify(secret.encode(), None)
        await door.note_uses()
        async with database.read() as tx:
            return (await get_key(tx, DEFAULT_PROJECT, key_id)).last_used_at

    first = int(clock.now())
    assert await last_use() == first
    clock.time += 59
    assert await last_use() == first
    clock.time += 1
    assert await last_use() == first + 60


@ON_SQLITE_ONLY
async def test_the_token_of_this_machine_and_an_admin_key_act_in_the_project_that_is_named(database: Database) -> None:
    door = Door(database, StillClock())
    key, secret = make_admin_key(IdFactory(StillClock()), "admin", 100)
    async with database.write() as tx:
        await insert_key(tx, OrganizationScope(), key)
        await tx.execute(projects.insert().values(id=7, public_id="proj_7", name="Seven", created_at=0))
    door.trust_token("local-token")
    for sent in (secret.encode(), b"local-token"):
        assert (await door.identify(sent, None)).scope == DEFAULT_PROJECT
        assert (await door.identify(sent, "proj_7")).scope.project_id == 7
        with pytest.raises(UnknownCallerError, match="no such project"):
            await door.identify(sent, "proj_8")


@ON_SQLITE_ONLY
async def test_an_unready_server_says_why_only_to_those_who_have_a_key(services: Services) -> None:
    transport = httpx2.ASGITransport(build_application(services, _lifespan))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        assert "database" in (await client.get("/readyz")).json()
        _, secret = await _store_key(services.database, Role.VIEWER)
        services.door.forget()
        assert await services.door.needs_keys()
        assert (await client.get("/readyz")).json() == {"status": "ok"}
        assert "database" in (await client.get("/readyz", headers={"api-key": secret})).json()
