"""Facts about sessions: who is logged in, for how long, and which requests may act by the cookie."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import anyio
import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from evalhaven.access.permissions import OF_ROLES, Role
from evalhaven.access.sessions import IDLE_S, LIFETIME_S, NAMELESS, checked_way_back, cookies_of
from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.door import Door, LoginPolicy
from evalhaven.api.access.logins import Logins
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.api.access.sessions import new_session
from evalhaven.api.application import build_application
from evalhaven.api.services import Services
from evalhaven.app.server import settle_access
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope, ProjectScope
from evalhaven.settings import Settings
from evalhaven.storage.access.keys import insert_key, revoke_key
from evalhaven.storage.access.limits import save_key_limit
from evalhaven.storage.access.members import delete_member, insert_member, update_member
from evalhaven.storage.access.people import Person, get_person, insert_person
from evalhaven.storage.access.sessions import insert_session
from evalhaven.storage.access.tables import audit, sessions
from evalhaven.storage.tables import projects
from tests.databases import ON_SQLITE_ONLY
from tests.unit.domain.still_clock import StillClock

ORGANIZATION = OrganizationScope()
OWN = {"origin": "http://127.0.0.1:8765"}
SEVEN = ProjectScope(7)
COOKIE = NAMELESS.session


@asynccontextmanager
async def browsing(services: Services) -> AsyncGenerator[httpx2.AsyncClient]:
    """Open a client that keeps cookies, as the dashboard's browser does."""

    @asynccontextmanager
    async def lifespan(_application: FastAPI) -> AsyncGenerator[None]:
        yield

    transport = httpx2.ASGITransport(build_application(services, lifespan))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        yield client


async def store_key(services: Services, role: Role | None, **more: int) -> tuple[str, str]:
    """Store a key of the first project, or an admin key; return its id and secret."""
    if role is None:
        key, secret = make_admin_key(services.ids, "admin", services.now())
    else:
        key, secret = make_key(services.ids, f"key of {role}", OF_ROLES[role], services.now())
    async with services.database.write() as tx:
        await insert_key(tx, DEFAULT_PROJECT if role else ORGANIZATION, replace(key, **more))
    services.door.forget()
    return key.id, secret


async def add_project(services: Services) -> None:
    async with services.database.write() as tx:
        values = {"id": SEVEN.project_id, "public_id": "proj_seven", "name": "Seven", "created_at": 0}
        await tx.execute(projects.insert().values(values))
    services.door.forget()


async def store_person(
    services: Services,
    name: str,
    role: Role | None,
    *,
    is_admin: bool = False,
    email: str = "",
    is_verified: bool = True,
) -> Person:
    """Store somebody who has logged in, as a member of the first project."""
    address = email or f"{name}@example.org"
    told = Person(
        services.ids.new_person_id(), "https://id.example", name, address, name.title(), is_admin, 1, is_verified
    )
    async with services.database.write() as tx:
        await insert_person(tx, ORGANIZATION, told)
        person = await get_person(tx, ORGANIZATION, told.id)
        if role is not None:
            await insert_member(tx, DEFAULT_PROJECT, person.key, role, 1)
    return person


async def log_person_in(services: Services, client: httpx2.AsyncClient, person: Person) -> None:
    session, token = new_session(services.ids, services.now(), DEFAULT_PROJECT, person=person.key)
    async with services.database.write() as tx:
        await insert_session(tx, ORGANIZATION, session)
    client.cookies.set(COOKIE, token)


def clock_of(services: Services) -> StillClock:
    return cast("StillClock", services.clock)


async def test_a_browser_logs_in_with_a_key_and_out_again(services: Services) -> None:
    _, secret = await store_key(services, Role.EDITOR)
    async with browsing(services) as client:
        nobody = (await client.get("/api/session")).json()
        assert (nobody["access"], nobody["caller"], nobody["projects"]) == ("keys", None, [])
        assert nobody["ways_to_log_in"] == {"key": True, "provider": None}
        assert (await client.get("/v1/evals")).status_code == 401

        answer = await client.post("/api/session", json={"key": secret}, headers=OWN)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={LIFETIME_S}"} <= set(cookie.split("; "))
        told = answer.json()
        assert (told["caller"]["name"], told["caller"]["role"]) == ("key of editor", "editor")
        assert told["caller"]["permissions"] == ["read", "write", "models"]
        assert told["project"] == {"id": "proj_default", "name": told["project"]["name"]}
        assert told["projects"] == [told["project"]]
        assert told["expires_at"] == services.now() + LIFETIME_S
        assert (await client.get("/api/session")).json() == told
        token = client.cookies[COOKIE]
        assert secret not in answer.text + str(answer.headers)
        async with services.database.read() as tx:
            stored = (await tx.execute(select(sessions))).one()
        assert token.encode() not in stored.digest

        assert (await client.get("/v1/evals")).status_code == 200
        assert (await client.get("/api/keys")).status_code == 403
        left = await client.delete("/api/session", headers=OWN)
        assert left.json() == {"object": "session.deleted", "deleted": True, "logout_url": None}
        assert COOKIE not in client.cookies
        client.cookies.set(COOKIE, token)
        refused = await client.get("/v1/evals")
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "session_ended")
        async with services.database.read() as tx:
            actions = [row.action for row in await tx.execute(select(audit).order_by(audit.c.key))]
        assert actions == ["session.created", "session.ended"]


@ON_SQLITE_ONLY
@pytest.mark.parametrize(
    ("headers", "is_accepted"),
    [
        (OWN, True),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", **OWN}, True),
        ({}, False),  # a fetch that says neither
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://localhost:3000"}, False),  # may write with a key (EVALHAVEN_ALLOWED_ORIGINS)
        ({"origin": "http://127.0.0.1:8766"}, False),  # another port, to which the browser sends the cookie
        ({"sec-fetch-site": "same-site", **OWN}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, False),  # a form of another page
    ],
)
async def test_a_cookie_writes_only_for_the_dashboards_own_pages(
    services: Services, headers: dict[str, str], is_accepted: bool
) -> None:
    _, secret = await store_key(services, Role.EDITOR)
    async with browsing(services) as client:
        await client.post("/api/session", json={"key": secret}, headers=OWN)
        form = {
            "content": b"purpose=evals",
            "headers": {"content-type": "application/x-www-form-urlencoded", **headers},
        }
        for method, path, given in (
            ("POST", "/v1/evals", {"json": {}, "headers": headers}),
            ("POST", "/v1/files", form),
            ("DELETE", "/v1/files/file-0000000000000000000000", {"headers": headers}),
            ("POST", "/api/session", {"json": {"project": "proj_default"}, "headers": headers}),
        ):
            answer = await client.request(method, path, **cast("Any", given))
            is_foreign = answer.status_code == 403 and answer.json()["error"]["code"] == "foreign_origin"
            assert is_foreign is not is_accepted, (path, answer.text)
        if not is_accepted:
            assert (await client.delete("/api/session", headers=headers)).status_code == 403
            assert (await client.post("/api/session", json={"key": secret}, headers=headers)).status_code == 403
            assert (await client.get("/v1/evals")).status_code == 200
        # A key of its own is no cookie: a program needs no origin.
        bearer = {"authorization": f"Bearer {secret}"}
        assert (await client.post("/v1/evals", json={}, headers=bearer)).status_code == 400


@ON_SQLITE_ONLY
async def test_a_cookie_reads_for_links_of_others_but_not_for_their_scripts(services: Services) -> None:
    _, secret = await store_key(services, Role.VIEWER)
    async with browsing(services) as client:
        await client.post("/api/session", json={"key": secret}, headers=OWN)
        for headers, status in (
            ({}, 200),
            ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 200),
            ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
            ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
            ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, 403),
            ({"origin": "http://127.0.0.1:8766"}, 403),
        ):
            assert (await client.get("/v1/evals", headers=headers)).status_code == status, headers


@ON_SQLITE_ONLY
async def test_no_browser_keeps_what_only_those_who_are_logged_in_may_see(services: Services) -> None:
    _, key = await store_key(services, Role.EDITOR)
    async with browsing(services) as client:
        await client.post("/api/session", json={"key": key}, headers=OWN)
        sent = await client.post(
            "/v1/files", files={"file": ("a.jsonl", b"{}")}, data={"purpose": "evals"}, headers=OWN
        )
        # It has a date, from which a browser concludes how long it may keep what says nothing of that.
        content = await client.get(f"/v1/files/{sent.json()['id']}/content")
        assert content.headers.items() >= {("cache-control", "no-store")}
        assert "last-modified" in content.headers


@ON_SQLITE_ONLY
async def test_a_session_ends_when_it_is_idle_and_after_a_week(services: Services) -> None:
    _, secret = await store_key(services, Role.VIEWER)
    clock, login = clock_of(services), services.now()
    async with browsing(services) as client:

        async def is_in() -> bool:
            await services.door.note_uses()
            services.door.forget()
            return (await client.get("/v1/evals")).status_code == 200

        await client.post("/api/session", json={"key": secret}, headers=OWN)
        while clock.time + IDLE_S - 1 < login + LIFETIME_S:
            clock.time += IDLE_S - 1
            assert await is_in(), clock.time - login
            await services.door.note_uses()
        clock.time = login + LIFETIME_S - 1
        assert await is_in()
        clock.time += 1
        assert not await is_in()

        await client.post("/api/session", json={"key": secret}, headers=OWN)
        async with services.database.read() as tx:
            assert len((await tx.execute(select(sessions))).all()) == 1  # the ended one is gone
        clock.time += IDLE_S
        assert not await is_in()


@ON_SQLITE_ONLY
async def test_a_session_ends_with_its_key(services: Services) -> None:
    clock = clock_of(services)
    key_id, secret = await store_key(services, Role.VIEWER)
    _, expiring = await store_key(services, Role.VIEWER, expires_at=services.now() + 60)
    async with browsing(services) as one, browsing(services) as other:
        await one.post("/api/session", json={"key": secret}, headers=OWN)
        await other.post("/api/session", json={"key": expiring}, headers=OWN)
        clock.time += 60
        refused = await other.get("/v1/evals")
        assert (refused.status_code, "expired on" in refused.text) == (401, True)
        assert (await other.get("/api/session")).json()["caller"] is None
        assert (await one.get("/v1/evals")).status_code == 200
        async with services.database.write() as tx:
            await revoke_key(tx, DEFAULT_PROJECT, key_id, services.now())
        services.door.forget()
        assert (await one.get("/v1/evals")).status_code == 401


@ON_SQLITE_ONLY
async def test_who_is_logged_out_or_loses_a_role_on_one_server_does_so_within_a_second_on_every_other(
    services: Services,
) -> None:
    other = replace(services, door=Door(services.database, services.clock, LoginPolicy(frozenset(OWN.values()))))
    person = await store_person(services, "ann", Role.ADMIN)
    await store_key(services, None)
    async with browsing(services) as here, browsing(other) as there:
        await log_person_in(services, here, person)
        there.cookies.set(COOKIE, here.cookies[COOKIE])
        assert [(await each.get("/api/keys")).status_code for each in (here, there)] == [200, 200]
        async with services.database.write() as tx:
            await update_member(tx, DEFAULT_PROJECT, person.key, Role.VIEWER)
        await anyio.sleep(1.0)
        refused = await there.get("/api/keys")
        assert (refused.status_code, "Ask an administrator of the project" in refused.text) == (403, True)
        assert (await there.get("/v1/evals")).status_code == 200
        await here.delete("/api/session", headers=OWN)
        await anyio.sleep(1.0)
        assert (await there.get("/v1/evals")).status_code == 401


@ON_SQLITE_ONLY
async def test_a_browser_is_logged_in_at_several_servers_of_one_host_at_once(services: Services) -> None:
    _, secret = await store_key(services, Role.EDITOR)

    def named(identity: str) -> Services:
        cookies = cookies_of(identity)
        policy = LoginPolicy(frozenset(OWN.values()), cookies=cookies)
        door = Door(services.database, services.clock, policy)
        return replace(services, door=door, logins=Logins(Attempts(), None, is_secure=False, cookies=cookies))

    async with browsing(named("one")) as one, browsing(named("two")) as two, browsing(named("one")) as replica:
        # A browser keeps the cookies of a host together, whatever the port.
        two.cookies = replica.cookies = one.cookies.jar  # pyright: ignore[reportAttributeAccessIssue]
        for client in (one, two):
            assert (await client.post("/api/session", json={"key": secret}, headers=OWN)).status_code == 200
        assert [(await each.get("/v1/evals")).status_code for each in (one, two, replica)] == [200, 200, 200]
        assert (await two.delete("/api/session", headers=OWN)).json()["deleted"]
        assert [(await each.get("/v1/evals")).status_code for each in (one, two, replica)] == [200, 401, 200]
        assert len(one.cookies) == 1


@ON_SQLITE_ONLY
async def test_a_session_looks_at_one_project_and_can_change_over_to_another(services: Services) -> None:
    await add_project(services)
    _, admin = await store_key(services, None)
    _, viewer = await store_key(services, Role.VIEWER)
    person = await store_person(services, "ann", Role.ADMIN)
    async with services.database.write() as tx:
        await insert_member(tx, SEVEN, person.key, Role.VIEWER, 1)
    async with browsing(services) as client:

        async def look_at(project: str) -> httpx2.Response:
            return await client.post("/api/session", json={"project": project}, headers=OWN)

        assert (await look_at("proj_seven")).status_code == 401
        await client.post("/api/session", json={"key": admin}, headers=OWN)
        told = (await look_at("proj_seven")).json()
        assert (told["project"]["name"], [each["id"] for each in told["projects"]]) == (
            "Seven",
            ["proj_default", "proj_seven"],
        )
        assert (await client.get("/api/session")).json()["project"]["id"] == "proj_seven"
        chosen = await client.post("/api/session", json={"key": admin, "project": "proj_seven"}, headers=OWN)
        assert chosen.json()["project"]["id"] == "proj_seven"
        assert (await look_at("proj_eight")).json()["error"]["param"] == "project"

        await client.post("/api/session", json={"key": viewer}, headers=OWN)
        assert (await look_at("proj_seven")).status_code == 404
        assert (await client.get("/api/session")).json()["project"]["id"] == "proj_default"

        await log_person_in(services, client, person)
        assert (await client.get("/api/session")).json()["caller"]["role"] == "admin"
        # A page that was opened before another one changed over goes on to act in its own project.
        here = {"openai-project": "proj_default"}
        assert (await look_at("proj_seven")).json()["caller"]["role"] == "viewer"
        assert (await client.get("/api/members", headers=here)).status_code == 200
        assert (await client.get("/api/members")).status_code == 403
        foreign = await client.get("/v1/evals", headers={"openai-project": "proj_eight"})
        assert (foreign.status_code, foreign.json()["error"]["code"]) == (401, "mismatched_project")
        async with services.database.write() as tx:
            await delete_member(tx, SEVEN, person.key)
        services.door.forget()
        told = (await client.get("/api/session")).json()
        assert (told["caller"]["permissions"], told["project"]["id"]) == ([], "proj_seven")
        assert [each["id"] for each in told["projects"]] == ["proj_default"]
        refused = await client.get("/v1/evals")
        assert (refused.status_code, "Choose another project" in refused.text) == (403, True)
        assert (await look_at("proj_default")).json()["caller"]["role"] == "admin"


@ON_SQLITE_ONLY
async def test_a_start_with_another_provider_or_none_logs_out_whom_the_one_before_knew(services: Services) -> None:
    _, key = await store_key(services, Role.VIEWER)
    person = await store_person(services, "ann", Role.VIEWER)  # of https://id.example
    async with browsing(services) as ann, browsing(services) as other:
        await log_person_in(services, ann, person)
        await other.post("/api/session", json={"key": key}, headers=OWN)
        for issuer, answered in (("https://id.example/", 200), (None, 401)):
            settings = Settings.model_validate({"data_dir": services.spool_dir, "oidc_issuer": issuer})
            await settle_access(settings, services, print)
            services.door.forget()
            assert (await ann.get("/v1/evals")).status_code == answered
            assert (await other.get("/v1/evals")).status_code == 200


@ON_SQLITE_ONLY
async def test_who_administers_the_organization_is_decided_by_the_setting_of_each_start(services: Services) -> None:
    await add_project(services)
    await store_key(services, None)
    person = await store_person(services, "ann", None, is_admin=True)
    named = replace(
        services,
        door=Door(
            services.database,
            services.clock,
            LoginPolicy(frozenset(OWN.values()), admins=frozenset({"ann@example.org"})),
        ),
    )
    async with browsing(named) as client:
        await log_person_in(named, client, person)
        told = (await client.get("/api/session")).json()
        assert (told["caller"]["role"], len(told["projects"])) == ("admin", 2)
        assert (await client.get("/api/admin_keys")).status_code == 200
        assert (await client.get("/v1/evals", headers={"openai-project": "proj_seven"})).status_code == 200
    async with browsing(services) as client:
        await log_person_in(services, client, person)
        assert (await client.get("/api/session")).json()["caller"]["permissions"] == []


@ON_SQLITE_ONLY
async def test_attempts_are_limited_by_address_and_wrong_keys_are_told_apart_from_none(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await store_key(services, Role.VIEWER)
    async with browsing(services) as client:

        async def attempt(key: str) -> httpx2.Response:
            return await client.post("/api/session", json={"key": key}, headers=OWN)

        for number in range(10):
            refused = await attempt(f"sk-{number:043}")
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        stopped = await attempt(secret)
        assert stopped.status_code == 429
        assert 1 <= int(stopped.headers["retry-after"]) <= 60
        assert stopped.json()["error"]["code"] == "too_many_attempts"
        monkeypatch.setattr("evalhaven.api.access.attempts._WITHIN_S", 0.0)
        assert (await attempt(f"  {secret}\n")).status_code == 200


@ON_SQLITE_ONLY
async def test_logins_count_among_the_requests_of_the_key(services: Services) -> None:
    key_id, key = await store_key(services, Role.VIEWER)
    async with services.database.write() as tx:
        await save_key_limit(tx, DEFAULT_PROJECT, key_id, 2)
    async with browsing(services) as client:
        answers = [await client.post("/api/session", json={"key": key}, headers=OWN) for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[2].json()["error"]["code"] == "rate_limit_exceeded"


@ON_SQLITE_ONLY
async def test_without_keys_nobody_has_to_log_in_and_nobody_can(services: Services) -> None:
    async with browsing(services) as client:
        told = (await client.get("/api/session")).json()
        assert (told["access"], told["caller"]["kind"], told["caller"]["role"]) == ("open", "anyone", "admin")
        assert told["ways_to_log_in"] == {"key": False, "provider": None}
        refused = await client.post("/api/session", json={"key": "sk-1"}, headers=OWN)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "no_keys")
        for body, param in (({}, "key"), ({"key": ""}, "key"), ({"key": 1}, "key")):
            answer = await client.post("/api/session", json=body, headers=OWN)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@ON_SQLITE_ONLY
async def test_a_key_of_its_own_counts_before_a_cookie(services: Services) -> None:
    _, viewer = await store_key(services, Role.VIEWER)
    _, editor = await store_key(services, Role.EDITOR)
    async with browsing(services) as client:
        await client.post("/api/session", json={"key": viewer}, headers=OWN)
        bearer = {"authorization": f"Bearer {editor}"}
        assert (await client.get("/api/session", headers=bearer)).json()["caller"]["name"] == "key of editor"
        wrong = {"authorization": "Bearer sk-wrong"}
        assert (await client.get("/v1/evals", headers=wrong)).status_code == 401


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/evals?search=a%20b&type=logs", None),
        ("/evals/eval_1/runs/evalrun_1/items?status=%5B%22error%22%5D", None),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("evals", "/"),
        ("/evals\r\nset-cookie: a=b", "/"),
        ("/../../v1/evals", "/"),
        ("/%2e%2e/v1/evals", "/"),
        ("/a" * 2000, "/"),
        (None, "/"),
    ],
)
def test_a_login_leads_back_to_a_page_of_the_dashboard_only(address: str | None, expected: str | None) -> None:
    assert checked_way_back(address) == (expected or address)
