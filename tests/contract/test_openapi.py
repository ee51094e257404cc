"""The OpenAPI documents: valid, self-contained, and true to the published names and to what is sent."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import pytest

from evalhaven.api.documented_calls import CALL_BODIES
from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, eval_body, inline_source
from tests.contract.document import AnswerChecker

pytestmark = ON_ONE_DATABASE

METHODS = {"get", "post", "delete", "put", "patch"}
_PATH, _METHOD, _OPERATION = (
    re.compile(r"^  (/\S+):$"),
    re.compile(r"^    (\w+):$"),
    re.compile(r"^      operationId: (\S+)$"),
)


# Published, but not in the documents at hand: as OpenAI's SDKs send them.
UPLOADS = {
    ("/uploads", "post"): "createUpload",
    ("/uploads/{upload_id}/parts", "post"): "addUploadPart",
    ("/uploads/{upload_id}/complete", "post"): "completeUpload",
    ("/uploads/{upload_id}/cancel", "post"): "cancelUpload",
}
# As the official SDK has them; no published document names these operations.
WEBHOOKS = {
    ("/webhook_endpoints", "post"): "createWebhookEndpoint",
    ("/webhook_endpoints", "get"): "listWebhookEndpoints",
    ("/webhook_endpoints/{webhook_endpoint_id}", "get"): "getWebhookEndpoint",
    ("/webhook_endpoints/{webhook_endpoint_id}", "post"): "updateWebhookEndpoint",
    ("/webhook_endpoints/{webhook_endpoint_id}", "delete"): "deleteWebhookEndpoint",
    ("/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", "post"): "rotateWebhookEndpointSecret",
    ("/webhook_endpoints/{webhook_endpoint_id}/test", "post"): "testWebhookEndpoint",
    ("/webhook_event_types", "get"): "listWebhookEventTypes",
}


def published_operations(path: Path) -> dict[tuple[str, str], str]:
    """Return path and method to operationId of a published document; PyYAML is not needed for three kinds of line."""
    found: dict[tuple[str, str], str] = {}
    url = method = ""
    for line in path.read_text().splitlines():
        if match := _PATH.match(line):
            url = match[1]
        elif match := _METHOD.match(line):
            method = match[1]
        elif match := _OPERATION.match(line):
            found[url, method] = match[1]
    return found


def _operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path.removeprefix("/v1"), method): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if path.startswith("/v1/")
    }


def test_operations_have_the_published_ids(document: dict[str, Any], shared_dir: Path) -> None:
    published = published_operations(shared_dir / "spec/openapi/evals-graders-files.yaml")
    published |= published_operations(shared_dir / "spec/openapi/neighbours.yaml") | UPLOADS | WEBHOOKS
    ours = {key: operation["operationId"] for key, operation in _operations(document).items()}
    expected = {key: name for key, name in published.items() if key[0].startswith(("/evals", "/files"))}
    expected |= {key: name for key, name in published.items() if name in {"listModels", "retrieveModel"}}
    assert {key: name for key, name in ours.items() if key in expected} == expected
    # What is beyond is published too, or it would be an alias or an extension under the contract's prefix.
    assert ours.keys() - published.keys() == set()
    assert all(published[key] == name for key, name in ours.items())


def test_operations_take_the_published_parameters(document: dict[str, Any], shared_dir: Path) -> None:
    text = (shared_dir / "spec/openapi/evals-graders-files.yaml").read_text()
    for name, operation in {each["operationId"]: each for each in _operations(document).values()}.items():
        if f"operationId: {name}\n" not in text:
            continue
        section = re.split(r"\n    \w+:\n|\n  /\S+:\n", text.partition(f"operationId: {name}\n")[2])[0]
        published = set(re.findall(r"- name: (\w+)\n", section))
        assert published <= {parameter["name"] for parameter in operation.get("parameters", [])}, name


def test_aliases_and_pages_are_left_out(document: dict[str, Any]) -> None:
    assert all(path.startswith(("/v1/", "/api/")) for path in document["paths"])
    assert not [path for path in document["paths"] if path.startswith("/v1/evals/") and path.endswith("/cancel")]


def test_the_document_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert {"title", "version"} <= document["info"].keys()
    ids: list[str] = []
    for path, item in document["paths"].items():
        assert path.startswith("/")
        assert item.keys() <= METHODS
        for operation in item.values():
            ids.append(operation["operationId"])
            assert operation["responses"]
            assert all(answer["description"] for answer in operation["responses"].values())
            in_path = {each["name"] for each in operation.get("parameters", []) if each["in"] == "path"}
            assert in_path == set(re.findall(r"\{(\w+)", path))
            assert "422" not in operation["responses"], "validation is 400 here"
            assert ("413" in operation["responses"]) == ("requestBody" in operation)
            is_repeatable = any(each["name"] == "idempotency-key" for each in operation.get("parameters", []))
            names_model = operation["operationId"] in CALL_BODIES
            assert ("404" in operation["responses"]) == (bool(in_path) or is_repeatable or names_model)
            assert "Retry-After" in operation["responses"]["429"]["headers"]
    assert len(ids) == len(set(ids))


@pytest.fixture(params=["contract", "extension"])
def either(
    request: pytest.FixtureRequest, document: dict[str, Any], extension_document: dict[str, Any]
) -> dict[str, Any]:
    """Return each of the two documents in turn."""
    return document if request.param == "contract" else extension_document


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for entry in value.values() for each in _references(entry)]
    return [each for entry in value for each in _references(entry)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere_inside(either: dict[str, Any]) -> None:
    references = set(_references(either))
    assert references
    for reference in references:
        assert reference.startswith("#/")
        place: Any = either
        for step in reference.removeprefix("#/").split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]


def test_no_schema_is_left_over(either: dict[str, Any]) -> None:
    used = {reference.rpartition("/")[2] for reference in _references(either)}
    assert either["components"]["schemas"].keys() - used == set()


def test_every_schema_is_valid(either: dict[str, Any]) -> None:
    for name in either["components"]["schemas"]:
        schema = {"$ref": f"#/components/schemas/{name}", "components": either["components"]}
        jsonschema_rs.validator_for(schema)
        jsonschema_rs.meta.validate(either["components"]["schemas"][name])


REQUESTS: dict[str, dict[str, Any]] = {
    "CreateEvalRequest": eval_body(name=None, metadata={"k": "v"}),
    "CreateEvalRunRequest": {"data_source": inline_source(), "evalhaven": {"repeats": 1}},
    "UpdateEvalRequest": {"name": "x", "metadata": None},
}


@pytest.mark.parametrize("name", REQUESTS)
def test_requests_are_described_by_their_schemas(checker: AnswerChecker, name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}"}
    assert checker.problems(schema, REQUESTS[name]) == []
    assert checker.problems(schema, {**REQUESTS[name], "metadata": {"k": 1}})


def test_the_checker_of_all_answers_sees_what_is_wrong(
    http: httpx2.Client, checker: AnswerChecker, make_eval: MakeEval, document: dict[str, Any]
) -> None:
    made = make_eval()
    before = checker.checked
    http.get(f"/v1/evals/{made['id']}")
    assert checker.checked == before + 1
    schema = {"$ref": "#/components/schemas/Eval"}
    assert checker.problems(schema, made) == []
    for broken in ({**made, "created_at": "1"}, {**made, "object": "evil"}, {**made, "testing_criteria": [{}]}):
        assert checker.problems(schema, broken)
    assert checker.problems(schema, {key: value for key, value in made.items() if key != "id"})


def test_the_document_is_the_same_at_every_address(http: httpx2.Client, document: dict[str, Any]) -> None:
    again = http.get("/openapi.json")
    assert again.headers["content-type"] == "application/json"
    assert json.loads(again.text) == document
