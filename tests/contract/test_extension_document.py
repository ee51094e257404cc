"""`/api/openapi.json`: it has every route below `/api/`, and each answers what the document says."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi.routing import iter_route_contexts

from tests.contract.conftest import eval_body, inline_source, wait_for_end
from tests.contract.document import AnswerChecker
from tests.docs.compatibility_page import own_application
from tests.importing.moving import ORIGIN, a_file, a_run, an_eval, an_item
from tests.server import Server

IMPORT = {"origin": ORIGIN}
UNKNOWN = "evalrun_00000000000000000000000000000000"


_CALL = {
    "request": {"model": "m", "messages": []},
    "reply": {"object": "chat.completion", "id": "chatcmpl-1", "model": "m", "choices": []},
}


@dataclass
class Api:
    """A server of its own, since imported objects would show up in the lists of other tests."""

    client: httpx2.Client
    document: dict[str, Any]
    run: dict[str, Any]
    database: Path
    parent: dict[str, Any] = field(default_factory=an_eval)

    def post(self, path: str, *documents: Any, **query: Any) -> httpx2.Response:
        """Import documents, a line each."""
        content = "\n".join(map(json.dumps, documents))
        return self.client.post(f"/api/import/{path}", params={**IMPORT, **query}, content=content)


def _import_eval(api: Api) -> httpx2.Response:
    return api.post("evals", api.parent, {"object": "eval"})


def _import_run(api: Api) -> httpx2.Response:
    _import_eval(api)
    return api.post(f"evals/{api.parent['id']}/runs", a_run(api.parent), a_run(api.parent, 2, status="queued"))


def _import_items(api: Api) -> httpx2.Response:
    _import_run(api)
    run = a_run(api.parent)
    return api.post(f"evals/{run['eval_id']}/runs/{run['id']}/output_items", an_item(run, 0), {})


def _import_file(api: Api) -> httpx2.Response:
    form = {"document": json.dumps(a_file(bytes=2))}
    return api.client.post("/api/import/files", params=IMPORT, data=form, files={"file": ("x", b"{}")})


def _get_imported(api: Api) -> httpx2.Response:
    _import_run(api)
    return api.client.get(f"/api/runs/{a_run(api.parent)['id']}")


def _logged(api: Api) -> str:
    api.client.post("/api/logs", content=json.dumps(_CALL))
    return _CALL["reply"]["id"]  # pyright: ignore[reportReturnType]


def _webhook(api: Api) -> str:
    found = api.client.get("/v1/webhook_endpoints").json()["data"]
    if found:
        return found[0]["id"]
    body = {"name": "hook", "url": "https://127.0.0.1:1/", "event_types": ["eval.run.succeeded"]}
    made = api.client.post("/v1/webhook_endpoints", json=body).json()["id"]
    run = api.client.post(f"/v1/evals/{api.run['eval_id']}/runs", json={"data_source": inline_source()}).json()
    wait_for_end(api.client, run)
    return made


def _delivery(api: Api) -> str:
    log = f"/api/webhook_endpoints/{_webhook(api)}/deliveries"
    return f"{log}/{api.client.get(log).json()['data'][0]['id']}"


def _new_key(api: Api, kind: str) -> str:
    return api.client.post(f"/api/{kind}", json={"name": "to be revoked"}).json()["id"]


def _new_person(api: Api) -> str:
    """Let somebody be known who has logged in at a provider; return their id."""
    person = f"user-{uuid4().hex}"
    row = (person, "https://id.example", person, f'"{person}@example.org"', None, 1)
    with contextlib.closing(sqlite3.connect(api.database)) as database, database:
        columns = "public_id, issuer, subject, email, name, created_at"
        database.execute(f"insert into people ({columns}) values (?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - those columns
    return person


def _add_member(api: Api) -> httpx2.Response:
    return api.client.post("/api/members", json={"person": _new_person(api), "role": "viewer"})


def _item_of(api: Api) -> str:
    return api.client.get(f"/api/runs/{api.run['id']}/items").json()["data"][0]["id"]


CALLS: dict[str, list[Callable[[Api], httpx2.Response]]] = {
    "getExtensionDocument": [lambda api: api.client.get("/api/openapi.json")],
    "getServer": [lambda api: api.client.get("/api/server")],
    "getSession": [lambda api: api.client.get("/api/session")],
    "logIn": [
        lambda api: api.client.post(
            "/api/session",
            json={"key": api.client.headers["authorization"].split()[1]},
            headers={"origin": str(api.client.base_url).rstrip("/")},
        )
    ],
    "logOut": [lambda api: api.client.delete("/api/session", headers={"origin": str(api.client.base_url).rstrip("/")})],
    "listPeople": [lambda api: api.client.get("/api/people", params={"search": _new_person(api)})],
    "listMembers": [lambda api: _add_member(api) and api.client.get("/api/members")],
    "addMember": [_add_member],
    "changeMember": [
        lambda api: api.client.post(f"/api/members/{_add_member(api).json()['person']['id']}", json={"role": "editor"})
    ],
    "removeMember": [lambda api: api.client.delete(f"/api/members/{_add_member(api).json()['person']['id']}")],
    "listKeys": [lambda api: api.client.get("/api/keys")],
    "createKey": [
        lambda api: api.client.post("/api/keys", json={"name": "one"}),
        lambda api: api.client.post("/api/keys", json={"name": "two", "scopes": ["read"], "expires_at": 4_000_000_000}),
    ],
    "changeKey": [
        lambda api: api.client.post(f"/api/keys/{_new_key(api, 'keys')}", json={"requests_per_minute": 1_000_000}),
        lambda api: api.client.post(f"/api/keys/{_new_key(api, 'keys')}", json={"requests_per_minute": None}),
    ],
    "getLimits": [lambda api: api.client.get("/api/limits")],
    "setLimits": [
        lambda api: api.client.post("/api/limits", json={"run_cost": 1e6, "stored_bytes": None}),
        # What a newer client may say is passed over, as everywhere.
        lambda api: api.client.post("/api/limits", json={"": None, "runs_on_sundays": 1}),
    ],
    "getRetention": [lambda api: api.client.get("/api/logs/retention")],
    "setRetention": [
        lambda api: api.client.post("/api/logs/retention", json={"days": 30}),
        lambda api: api.client.post("/api/logs/retention", json={"days": None, "weeks": 1}),
    ],
    "revokeKey": [lambda api: api.client.delete(f"/api/keys/{_new_key(api, 'keys')}")],
    "listAdminKeys": [lambda api: api.client.get("/api/admin_keys")],
    "createAdminKey": [lambda api: api.client.post("/api/admin_keys", json={"name": "three"})],
    "revokeAdminKey": [lambda api: api.client.delete(f"/api/admin_keys/{_new_key(api, 'admin_keys')}")],
    "listAuditEntries": [lambda api: api.client.get("/api/audit", params={"of": "organization", "action": "key"})],
    "exportAuditEntries": [lambda api: api.client.get("/api/audit/export", params={"of": "organization"})],
    "getSettings": [lambda api: api.client.get("/api/settings")],
    "examineServer": [
        lambda api: api.client.post("/api/examination"),
        lambda api: api.client.post("/api/examination", params={"endpoint": "scripted"}),
    ],
    "listWebhookDeliveries": [lambda api: api.client.get(f"/api/webhook_endpoints/{_webhook(api)}/deliveries?limit=1")],
    "getWebhookDelivery": [lambda api: api.client.get(_delivery(api))],
    "resendWebhookDelivery": [lambda api: api.client.post(f"{_delivery(api)}/resend")],
    "resendFailedWebhookDeliveries": [lambda api: api.client.post(f"/api/webhook_endpoints/{_webhook(api)}/resend")],
    "listWorkers": [lambda api: api.client.get("/api/workers")],
    "getLogStatus": [lambda api: api.client.get("/api/logs")],
    "listEndpointOverviews": [lambda api: api.client.get("/api/models")],
    "listFileOverviews": [lambda api: api.client.get("/api/files")],
    "listLoggedCalls": [
        lambda api: api.client.get("/api/logs/calls", params={"kind": "chat", "text": "x", "created_after": 1})
    ],
    "getLoggedCall": [
        lambda api: api.client.get(f"/api/logs/calls/{_logged(api)}"),
    ],
    "importCalls": [lambda api: api.client.post("/api/logs", content=json.dumps(_CALL) + "\n{}\n")],
    "getRunById": [
        lambda api: api.client.get(f"/api/runs/{api.run['id']}"),
        lambda api: api.client.get(f"/api/runs/{api.run['id']}?rows=false"),
        _get_imported,
    ],
    "listEvalOverviews": [
        lambda api: api.client.get("/api/evals"),
        lambda api: api.client.get("/api/evals", params={"sort": "created", "limit": 1}),
    ],
    "listEvalVersions": [lambda api: api.client.get(f"/api/evals/{api.run['eval_id']}/versions")],
    "listRunOverviews": [
        lambda api: api.client.get("/api/runs"),
        lambda api: api.client.get("/api/runs", params={"eval": api.run["eval_id"], "limit": 1}),
    ],
    "listRunItems": [
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/items", params={"fields": "a", "sort": "score"}),
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/items", params={"text": "x"}),
    ],
    "getRunItemPlace": [lambda api: api.client.get(f"/api/runs/{api.run['id']}/items/{_item_of(api)}")],
    "listRunEvents": [lambda api: api.client.get(f"/api/runs/{api.run['id']}/events")],
    "findOutputItem": [lambda api: api.client.get(f"/api/output_items/{_item_of(api)}")],
    "watchRuns": [lambda api: api.client.get("/api/events", params={"runs": api.run["id"]})],
    "regradeRun": [
        lambda api: api.client.post(f"/api/runs/{api.run['id']}/regrade"),
        lambda api: api.client.post(f"/api/runs/{api.run['id']}/regrade", json={"evalhaven": {"labels": ["anew"]}}),
    ],
    "getRunReport": [
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/report"),
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/report?by=a&k=1"),
    ],
    "breakDownRun": [
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/breakdown?field=item.a"),
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/breakdown?field=item.a&limit=1"),
    ],
    "compareRuns": [
        lambda api: api.client.get("/api/compare", params={"runs": api.run["id"], "base": api.run["id"]}),
        lambda api: api.client.get("/api/compare", params={"runs": api.run["id"], "margin": 0.01}),
    ],
    "listComparedItems": [
        lambda api: api.client.get("/api/compare/items", params={"run": api.run["id"], "base": api.run["id"]}),
        lambda api: api.client.get(
            "/api/compare/items", params={"run": api.run["id"], "base": api.run["id"], "text": "x", "limit": 1}
        ),
    ],
    "exportComparedItems": [
        lambda api: api.client.get("/api/compare/export", params={"run": api.run["id"], "base": api.run["id"]})
    ],
    "exportRun": [
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/export"),
        lambda api: api.client.get(f"/api/runs/{api.run['id']}/export?columns=id,item.a&status=pass"),
    ],
    "getRunReportPage": [lambda api: api.client.get(f"/api/runs/{api.run['id']}/report.html")],
    "getComparisonPage": [
        lambda api: api.client.get("/api/compare/report.html", params={"run": api.run["id"], "base": api.run["id"]})
    ],
    "gateRun": [
        lambda api: api.client.post(f"/api/runs/{api.run['id']}/gate", json={"threshold": 0.5}),
        lambda api: api.client.post(
            f"/api/runs/{api.run['id']}/gate", params={"baseline": api.run["id"]}, json={"margin": 0.5}
        ),
    ],
    "planEval": [
        lambda api: api.client.get(f"/api/evals/{api.run['eval_id']}/plan"),
        lambda api: api.client.get(
            f"/api/evals/{api.run['eval_id']}/plan", params={"difference": 0.03, "margin": 0.02, "threshold": 0.9}
        ),
    ],
    "pinRun": [lambda api: api.client.post(f"/api/runs/{api.run['id']}/pin")],
    "unpinRun": [lambda api: api.client.delete(f"/api/runs/{api.run['id']}/pin")],
    "retryRun": [lambda api: api.client.post(f"/api/runs/{api.run['id']}/retry", json={"budget": {"tokens": 9}})],
    "importEvals": [_import_eval],
    "importRuns": [_import_run],
    "importOutputItems": [_import_items],
    "importFile": [_import_file],
}
"""What is sent to each operation so that it answers with success, by the operation's id."""

REFUSED_BY_STATE = {"pinRun"}
"""Operations without any parameter that are refused for what the object is like."""

REFUSALS: dict[str, tuple[int, Callable[[Api], httpx2.Response]]] = {
    "a parameter that is missing": (400, lambda api: api.client.post("/api/import/evals")),
    "a body that is no JSON": (400, lambda api: api.client.post(f"/api/runs/{UNKNOWN}/regrade", content="{")),
    "a page of another origin": (
        403,
        lambda api: api.client.post("/api/examination", headers={"origin": "http://evil.example"}),
    ),
    "a run that is not there": (404, lambda api: api.client.get(f"/api/runs/{UNKNOWN}")),
    "an eval that is not there": (404, lambda api: api.post(f"evals/{an_eval(9)['id']}/runs")),
    "a run to grade that is not there": (404, lambda api: api.client.post(f"/api/runs/{UNKNOWN}/regrade")),
    "a body over the limit": (
        413,
        lambda api: api.client.post("/api/import/evals", params=IMPORT, content=b" " * (1 << 20) + b"{}"),
    ),
    "a body that is compressed": (
        415,
        lambda api: api.client.post("/api/import/evals", params=IMPORT, headers={"content-encoding": "gzip"}),
    ),
}
"""What is refused, and with which status."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    directory: Path = tmp_path_factory.mktemp("extension")
    settings = {"EVALHAVEN_MAX_BODY_MB": "1", "EVALHAVEN_WEBHOOK_ALLOW_PRIVATE": "127.0.0.1"}
    with Server(directory, **settings).running() as server, httpx2.Client(base_url=server.url) as client:
        # The first key that a test makes would close the server.
        key = client.post("/api/admin_keys", json={"name": "test"}).json()["value"]
        client.headers["authorization"] = f"Bearer {key}"
        document = client.get("/api/openapi.json").json()
        parent = client.post("/v1/evals", json=eval_body()).json()
        run = client.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": inline_source()}).json()
        yield Api(client, document, wait_for_end(client, run), server.database_path)


FOR_BROWSERS = ("/api/login/oidc", "/api/login/oidc/callback")  # they only redirect


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the operations of a document by their ids."""
    return {each["operationId"]: each for path in document["paths"].values() for each in path.values()}


def test_every_route_below_api_is_in_the_document(extension_document: dict[str, Any]) -> None:
    served = {
        (each.path, method.lower())
        for each in iter_route_contexts(own_application().routes)
        if str(each.path).startswith("/api") and each.path not in FOR_BROWSERS
        for method in each.methods or ()
    }
    documented = {(path, method) for path, item in extension_document["paths"].items() for method in item}

    assert documented == served
    assert ("/api/runs/{run_id}", "get") in served


def test_every_operation_is_called_here(extension_document: dict[str, Any]) -> None:
    assert operations(extension_document).keys() == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
def test_an_operation_answers_what_the_document_says(api: Api, name: str) -> None:
    checker = AnswerChecker(api.document)
    for number, call in enumerate(CALLS[name], 1):
        answer = call(api)
        assert answer.is_success, answer.text
        checker.check(answer)
        assert checker.checked == number, "the answer was held against the document"
        assert str(answer.status_code) in operations(api.document)[name]["responses"]
        is_sent_json = answer.request.headers.get("content-type") == "application/json"
        assert not is_sent_json or "requestBody" in operations(api.document)[name], "a body that is read is documented"


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_is_one_that_the_document_names(api: Api, name: str) -> None:
    status, call = REFUSALS[name]
    answer = call(api)
    assert answer.status_code == status, answer.text
    checker = AnswerChecker(api.document)
    checker.check(answer)
    assert checker.checked == 1


def test_the_check_sees_a_wrong_answer_and_an_unnamed_code(api: Api) -> None:
    found = api.client.get(f"/api/runs/{api.run['id']}")
    checker = AnswerChecker(api.document)
    for content, status in (
        (found.text.replace('"completed"', '"over"'), 200),
        (found.text.replace('"items_planned"', '"items"'), 200),
        ('{"error": {"message": "No.", "type": "x", "param": null, "code": "made_up"}}', 404),
        ('{"error": "No."}', 404),
    ):
        wrong = httpx2.Response(
            status, text=content, headers={"content-type": "application/json"}, request=found.request
        )
        with pytest.raises(AssertionError):
            checker.check(wrong)


def test_every_error_of_an_operation_has_the_envelope(extension_document: dict[str, Any]) -> None:
    envelope = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}}
    for name, operation in operations(extension_document).items():
        errors = {status: each for status, each in operation["responses"].items() if not status.startswith("2")}
        in_query = [each for each in operation.get("parameters", []) if each["in"] != "path"]
        assert errors.keys() >= {"503", "default"}, name
        is_refusable = bool(in_query) or "requestBody" in operation or name in REFUSED_BY_STATE
        assert ("400" in errors) == is_refusable, name
        assert all(each["content"] == envelope for each in errors.values()), name
        assert ("413" in errors) == ("415" in errors) == ("requestBody" in operation), name
    assert "Retry-After" in operations(extension_document)["retryRun"]["responses"]["503"]["headers"]


def test_every_field_and_parameter_of_our_own_is_explained(
    extension_document: dict[str, Any], document: dict[str, Any]
) -> None:
    schemas = extension_document["components"]["schemas"]
    contract = document["components"]["schemas"].keys()
    own = [name for name in schemas if name not in contract or re.search(r"^(Run(?!Grader)|.*Extension$)", name)]
    unexplained = [
        f"{name}.{key}"
        for name in own
        for key, value in schemas[name].get("properties", {}).items()
        if "description" not in value and key not in schemas["EvalRun"]["properties"]
    ]
    parameters = [each for one in operations(extension_document).values() for each in one.get("parameters", [])]

    assert {"EvalRunExtension", "RunBudget", "ImportOutcome", "ShownSetting", "RegradeRunRequest"} <= set(own)
    assert unexplained == []
    assert [each["name"] for each in parameters if "description" not in each] == []


def test_the_contract_knows_nothing_of_api(document: dict[str, Any]) -> None:
    assert [path for path in document["paths"] if path.startswith("/api")] == []
    assert {"ServerSettings", "ImportOutcome", "EvalRunById"}.isdisjoint(document["components"]["schemas"])


def test_the_document_is_read_like_any_other(http: httpx2.Client, extension_document: dict[str, Any]) -> None:
    answer = http.get("/api/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == extension_document
    assert extension_document["openapi"].startswith("3.1.")
    assert http.post("/api/openapi.json").status_code == 405
