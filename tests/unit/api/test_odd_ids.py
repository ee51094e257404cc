"""Facts about ids, texts and times that no database could hold: where access is managed, too, they are refused."""

import json

from sqlalchemy import select

from evalhaven.access.keys import LATEST_EXPIRY, day_of
from evalhaven.api.services import Services
from evalhaven.storage.access.tables import audit
from tests.contract.conftest import eval_body
from tests.databases import ON_SQLITE_ONLY
from tests.unit.api.test_sessions import OWN, browsing, store_key

_PROJECT = "/v1/organization/projects/proj_default"
_UNKNOWN = [
    ("GET", "/v1/organization/projects/{}"),
    ("POST", "/v1/organization/projects/{}/archive"),
    ("GET", f"{_PROJECT}/api_keys/{{}}"),
    ("DELETE", f"{_PROJECT}/api_keys/{{}}"),
    ("GET", f"{_PROJECT}/service_accounts/{{}}"),
    ("DELETE", f"{_PROJECT}/service_accounts/{{}}"),
    ("DELETE", "/api/keys/{}"),
    ("DELETE", "/api/admin_keys/{}"),
    ("DELETE", "/api/members/{}"),
]
_CURSORS = [f"/v1/organization/projects{rest}?after={{}}" for rest in ("", "/proj_default/api_keys")]
_FILTERS = [f"/api/audit{rest}?{name}={{}}" for rest in ("", "/export") for name in ("action", "caller", "target")]


async def test_an_id_with_a_nul_is_an_unknown_one(services: Services) -> None:
    _, secret = await store_key(services, None)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        for odd in ("%00", "a%00b"):
            for method, path in _UNKNOWN:
                answer = await client.request(method, path.format(odd))
                assert answer.status_code == 404, (method, path, answer.text)
            for path in _CURSORS:
                assert (await client.get(path.format(odd))).status_code == 400, path
            for path in _FILTERS:
                answer = await client.get(path.format(odd))
                assert (answer.status_code, answer.text.count("target")) == (200, 0), path


async def test_a_text_that_cannot_be_encoded_names_nobody_and_opens_nothing(services: Services) -> None:
    _, secret = await store_key(services, None)
    async with browsing(services) as client:
        for odd in ("\0", "\ud800"):
            refused = await client.post("/api/session", content=json.dumps({"key": odd}), headers=OWN)
            assert refused.status_code == 401, refused.text
            told = json.dumps({"key": secret, "project": odd})
            assert (await client.post("/api/session", content=told, headers=OWN)).status_code == 404
            told = json.dumps({"person": odd, "role": "viewer"})
            headers = {"authorization": f"Bearer {secret}"}
            assert (await client.post("/api/members", content=told, headers=headers)).status_code == 404


async def test_an_import_from_an_origin_with_a_nul_is_in_the_audit_log(services: Services) -> None:
    _, secret = await store_key(services, None)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        parent = (await client.post("/v1/evals", json=eval_body())).json()
        line = json.dumps({**parent, "id": "eval_00000000000000000000000000000001"})
        answer = await client.post("/api/import/evals?origin=a%00b", content=line)
        assert (answer.status_code, answer.json()["created"]) == (200, 1), answer.text
        found = (await client.get("/api/audit?target=a%00b")).json()["data"]
        assert [(each["action"], each["details"]) for each in found] == [("eval.imported", {"evals": 1})]
        async with services.database.read() as tx:
            assert [row.target_id for row in (await tx.execute(select(audit))).all()] == ["a\ufffdb"]


@ON_SQLITE_ONLY
async def test_a_key_expires_before_the_year_10000(services: Services) -> None:
    _, secret = await store_key(services, None)
    async with browsing(services) as client:
        client.headers["authorization"] = f"Bearer {secret}"
        made = await client.post("/api/keys", json={"name": "long", "expires_at": LATEST_EXPIRY})
        assert (made.status_code, made.json()["expires_at"]) == (200, LATEST_EXPIRY)
        assert day_of(LATEST_EXPIRY).startswith("9999-12-31")
        for path, name, most in (
            ("/api/keys", "expires_at", LATEST_EXPIRY),
            ("/api/admin_keys", "expires_at", LATEST_EXPIRY),
            (f"{_PROJECT}/service_accounts", "expires_in_seconds", LATEST_EXPIRY - services.now()),
        ):
            for late in (most + 1, 2**63):
                refused = await client.post(path, json={"name": "late", name: late})
                assert (refused.status_code, refused.json()["error"]["param"]) == (400, name), refused.text
