"""What the published document has and this server does not answers 404 in the envelope."""

from typing import Any

import httpx2
import pytest

from tests.docs.comparison import METHODS
from tests.server import Server


@pytest.fixture(scope="module")
def missing(published: dict[str, Any], neighbours: dict[str, Any], document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (method, path)
        for each in (published, neighbours)
        for path, item in each["paths"].items()
        for method in item
        if method in METHODS and method not in document["paths"].get(f"/v1{path}", {})
    ]


def test_operations_that_are_not_served_are_unknown_urls(server: Server, missing: list[tuple[str, str]]) -> None:
    assert missing
    with httpx2.Client(base_url=f"{server.url}/v1") as http:
        for method, path in missing:
            answer = http.request(method, path.replace("{", "").replace("}", ""), json={} if method == "post" else None)
            error = answer.json()["error"]
            # A path that is served with another method says so: DELETE /v1/models/{model}.
            expected = (405, "method_not_allowed") if "allow" in answer.headers else (404, "unknown_url")
            assert (answer.status_code, error["code"]) == expected, (method, path)
            assert error["type"] == "invalid_request_error"
            assert path.split("/")[1] in error["message"]
