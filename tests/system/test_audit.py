"""The audit log: who did what is written down with the deed, and read by those whom it concerns."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import eval_body, inline_source, wait_for_end
from tests.server import Server
from tests.system.access import Keys, client_of, server_with_keys
from tests.system.commands import call_command

_IMPORT = {"origin": "https://elsewhere.example"}


@dataclass(frozen=True)
class Audited:
    """A server with keys, and clients of some of them."""

    server: Server
    keys: Keys
    editor: httpx2.Client
    admin: httpx2.Client
    foreign: httpx2.Client
    organization: httpx2.Client


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    """A server on which something was done in both projects."""
    with (
        server_with_keys(tmp_path_factory.mktemp("audit")) as (server, keys),
        client_of(server, keys.editor) as editor,
        client_of(server, keys.admin) as admin,
        client_of(server, keys.foreign) as foreign,
        client_of(server, keys.organization) as organization,
    ):
        yield Audited(server, keys, editor, admin, foreign, organization)


def entries(client: httpx2.Client, **wanted: Any) -> list[dict[str, Any]]:
    """Return what a caller sees, newest first."""
    answer = client.get("/api/audit", params={"limit": 100, **wanted})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_deletions_are_written_down_with_name_key_and_request(audited: Audited) -> None:
    http = audited.editor
    parent = http.post("/v1/evals", json=eval_body(name="Old eval")).json()
    run = http.post(f"/v1/evals/{parent['id']}/runs", json={"name": "Old run", "data_source": inline_source()}).json()
    wait_for_end(http, run)
    form = {"purpose": "evals"}
    file = http.post("/v1/files", files={"file": ("old.jsonl", b'{"item": {}}\n')}, data=form).json()
    request = http.delete(f"/v1/evals/{parent['id']}/runs/{run['id']}").headers["x-request-id"]
    http.delete(f"/v1/evals/{parent['id']}")
    http.delete(f"/v1/files/{file['id']}")
    assert http.delete(f"/v1/files/{file['id']}").status_code == 404

    found = entries(audited.admin, caller="editor")[:3]
    told = [(each["action"], each["target"]["id"], each["details"]) for each in reversed(found)]
    assert told == [
        ("run.deleted", run["id"], {"name": "Old run"}),
        ("eval.deleted", parent["id"], {"name": "Old eval"}),
        ("file.deleted", file["id"], {"name": "old.jsonl"}),
    ]
    assert found[2]["request_id"] == request
    assert found[2]["caller"]["kind"] == "key"
    assert found[2]["address"] == "127.0.0.1"


def test_changes_of_webhooks_limits_and_retention_are_written_down_without_urls(audited: Audited) -> None:
    http = audited.admin
    url = "https://hooks.example/services/T0/secret-of-the-url"
    made = http.post(
        "/v1/webhook_endpoints", json={"name": "CI", "url": url, "event_types": ["eval.run.failed"]}
    ).json()
    address = f"/v1/webhook_endpoints/{made['id']}"
    http.post(address, json={"name": "Team", "url": f"{url}-elsewhere"})
    http.post(address, json={"name": "Team"})
    http.post(f"{address}/rotate_secret")
    http.delete(address)
    audited.organization.post("/api/limits", json={"month_cost": 50})
    http.post("/api/logs/retention", json={"days": 7})
    http.post("/api/logs/retention", json={"days": 7_000})
    audited.editor.post("/api/logs/retention", json={"days": 1})

    kinds = ("webhook.", "limits.", "retention.")
    found = [entry for entry in entries(http) if entry["action"].startswith(kinds)]
    assert [(each["action"], each["details"]) for each in reversed(found)] == [
        ("webhook.created", {"name": "CI"}),
        ("webhook.changed", {"name": "Team", "changed": ["name", "url"]}),
        ("webhook.rotated", {"name": "Team"}),
        ("webhook.deleted", {"name": "Team"}),
        ("limits.set", {"month_cost": 50.0}),
        ("retention.set", {"days": 7}),
    ]
    assert "secret-of-the-url" not in http.get("/api/audit/export").text


def test_imports_are_written_down_once_a_request_and_checks_are_not(audited: Audited) -> None:
    call = {
        "request": {"model": "m", "messages": [{"role": "user", "content": "Q?"}], "store": True},
        "reply": {"object": "chat.completion", "id": "chatcmpl-1", "model": "m", "choices": []},
    }
    calls = "\n".join(json.dumps({**call, "reply": {**call["reply"], "id": f"chatcmpl-{each}"}}) for each in range(3))
    imported = audited.editor.post("/v1/evals", json=eval_body(name="Imported")).json()
    line = json.dumps({**imported, "id": "eval_00000000000000000000000000000001"})
    before = len(entries(audited.admin))
    for check in (True, False):
        audited.editor.post("/api/logs", content=calls, params={"check": check})
        audited.editor.post("/api/import/evals", content=line, params={**_IMPORT, "check": check})
    found = entries(audited.admin)
    assert len(found) == before + 2
    assert [(each["action"], each["details"]) for each in found[:2]] == [
        ("eval.imported", {"evals": 1}),
        ("call.imported", {"calls": 3}),
    ]
    assert found[0]["target"] == {"kind": "origin", "id": _IMPORT["origin"]}


def test_a_project_sees_its_own_entries_only_and_the_organization_all(audited: Audited) -> None:
    theirs = audited.foreign.post("/api/keys", json={"name": "theirs", "role": "viewer"}).json()
    audited.organization.post("/api/admin_keys", json={"name": "another"})
    assert theirs["id"] in [each["target"]["id"] for each in entries(audited.foreign)]
    mine = entries(audited.admin)
    assert {each["project"] for each in mine} <= {"proj_default"}
    assert theirs["id"] not in json.dumps(mine)
    refused = audited.admin.get("/api/audit", params={"of": "organization"})
    assert refused.status_code == 403
    assert refused.json()["error"]["param"] == "of"
    everything = entries(audited.organization, of="organization")
    assert {each["project"] for each in everything} == {None, "proj_default", "proj_other"}
    assert theirs["value"] not in json.dumps(everything)
    assert audited.editor.get("/api/audit").status_code == 403


def test_entries_are_filtered_paged_and_exported(audited: Audited) -> None:
    made = [audited.admin.post("/api/keys", json={"name": f"k{number}"}).json()["id"] for number in range(5)]
    audited.admin.delete(f"/api/keys/{made[0]}")
    assert [each["action"] for each in entries(audited.admin, target=made[0])] == ["key.revoked", "key.created"]
    assert {each["action"] for each in entries(audited.admin, action="key")} == {"key.revoked", "key.created"}
    assert entries(audited.admin, action="ke") == []
    assert {each["target"]["kind"] for each in entries(audited.admin, target="api_key")} == {"api_key"}
    paged: list[str] = []
    after = None
    while True:
        wanted = {"limit": 2, "action": "key.created", "after": after or ""}
        page = audited.admin.get("/api/audit", params=wanted).json()
        paged += [each["target"]["id"] for each in page["data"]]
        after = page["next"]
        if not page["has_more"]:
            break
    assert paged[:5] == made[::-1]
    assert after is None
    lines = audited.admin.get("/api/audit/export", params={"action": "key.created"}).text.splitlines()
    assert [json.loads(line)["target"]["id"] for line in lines] == paged
    wrong = audited.admin.get("/api/audit", params={"after": "proj_1"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_cursor")


def test_the_command_shows_entries_and_needs_no_key_on_the_server_s_machine(
    audited: Audited,
) -> None:
    audited.organization.post("/api/admin_keys", json={"name": "made for the command"})
    shown = call_command("audit", "--data-dir", str(audited.server.data_dir), "--all-projects", "--action", "key")
    assert shown.returncode == 0, shown.stderr
    assert "made for the command" in shown.stdout
    head, *lines = shown.stdout.splitlines()
    assert "project" in head
    assert any(" proj_default " in line for line in lines), "keys of a project name it"
    refused = call_command("audit", "--data-dir", str(audited.server.data_dir), EVALHAVEN_API_KEY=audited.keys.viewer)
    assert refused.returncode == 70
    assert "may not manage" in refused.stderr


def test_logins_and_refused_ones_are_written_down_without_the_key(audited: Audited) -> None:
    own = {"sec-fetch-site": "same-origin"}
    with httpx2.Client(base_url=audited.server.url, headers=own) as browser:
        assert browser.post("/api/session", json={"key": audited.keys.wrong}).status_code == 401
        assert browser.post("/api/session", json={"key": audited.keys.viewer}).status_code == 200
        assert browser.delete("/api/session").status_code == 200
    found = entries(audited.organization, of="organization", action="session")
    assert [each["action"] for each in found[:3]] == ["session.ended", "session.created", "session.refused"]
    assert [each["caller"]["name"] for each in found[:3]] == ["viewer", "viewer", "anyone"]
    assert found[2]["target"] == {"kind": "address", "id": "127.0.0.1"}
    assert audited.keys.wrong not in json.dumps(found)


def test_an_unknown_endpoint_is_refused_and_a_known_one_tested_alone(audited: Audited) -> None:
    found = audited.organization.post("/api/examination", params={"endpoint": "scripted"}).json()["findings"]
    assert [each["text"][:18] for each in found] == ["Endpoint scripted:"]
    refused = audited.organization.post("/api/examination", params={"endpoint": "nowhere"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "endpoint")
    assert audited.admin.post("/api/examination", params={"endpoint": "scripted"}).status_code == 403
