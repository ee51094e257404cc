"""A server with keys under attack: projects, keys, members, sessions, limits, webhooks and the audit log."""

from collections.abc import Callable
from typing import Any

import httpx2

from tests.contract.conftest import eval_body, inline_source
from tests.contract.document import AnswerChecker
from tests.hostile.addresses import Headers
from tests.hostile.attacked import Attacked
from tests.hostile.operations import Operation, operations_of
from tests.hostile.values import to_json
from tests.server import Server
from tests.sizes import SIZES
from tests.system.access import Keys
from tests.system.client import wait_until
from tests.system.watch import Watch

_DOCUMENTS = ("/openapi.json", "/api/openapi.json")
_ATTACKED = (
    "/v1/organization/",
    "/v1/webhook_",
    *(f"/api/{name}" for name in ("admin_keys", "audit", "keys", "limits", "members", "people", "session", "webhook_")),
)
# What a refused request must not change. Left out is what changes by itself, such as when a key was last used.
_LOOKED_AT = (
    "SELECT id, public_id, name, archived_at FROM projects ORDER BY id",
    "SELECT * FROM service_accounts ORDER BY key",
    "SELECT * FROM members ORDER BY person_key",
    "SELECT key, project_id, public_id, name, scopes, expires_at, revoked_at FROM api_keys ORDER BY key",
    "SELECT * FROM key_limits ORDER BY api_key_key",
    "SELECT * FROM limits ORDER BY project_id",
    "SELECT subscriber_key, name, url, event_types, format, sealed_secret, off_since FROM webhooks ORDER BY 1",
    "SELECT count(*) FROM sessions",
    "SELECT count(*) FROM audit WHERE action <> 'session.refused'",
)
_HOOK: dict[str, Any] = {"name": "stays", "event_types": ["eval.run.succeeded", "eval.run.failed"]}
_LIMITS = ("requests_per_minute", "concurrent_runs", "stored_bytes", "run_cost", "month_cost")
_NO_LIMITS: dict[str, Any] = dict.fromkeys(_LIMITS)
_KEY: dict[str, Any] = {"name": "key", "expires_at": 4_000_000_000}


class Management(Attacked):
    """The server."""

    requests = SIZES.managing_requests
    # A key that was tried in vain too often, and a receiver that is gone.
    may_refuse = frozenset(("logIn", "testWebhookEndpoint"))

    def __init__(self, server: Server, client: httpx2.Client, watch: Watch, keys: Keys, hook: str) -> None:
        """Make what stays.

        Args:
            server: A server with keys.
            client: Has a key of the organization's.
            watch: Of the server's database.
            keys: Those that there are.
            hook: An address that takes webhooks.
        """
        super().__init__(server, client)
        self._watch = watch
        self.operations, self._checkers = {}, dict[str, AnswerChecker]()
        for path in _DOCUMENTS:
            document = client.get(path).json()
            found = operations_of(document)
            chosen = {name: each for name, each in found.items() if each.template.startswith(_ATTACKED)}
            self.operations |= chosen
            self._checkers |= dict.fromkeys(chosen, AnswerChecker(document))
        self._hook = {**_HOOK, "url": hook}
        self._known = {"project_id": self._new_project(), "key_id": self._new_key("keys")}
        self._known["service_account_id"] = self._new_account()
        self._known["api_key_id"] = self._new_account_key()
        self._known["webhook_endpoint_id"] = self._new_hook()
        self._known["delivery_id"] = self._new_delivery()
        self._newcomer, self._leaver = self._new_person("newcomer"), self._new_person("leaver")
        self._known["person_id"] = self._new_member(self._new_person("stays"))
        self.bodies = {
            "create-project": [{"name": "project"}, {"name": "größe", "external_key_id": None, "residency": "GLOBAL"}],
            "modify-project": [{"name": "stays"}, {}],
            "create-project-service-account": [
                {"name": "account", "expires_in_seconds": 3600},
                {"name": "account", "create_service_account_only": True},
            ],
            "update-project-service-account": [{"name": "stays", "role": "member"}, {}],
            "CreateanAPIkeyforaserviceaccount": [{"name": "key", "scopes": ["read", "write"]}, {}],
            "createKey": [
                {**_KEY, "role": "viewer", "requests_per_minute": 1000},
                {"name": "key", "scopes": ["read"], "expires_at": None},
            ],
            "changeKey": [{"requests_per_minute": 10}, {"requests_per_minute": None}],
            "createAdminKey": [_KEY, {"name": "key"}],
            "setLimits": [dict.fromkeys(_LIMITS, 10**9), _NO_LIMITS],
            "addMember": [{"person": self._newcomer, "role": "viewer"}],
            "changeMember": [{"role": "editor"}],
            "logIn": [{"key": keys.viewer}, {"key": keys.organization, "project": "proj_default"}],
            "createWebhookEndpoint": [
                {**self._hook, "evalhaven": {"format": "slack", "enabled": False}},
                {**self._hook, "event_types": ["batch.completed", "eval.run.canceled"]},
            ],
            "updateWebhookEndpoint": [{**self._hook, "evalhaven": {"enabled": True, "format": "standard"}}, {}],
            "rotateWebhookEndpointSecret": [{"keep_old_secret_active_for_24_hours": True}, {}],
            "testWebhookEndpoint": [{"event_type": "eval.run.succeeded"}],
        }
        self._state = self._look()

    def ids(self, operation: Operation) -> dict[str, str]:
        makers: dict[str, Callable[[], str]] = {
            "archive-project": self._new_project,
            "delete-project-service-account": self._new_account,
            "delete-project-api-key": self._new_account_key,
            "revokeKey": lambda: self._new_key("keys"),
            "revokeAdminKey": lambda: self._new_key("admin_keys"),
            "removeMember": lambda: self._new_member(self._leaver),
            "deleteWebhookEndpoint": self._new_hook,
        }
        found = {name: self._known[name] for name in operation.path}
        if operation.id in makers:
            found[operation.path[-1]] = makers[operation.id]()
            self._state = self._look()
        return found

    def body(self, operation: Operation, number: int = 0) -> tuple[bytes, Headers]:
        if operation.body is None:
            return b"", []
        assert operation.id in self.bodies, f"{operation.id} has no valid body in tests/hostile/management.py"
        bodies = self.bodies[operation.id]
        return to_json(bodies[number % len(bodies)]), [(b"content-type", b"application/json")]

    def settle(self, operation: Operation, answer: httpx2.Response, content: bytes | None = None) -> None:
        if not answer.is_success or not operation.writes:
            return
        self._client.cookies.clear()
        path = self._path_of(operation, answer)
        self._find(operation, answer, path)
        undone: dict[str, Callable[[], httpx2.Response]] = {
            "create-project": lambda: self._client.post(f"{path}/archive"),
            "modify-project": lambda: self._client.post(path, json={"name": "stays"}),
            "update-project-service-account": lambda: self._client.post(path, json={"name": "stays", "role": "member"}),
            "changeKey": lambda: self._client.post(path, json={"requests_per_minute": None}),
            "setLimits": lambda: self._client.post(path, json=_NO_LIMITS),
            "updateWebhookEndpoint": lambda: self._client.post(
                path, json={**self._hook, "evalhaven": {"enabled": True, "format": "standard"}}
            ),
            **dict.fromkeys(
                ("create-project-service-account", "createKey", "createAdminKey", "addMember", "createWebhookEndpoint"),
                lambda: self._client.delete(path),
            ),
        }
        if operation.id in undone:
            undone_by = undone[operation.id]()
            assert undone_by.status_code == 200, undone_by.text
        self._state = self._look()

    def _path_of(self, operation: Operation, answer: httpx2.Response) -> str:
        """Return the path of what a request made or changed."""
        path = operation.target(self._known).decode()
        if operation.method != "POST" or (operation.path and operation.template.endswith("}")):
            return path
        made: dict[str, Any] = answer.json()
        return f"{path}/{made.get('person', made).get('id')}" if operation.id != "setLimits" else path

    def _find(self, operation: Operation, answer: httpx2.Response, path: str) -> None:
        """Fail unless what was made or changed is found as it was answered, but for a secret."""
        get = next((each for each in self.operations.values() if self._is_of(each, path)), None)
        if get is None or operation.method != "POST":
            return
        found, told = self._client.get(path).json(), answer.json()
        # A service account is shown with its key only once, and a webhook may be told of something meanwhile.
        for name in found.keys() & told.keys() - {"evalhaven", "updated_at"}:
            assert found[name] == told[name], f"{operation.id}: {name}"

    def _is_of(self, operation: Operation, path: str) -> bool:
        steps, template = path.split("/"), operation.template.split("/")
        return (
            not operation.writes
            and len(steps) == len(template)
            and template[-1].startswith("{")
            and all(a == b for a, b in zip(steps[:-1], template[:-1], strict=True) if not b.startswith("{"))
        )

    def _look(self) -> object:
        return tuple(tuple(self._watch.rows(query)) for query in _LOOKED_AT)

    def _checker_of(self, operation: Operation) -> AnswerChecker:
        return self._checkers[operation.id]

    def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def _new_project(self) -> str:
        return self._made("/v1/organization/projects", {"name": "stays"})["id"]

    @property
    def _accounts(self) -> str:
        return f"/v1/organization/projects/{self._known['project_id']}/service_accounts"

    def _new_account(self) -> str:
        return self._made(self._accounts, {"name": "stays", "create_service_account_only": True})["id"]

    def _new_account_key(self) -> str:
        return self._made(f"{self._accounts}/{self._known['service_account_id']}/api_keys", {"name": "stays"})["id"]

    def _new_key(self, kind: str) -> str:
        return self._made(f"/api/{kind}", {"name": "stays"})["id"]

    def _new_hook(self) -> str:
        return self._made("/v1/webhook_endpoints", self._hook)["id"]

    def _new_delivery(self) -> str:
        parent = self._made("/v1/evals", eval_body())["id"]
        self._made(f"/v1/evals/{parent}/runs", {"data_source": inline_source()})
        path = f"/api/webhook_endpoints/{self._known['webhook_endpoint_id']}/deliveries"
        wait_until(lambda: self._client.get(path).json()["data"], "the end of a run is told")
        return self._client.get(path).json()["data"][0]["id"]

    def _new_person(self, name: str) -> str:
        """Let somebody be known who has logged in at a provider."""
        columns = "public_id, issuer, subject, email, name, created_at"
        values = (f"user-{name}", "https://id.example", name, f'"{name}@example.org"', f'"{name}"', 1)
        self._watch.change(f"INSERT INTO people ({columns}) VALUES (?, ?, ?, ?, ?, ?)", *values)  # noqa: S608 - those columns
        return values[0]

    def _new_member(self, person: str) -> str:
        # A refused removal leaves them.
        if person not in self._client.get("/api/members").text:
            self._made("/api/members", {"person": person, "role": "viewer"})
        return person
