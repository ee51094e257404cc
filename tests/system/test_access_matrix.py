"""The authorization matrix: every route of the table, asked by every kind of caller.

The requests are made of the table itself, which a route cannot be left out of (tests/unit/api/test_door.py).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx2
import pytest

from evalhaven.access.permissions import ALL_PERMISSIONS, OF_ROLES, Permission, Role
from evalhaven.api.access.permissions import PERMISSIONS, PUBLIC
from tests.contract.conftest import eval_body, inline_source, wait_for_end
from tests.databases import TemporaryDatabase
from tests.server import Server
from tests.system.access import OTHER_ID, Keys, client_of, server_with_keys
from tests.system.commands import call_command

pytestmark = pytest.mark.parametrize(
    "database_kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)

MARK = "the-secret-of-the-first-project"
ROUTES = sorted(PERMISSIONS)
UNKNOWN = {
    "eval_id": "eval_00000000000000000000000000000000",
    "run_id": "evalrun_00000000000000000000000000000000",
    "output_item_id": "outputitem_00000000000000000000000000000000",
    "file_id": "file-0000000000000000000000",
    "upload_id": "upload_00000000000000000000000000000000",
    "completion_id": "chatcmpl-unknown",
    "response_id": "resp_unknown",
    "call_id": "chatcmpl-unknown",
    "key_id": "key_unknown",
    "person_id": "user-unknown",
    "project_id": "proj_unknown",
    "api_key_id": "key_unknown",
    "service_account_id": "svc_acct_unknown",
    "webhook_endpoint_id": "we_unknown",
    "delivery_id": "wh_unknown",
    "model:path": "no-such-model",
    "path:path": "evals",
}
# Whoever reads a route's answer learns nothing of a project by the ids in it.
OF_NO_PROJECT = {"model:path", "path:path"}
# What a request needs to be looked at beyond the ids in its path.
QUERIES: dict[str, dict[str, str]] = {
    "/api/events": {"runs": "{run_id}"},
    "/api/compare": {"runs": "{run_id}", "base": "{run_id}"},
    "/api/compare/items": {"run": "{run_id}", "base": "{run_id}"},
    "/api/compare/export": {"run": "{run_id}", "base": "{run_id}"},
    "/api/compare/report.html": {"run": "{run_id}", "base": "{run_id}"},
    "/api/runs/{run_id}/breakdown": {"field": "item.a"},
    "/api/import/evals/{eval_id}/runs": {"origin": "here"},
    "/api/import/evals/{eval_id}/runs/{run_id}/output_items": {"origin": "here"},
}
BODIES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/evals/{eval_id}"): {"name": "theirs"},
    ("POST", "/v1/evals/{eval_id}/runs"): {"data_source": inline_source()},
    ("POST", "/v1/chat/completions/{completion_id}"): {"metadata": {"whose": "theirs"}},
    ("POST", "/v1/uploads/{upload_id}/complete"): {"part_ids": []},
    ("POST", "/api/members/{person_id}"): {"role": "editor"},
    ("POST", "/api/runs/{run_id}/gate"): {"margin": 0.1},
    ("POST", "/api/logs/retention"): {"days": None},
    ("POST", "/api/keys/{key_id}"): {"requests_per_minute": None},
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}"): {},
    ("POST", "/v1/webhook_endpoints/{webhook_endpoint_id}/test"): {"event_type": "eval.run.succeeded"},
}


@dataclass(frozen=True)
class Access:
    """A server with keys, and the ids of what its first project holds."""

    server: Server
    keys: Keys
    ids: dict[str, str]

    def key_of(self, caller: str) -> str | None:
        return None if caller == "nobody" else str(getattr(self.keys, caller))


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase) -> Iterator[Access]:
    with temporary_database() as url, server_with_keys(tmp_path_factory.mktemp("matrix"), url) as (server, keys):
        with client_of(server, keys.editor) as http:
            ids = fill(http, MARK)
        with client_of(server, keys.admin) as http:
            listed = http.get("/api/keys").json()["data"]
            ids["person_id"] = http.get("/api/members").json()["data"][0]["person"]["id"]
            ids["key_id"] = next(each["id"] for each in listed if each["name"] == "viewer")
        yield Access(server, keys, ids)


def fill(http: httpx2.Client, mark: str) -> dict[str, str]:
    """Make one object of each kind, each with the mark in it; return their ids."""
    parent = http.post("/v1/evals", json=eval_body(name=mark, metadata={"m": mark})).json()
    rows = [{"item": {"a": mark, "b": mark}}]
    run = http.post(f"/v1/evals/{parent['id']}/runs", json={"name": mark, "data_source": inline_source(rows)}).json()
    assert wait_for_end(http, run)["status"] == "completed"
    items = http.get(f"/v1/evals/{parent['id']}/runs/{run['id']}/output_items").json()["data"]
    form = {"purpose": "evals"}
    file = http.post("/v1/files", files={"file": (f"{mark}.jsonl", json.dumps(rows[0]).encode())}, data=form).json()
    upload = http.post(
        "/v1/uploads", json={"filename": mark, "bytes": 1, "purpose": "evals", "mime_type": "text/jsonl"}
    ).json()
    calls = [
        {
            "request": {"model": "m", "messages": [{"role": "user", "content": mark}], "store": True},
            "reply": {"object": "chat.completion", "id": "chatcmpl-1", "model": "m", "choices": []},
        },
        {
            "request": {"model": "m", "input": mark},
            "reply": {"object": "response", "id": "resp_1", "model": "m", "status": "completed", "output": []},
        },
    ]
    stored = http.post("/api/logs", content="\n".join(map(json.dumps, calls))).json()
    assert stored["stored"] == 2, stored
    return {
        "eval_id": parent["id"],
        "run_id": run["id"],
        "output_item_id": items[0]["id"],
        "file_id": file["id"],
        "upload_id": upload["id"],
        "completion_id": "chatcmpl-1",
        "response_id": "resp_1",
        "call_id": "chatcmpl-1",
    }


def _ask(http: httpx2.Client, route: tuple[str, str], ids: dict[str, str]) -> httpx2.Response:
    """Make the request of a route, with these ids."""
    method, template = route
    known = {**UNKNOWN, **ids}

    def filled(text: str) -> str:
        for name, value in known.items():
            text = text.replace("{" + name + "}", value)
        return text

    path = filled(template)
    assert "{" not in path, f"what stands for the parameter of {template}? Say so in UNKNOWN."
    query = {name: filled(value) for name, value in QUERIES.get(template, {}).items()}
    return http.request(method, path, params=query, json=BODIES.get(route), follow_redirects=False)


@pytest.mark.parametrize("caller", ["nobody", "wrong", "revoked", "expired"])
def test_without_a_valid_key_every_route_but_the_public_ones_is_closed(access: Access, caller: str) -> None:
    with client_of(access.server, access.key_of(caller)) as http:
        for route in ROUTES:
            answer = _ask(http, route, access.ids)
            if PERMISSIONS[route] is PUBLIC:
                assert answer.status_code not in (401, 403), (route, answer.text)
            else:
                assert answer.status_code == 401, (route, answer.text)
                assert answer.json()["error"]["code"] == "invalid_api_key", route
                assert answer.headers["www-authenticate"].startswith("Bearer"), route
            assert MARK not in answer.text, route


_MAY: dict[str, frozenset[Permission]] = {
    "viewer": OF_ROLES[Role.VIEWER],
    "editor": OF_ROLES[Role.EDITOR],
    "admin": OF_ROLES[Role.ADMIN],
    "organization": ALL_PERMISSIONS,
}


@pytest.mark.parametrize("caller", _MAY)
def test_a_key_opens_the_routes_of_its_permissions_alone(access: Access, caller: str) -> None:
    with client_of(access.server, access.key_of(caller)) as http:
        for route in ROUTES:
            permission = PERMISSIONS[route]
            # Of nothing that is there, so that those who may delete something leave it to the others.
            answer = _ask(http, route, {})
            if permission is PUBLIC or permission in _MAY[caller]:
                assert answer.status_code not in (401, 403), (route, answer.text)
            else:
                assert answer.status_code == 403, (route, answer.text)
                error = answer.json()["error"]
                assert error["code"] == "insufficient_permissions", route
                assert repr(str(permission)) in error["message"], route
            assert answer.status_code < 500 or route[1].startswith("/ui"), (route, answer.text)


def test_the_objects_of_another_project_are_not_there_whatever_is_asked(access: Access) -> None:
    with client_of(access.server, access.keys.foreign) as http:
        for route in ROUTES:
            names = {name for name in UNKNOWN if "{" + name + "}" in str((route, QUERIES.get(route[1])))}
            answer = _ask(http, route, access.ids)
            if PERMISSIONS[route] is Permission.OPERATE:
                assert answer.status_code == 403, (route, answer.text)
            elif PERMISSIONS[route] is not PUBLIC and names - OF_NO_PROJECT:
                assert answer.status_code == 404, (route, answer.text)
            # An error names the id that was asked for, which its sender knows.
            told = answer.text if answer.status_code < 400 else ""
            for secret in (MARK, *access.ids.values()):
                assert PERMISSIONS[route] is PUBLIC or secret not in told, (route, answer.text)
    with client_of(access.server, access.keys.viewer) as http:
        for path in ("/v1/evals/{eval_id}", "/v1/files/{file_id}", "/v1/chat/completions/{completion_id}"):
            assert _ask(http, ("GET", path), access.ids).status_code == 200, path
        assert http.get(f"/v1/evals/{access.ids['eval_id']}").json()["name"] == MARK


def test_an_admin_key_acts_in_the_project_that_a_header_names(access: Access) -> None:
    path = f"/v1/evals/{access.ids['eval_id']}"
    with client_of(access.server, access.keys.organization) as http:
        assert http.get(path).status_code == 200
        assert http.get(path, headers={"openai-project": OTHER_ID}).status_code == 404
        unknown = http.get(path, headers={"openai-project": "proj_unknown"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "mismatched_project")


def test_a_key_of_a_project_opens_no_other_one(access: Access) -> None:
    with client_of(access.server, access.keys.viewer) as http:
        for project, status in (("proj_default", 200), (OTHER_ID, 401), ("proj_unknown", 401)):
            answer = http.get("/v1/evals", headers={"openai-project": project})
            assert answer.status_code == status
            assert status == 200 or answer.json()["error"]["code"] == "mismatched_project"


def test_logged_calls_are_counted_for_the_project_and_the_server_for_who_operates_it(access: Access) -> None:
    with client_of(access.server, access.keys.viewer) as http:
        today = http.get("/api/logs").json()["stored"]["oldest_day"]
    midnight = int(datetime.fromisoformat(f"{today}T00:00:00+00:00").timestamp())
    with client_of(access.server, access.keys.foreign) as http:
        request = {"model": "m", "messages": [{"role": "user", "content": "x"}], "store": True}
        reply = {"object": "chat.completion", "model": "m", "choices": []}
        lines = [
            json.dumps(
                {
                    "request": request,
                    "reply": {**reply, "id": f"chatcmpl-9{age}"},
                    "created_at": midnight - age * 86_400,
                }
            )
            for age in (0, 2, 2)
        ]
        assert http.post("/api/logs", content="\n".join(lines)).json()["stored"] == 2
        there = http.get("/api/logs").json()
    status = {}
    for caller in ("viewer", "admin", "organization"):
        with client_of(access.server, access.key_of(caller)) as http:
            status[caller] = http.get("/api/logs").json()
    viewer, organization = status["viewer"], status["organization"]

    assert (there["stored"]["calls"], len(there["stored"]["days"])) == (2, 2)
    assert viewer == status["admin"]
    assert (viewer["stored"]["calls"], [each["calls"] for each in viewer["stored"]["days"]]) == (2, [2])
    assert viewer["retention"] == organization["retention"]
    for shown in (viewer, there):
        assert [shown[name] for name in ("pending", "in_question", "lost", "servers")] == [None] * 4
        assert {(each["all_calls"], each["size_bytes"]) for each in (shown["stored"], *shown["stored"]["days"])} == {
            (None, None)
        }
    assert (organization["stored"]["calls"], organization["stored"]["all_calls"]) == (2, 4)
    assert [(each["calls"], each["all_calls"]) for each in organization["stored"]["days"]] == [(2, 3), (0, 1)]
    assert organization["stored"]["size_bytes"] > 0
    assert organization["lost"].keys() == {"overflow", "killed", "unreadable", "failed"}

    def told(key: str) -> str:
        return call_command("logs", "status", "--url", access.server.url, EVALHAVEN_API_KEY=key).stdout

    assert told(access.keys.viewer) == f"Stored calls: 2, the oldest of {today}.\nKept: 30 days.\n"
    assert f"Stored calls: 2 of this project, the oldest of {today}; 4 of all projects in " in told(
        access.keys.organization
    )


def test_an_unknown_address_is_unknown_to_everybody(access: Access) -> None:
    with client_of(access.server, None) as http:
        assert http.get("/v1/nothing").status_code == 404
        assert http.put("/v1/evals").status_code == 405


def test_no_key_is_written_to_the_log(access: Access) -> None:
    for name in Keys.__annotations__:
        assert str(access.key_of(name)) not in access.server.log
