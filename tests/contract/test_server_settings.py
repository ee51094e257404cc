"""`/api/settings` and `/api/examination` as a client sees them."""

import re
from pathlib import Path

import httpx2

from evalhaven.settings import Settings
from tests.contract.conftest import WITHOUT_KEYS, refusal_of
from tests.server import Server
from tests.system.commands import call_command

SECRETS = {
    "EVALHAVEN_API_KEY": "sk-secret-of-commands",
    "EVALHAVEN_UPSTREAM_API_KEY": "sk-secret-of-upstream",
    "EVALHAVEN_EMBEDDINGS_API_KEY": "sk-secret-of-embeddings",
    "EVALHAVEN_SECRET_KEY": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTAxMjM=",
    "OPENAI_API_KEY": "sk-secret-of-openai",
    "EVALHAVEN_URL": "http://user:secret-password@127.0.0.1:1/v1",
}


def test_every_setting_is_reported_and_no_secret(tmp_path: Path) -> None:
    with Server(tmp_path, EVALHAVEN_UPSTREAM_BASE_URL="http://127.0.0.1:9/v1", **SECRETS).running() as server:
        answer = httpx2.get(f"{server.url}/api/settings")
        told = answer.json()
        pid = server.process.pid
        rotated = call_command("secrets", "rotate", "--data-dir", str(server.data_dir))
        body = {"name": "a", "url": "https://example.org", "event_types": ["eval.run.failed"]}
        assert httpx2.post(f"{server.url}/v1/webhook_endpoints", json=body).status_code == 200

    assert rotated.returncode == 1
    assert "has its keys from EVALHAVEN_SECRET_KEY, which is not set here" in rotated.stderr
    _another_key_is_noticed(tmp_path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert told["process"] == pid
    shown = {each["name"]: each["value"] for each in (*told["settings"], *told["environment"])}
    assert shown.keys() >= {f"EVALHAVEN_{name.upper()}" for name in Settings.model_fields} | {"OPENAI_API_KEY"}
    masked = {name for name, value in shown.items() if value == "********"}
    assert masked == SECRETS.keys() - {"EVALHAVEN_URL"}
    assert shown["EVALHAVEN_URL"] == "http://********@127.0.0.1:1/v1"
    names = re.compile("EVALHAVEN_SECRET_KEY|EVALHAVEN_OIDC_CLIENT_SECRET")
    assert "secret" not in names.sub("", answer.text).lower()
    assert not [value for value in SECRETS.values() if value in answer.text]


def _another_key_is_noticed(directory: Path) -> None:
    """Start the server again, with another key than the one that encrypted the secret of its webhook."""
    other = "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItMDE="
    with Server(directory, EVALHAVEN_SECRET_KEY=other).running() as server:
        found = httpx2.post(f"{server.url}/api/examination").json()["findings"]
        log = server.log

    assert re.search(r"\[error +\] secrets_unreadable .*1 of 1 stored secrets cannot be read", log)
    problem = next(each["text"] for each in found if each["is_problem"])
    assert problem.startswith("1 of 1 stored secrets cannot be read")


def test_settings_are_only_read(http: httpx2.Client) -> None:
    assert refusal_of(http.put("/api/settings"), 405)
    assert http.get("/api/settings", headers={"host": "evil.example"}).status_code == 421


@WITHOUT_KEYS  # it is for who operates the server: the key of a project is not enough
def test_no_page_that_is_merely_shown_makes_the_server_ask_its_endpoints(http: httpx2.Client) -> None:
    refusal_of(http.get("/api/examination"), 405)
    refusal_of(http.post("/api/examination", headers={"origin": "http://evil.example"}), 403)
    found = http.post("/api/examination").json()["findings"]
    assert found[0].keys() == {"text", "is_problem", "took_ms"}
    assert any(each["text"].startswith("Endpoint ") for each in found)
