"""Facts about members: who is what in a project, who may change that, and that an administrator stays."""

from dataclasses import replace

import httpx2
from sqlalchemy import select

from evalhaven.access.permissions import Role
from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage.access.people import insert_person
from evalhaven.storage.access.tables import audit
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.test_sessions import ORGANIZATION, OWN, browsing, log_person_in, store_key, store_person


async def test_an_administrator_adds_changes_and_removes_members(services: Services) -> None:
    await store_key(services, None)
    ann = await store_person(services, "ann", Role.ADMIN)
    bob = await store_person(services, "bob", None)
    async with browsing(services) as admin, browsing(services) as member:
        await log_person_in(services, admin, ann)
        await log_person_in(services, member, bob)
        assert (await member.get("/v1/evals")).status_code == 403

        added = await admin.post("/api/members", json={"person": "BOB@example.org", "role": "editor"}, headers=OWN)
        assert added.status_code == 200, added.text
        told = added.json()
        assert (told["object"], told["person"]["id"], told["role"]) == ("member", bob.id, "editor")
        assert (await member.get("/api/session")).json()["caller"]["role"] == "editor"
        listed = (await admin.get("/api/members")).json()["data"]
        assert [(each["person"]["name"], each["role"]) for each in listed] == [("Ann", "admin"), ("Bob", "editor")]

        changed = await admin.post(f"/api/members/{bob.id}", json={"role": "viewer"}, headers=OWN)
        assert changed.json()["role"] == "viewer"
        refused = await member.post("/v1/evals", json={}, headers=OWN)
        assert (refused.status_code, "'Bob' may not create, change" in refused.text) == (403, True)
        assert (await member.get("/api/members")).status_code == 403

        removed = await admin.delete(f"/api/members/{bob.id}", headers=OWN)
        assert removed.json() == {"object": "member.deleted", "id": bob.id, "deleted": True}
        assert (await member.get("/v1/evals")).status_code == 403
        async with services.database.read() as tx:
            deeds = (await tx.execute(select(audit).order_by(audit.c.key))).all()
        assert [(each.action, each.caller_id, each.target_id, each.project_id) for each in deeds] == [
            (f"member.{what}", ann.id, bob.id, DEFAULT_PROJECT.project_id) for what in ("added", "changed", "removed")
        ]


@ON_SQLITE_ONLY
async def test_the_last_administrator_of_a_project_stays_one(services: Services) -> None:
    _, secret = await store_key(services, None)
    ann = await store_person(services, "ann", Role.ADMIN)
    bob = await store_person(services, "bob", Role.VIEWER)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"

        async def leave() -> list[httpx2.Response]:
            demoted = await client.post(f"/api/members/{ann.id}", json={"role": "editor"})
            return [demoted, await client.delete(f"/api/members/{ann.id}")]

        for refused, param in zip(await leave(), ("role", "person_id"), strict=True):
            error = refused.json()["error"]
            assert (refused.status_code, error["code"], error["param"]) == (400, "last_admin", param)
            assert error["message"].startswith("'Ann' is the last administrator of the project.")
        assert (await client.post(f"/api/members/{ann.id}", json={"role": "admin"})).status_code == 200
        await client.post(f"/api/members/{bob.id}", json={"role": "admin"})
        assert [each.status_code for each in await leave()] == [200, 200]


@ON_SQLITE_ONLY
async def test_what_cannot_be_added_is_refused_with_the_cure(services: Services) -> None:
    _, secret = await store_key(services, Role.ADMIN)
    ann = await store_person(services, "ann", Role.VIEWER)
    async with services.database.write() as tx:
        other = replace(ann, id=services.ids.new_person_id(), issuer="https://other.example")
        await insert_person(tx, ORGANIZATION, other)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        for body, status, code in (
            ({"person": ann.id, "role": "viewer"}, 400, "already_member"),
            ({"person": "nobody@example.org", "role": "viewer"}, 400, "unknown_person"),
            ({"person": "ann@example.org", "role": "viewer"}, 400, "ambiguous_person"),
            ({"person": "user-unknown", "role": "viewer"}, 404, "not_found"),
            ({"person": ann.id, "role": "owner"}, 400, "invalid_value"),
            ({"role": "viewer"}, 400, "invalid_value"),
        ):
            answer = await client.post("/api/members", json=body)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
        assert (await client.delete("/api/members/user-unknown")).status_code == 404
        # Who else is on the server is nothing to administrators of a project.
        assert (await client.get("/api/people")).status_code == 403


@ON_SQLITE_ONLY
async def test_people_are_found_by_whatever_they_are_called(services: Services) -> None:
    _, secret = await store_key(services, None)
    for name in ("ann", "bob", "a_b"):
        await store_person(services, name, None)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        for query, names, has_more in (
            ("", ["A_B", "Bob", "Ann"], False),
            ("limit=2", ["A_B", "Bob"], True),
            ("search=BOB@", ["Bob"], False),
            ("search=a_b", ["A_B"], False),
            ("search=%25", [], False),
        ):
            told = (await client.get(f"/api/people?{query}")).json()
            assert ([each["name"] for each in told["data"]], told["has_more"]) == (names, has_more)


@ON_SQLITE_ONLY
async def test_an_address_that_nobody_has_verified_makes_nobody_a_member(services: Services) -> None:
    _, secret = await store_key(services, None)
    mallory = await store_person(services, "mallory", None, email="boss@example.org", is_verified=False)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        body = {"person": "Boss@example.org", "role": "admin"}
        refused = await client.post("/api/members", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "unverified_address")
        assert f"{mallory.id} ('Mallory' of https://id.example)" in refused.json()["error"]["message"]
        boss = await store_person(services, "boss", None)
        assert (await client.post("/api/members", json=body)).json()["person"]["id"] == boss.id
        by_id = await client.post("/api/members", json={"person": mallory.id, "role": "viewer"})
        assert by_id.json()["person"]["is_email_verified"] is False
